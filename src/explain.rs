//! `synapsor_explain()`: what happened to one proposal, as a person would tell it, from the ledger alone.

use std::collections::HashMap;

use pgrx::spi::quote_literal;

use crate::error::ExtensionError;
use crate::ledger::{Ledger, Planned};
use crate::meaning::{self, Meaning};

/// What is told of a row: each value as text, NULL as the empty one. Postgres's own messages, which can quote rows, are not.
const FIELDS: [&str; 27] = [
    "key",
    "proposal_id",
    "source",
    "target",
    "operation",
    "status",
    "primary_key",
    "tenant",
    "conflict",
    "advanced",
    "reason",
    "error",
    "attempts",
    "applied_as",
    "first_seen_at",
    "decided_at",
    "next_attempt_at",
    "is_due",
    "report_state",
    "report_attempts",
    "reported_at",
    "next_report_at",
    "report_error",
    "action",
    "acted_by",
    "acted_at",
    "action_reason",
];

const ROWS: &str = "
    SELECT ARRAY[key, proposal_id, coalesce(source_id, ''), concat_ws('.', target_schema, target_table),
        coalesce(operation, ''), status, coalesce(guards ->> 'primary_key', ''), coalesce(guards ->> 'tenant', ''),
        coalesce(guards ->> 'conflict', ''), coalesce(guard_advanced::text, ''), coalesce(reason, ''), coalesce(error, ''),
        attempts::text, applied_as, to_char(first_seen_at, shape), coalesce(to_char(decided_at, shape), ''),
        coalesce(to_char(next_attempt_at, shape), ''), coalesce((next_attempt_at <= now())::text, ''),
        coalesce(report_state, ''), report_attempts::text, coalesce(to_char(reported_at, shape), ''),
        coalesce(to_char(next_report_at, shape), ''), coalesce(report_error, ''),
        coalesce(action, ''), coalesce(acted_by, ''), coalesce(to_char(acted_at, shape), ''), coalesce(action_reason, '')]
    FROM synapsor.ledger, (VALUES ('YYYY-MM-DD HH24:MI:SSOF')) AS format (shape)
    WHERE key = $1 OR proposal_id = $1 AND NOT EXISTS (SELECT FROM synapsor.ledger WHERE key = $1)
    ORDER BY first_seen_at LIMIT 10";

