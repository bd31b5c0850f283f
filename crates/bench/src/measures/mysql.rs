//! The program for MySQL, against MariaDB: the measures that apply to it, as they are for the extension.

use crate::measures::{cycle, growth, idle};
use crate::plan::Plan;
use crate::report::Report;
use crate::stages::MySqlStage;

/// Cycle, growth and idle, each on a server of its own.
pub fn measure(plan: &Plan, report: &mut Report) {
    let stage = || MySqlStage::new(plan.tickets);
    let (section, _) = cycle::on(&stage(), "mysql", plan);
    report.add(&section);
    let (section, _) = growth::backlogs_on(&stage(), "mysql", plan);
    report.add(&section);
    report.add(&idle::on(&stage(), "mysql", plan));
}
