//! Whose transactions a piece of work runs in: the caller's, a procedure's, or a worker's own. Work that waits on the
//! network in between runs outside of them, where there is a choice.

use pgrx::pg_sys;

/// Begins and ends transactions.
pub trait Transactions {
    /// Before a step that needs a transaction.
    fn begin(&self);
    /// After it: what the step did is committed.
    fn commit(&self);
    /// After a step that failed: what it did is not committed, now or later.
    fn abort(&self);
    /// After a step with nothing in it that has to last: commits without a wait for a disk or a standby.
    fn commit_lazily(&self);
    /// True where an error ends the transaction, and the process goes on with another (see [`super::recovery`]).
    fn can_recover(&self) -> bool {
        false
    }
    /// The same for a step that waits: without a snapshot, which would keep vacuum from its work meanwhile.
    fn for_waiting(&self) -> &dyn Transactions;
}

/// Runs a step in a transaction. Nothing of a step that fails is committed, be it by an error that it returns or by one
/// that it raises.
///
/// What the step allocates from Postgres is freed with it: a procedure's own memory lives as long as its CALL.
pub fn within<T, E>(
    transactions: &dyn Transactions,
    step: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    run(transactions, step, |transactions| transactions.commit())
}

/// As [`within`], for a step with nothing in it that has to last: one that only reads, and locks for as long as that takes,
/// or what would merely be done again.
pub fn lightly_within<T, E>(
    transactions: &dyn Transactions,
    step: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    run(transactions, step, |transactions| {
        transactions.commit_lazily();
    })
}

fn run<T, E>(
    transactions: &dyn Transactions,
    step: impl FnOnce() -> Result<T, E>,
    end: impl FnOnce(&dyn Transactions),
) -> Result<T, E> {
    transactions.begin();
    let scratch = Scratch::open();
    let result = step();
    drop(scratch);
    match &result {
        Ok(_) => end(transactions),
        Err(_) => transactions.abort(),
    }
    result
}

/// The transaction of whoever called us, which is his to end. An error is raised, and aborts it.
pub struct CallersTransaction;

impl Transactions for CallersTransaction {
    fn begin(&self) {}
    fn commit(&self) {}
    fn abort(&self) {}
    fn commit_lazily(&self) {}
    fn for_waiting(&self) -> &dyn Transactions {
        self
    }
}

/// A background worker's own, for waiting.
pub struct WorkersWaits;

impl Transactions for WorkersWaits {
    fn begin(&self) {
        // SAFETY: outside any transaction, on the main thread.
        unsafe { pg_sys::StartTransactionCommand() };
    }

    fn commit(&self) {
        // SAFETY: pairs with `begin`.
        unsafe { pg_sys::CommitTransactionCommand() };
    }

    fn abort(&self) {
        // SAFETY: pairs with `begin`.
        unsafe { pg_sys::AbortCurrentTransaction() };
    }

    fn commit_lazily(&self) {
        self.commit();
    }

    fn for_waiting(&self) -> &dyn Transactions {
        self
    }
}

/// A background worker's own.
pub struct WorkersTransactions;

impl Transactions for WorkersTransactions {
    fn can_recover(&self) -> bool {
        true
    }

    fn begin(&self) {
        // SAFETY: outside any transaction, on the main thread.
        unsafe {
            pg_sys::SetCurrentStatementStartTimestamp();
            pg_sys::StartTransactionCommand();
            pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        }
    }

    fn commit(&self) {
        // SAFETY: pairs with `begin`.
        unsafe {
            pg_sys::PopActiveSnapshot();
            pg_sys::CommitTransactionCommand();
        }
    }

    fn abort(&self) {
        // SAFETY: pairs with `begin`; the snapshot goes with the transaction.
        unsafe { pg_sys::AbortCurrentTransaction() };
    }

    fn commit_lazily(&self) {
        wait_for_nothing();
        self.commit();
    }

    fn for_waiting(&self) -> &dyn Transactions {
        &WorkersWaits
    }
}

/// Those of a CALL that may commit. While it lives, an SPI connection that allows that is open.
pub struct ProceduresTransactions(());

