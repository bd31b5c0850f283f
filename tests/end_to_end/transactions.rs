//! A poll belongs to its caller's transaction: what he takes back never was, and nothing is told before he commits.

use simulated_control_plane::Endpoint;
use synapsor_testbed::OPERATOR;

use crate::stage::{Stage, Told, close, statuses};

/// Nothing was changed, recorded or reported, also not when somebody asks for reports.
fn assert_untouched(stage: &Stage) {
    assert_eq!(stage.tickets("closed"), 0);
    assert_eq!(stage.ledger("true"), 0);
    assert_eq!(stage.operator().report()["delivered"], 0);
    assert_eq!(stage.simulator.calls(Endpoint::Report), 0);
}

/// Every ticket from 1 to `count` is closed, and reported once.
fn assert_all_applied_once(stage: &Stage, count: i64) {
    stage.wait_for_reports();
    assert_eq!(stage.tickets("closed"), count);
    for ticket in 1..=count {
        let id = format!("wrp_{ticket}");
        assert_eq!(
            stage.simulator.reports_for(&id).len(),
            1,
            "reports about {id}"
        );
    }
}

#[test]
fn a_rollback_takes_everything_back_and_the_next_poll_applies_it_all() {
    let stage = Stage::new();
    stage.approve_closing(1..=10);
    let mut operator = stage.operator();
    operator.run("BEGIN");
    assert_eq!(statuses(&operator.poll()), ["applied"; 10]);
    operator.run("ROLLBACK");
    assert_untouched(&stage);
    assert_eq!(statuses(&operator.poll()), ["applied"; 10]);
    assert_all_applied_once(&stage, 10);
}

#[test]
fn an_error_later_in_the_transaction_takes_everything_back() {
    let stage = Stage::new();
    stage.approve_closing(1..=3);
    let mut operator = stage.operator();
    let failed = operator
        .0
        .batch_execute("BEGIN; SELECT synapsor_poll_once(); SELECT 1/0; COMMIT");
    assert_eq!(Told::by(failed).sqlstate, "22012");
    operator.run("ROLLBACK");
    assert_untouched(&stage);
    operator.poll();
    assert_all_applied_once(&stage, 3);
}

#[test]
fn a_lost_session_takes_everything_back() {
    let stage = Stage::new();
    stage.approve_closing(1..=3);
    let mut operator = stage.operator();
    operator.run("BEGIN");
    operator.poll();
    drop(operator);
    stage.poll();
    assert_all_applied_once(&stage, 3);
}

#[test]
fn a_rollback_to_a_savepoint_takes_the_poll_back_and_a_later_one_counts() {
    let stage = Stage::new();
    stage.approve_closing(1..=3);
    let mut operator = stage.operator();
    operator.run("BEGIN; SAVEPOINT before");
    assert_eq!(statuses(&operator.poll()), ["applied"; 3]);
    operator.run("ROLLBACK TO SAVEPOINT before");
    operator.run("COMMIT");
    assert_untouched(&stage);
    operator.run("BEGIN; SAVEPOINT before");
    operator.poll();
    operator.run("ROLLBACK TO SAVEPOINT before");
    assert_eq!(statuses(&operator.poll()), ["applied"; 3]);
    operator.run("RELEASE SAVEPOINT before; COMMIT");
    assert_all_applied_once(&stage, 3);
}

#[test]
fn a_second_poll_in_the_same_transaction_reports_nothing_of_the_first() {
    let stage = Stage::new();
    stage.approve_closing(1..=3);
    let mut operator = stage.operator();
    operator.run("BEGIN");
    assert_eq!(statuses(&operator.poll()), ["applied"; 3]);
    stage.approve(close(4));
    let again = operator.poll();
    assert_eq!(statuses(&again), ["applied"; 4]);
    assert_eq!(again["results"][0]["already_decided"], true);
    assert_eq!(operator.report()["delivered"], 0);
    assert_eq!(
        stage.simulator.calls(Endpoint::Report),
        0,
        "an uncommitted outcome was reported"
    );
    operator.run("COMMIT");
    assert_all_applied_once(&stage, 4);
}

