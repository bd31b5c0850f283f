//! The program.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_simulated-control-plane"))
}

/// Ends the program with the test, whatever that comes to.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn help_teaches_by_example() {
    let output = program().arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(help.contains("curl -d") && help.contains("/admin/journal"));
}

#[test]
fn it_starts_from_a_state_file_and_says_where_it_listens() {
    let folder = std::env::temp_dir().join(format!("scp-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let state = folder.join("state.json");
    std::fs::write(&state, r#"{"proposals": [{"proposal_id": "wrp_1"}]}"#).unwrap();
    let mut command = program();
    command
        .args(["--listen", "127.0.0.1:0", "--api-key", "k", "--state"])
        .arg(&state);
    let mut running = Running(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    let stdout = running.0.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();

    let url = line
        .split_whitespace()
        .find(|word| word.starts_with("http://"))
        .unwrap();
    let answer = reqwest::blocking::get(format!("{url}/admin/proposals")).unwrap();
    assert!(answer.text().unwrap().contains("wrp_1"));
}

#[test]
fn a_bad_state_file_is_told_and_ends_it() {
    let output = program()
        .args(["--listen", "127.0.0.1:0", "--state", "/nowhere.json"])
        .output();
    assert!(!output.unwrap().status.success());
}

#[test]
fn the_authority_is_written_for_clients() {
    let file = std::env::temp_dir().join(format!("scp-{}.pem", std::process::id()));
    let mut command = program();
    command
        .args(["--listen", "127.0.0.1:0", "--tls", "--write-ca"])
        .arg(&file);
    let mut running = Running(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    let stdout = running.0.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    let pem = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(line.contains("https://127.0.0.1:"));
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"));
}
