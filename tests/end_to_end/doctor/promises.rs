//! What the doctor promises whatever it finds: every row in its order, no change, no secret, an end.

use std::thread;
use std::time::{Duration, Instant};

use postgres::SimpleQueryMessage;
use simulated_control_plane::{Endpoint, Fault, Options, Rule};

use super::{Row, Ward, ask};
use crate::background::Background;
use crate::stage::{SHARED, Told};

/// The README lists them, in this order.
const DOCUMENT: &str = include_str!("../../../README.md");

fn names(rows: &[Row]) -> Vec<&str> {
    let mut names: Vec<_> = rows.iter().map(|row| row.check.as_str()).collect();
    names.dedup();
    names
}

/// The checks of the README's table.
fn documented() -> Vec<&'static str> {
    let (_, section) = DOCUMENT.split_once("### The doctor").unwrap();
    let section = section.split("\n#").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let cells = rows.filter_map(|row| row.split_once(" | "));
    // The first row is the head.
    let rows = cells.skip(1);
    rows.flat_map(|(names, _)| names.trim_matches('`').split("`, `"))
        .collect()
}

#[test]
fn every_examination_has_a_row_in_the_documented_order_whatever_is_broken() {
    let ward = Ward::open();
    assert_eq!(names(&ward.examine()), documented());
    ward.set("apply_role", "nobody there");
    ward.set("api_key_file", "/no/such/file");
    ward.execute("DROP TABLE tickets");
    assert_eq!(names(&ward.examine()), documented());
}

#[test]
fn the_operator_may_ask_and_hears_the_same() {
    let ward = Ward::open();
    // How many workers the shared cluster has may change in between.
    let told = |mut rows: Vec<Row>| {
        rows.retain(|row| row.check != "worker slots");
        rows
    };
    assert_eq!(told(ask(&mut ward.0.operator().0)), told(ward.examine()));
}

#[test]
fn it_changes_nothing_and_takes_no_transaction_id() {
    let ward = Ward::open();
    ward.execute(
        "ALTER TABLE tickets ENABLE ROW LEVEL SECURITY;
         CREATE POLICY none ON tickets USING (false)",
    );
    let mut session = ward.0.operator().0;
    let asked = session.simple_query(
        "BEGIN; SELECT count(*) FROM synapsor_doctor(); SELECT pg_current_xact_id_if_assigned(); COMMIT",
    );
    let last = asked
        .unwrap()
        .into_iter()
        .rev()
        .find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).map(str::to_owned)),
            _ => None,
        });
    assert_eq!(last, Some(None));
    assert_eq!((ward.0.tickets("closed"), ward.0.ledger("true")), (0, 0));
    assert_eq!(ward.0.simulator.calls(Endpoint::Report), 0);
}

#[test]
fn code_on_a_table_can_do_no_more_than_its_owner_when_a_superuser_s_doctor_looks() {
    let ward = Ward::open();
    let name = ward.0.database.name();
    let loot = SHARED.socket_directory().join(format!("loot_{name}"));
    ward.execute(&format!(
        "CREATE ROLE mallory_{name}; GRANT CREATE ON SCHEMA public TO mallory_{name};
         ALTER TABLE tickets OWNER TO mallory_{name};
         SET ROLE mallory_{name};
         CREATE SEQUENCE calls; GRANT USAGE ON SEQUENCE calls TO PUBLIC;
         CREATE FUNCTION steal() RETURNS boolean LANGUAGE plpgsql AS $$
         BEGIN
             PERFORM nextval('public.calls');
             EXECUTE 'COPY (SELECT 1) TO PROGRAM ''touch {}''';
             RETURN false;
         EXCEPTION WHEN others THEN RETURN false; END $$;
         ALTER TABLE tickets ENABLE ROW LEVEL SECURITY;
         CREATE POLICY stealing ON tickets USING (steal())",
        loot.display()
    ));
    ward.diagnosed("row security", "hides rows that proposals name");
    assert!(ward.0.database.value::<bool>("SELECT is_called FROM calls"));
    assert!(!loot.exists());
    // A superuser who calls it himself is robbed, so that this is the doctor's doing.
    ward.execute("SELECT steal()");
    assert!(loot.exists());
}

