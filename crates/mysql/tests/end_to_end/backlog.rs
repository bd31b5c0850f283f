//! A long backlog: worked off in one go, in little memory, with somebody watching.

use std::time::Instant;

use serde_json::Value;
use simulated_control_plane::{JournalMode, Options};
use synapsor_mysql_testbed::{Flavor, shared};

use crate::program::Running;
use crate::stage::Stage;

#[test]
fn measure() {
    let n: i64 = std::env::var("N").unwrap_or("5000".into()).parse().unwrap();
    let flavor = if std::env::var("MY").is_ok() {
        Flavor::MySql
    } else {
        Flavor::MariaDb
    };
    let options = Options {
        journal: JournalMode::CountsOnly,
        ..Options::default()
    };
    let stage = Stage::with(shared(flavor), options);
    let proposals = (1..=n).map(|n| {
        stage
            .insert("tickets")
            .id(&format!("new_{n}"))
            .change("id", 1000 + n)
            .change("tenant_id", "acme")
            .change("status", "new")
    });
    stage.simulator.add_proposals(proposals).unwrap();
    if let Ok(f) = std::env::var("FLUSH") {
        stage
            .shop
            .execute(&format!("SET GLOBAL innodb_flush_log_at_trx_commit = {f}"));
    }
    if std::env::var("LOG").is_ok() {
        stage
            .shop
            .execute("SET GLOBAL general_log_file='/tmp/c_general.log'; SET GLOBAL general_log=1");
    }
    let before = stage
        .shop
        .query_rows("SHOW GLOBAL STATUS LIKE 'Com_stmt_%'");
    let start = Instant::now();
    let mut poll = Running::start(&mut stage.program(&["poll-once"]));
    let mut samples = vec![];
    let mut stat = String::new();
    while poll.is_running() {
        samples.push(poll.memory());
        stat = std::fs::read_to_string(format!("/proc/{}/stat", poll.pid())).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
    eprintln!("poll {stat}");
    let took = start.elapsed();
    for pid in [shared(flavor).pid() as u32] {
        eprintln!(
            "server {}",
            std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap()
        );
    }
    eprintln!(
        "{before:?} {:?}",
        stage
            .shop
            .query_rows("SHOW GLOBAL STATUS LIKE 'Com_stmt_%'")
    );
    let stdout = poll.stdout();
    eprintln!("{took:?} {} {:?}", stdout.lines().last().unwrap(), samples);
    eprintln!(
        "{:?}",
        stage.shop.query_rows("SHOW GLOBAL STATUS LIKE 'Questions'")
    );
    let _: Value = Value::Null;
}
