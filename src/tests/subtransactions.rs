//! The wrapper around a piece of work: what fails in it is undone, and the backend is as it was.

#[pgrx::pg_schema]
mod tests {
    use pgrx::{pg_sys, prelude::*};

    use crate::pg::error::PgError;
    use crate::pg::subtransaction::{self, Ending};
    use crate::tests::shop::Shop;

    fn run(sql: &str) -> Result<(), PgError> {
        let work = || Ending::Keep(Spi::run(sql));
        subtransaction::run(work, |_| false).map(|ran| ran.unwrap())
    }

    /// What a subtransaction must put back.
    fn state() -> (pg_sys::MemoryContext, pg_sys::ResourceOwner, i32) {
        // SAFETY: plain reads.
        unsafe {
            (
                pg_sys::CurrentMemoryContext,
                pg_sys::CurrentResourceOwner,
                pg_sys::GetCurrentTransactionNestLevel(),
            )
        }
    }

    fn with_keys() -> Shop {
        let shop = Shop::open();
        shop.run("CREATE TABLE keys (id int CONSTRAINT keys_unique PRIMARY KEY)");
        shop
    }

    #[pg_test]
    fn half_of_a_failed_statement_does_not_stay() {
        let shop = with_keys();
        let error = run("INSERT INTO keys VALUES (1), (2), (2)").expect_err("a duplicate");
        assert_eq!(error.sqlstate, "23505");
        assert_eq!(error.constraint.as_deref(), Some("keys_unique"));
        assert_eq!(
            error.detail.as_deref(),
            Some("Key (id)=(2) already exists.")
        );
        assert_eq!(shop.rows("keys"), "NULL");
        run("INSERT INTO keys VALUES (1), (2)").unwrap();
        assert_eq!(shop.rows("keys"), "(1) (2)");
    }

    #[pg_test]
    fn a_thousand_failures_leave_the_backend_as_it_was() {
        let shop = with_keys();
        shop.run("INSERT INTO keys VALUES (0)");
        let before = state();
        for n in 0..1_000 {
            run(&format!("INSERT INTO keys VALUES ({}), (0)", n + 1)).expect_err("a duplicate");
            assert_eq!(state(), before);
            run(&format!("INSERT INTO keys VALUES (-{n} - 1)")).unwrap();
            assert_eq!(state(), before);
        }
        assert_eq!(
            shop.text("SELECT count(*) || ' ' || max(id) FROM keys"),
            "1001 0"
        );
    }

    #[pg_test]
    fn memory_does_not_grow_with_failures() {
        let shop = with_keys();
        shop.run("INSERT INTO keys VALUES (0)");
        let fail = |times| {
            for _ in 0..times {
                run("INSERT INTO keys VALUES (0)").expect_err("a duplicate");
            }
            shop.value::<i64>("SELECT sum(total_bytes)::bigint FROM pg_backend_memory_contexts")
                .unwrap()
        };
        let (early, late) = (fail(200), fail(2_000));
        assert!(late < early + 1_000_000, "{early} bytes, then {late}");
    }

    #[pg_test]
    fn they_nest() {
        let shop = with_keys();
        let before = state();
        let kept: Result<Result<(), PgError>, PgError> = subtransaction::run(
            || {
                shop.run("INSERT INTO keys VALUES (1)");
                let failed = run("INSERT INTO keys VALUES (2), (1)");
                shop.run("INSERT INTO keys VALUES (3)");
                Ending::Keep(failed)
            },
            |_| false,
        );
        assert_eq!(kept.unwrap().expect_err("a duplicate").sqlstate, "23505");
        assert_eq!(shop.rows("keys"), "(1) (3)");
        let undone = subtransaction::run(
            || {
                run("INSERT INTO keys VALUES (4)").unwrap();
                shop.run("INSERT INTO keys VALUES (1)");
                Ending::Keep(())
            },
            |_| false,
        );
        assert_eq!(undone.expect_err("a duplicate").sqlstate, "23505");
        assert_eq!(shop.rows("keys"), "(1) (3)");
        assert_eq!(state(), before);
    }

