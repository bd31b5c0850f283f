//! Installing, dumping, restoring, moving, removing.

use std::process::Stdio;

use synapsor_testbed::{Database, OPERATOR, quote};

use crate::stage::{SHARED, Stage, Told};

fn ledger_of(database: &Database) -> Vec<String> {
    database.rows("SELECT * FROM synapsor.ledger ORDER BY key")
}

#[test]
fn a_dump_keeps_the_ledger() {
    let stage = Stage::new();
    stage.approve_closing(1..=10);
    stage.poll();
    stage.wait_for_reports();
    let copy = SHARED.create_database(&format!("{}_copy", stage.database.name()));
    let mut dump = SHARED.program("pg_dump");
    let mut dump = dump
        .arg(stage.database.name())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut restore = SHARED.program("psql");
    restore.args([
        "--no-psqlrc",
        "--quiet",
        "--set=ON_ERROR_STOP=1",
        "--dbname",
        copy.name(),
    ]);
    let restored = restore
        .stdin(dump.stdout.take().unwrap())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(restored.success() && dump.wait().unwrap().success());
    assert_eq!(ledger_of(&copy).len(), 10);
    assert_eq!(ledger_of(&copy), ledger_of(&stage.database));
    let missing = "
        SELECT conname FROM pg_constraint WHERE conrelid = 'synapsor.ledger'::regclass AND contype IN ('p', 'c')";
    assert_eq!(copy.rows(missing).len(), stage.database.rows(missing).len());
}

#[test]
fn dropping_the_extension_leaves_nothing_and_it_can_be_created_again_elsewhere() {
    let stage = Stage::new();
    stage.approve_closing(1..=1);
    stage.poll();
    stage.wait_for_reports();
    let leftovers = "
        SELECT nspname FROM pg_namespace WHERE nspname = 'synapsor'
        UNION ALL SELECT proname FROM pg_proc WHERE proname LIKE 'synapsor%'
        UNION ALL SELECT relname FROM pg_class WHERE relname LIKE 'synapsor%'";
    assert_ne!(stage.database.rows(leftovers).len(), 0);
    stage.database.execute("DROP EXTENSION synapsor_writeback");
    assert_eq!(stage.database.rows(leftovers), [""; 0]);

    let home = r#"My "Own" Schema"#;
    let quoted = quote(home);
    stage.database.execute(&format!(
        "CREATE SCHEMA {quoted};
         CREATE EXTENSION synapsor_writeback SCHEMA {quoted};
         SELECT {quoted}.synapsor_grant_usage('{OPERATOR}')"
    ));
    stage.approve_closing(2..=3);
    let mut operator = stage.operator();
    operator.run(&format!("SELECT {quoted}.synapsor_poll_once()"));
    assert_eq!(stage.tickets("closed"), 3);
    stage.wait_for_reports();
    operator.run(&format!("CALL {quoted}.synapsor_poll()"));
    operator.run(&format!("SELECT {quoted}.synapsor_report_once()"));
    assert_eq!(stage.ledger("report_state = 'delivered'"), 2);
}

#[test]
fn the_operator_s_role_may_have_any_name() {
    let stage = Stage::new();
    let role = r#"Night "Shift" Ünit"#;
    let quoted = quote(role);
    stage.database.execute(&format!(
        "CREATE ROLE {quoted} LOGIN; GRANT writer TO {quoted}"
    ));
    let literal = role.replace('\'', "''");
    stage
        .database
        .execute(&format!("SELECT synapsor_grant_usage('{literal}')"));
    stage.approve_closing(1..=2);
    let mut session = stage.database.connect_as(role);
    session
        .query_one("SELECT synapsor_poll_once()", &[])
        .unwrap();
    stage.wait_for_reports();
    assert_eq!(stage.tickets("closed"), 2);
}

#[test]
fn the_apply_role_may_have_any_name() {
    let stage = Stage::new();
    let role = quote(r#"The "Writer""#);
    stage.database.execute(&format!(
        "CREATE ROLE {role}; GRANT writer TO {role}; GRANT {role} TO {OPERATOR}"
    ));
    stage.database.set("synapsor.apply_role", r#"The "Writer""#);
    stage.approve_closing(1..=2);
    stage.poll();
    stage.wait_for_reports();
    assert_eq!(stage.tickets("closed"), 2);
}

#[test]
fn the_extension_can_t_be_created_by_an_ordinary_role() {
    let stage = Stage::new();
    stage.database.execute("DROP EXTENSION synapsor_writeback");
    let database = quote(stage.database.name());
    stage.database.execute(&format!(
        "GRANT CREATE ON DATABASE {database} TO {OPERATOR}"
    ));
    let created = stage
        .operator()
        .0
        .batch_execute("CREATE EXTENSION synapsor_writeback");
    assert_eq!(Told::by(created).sqlstate, "42501");
}

#[test]
fn dropping_the_extension_waits_for_a_poll_and_a_poll_survives_it() {
    let stage = Stage::new();
    stage.approve_closing(1..=3);
    let mut operator = stage.operator();
    operator.run("BEGIN");
    operator.poll();
    let superuser = stage.database.connect();
    let dropping =
        crate::background::Background::run_in(superuser, "DROP EXTENSION synapsor_writeback");
    dropping.wait_until_blocked(&stage);
    operator.run("COMMIT");
    dropping.end().1.unwrap();
    assert_eq!(stage.tickets("closed"), 3);
    let told = Told::by(operator.try_poll());
    assert_eq!(told.sqlstate, "42883");
}
