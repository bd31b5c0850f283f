//! What `--help` says of the settings.

use crate::program::{Ended, program};

/// A setting, as `--help` names it.
#[derive(Debug)]
pub struct Named {
    /// Its name in the TOML file.
    pub name: String,
    /// What its value is called: `TIME`, `ON|OFF`.
    pub value: String,
}

impl Named {
    /// Its flag.
    pub fn flag(&self) -> String {
        format!("--{}", self.name.replace('_', "-"))
    }

    /// Its environment variable.
    pub fn variable(&self) -> String {
        format!("SYNAPSOR_{}", self.name.to_uppercase())
    }
}

/// Every setting that `--help` names.
pub fn settings() -> Vec<Named> {
    let help = Ended::of(&mut program(&["--help"])).stdout;
    let (_, settings) = help.split_once("\nSettings:\n").expect("a heading");
    settings.lines().filter_map(named).collect()
}

/// `      --poll-interval <TIME>`
fn named(line: &str) -> Option<Named> {
    let (flag, value) = line.trim().strip_prefix("--")?.split_once(' ')?;
    Some(Named {
        name: flag.replace('-', "_"),
        value: value.trim_matches(['[', ']', '<', '>']).to_owned(),
    })
}
