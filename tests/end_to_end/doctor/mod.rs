//! `synapsor_doctor()`: each set-up that is broken in one way is named, its hint is run as it is printed, and all is well.

mod connection;
mod credentials;
mod promises;
mod roles;
mod rows;
mod work;

use std::io::Write;
use std::process::{Command, Stdio};

use postgres::Client;
use simulated_control_plane::{Options, Source};
use synapsor_testbed::Cluster;

use crate::stage::{SHARED, Stage};

/// A row of `synapsor_doctor()`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub check: String,
    pub ok: Option<bool>,
    pub detail: String,
    pub hint: String,
}

/// `SELECT * FROM synapsor_doctor()`.
pub fn ask(session: &mut Client) -> Vec<Row> {
    let rows = session.query("SELECT * FROM synapsor_doctor()", &[]);
    let rows = rows.unwrap_or_else(|error| panic!("{error:?}"));
    let row = |row: &postgres::Row| Row {
        check: row.get("check_name"),
        ok: row.get("ok"),
        detail: row.get("detail"),
        hint: row.get("hint"),
    };
    rows.iter().map(row).collect()
}

/// A database that is set up well, and one proposal that waits for it.
pub struct Ward(pub Stage);

impl Ward {
    pub fn open() -> Self {
        Self::on(&SHARED)
    }

    pub fn on(cluster: &Cluster) -> Self {
        Self::with(Stage::on(cluster))
    }

    pub fn with(stage: Stage) -> Self {
        stage.simulator.add_source(Source::new("src_1", "shop"));
        // Before 15, everybody may.
        stage
            .database
            .execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC");
        stage.approve_closing(1..=1);
        Ward(stage)
    }

    /// All rows, for a superuser.
    pub fn examine(&self) -> Vec<Row> {
        ask(&mut self.0.database.connect())
    }

    /// The first row of this name that is not well, and else the first one.
    pub fn row(&self, check: &str) -> Row {
        worst(&self.examine(), check)
    }

    /// The doctor says that this is wrong, in these words, and nothing else; returns the hint.
    #[track_caller]
    pub fn diagnosed(&self, check: &str, words: &str) -> String {
        let rows = self.examine();
        let row = worst(&rows, check);
        assert_eq!(row.ok, Some(false), "{rows:#?}");
        assert!(row.detail.contains(words), "{row:?}");
        assert_ne!(row.hint, "", "{row:?}");
        let others = rows
            .iter()
            .filter(|other| other.ok == Some(false) && other.check != check);
        assert_eq!(others.collect::<Vec<_>>(), Vec::<&Row>::new());
        row.hint
    }

    /// As [`Ward::diagnosed`]; runs the hint as it is printed, in the session that asked, and finds it well then.
    #[track_caller]
    pub fn healed(&self, check: &str, words: &str) -> String {
        let hint = self.diagnosed(check, words);
        self.run(&hint);
        self.is_well(check);
        hint
    }

    /// SQL as a superuser whose session has called the doctor; a line that begins with `$` in a shell, with the key on its input.
    pub fn run(&self, hint: &str) {
        let mut session = self.0.database.connect();
        ask(&mut session);
        for line in hint.lines() {
            if let Some(line) = line.strip_prefix("$ ") {
                shell(line);
                continue;
            }
            let sql = line.split(" -- ").next().unwrap();
            for statement in sql.split(';').filter(|s| !s.trim().is_empty()) {
                let ran = session.batch_execute(statement);
                ran.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
            }
        }
    }

    #[track_caller]
    pub fn is_well(&self, check: &str) {
        let row = self.row(check);
        assert_eq!(row.ok, Some(true), "{row:?}");
    }

    pub fn execute(&self, sql: &str) {
        self.0.database.execute(sql);
    }

    pub fn set(&self, name: &str, value: &str) {
        self.0.database.set(&format!("synapsor.{name}"), value);
    }
}

fn worst(rows: &[Row], check: &str) -> Row {
    let own: Vec<_> = rows.iter().filter(|row| row.check == check).collect();
    let bad = own.iter().find(|row| row.ok != Some(true));
    let row = bad.or(own.first());
    (**row.unwrap_or_else(|| panic!("no row {check}: {rows:?}"))).clone()
}

fn shell(line: &str) {
    let mut shell = Command::new("sh");
    let mut shell = shell
        .args(["-c", line])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let key = Options::default().api_key;
    let mut input = shell.stdin.take().unwrap();
    // A command that reads nothing may have ended.
    let _ = input.write_all(key.as_bytes());
    drop(input);
    assert!(shell.wait().unwrap().success(), "{line}");
}

#[test]
fn a_good_set_up_is_all_well() {
    let ward = Ward::open();
    let rows = ward.examine();
    let not_well: Vec<_> = rows.iter().filter(|row| row.ok != Some(true)).collect();
    assert_eq!(not_well, Vec::<&Row>::new());
    // So it is once proposals were applied, and with a worker that waits for more.
    ward.0.start_worker();
    ward.0.wait_for_applied(1);
    ward.0.wait_for_reason("polling");
    let rows = ward.examine();
    let not_well: Vec<_> = rows.iter().filter(|row| row.ok != Some(true)).collect();
    assert_eq!(not_well, Vec::<&Row>::new());
    assert_eq!(rows.iter().filter(|row| row.detail.is_empty()).count(), 0);
}
