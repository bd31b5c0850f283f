//! A control plane with some sources, and the program beside it. Every run is searched for planted secrets.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use simulated_control_plane::{Endpoint, Options, Simulator, Source};
use tempfile::TempDir;

/// The key that the control plane wants.
pub const KEY: &str = "syn_planted_key_93f1";

/// The password in [`URL`].
pub const PASSWORD: &str = "planted-pa55word";

/// A connection's URL that must not be seen.
pub const URL: &str = "mysql://reader:planted-pa55word@db.example.com/shop";

/// A control plane, and a folder to work in.
pub struct Desk {
    pub simulator: Simulator,
    home: TempDir,
}

/// What a run of the program came to.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Desk {
    /// With `app_postgres` (`src_1`) and `app_mysql` (`src_2`) in project `prj_1`, and two sources called `twice` in `prj_2`.
    pub fn open() -> Self {
        let desk = Desk::empty(Options::default());
        for (number, (name, kind, project)) in [
            ("app_postgres", "postgres", "prj_1"),
            ("app_mysql", "mysql", "prj_1"),
            ("twice", "mysql", "prj_2"),
            ("twice", "mysql", "prj_2"),
        ]
        .into_iter()
        .enumerate()
        {
            desk.simulator.add_source(Source {
                kind: kind.to_owned(),
                project_id: project.to_owned(),
                ..Source::new(format!("src_{}", number + 1), name)
            });
        }
        desk
    }

    /// Without a source.
    pub fn empty(options: Options) -> Self {
        let options = Options {
            api_key: KEY.to_owned(),
            ..options
        };
        Desk {
            simulator: Simulator::start(options).unwrap(),
            home: tempfile::tempdir().unwrap(),
        }
    }

    /// The folder that the program runs in.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The program, with key and address in its environment, and nothing else.
    pub fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_synapsor-writeback-mysql"));
        command
            .arg("sources")
            .args(words.split_whitespace())
            .env_clear()
            .env("SYNAPSOR_BASE_URL", self.simulator.base_url())
            .env("SYNAPSOR_API_KEY", KEY)
            .current_dir(self.home())
            .stdin(Stdio::null());
        command
    }

    /// Runs `sources …`; the words are separated by white space.
    pub fn run(&self, words: &str) -> Ran {
        Ran::of(&mut self.command(words))
    }

    /// Runs it well: exit code 0, nothing on the standard error, and every request as the contract wants it.
    pub fn done(&self, words: &str) -> Ran {
        let ran = self.run(words);
        assert_eq!(
            (ran.code, ran.stderr.as_str()),
            (0, ""),
            "{words}: {}",
            ran.stdout
        );
        assert!(self.simulator.breaches().is_empty());
        ran
    }

    /// The body of the last request of this kind.
    pub fn sent(&self, endpoint: Endpoint) -> Value {
        let requests = self
            .simulator
            .requests_matching(|entry| entry.endpoint == endpoint);
        requests.last().unwrap().json().unwrap()
    }
}

impl Ran {
    /// Runs a command to its end.
    pub fn of(command: &mut Command) -> Self {
        let Output {
            status,
            stdout,
            stderr,
        } = command.output().unwrap();
        let ran = Ran {
            code: status.code().unwrap(),
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: String::from_utf8(stderr).unwrap(),
        };
        assert_tells_no_secret(&ran.stdout);
        assert_tells_no_secret(&ran.stderr);
        ran
    }

    /// The one line of the standard output, as JSON.
    pub fn json(&self) -> Value {
        assert_eq!(self.stdout.lines().count(), 1, "{}", self.stdout);
        serde_json::from_str(&self.stdout).unwrap()
    }

    /// The error, where the program ended with this exit code and printed nothing else.
    pub fn error(&self, code: i32) -> Value {
        assert_eq!(
            (self.code, self.stdout.as_str()),
            (code, ""),
            "{}",
            self.stderr
        );
        let error: Value = serde_json::from_str(&self.stderr).unwrap();
        assert_eq!(error["exit"], code);
        error
    }
}

/// Fails where a planted secret, or a part of one, is in a text.
pub fn assert_tells_no_secret(text: &str) {
    for secret in [KEY, URL, PASSWORD] {
        assert!(!text.contains(secret), "{text}");
    }
}
