//! What is told: tables while it goes on, the targets at the end, and everything as JSON.

mod figure;
mod table;
mod targets;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

pub use figure::{Figure, Unit};
pub use table::Table;
use targets::Findings;
pub use targets::Target;

use crate::machine::Machine;

/// What a measure found.
pub struct Section {
    /// The measure's name.
    pub measure: &'static str,
    /// What it is about.
    pub title: String,
    /// Its figures.
    pub tables: Vec<Table>,
    /// What one has to know to read them.
    pub notes: Vec<String>,
}

/// Everything that was found so far.
pub struct Report {
    is_quick: bool,
    machine: Machine,
    sections: Vec<Value>,
    findings: Findings,
}

impl Report {
    /// Nothing yet.
    pub fn new(is_quick: bool, machine: Machine) -> Self {
        Report {
            is_quick,
            machine,
            sections: Vec::new(),
            findings: Findings::default(),
        }
    }

    /// Prints a section, and keeps it.
    pub fn add(&mut self, section: &Section) {
        println!("\n{}: {}", section.measure, section.title);
        section.tables.iter().for_each(Table::print);
        if !section.notes.is_empty() {
            println!();
        }
        for note in &section.notes {
            println!("  {note}");
        }
        self.sections.push(json!({
            "measure": section.measure,
            "title": section.title,
            "tables": section.tables.iter().map(Table::json).collect::<Vec<_>>(),
            "notes": section.notes,
        }));
    }

    /// Notes what was found of a target.
    pub fn found(&mut self, target: Target, found: f64) {
        self.findings.push(target, found);
    }

    /// Prints the targets.
    pub fn print_targets(&self) {
        println!("\ntargets: what must be seen");
        self.findings.print();
        if self.is_quick {
            println!("\n  With the small sizes of QUICK=1 they mean nothing.");
        }
    }

    /// Writes everything as JSON.
    pub fn write(&self, path: &Path) {
        let everything = json!({
            "quick": self.is_quick,
            "machine": self.machine.json(),
            "sections": self.sections,
            "targets": self.findings.json(),
        });
        let written = fs::write(path, format!("{everything:#}\n"));
        written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}
