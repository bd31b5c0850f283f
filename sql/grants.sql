-- What each function is for, and who may call it: nobody but the owner, until synapsor_grant_usage() says so.

COMMENT ON FUNCTION synapsor_poll_once(boolean) IS
    'Delivers what is owed, fetches approved proposals and applies each, in the caller''s transaction; results are reported once it has committed. With dry_run everything is tried and undone.';
COMMENT ON FUNCTION synapsor_report_once() IS
    'Delivers pending reports now: {ok, delivered, pending, rejected}, and error with the last failure. Calls nobody when nothing is owed.';
COMMENT ON PROCEDURE synapsor_poll() IS
    'Applies and reports until nothing is left that can be done now, committing after each batch.';
COMMENT ON FUNCTION synapsor_start_worker() IS
    'Starts the worker of this database once the transaction commits, and lets it run until synapsor_stop_worker(); false when it was running.';
COMMENT ON FUNCTION synapsor_stop_worker() IS
    'Stops the worker of this database once the transaction commits, and keeps it down, also over restarts; false when it was stopped already.';
COMMENT ON FUNCTION synapsor_pause() IS
    'From the commit on nothing is applied in this database, by the worker or by calls, also after a restart; what was decided is still reported. False when it was paused already.';
COMMENT ON FUNCTION synapsor_resume() IS
    'Ends synapsor_pause(), and makes a copied database one that write-back works in. False when it was not paused.';
COMMENT ON FUNCTION synapsor_wake() IS
    'Has the worker of this database poll now, whatever it waits for; false when there is none.';
COMMENT ON FUNCTION synapsor_status() IS
    'One row: what the worker of this database does and why, and the ledger in numbers.';
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
                   'synapsor.metrics, synapsor.activity TO %I', role);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %1$I.synapsor_poll_once(boolean), %1$I.synapsor_report_once(), '
                   '%1$I.synapsor_build(json, text), %1$I.synapsor_start_worker(), %1$I.synapsor_stop_worker(), '
                   '%1$I.synapsor_pause(), %1$I.synapsor_resume(), %1$I.synapsor_wake(), %1$I.synapsor_status(), '
                   '%1$I.synapsor_grants(regclass, text[], text[], text, text, text[], name) TO %2$I',
                   home, role);
    EXECUTE format('GRANT EXECUTE ON PROCEDURE %I.synapsor_poll() TO %I', home, role);
END;
$$;
COMMENT ON FUNCTION synapsor_grant_usage(name) IS
    'Hands the operator''s functions and views over to a role. Gives it no right on any other table, and does not grant the apply role.';

REVOKE ALL ON FUNCTION
    synapsor_poll_once(boolean), synapsor_report_once(), synapsor_build(json, text), synapsor_grant_usage(name),
    synapsor_start_worker(), synapsor_stop_worker(), synapsor_pause(), synapsor_resume(), synapsor_wake(),
    synapsor_status()
    FROM PUBLIC;
REVOKE ALL ON PROCEDURE synapsor_poll() FROM PUBLIC;
