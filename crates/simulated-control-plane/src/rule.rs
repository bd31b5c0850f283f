//! Rules: which requests meet which fault.

use serde::Serialize;

use crate::endpoint::{Call, Endpoint};
use crate::fault::Fault;

/// A fault, and the requests that meet it. Of several rules that match, the first injected one
/// that is not used up wins, so that a sequence of rules is a sequence of faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    calls: Calls,
    proposal_id: Option<String>,
    skip: u64,
    times: Option<u64>,
    fault: Fault,
}

/// Names an injected rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct RuleId(u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Calls {
    Any,
    Sources,
    Only(Endpoint),
}

impl Rule {
    /// The fault on every call of one kind.
    #[must_use]
    pub fn on(endpoint: Endpoint, fault: Fault) -> Self {
        Self::of(Calls::Only(endpoint), fault)
    }

    /// The fault on every source call.
    #[must_use]
    pub fn on_sources(fault: Fault) -> Self {
        Self::of(Calls::Sources, fault)
    }

    /// The fault on every call.
    #[must_use]
    pub fn on_any(fault: Fault) -> Self {
        Self::of(Calls::Any, fault)
    }

    fn of(calls: Calls, fault: Fault) -> Self {
        Self {
            calls,
            proposal_id: None,
            skip: 0,
            times: None,
            fault,
        }
    }

    /// Only on reports about this proposal.
    #[must_use]
    pub fn for_proposal(mut self, id: impl Into<String>) -> Self {
        self.proposal_id = Some(id.into());
        self
    }

    /// Lets the first `skip` requests through.
    #[must_use]
    pub fn skip(mut self, skip: u64) -> Self {
        self.skip = skip;
        self
    }

    /// Is used up after so many requests; without this, it holds for ever.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    fn matches(&self, call: &Call) -> bool {
        let kind = match self.calls {
            Calls::Any => true,
            Calls::Sources => call.endpoint.is_source_call(),
            Calls::Only(endpoint) => call.endpoint == endpoint,
        };
        let about = |id: &String| call.endpoint == Endpoint::Report && call.id == *id;
        kind && self.proposal_id.as_ref().is_none_or(about)
    }
}

/// An injected rule, and how far it is used up.
#[derive(Debug)]
pub(crate) struct Injected {
    pub(crate) id: RuleId,
    rule: Rule,
    skipped: u64,
    pub(crate) applied: u64,
}

impl Injected {
    pub(crate) fn fault(&self) -> &Fault {
        &self.rule.fault
    }

    pub(crate) fn left(&self) -> Option<u64> {
        Some(self.rule.times?.saturating_sub(self.applied))
    }

    /// The fault, if this request is one that meets it. Counts the request.
    fn meet(&mut self, call: &Call) -> Option<Fault> {
        if self.left() == Some(0) || !self.rule.matches(call) {
            return None;
        }
        if self.skipped < self.rule.skip {
            self.skipped += 1;
            return None;
        }
        self.applied += 1;
        Some(self.rule.fault.clone())
    }
}

#[derive(Debug, Default)]
pub(crate) struct Rules {
    injected: Vec<Injected>,
    last_id: u64,
}

impl Rules {
    pub(crate) fn inject(&mut self, rule: Rule) -> RuleId {
        self.last_id += 1;
        let id = RuleId(self.last_id);
        self.injected.push(Injected {
            id,
            rule,
            skipped: 0,
            applied: 0,
        });
        id
    }

    pub(crate) fn withdraw(&mut self, id: RuleId) {
        self.injected.retain(|injected| injected.id != id);
    }

    pub(crate) fn clear(&mut self) {
        self.injected.clear();
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Injected> {
        self.injected.iter()
    }

    pub(crate) fn fault_for(&mut self, call: &Call) -> Option<Fault> {
        self.injected
            .iter_mut()
            .find_map(|injected| injected.meet(call))
    }
}

impl From<u64> for RuleId {
    fn from(number: u64) -> Self {
        Self(number)
    }
}
