//! What a hostile user has prepared where the extension is created: functions, operators, types and tables that look
//! like those that it uses. None of them is ever called, and nothing of his becomes a part of it.

use synapsor_testbed::{Database, OPERATOR, Proposal, WRITER, wait_for};

use crate::stage::{PATIENCE, SHARED, Stage, statuses};

/// Functions that count their calls, by name and arguments, beside what they would be taken for.
const FUNCTIONS: &[(&str, &str)] = &[
    ("now()", "timestamptz"),
    ("clock_timestamp()", "timestamptz"),
    ("current_database()", "name"),
    ("current_schema()", "name"),
    ("current_setting(text)", "text"),
    ("current_setting(text, boolean)", "text"),
    ("set_config(text, text, boolean)", "text"),
    ("getdatabaseencoding()", "name"),
    ("has_schema_privilege(text, name, text)", "boolean"),
    ("has_schema_privilege(unknown_like, name, text)", "boolean"),
    ("pg_control_system()", "text"),
    ("pg_try_advisory_xact_lock(int, int)", "boolean"),
    ("concat_ws(text, text, text)", "text"),
    ("count()", "bigint"),
    ("jsonb_build_object()", "jsonb"),
    ("jsonb_build_object(text, text)", "jsonb"),
    ("format(text, name, name)", "text"),
    ("format(text, text, name)", "text"),
    ("quote_ident(text)", "text"),
    ("array_remove(text[], text)", "text[]"),
    ("unnest(text[])", "text"),
    ("string_agg(text, text)", "text"),
    ("to_regclass(text)", "regclass"),
];

/// Operators that count their uses, with the types on either side. None is for the type of a ticket's key: the guard of that
/// would rightly be refused.
const OPERATORS: &[(&str, &str, &str)] = &[
    ("=", "text", "text"),
    ("=", "text", "name"),
    ("=", "name", "name"),
    ("=", "name", "text"),
    ("=", "boolean", "boolean"),
    ("=", "oid", "oid"),
    ("=", "\"char\"", "\"char\""),
    ("=", "text[]", "text[]"),
    ("<>", "text", "text"),
    ("<>", "name", "name"),
    ("<@", "text[]", "text[]"),
    ("&&", "text[]", "text[]"),
    ("||", "text[]", "text"),
    ("||", "text[]", "text[]"),
    ("<=", "timestamptz", "timestamptz"),
    ("<", "timestamptz", "timestamptz"),
    ("-", "timestamptz", "timestamptz"),
    ("+", "timestamptz", "interval"),
];

/// Relations and types with the names of what is looked at.
const RELATIONS: &str = "
    CREATE TABLE pg_extension (oid oid, extname name, extnamespace oid);
    CREATE TABLE pg_namespace (oid oid, nspname name);
    CREATE TABLE pg_class (oid oid, relname name);
    CREATE TABLE pg_database (oid oid, datname name);
    CREATE TABLE pg_attribute (attrelid oid, attname name);
    CREATE TABLE ledger (key text, status text);
    CREATE TABLE hold (kind text);
    CREATE DOMAIN regclass AS pg_catalog.text;
    CREATE DOMAIN jsonb AS pg_catalog.text;
    CREATE DOMAIN timestamptz AS pg_catalog.text;
    CREATE DOMAIN name AS pg_catalog.text;
";

/// A schema `home` of mallory's, full of look-alikes.
fn prepare(database: &Database) {
    let mut sql = String::from(
        "DO $$ BEGIN CREATE ROLE mallory; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
         CREATE SCHEMA home AUTHORIZATION mallory;
         GRANT USAGE ON SCHEMA home TO PUBLIC;
         SET ROLE mallory;
         SET search_path = home, pg_catalog;
         CREATE SEQUENCE called;
         CREATE DOMAIN unknown_like AS pg_catalog.text;
         CREATE FUNCTION call() RETURNS pg_catalog.int8 LANGUAGE sql SECURITY DEFINER
             AS 'SELECT pg_catalog.nextval(''home.called'')';\n",
    );
    let body = "AS $$ BEGIN PERFORM home.call(); RETURN NULL; END $$";
    for (signature, returns) in FUNCTIONS {
        sql += &format!(
            "CREATE FUNCTION home.{signature} RETURNS {returns} LANGUAGE plpgsql {body};\n"
        );
    }
    for (n, (operator, left, right)) in OPERATORS.iter().enumerate() {
        sql += &format!(
            "CREATE FUNCTION home.operator_{n}({left}, {right}) RETURNS boolean LANGUAGE plpgsql {body};
             CREATE OPERATOR home.{operator} (LEFTARG = {left}, RIGHTARG = {right}, FUNCTION = home.operator_{n});\n"
        );
    }
    database.execute(&(sql + RELATIONS));
    database.execute(&format!(
        "ALTER DATABASE {} SET search_path = public, home",
        database.name()
    ));
}