impl ProceduresTransactions {
    /// Opens them; `None` when the CALL stands in a transaction block or in a function, where it can't commit.
    pub fn open(fcinfo: pg_sys::FunctionCallInfo) -> Option<Self> {
        // SAFETY: Postgres passes a CallContext node as the context of a CALL, and none or another elsewhere.
        let is_atomic = unsafe {
            let context = (*fcinfo).context;
            context.is_null()
                || (*context).type_ != pg_sys::NodeTag::T_CallContext
                || (*context.cast::<pg_sys::CallContext>()).atomic
        };
        if is_atomic {
            return None;
        }
        // SAFETY: paired with SPI_finish in the drop.
        unsafe { pg_sys::SPI_connect_ext(pg_sys::SPI_OPT_NONATOMIC as i32) };
        Some(ProceduresTransactions(()))
    }
}

impl Transactions for ProceduresTransactions {
    /// Postgres has begun it already, without a snapshot.
    fn begin(&self) {
        // SAFETY: inside the transaction, on the main thread.
        unsafe { pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot()) };
    }

    /// The CALL ends with the error, which aborts it.
    fn abort(&self) {}

    fn commit(&self) {
        // SAFETY: pops what `begin` pushed; our own non-atomic connection is the innermost one again.
        unsafe {
            pg_sys::PopActiveSnapshot();
            pg_sys::SPI_commit();
        }
    }

    fn commit_lazily(&self) {
        wait_for_nothing();
        self.commit();
    }

    fn for_waiting(&self) -> &dyn Transactions {
        &ProceduresWaits
    }
}

/// A procedure's, for waiting, while its [`ProceduresTransactions`] are open.
struct ProceduresWaits;

impl Transactions for ProceduresWaits {
    fn begin(&self) {}
    fn abort(&self) {}
    fn commit_lazily(&self) {
        self.commit();
    }

    fn commit(&self) {
        // SAFETY: the non-atomic connection of `ProceduresTransactions::open` is the innermost one.
        unsafe { pg_sys::SPI_commit() };
    }

    fn for_waiting(&self) -> &dyn Transactions {
        self
    }
}

impl Drop for ProceduresTransactions {
    fn drop(&mut self) {
        // SAFETY: closes the connection of `open`.
        unsafe { pg_sys::SPI_finish() };
    }
}

/// A snapshot of now, active as long as it lives.
pub struct FreshSnapshot(());

impl FreshSnapshot {
    /// Takes it, inside a transaction.
    pub fn take() -> Self {
        // SAFETY: popped in the drop, as snapshots nest like a stack.
        unsafe { pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot()) };
        FreshSnapshot(())
    }
}

impl Drop for FreshSnapshot {
    fn drop(&mut self) {
        // While an error unwinds, others may lie on top of it; ending the transaction takes them all away.
        if !std::thread::panicking() {
            // SAFETY: pairs with `take`.
            unsafe { pg_sys::PopActiveSnapshot() };
        }
    }
}

/// `SET LOCAL synchronous_commit = off`: for a transaction with nothing in it that has to last.
fn wait_for_nothing() {
    // SAFETY: constants; the value goes with the transaction.
    unsafe {
        pg_sys::set_config_option(
            c"synchronous_commit".as_ptr(),
            c"off".as_ptr(),
            pg_sys::GucContext::PGC_USERSET,
            pg_sys::GucSource::PGC_S_SESSION,
            pg_sys::GucAction::GUC_ACTION_LOCAL,
            true,
            0,
            false,
        );
    }
}

/// A memory context for one step.
struct Scratch {
    context: pg_sys::MemoryContext,
    before: pg_sys::MemoryContext,
}

impl Scratch {
    fn open() -> Self {
        // SAFETY: a child of the current context, and so gone with it at the latest; the name is a constant.
        unsafe {
            let before = pg_sys::CurrentMemoryContext;
            let context = pg_sys::AllocSetContextCreateInternal(
                before,
                c"synapsor_writeback step".as_ptr(),
                pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
            );
            pg_sys::MemoryContextSwitchTo(context);
            Scratch { context, before }
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // SAFETY: nothing of the step's outlives it; also when an error unwinds, the current context is put back first.
        unsafe {
            pg_sys::MemoryContextSwitchTo(self.before);
            pg_sys::MemoryContextDelete(self.context);
        }
    }
}
