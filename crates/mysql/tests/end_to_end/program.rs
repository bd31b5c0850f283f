//! The program as a process: run to its end, or left running.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use synapsor_mysql_testbed::wait_for;

/// The longest that anything takes that has no promise of its own.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The program with these arguments and nothing of our environment but what it needs to start.
pub fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_synapsor-writeback-mysql"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    // By which what is left running is found.
    if let Ok(run) = std::env::var("SYNAPSOR_RUN") {
        command.env("SYNAPSOR_RUN", run);
    }
    command
}

/// How a run ended, and what it printed.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// Runs a command to its end.
    pub fn of(command: &mut Command) -> Self {
        Self::with_input(command, "")
    }

    /// Runs a command to its end, with this on its standard input.
    pub fn with_input(command: &mut Command, input: &str) -> Self {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        let input = input.to_owned();
        let writer = thread::spawn(move || stdin.write_all(input.as_bytes()));
        let output = child.wait_with_output().expect("the program ends");
        let _ = writer.join();
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The JSON lines that it printed.
    pub fn lines(&self) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str(line).expect("a line of JSON");
        self.stdout.lines().map(parse).collect()
    }

    /// The last line: a poll's summary.
    pub fn summary(&self) -> Value {
        self.lines()
            .pop()
            .unwrap_or_else(|| panic!("no line: {self:?}"))
    }

    /// The result of a proposal.
    pub fn result(&self, proposal_id: &str) -> Value {
        let lines = self.lines();
        let found = lines
            .into_iter()
            .find(|line| line["proposal_id"] == proposal_id);
        found.unwrap_or_else(|| panic!("no result of {proposal_id}: {self:?}"))
    }

    /// What became of a proposal, in one word: its error, else the reason of a conflict, else its status.
    pub fn outcome(&self, proposal_id: &str) -> String {
        let result = self.result(proposal_id);
        let why = result.get("error").or(result.get("reason"));
        let word = why.unwrap_or(&result["status"]).as_str();
        word.unwrap_or_else(|| panic!("no status: {result}"))
            .to_owned()
    }

    /// The error that it ended with: the JSON line on the standard error.
    pub fn error(&self) -> Value {
        let line = self.stderr.lines().last().unwrap_or_default();
        serde_json::from_str(line).unwrap_or_else(|_| panic!("no error: {self:?}"))
    }

    /// What that error says: `CODE: text`.
    pub fn message(&self) -> String {
        let error = self.error();
        error["message"].as_str().expect("a message").to_owned()
    }
}

/// A process that runs on; killed when it is dropped.
pub struct Running {
    child: Child,
    stderr: Arc<Mutex<String>>,
    stdout: Arc<Mutex<String>>,
}

impl Running {
    /// Starts a command.
    pub fn start(command: &mut Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let stderr = collect(child.stderr.take().expect("a pipe"));
        let stdout = collect(child.stdout.take().expect("a pipe"));
        Running {
            child,
            stderr,
            stdout,
        }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: i32) {
        let pid = i32::try_from(self.child.id()).expect("a process id");
        // SAFETY: has no precondition; the process is our child and not waited for yet.
        unsafe { libc::kill(pid, signal) };
    }

    /// Kills it without a warning.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to stop; how it ended, and how long it took.
    pub fn terminate(&mut self) -> (Option<i32>, Duration) {
        let start = Instant::now();
        self.signal(libc::SIGTERM);
        (self.wait().code(), start.elapsed())
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        let mut ended = None;
        wait_for("the program ends", PATIENCE, || {
            ended = self.child.try_wait().expect("a child");
            ended.is_some()
        });
        ended.expect("it ended")
    }

    /// True while it runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it said so far on the standard error.
    pub fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Waits until it has said something with this text in it on the standard error.
    pub fn wait_for_event(&self, text: &str) {
        wait_for(&format!("it says {text}"), PATIENCE, || {
            self.stderr().contains(text)
        });
    }

    /// What it said so far on the standard output.
    pub fn stdout(&self) -> String {
        self.stdout.lock().unwrap().clone()
    }

    /// Memory that it holds, in kB.
    pub fn memory(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap_or_default();
        let number = line.split_whitespace().nth(1).unwrap_or("0");
        number.parse().unwrap_or(0)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            eprintln!("the program said:\n{}", self.stderr());
        }
    }
}

fn collect(pipe: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let into = text.clone();
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let mut text = into.lock().unwrap();
            text.push_str(&line);
            text.push('\n');
        }
    });
    text
}
