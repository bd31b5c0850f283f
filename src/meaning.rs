//! What the codes of outcomes mean, for people: why it came to that, and what to do.

/// Why something ended as it did, and what somebody can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// A sentence.
    pub why: &'static str,
    /// Another one.
    pub what_to_do: &'static str,
}

const fn meaning(why: &'static str, what_to_do: &'static str) -> Meaning {
    Meaning { why, what_to_do }
}

const ASK_THE_DOCTOR: &str = "SELECT * FROM synapsor_doctor() names what is missing, and the command that repairs it; then have a new proposal approved.";
const PROPOSE_ANEW: &str =
    "Have a new proposal made from the row as it is now, if it is still wanted.";
const MEND_THE_PROPOSAL: &str = "Have a new proposal approved that is made otherwise.";
const IT_PASSES: &str =
    "Nothing, as long as it is tried again; if it stays, look at what holds it up.";

/// Of a conflict's reason.
pub fn of_reason(reason: &str) -> Meaning {
    match reason {
        "ROW_NOT_FOUND" => meaning(
            "No row that the apply role can see has this key and belongs to this tenant: it was deleted, it is another tenant's, or row security hides it.",
            PROPOSE_ANEW,
        ),
        "CONFLICT_VALUE_CHANGED" => meaning(
            "Somebody changed the row after the proposal was made: its conflict column has another value than the one that was approved.",
            PROPOSE_ANEW,
        ),
        "ROW_NOT_CHANGED" => meaning(
            "The row is there and as expected, but a trigger or a policy of row security let nothing be changed.",
            ASK_THE_DOCTOR,
        ),
        _ => meaning("The row was not as the proposal expected it.", PROPOSE_ANEW),
    }
}

/// Of an error, as it is reported: `CODE: culprit`, or `SQLSTATE 23514: check_violation, …`.
pub fn of_error(error: &str) -> Meaning {
    match error.strip_prefix("SQLSTATE ") {
        Some(rest) => of_sqlstate(rest.get(..5).unwrap_or_default()),
        None => of_code(error.split(':').next().unwrap_or_default()),
    }
}

fn of_code(code: &str) -> Meaning {
    match code {
        "WRITEBACK_COLUMN_NOT_ALLOWED" => meaning(
            "The proposal touches a column that is not among its allowed columns.",
            MEND_THE_PROPOSAL,
        ),
        "WRITEBACK_MULTI_ROW_BLOCKED" => meaning(
            "More than one row has this key, and a proposal is about one: everything was rolled back.",
            "Give the table a unique index on the key, and have a new proposal approved.",
        ),
        "WRITEBACK_CASCADE_BLOCKED" => meaning(
            "A foreign key would have changed or deleted other rows, which nobody approved: everything was rolled back.",
            "Delete those rows first, or set synapsor.allow_cascade, and have a new proposal approved.",
        ),
        "WRITEBACK_TARGET_UNSUPPORTED" => meaning(
            "What the proposal names is nothing that proposals are written to.",
            ASK_THE_DOCTOR,
        ),
        "WRITEBACK_ROW_SECURITY_BYPASSED" => meaning(
            "The table has row security, which does not bind the apply role, since that owns the table.",
            ASK_THE_DOCTOR,
        ),
        "WRITEBACK_VALUE_NOT_EXACT" | "WRITEBACK_VALUE_TYPE_MISMATCH" => meaning(
            "The column would not keep exactly the value that was approved.",
            MEND_THE_PROPOSAL,
        ),
        "WRITEBACK_GUARDED_COLUMN_CHANGED" => meaning(
            "A trigger gave the row another key or tenant: everything was rolled back.",
            "Have the trigger leave key and tenant alone, and have a new proposal approved.",
        ),
        "WRITEBACK_TENANT_GUARD_REQUIRED" | "WRITEBACK_CONFLICT_GUARD_REQUIRED" => meaning(
            "The settings require a guard that the proposal does not have.",
            MEND_THE_PROPOSAL,
        ),
        "WRITEBACK_IDEMPOTENCY_MISMATCH" => meaning(
            "Its key was decided before, for a proposal with another content.",
            "Find out in Synapsor why two proposals have one key.",
        ),
        "WRITEBACK_OPERATOR_SHADOWED" => meaning(
            "Somebody's own = operator comes before the one of the column's type.",
            "Take the operator's schema out of the search path, and have a new proposal approved.",
        ),
        "WRITEBACK_DISCARDED" => meaning(
            "Somebody had it not tried any more, with synapsor_discard().",
            "If it is still wanted, have a new proposal approved.",
        ),
        "WRITEBACK_WORKER_ENDED" => meaning(
            "The worker ended more than once while it was applied: a trigger may end it.",
            IT_PASSES,
        ),
        _ => meaning("The proposal itself is malformed.", MEND_THE_PROPOSAL),
    }
}

fn of_sqlstate(sqlstate: &str) -> Meaning {
    match sqlstate {
        "42501" => meaning(
            "The apply role lacks a right that the proposal needs.",
            ASK_THE_DOCTOR,
        ),
        "42P01" | "3F000" => meaning("The table does not exist.", ASK_THE_DOCTOR),
        "42703" => meaning("The table has no such column.", MEND_THE_PROPOSAL),
        "55P03" => meaning(
            "Another session held a lock on the row or the table for too long.",
            IT_PASSES,
        ),
        "57014" => meaning("It took longer than synapsor.statement_timeout.", IT_PASSES),
        "40001" | "40P01" => meaning("It got in the way of other transactions.", IT_PASSES),
        "25006" => meaning("The database was read-only.", IT_PASSES),
        "P0001" => meaning(
            "Code on the table, a trigger's, raised an error.",
            "Ask whoever wrote it; its message is in error_detail of the ledger, for the extension's owner.",
        ),
        _ if sqlstate.starts_with("23") => meaning(
            "A constraint of the table forbids what was approved.",
            MEND_THE_PROPOSAL,
        ),
        _ if sqlstate.starts_with("22") => {
            meaning("A value does not fit its column.", MEND_THE_PROPOSAL)
        }
        _ if sqlstate.starts_with("53") || sqlstate.starts_with("57P") || sqlstate == "58030" => {
            meaning(
                "The server was short of resources, or was being stopped.",
                IT_PASSES,
            )
        }
        _ => meaning(
            "Postgres refused the statement.",
            "Its message is in error_detail of the ledger, for the extension's owner.",
        ),
    }
}
