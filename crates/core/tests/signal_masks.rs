//! In a Postgres backend, signals belong to the main thread: every thread of a client inherits the mask of the thread
//! that made it or called it. A program of its own, since no other test's threads may be about.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::ptr;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use simulated_control_plane::{Endpoint, Fault, Options, Rule, Simulator};
use synapsor_core::api_key::ApiKey;
use synapsor_core::control_plane::{BaseUrl, Client, Config, deliver};
use synapsor_core::report::{Report, Verdict};

fn block_all_signals() {
    // SAFETY: `sigfillset` initialises the set that `pthread_sigmask` reads; the old mask is not asked for.
    unsafe {
        let mut all = std::mem::zeroed();
        libc::sigfillset(&mut all);
        assert_eq!(
            libc::pthread_sigmask(libc::SIG_BLOCK, &all, ptr::null_mut()),
            0
        );
    }
}

/// The signals that a thread blocks, and its name, out of its status in `/proc`.
fn name_and_mask(status: &str) -> (String, String) {
    let field = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap()
            .trim()
    };
    (field("Name:").to_owned(), field("SigBlk:").to_owned())
}

#[test]
fn every_thread_of_a_client_blocks_the_signals_that_its_maker_blocks() {
    let simulator = Simulator::start(Options::default()).unwrap();
    simulator.inject(Rule::on(
        Endpoint::Report,
        Fault::latency(Duration::from_millis(50)),
    ));
    block_all_signals();
    let (_, ours) = name_and_mask(&fs::read_to_string("/proc/thread-self/status").unwrap());
    let base_url = format!("http://localhost:{}", simulator.address().port());
    let client = Client::new(&Config {
        base_url: BaseUrl::parse(&base_url, false).unwrap(),
        connect_timeout: Duration::from_secs(10),
        request_timeout: Duration::from_secs(10),
        max_response_size: 1_000_000,
        ca_pem: None,
        user_agent: "synapsor-writeback/0.0.0".into(),
    })
    .unwrap();
    let report = |n| Report {
        proposal_id: format!("wrp_{n}"),
        idempotency_key: None,
        verdict: Verdict::Failed { error: "X".into() },
    };
    let reports: Vec<_> = (0..20).map(report).collect();
    let key = ApiKey::parse("syn_simulated_key").unwrap();
    let mut threads = BTreeMap::new();
    deliver(
        &client,
        &key,
        &reports,
        8,
        &AtomicBool::new(false),
        |_, _| {
            for task in fs::read_dir("/proc/self/task").unwrap().flatten() {
                // A thread may end while it is looked at.
                if let Ok(status) = fs::read_to_string(task.path().join("status")) {
                    let (name, mask) = name_and_mask(&status);
                    threads.insert((name, mask), ());
                }
            }
        },
    );
    let of_client = |name: &str| name.starts_with("reqwest") || name.starts_with("synapsor ");
    let found: Vec<_> = threads.keys().filter(|(name, _)| of_client(name)).collect();
    assert!(
        found.iter().any(|(name, _)| name == "synapsor http"),
        "{threads:?}"
    );
    // A thread that begins or ends blocks some more for a moment: the C library's own.
    let bits = |mask: &str| u64::from_str_radix(mask, 16).unwrap();
    for (name, mask) in found {
        assert_eq!(bits(mask) & bits(&ours), bits(&ours), "{name}: {mask}");
    }
}
