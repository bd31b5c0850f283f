//! The steps of a proposal's transaction and of marking its report, each a moment at which the program can be held.

use synapsor_mysql_testbed::{Proxy, wait_for};

use crate::agreement::Deed;
use crate::program::{PATIENCE, Running};
use crate::stage::Stage;

/// The commit, among the texts of statements: others have the word in them, too.
pub const COMMIT: &str = "COMMIT";

/// A moment: just before the server sees a statement with this text in it, or just after it has answered.
#[derive(Clone, Debug)]
pub enum Step {
    Before(String),
    After(String),
}

impl Step {
    /// Has the proxy hold the connection at this step.
    pub fn hold(&self, proxy: &Proxy) {
        match self {
            Step::Before(text) if text == COMMIT => proxy.freeze_before_commit(),
            Step::After(text) if text == COMMIT => proxy.freeze_after_commit(),
            Step::Before(text) => proxy.freeze_before_statement(text),
            Step::After(text) => proxy.freeze_after_statement(text),
        }
    }

    /// Has the proxy cut the connection at this step.
    pub fn cut(&self, proxy: &Proxy) {
        match self {
            Step::Before(text) if text == COMMIT => proxy.cut_before_commit(),
            Step::After(text) if text == COMMIT => proxy.cut_after_commit(),
            Step::Before(text) => proxy.cut_before_statement(text),
            Step::After(text) => proxy.cut_after_statement(text),
        }
    }
}

/// The steps of a proposal's transaction, in order. It begins in one message with the claim.
pub fn of_applying(stage: &Stage, deed: Deed) -> Vec<Step> {
    let (statement, look) = (statement(stage, deed), "LIMIT 2");
    let mut statements = vec![".ledger (key_hash"];
    match deed {
        // The tenant of the new row is looked at afterwards.
        Deed::Open => statements.extend([statement.as_str(), look]),
        Deed::Close | Deed::Remove => statements.extend([look, &statement]),
    }
    statements.extend(["SET next_attempt_at = ", COMMIT]);
    around(&statements)
}

/// The steps at which a receipt is read that there was before, of a proposal that is tried again.
pub fn of_trying_again() -> Vec<Step> {
    around(&["SELECT `key`, proposal_digest"])
}

/// The steps of marking a report that was accepted. The COMMIT is the second one of a poll.
pub fn of_marking() -> [Step; 2] {
    let text = "SET report_state = 'delivered'".to_owned();
    [Step::Before(text.clone()), Step::After(text)]
}

/// The proposal's own statement.
pub fn statement(stage: &Stage, deed: Deed) -> String {
    let verb = match deed {
        Deed::Close => "UPDATE",
        Deed::Open => "INSERT INTO",
        Deed::Remove => "DELETE FROM",
    };
    format!("{verb} `{}`.`tickets`", stage.shop.name())
}

fn around(statements: &[&str]) -> Vec<Step> {
    let both = |text: &&str| {
        [
            Step::Before((*text).to_owned()),
            Step::After((*text).to_owned()),
        ]
    };
    statements.iter().flat_map(both).collect()
}

/// A poll that a proxy holds at a step.
pub fn poll_held_at(stage: &Stage, proxy: &Proxy, step: &Step) -> Running {
    poll_with_held_at(stage, &[], proxy, step)
}

/// As [`poll_held_at`], with flags.
pub fn poll_with_held_at(stage: &Stage, flags: &[&str], proxy: &Proxy, step: &Step) -> Running {
    step.hold(proxy);
    let held_before = proxy.holds();
    let arguments = [&["poll-once"], flags].concat();
    let poll = Running::start(&mut stage.program(&arguments));
    wait_until_held(proxy, held_before + 1, step);
    poll
}

/// Waits until the proxy has held connections so often.
pub fn wait_until_held(proxy: &Proxy, times: usize, step: &Step) {
    let is_held = || proxy.holds() == times;
    wait_for(&format!("held at {step:?}"), PATIENCE, is_held);
}
