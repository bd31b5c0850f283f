//! `pg_upgrade`, from the server that `SYNAPSOR_OLD_PG_CONFIG` names (where nothing does, from the same one): ledger, holds and settings
//! are there afterwards, nothing is applied while it works, and the new cluster waits to be told that it shall go on.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use postgres::{Client, Config, NoTls};
use simulated_control_plane::{Endpoint, Fault, Options, Rule, Simulator};
use synapsor_testbed::nursery::{data_directory, empty_home, free_port};
use synapsor_testbed::process::{as_server_user, run};
use synapsor_testbed::{Cluster, Shutdown, WRITER};

use crate::stage::{Stage, close};

/// The programs of an installation.
struct Programs(PathBuf);

impl Programs {
    fn of(variable: &str) -> Option<Self> {
        let pg_config = env::var_os(variable)?;
        Some(Programs(
            run(Command::new(pg_config).arg("--bindir")).into(),
        ))
    }

    fn program(&self, name: &str) -> Command {
        as_server_user(&self.0.join(name))
    }

    /// A data directory without checksums, as the older of two may have none.
    fn initdb(&self, home: &Path) {
        let mut initdb = self.program("initdb");
        initdb.args([
            "--username=postgres",
            "--auth=trust",
            "--no-sync",
            "--encoding=UTF8",
            "--locale=C",
        ]);
        let help = run(self.program("initdb").arg("--help"));
        if help.contains("--no-data-checksums") {
            initdb.arg("--no-data-checksums");
        }
        run(initdb.arg("--pgdata").arg(data_directory(home)));
        let settings = data_directory(home).join("postgresql.conf");
        let text = fs::read_to_string(&settings).unwrap();
        let more = "shared_preload_libraries = 'synapsor_writeback'\nsynapsor.databases = 'app'\nfsync = off\n";
        fs::write(settings, text + more).unwrap();
    }

    fn start(&self, home: &Path, port: u16) {
        let mut start = self.program("pg_ctl");
        let options = format!("-p {port} -k {} -c listen_addresses=", home.display());
        start.args(["--wait", "start", "--options", &options, "--log"]);
        // What it starts must not hold our pipes open.
        let started = start
            .arg(home.join("log"))
            .arg("--pgdata")
            .arg(data_directory(home));
        let started = started
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null());
        assert!(
            started.status().unwrap().success(),
            "{}",
            fs::read_to_string(home.join("log")).unwrap()
        );
    }

    fn stop(&self, home: &Path) {
        run(self
            .program("pg_ctl")
            .args(["--wait", "stop", "--mode=fast", "--pgdata"])
            .arg(data_directory(home)));
    }
}

fn connect(home: &Path, port: u16, database: &str) -> Client {
    let mut config = Config::new();
    config
        .host_path(home)
        .port(port)
        .user("postgres")
        .dbname(database);
    config.connect(NoTls).unwrap()
}

/// A database with a proposal that was applied, and whose report is owed; everything else is the worker's, which is stopped.
fn fill(home: &Path, port: u16, simulator: &Simulator, key: &Path) {
    connect(home, port, "postgres")
        .batch_execute("CREATE DATABASE app")
        .unwrap();
    let settings = [
        ("apply_role", WRITER),
        ("base_url", &simulator.base_url()),
        ("api_key_file", key.to_str().unwrap()),
        ("source_id", "src_1"),
    ];
    let mut session = connect(home, port, "app");
    for (name, value) in settings {
        session
            .batch_execute(&format!(
                "ALTER DATABASE app SET synapsor.{name} = '{value}'"
            ))
            .unwrap();
    }
    session
        .batch_execute(
            "CREATE EXTENSION synapsor_writeback;
             CREATE TABLE tickets (id bigint PRIMARY KEY, tenant_id text, status text, version int);
             INSERT INTO tickets SELECT n, 'acme', 'open', 1 FROM generate_series(1, 9) n;
             CREATE ROLE writer LOGIN; CREATE ROLE ops LOGIN; GRANT writer TO ops;
             GRANT SELECT, UPDATE (status) ON tickets TO writer;
             SELECT synapsor_grant_usage('ops'); SELECT synapsor_stop_worker();",
        )
        .unwrap();
    simulator.inject(Rule::on(Endpoint::Report, Fault::status(500)));
    simulator.add_proposal(close(1)).unwrap();
    connect(home, port, "app")
        .batch_execute("CALL synapsor_poll()")
        .unwrap();
}

fn upgrade(old: (&Programs, &Path), new: (&Programs, &Path)) {
    let mut upgrade = new.0.program("pg_upgrade");
    upgrade
        .arg("--old-bindir")
        .arg(&old.0.0)
        .arg("--new-bindir")
        .arg(&new.0.0);
    upgrade.arg("--old-datadir").arg(data_directory(old.1));
    upgrade.arg("--new-datadir").arg(data_directory(new.1));
    upgrade
        .args(["--username=postgres", "--socketdir"])
        .arg(new.1);
    let ports = [free_port(), free_port()].map(|port| port.to_string());
    upgrade.args(["--old-port", &ports[0], "--new-port", &ports[1]]);
    run(upgrade.current_dir(new.1));
}

#[test]
fn an_upgraded_cluster_has_everything_and_waits_until_it_is_told_to_go_on() {
    let new = Programs::of("SYNAPSOR_PG_CONFIG").unwrap();
    let old = Programs::of("SYNAPSOR_OLD_PG_CONFIG").unwrap_or(Programs(new.0.clone()));
    let (old_home, new_home) = (empty_home(), empty_home());
    let options = Options::default();
    let key = old_home.join("key");
    synapsor_testbed::nursery::write_file(&key, &options.api_key, 0o600);
    let simulator = Simulator::start(options).unwrap();
    let port = free_port();
    old.initdb(&old_home);
    old.start(&old_home, port);
    fill(&old_home, port, &simulator, &key);
    let kept = "SELECT string_agg(l::text, ' ' ORDER BY key) FROM synapsor.ledger l";
    let before: String = connect(&old_home, port, "app")
        .query_one(kept, &[])
        .unwrap()
        .get(0);
    old.stop(&old_home);
    simulator.clear_faults();
    simulator.clear_journal();

    new.initdb(&new_home);
    upgrade((&old, &old_home), (&new, &new_home));
    assert_eq!(
        simulator.journal().len(),
        0,
        "nothing is asked or reported by the way"
    );

    let mut cluster = Cluster::adopt(new_home);
    cluster.start_copy();
    let stage = Stage {
        database: cluster.database("app"),
        simulator,
    };
    assert_eq!(stage.database.value::<String>(kept), before);
    assert_eq!(stage.status().state(), "paused");
    assert!(stage.status().reason().starts_with("DATABASE_COPIED"));
    assert_eq!(stage.simulator.journal().len(), 0);
    stage.operator().run("SELECT synapsor_resume()");
    assert_eq!(stage.status().state(), "stopped", "as it was left");
    stage.operator().run("SELECT synapsor_start_worker()");
    stage.approve(close(2));
    stage.wait_for_applied(2);
    cluster.stop(Shutdown::Fast);
    let _ = fs::remove_dir_all(old_home);
}
