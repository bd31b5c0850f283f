//! Who may do what: the operator polls, the writer writes, and nobody else has any part in it.

use synapsor_testbed::OPERATOR;

use crate::stage::{Stage, Told};

/// Every call that the extension offers, as SQL text.
const CALLS: &[&str] = &[
    "SELECT synapsor_poll_once()",
    "SELECT synapsor_report_once()",
    "CALL synapsor_poll()",
    "SELECT synapsor_build('{}')",
    "SELECT synapsor_grant_usage('stranger')",
    "SELECT * FROM synapsor.ledger",
    "SELECT * FROM synapsor.pending_reports",
    "SELECT * FROM synapsor.rejected_reports",
    "SELECT * FROM synapsor.recent",
    "SELECT * FROM synapsor.metrics",
];

#[test]
fn nobody_can_do_anything_until_it_is_granted() {
    let stage = Stage::new();
    stage
        .database
        .execute("CREATE ROLE stranger LOGIN; GRANT writer TO stranger");
    let mut stranger = stage.database.connect_as("stranger");
    for call in CALLS {
        let told = Told::by(stranger.batch_execute(call));
        assert_eq!(told.sqlstate, "42501", "{call}: {}", told.message);
    }
}

#[test]
fn a_granted_operator_can_poll_report_and_look_and_no_more() {
    let stage = Stage::new();
    stage.approve_closing(1..=1);
    let mut operator = stage.operator();
    assert_eq!(operator.poll()["count"], 1);
    operator.report();
    operator.call();
    for view in ["pending_reports", "rejected_reports", "recent", "metrics"] {
        operator.run(&format!("SELECT * FROM synapsor.{view}"));
    }
    let forbidden = [
        "UPDATE synapsor.ledger SET status = 'failed'",
        "DELETE FROM synapsor.ledger",
        "SELECT synapsor_grant_usage('ops')",
        "SET synapsor.base_url = 'https://example.org'",
        "SET synapsor.api_key_file = '/etc/passwd'",
        "SET ROLE writer; SELECT * FROM synapsor.ledger",
    ];
    for statement in forbidden {
        let told = Told::by(operator.0.batch_execute(statement));
        assert_eq!(told.sqlstate, "42501", "{statement}: {}", told.message);
        operator.run("RESET ROLE");
    }
}

#[test]
fn nothing_of_the_extension_is_open_to_public() {
    let stage = Stage::new();
    let open_functions = "
        SELECT p.oid::regprocedure FROM pg_proc p
        JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
        JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'synapsor_writeback'
        CROSS JOIN aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
        WHERE a.grantee = 0";
    assert_eq!(stage.database.rows(open_functions), [""; 0]);
    let open_relations = "
        SELECT c.oid::regclass FROM pg_class c
        CROSS JOIN aclexplode(c.relacl) a
        WHERE c.relnamespace = 'synapsor'::regnamespace AND a.grantee = 0";
    assert_eq!(stage.database.rows(open_relations), [""; 0]);
    let functions = "
        SELECT count(*) FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
        WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e' AND e.extname = 'synapsor_writeback'";
    assert!(
        stage.database.value::<i64>(functions) >= 5,
        "the queries look at the right functions"
    );
}

#[test]
fn what_the_writer_may_not_write_fails_and_says_so() {
    let stage = Stage::new();
    stage
        .database
        .execute("REVOKE UPDATE (status) ON tickets FROM writer");
    stage.approve_closing(1..=1);
    let answer = stage.poll();
    assert_eq!(
        answer["results"][0]["error"],
        "SQLSTATE 42501: insufficient_privilege"
    );
    stage.wait_for_reports();
    assert_eq!(stage.tickets("closed"), 0);
}

