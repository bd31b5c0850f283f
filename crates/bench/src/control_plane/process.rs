//! The process itself: the simulator, and somebody who does as he is told.

use std::thread;
use std::time::{Duration, Instant};

use simulated_control_plane::{
    ControlPlane, Endpoint, Fault, JournalMode, Options, Rule, Simulator, Status,
};

use super::API_KEY;
use super::orders::{Counts, Order, Welcome};
use crate::own_process::{orders, say};

/// Serves until its input ends.
pub fn run() {
    let simulator = Simulator::start(Options {
        api_key: API_KEY.to_owned(),
        journal: JournalMode::CountsOnly,
        ..Options::default()
    })
    .expect("the simulated control plane starts");
    say(&Welcome {
        base_url: simulator.base_url(),
    });
    for order in orders::<Order>() {
        obey(&simulator, order);
        say(&simulator.read(counts));
    }
}

fn obey(simulator: &Simulator, order: Order) {
    match order {
        Order::Latency { milliseconds } => {
            simulator.clear_faults();
            let latency = Fault::latency(Duration::from_millis(milliseconds));
            if milliseconds > 0 {
                simulator.inject(Rule::on_any(latency));
            }
        }
        Order::Approve { proposals } => {
            let added = simulator.add_proposals(proposals);
            added.expect("the proposals are JSON");
        }
        Order::Wait { reported, seconds } => wait(simulator, reported, seconds),
        Order::Count => {}
    }
}

/// While many are missing it looks every millisecond, as being woken by each would slow the serving down; the last ones it
/// hears at once.
fn wait(simulator: &Simulator, reported: usize, seconds: u64) {
    const FEW: usize = 16;
    const STEP: Duration = Duration::from_millis(1);
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while simulator.read(counts).reported() + FEW < reported && Instant::now() < deadline {
        thread::sleep(STEP);
    }
    let left = deadline.saturating_duration_since(Instant::now());
    // Whether it was in time, the counts say.
    let _ = simulator.wait_for(|state| counts(state).reported() >= reported, left);
}

fn counts(state: &ControlPlane) -> Counts {
    Counts {
        applied: state.count(Status::Applied),
        not_applied: state.count(Status::Conflict) + state.count(Status::Failed),
        polls: state.calls(Endpoint::List),
    }
}
