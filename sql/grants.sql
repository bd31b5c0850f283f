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
COMMENT ON FUNCTION synapsor_retry(text) IS
    'Has a proposal that is being tried tried at the next poll, or the report of a decided one sent again, unless it was accepted. Never applies a decided one again.';
COMMENT ON FUNCTION synapsor_discard(text, text) IS
    'Ends a proposal that is being tried, as failed (WRITEBACK_DISCARDED), or gives the report of a decided one up; with a reason, which stays here.';
COMMENT ON FUNCTION synapsor_build(json, text) IS
    'The statement that a proposal would become; touches nothing.';

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
                   '%1$I.synapsor_retry(text), %1$I.synapsor_discard(text, text), '
                   '%1$I.synapsor_doctor(), %1$I.synapsor_preview(json), %1$I.synapsor_explain(text), '
                   '%1$I.synapsor_sources(), %1$I.synapsor_source_show(text), %1$I.synapsor_source_test(text), '
                   '%1$I.synapsor_source_inspect(text, text[]), %1$I.synapsor_source_doctor(text, text[]), '
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
    synapsor_status(), synapsor_retry(text), synapsor_discard(text, text), synapsor_doctor(), synapsor_preview(json),
    synapsor_explain(text), synapsor_sources(), synapsor_source_show(text), synapsor_source_test(text),
    synapsor_source_inspect(text, text[]), synapsor_source_doctor(text, text[])
    FROM PUBLIC;
REVOKE ALL ON PROCEDURE synapsor_poll() FROM PUBLIC;
