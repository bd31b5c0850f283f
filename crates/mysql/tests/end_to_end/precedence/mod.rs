//! A flag before the environment before the TOML file, for every setting; seen by what the program does, not by what it says.

mod look;
mod table;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use simulated_control_plane::Endpoint;
use synapsor_mysql_testbed::Flavor;
use synapsor_testbed::Proposal;

use crate::help;
use crate::program::Ended;
use crate::stage::Stage;

/// A setting, and what shows what it is set to.
struct Setting {
    name: &'static str,
    /// In the TOML file, in the environment, as a flag.
    values: [String; 3],
    /// What is seen of each of them.
    seen: [&'static str; 3],
    look: fn(&Trial<'_>) -> String,
}

/// The program with a setting said in one, two or three places.
struct Trial<'a> {
    stage: &'a Stage,
    setting: &'a Setting,
    places: usize,
    config: &'a Path,
}

impl Trial<'_> {
    fn program(&self, words: &[&str]) -> Command {
        let Setting { name, values, .. } = self.setting;
        let variable = format!("SYNAPSOR_{}", name.to_uppercase());
        let mut command = self.stage.program(words);
        command.env_remove(&variable);
        command.arg("--config").arg(self.config);
        if self.places > 1 {
            command.env(&variable, &values[1]);
        }
        if self.places > 2 {
            command.arg(format!("--{}={}", name.replace('_', "-"), values[2]));
        }
        command
    }

    /// What the control plane was last asked for, by the name of the query's parameter.
    fn asked(&self, parameter: &str) -> String {
        self.stage.simulator.clear_journal();
        let polled = Ended::of(&mut self.program(&["poll-once"]));
        assert_eq!(polled.code, Some(0), "{polled:?}");
        let lists = |entry: &simulated_control_plane::Entry| entry.endpoint == Endpoint::List;
        let listed = self.stage.simulator.requests_matching(lists);
        let mut pairs = listed[0].query.split('&').filter_map(|p| p.split_once('='));
        let found = pairs.find(|(name, _)| *name == parameter);
        found.map_or("-", |(_, value)| value).to_owned()
    }

    /// Whether the program gave up soon or late.
    fn patience(&self, command: &mut Command) -> String {
        let start = Instant::now();
        let ended = Ended::of(command);
        assert_eq!(ended.code, Some(75), "{ended:?}");
        let is_late = start.elapsed() > Duration::from_secs(3);
        ["soon", "late"][usize::from(is_late)].to_owned()
    }

    /// A proposal that was not there before, made of one with this place's number as its ticket.
    fn poll(&self, make: impl Fn(&Stage, i64) -> Proposal) -> Polled {
        let ticket = i64::try_from(self.places).unwrap();
        let id = format!("{}_{ticket}", self.setting.name);
        self.stage.approve(make(self.stage, ticket).id(&id));
        Polled {
            ended: Ended::of(&mut self.program(&["poll-once"])),
            id,
            ticket,
        }
    }

    /// The tickets as they were at first, with this done before each update.
    fn set_up(&self, before_update: &str) {
        self.stage.shop.execute(&format!(
            "DROP TRIGGER IF EXISTS probe; UPDATE tickets SET status = 'open', version = 1;
             CREATE TRIGGER probe BEFORE UPDATE ON tickets FOR EACH ROW {before_update}"
        ));
    }

    fn ticket(&self, column: &str, polled: &Polled) -> String {
        let query = format!("SELECT {column} FROM tickets WHERE id = {}", polled.ticket);
        self.stage.value(&query).unwrap()
    }
}

/// A poll of one proposal.
struct Polled {
    ended: Ended,
    id: String,
    ticket: i64,
}

impl Polled {
    fn status(&self) -> String {
        let result = self.ended.result(&self.id);
        result["status"].as_str().unwrap().to_owned()
    }
}

/// Tries each setting in the file, then in the environment too, then as a flag too.
fn check(settings: fn(&Path) -> Vec<Setting>) {
    let stage = Stage::new(Flavor::MariaDb);
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("settings.toml");
    for setting in settings(home.path()) {
        let line = format!("{} = {:?}\n", setting.name, setting.values[0]);
        fs::write(&config, line).unwrap();
        for places in 1..=3 {
            let trial = Trial {
                stage: &stage,
                setting: &setting,
                places,
                config: &config,
            };
            let (seen, wanted) = ((setting.look)(&trial), setting.seen[places - 1]);
            let name = setting.name;
            assert!(seen.ends_with(wanted), "{name} in {places} places: {seen}");
        }
    }
}

#[test]
fn what_the_control_plane_is_told_comes_from_the_flag_the_environment_and_the_file_in_this_order() {
    check(table::control_plane);
}

#[test]
fn limits_come_from_the_flag_the_environment_and_the_file_in_this_order() {
    check(table::limits);
}

#[test]
fn the_database_and_its_files_come_from_the_flag_the_environment_and_the_file_in_this_order() {
    check(table::database);
}

#[test]
fn the_pace_comes_from_the_flag_the_environment_and_the_file_in_this_order() {
    check(table::pace);
}

#[test]
fn guards_come_from_the_flag_the_environment_and_the_file_in_this_order() {
    check(table::guards);
}

#[test]
fn every_setting_of_the_help_is_tried() {
    let home = tempfile::tempdir().unwrap();
    let groups = [
        table::control_plane,
        table::limits,
        table::database,
        table::pace,
        table::guards,
    ];
    let mut tried: Vec<_> = groups
        .iter()
        .flat_map(|group| group(home.path()))
        .map(|setting| setting.name.to_owned())
        .collect();
    let mut named: Vec<_> = help::settings().into_iter().map(|s| s.name).collect();
    tried.sort();
    named.sort();
    assert_eq!(tried, named);
}
