-- What each function is for, and who may call it: nobody but the owner, until synapsor_grant_usage() says so.

COMMENT ON FUNCTION synapsor_poll_once(boolean) IS
    'Delivers what is owed, fetches approved proposals and applies each, in the caller''s transaction; results are reported once it has committed. With dry_run everything is tried and undone.';
COMMENT ON FUNCTION synapsor_report_once() IS
    'Delivers pending reports now: {ok, delivered, pending, rejected}, and error with the last failure. Calls nobody when nothing is owed.';
COMMENT ON PROCEDURE synapsor_poll() IS
    'Applies and reports until nothing is left that can be done now, committing after each batch.';
COMMENT ON FUNCTION synapsor_build(json, text) IS
    'The statement that a proposal would become; touches nothing.';

CREATE FUNCTION synapsor_grant_usage(role name) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    home name := (SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
                  WHERE e.extname = 'synapsor_writeback');
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA synapsor, %I TO %I', home, role);
    EXECUTE format('GRANT SELECT ON synapsor.pending_reports, synapsor.rejected_reports, synapsor.recent, '
                   'synapsor.metrics TO %I', role);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %1$I.synapsor_poll_once(boolean), %1$I.synapsor_report_once(), '
                   '%1$I.synapsor_build(json, text) TO %2$I', home, role);
    EXECUTE format('GRANT EXECUTE ON PROCEDURE %I.synapsor_poll() TO %I', home, role);
END;
$$;
COMMENT ON FUNCTION synapsor_grant_usage(name) IS
    'Hands the operator''s functions and views over to a role. Gives it no right on any other table, and does not grant the apply role.';

REVOKE ALL ON FUNCTION
    synapsor_poll_once(boolean), synapsor_report_once(), synapsor_build(json, text), synapsor_grant_usage(name)
    FROM PUBLIC;
REVOKE ALL ON PROCEDURE synapsor_poll() FROM PUBLIC;
