//! A progress bar on the standard error, where a person waits for a long backlog.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressStyle};

use super::Output;

/// How far a backlog is worked off.
pub struct Progress(ProgressBar);

impl Progress {
    /// Shows itself where the standard error is a terminal and somebody reads it.
    pub fn start(output: Output) -> Self {
        let is_seen = output.is_human() && io::stderr().is_terminal();
        let bar = if is_seen {
            ProgressBar::new(0)
        } else {
            ProgressBar::hidden()
        };
        let style = "{bar:30} {pos}/{len} proposals  {per_sec}  {eta} left  {msg}";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        Progress(bar)
    }

    /// More was listed.
    pub fn add(&self, listed: usize) {
        self.0.inc_length(listed as u64);
    }

    /// So many more are done.
    pub fn advance(&self, done: usize) {
        self.0.inc(done as u64);
    }

    /// What it is busy with.
    pub fn says(&self, message: &'static str) {
        self.0.set_message(message);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
