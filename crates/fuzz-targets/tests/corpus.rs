//! Every file of the corpus goes through its target, so that what a fuzzer found once stays found with stable Rust.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;

use synapsor_fuzz_targets::TARGETS;

/// Fewer than this is not a corpus, but a mistake.
const FEWEST_FILES: usize = 20;

fn corpus(target: &str) -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_promise_holds_for_every_file_of_the_corpus() {
    let mut broken = Vec::new();
    for (name, target) in TARGETS {
        let files = corpus(name);
        assert!(files.len() >= FEWEST_FILES, "{name}: {} files", files.len());
        for file in files {
            let data = fs::read(&file).unwrap();
            if panic::catch_unwind(AssertUnwindSafe(|| target(&data))).is_err() {
                broken.push(file);
            }
        }
    }
    assert!(broken.is_empty(), "see above: {broken:#?}");
}