#[test]
fn a_report_owed_from_before_is_marked_only_if_the_transaction_commits_and_sent_again_otherwise() {
    use simulated_control_plane::{Fault, Rule};
    let stage = Stage::new();
    let down = stage
        .simulator
        .inject(Rule::on(Endpoint::Report, Fault::status(503)));
    stage.approve(close(1));
    let mut operator = stage.operator();
    operator.poll();
    stage.wait_for_a_failed_report();
    stage.simulator.withdraw(down);
    operator.run("BEGIN");
    operator.report();
    operator.run("ROLLBACK");
    assert_eq!(stage.ledger("report_state = 'pending'"), 1);
    operator.report();
    assert_eq!(stage.ledger("report_state = 'delivered'"), 1);
    assert_eq!(stage.tickets("closed"), 1);
}

#[test]
fn a_prepared_transaction_is_reported_by_the_next_call_after_its_commit() {
    let stage = Stage::new();
    stage.approve_closing(1..=3);
    let mut operator = stage.operator();
    operator.run("BEGIN");
    operator.poll();
    operator.run("PREPARE TRANSACTION 'two_phases'");
    assert_untouched(&stage);
    operator.run("COMMIT PREPARED 'two_phases'");
    assert_eq!(operator.report()["delivered"], 3);
    assert_all_applied_once(&stage, 3);
}

#[test]
fn a_prepared_transaction_that_is_rolled_back_never_was() {
    let stage = Stage::new();
    stage.approve_closing(1..=3);
    let mut operator = stage.operator();
    operator.run("BEGIN");
    operator.poll();
    operator.run("PREPARE TRANSACTION 'no_phase'");
    operator.run("ROLLBACK PREPARED 'no_phase'");
    assert_untouched(&stage);
    operator.poll();
    assert_all_applied_once(&stage, 3);
}

#[test]
fn a_poll_works_in_every_isolation_level() {
    for level in ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"] {
        let stage = Stage::new();
        stage.approve_closing(1..=3);
        let mut operator = stage.operator();
        operator.run(&format!("BEGIN ISOLATION LEVEL {level}"));
        assert_eq!(statuses(&operator.poll()), ["applied"; 3], "{level}");
        operator.run("COMMIT");
        assert_all_applied_once(&stage, 3);
    }
}

#[test]
fn an_older_snapshot_never_applies_what_another_session_has_applied_since() {
    for level in ["REPEATABLE READ", "SERIALIZABLE"] {
        let stage = Stage::new();
        stage.approve_closing(1..=3);
        let mut older = stage.operator();
        older.run(&format!(
            "BEGIN ISOLATION LEVEL {level}; SELECT count(*) FROM pg_class"
        ));
        stage.poll();
        stage.wait_for_reports();
        // Listed again, so that the older session meets what its snapshot can't see.
        stage.approve_closing(1..=3);
        stage.simulator.inject(keep_listing());
        let told = Told::by(older.try_poll());
        assert_eq!(told.sqlstate, "40001", "{level}: {}", told.message);
        older.run("ROLLBACK");
        assert_eq!(stage.tickets("closed"), 3);
    }
}

/// Lists what is not approved any more.
fn keep_listing() -> simulated_control_plane::Rule {
    use simulated_control_plane::{Fault, Quirk, Rule};
    Rule::on(Endpoint::List, Fault::quirk(Quirk::IgnoreFilters))
}

#[test]
fn a_read_only_transaction_is_refused_with_a_hint() {
    let stage = Stage::new();
    let mut operator = stage.operator();
    operator.run("BEGIN READ ONLY");
    let told = Told::by(operator.try_poll());
    assert_eq!(
        (told.sqlstate.as_str(), told.code()),
        ("25006", "DATABASE_READ_ONLY")
    );
    assert_ne!(told.hint, "");
    assert_eq!(stage.simulator.journal().len(), 0);
}

#[test]
fn a_poll_changes_nothing_of_its_caller_s_session() {
    let stage = Stage::new();
    stage.approve_closing(1..=3);
    let mut operator = stage.operator();
    operator.run("SET TimeZone = 'Asia/Tokyo'; SET lock_timeout = '7s'; SET search_path = public, pg_catalog");
    let state =
        "SELECT concat_ws('|', current_setting('TimeZone'), current_setting('lock_timeout'),
                 current_setting('search_path'), current_user, session_user)";
    operator.run("BEGIN");
    operator.poll();
    for _ in 0..2 {
        let row = operator.0.query_one(state, &[]).unwrap();
        let expected = format!("Asia/Tokyo|7s|public, pg_catalog|{OPERATOR}|{OPERATOR}");
        assert_eq!(row.get::<_, String>(0), expected);
        operator.run("COMMIT");
    }
}
