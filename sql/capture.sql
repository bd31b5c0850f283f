-- What changes were made of, for those that are to be taken back: kept beside the ledger where synapsor.capture is on.

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
