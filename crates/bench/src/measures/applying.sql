-- The baseline of `applying`: what a careful person writes in plpgsql who has the proposals in a table.

CREATE TABLE prepared (
    n         int  PRIMARY KEY,
    operation text NOT NULL,
    id        bigint NOT NULL,
    digest    text NOT NULL
);
CREATE TABLE baseline_tickets (LIKE tickets INCLUDING ALL);
CREATE TABLE baseline_ledger (LIKE synapsor.ledger INCLUDING ALL);
GRANT SELECT ON prepared TO writer;
GRANT SELECT, INSERT, DELETE, UPDATE (status, note) ON baseline_tickets TO writer;
GRANT INSERT ON baseline_ledger TO writer;

-- Each proposal in a subtransaction of its own, with its ledger row; a COMMIT after each batch.
CREATE PROCEDURE baseline_apply(batch_size int, INOUT seconds float8 DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
    started timestamptz := clock_timestamp();
    p       prepared;
    changed bigint;
    failed  bigint := 0;
BEGIN
    FOR p IN SELECT * FROM prepared ORDER BY n LOOP
        BEGIN
            CASE p.operation
                WHEN 'update' THEN
                    UPDATE baseline_tickets SET status = 'closed', note = 'Closed by proposal ' || p.n
                    WHERE id = p.id AND tenant_id = 'acme' AND version = 1;
                WHEN 'insert' THEN
                    INSERT INTO baseline_tickets (id, tenant_id, status, version) VALUES (p.id, 'acme', 'open', 1);
                WHEN 'delete' THEN
                    DELETE FROM baseline_tickets WHERE id = p.id AND tenant_id = 'acme' AND version = 1;
            END CASE;
            GET DIAGNOSTICS changed = ROW_COUNT;
            IF changed <> 1 THEN
                RAISE 'proposal % touched % rows', p.n, changed;
            END IF;
            INSERT INTO baseline_ledger (
                key, proposal_id, proposal_digest, source_id, target_schema, target_table, operation, status,
                affected_rows, guards, guard_advanced, applied_as, first_seen_at, decided_at, report_state, next_report_at)
            VALUES (
                'wrp_' || p.n, 'wrp_' || p.n, p.digest, 'src_1', 'public', 'tickets', p.operation, 'applied',
                1, '{"primary_key": true, "tenant": true, "conflict": true}', false, 'writer', clock_timestamp(),
                clock_timestamp(), 'pending', clock_timestamp());
        EXCEPTION WHEN OTHERS THEN
            failed := failed + 1;
        END;
        IF p.n % batch_size = 0 THEN
            COMMIT;
        END IF;
    END LOOP;
    COMMIT;
    IF failed > 0 THEN
        RAISE '% proposals failed', failed;
    END IF;
    seconds := extract(epoch FROM clock_timestamp() - started);
END;
$$;
