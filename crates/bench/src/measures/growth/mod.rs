//! What becomes of time and memory when there is more: of proposals, of the past, of the target, of a row.

mod backlog;
mod crowd;
mod rows;

pub use backlog::on as backlogs_on;

use crate::plan::Plan;
use crate::report::{Report, Target};
use crate::stages::PostgresStage;

/// Everything that can grow.
pub fn measure(plan: &Plan, report: &mut Report) {
    {
        let stage = PostgresStage::new(plan.tickets);
        let (section, growth) = backlog::on(&stage, "growth", plan);
        report.add(&section);
        report.found(Target::Growth, growth.time);
        report.found(Target::GrowthOfMemory, growth.more_memory);
        report.found(Target::Memory, growth.memory);
    }
    let ratio = crowd::ledger(plan, report);
    report.found(Target::LargeLedger, ratio);
    crowd::target(plan, report);
    rows::measure(plan, report);
}
