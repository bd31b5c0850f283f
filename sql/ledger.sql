-- The ledger: one row for each proposal ever decided here, in the same transaction as the change itself. It is also
-- the outbox: a final row whose report_state is 'pending' is owed to the control plane.

DO $$
BEGIN
    IF pg_catalog.getdatabaseencoding() OPERATOR(pg_catalog.<>) 'UTF8' THEN
        RAISE EXCEPTION 'synapsor_writeback needs a database with the encoding UTF8'
            USING ERRCODE = 'feature_not_supported',
                  DETAIL = pg_catalog.format('This one has %s.', pg_catalog.getdatabaseencoding());
    END IF;
    -- A function of the same name that fits a call better would run with the rights of whoever calls ours.
    IF pg_catalog.has_schema_privilege('public', pg_catalog.current_schema(), 'CREATE') THEN
        RAISE WARNING 'everybody may create functions beside those of synapsor_writeback'
            USING HINT = pg_catalog.format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC', pg_catalog.current_schema());
    END IF;
END;
$$;

CREATE SCHEMA synapsor;
COMMENT ON SCHEMA synapsor IS
    'Ledger and views of synapsor_writeback. Written by the extension alone.';

CREATE TABLE synapsor.ledger (
    key               text        PRIMARY KEY,
    proposal_id       text        NOT NULL,
    idempotency_key   text,
    proposal_digest   text        NOT NULL,
    source_id         text,
    target_schema     text,
    target_table      text,
    operation         text,
    status            text        NOT NULL,
    affected_rows     bigint      NOT NULL DEFAULT 0,
    guards            jsonb       NOT NULL,
    guard_advanced    boolean,
    reason            text,
    sqlstate          text,
    error             text,
    error_detail      text,
    attempts          integer     NOT NULL DEFAULT 1,
    applied_as        text        NOT NULL,
    first_seen_at     timestamptz NOT NULL,
    decided_at        timestamptz,
    next_attempt_at   timestamptz,
    report_state      text,
    report_attempts   integer     NOT NULL DEFAULT 0,
    reported_at       timestamptz,
    next_report_at    timestamptz,
    report_error      text,
    action            text,
    acted_by          text,
    acted_at          timestamptz,
    action_reason     text,
    CONSTRAINT ledger_status_known
        CHECK (status OPERATOR(pg_catalog.=) ANY (ARRAY['retrying', 'applied', 'conflict', 'failed'])),
    CONSTRAINT ledger_report_state_known
        CHECK (report_state OPERATOR(pg_catalog.=) ANY (ARRAY['pending', 'delivered', 'rejected', 'discarded'])),
    CONSTRAINT ledger_final_rows_are_decided_and_owed
        CHECK (CASE WHEN status OPERATOR(pg_catalog.=) 'retrying'
                    THEN decided_at IS NULL AND report_state IS NULL AND next_attempt_at IS NOT NULL
                    ELSE decided_at IS NOT NULL AND report_state IS NOT NULL AND next_attempt_at IS NULL END),
    CONSTRAINT ledger_applied_is_one_row
        CHECK (affected_rows OPERATOR(pg_catalog.=)
               CASE WHEN status OPERATOR(pg_catalog.=) 'applied' THEN 1 ELSE 0 END)
);

-- What is owed, oldest first; empty when all is delivered.
CREATE INDEX ledger_pending_reports ON synapsor.ledger (next_report_at) WHERE report_state OPERATOR(pg_catalog.=) 'pending';
-- What is to be tried again.
CREATE INDEX ledger_retrying ON synapsor.ledger (next_attempt_at) WHERE status OPERATOR(pg_catalog.=) 'retrying';
-- What a control plane refused: few, and somebody has to look at them.
CREATE INDEX ledger_rejected_reports ON synapsor.ledger (decided_at) WHERE report_state OPERATOR(pg_catalog.=) 'rejected';
-- For the newest (synapsor.recent) and the oldest (pruning).
CREATE INDEX ledger_decided_at ON synapsor.ledger (decided_at);