    #[pg_test]
    fn what_is_undone_on_purpose_leaves_nothing() {
        let shop = with_keys();
        let before = state();
        let value = subtransaction::run(
            || {
                shop.run("INSERT INTO keys VALUES (1)");
                Ending::Undo(shop.rows("keys"))
            },
            |_| false,
        );
        assert_eq!(value.unwrap(), "(1)");
        assert_eq!(shop.rows("keys"), "NULL");
        assert_eq!(state(), before);
    }

    #[pg_test]
    fn an_error_after_notices_keeps_its_own_names() {
        let shop = with_keys();
        shop.run("INSERT INTO keys VALUES (1)");
        shop.trigger(
            "BEFORE INSERT",
            "keys",
            "RAISE NOTICE 'n' USING CONSTRAINT = 'another', COLUMN = 'another', DATATYPE = 'another';
             BEGIN PERFORM 1 / 0; EXCEPTION WHEN division_by_zero THEN
                 RAISE WARNING 'caught' USING CONSTRAINT = 'another'; END;",
        );
        let error = run("INSERT INTO keys VALUES (1)").expect_err("a duplicate");
        assert_eq!(error.constraint.as_deref(), Some("keys_unique"));
        assert_eq!((error.column, error.data_type), (None, None));
        assert!(run("INSERT INTO keys VALUES (2)").is_ok());
    }

    #[pg_test]
    fn an_error_that_a_trigger_caught_does_not_lend_its_names_to_the_next() {
        let shop = with_keys();
        shop.run("INSERT INTO keys VALUES (1)");
        let error = run("DO $$ BEGIN
                 BEGIN INSERT INTO keys VALUES (1); EXCEPTION WHEN unique_violation THEN NULL; END;
                 RAISE EXCEPTION 'mine' USING ERRCODE = 'AB001';
             END $$")
        .expect_err("raised");
        assert_eq!((error.sqlstate.as_str(), error.constraint), ("AB001", None));
        assert_eq!(error.message, "mine");
    }

    #[pg_test]
    fn settings_and_locks_of_failed_work_are_undone() {
        let shop = with_keys();
        let locks = "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND mode = 'AccessExclusiveLock' AND relation = 'pg_attrdef'::regclass";
        run("SET work_mem = '77MB'; LOCK TABLE pg_attrdef IN ACCESS EXCLUSIVE MODE; SELECT 1 / 0")
            .expect_err("a division by zero");
        assert_eq!(shop.text(locks), "0");
        assert_ne!(shop.text("current_setting('work_mem')"), "77MB");
    }

    #[pg_test(error = "a bug of ours")]
    fn a_bug_of_ours_is_not_swallowed() {
        let bug = || -> Ending<()> { panic!("a bug of ours") };
        let caught = subtransaction::run(bug, |_| true);
        unreachable!("{:?}", caught.is_ok());
    }

    #[pg_test]
    fn a_cancel_is_raised_again_unless_it_is_ours() {
        let cancel = "SELECT pg_cancel_backend(pg_backend_pid()); SELECT pg_sleep(30);";
        let work = || Ending::Keep(Spi::run(cancel));
        let claimed = subtransaction::run(work, |error| error.sqlstate == "57014");
        assert_eq!(claimed.expect_err("claimed").sqlstate, "57014");
        let outer = subtransaction::run(
            || Ending::Keep(subtransaction::run(work, |_| false).is_ok()),
            |_| true,
        );
        let message = outer.expect_err("raised again").message;
        assert_eq!(message, "canceling statement due to user request");
    }

    #[pg_test]
    fn an_error_that_borrows_a_cancels_code_is_no_cancel() {
        let raised = run("DO $$ BEGIN RAISE EXCEPTION 'stop' USING ERRCODE = '57014'; END $$");
        assert_eq!(raised.expect_err("raised").message, "stop");
    }
}
