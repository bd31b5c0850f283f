//! What has to become of each case of a list: its outcome, and the row afterwards.

use serde_json::Value;

use super::case::{Case, Use};
use super::oracle::{Answer, Draft, Questions, Reading};
use super::server::Server;

/// What has to become of a case.
pub struct Expectation {
    pub allowed: Allowed,
    /// What the column holds once the value has been written to it.
    pub stored: Option<Value>,
}

impl Expectation {
    /// Puts in the rows that the cases update, and says what has to become of each.
    pub fn of_all(cases: &[Case], server: &mut Server) -> Vec<Self> {
        let mut questions = Questions::default();
        let drafts = cases.iter().map(|case| Draft::of(case, &mut questions));
        let drafts: Vec<Draft> = drafts.collect();
        server.put_rows(cases, &drafts);
        let pairs = || cases.iter().zip(&drafts);
        let guards = pairs().map(|(case, draft)| draft.ask_whether_it_holds(case, &mut questions));
        let guards: Vec<_> = guards.collect();
        let domains = pairs().map(|(case, draft)| draft.ask_its_domain(case, &mut questions));
        let domains: Vec<_> = domains.collect();
        let answers = server.answer(&questions.0);
        let is_false = |question| matches!(&answers[question], Ok(Some(no)) if no == "false");
        let expectation = |(n, (case, draft)): (usize, (&Case, &Draft))| {
            let reading = Reading::new(draft, &answers);
            let holds = guards[n].map(|question| &answers[question]);
            let passes_domain = domains[n].is_none_or(is_false);
            Expectation {
                allowed: Allowed::of(case, reading.as_ref(), holds, passes_domain),
                stored: reading.map(|reading| reading.stored),
            }
        };
        pairs().enumerate().map(expectation).collect()
    }
}

/// Which outcomes of a case are true.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    pub applied: bool,
    pub conflict: bool,
    pub failed: bool,
}

impl Allowed {
    /// For a reading of the case's value, what the guard's question was answered, and the domain's.
    fn of(
        case: &Case,
        reading: Option<&Reading>,
        holds: Option<&Answer>,
        passes_domain: bool,
    ) -> Self {
        let only_failed = Allowed {
            failed: true,
            ..Allowed::default()
        };
        let Some(reading) = reading else {
            return only_failed;
        };
        let fits = reading.fits && passes_domain;
        let is_null = reading.stored.is_null();
        match case.used {
            Use::Insert | Use::Change if is_null => Allowed {
                applied: case.column().takes_null,
                failed: !case.column().takes_null,
                conflict: false,
            },
            Use::Insert | Use::Change => Allowed {
                applied: fits,
                failed: !(fits && reading.surely),
                conflict: false,
            },
            Use::KeyGuard | Use::TenantGuard if is_null => only_failed,
            Use::KeyGuard | Use::TenantGuard | Use::ConflictGuard => {
                // Null is asked for without the type's equality.
                if !case.column().has_equality() && !is_null {
                    return only_failed;
                }
                if fits && reading.surely && matches!(holds, Some(Err(_))) {
                    // The oracle itself can't tell: nothing passes.
                    return Allowed::default();
                }
                let holds = fits && matches!(holds, Some(Ok(Some(answer))) if answer == "true");
                Allowed {
                    applied: holds,
                    conflict: !holds,
                    failed: !(fits && reading.surely),
                }
            }
        }
    }
}
