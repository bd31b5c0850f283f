//! A short campaign against the extension, and proof that the checker would notice. `SYNAPSOR_PG_CONFIG` names a server with the
//! extension installed, built with its feature `crash_points`.

#![allow(clippy::expect_used, reason = "a test may panic")]

mod campaign;

use synapsor_crash_points::Defect;

#[test]
fn a_short_campaign_finds_no_violation() {
    campaign::run("postgres", &["--seed", "1", "--episodes", "8"]);
}

#[test]
fn every_defect_is_found_out() {
    for defect in Defect::ALL {
        campaign::find_out("postgres", defect);
    }
}
