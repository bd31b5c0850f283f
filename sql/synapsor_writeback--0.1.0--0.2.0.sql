-- From 0.1.0 to 0.2.0. Whom synapsor_grant_usage() was called for before gets what is new here when it is called again.

-- Put together, as the name of the extension's schema may have any characters; what Postgres would fill in for it in a script may not.
DO $$
BEGIN
    EXECUTE pg_catalog.format($view$
CREATE VIEW synapsor.activity (name, labels, value, help) AS
WITH worker AS MATERIALIZED (
    SELECT state, last_poll_at, next_attempt_at FROM %I.synapsor_status()
), decided AS MATERIALIZED (
    SELECT status, CASE WHEN status OPERATOR(pg_catalog.=) 'failed' THEN coalesce(pg_catalog.split_part(error, ':', 1), '') END AS code,
           pg_catalog.count(*) AS count
    FROM synapsor.ledger
    WHERE decided_at OPERATOR(pg_catalog.>) (pg_catalog.now() OPERATOR(pg_catalog.-) '5 minutes'::pg_catalog.interval)
    GROUP BY 1, 2
)
SELECT 'synapsor_writeback_worker_is', pg_catalog.jsonb_build_object('state', s.state),
       CASE WHEN w.state OPERATOR(pg_catalog.=) s.state THEN 1 ELSE 0 END::pg_catalog.numeric,
       'The state of this database''s worker: 1 for the one that it is in.'
FROM worker w CROSS JOIN (VALUES ('running'), ('idle'), ('backing off'), ('paused'), ('stopped')) AS s (state)
UNION ALL
SELECT 'synapsor_writeback_poll_age_seconds', pg_catalog.jsonb_build_object(),
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) w.last_poll_at)::pg_catalog.numeric,
       'How long ago the worker last asked for proposals; nothing before it has.'
FROM worker w WHERE w.last_poll_at IS NOT NULL
UNION ALL
SELECT 'synapsor_writeback_poll_wait_seconds', pg_catalog.jsonb_build_object(),
       greatest(0, EXTRACT(epoch FROM w.next_attempt_at OPERATOR(pg_catalog.-) pg_catalog.clock_timestamp()))::pg_catalog.numeric,
       'How long it is until the worker asks again: the back-off, where it backs off. Nothing where it does not poll.'
FROM worker w WHERE w.next_attempt_at IS NOT NULL
UNION ALL
SELECT 'synapsor_writeback_outcomes_5m', pg_catalog.jsonb_build_object('status', s.status),
       coalesce((SELECT pg_catalog.sum(d.count) FROM decided d WHERE d.status OPERATOR(pg_catalog.=) s.status), 0)::pg_catalog.numeric,
       'Proposals that were decided within the last five minutes, by outcome.'
FROM (VALUES ('applied'), ('conflict'), ('failed')) AS s (status)
UNION ALL
SELECT 'synapsor_writeback_failures_5m', pg_catalog.jsonb_build_object('code', d.code), d.count::pg_catalog.numeric,
       'Proposals that failed within the last five minutes, by code; nothing for a code that did not occur.'
FROM decided d WHERE d.code IS NOT NULL
UNION ALL
SELECT 'synapsor_writeback_ledger_bytes', pg_catalog.jsonb_build_object(),
       pg_catalog.pg_total_relation_size('synapsor.ledger'::pg_catalog.regclass)::pg_catalog.numeric,
       'Size of the ledger on disk, with its indexes.'
    $view$, pg_catalog.current_schema());
END;
$$;
COMMENT ON VIEW synapsor.activity IS
    'For exporters, beside synapsor.metrics: what the worker does, what was decided within five minutes, the size of the ledger.';

-- What a person does about one proposal.
ALTER TABLE synapsor.ledger
    ADD COLUMN action        text,
    ADD COLUMN acted_by      text,
    ADD COLUMN acted_at      timestamptz,
    ADD COLUMN action_reason text;
ALTER TABLE synapsor.ledger DROP CONSTRAINT ledger_report_state_known;
ALTER TABLE synapsor.ledger ADD CONSTRAINT ledger_report_state_known
    CHECK (report_state OPERATOR(pg_catalog.=) ANY (ARRAY['pending', 'delivered', 'rejected', 'discarded']));
COMMENT ON COLUMN synapsor.ledger.report_state IS
    'pending, delivered, rejected (the control plane refused it: somebody has to look), or discarded (by synapsor_discard()).';
COMMENT ON COLUMN synapsor.ledger.action IS 'What a person last did about it: retry or discard.';
COMMENT ON COLUMN synapsor.ledger.acted_by IS 'Who did.';
COMMENT ON COLUMN synapsor.ledger.acted_at IS 'When.';
COMMENT ON COLUMN synapsor.ledger.action_reason IS 'Why it was discarded. It never leaves the database.';

