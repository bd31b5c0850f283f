//! What it was measured on: figures of another machine, or of a busy one, are others.

use std::fmt;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::thread;
use std::time::Instant;

use serde_json::{Value, json};

use crate::samples::Samples;

/// A machine.
pub struct Machine {
    cores: usize,
    processor: String,
    /// Processes that ran or wanted to, on average over the last minute, before we began.
    load: f64,
    /// What it takes to have a page on disk, in milliseconds.
    sync: f64,
}

impl Machine {
    /// This one. Servers have their files in `/tmp`, so its disk is the one that counts.
    pub fn look() -> Self {
        let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpus.lines().find(|line| line.starts_with("model name"));
        let processor = model.and_then(|line| line.split_once(": "));
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split_whitespace().next().map(str::parse);
        Machine {
            cores: thread::available_parallelism().map_or(1, usize::from),
            processor: processor.map_or_else(String::new, |(_, name)| name.to_owned()),
            load: load.and_then(Result::ok).unwrap_or(f64::NAN),
            sync: time_to_sync(Path::new("/tmp")).median(),
        }
    }

    /// For a program.
    pub fn json(&self) -> Value {
        json!({
            "cores": self.cores,
            "processor": self.processor,
            "load_before": self.load,
            "fsync_ms": self.sync,
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} cores ({}), load {} before we began, {:.2} ms for a page to be on disk",
            self.cores, self.processor, self.load, self.sync
        )
    }
}

/// Milliseconds to write a page and have it on disk, again and again.
fn time_to_sync(directory: &Path) -> Samples {
    const TIMES: usize = 50;
    let file = tempfile::NamedTempFile::new_in(directory).expect("a temporary file");
    let mut file: &File = file.as_file();
    let mut sync = |_| {
        let start = Instant::now();
        file.write_all(&[0; 8192]).expect("a page can be written");
        file.sync_data().expect("the page can be synced");
        start.elapsed().as_secs_f64() * 1e3
    };
    (0..TIMES).map(&mut sync).collect()
}