/// What the ledger says of one proposal.
struct Story(HashMap<&'static str, String>);

/// The lines, for a key or a proposal's id.
pub fn explain(key: &str) -> Result<Vec<String>, ExtensionError> {
    let rows: Vec<Vec<Option<String>>> =
        Ledger::open()?.as_owner_planned(Planned::EachTime, |spi| {
            let found = spi.ask(ROWS, &[key.into()])?;
            let rows = found.map(|row| Ok(row.get::<Vec<Option<String>>>(1)?.unwrap_or_default()));
            rows.collect::<Result<_, ExtensionError>>()
        })?;
    if rows.is_empty() {
        return Ok(vec![
            format!("No proposal with the key or id {key:?} was tried in this database, or its row was pruned since (synapsor.ledger_retention)."),
            "To do: see in Synapsor whether it is approved, and for this source; SELECT * FROM synapsor_doctor() says whether approved proposals arrive here."
                .to_owned(),
        ]);
    }
    let stories = rows.into_iter().map(|row| {
        let values = row
            .into_iter()
            .map(|value| in_one_line(&value.unwrap_or_default()));
        Story(FIELDS.into_iter().zip(values).collect())
    });
    Ok(stories.flat_map(|story| story.tell()).collect())
}

/// A refused proposal's names can be anything.
fn in_one_line(text: &str) -> String {
    let shown = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().map(shown).collect()
}

impl Story {
    fn get(&self, field: &str) -> &str {
        self.0.get(field).map_or("", String::as_str)
    }

    fn has(&self, field: &str) -> bool {
        !self.get(field).is_empty()
    }

    fn tell(&self) -> Vec<String> {
        let mut lines = vec![self.subject(), self.beginning()];
        lines.extend(self.outcome());
        lines.extend(self.guards());
        lines.extend(self.intervention());
        lines.extend(self.report());
        lines.push(format!("To do: {}", self.what_to_do()));
        lines
    }

    fn subject(&self) -> String {
        let target = if self.has("target") {
            self.get("target")
        } else {
            "a table that it does not name"
        };
        let operation = if self.has("operation") {
            self.get("operation")
        } else {
            "change"
        };
        let source = match self.get("source") {
            "" => String::new(),
            source => format!(", from source {source}"),
        };
        format!(
            "Proposal {} (key {}): {operation} of {target}{source}.",
            self.get("proposal_id"),
            self.get("key")
        )
    }

    fn beginning(&self) -> String {
        let tries = match self.get("attempts") {
            "1" => "tried".to_owned(),
            n => format!("tried for the first time, of {n} times"),
        };
        let (first, role) = (self.get("first_seen_at"), self.get("applied_as"));
        format!("{first}  Seen and {tries}, as role \"{role}\".")
    }

    fn outcome(&self) -> Vec<String> {
        let decided = self.get("decided_at");
        match self.get("status") {
            "applied" => vec![format!(
                "{decided}  Applied: one row was changed, and nothing else."
            )],
            "conflict" => {
                let reason = self.get("reason");
                let why = meaning::of_reason(reason).why;
                vec![format!(
                    "{decided}  Conflict, nothing was changed: {reason}. {why}"
                )]
            }
            "failed" => {
                let error = self.get("error");
                let why = meaning::of_error(error).why;
                vec![format!(
                    "{decided}  Failed for good, nothing was changed: {error}. {why}"
                )]
            }
            _ => {
                let error = self.get("error");
                let why = meaning::of_error(error).why;
                vec![
                    format!(
                        "The last try failed for a reason that may pass, nothing was changed: {error}. {why}"
                    ),
                    match self.get("is_due") {
                        "true" => {
                            "It is due to be tried again at the next poll that finds it listed."
                                .to_owned()
                        }
                        _ => format!(
                            "{}  It will be tried again, where it is still listed then.",
                            self.get("next_attempt_at")
                        ),
                    },
                ]
            }
        }
    }

    /// What held, what was left out, and whether another proposal from the same reading would now be a conflict.
    fn guards(&self) -> Vec<String> {
        let names = [
            ("primary_key", "primary key"),
            ("tenant", "tenant"),
            ("conflict", "conflict column"),
        ];
        let held: Vec<_> = names
            .iter()
            .filter(|(field, _)| self.get(field) == "true")
            .map(|(_, name)| *name)
            .collect();
        let mut lines = Vec::new();
        if !held.is_empty() {
            lines.push(format!("Guarded by: {}.", held.join(", ")));
        }
        if self.get("status") == "applied" && self.get("advanced") == "false" {
            lines.push("The conflict column has the same value as before: a second proposal made from the same reading would be applied, too (synapsor.advance_guard prevents that).".to_owned());
        }
        lines
    }

    fn report(&self) -> Vec<String> {
        let (state, times) = (self.get("report_state"), self.get("report_attempts"));
        let error = self.get("report_error");
        let times = match times {
            "1" => "once".to_owned(),
            n => format!("{n} times"),
        };
        match state {
            "delivered" => vec![format!(
                "{}  Reported, and accepted by the control plane; sent {times}.",
                self.get("reported_at")
            )],
            "rejected" => vec![format!(
                "The control plane refused the report, for good; sent {times}: {error}."
            )],
            "pending" if times == "0 times" => vec!["Its report has not been sent yet.".to_owned()],
            "pending" => vec![
                format!("Its report was sent {times}, and not accepted yet: {error}."),
                format!("{}  It will be sent again.", self.get("next_report_at")),
            ],
            "discarded" => vec!["Its report is not sent any more.".to_owned()],
            _ => Vec::new(),
        }
    }

    /// What a person did about it last.
    fn intervention(&self) -> Option<String> {
        let (when, who) = (self.get("acted_at"), self.get("acted_by"));
        match self.get("action") {
            "retry" => Some(format!(
                "{when}  Role \"{who}\" had it tried or reported again."
            )),
            "discard" => Some(format!(
                "{when}  Discarded by role \"{who}\": {}.",
                self.get("action_reason").trim_end_matches('.')
            )),
            _ => None,
        }
    }

    fn what_to_do(&self) -> String {
        let meaning: Option<Meaning> = match self.get("status") {
            "conflict" => Some(meaning::of_reason(self.get("reason"))),
            "failed" | "retrying" => Some(meaning::of_error(self.get("error"))),
            _ => None,
        };
        let parts: Vec<_> = meaning
            .map(|meaning| meaning.what_to_do.to_owned())
            .into_iter()
            .chain(self.what_can_be_done())
            .collect();
        match parts.is_empty() {
            true => "nothing.".to_owned(),
            false => parts.join(" "),
        }
    }
    /// The calls that fit.
    fn what_can_be_done(&self) -> Option<String> {
        let key = quote_literal(self.get("key"));
        Some(match (self.get("status"), self.get("report_state")) {
            ("retrying", _) => format!(
                "SELECT synapsor_retry({key}) has it tried at the next poll; SELECT synapsor_discard({key}, 'reason') ends it as failed."
            ),
            (_, "rejected") => format!(
                "Compare this with what Synapsor shows for the proposal; what was decided here stands. Then SELECT synapsor_retry({key}) sends the report again, or SELECT synapsor_discard({key}, 'reason') has done with it."
            ),
            (_, "discarded") => {
                format!("SELECT synapsor_retry({key}) sends the report after all.")
            }
            (_, "pending") => {
                "The report goes out by itself; SELECT synapsor_report_once() sends it now."
                    .to_owned()
            }
            _ => return None,
        })
    }
}
