//! What keeps write-back from working: a pause, a stop, a database that is a copy.

#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;

    use crate::error::ExtensionError;
    use crate::ledger::Ledger;
    use crate::ledger::standing::{Hold, Standing};
    use crate::poll;
    use crate::tests::shop::Shop;
    use crate::worker::control;

    fn standing() -> Standing {
        Ledger::open().unwrap().standing().unwrap()
    }

    fn code<T>(result: Result<T, ExtensionError>) -> String {
        let text = result.err().map(|error| error.to_string());
        let text = text.expect("this has to fail");
        text.split(':').next().unwrap().to_owned()
    }

    #[pg_test]
    fn a_fresh_database_is_at_home_and_nothing_holds() {
        assert_eq!(standing(), Standing::default());
        assert!(standing().require(false).is_ok());
    }

    #[pg_test]
    fn a_pause_says_who_and_since_when_and_ends_with_resume() {
        assert!(control::pause().unwrap());
        assert!(!control::pause().unwrap(), "paused already");
        let paused = standing().paused.unwrap();
        let user = Spi::get_one::<String>("SELECT session_user::text")
            .unwrap()
            .unwrap();
        assert!(paused.ends_with(&format!(", by {user}")), "{paused}");
        assert_eq!(code(poll::poll_once(None)), "PAUSED");
        assert!(standing().require(true).is_ok(), "a dry run writes nothing");
        assert!(
            standing().require_for_reports().is_ok(),
            "what was decided is told"
        );
        assert!(control::resume().unwrap());
        assert!(!control::resume().unwrap(), "not paused any more");
        assert_eq!(standing(), Standing::default());
    }

    #[pg_test]
    fn a_stop_keeps_the_worker_down_and_nothing_else() {
        assert!(control::stop().unwrap());
        assert!(!control::stop().unwrap(), "stopped already");
        assert!(standing().stopped.is_some());
        assert!(standing().require(false).is_ok());
        let shop = Shop::open();
        assert_eq!(shop.text("SELECT state FROM synapsor_status()"), "stopped");
        assert!(Ledger::open().unwrap().release(Hold::Stopped).unwrap());
    }

    fn is_paused_as_a_copy(shop: &Shop) {
        assert!(standing().is_copy);
        assert_eq!(code(poll::poll_once(None)), "DATABASE_COPIED");
        assert_eq!(code(poll::report_once()), "DATABASE_COPIED");
        assert_eq!(shop.text("SELECT state FROM synapsor_status()"), "paused");
        let reason = shop.text("SELECT reason FROM synapsor_status()");
        assert!(reason.starts_with("DATABASE_COPIED: "), "{reason}");
        assert!(control::resume().unwrap());
        assert_eq!(standing(), Standing::default());
        assert_eq!(shop.text("SELECT count(*) FROM synapsor.home"), "1");
    }

    #[pg_test]
    fn a_clone_has_the_row_of_its_origin_and_is_a_copy() {
        let shop = Shop::open();
        shop.run("UPDATE synapsor.home SET database_oid = 1");
        is_paused_as_a_copy(&shop);
    }

    #[pg_test]
    fn a_restored_dump_has_the_row_of_its_origin_beside_its_own_and_is_a_copy() {
        let shop = Shop::open();
        shop.run("INSERT INTO synapsor.home SELECT 7, database_oid FROM synapsor.home");
        is_paused_as_a_copy(&shop);
    }

    #[pg_test]
    fn a_database_that_nobody_set_up_is_taken_for_a_copy() {
        let shop = Shop::open();
        shop.run("DELETE FROM synapsor.home");
        is_paused_as_a_copy(&shop);
    }

    #[pg_test]
    fn a_dump_restored_where_it_came_from_is_no_copy() {
        let shop = Shop::open();
        shop.run("INSERT INTO synapsor.home SELECT * FROM synapsor.home");
        assert_eq!(standing(), Standing::default());
    }

    #[pg_test]
    fn without_a_worker_there_is_nobody_to_wake_and_the_status_says_how_to_get_one() {
        let shop = Shop::open();
        assert!(!control::wake().unwrap());
        assert_eq!(shop.text("SELECT state FROM synapsor_status()"), "stopped");
        let reason = shop.text("SELECT reason FROM synapsor_status()");
        assert!(reason.contains("synapsor_start_worker()"), "{reason}");
        assert_eq!(
            shop.text("SELECT worker_pid IS NULL AND last_poll_at IS NULL AND next_attempt_at IS NULL FROM synapsor_status()"),
            "true"
        );
    }

    #[pg_test]
    fn every_table_is_dumped() {
        let shop = Shop::open();
        let dumped = "SELECT string_agg(c::regclass::text, ' ' ORDER BY c::regclass::text)
            FROM pg_extension, unnest(extconfig) AS c WHERE extname = 'synapsor_writeback'";
        assert_eq!(
            shop.text(dumped),
            "synapsor.capture synapsor.hold synapsor.home synapsor.ledger"
        );
    }
}