CREATE OR REPLACE VIEW synapsor.metrics (name, labels, value, help) AS
SELECT 'synapsor_writeback_proposals', pg_catalog.jsonb_build_object('status', s.status),
       (SELECT pg_catalog.count(*) FROM synapsor.ledger l WHERE l.status OPERATOR(pg_catalog.=) s.status)::numeric,
       'Proposals in the ledger, by status.'
FROM (VALUES ('applied'), ('conflict'), ('failed'), ('retrying')) AS s (status)
UNION ALL
SELECT 'synapsor_writeback_reports', pg_catalog.jsonb_build_object('state', s.state),
       (SELECT pg_catalog.count(*) FROM synapsor.ledger l WHERE l.report_state OPERATOR(pg_catalog.=) s.state)::numeric,
       'Reports, by state.'
FROM (VALUES ('pending'), ('delivered'), ('rejected'), ('discarded')) AS s (state)
UNION ALL
SELECT 'synapsor_writeback_oldest_pending_report_seconds', pg_catalog.jsonb_build_object(),
       coalesce((SELECT EXTRACT(epoch FROM pg_catalog.now() OPERATOR(pg_catalog.-) pg_catalog.min(l.decided_at))
                 FROM synapsor.ledger l WHERE l.report_state OPERATOR(pg_catalog.=) 'pending'), 0)::numeric,
       'Age of the oldest outcome that the control plane has not accepted yet.';

CREATE FUNCTION synapsor_doctor() RETURNS TABLE (check_name text, ok bool, detail text, hint text) STRICT
LANGUAGE c AS 'MODULE_PATHNAME', 'synapsor_doctor_wrapper';

CREATE FUNCTION synapsor_preview(proposal json) RETURNS jsonb LANGUAGE c AS 'MODULE_PATHNAME', 'synapsor_preview_wrapper';

CREATE FUNCTION synapsor_explain(key text) RETURNS SETOF text STRICT
LANGUAGE c AS 'MODULE_PATHNAME', 'synapsor_explain_wrapper';

CREATE FUNCTION synapsor_sources() RETURNS TABLE (source_id text, name text, kind text, status text, is_ours bool) STRICT
LANGUAGE c AS 'MODULE_PATHNAME', 'synapsor_sources_wrapper';

CREATE FUNCTION synapsor_source_show(source text DEFAULT NULL) RETURNS jsonb
LANGUAGE c AS 'MODULE_PATHNAME', 'synapsor_source_show_wrapper';

CREATE FUNCTION synapsor_source_test(source text DEFAULT NULL) RETURNS jsonb
LANGUAGE c AS 'MODULE_PATHNAME', 'synapsor_source_test_wrapper';

CREATE FUNCTION synapsor_source_inspect(source text DEFAULT NULL, schemas text[] DEFAULT '{public}') RETURNS jsonb
LANGUAGE c AS 'MODULE_PATHNAME', 'synapsor_source_inspect_wrapper';

CREATE FUNCTION synapsor_source_doctor(source text DEFAULT NULL, schemas text[] DEFAULT '{public}') RETURNS jsonb
LANGUAGE c AS 'MODULE_PATHNAME', 'synapsor_source_doctor_wrapper';

CREATE FUNCTION synapsor_retry(key text) RETURNS text
LANGUAGE c AS 'MODULE_PATHNAME', 'synapsor_retry_wrapper';

CREATE FUNCTION synapsor_discard(key text, reason text) RETURNS text
LANGUAGE c AS 'MODULE_PATHNAME', 'synapsor_discard_wrapper';

COMMENT ON FUNCTION synapsor_doctor() IS
    'Examines everything that write-back needs: a row for each thing, and for what is wrong the command that repairs it. Changes nothing. ok is null for what could not be examined.';
COMMENT ON FUNCTION synapsor_preview(json) IS
    'What applying a proposal would do: status, the row before and after in the columns concerned that the apply role may read, and why. Applied, and always undone; nothing is recorded or reported.';
COMMENT ON FUNCTION synapsor_explain(text) IS
    'What happened to one proposal, by its key or its id, a line each, and what to do now. From the ledger alone.';
COMMENT ON FUNCTION synapsor_sources() IS
    'The sources that the control plane has, and which one this database is.';
COMMENT ON FUNCTION synapsor_source_show(text) IS
    'What the control plane says of a source, named by its id or its name; of this database''s own by default.';
COMMENT ON FUNCTION synapsor_source_test(text) IS
    'Has the control plane try its connection to a source; to this database''s own by default.';
COMMENT ON FUNCTION synapsor_source_inspect(text, text[]) IS
    'Has the control plane look at tables and views of a source, in these schemas; of this database''s own by default.';
COMMENT ON FUNCTION synapsor_source_doctor(text, text[]) IS
    'Has the control plane examine a source, and these schemas of it; this database''s own by default.';
