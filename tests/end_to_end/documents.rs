//! The documents: whoever does what they say, in their order, gets what they promise. Every block of commands is run, but for those
//! marked `not-run`, which are of a few kinds: building, and what takes a machine of one's own.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use simulated_control_plane::{Options, Simulator, Source, Status};
use synapsor_testbed::process::{as_server_user, run};
use synapsor_testbed::{Cluster, ClusterOptions, Shutdown, major_version, wait_for};

use crate::stage::PATIENCE;

/// Every document whose commands are run here, each after the quick start.
const DOCUMENTS: [&str; 11] = [
    "README.md",
    "CONTRIBUTING.md",
    "docs/architecture.md",
    "docs/concepts.md",
    "docs/control-plane.md",
    "docs/failures.md",
    "docs/hardening.md",
    "docs/install.md",
    "docs/operations.md",
    "docs/performance.md",
    "docs/quick-start.md",
];

/// Where these have been run: SECURITY.md's queries in a test of their own.
const ELSEWHERE: [&str; 2] = ["SECURITY.md", "CHANGELOG.md"];

/// What a block that is not run may begin its lines with.
const NOT_RUN: [&str; 9] = [
    "make ",
    "docker ",
    "cargo ",
    ". scripts/env.sh",
    "scripts/install-into.sh ",
    "SYNAPSOR_PG_CONFIG=",
    "sudo install ",
    "sudo apt-get ",
    "sudo s",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text_of(document: &str) -> String {
    fs::read_to_string(root().join(document)).unwrap()
}

/// A block between fences: what stands behind the first of them, and the lines.
struct Block {
    info: String,
    text: String,
}

/// The blocks of a document, in its order; in lists they are indented.
fn blocks(document: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let text = text_of(document);
    let mut lines = text.lines().map(str::trim_start);
    while let Some(line) = lines.next() {
        if let Some(info) = line.strip_prefix("```") {
            let inside = lines.by_ref().take_while(|line| !line.starts_with("```"));
            blocks.push(Block {
                info: info.to_owned(),
                text: inside.map(|line| format!("{line}\n")).collect(),
            });
        }
    }
    blocks
}

/// Somebody with a server, the extension installed, and a control plane.
struct Reader {
    cluster: Cluster,
    simulator: Simulator,
    key: PathBuf,
}

impl Reader {
    fn new() -> Self {
        let options = Options::default();
        let api_key = options.api_key.clone();
        let simulator = Simulator::start(options).unwrap();
        simulator.add_source(Source::new("src_1", "app"));
        let server = ClusterOptions::default().setting("synapsor.base_url", simulator.base_url());
        let cluster = Cluster::start(server);
        let key = cluster.key_file("key", &api_key);
        let _ = cluster.create_database("app");
        Reader {
            cluster,
            simulator,
            key,
        }
    }

    /// One who has done what the quick start says.
    fn started() -> Self {
        let mut reader = Self::new();
        reader.read("docs/quick-start.md");
        reader
    }

    fn read(&mut self, document: &str) {
        for block in blocks(document) {
            println!("{document}:\n{}", block.text);
            self.obey(&block);
        }
    }

    fn obey(&mut self, block: &Block) {
        let text = block
            .text
            .replace("src_...", "src_1")
            .replace("/etc/postgresql/synapsor.key", self.key.to_str().unwrap());
        match block.info.as_str() {
            "sql" => self.psql(&text),
            "sh" => self.shell(&text),
            "ini" => self.configure(&text),
            "conf" => self.prepend_to_hba(&text),
            "json" => self.propose(&text),
            "crontab" => self.shell(text.rsplit("* * ").next().unwrap()),
            "sh not-run" => assert_may_stay(&text),
            "" | "text" => (),
            other => panic!("nobody knows what to do with a block of kind {other}:\n{text}"),
        }
    }

    /// In a session of its own, as psql is what the documents tell people to use.
    fn psql(&self, text: &str) {
        let script = self.cluster.file("script.sql", text, 0o644);
        let mut psql = self.cluster.program("psql");
        psql.args(["-X", "--set=ON_ERROR_STOP=1", "--dbname=app", "--file"]);
        run(psql.arg(script));
    }

    fn shell(&self, text: &str) {
        let mut shell = as_server_user(Path::new("bash"));
        let psql = self.cluster.program("psql");
        let programs = Path::new(psql.get_program()).parent().unwrap();
        let path = format!("{}:/usr/bin:/bin", programs.display());
        shell.env("PATH", path).env("PGUSER", "postgres");
        shell.env("PGHOST", self.cluster.socket_directory());
        shell.env("PGPORT", self.cluster.port().to_string());
        shell.current_dir(self.cluster.socket_directory());
        run(shell.args(["-euc", text]));
    }

    /// Lines of postgresql.conf, and the restart that they need.
    fn configure(&mut self, text: &str) {
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.split_once(" = ").unwrap();
            self.cluster.configure(name, value.trim_matches('\''));
        }
        self.cluster.restart(Shutdown::Fast);
    }

    fn prepend_to_hba(&self, text: &str) {
        let file = self.cluster.socket_directory().join("data/pg_hba.conf");
        let before = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{text}{before}")).unwrap();
        self.psql("SELECT pg_reload_conf()");
    }

    /// A proposal gets approved; other JSON has to be JSON.
    fn propose(&self, text: &str) {
        let value: Value = serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"));
        if value.get("proposal_id").is_some() {
            self.simulator.add_proposal(text).unwrap();
        }
    }

    fn wait_for_applied(&self, count: usize) {
        wait_for("what was approved is applied", PATIENCE, || {
            self.simulator.read(|c| c.count(Status::Applied)) == count
        });
    }

    fn value(&self, sql: &str) -> String {
        self.cluster.database("app").value(sql)
    }
}

