//! docs/failures.md has every code that the sources have, and no other.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const DOCUMENT: &str = include_str!("../../docs/failures.md");

/// Where codes are made: the extension, the library that it shares with the program for MySQL, and its SQL.
const SOURCES: [&str; 3] = ["src", "crates/core/src", "sql"];

/// What looks like a code in the sources and is none: environment variables, what stands for the library in the extension's SQL, and
/// what a deliberate defect of the crash campaign says.
const NO_CODES: [&str; 4] = [
    "SYNAPSOR_API_KEY",
    "CARGO_PKG_VERSION",
    "MODULE_PATHNAME",
    "UNKNOWN",
];

/// A word in capitals at the beginning of a text that is a code: one with a colon behind it, or one with a `_` that is the whole text.
fn code_at(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))?;
    let (word, rest) = text.split_at(end);
    let is_whole = rest.starts_with(['"', '\'']) && word.contains('_');
    let is_first = rest.starts_with(':') && !rest.starts_with("::") && word.len() > 3;
    (word.starts_with(|c: char| c.is_ascii_uppercase()) && (is_whole || is_first)).then_some(word)
}

/// The codes in the quoted texts of a file, without its tests.
fn codes_in(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap();
    let quote = if file.extension().is_some_and(|e| e == "sql") {
        '\''
    } else {
        '"'
    };
    let codes = text.split(quote).skip(1).zip(text.match_indices(quote));
    let codes = codes.filter_map(|(_, (start, _))| code_at(&text[start + 1..]));
    codes.map(str::to_owned).collect()
}

fn collect(directory: &Path, codes: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && name != "tests" && name != "released" {
            collect(&path, codes);
        } else if name.ends_with(".rs") || name.ends_with(".sql") {
            codes.extend(codes_in(&path));
        }
    }
}

/// Those in backticks in the first column of the document's tables.
fn documented() -> BTreeSet<String> {
    let rows = DOCUMENT.lines().filter_map(|line| line.strip_prefix("| `"));
    let first_columns = rows.map(|row| row.split(" | ").next().unwrap());
    let words = first_columns.flat_map(|column| column.split(['`', ',', ' ']));
    words
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_code_is_in_the_document_and_every_code_in_the_document_is_one() {
    let mut codes = BTreeSet::new();
    for directory in SOURCES {
        collect(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join(directory),
            &mut codes,
        );
    }
    for word in NO_CODES {
        assert!(codes.remove(word), "{word} is in no source");
    }
    assert!(codes.len() > 90, "{} codes", codes.len());
    let documented = documented();
    let missing: Vec<_> = codes.difference(&documented).collect();
    let made_up: Vec<_> = documented.difference(&codes).collect();
    assert!(
        missing.is_empty() && made_up.is_empty(),
        "missing: {missing:?}, made up: {made_up:?}"
    );
}

#[test]
fn every_row_says_what_it_means_and_what_to_do() {
    let rows = DOCUMENT.lines().filter(|line| line.starts_with("| `"));
    for row in rows {
        let columns: Vec<_> = row.trim_matches('|').split(" | ").collect();
        assert!([3, 4].contains(&columns.len()), "{row}");
        assert!(
            columns.iter().all(|column| column.trim().len() > 5),
            "{row}"
        );
    }
}
