//! The campaign as a program.

use std::process::Command;

use synapsor_crash_points::Defect;

/// Runs it; it has to succeed.
pub fn run(target: &str, flags: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_synapsor-campaign"));
    let output = command
        .arg(target)
        .args(flags)
        .output()
        .expect("the campaign starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{target} {flags:?}:\n{text}{errors}"
    );
    println!("{text}");
}

/// Runs it on a program with a defect, until that is found out.
pub fn find_out(target: &str, defect: Defect) {
    let flags = ["--seed", "1", "--episodes", "40", "--defect", defect.name()];
    run(target, &flags);
}