fn assert_may_stay(text: &str) {
    for line in text.lines() {
        let is_known = NOT_RUN.iter().any(|kind| line.starts_with(kind));
        assert!(is_known, "why is this not run? {line}");
    }
}

fn documents_in(folder: &'static str) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(root().join(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names = names.filter(|name| name.ends_with(".md"));
    names.map(move |name| Path::new(folder).join(name).to_str().unwrap().to_owned())
}

#[test]
fn every_document_is_read_by_a_test() {
    let found: BTreeSet<_> = documents_in("").chain(documents_in("docs")).collect();
    let known = DOCUMENTS.iter().chain(&ELSEWHERE).map(ToString::to_string);
    assert_eq!(found, known.collect());
}

#[test]
fn the_quick_start_leads_to_an_applied_proposal_and_a_worker() {
    let reader = Reader::started();
    reader.wait_for_applied(1);
    let ticket = "SELECT concat_ws(' ', status, resolution_note) FROM tickets WHERE id = 7";
    assert_eq!(reader.value(ticket), "closed Delivered");
    wait_for("the preloaded worker runs", PATIENCE, || {
        reader.value("SELECT state FROM synapsor_status()") == "running"
    });
    // Before 15, everybody may create functions beside the extension's.
    let expected = if major_version() < 15 { "schema" } else { "" };
    let wrong = "SELECT coalesce(string_agg(check_name, ' '), '') FROM synapsor_doctor() WHERE ok IS NOT TRUE";
    assert_eq!(reader.value(wrong), expected);
}

#[test]
fn a_hardened_database_applies_what_it_did_before_and_lets_nobody_in_as_the_apply_role() {
    let mut reader = Reader::started();
    reader.read("docs/hardening.md");
    let refused = reader.cluster.database("app").config("writeback");
    assert!(refused.connect(postgres::NoTls).is_err());
    reader.read("docs/control-plane.md");
    reader.wait_for_applied(2);
    let ticket = "SELECT concat_ws(' ', status, version) FROM tickets WHERE id = 8";
    assert_eq!(reader.value(ticket), "closed 2");
}

#[test]
fn whoever_operates_it_by_the_book_keeps_a_worker_that_runs() {
    let mut reader = Reader::started();
    reader.read("docs/operations.md");
    reader.read("docs/failures.md");
    reader.read("docs/concepts.md");
    reader.read("docs/control-plane.md");
    reader.wait_for_applied(2);
}

#[test]
fn what_install_says_of_removing_it_leaves_a_database_without_it() {
    let mut reader = Reader::started();
    reader.read("docs/install.md");
    let count = "SELECT count(*)::text FROM pg_extension WHERE extname = 'synapsor_writeback'";
    assert_eq!(reader.value(count), "0");
}

#[test]
fn the_other_documents_run_too() {
    for document in [
        "README.md",
        "CONTRIBUTING.md",
        "docs/architecture.md",
        "docs/performance.md",
    ] {
        Reader::started().read(document);
    }
}

/// The targets of the links in a document that lead to files of the project.
fn links(document: &str) -> Vec<String> {
    let text = text_of(document);
    let targets = text.split("](").skip(1);
    let targets = targets.map(|rest| rest.split(')').next().unwrap().to_owned());
    targets.filter(|target| !target.contains("://")).collect()
}

/// The anchor that a heading gets.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = kept
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut count = 0;
    for document in DOCUMENTS.iter().chain(&ELSEWHERE) {
        let folder = Path::new(document).parent().unwrap();
        for link in links(document) {
            let (file, heading) = link.split_once('#').unwrap_or((&link, ""));
            let target = match file {
                "" => PathBuf::from(document),
                file => folder.join(file),
            };
            assert!(root().join(&target).exists(), "{document}: {link}");
            if !heading.is_empty() {
                let text = text_of(target.to_str().unwrap());
                let mut headings = text
                    .lines()
                    .filter(|line| line.starts_with('#'))
                    .map(anchor);
                assert!(headings.any(|found| found == heading), "{document}: {link}");
            }
            count += 1;
        }
    }
    assert!(count > 30, "{count} links");
}

#[test]
fn the_containerfile_builds_as_the_documents_say() {
    let recipe = text_of("Containerfile");
    assert!(recipe.contains("RUN make package PG=$PG"));
    let blocks = blocks("docs/install.md");
    let has = |line: &str| {
        blocks
            .iter()
            .any(|block| block.text.lines().any(|l| l == line))
    };
    assert!(has("make package PG=17"));
    let build = recipe.lines().find_map(|line| line.strip_prefix("#   "));
    assert!(has(build.unwrap()), "{build:?}");
}
