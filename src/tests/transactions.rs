//! Steps and the transactions that they run in.

#[pgrx::pg_schema]
mod tests {
    use std::cell::RefCell;

    use pgrx::prelude::*;

    use crate::pg::transactions::{Transactions, within};

    /// Writes down what it is asked for.
    #[derive(Default)]
    struct Witness(RefCell<Vec<&'static str>>);

    impl Transactions for Witness {
        fn commit_lazily(&self) {}

        fn for_waiting(&self) -> &dyn Transactions {
            self
        }

        fn begin(&self) {
            self.0.borrow_mut().push("begin");
        }

        fn commit(&self) {
            self.0.borrow_mut().push("commit");
        }

        fn abort(&self) {
            self.0.borrow_mut().push("abort");
        }
    }

    #[pg_test]
    fn a_step_that_fails_is_not_committed() {
        let witness = Witness::default();
        assert_eq!(within(&witness, || Ok::<_, ()>(7)), Ok(7));
        assert_eq!(within(&witness, || Err::<(), _>("no")), Err("no"));
        assert_eq!(*witness.0.borrow(), ["begin", "commit", "begin", "abort"]);
    }

    #[pg_test]
    fn what_a_step_allocates_is_freed_with_it() {
        // SAFETY: allocated in the step's context, and not used after it.
        let context = || unsafe {
            pg_sys::palloc(1024);
            pg_sys::CurrentMemoryContext
        };
        // SAFETY: a plain read.
        let before = unsafe { pg_sys::CurrentMemoryContext };
        let inside = within(&Witness::default(), || Ok::<_, ()>(context())).unwrap();
        assert_ne!(inside, before);
        // SAFETY: a plain read.
        assert_eq!(unsafe { pg_sys::CurrentMemoryContext }, before);
    }
}
