//! Watching over proposals whose own code (a trigger's, a default's) ends more than their statement: the commit of the
//! transaction that they are in, or the process that applies them. Such a one must not keep the others from their turn.

use synapsor_core::builder::Statement;

use super::Failure;

/// Is told which proposal is tried, and may object.
pub trait Watch {
    /// The proposal with this key is about to be tried; `None`: it has been, and nothing happened to us.
    fn trying(&self, key: Option<&str>);
    /// The transaction ended while something was tried, and nobody else is to blame so far.
    fn interrupted(&self);
    /// Why it is not tried this time; to be written down as a failure that may pass.
    fn objection(&self, key: &str) -> Option<Failure>;
    /// Its statement is about to run: as the apply role, within what is undone should it fail.
    fn before(&self, _: &Statement<'_>) {}
    /// Its statement has run, and done what it should.
    fn after(&self, _: &Statement<'_>) {}
}

/// Watches nothing.
pub struct Unwatched;

impl Watch for Unwatched {
    fn trying(&self, _: Option<&str>) {}
    fn interrupted(&self) {}
    fn objection(&self, _: &str) -> Option<Failure> {
        None
    }
}

/// Objects to what is alone in a transaction that could not be committed with it.
pub struct Spoiled(pub Failure);

impl Watch for Spoiled {
    fn trying(&self, _: Option<&str>) {}
    fn interrupted(&self) {}
    fn objection(&self, _: &str) -> Option<Failure> {
        Some(self.0.clone())
    }
}
