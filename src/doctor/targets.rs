//! The tables in use: each is examined for everything that keeps proposals from their rows.

use std::time::{Duration, Instant};

use synapsor_core::proposal::Proposal;

use super::chart::Chart;
use super::desk::Desk;
use super::finding::{Finding, Findings, trouble, unknown, well};
use super::uses::{self, Use};
use super::{barriers, grants};
use crate::apply::watch::Unwatched;
use crate::apply::{Applier, ApplyRole};
use crate::error::ExtensionError;
use crate::settings::ApplySettings;

/// The longest that one look at a table or a row may take, in milliseconds.
const LOOK_TIMEOUT: i32 = 1_000;

/// The longest that all of them may take, give or take one.
const PATIENCE: Duration = Duration::from_secs(20);

/// The tables in use, and who writes to them.
pub struct Targets<'a> {
    /// Where to ask.
    pub desk: &'a Desk<'a>,
    /// Who writes.
    pub role: ApplyRole,
    /// What is done to them.
    pub uses: Vec<Use>,
    /// How rows are looked for: not for long.
    settings: ApplySettings,
    started: Instant,
}

impl<'a> Targets<'a> {
    /// Finds them.
    ///
    /// # Errors
    /// Those of the ledger.
    pub fn in_use(
        desk: &'a Desk<'a>,
        role: ApplyRole,
        proposals: &[Proposal],
    ) -> Result<Self, ExtensionError> {
        Ok(Targets {
            settings: ApplySettings {
                lock_timeout: LOOK_TIMEOUT,
                statement_timeout: LOOK_TIMEOUT,
                ..desk.settings.applying.clone()
            },
            started: Instant::now(),
            role,
            uses: uses::gather(desk, proposals)?,
            desk,
        })
    }

    /// Examines all of them.
    pub fn examine(&self, chart: &mut Chart) {
        self.each(chart, "targets", "can be written to", |one| {
            Ok(self.target(one))
        });
        self.each(
            chart,
            "grants",
            "all rights that proposals need are there",
            |one| grants::missing(self, one),
        );
        self.each(
            chart,
            "keys",
            "a unique index for the keys that proposals name",
            |one| barriers::index(self.desk, one),
        );
        self.each(chart, "triggers", "no trigger that eats changes", |one| {
            barriers::triggers(self.desk, one)
        });
        self.each(
            chart,
            "row security",
            "no row that proposals name is hidden",
            |one| barriers::row_security(self, one),
        );
    }

    /// Examines each use; one row says so where all are well.
    fn each(
        &self,
        chart: &mut Chart,
        name: &'static str,
        praise: &str,
        examination: impl Fn(&Use) -> Findings,
    ) {
        let mut told: Vec<Finding> = Vec::new();
        for (n, one) in self.uses.iter().enumerate() {
            if self.started.elapsed() > PATIENCE {
                let left = self.uses.len() - n;
                told.push(unknown(format!(
                    "{left} more were not come to: it took too long"
                )));
                break;
            }
            let mut own = Chart::default();
            own.examine(name, || examination(one));
            for (_, finding) in own.found() {
                // Two uses of a table can have the same trouble.
                if !told.iter().any(|other| other.detail == finding.detail) {
                    told.push(finding);
                }
            }
        }
        if told.is_empty() {
            told.push(well(self.praise(praise)));
        }
        chart.add(name, told);
    }

    fn praise(&self, praise: &str) -> String {
        let mut names: Vec<_> = self.uses.iter().map(Use::name).collect();
        names.sort();
        names.dedup();
        match names.is_empty() {
            true => "no proposal is listed or remembered: no table is in use".to_owned(),
            false => format!("{}: {praise}", names.join(", ")),
        }
    }

    /// How proposals would be applied.
    pub fn applier(&self) -> Applier<'_> {
        Applier {
            settings: &self.settings,
            role: &self.role,
            dry_run: true,
            watch: &Unwatched,
        }
    }

    /// Whether it can be written to at all, whatever is granted.
    fn target(&self, one: &Use) -> Vec<Finding> {
        let Some(relation) = &one.relation else {
            // One that was dropped since is not in use any more.
            if !one.is_known_in_full() {
                return Vec::new();
            }
            let detail = format!("{} does not exist", one.name());
            let hint = "Create it, or have its proposals rejected in Synapsor.";
            return vec![trouble(detail, hint)];
        };
        match self.applier().examine_target(&one.schema, &one.table) {
            // What is granted is another examination's matter.
            Err(failure) if failure.error.starts_with("SQLSTATE 42501") => Vec::new(),
            Err(failure) if failure.is_transient => {
                let why = format!("{} can't be looked at now: {}", one.name(), failure.error);
                vec![unknown(why)]
            }
            Err(failure) => {
                let hint = mend(&failure.error, &relation.name);
                vec![trouble(failure.error, hint)]
            }
            Ok(()) => Vec::new(),
        }
    }
}

fn mend(error: &str, name: &str) -> String {
    if error.contains("is unlogged") {
        return format!("ALTER TABLE {name} SET LOGGED;");
    }
    if error.starts_with("WRITEBACK_ROW_SECURITY_BYPASSED") {
        return format!("ALTER TABLE {name} FORCE ROW LEVEL SECURITY;");
    }
    if error.contains("foreign table") {
        return "Install the extension in the database that the table lives in, and have its proposals made for that source.".to_owned();
    }
    "Have its proposals made for an ordinary table, a partitioned one, or a view that is updatable by itself.".to_owned()
}
