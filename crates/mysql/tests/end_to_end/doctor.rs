//! The doctor: green where all is well, and each trouble by its name, with what to do.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;
use simulated_control_plane::{Endpoint, Fault, Rule};
use synapsor_mysql_testbed::{Flavor, Server};

use crate::folder::Folder;
use crate::program::Ended;
use crate::stage::Stage;

on_both! {
    a_healthy_patient_is_green_all_over
    troubles_of_key_and_control_plane_are_named
    troubles_of_the_database_s_address_are_named
    troubles_of_the_ledger_are_named
    troubles_of_a_target_are_named
    a_right_that_a_delete_would_lack_is_named
    troubles_of_the_server_are_named
}

/// What the doctor says.
struct Examination(Ended);

impl Examination {
    fn lines(&self) -> Vec<Value> {
        self.0.lines()
    }

    /// The one check that is not well; the others are.
    fn trouble(&self) -> Value {
        assert_eq!(self.0.code, Some(1), "{:?}", self.0);
        let lines = self.lines();
        let troubles: Vec<_> = lines.iter().filter(|line| line["ok"] == false).collect();
        assert_eq!(troubles.len(), 1, "{:?}", self.0);
        troubles[0].clone()
    }

    /// Nothing is not well.
    fn assert_well(&self) {
        assert_eq!(self.0.code, Some(0), "{:?}", self.0);
    }

    /// The one trouble is of this check, with these words, and there is something to do about it.
    fn assert_trouble(&self, check: &str, words: &str) {
        let trouble = self.trouble();
        assert_eq!(trouble["check_name"], check, "{trouble}");
        assert!(
            trouble["detail"].as_str().unwrap().contains(words),
            "{words}: {trouble}"
        );
        assert!(!trouble["hint"].as_str().unwrap().is_empty(), "{trouble}");
    }
}

/// An examination with these variables; an empty one says nothing.
fn examine(stage: &Stage, variables: &[(&str, &str)]) -> Examination {
    let mut command = stage.program(&["doctor"]);
    command.envs(variables.iter().copied());
    Examination(Ended::of(&mut command))
}

fn a_healthy_patient_is_green_all_over(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.approve(stage.close(1));
    stage.approve(stage.close(2));
    stage.approve(
        stage
            .insert("tickets")
            .id("new")
            .change("id", 101)
            .tenant("tenant_id", "acme"),
    );
    stage.approve(stage.delete("tickets").id("gone").key("id", 2));
    let before = stage.shop.query_rows("SELECT * FROM tickets");
    let examined = examine(&stage, &[]);
    assert_eq!(examined.0.code, Some(0), "{:?}", examined.0);
    let lines = examined.lines();
    let names: Vec<_> = lines
        .iter()
        .map(|line| line["check_name"].as_str().unwrap())
        .collect();
    let wanted = [
        "control plane settings",
        "control plane and source",
        "database settings",
        "database connection",
        "writable",
        "durable",
        "clock",
        "ledger",
        "target",
    ];
    assert_eq!(names, wanted);
    for line in &lines {
        assert_eq!(
            (&line["ok"], &line["hint"]),
            (&true.into(), &"".into()),
            "{line}"
        );
    }
    assert_eq!(
        stage.shop.query_rows("SELECT * FROM tickets"),
        before,
        "it changes nothing"
    );
    assert_eq!(stage.simulator.calls(Endpoint::Report), 0);
    let human = stage.run(&["doctor", "--output", "human"]);
    assert!(
        human.stdout.contains("what to do") && !human.stdout.contains("TROUBLE"),
        "{human:?}"
    );
}

fn troubles_of_key_and_control_plane_are_named(flavor: Flavor) {
    const FILE: &str = "SYNAPSOR_API_KEY_FILE";
    const SOURCE: &str = "SYNAPSOR_SOURCE_ID";
    let stage = Stage::new(flavor);
    let folder = Folder::new();
    let no_key = examine(&stage, &[(FILE, "")]);
    no_key.assert_trouble("control plane settings", "API_KEY_MISSING");
    let open = folder.file("key", "syn_simulated_key");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    let open = examine(&stage, &[(FILE, open.to_str().unwrap())]);
    open.assert_trouble("control plane settings", "API_KEY_FILE_EXPOSED");
    let wrong = folder.file("wrong", "syn_another_key");
    let wrong = examine(&stage, &[(FILE, wrong.to_str().unwrap())]);
    wrong.assert_trouble("control plane and source", "401");
    let no_source = examine(&stage, &[(SOURCE, "")]);
    no_source.assert_trouble("control plane and source", "SOURCE_NOT_CONFIGURED");
    let unknown = examine(&stage, &[(SOURCE, ""), ("SYNAPSOR_SOURCE_NAME", "nobody")]);
    unknown.assert_trouble("control plane and source", "SOURCE_NOT_FOUND: nobody");
    let plain = examine(&stage, &[("SYNAPSOR_BASE_URL", "http://synapsor.ai")]);
    plain.assert_trouble("control plane settings", "BASE_URL");
    let down = Rule::on(Endpoint::List, Fault::status(503));
    stage.simulator.inject(down);
    examine(&stage, &[]).assert_trouble("control plane and source", "503");
    stage.simulator.go_down();
    examine(&stage, &[]).assert_trouble("control plane and source", "CONTROL_PLANE");
}

