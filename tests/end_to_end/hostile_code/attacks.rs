//! What hostile code tries while it runs as the apply role, and what has to become of the proposal whose row it hangs on.

/// What becomes of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Refused as any ordinary role is: `failed`, with `insufficient_privilege`.
    Denied,
    /// `failed`, with this SQLSTATE.
    Failed(&'static str),
    /// `retrying`, with this SQLSTATE.
    Retrying(&'static str),
    /// Nothing: it is applied.
    Applied,
    /// `retrying`, and not tried any more: the worker that tried it did not come back.
    WorkerEnded,
    /// One or the other, depending on where the code hangs. What is recorded is true.
    Either,
}

/// Statements of PL/pgSQL; `#` is the number of the case.
pub type Attack = (&'static str, End);

use End::{Applied, Denied, Either, Failed, Retrying};

/// Those that are over at once.
pub const QUICK: &[&[Attack]] = &[
    BECOMING_ANOTHER,
    RIGHTS,
    OURS,
    SETTINGS,
    LEFT_BEHIND,
    TRANSACTIONS,
    ERRORS,
    ROWS,
];

const BECOMING_ANOTHER: &[Attack] = &[
    ("SET ROLE postgres;", Denied),
    ("SET LOCAL ROLE ops;", Denied),
    ("SET ROLE NONE;", Denied),
    ("RESET ROLE;", Denied),
    ("SET SESSION AUTHORIZATION ops;", Denied),
    ("SET SESSION AUTHORIZATION DEFAULT;", Denied),
    ("RESET SESSION AUTHORIZATION;", Denied),
    ("PERFORM set_config('role', 'ops', false);", Denied),
    ("PERFORM hostile.as_owner('RESET ROLE');", Denied),
];

/// Nobody gives away for good what was lent to write one row.
const RIGHTS: &[Attack] = &[
    ("ALTER ROLE writer SUPERUSER;", Denied),
    ("ALTER ROLE writer PASSWORD 'known';", Denied),
    ("ALTER ROLE CURRENT_USER SET search_path = hostile;", Denied),
    ("CREATE ROLE accomplice IN ROLE writer;", Denied),
    ("GRANT writer TO mallory;", Denied),
    ("GRANT postgres TO writer;", Denied),
    ("GRANT SELECT ON public.own TO mallory;", Denied),
    ("REVOKE ALL ON public.own FROM writer;", Denied),
    ("DROP OWNED BY writer;", Denied),
    ("ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO mallory;", Denied),
    ("CREATE FUNCTION hostile.door#() RETURNS text SECURITY DEFINER LANGUAGE sql AS 'SELECT 1';", Denied),
    ("CREATE VIEW hostile.window# AS SELECT * FROM public.own;", Denied),
    ("ALTER TABLE public.own DISABLE TRIGGER USER;", Denied),
    ("DROP TABLE public.own;", Denied),
    ("EXECUTE 'DO $do$ BEGIN EXECUTE ''GRANT SELECT ON public.own TO mallory''; END $do$';", Denied),
    ("PERFORM hostile.as_owner('GRANT writer TO mallory');", Denied),
    ("CREATE TABLE IF NOT EXISTS hostile.month# (id serial PRIMARY KEY, n int UNIQUE);", Applied),
];

/// Ledger, holds, settings and functions.
const OURS: &[Attack] = &[
    ("UPDATE synapsor.ledger SET status = 'applied';", Denied),
    ("DELETE FROM synapsor.ledger;", Denied),
    ("INSERT INTO synapsor.ledger (key) VALUES ('key_1');", Denied),
    ("TRUNCATE synapsor.ledger;", Denied),
    ("PERFORM count(*) FROM synapsor.ledger;", Denied),
    ("LOCK TABLE synapsor.ledger;", Denied),
    ("CREATE INDEX ON synapsor.ledger (hostile.quiet#(key));", Denied),
    ("INSERT INTO synapsor.hold VALUES ('paused', now(), 'x');", Denied),
    ("UPDATE synapsor.home SET database_oid = 0;", Denied),
    ("PERFORM hostile.as_owner('SELECT key FROM synapsor.ledger');", Denied),
    ("PERFORM hostile.as_owner('DELETE FROM synapsor.ledger');", Denied),
    ("SET synapsor.base_url = 'https://example.org';", Denied),
    ("PERFORM set_config('synapsor.apply_role', 'postgres', false);", Denied),
    ("PERFORM synapsor_poll_once();", Denied),
    ("PERFORM synapsor_report_once();", Denied),
    ("CALL synapsor_poll();", Denied),
    ("PERFORM synapsor_pause();", Denied),
    ("PERFORM synapsor_stop_worker();", Denied),
    ("PERFORM synapsor_grant_usage('mallory');", Denied),
    ("DROP EXTENSION synapsor_writeback CASCADE;", Denied),
];

/// What is set is set for the statement alone.
const SETTINGS: &[Attack] = &[
    ("SET session_replication_role = replica;", Denied),
    ("SET work_mem = '77MB'; SET hostile.mark = 'left';", Applied),
    ("SET search_path = hostile; SET LOCAL TimeZone = 'Asia/Kolkata';", Applied),
    ("PERFORM set_config('search_path', 'hostile, pg_catalog', false);", Applied),
    ("SET DateStyle = 'SQL, DMY'; SET bytea_output = 'escape';", Applied),
    ("SET row_security = off;", Applied),
    ("SET lock_timeout = 0; SET statement_timeout = 0;", Applied),
    ("SET statement_timeout = 1; SET idle_in_transaction_session_timeout = 1;", Applied),
    ("SET client_min_messages = error; SET client_encoding = 'LATIN1';", Applied),
    ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY;", Applied),
    ("SET default_transaction_isolation = 'serializable';", Applied),
    ("SET TRANSACTION READ ONLY;", Either),
    ("RESET ALL;", Applied),
];

/// Nothing of it is there for the next proposal, for the caller, or for the commit.
const LEFT_BEHIND: &[Attack] = &[
    ("CREATE TEMP TABLE tickets (id int);", Denied),
    ("CREATE TEMP VIEW pg_class AS SELECT 1;", Denied),
    ("CREATE DOMAIN pg_temp.text AS pg_catalog.text CHECK (hostile.quiet#(VALUE) IS NULL);", Denied),
    ("SET search_path = pg_temp; CREATE DOMAIN jsonb AS pg_catalog.jsonb;", Denied),
    ("CREATE TYPE pg_temp.name AS ENUM ();", Denied),
    ("CREATE FUNCTION pg_temp.now() RETURNS int LANGUAGE sql AS 'SELECT 1';", Denied),
    ("EXECUTE 'PREPARE later AS SELECT 1';", Denied),
    ("EXECUTE 'DECLARE later CURSOR WITH HOLD FOR SELECT 1';", Denied),
    ("LISTEN later;", Denied),
    ("UNLISTEN *;", Denied),
    ("DEALLOCATE ALL;", Denied),
    ("DISCARD PLANS;", Denied),
    ("PERFORM pg_advisory_unlock_all();", Applied),
    ("PERFORM pg_advisory_lock(7), pg_advisory_lock_shared(7, 7);", Applied),
    ("NOTIFY later, 'now';", Applied),
    ("PERFORM lo_open(lo_create(0), 131072);", Applied),
    ("SET CONSTRAINTS ALL DEFERRED;", Applied),
];

const TRANSACTIONS: &[Attack] = &[
    ("COMMIT;", Failed("2D000")),
    ("ROLLBACK;", Failed("2D000")),
    ("CALL hostile.commit();", Failed("2D000")),
    ("EXECUTE 'SAVEPOINT s';", Failed("0A000")),
    ("EXECUTE 'PREPARE TRANSACTION ''x''';", Failed("0A000")),
];

/// An error is its proposal's own, whatever code it borrows; one that is swallowed is none.
const ERRORS: &[Attack] = &[
    ("RAISE EXCEPTION 'no';", Failed("P0001")),
    ("RAISE SQLSTATE '02000';", Failed("02000")),
    ("RAISE SQLSTATE 'P0004';", Failed("P0004")),
    ("RAISE SQLSTATE 'XX000';", Failed("XX000")),
    ("RAISE SQLSTATE 'XX001';", Failed("XX001")),
    ("RAISE SQLSTATE '25P02';", Failed("25P02")),
    ("RAISE SQLSTATE 'F0000';", Failed("F0000")),
    ("RAISE SQLSTATE 'F0001';", Failed("F0001")),
    ("RAISE SQLSTATE 'ZZ9ZZ';", Failed("ZZ9ZZ")),
    ("RAISE SQLSTATE '40001';", Retrying("40001")),
    ("RAISE SQLSTATE '57014';", Retrying("57014")),
    ("RAISE SQLSTATE '57P01';", Retrying("57P01")),
    ("RAISE SQLSTATE '53200';", Retrying("53200")),
    ("RAISE SQLSTATE '25006';", Retrying("25006")),
    ("RAISE '%', repeat(E'%s %n \\n WRITEBACK_APPLIED: ', 100000) USING DETAIL = repeat('%', 1000000);", Failed("P0001")),
    ("RAISE WARNING 'w' USING ERRCODE = '57P01';", Applied),
    ("FOR n IN 1..100 LOOP BEGIN PERFORM 1/0; EXCEPTION WHEN division_by_zero THEN END; END LOOP;", Applied),
];

/// Another key or tenant for the row, beside the statement. (What a BEFORE trigger does to the statement's own row: `rows`.)
const ROWS: &[Attack] = &[
    ("UPDATE hostile.t# SET tenant = 'globex' WHERE id = 1;", Either),
    ("UPDATE hostile.t# SET id = 7 WHERE id = 1;", Either),
    ("UPDATE hostile.t# SET tenant = 'globex', id = 7 WHERE id = 1; INSERT INTO hostile.t# VALUES (8, 'acme', 1, 'decoy');", Either),
    ("UPDATE hostile.t# SET version = version + 1 WHERE id = 1;", Either),
];

/// Those that take their time. The limit that they run under is short.
pub const SLOW: &[Attack] = &[
    ("PERFORM pg_sleep(60);", Retrying("57014")),
    ("SET statement_timeout = 0; SET lock_timeout = 0; LOOP END LOOP;", Retrying("57014")),
    ("BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN END;", Retrying("57014")),
];