COMMENT ON FUNCTION synapsor_retry(text) IS
    'Has a proposal that is being tried tried at the next poll, or the report of a decided one sent again, unless it was accepted. Never applies a decided one again.';
COMMENT ON FUNCTION synapsor_discard(text, text) IS
    'Ends a proposal that is being tried, as failed (WRITEBACK_DISCARDED), or gives the report of a decided one up; with a reason, which stays here.';
REVOKE ALL ON FUNCTION
    synapsor_retry(text), synapsor_discard(text, text), synapsor_doctor(), synapsor_preview(json), synapsor_explain(text),
    synapsor_sources(), synapsor_source_show(text), synapsor_source_test(text), synapsor_source_inspect(text, text[]),
    synapsor_source_doctor(text, text[])
    FROM PUBLIC;

-- What changes were made of, for those that are to be taken back.
CREATE FUNCTION synapsor_revert_proposal(key text) RETURNS jsonb
LANGUAGE c AS 'MODULE_PATHNAME', 'synapsor_revert_proposal_wrapper';
CREATE TABLE synapsor.capture (
    key             text PRIMARY KEY REFERENCES synapsor.ledger (key) ON DELETE CASCADE,
    before          json,
    after           json,
    primary_key     json,
    tenant_column   text,
    tenant_id       json,
    conflict_column text,
    left_out        json NOT NULL
);
SELECT pg_catalog.pg_extension_config_dump('synapsor.capture', '');

COMMENT ON TABLE synapsor.capture IS
    'The values of applied changes, before and after, where synapsor.capture was on. Rows of your tables: for those alone whom synapsor_grant_capture() names. Pruned with the ledger.';
COMMENT ON COLUMN synapsor.capture.key IS 'The ledger''s key.';
COMMENT ON COLUMN synapsor.capture.before IS
    'The columns concerned before the change, of a deleted row all of them: each value as the text that its type reads, JSON as it is; null for an insert.';
COMMENT ON COLUMN synapsor.capture.after IS 'The columns concerned after it, of an inserted row its primary key as well; null for a delete.';
COMMENT ON COLUMN synapsor.capture.primary_key IS 'How the row is found; null where an insert''s is not known.';
COMMENT ON COLUMN synapsor.capture.tenant_column IS 'The proposal''s tenant column.';
COMMENT ON COLUMN synapsor.capture.tenant_id IS 'The tenant.';
COMMENT ON COLUMN synapsor.capture.conflict_column IS 'The column whose value tells whether the row was changed again since.';
COMMENT ON COLUMN synapsor.capture.left_out IS 'Columns whose value is not there, and why.';

CREATE FUNCTION synapsor_grant_capture(role name) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    home name := (SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
                  WHERE e.extname = 'synapsor_writeback');
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA synapsor, %I TO %I', home, role);
    EXECUTE format('GRANT SELECT ON synapsor.capture TO %I', role);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %I.synapsor_revert_proposal(text) TO %I', home, role);
END;
$$;
COMMENT ON FUNCTION synapsor_grant_capture(name) IS
    'Lets a role read what was captured of changes, and make the proposals that would take them back. Nobody may by default.';
COMMENT ON FUNCTION synapsor_revert_proposal(text) IS
    'The proposal that would take an applied change back, made from what synapsor.capture kept of it. To be approved like any other: nothing is written here.';

REVOKE ALL ON FUNCTION synapsor_grant_capture(name), synapsor_revert_proposal(text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION synapsor_grant_usage(role name) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    home name := (SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
                  WHERE e.extname = 'synapsor_writeback');
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA synapsor, %I TO %I', home, role);
    EXECUTE format('GRANT SELECT ON synapsor.pending_reports, synapsor.rejected_reports, synapsor.recent, '
                   'synapsor.metrics, synapsor.activity TO %I', role);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %1$I.synapsor_poll_once(boolean), %1$I.synapsor_report_once(), '
                   '%1$I.synapsor_build(json, text), %1$I.synapsor_start_worker(), %1$I.synapsor_stop_worker(), '
                   '%1$I.synapsor_pause(), %1$I.synapsor_resume(), %1$I.synapsor_wake(), %1$I.synapsor_status(), '
                   '%1$I.synapsor_retry(text), %1$I.synapsor_discard(text, text), '
                   '%1$I.synapsor_doctor(), %1$I.synapsor_preview(json), %1$I.synapsor_explain(text), '
                   '%1$I.synapsor_sources(), %1$I.synapsor_source_show(text), %1$I.synapsor_source_test(text), '
                   '%1$I.synapsor_source_inspect(text, text[]), %1$I.synapsor_source_doctor(text, text[]), '
                   '%1$I.synapsor_grants(regclass, text[], text[], text, text, text[], name) TO %2$I',
                   home, role);
    EXECUTE format('GRANT EXECUTE ON PROCEDURE %I.synapsor_poll() TO %I', home, role);
END;
$$;