SELECT pg_catalog.pg_extension_config_dump('synapsor.ledger', '');

COMMENT ON TABLE synapsor.ledger IS
    'One row for each proposal ever decided here. A final row (applied, conflict, failed) never changes its outcome.';
COMMENT ON COLUMN synapsor.ledger.key IS 'The proposal''s idempotency_key, or its proposal_id when it has none.';
COMMENT ON COLUMN synapsor.ledger.proposal_id IS 'The proposal that the next report, or the last one, is about.';
COMMENT ON COLUMN synapsor.ledger.idempotency_key IS 'The proposal''s own idempotency_key, echoed in the report.';
COMMENT ON COLUMN synapsor.ledger.proposal_digest IS
    'SHA-256 over what has an effect: target, operation, changes, key, tenant, conflict.';
COMMENT ON COLUMN synapsor.ledger.source_id IS 'The source that the proposal came from.';
COMMENT ON COLUMN synapsor.ledger.target_schema IS 'The schema written to.';
COMMENT ON COLUMN synapsor.ledger.target_table IS 'The table written to.';
COMMENT ON COLUMN synapsor.ledger.operation IS 'update, insert or delete.';
COMMENT ON COLUMN synapsor.ledger.status IS 'retrying, applied, conflict or failed; all but retrying are final.';
COMMENT ON COLUMN synapsor.ledger.affected_rows IS '1 for applied, else 0.';
COMMENT ON COLUMN synapsor.ledger.guards IS
    'Which guards the statement carried: {"primary_key": bool, "tenant": bool, "conflict": bool}.';
COMMENT ON COLUMN synapsor.ledger.guard_advanced IS
    'Whether the conflict column has another value since; null without a conflict guard.';
COMMENT ON COLUMN synapsor.ledger.reason IS
    'Why no row was touched: ROW_NOT_FOUND, CONFLICT_VALUE_CHANGED or ROW_NOT_CHANGED.';
COMMENT ON COLUMN synapsor.ledger.sqlstate IS 'The SQLSTATE of the error, where Postgres raised one.';
COMMENT ON COLUMN synapsor.ledger.error IS 'The error as it is reported: a code and names, never a value.';
COMMENT ON COLUMN synapsor.ledger.error_detail IS
    'Postgres''s message and DETAIL. They can quote rows and never leave the database.';
COMMENT ON COLUMN synapsor.ledger.attempts IS 'How often it was tried.';
COMMENT ON COLUMN synapsor.ledger.applied_as IS 'The role that the statement ran as.';
COMMENT ON COLUMN synapsor.ledger.first_seen_at IS 'When the proposal was first tried here.';
COMMENT ON COLUMN synapsor.ledger.decided_at IS 'When the outcome became final.';
COMMENT ON COLUMN synapsor.ledger.next_attempt_at IS 'When a retrying proposal is due again.';
COMMENT ON COLUMN synapsor.ledger.report_state IS
    'pending, delivered, rejected (the control plane refused it: somebody has to look), or discarded (by synapsor_discard()).';
COMMENT ON COLUMN synapsor.ledger.report_attempts IS 'How often the report was sent.';
COMMENT ON COLUMN synapsor.ledger.reported_at IS 'When the control plane accepted the report.';
COMMENT ON COLUMN synapsor.ledger.next_report_at IS 'When a pending report is due.';
COMMENT ON COLUMN synapsor.ledger.report_error IS 'Why the last delivery failed.';
COMMENT ON COLUMN synapsor.ledger.action IS 'What a person last did about it: retry or discard.';
COMMENT ON COLUMN synapsor.ledger.acted_by IS 'Who did.';
COMMENT ON COLUMN synapsor.ledger.acted_at IS 'When.';
COMMENT ON COLUMN synapsor.ledger.action_reason IS 'Why it was discarded. It never leaves the database.';