#[test]
fn changes_are_made_as_the_writer_and_the_ledger_says_so() {
    let stage = Stage::new();
    stage.database.execute(
        "ALTER TABLE tickets ADD made_by text;
         CREATE FUNCTION sign() RETURNS trigger LANGUAGE plpgsql AS
             'BEGIN NEW.made_by := current_user; RETURN NEW; END';
         CREATE TRIGGER sign BEFORE UPDATE ON tickets FOR EACH ROW EXECUTE FUNCTION sign()",
    );
    stage.approve_closing(1..=1);
    stage.poll();
    let made_by: String = stage
        .database
        .value("SELECT made_by FROM tickets WHERE id = 1");
    assert_eq!(made_by, "writer");
    assert_eq!(stage.ledger("applied_as = 'writer'"), 1);
    let mut operator = stage.operator();
    let row = operator
        .0
        .query_one("SELECT current_user::text", &[])
        .unwrap();
    assert_eq!(row.get::<_, String>(0), OPERATOR);
}

#[test]
fn a_trigger_can_t_step_up_from_the_writer() {
    let stage = Stage::new();
    stage.database.execute("CREATE ROLE boss SUPERUSER");
    for (n, attack) in [
        "RESET ROLE",
        "SET ROLE ops",
        "SET SESSION AUTHORIZATION DEFAULT",
    ]
    .iter()
    .enumerate()
    {
        stage.database.execute(&format!(
            "CREATE OR REPLACE FUNCTION attack() RETURNS trigger LANGUAGE plpgsql AS
                 'BEGIN EXECUTE ''{attack}''; RETURN NEW; END';
             DROP TRIGGER IF EXISTS attack ON tickets;
             CREATE TRIGGER attack BEFORE UPDATE ON tickets FOR EACH ROW EXECUTE FUNCTION attack()"
        ));
        stage.approve_closing([n as i64 + 1]);
        let answer = stage.poll();
        assert_eq!(answer["results"][0]["status"], "failed", "{attack}");
        assert_eq!(
            answer["results"][0]["error"], "SQLSTATE 42501: insufficient_privilege",
            "{attack}"
        );
        stage.wait_for_reports();
    }
}

#[test]
fn a_poll_within_a_poll_is_refused() {
    let stage = Stage::new();
    for (n, call) in [
        "PERFORM synapsor_poll_once()",
        "PERFORM synapsor_report_once()",
        "CALL synapsor_poll()",
    ]
    .iter()
    .enumerate()
    {
        stage.database.execute(&format!(
            "CREATE OR REPLACE FUNCTION again() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
                 'BEGIN {call}; RETURN NEW; END';
             ALTER FUNCTION again() OWNER TO ops;
             DROP TRIGGER IF EXISTS again ON tickets;
             CREATE TRIGGER again BEFORE UPDATE ON tickets FOR EACH ROW EXECUTE FUNCTION again()"
        ));
        stage.approve_closing([n as i64 + 1]);
        let answer = stage.poll();
        assert_eq!(
            answer["results"][0]["error"], "SQLSTATE 55006: object_in_use",
            "{call}"
        );
        stage.wait_for_reports();
    }
}

#[test]
fn what_hangs_on_a_table_leaves_nothing_behind_also_where_the_caller_is_the_apply_role() {
    let stage = Stage::new();
    stage.database.execute(
        "CREATE FUNCTION scratch() RETURNS trigger LANGUAGE plpgsql AS
             'BEGIN CREATE TEMP TABLE scratch ON COMMIT DROP AS SELECT NEW.id; RETURN NEW; END';
         CREATE TRIGGER scratch BEFORE UPDATE ON tickets FOR EACH ROW EXECUTE FUNCTION scratch();
         GRANT SELECT, UPDATE ON tickets TO ops",
    );
    for (apply_role, ticket) in [("writer", 1), ("", 2)] {
        stage.database.set("synapsor.apply_role", apply_role);
        stage.approve_closing([ticket]);
        let answer = stage.poll();
        let error = &answer["results"][0]["error"];
        assert_eq!(error, "SQLSTATE 42501: insufficient_privilege");
        stage.wait_for_reports();
    }
}
