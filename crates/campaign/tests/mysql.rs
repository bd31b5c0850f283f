//! A short campaign against the companion program, and proof that the checker would notice. `SYNAPSOR_MYSQL_PROGRAM` names the
//! program, built with its feature `crash_points`.

#![allow(clippy::expect_used, reason = "a test may panic")]

mod campaign;

use synapsor_crash_points::Defect;

#[test]
fn a_short_campaign_finds_no_violation() {
    campaign::run("mysql", &["--seed", "1", "--episodes", "6"]);
}

#[test]
fn defects_of_what_both_share_are_found_out() {
    for defect in [Defect::FailedOnLostAnswer, Defect::NoConflictGuard] {
        campaign::find_out("mysql", defect);
    }
}
