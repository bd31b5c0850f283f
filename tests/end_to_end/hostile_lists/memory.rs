//! Answers of a hundred megabytes, where they are let in and where they are not.

use std::fs;

use simulated_control_plane::{Endpoint, Fault, Rule};

use crate::stage::{Operator, Stage, Told, close, statuses};

const MEGABYTE: usize = 1024 * 1024;

/// A list of one proposal with a value of so many megabytes, and of an innocent.
fn with_a_value_of(megabytes: usize) -> Stage {
    let stage = Stage::new();
    stage.approve(close(1).change("status", "x".repeat(megabytes * MEGABYTE)));
    stage.approve_closing(2..=2);
    stage
}

/// A session that has polled before, and what its process needed at most so far, in bytes.
fn warmed_up(stage: &Stage) -> (Operator, usize) {
    let mut operator = stage.operator();
    operator.run("SELECT synapsor_report_once()");
    let peak = peak_of(&mut operator);
    (operator, peak)
}

/// The most memory that the session's process ever had at once, in bytes.
fn peak_of(operator: &mut Operator) -> usize {
    let row = operator
        .0
        .query_one("SELECT pg_backend_pid()", &[])
        .unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", row.get::<_, i32>(0))).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.unwrap().trim().trim_end_matches(" kB");
    kilobytes.parse::<usize>().unwrap() * 1024
}

#[test]
fn a_hundred_megabytes_are_refused_before_they_are_read() {
    let stage = with_a_value_of(100);
    let (mut operator, before) = warmed_up(&stage);
    let told = Told::by(operator.try_poll());
    assert_eq!(told.code(), "CONTROL_PLANE_TOO_LARGE");
    let grown = peak_of(&mut operator) - before;
    assert!(grown < 16 * MEGABYTE, "it grew by {grown} bytes");
    assert_eq!((stage.tickets("closed"), stage.ledger("true")), (0, 0));
}

#[test]
fn a_hundred_megabytes_that_are_let_in_cost_a_few_times_that_and_are_applied() {
    let stage = with_a_value_of(100);
    stage.database.set("synapsor.max_response_size", "128MB");
    let (mut operator, before) = warmed_up(&stage);
    assert_eq!(statuses(&operator.poll()), ["applied"; 2]);
    let grown = peak_of(&mut operator) - before;
    assert!(grown < 8 * 100 * MEGABYTE, "it grew by {grown} bytes");
    let length = "SELECT length(status) FROM tickets WHERE id = 1";
    assert_eq!(stage.database.value::<i32>(length), 100 * 1024 * 1024);
    stage.wait_for_reports();
}

/// A text again and again, with its number in it, until there are so many megabytes of it.
fn many(megabytes: usize, part: impl Fn(usize) -> String) -> String {
    let mut text = part(0);
    for n in 1.. {
        if text.len() >= megabytes * MEGABYTE {
            break;
        }
        text.push(',');
        text.push_str(&part(n));
    }
    text
}

/// The megabytes of a list of crumbs.
const SOME: usize = 20;

/// What there is very much of, and the body of the list.
type Crumbs = (&'static str, fn() -> String);

/// What costs more than its bytes: things as small and as many as can be, in twenty megabytes.
const CRUMBS: [Crumbs; 5] = [
    ("elements", || {
        format!(r#"{{"proposals":[{}]}}"#, many(SOME, |_| "0".into()))
    }),
    ("keys of the list", || {
        let keys = many(SOME, |n| format!(r#""{n:x}":0"#));
        format!(r#"{{{keys},"proposals":[]}}"#)
    }),
    ("keys of a proposal", || {
        let keys = many(SOME, |n| format!(r#""{n:x}":0"#));
        format!(r#"{{"proposals":[{{"proposal_id":"x",{keys}}}]}}"#)
    }),
    ("allowed columns", || {
        let names = many(SOME, |_| r#""a""#.into());
        format!(r#"{{"proposals":[{{"proposal_id":"x","allowed_columns":[{names}]}}]}}"#)
    }),
    ("columns", || {
        let keys = many(SOME, |n| format!(r#""{n:x}":0"#));
        format!(r#"{{"proposals":[{{"proposal_id":"x","changes":{{{keys}}}}}]}}"#)
    }),
];

#[test]
fn a_list_of_crumbs_costs_a_few_times_its_bytes_as_well() {
    for (what, body) in CRUMBS {
        let stage = Stage::new();
        let body = Fault::body(200, body());
        stage.simulator.inject(Rule::on(Endpoint::List, body));
        let (mut operator, before) = warmed_up(&stage);
        // What is made of it, others have shown.
        let _ = operator.try_poll();
        let grown = peak_of(&mut operator) - before;
        assert!(
            grown < 5 * SOME * MEGABYTE,
            "{what}: it grew by {grown} bytes"
        );
    }
}
