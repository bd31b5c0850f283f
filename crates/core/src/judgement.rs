//! What to do with a listed element, given what the ledger knows of its key: the rule that keeps anything from being applied
//! twice.

use crate::digest;
use crate::ledger::{Again, Entry};
use crate::listed::{Bad, Listed};
use crate::proposal::Proposal;
use crate::refusal::Code;

/// Which retrying proposals are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Those whose time has come.
    Due,
    /// All: somebody asks. A try ahead of its schedule does not count as an attempt.
    Now,
}

/// A listed element that has a key and an id: what it says of itself, readable or not.
#[derive(Clone, Debug)]
pub struct Subject<'p> {
    /// The key under which the ledger knows it.
    pub key: &'p str,
    /// Its id.
    pub proposal_id: &'p str,
    /// Its own idempotency key.
    pub idempotency_key: Option<&'p str>,
    /// The digest of its content.
    pub digest: String,
    /// The proposal, or what is wrong with it.
    pub content: Result<&'p Proposal, &'p Bad>,
}

/// What an element is, before the ledger is asked.
#[derive(Clone, Debug)]
pub enum Sorted<'p> {
    /// It can be decided and reported.
    Subject(Subject<'p>),
    /// Left alone: the field that says it is not ours.
    NotOurs(&'static str),
    /// It has no usable id and can't be reported: the error, and what tells it from others.
    Unusable {
        /// `CODE: culprit`
        error: String,
        /// The digest of its content.
        digest: String,
    },
}

/// What to do with a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Try it.
    Try,
    /// Its key was decided for another content: leave it alone, and say so (`WRITEBACK_IDEMPOTENCY_MISMATCH`).
    Mismatch,
    /// Its outcome is known. It is not applied again.
    Decided {
        /// Its report is due once more.
        report_again: bool,
    },
    /// It is being tried, and not now.
    NotNow,
}

/// The key under which the ledger knows an element.
pub fn key(element: &Listed) -> Option<&str> {
    match element {
        Listed::Proposal(proposal) => proposal.key(),
        Listed::Bad(bad) => bad.key(),
        Listed::NotOurs { .. } => None,
    }
}

/// Sorts an element.
pub fn sort(element: &Listed) -> Sorted<'_> {
    let subject = match element {
        Listed::NotOurs { field, .. } => return Sorted::NotOurs(field),
        Listed::Proposal(proposal) => Subject::of_proposal(proposal),
        Listed::Bad(bad) => Subject::of_bad(bad),
    };
    if let Some(subject) = subject {
        return Sorted::Subject(subject);
    }
    match element {
        Listed::Bad(bad) => Sorted::Unusable {
            error: bad.refusal.to_string(),
            digest: bad.digest.clone(),
        },
        _ => Sorted::Unusable {
            error: Code::ProposalInvalid.to_string(),
            digest: String::new(),
        },
    }
}

impl<'p> Subject<'p> {
    /// `None` without a usable id.
    pub fn of_proposal(proposal: &'p Proposal) -> Option<Self> {
        Some(Subject {
            key: proposal.key()?,
            proposal_id: proposal.proposal_id.as_deref()?,
            idempotency_key: proposal.idempotency_key.as_deref(),
            digest: digest::of_proposal(proposal),
            content: Ok(proposal),
        })
    }

    fn of_bad(bad: &'p Bad) -> Option<Self> {
        Some(Subject {
            key: bad.key()?,
            proposal_id: bad.proposal_id.as_deref()?,
            idempotency_key: bad.idempotency_key.as_deref(),
            digest: bad.digest.clone(),
            content: Err(bad),
        })
    }

    /// Judges it by what the ledger knows of its key. `is_tried` when it was tried in the same batch already.
    pub fn judge(&self, known: Option<&Entry>, retry: Retry, is_tried: bool) -> Verdict {
        let Some(entry) = known else {
            return Verdict::Try;
        };
        if entry.digest != self.digest {
            return Verdict::Mismatch;
        }
        if entry.status.is_final() {
            let is_asked_for = retry == Retry::Now && entry.report_state == "delivered";
            return Verdict::Decided {
                report_again: is_asked_for || entry.is_report_due,
            };
        }
        if (retry == Retry::Now || entry.is_due) && !is_tried {
            Verdict::Try
        } else {
            Verdict::NotNow
        }
    }

    /// Its row's report, due once more.
    pub fn again(&self) -> Again {
        Again {
            key: self.key.to_owned(),
            proposal_id: self.proposal_id.to_owned(),
            idempotency_key: self.idempotency_key.map(str::to_owned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Status;

    const TEXT: &str = r#"{"proposal_id":"p","external_schema":"s","external_table":"t"}"#;

    fn entry(status: Status, report_state: &str) -> Entry {
        let proposal = Proposal::parse(TEXT).unwrap();
        Entry {
            digest: digest::of_proposal(&proposal),
            status,
            attempts: 1,
            is_due: false,
            is_report_due: false,
            report_state: report_state.to_owned(),
            affected_rows: 0,
            operation: None,
            reason: None,
            error: None,
        }
    }

    fn judge(known: Option<&Entry>, retry: Retry, is_tried: bool) -> Verdict {
        let proposal = Proposal::parse(TEXT).unwrap();
        Subject::of_proposal(&proposal)
            .unwrap()
            .judge(known, retry, is_tried)
    }

    #[test]
    fn what_is_final_is_never_tried_again() {
        for status in [Status::Applied, Status::Conflict, Status::Failed] {
            for state in ["pending", "delivered", "rejected"] {
                for retry in [Retry::Due, Retry::Now] {
                    let verdict = judge(Some(&entry(status, state)), retry, false);
                    let report_again = retry == Retry::Now && state == "delivered";
                    assert_eq!(verdict, Verdict::Decided { report_again });
                }
            }
        }
    }

    #[test]
    fn the_same_key_with_another_content_is_left_alone() {
        let mut known = entry(Status::Retrying, "");
        known.digest.push('x');
        known.is_due = true;
        assert_eq!(judge(Some(&known), Retry::Now, false), Verdict::Mismatch);
    }

    #[test]
    fn what_is_being_tried_waits_for_its_time_unless_somebody_asks() {
        let mut known = entry(Status::Retrying, "");
        assert_eq!(judge(Some(&known), Retry::Due, false), Verdict::NotNow);
        assert_eq!(judge(Some(&known), Retry::Now, false), Verdict::Try);
        assert_eq!(judge(Some(&known), Retry::Now, true), Verdict::NotNow);
        known.is_due = true;
        assert_eq!(judge(Some(&known), Retry::Due, false), Verdict::Try);
        assert_eq!(judge(None, Retry::Due, false), Verdict::Try);
    }
}
