//! An episode, as a person would tell it: what was done to the system, and everything that is known of the keys where something is wrong.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use crate::checker::Violation;
use crate::episode::Story;

/// The history of an episode in which something is wrong.
pub fn tell(story: &Story) -> String {
    let mut text = format!(
        "seed {}: {} violations\n",
        story.seed,
        story.violations.len()
    );
    for (at, fault) in &story.faults {
        let _ = writeln!(text, "  {:>7.3} s  {fault}", at.as_secs_f64());
    }
    for violation in &story.violations {
        tell_violation(&mut text, story, violation);
    }
    text
}

fn tell_violation(text: &mut String, story: &Story, violation: &Violation) {
    let Violation {
        invariant,
        key,
        finding,
    } = violation;
    let _ = writeln!(text, "\n  {invariant:?} {key}: {finding}");
    for case in story.cases.iter().filter(|case| case.key == *key) {
        let _ = writeln!(text, "    {:?} {}", case.kind, case.text);
        for heard in story.evidence.heard.get(&case.id).into_iter().flatten() {
            let _ = writeln!(
                text,
                "      {}  reported {:?}",
                clock(heard.at),
                heard.status
            );
        }
        let standing = story.evidence.standing.get(&case.id);
        let _ = writeln!(text, "      at the control plane: {standing:?}");
    }
    if let Some(row) = story.evidence.ledger.get(key) {
        let _ = writeln!(
            text,
            "    ledger: {} {} {}",
            row.status, row.report_state, row.rest
        );
    }
    let rows: Vec<_> = story
        .cases
        .iter()
        .filter(|case| case.key == *key)
        .filter_map(|case| case.permit.as_ref()?.row)
        .collect();
    for change in &story.evidence.history {
        let row = change.row();
        let note = row
            .and_then(|row| row.get("note"))
            .and_then(|note| note.as_str());
        let id = row.and_then(|row| row.get("id")).and_then(|id| id.as_i64());
        if note == Some(key.as_str()) || id.is_some_and(|id| rows.contains(&id)) || key.is_empty() {
            let who = if change.by_writer {
                "writer"
            } else {
                "application"
            };
            let _ = writeln!(
                text,
                "    {}  change {} of {} by {who}: {:?} -> {:?}",
                clock(change.at),
                change.number,
                change.table,
                change.before.as_ref().map(serde_json::to_string),
                change.after.as_ref().map(serde_json::to_string),
            );
        }
    }
}

/// Seconds of the day.
fn clock(at: SystemTime) -> String {
    const DAY: u64 = 86_400;
    let since = at
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    format!("{}.{:06}", since.as_secs() % DAY, since.subsec_micros())
}
