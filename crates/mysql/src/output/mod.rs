//! What the program says: tables, sentences and a progress bar to a person, one JSON object a line to everything else.
//!
//! Results go to the standard output; errors and the progress bar to the standard error.

pub mod progress;
pub mod table;

use std::io::{self, IsTerminal, Write};

use serde_json::{Map, Value, json};

use crate::error::Error;

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people on a terminal, else JSON
    #[default]
    Auto,
    /// Tables and sentences
    Human,
    /// One JSON object a line
    Json,
}

/// Where results go.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    is_human: bool,
}

impl Output {
    /// Looks whether there is somebody to read it.
    pub fn open(format: Format) -> Self {
        let is_human = match format {
            Format::Auto => io::stdout().is_terminal(),
            Format::Human => true,
            Format::Json => false,
        };
        Output { is_human }
    }

    /// True when a person reads it.
    pub fn is_human(self) -> bool {
        self.is_human
    }

    /// A line for everybody.
    pub fn line(self, line: &str) {
        // Nobody is left to be told when this fails, a closed pipe above all.
        let _ = writeln!(io::stdout(), "{line}");
    }

    /// A sentence for people only.
    pub fn say(self, sentence: &str) {
        if self.is_human {
            self.line(sentence);
        }
    }

    /// An object for programs only, on a line of its own.
    pub fn emit(self, value: &Value) {
        if !self.is_human {
            self.line(&table::printable_json(&value.to_string()));
        }
    }

    /// An object: pretty for people.
    pub fn object(self, value: &Value) {
        let text = match serde_json::to_string_pretty(value) {
            Ok(text) if self.is_human => text,
            _ => value.to_string(),
        };
        self.line(&table::printable_json(&text));
    }

    /// An event of a long run: `{"at", "level", "event", …}`, or a line with the time for people. Goes to the standard error.
    pub fn event(self, level: Level, event: &str, details: Value) {
        let now = jiff::Timestamp::now();
        let mut stderr = io::stderr();
        let _ = if self.is_human {
            let line = format!("{now:.0} {} {event}{}", level.as_str(), Details(&details));
            writeln!(stderr, "{}", table::printable(&line))
        } else {
            let mut line = Map::new();
            line.insert("at".into(), format!("{now:.3}").into());
            line.insert("level".into(), level.as_str().into());
            line.insert("event".into(), event.into());
            if let Value::Object(details) = details {
                line.extend(details);
            }
            let line = Value::Object(line).to_string();
            writeln!(stderr, "{}", table::printable_json(&line))
        };
    }

    /// An error, on the standard error: `{"error", "message", "hint"?, "exit"}`, or three lines for people.
    pub fn error(self, error: &Error) {
        let mut stderr = io::stderr();
        let hint = error.hint();
        let _ = if self.is_human {
            let hint = hint
                .map(|hint| format!("\nhint: {hint}"))
                .unwrap_or_default();
            writeln!(
                stderr,
                "error: {}{hint}",
                table::printable(&error.to_string())
            )
        } else {
            let mut line = json!({ "error": error.code(), "message": error.to_string(), "exit": error.exit().code() });
            if let Some(hint) = hint {
                line["hint"] = hint.into();
            }
            writeln!(stderr, "{}", table::printable_json(&line.to_string()))
        };
    }
}

/// How much an event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Good to know.
    Info,
    /// Somebody should look.
    Warning,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Level::Info => "info",
            Level::Warning => "warning",
        }
    }
}

/// Details of an event, for people: ` name=value …`.
struct Details<'a>(&'a Value);

impl std::fmt::Display for Details<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(object) = self.0.as_object() else {
            return Ok(());
        };
        for (name, value) in object {
            match value.as_str() {
                Some(text) => write!(f, " {name}={text:?}")?,
                None => write!(f, " {name}={value}")?,
            }
        }
        Ok(())
    }
}
