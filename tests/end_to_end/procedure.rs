//! `CALL synapsor_poll()`: everything that can be done now, in batches that commit.

use simulated_control_plane::{Endpoint, Fault, Rule, Status};

use crate::background::Background;
use crate::stage::{PATIENCE, Stage, Told, close};

/// Writes down in which transaction a ticket was closed.
const WITNESS: &str = "
    CREATE TABLE witness (ticket bigint, transaction bigint);
    CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
        'BEGIN INSERT INTO public.witness VALUES (NEW.id, txid_current()); RETURN NEW; END';
    CREATE TRIGGER see AFTER UPDATE ON tickets FOR EACH ROW EXECUTE FUNCTION see();
";

#[test]
fn it_commits_after_each_batch_and_has_reported_everything_when_it_returns() {
    let stage = Stage::new();
    stage.database.execute(WITNESS);
    stage.database.set("synapsor.batch_size", 10);
    stage.database.set("synapsor.max_proposals", 40);
    stage.approve_closing(1..=95);
    stage.operator().call();
    assert_eq!(stage.simulator.read(|c| c.count(Status::Applied)), 95);
    assert_eq!(
        stage.ledger("report_state = 'delivered' AND report_attempts = 1"),
        95
    );
    assert_eq!(stage.tickets("closed"), 95);
    let batches =
        "SELECT max(n), sum(n) FROM (SELECT count(*) n FROM witness GROUP BY transaction) b";
    assert_eq!(stage.database.rows(batches), ["10|95"]);
}

#[test]
fn a_batch_that_is_cancelled_takes_no_earlier_one_back() {
    let stage = Stage::new();
    stage.database.set("synapsor.batch_size", 5);
    stage.approve_closing(1..=10);
    let mut holder = stage.database.connect();
    holder
        .batch_execute("BEGIN; UPDATE tickets SET amount = 11 WHERE id = 8")
        .unwrap();
    let call = Background::run(&stage, "CALL synapsor_poll()");
    call.wait_until_blocked(&stage);
    call.cancel();
    assert_eq!(Told::by(call.end().1).sqlstate, "57014");
    assert_eq!((stage.tickets("closed"), stage.ledger("true")), (5, 5));
    holder.batch_execute("COMMIT").unwrap();
    stage.operator().call();
    assert_eq!(stage.simulator.read(|c| c.count(Status::Applied)), 10);
    assert_eq!(stage.tickets("closed"), 10);
}

#[test]
fn it_gets_past_what_stays_at_the_head_of_the_list() {
    let stage = Stage::new();
    stage.database.set("synapsor.max_proposals", 10);
    stage.approve(close(1));
    stage.operator().call();
    // Refused for good, and therefore never reported: they stay listed.
    for n in 0..25 {
        let stuck = close(1)
            .id(&format!("stuck_{n}"))
            .change("status", "stolen");
        stage.approve(stuck);
    }
    stage.approve_closing(2..=30);
    stage.operator().call();
    assert_eq!((stage.tickets("closed"), stage.tickets("stolen")), (30, 0));
    assert_eq!(stage.simulator.read(|c| c.count(Status::Applied)), 30);
}

#[test]
fn it_ends_although_the_control_plane_lists_for_ever() {
    use simulated_control_plane::Quirk;
    let stage = Stage::new();
    stage
        .simulator
        .inject(Rule::on(Endpoint::Report, Fault::quirk(Quirk::KeepListed)));
    stage.approve_closing(1..=20);
    stage.operator().call();
    assert_eq!(stage.tickets("closed"), 20);
    assert!(stage.simulator.calls(Endpoint::List) <= 3);
    assert_eq!(stage.ledger("attempts = 1"), 20);
}

#[test]
fn it_refuses_to_run_inside_a_transaction_block() {
    let stage = Stage::new();
    stage.approve_closing(1..=3);
    let mut operator = stage.operator();
    operator.run("BEGIN");
    let told = Told::by(operator.0.batch_execute("CALL synapsor_poll()"));
    assert_eq!(told.sqlstate, "25001");
    assert!(told.hint.contains("synapsor_poll_once()"), "{}", told.hint);
    operator.run("ROLLBACK");
    assert_eq!(stage.simulator.calls(Endpoint::List), 0);
    operator.call();
    assert_eq!(stage.tickets("closed"), 3);
}

#[test]
fn it_runs_from_a_do_block_as_schedulers_call_it() {
    let stage = Stage::new();
    stage.approve_closing(1..=3);
    stage.operator().run("DO 'BEGIN CALL synapsor_poll(); END'");
    assert_eq!(stage.tickets("closed"), 3);
    assert_eq!(stage.simulator.read(|c| c.count(Status::Applied)), 3);
}

#[test]
fn it_holds_no_snapshot_no_id_and_no_table_while_it_waits_for_the_network() {
    for endpoint in [Endpoint::List, Endpoint::Report] {
        let stage = Stage::new();
        stage.approve_closing(1..=3);
        stage.simulator.inject(Rule::on(endpoint, Fault::hang()));
        let call = Background::run(&stage, "CALL synapsor_poll()");
        assert!(
            stage
                .simulator
                .wait_for(|c| c.calls(endpoint) > 0, PATIENCE)
        );
        let held = format!(
            "SELECT backend_xid, backend_xmin,
                    (SELECT count(*) FROM pg_locks l WHERE l.pid = a.pid AND l.locktype IN
                        ('relation', 'transactionid', 'tuple'))
             FROM pg_stat_activity a WHERE pid = {}",
            call.pid
        );
        assert_eq!(stage.database.rows(&held), ["||0"], "{endpoint}");
        call.cancel();
        assert_eq!(Told::by(call.end().1).sqlstate, "57014");
    }
}

#[test]
fn it_removes_rows_whose_report_was_accepted_longer_ago_than_the_retention() {
    let stage = Stage::new();
    stage.approve_closing(1..=4);
    stage.operator().call();
    stage.database.execute(
        "UPDATE synapsor.ledger SET decided_at = now() - interval '91 days', reported_at = now() - interval '91 days'
         WHERE key IN ('key_1', 'key_2');
         UPDATE synapsor.ledger SET decided_at = now() - interval '91 days' WHERE key = 'key_3';
         UPDATE synapsor.ledger SET report_state = 'rejected' WHERE key = 'key_2'",
    );
    stage.operator().call();
    let kept = stage
        .database
        .rows("SELECT key FROM synapsor.ledger ORDER BY key");
    assert_eq!(kept, ["key_2", "key_3", "key_4"]);
    stage.database.set("synapsor.ledger_retention", 0);
    stage.database.execute(
        "UPDATE synapsor.ledger SET decided_at = '2000-01-01', reported_at = '2000-01-01'",
    );
    stage.operator().call();
    assert_eq!(stage.ledger("true"), 3);
}

#[test]
fn it_warns_of_reports_that_are_still_owed() {
    use std::sync::{Arc, Mutex};
    let stage = Stage::new();
    stage
        .simulator
        .inject(Rule::on(Endpoint::Report, Fault::status(500)));
    stage.approve_closing(1..=3);
    let notices = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&notices);
    let mut config = stage.database.config(synapsor_testbed::OPERATOR);
    config.notice_callback(move |notice| heard.lock().unwrap().push(notice.message().to_owned()));
    config
        .connect(postgres::NoTls)
        .unwrap()
        .batch_execute("CALL synapsor_poll()")
        .unwrap();
    let notices = notices.lock().unwrap();
    assert!(
        notices
            .iter()
            .any(|text| text.contains("3 reports are still owed")),
        "{notices:?}"
    );
    assert_eq!(stage.tickets("closed"), 3);
}
