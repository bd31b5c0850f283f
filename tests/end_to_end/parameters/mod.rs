//! Values of every kind against columns of every type: made by a grammar from a seed, applied through the extension, and
//! held against an oracle that knows nothing of it.
//!
//! A value arrives exactly, or its proposal fails with a stable code and changes nothing; a guard holds when it does, and
//! not otherwise; nothing that is reported quotes a value; no case harms another. `SYNAPSOR_PARAMETER_CASES` and
//! `SYNAPSOR_PARAMETER_SEED` make it long, or repeat one case alone: `make fuzz-parameters`.

mod case;
mod decimal;
mod expectation;
mod hostile;
mod meaning;
mod moments;
mod notations;
mod oracle;
mod plain;
mod run;
mod said;
mod scalars;
mod server;
mod summary;
mod types;
mod values;

use std::env;

use run::Run;

/// As many as take a few seconds.
const CASES: u64 = 3_000;
const SEED: u64 = 1;

#[test]
fn every_value_arrives_exactly_or_not_at_all_and_every_guard_is_true() {
    let seed = number_from("SYNAPSOR_PARAMETER_SEED", SEED);
    let count = number_from("SYNAPSOR_PARAMETER_CASES", CASES);
    println!("{count} cases of seed {seed}");
    let mut run = Run::set_up();
    run.cases(seed, count);
    print!("{}", run.summary);
    let findings: Vec<_> = run.summary.findings().collect();
    for finding in &findings {
        println!("{finding}");
    }
    assert!(
        findings.is_empty(),
        "{} kinds of findings with seed {seed}",
        findings.len()
    );
}

fn number_from(variable: &str, default: u64) -> u64 {
    match env::var(variable) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{variable} is a number")),
        Err(_) => default,
    }
}