#[test]
fn it_works_in_a_read_only_transaction_and_says_that_polls_would_not() {
    let ward = Ward::open();
    let mut session = ward.0.operator().0;
    session.batch_execute("BEGIN READ ONLY").unwrap();
    let row = super::worst(&ask(&mut session), "database");
    assert!(row.detail.contains("read-only"), "{row:?}");
}

#[test]
fn a_session_whose_options_hide_the_settings_is_told_so() {
    let ward = Ward::open();
    let mut config = ward.0.database.config("ops");
    config.options("-c synapsor.base_url=http://elsewhere");
    let mut session = config.connect(postgres::NoTls).unwrap();
    let rows = ask(&mut session);
    let row = super::worst(&rows, "settings");
    assert!(row.detail.contains("CLIENT_SETTINGS_REFUSED"), "{row:?}");
    assert_eq!(names(&rows), documented());
}

#[test]
fn a_control_plane_that_never_answers_holds_it_up_no_longer_than_the_time_out() {
    let ward = Ward::open();
    ward.set("request_timeout", "1s");
    ward.0.simulator.inject(Rule::on_any(Fault::hang()));
    let start = Instant::now();
    ward.diagnosed("reachability", "CONTROL_PLANE_TIMEOUT");
    assert!(
        start.elapsed() < Duration::from_secs(6),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn answers_that_each_come_in_time_hold_it_up_no_longer_than_twice_the_time_out() {
    let ward = Ward::open();
    ward.set("request_timeout", "1s");
    ward.set("source_id", "src_9");
    let slow = Fault::latency(Duration::from_millis(900));
    ward.0.simulator.inject(Rule::on_any(slow));
    let start = Instant::now();
    ward.diagnosed(
        "reachability",
        "CONTROL_PLANE_TIMEOUT: the answers took too long in all",
    );
    assert!(
        start.elapsed() < Duration::from_secs(4),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn a_table_that_somebody_has_locked_does_not_hold_it_up() {
    let ward = Ward::open();
    let mut other = ward.0.database.connect();
    other.batch_execute("BEGIN; LOCK TABLE tickets").unwrap();
    let start = Instant::now();
    let rows = ward.examine();
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    let row = super::worst(&rows, "targets");
    assert_eq!(row.ok, None, "{row:?}");
    assert!(row.detail.contains("lock_not_available"), "{row:?}");
    let wrong: Vec<_> = rows.iter().filter(|row| row.ok == Some(false)).collect();
    assert_eq!(wrong, Vec::<&Row>::new());
}

#[test]
fn a_cancel_ends_it_at_once() {
    let ward = Ward::open();
    ward.0.simulator.inject(Rule::on_any(Fault::hang()));
    let call = Background::run(&ward.0, "SELECT * FROM synapsor_doctor()");
    assert!(
        ward.0
            .simulator
            .wait_for(|c| c.calls(Endpoint::List) > 0, crate::stage::PATIENCE)
    );
    thread::sleep(Duration::from_millis(50));
    let start = Instant::now();
    call.cancel();
    let (end, result) = call.end();
    assert_eq!(Told::by(result).sqlstate, "57014");
    assert!(end - start < Duration::from_secs(1), "{:?}", end - start);
}

#[test]
fn it_shows_neither_the_key_nor_anybody_s_data() {
    let ward = Ward::open();
    let key = Options::default().api_key;
    ward.execute("UPDATE tickets SET status = 'hush ' || id");
    let body = format!("{{\"ok\": false, \"code\": \"X\", \"message\": \"key {key} no\"}}");
    ward.0
        .simulator
        .inject(Rule::on(Endpoint::List, Fault::body(400, body)));
    let everything = format!("{:?}", ward.examine());
    assert!(everything.contains("X: key"), "{everything}");
    assert!(
        !everything.contains(&key) && !everything.contains("hush"),
        "{everything}"
    );
}
