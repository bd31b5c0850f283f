//! `make picture`: the worker at work for some minutes, with a control plane that fails for a while, as the metrics show it. Prints an
//! SVG, drawn from samples of `synapsor.metrics` and `synapsor.activity`.
#![allow(
    clippy::expect_used,
    reason = "a demo that can't go on has to stop, and say why"
)]

mod chart;
mod samples;

use std::convert::identity;
use std::thread;
use std::time::{Duration, Instant};

use chart::{Band, Panel, picture};
use samples::Samples;
use simulated_control_plane::{Endpoint, Fault, Options, Rule, Simulator};
use synapsor_testbed::{Cluster, ClusterOptions, Database, OPERATOR, Proposal, WRITER};

const LENGTH: Duration = Duration::from_secs(16 * 60);
const STEP: Duration = Duration::from_secs(2);

/// When the control plane answers 503, in minutes: to reports, and then to everything.
const OUTAGES: [Band; 2] = [
    Band {
        from: 6.0,
        to: 8.0,
        label: "reports: 503",
    },
    Band {
        from: 8.0,
        to: 11.0,
        label: "all calls: 503",
    },
];

/// When some proposals write what the table forbids, in minutes.
const MISTAKES: std::ops::Range<f64> = 2.0..5.0;

const TABLE: &str = "
    CREATE TABLE tickets (id bigint PRIMARY KEY, status text CHECK (status IN ('open', 'closed')), version int NOT NULL);
    INSERT INTO tickets SELECT n, 'open', 1 FROM generate_series(1, 100000) n;
    GRANT SELECT, UPDATE (status) ON tickets TO writer;
";

fn main() {
    let cluster = Cluster::start(ClusterOptions::default());
    let control_plane = Simulator::start(Options::default()).expect("the control plane starts");
    let database = set_up(&cluster, &control_plane);
    let samples = run(&database, &control_plane);
    println!("{}", picture(&panels(&samples), &OUTAGES, minutes(LENGTH)));
}

fn minutes(time: Duration) -> f64 {
    time.as_secs_f64() / 60.0
}

/// A database with a worker.
fn set_up(cluster: &Cluster, control_plane: &Simulator) -> Database {
    let database = cluster.create_database("shop");
    database.create_extension();
    database.create_roles();
    database.execute(TABLE);
    database.execute(&format!("ALTER ROLE {WRITER} LOGIN"));
    database.set("synapsor.base_url", control_plane.base_url());
    let key = cluster.key_file("synapsor.key", &Options::default().api_key);
    database.set("synapsor.api_key_file", key.display());
    database.set("synapsor.source_id", "src_1");
    let mut operator = database.connect_as(OPERATOR);
    let started = operator.batch_execute("SELECT synapsor_start_worker()");
    started.expect("the worker starts");
    database
}

/// Approves proposals and looks at the metrics, step by step.
fn run(database: &Database, control_plane: &Simulator) -> Samples {
    let mut session = database.connect_as(OPERATOR);
    let mut samples = Samples::default();
    let start = Instant::now();
    for step in 0.. {
        let now = minutes(start.elapsed());
        if now >= minutes(LENGTH) {
            break;
        }
        control_plane.clear_faults();
        if let Some(rule) = trouble(now) {
            control_plane.inject(rule);
        }
        let proposals = proposals(step, MISTAKES.contains(&now));
        let added = control_plane.add_proposals(proposals);
        added.expect("the proposals are JSON");
        samples.take(&mut session, now);
        eprint!("\r{now:.1} of {:.0} minutes", minutes(LENGTH));
        thread::sleep((STEP * (step + 1)).saturating_sub(start.elapsed()));
    }
    eprintln!();
    samples
}

/// What the control plane does at this minute, if anything is wrong with it.
fn trouble(now: f64) -> Option<Rule> {
    let is_in = |band: &Band| (band.from..band.to).contains(&now);
    match OUTAGES.iter().position(is_in)? {
        0 => Some(Rule::on(Endpoint::Report, Fault::status(503))),
        _ => Some(Rule::on_any(Fault::status(503))),
    }
}

/// Some ten for each step, more at times; a few are stale, and some are wrong.
fn proposals(step: u32, with_mistakes: bool) -> Vec<Proposal> {
    let count = 8 + (step * 7) % 11;
    let one = |n: u32| {
        let ticket = step * 40 + n + 1;
        let proposal = Proposal::update("tickets")
            .id(&format!("wrp_{ticket}"))
            .key("id", ticket);
        match n % 10 {
            3 => proposal.change("status", "closed").conflict("version", 0),
            5 if with_mistakes => proposal.change("status", "shut"),
            7 if with_mistakes && step.is_multiple_of(3) => proposal.change("status; --", "closed"),
            _ => proposal.change("status", "closed").conflict("version", 1),
        }
    };
    (0..count).map(one).collect()
}

/// What the dashboard plots, of the same expressions.
fn panels(samples: &Samples) -> [Panel; 4] {
    let per_second = |value: f64| value / 300.0;
    [
        Panel {
            title: "Decided per second, by outcome",
            series: samples.series("outcomes_5m", "", per_second),
        },
        Panel {
            title: "Failures within five minutes, by code",
            series: samples.series("failures_5m", "", identity),
        },
        Panel {
            title: "Delivery age, s",
            series: samples.series(
                "oldest_pending_report_seconds",
                "oldest unreported outcome",
                f64::from,
            ),
        },
        Panel {
            title: "Back-off, s",
            series: [
                samples.series("poll_wait_seconds", "until the next poll", identity),
                samples.series("poll_age_seconds", "since the last poll", identity),
            ]
            .concat(),
        },
    ]
}