/// How often a look-alike was called, by anybody, committed or not.
fn calls(database: &Database) -> i64 {
    database.value("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM home.called")
}

#[test]
fn look_alikes_beside_it_are_never_called() {
    let stage = Stage::set_up(&SHARED, |database| {
        prepare(database);
        database.execute(
            "SET search_path = home, pg_catalog; CREATE EXTENSION synapsor_writeback SCHEMA home",
        );
    });
    for role in [OPERATOR, WRITER] {
        stage.database.execute(&format!(
            "ALTER ROLE {role} IN DATABASE {} SET search_path = home, pg_catalog, public",
            stage.database.name()
        ));
    }
    let close = |n: i64| {
        let proposal = Proposal::update("tickets").id(&format!("wrp_{n}"));
        proposal.key("id", n).change("status", "closed")
    };
    for n in [1, 2, 1000] {
        stage.approve(close(n));
    }
    stage.approve(close(3).change("version", "no number"));
    let mut operator = stage.operator();
    let answer = operator.poll();
    assert_eq!(
        statuses(&answer),
        ["applied", "applied", "conflict", "failed"],
        "{answer}"
    );
    stage.wait_for_reports();
    operator.report();
    stage.approve(close(4));
    operator.call();
    for call in [
        "synapsor_status()",
        "synapsor.recent",
        "synapsor.metrics",
        "synapsor.pending_reports",
        "synapsor.rejected_reports",
        "synapsor_grants('public.tickets', '{status}', '{update,insert,delete}', 'tenant_id', 'version')",
        "synapsor_pause()",
        "synapsor_resume()",
        "synapsor_start_worker()",
    ] {
        operator.run(&format!("SELECT * FROM {call}"));
    }
    stage.approve(close(5));
    operator.run("SELECT synapsor_wake()");
    wait_for("the worker applies", PATIENCE, || {
        stage.tickets("closed") == 4
    });
    operator.run("SELECT synapsor_stop_worker()");
    assert_eq!(calls(&stage.database), 0);
    stage.database.execute("SELECT home.now()");
    assert_eq!(calls(&stage.database), 1, "calls are counted");
}

#[test]
fn what_somebody_has_put_in_its_place_keeps_it_from_being_created() {
    let database = SHARED.create_database("taken");
    prepare(&database);
    for taken in [
        "FUNCTION home.synapsor_poll_once(dry_run boolean) RETURNS jsonb LANGUAGE sql AS 'SELECT NULL::jsonb'",
        "FUNCTION home.synapsor_grant_usage(role pg_catalog.name) RETURNS void LANGUAGE sql AS ''",
        "FUNCTION home.synapsor_wake() RETURNS boolean LANGUAGE sql AS 'SELECT true'",
        "PROCEDURE home.synapsor_poll() LANGUAGE sql AS ''",
        "SCHEMA synapsor AUTHORIZATION mallory",
    ] {
        let session = || {
            let mut session = database.connect();
            session.batch_execute("BEGIN").unwrap();
            session
        };
        let mut session = session();
        session.batch_execute(&format!("CREATE {taken}")).unwrap();
        let created = session.batch_execute("CREATE EXTENSION synapsor_writeback SCHEMA home");
        let error = created.expect_err(taken);
        let code = error.code().unwrap().code().to_owned();
        assert!(
            ["42723", "42P06"].contains(&code.as_str()),
            "{taken}: {error:?}"
        );
    }
    let mut session = database.connect();
    session
        .batch_execute("CREATE EXTENSION synapsor_writeback SCHEMA home")
        .unwrap();
}

#[test]
fn a_schema_in_which_everybody_can_create_is_warned_of() {
    let database = SHARED.create_database("open_house");
    let warned = |schema: &str| {
        let messages = SHARED
            .program("psql")
            .args(["--dbname", database.name(), "-c"])
            .arg(format!(
                "CREATE EXTENSION synapsor_writeback SCHEMA {schema}"
            ))
            .output()
            .unwrap();
        database.execute("DROP EXTENSION synapsor_writeback");
        String::from_utf8_lossy(&messages.stderr).contains("REVOKE CREATE ON SCHEMA")
    };
    database
        .execute("CREATE SCHEMA open; GRANT CREATE ON SCHEMA open TO PUBLIC; CREATE SCHEMA closed");
    assert!(warned("open"));
    assert!(!warned("closed"));
}