fn troubles_of_the_database_s_address_are_named(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let (user, password) = (&stage.user, &stage.password);
    let elsewhere = stage.shop.address().url(user, password, "nowhere");
    let verified = stage.shop.url(user, password) + "?ssl-mode=verify-ca";
    let wrong = stage.shop.url(user, "wrong");
    for (url, check, words) in [
        ("", "database settings", "DATABASE_URL_MISSING"),
        ("mysql://h:x", "database settings", "DATABASE_URL_INVALID"),
        (
            "mysql://db.test?ssl-mode=disabled",
            "database settings",
            "DATABASE_TLS_REQUIRED",
        ),
        (
            "mysql://u@127.0.0.1:1/d",
            "database connection",
            "DATABASE_UNREACHABLE",
        ),
        (&wrong, "database connection", "DATABASE_ACCESS_DENIED"),
        (&elsewhere, "database connection", "DATABASE_ACCESS_DENIED"),
        (&verified, "database connection", "DATABASE_TLS"),
    ] {
        examine(&stage, &[("SYNAPSOR_DATABASE_URL", url)]).assert_trouble(check, words);
    }
}

fn troubles_of_the_ledger_are_named(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let ledger = stage.ledger();
    let nowhere = ("SYNAPSOR_LEDGER_SCHEMA", "not_there");
    let root = stage.shop.socket_url("root", "");
    let missing = examine(&stage, &[nowhere, ("SYNAPSOR_DATABASE_URL", &root)]);
    missing.assert_trouble("ledger", "LEDGER_MISSING");
    examine(&stage, &[nowhere]).assert_trouble("ledger", "1142");
    // What the control plane refuses stays for a person.
    stage.approve(stage.close(1));
    let refusal = Rule::on(Endpoint::Report, Fault::status(409));
    stage.simulator.inject(refusal.times(1));
    stage.poll();
    examine(&stage, &[]).assert_trouble("ledger", "1 rejected");
    stage.shop.execute(&format!("DELETE FROM {ledger}.ledger"));
    for right in ["INSERT", "UPDATE", "DELETE", "SELECT"] {
        let whom = format!("ON {ledger}.ledger");
        let revoke = format!("REVOKE {right} {whom} FROM '{}'@'%'", stage.user);
        stage.shop.execute(&revoke);
        let examined = examine(&stage, &[]);
        examined.assert_trouble("ledger", &format!("{right} command denied"));
        let hint = examined.trouble()["hint"].to_string();
        assert!(hint.contains("migrate --print"), "{hint}");
        stage.grant(&format!("{right} {whom}"));
    }
    let alter = format!("ALTER TABLE {ledger}.ledger DROP COLUMN guard_advanced");
    stage.shop.execute(&alter);
    examine(&stage, &[]).assert_trouble("ledger", "LEDGER_VERSION");
    assert_eq!(stage.poll().error()["error"], "LEDGER_VERSION");
}

fn a_right_that_a_delete_would_lack_is_named(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.approve(stage.delete("tickets").id("delete").key("id", 1));
    examine(&stage, &[]).assert_well();
    let revoke = format!("REVOKE PROCESS ON *.* FROM '{}'@'%'", stage.user);
    stage.shop.execute(&revoke);
    examine(&stage, &[]).assert_trouble("target", "without the right PROCESS");
}

fn troubles_of_a_target_are_named(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.shop.execute("CREATE TABLE old (id int PRIMARY KEY, status varchar(9)) ENGINE = MyISAM;
         CREATE TABLE closed (id int PRIMARY KEY, status varchar(9)); CREATE TABLE half (id int PRIMARY KEY, status varchar(9), fee int)");
    stage.grant("SELECT, UPDATE ON old");
    stage.grant("SELECT, UPDATE (status) ON half");
    let update = |table: &str| stage.update(table).key("id", 1).change("status", "x");
    for (id, proposal, words) in [
        ("engine", update("old"), "MyISAM"),
        ("missing", update("missing"), "missing: "),
        ("hidden", update("closed"), "SELECT command denied"),
        (
            "column",
            update("half").change("fee", 1),
            "UPDATE command denied",
        ),
        (
            "insert",
            stage.insert("half").change("id", 1),
            "INSERT command denied",
        ),
        (
            "delete",
            stage.delete("half").key("id", 1),
            "DELETE command denied",
        ),
        (
            "unknown",
            update("half").change("colour", 1),
            "column colour",
        ),
    ] {
        stage.approve(proposal.id(id));
        examine(&stage, &[]).assert_trouble("target", words);
        stage
            .simulator
            .set_status(id, simulated_control_plane::Status::Rejected);
    }
    stage.approve(update("half").id("good"));
    let examined = examine(&stage, &[]);
    assert_eq!(examined.0.code, Some(0), "{:?}", examined.0);
}

fn troubles_of_the_server_are_named(flavor: Flavor) {
    let server = Server::start_with(flavor, &["--innodb-flush-log-at-trx-commit=2"]);
    let stage = Stage::on(&server);
    examine(&stage, &[]).assert_trouble("durable", "= 2");
    server.set_global("innodb_flush_log_at_trx_commit", 1);
    server.set_global("read_only", "ON");
    examine(&stage, &[]).assert_trouble("writable", "read-only");
    server.set_global("read_only", "OFF");
    assert_eq!(examine(&stage, &[]).0.code, Some(0));
    // All that is wrong is named at once, also where the control plane is away.
    server.set_global("innodb_flush_log_at_trx_commit", 0);
    server.set_global("read_only", "ON");
    stage.simulator.go_down();
    let examined = examine(&stage, &[]);
    let troubles = examined
        .lines()
        .iter()
        .filter(|line| line["ok"] == false)
        .count();
    assert_eq!(
        (examined.0.code, troubles),
        (Some(1), 3),
        "{:?}",
        examined.0
    );
}
