//! The testbed itself: what it starts, it stops, and what it makes, it removes.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use synapsor_testbed::{Cluster, ClusterOptions, Shutdown, within};

fn postmaster_of(cluster: &Cluster) -> PathBuf {
    let pid_file = cluster.socket_directory().join("data/postmaster.pid");
    let contents = std::fs::read_to_string(pid_file).unwrap();
    PathBuf::from("/proc").join(contents.lines().next().unwrap())
}

#[test]
fn a_dropped_cluster_leaves_no_process_and_no_file() {
    let cluster = Cluster::start(ClusterOptions::default());
    let (process, home) = (
        postmaster_of(&cluster),
        cluster.socket_directory().to_owned(),
    );
    assert!(process.exists() && home.exists());
    drop(cluster);
    assert!(!process.exists() && !home.exists());
}

#[test]
fn a_cluster_leaves_nothing_when_its_test_panics() {
    let cluster = Cluster::start(ClusterOptions::default());
    let (process, home) = (
        postmaster_of(&cluster),
        cluster.socket_directory().to_owned(),
    );
    let panicked = thread::spawn(move || {
        let _cluster = cluster;
        std::panic::resume_unwind(Box::new("a test that fails"));
    });
    assert!(panicked.join().is_err());
    assert!(!process.exists() && !home.exists());
}

#[test]
fn settings_variables_and_data_last_over_a_restart_and_a_crash() {
    let options = ClusterOptions::default()
        .setting("work_mem", "3MB")
        .variable("TZ", "UTC");
    let mut cluster = Cluster::start(options);
    let database = cluster.create_database("kept");
    database.execute("CREATE TABLE t AS SELECT 7 AS n");
    cluster.restart(Shutdown::Fast);
    cluster.kill_all();
    cluster.resume();
    assert_eq!(database.value::<i32>("SELECT n FROM t"), 7);
    assert_eq!(database.value::<String>("SHOW work_mem"), "3MB");
    assert!(cluster.log().contains("was not properly shut down"));
}

#[test]
fn waiting_ends_with_the_condition_or_with_the_time() {
    assert!(within(Duration::ZERO, || true));
    assert!(!within(Duration::from_millis(10), || false));
    let mut asked = 0;
    assert!(within(Duration::from_secs(5), || {
        asked += 1;
        asked == 3
    }));
}
