//! Every place where something can have stayed, or have gone to.

use std::fs;

use simulated_control_plane::{Credential, Endpoint};
use synapsor_testbed::Cluster;

use super::{KEY, PERSON};
use crate::stage::Stage;

/// Where people's data is at home: samples of columns are the planner's, and what changes replaced was asked for.
const AT_HOME: [&str; 4] = [
    "pg_statistic",
    "pg_stats",
    "pg_statistic_ext_data",
    "capture",
];

/// The ledger's own place for what Postgres said in full.
const WORDS_OF_POSTGRES: &str = "error_detail";

/// What is searched.
pub struct Places<'a> {
    cluster: &'a Cluster,
    stage: &'a Stage,
    /// Texts that somebody was handed, and what they are.
    texts: Vec<(&'static str, String)>,
}

impl<'a> Places<'a> {
    pub fn of(cluster: &'a Cluster, stage: &'a Stage) -> Self {
        let texts = Vec::new();
        Places {
            cluster,
            stage,
            texts,
        }
    }

    pub fn add(&mut self, what: &'static str, text: String) {
        self.texts.push((what, text));
    }

    /// Finds neither the key nor a person where they have no business, and people where they have.
    pub fn search(&self) {
        self.search_the_log();
        for (what, text) in &self.texts {
            assert_clean(what, text);
        }
        self.search_what_was_sent();
        self.search_the_database();
        self.search_processes();
        let home = format!(
            "{WORDS_OF_POSTGRES} LIKE '%' || {} || '%'",
            super::in_halves()
        );
        assert!(
            self.stage.ledger(&home) > 20,
            "the operator finds it in the ledger"
        );
        let captured = format!(
            "SELECT count(*) FROM synapsor.capture c WHERE c::text LIKE '%' || {} || '%'",
            super::in_halves()
        );
        assert!(
            self.stage.database.value::<i64>(&captured) >= 4,
            "what was captured is kept"
        );
    }

    fn search_the_log(&self) {
        let log = self.cluster.log();
        assert!(
            log.contains("SELECT synapsor_poll_once()"),
            "statements are logged"
        );
        assert_clean("the log", &log);
    }

    /// The key is where it has to be, in one header that the journal leaves out.
    fn search_what_was_sent(&self) {
        let journal = self.stage.simulator.journal();
        assert!(
            journal
                .iter()
                .any(|entry| entry.endpoint == Endpoint::Report)
        );
        for entry in journal {
            assert_eq!(entry.credential, Credential::Matched);
            let head = format!("{} {} {:?}", entry.path, entry.query, entry.headers);
            assert_clean("a request", &head);
            assert_clean("a request's body", &String::from_utf8_lossy(&entry.body));
        }
    }

    /// All catalogs and views of the server, and all of ours.
    fn search_the_database(&self) {
        let mut session = self.stage.database.connect();
        let relations = "SELECT c.oid::regclass::text, c.relname::text FROM pg_class c
            WHERE relkind IN ('r', 'v') AND relnamespace IN ('pg_catalog'::regnamespace, 'synapsor'::regnamespace)
                  AND relname NOT LIKE '%numa'
               OR relname LIKE 'pg_stat_statements%'";
        let relations = session.query(relations, &[]).unwrap();
        assert!(relations.len() > 120);
        for row in relations {
            let (relation, name): (String, String) = (row.get(0), row.get(1));
            let rows = format!("SELECT to_jsonb(t) - '{WORDS_OF_POSTGRES}' FROM {relation} t");
            for row in self.stage.database.rows(&rows) {
                assert!(!row.contains(KEY), "the key is in {relation}: {row}");
                let is_clean = AT_HOME.contains(&name.as_str()) || !row.contains(PERSON);
                assert!(is_clean, "a person is in {relation}: {row}");
            }
        }
        let status = self.stage.database.rows("SELECT * FROM synapsor_status()");
        assert_clean("the status", &status.join("\n"));
    }

    /// The command lines of all processes, as `ps` shows them to everybody.
    fn search_processes(&self) {
        for process in fs::read_dir("/proc").unwrap().flatten() {
            let file = process.path().join("cmdline");
            let line = fs::read(file).unwrap_or_default();
            assert_clean("a command line", &String::from_utf8_lossy(&line));
        }
    }
}

fn assert_clean(what: &str, text: &str) {
    let leaks = |line: &&str| line.contains(KEY) || line.contains(PERSON);
    let leak = text.lines().find(leaks);
    assert_eq!(leak, None, "in {what}");
}