-- What keeps write-back from working. Empty while nothing does, so that restoring a dump finds nothing in its way.
CREATE TABLE synapsor.hold (
    kind    text        PRIMARY KEY,
    since   timestamptz NOT NULL,
    held_by text        NOT NULL,
    CONSTRAINT hold_kind_known CHECK (kind OPERATOR(pg_catalog.=) ANY (ARRAY['paused', 'stopped']))
);
SELECT pg_catalog.pg_extension_config_dump('synapsor.hold', '');
COMMENT ON TABLE synapsor.hold IS
    'What a person asked for until he takes it back: written by synapsor_pause() and synapsor_stop_worker().';
COMMENT ON COLUMN synapsor.hold.kind IS 'paused: nothing is applied; stopped: no worker runs.';
COMMENT ON COLUMN synapsor.hold.since IS 'When it was asked for.';
COMMENT ON COLUMN synapsor.hold.held_by IS 'Who asked for it.';

-- Where write-back was set up. A dump brings the origin's row along, beside the one that CREATE EXTENSION made; a clone
-- has the origin's row alone. Either way there is a row that is not this database's own: it is a copy. No key: a dump
-- restored where it came from brings the same row again.
--
-- In a session that restores a dump (row_security is off there) CREATE EXTENSION makes no row, and without any it is a copy, too:
-- a worker that waits for the database must not begin before the dump's ledger is there.
CREATE TABLE synapsor.home (
    system_identifier bigint NOT NULL,
    database_oid      oid    NOT NULL
);
INSERT INTO synapsor.home (system_identifier, database_oid)
SELECT c.system_identifier, d.oid
FROM pg_catalog.pg_control_system() AS c, pg_catalog.pg_database AS d
WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
  AND pg_catalog.current_setting('row_security') OPERATOR(pg_catalog.=) 'on';
SELECT pg_catalog.pg_extension_config_dump('synapsor.home', '');
COMMENT ON TABLE synapsor.home IS
    'The cluster and database that write-back works in; in any other one it stays paused until synapsor_resume().';
COMMENT ON COLUMN synapsor.home.system_identifier IS 'The cluster: pg_control_system().system_identifier.';
COMMENT ON COLUMN synapsor.home.database_oid IS 'The database: pg_database.oid.';

CREATE VIEW synapsor.pending_reports AS
SELECT key, proposal_id, status, report_attempts, decided_at, next_report_at, report_error
FROM synapsor.ledger
WHERE report_state OPERATOR(pg_catalog.=) 'pending'
ORDER BY next_report_at;
COMMENT ON VIEW synapsor.pending_reports IS 'Outcomes that the control plane has not accepted yet, oldest first.';

CREATE VIEW synapsor.rejected_reports AS
SELECT key, proposal_id, status, decided_at, report_attempts, report_error
FROM synapsor.ledger
WHERE report_state OPERATOR(pg_catalog.=) 'rejected'
ORDER BY decided_at;
COMMENT ON VIEW synapsor.rejected_reports IS
    'Outcomes that the control plane refused for good, oldest first: somebody has to compare the two.';

CREATE VIEW synapsor.recent AS
SELECT coalesce(decided_at, first_seen_at) AS at, proposal_id, operation,
       pg_catalog.concat_ws('.', target_schema, target_table) AS target,
       status, coalesce(reason, error) AS why, attempts, report_state AS report
FROM synapsor.ledger
ORDER BY decided_at DESC
LIMIT 100;
COMMENT ON VIEW synapsor.recent IS 'The last hundred proposals, what is still being tried first, then newest first: what became of each, and why.';

CREATE VIEW synapsor.metrics (name, labels, value, help) AS
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
COMMENT ON VIEW synapsor.metrics IS
    'For exporters: name, labels, value and help, in the terms of Prometheus.';
