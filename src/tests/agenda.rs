//! What a worker sees in its one look at what there is to do.

#[pgrx::pg_schema]
mod tests {
    use std::time::Duration;

    use pgrx::prelude::*;

    use crate::ledger::Ledger;
    use crate::ledger::agenda::Agenda;
    use crate::ledger::standing::Standing;
    use crate::tests::change::close;
    use crate::tests::shop::Shop;

    const MINUTE: Duration = Duration::from_secs(60);

    /// What there is to do, where the last poll began so long ago.
    fn agenda(since_last_poll: Duration) -> Agenda {
        Ledger::open().unwrap().agenda(since_last_poll).unwrap()
    }

    /// A ledger with a report that is owed and a proposal that is being tried, and with one of each that wait for an hour.
    fn with_work() -> Shop {
        let shop = Shop::with_tickets();
        shop.poll(&[close(1).id("done"), close(3).id("done later")]);
        shop.trigger(
            "BEFORE UPDATE",
            "tickets",
            "RAISE EXCEPTION 'x' USING ERRCODE = '40001';",
        );
        shop.poll(&[close(2).id("trying"), close(2).id("trying later")]);
        shop.run(
            "UPDATE synapsor.ledger SET next_report_at = next_report_at + interval '1 hour',
                 next_attempt_at = next_attempt_at + interval '1 hour' WHERE key LIKE '% later'",
        );
        shop
    }

    #[pg_test]
    fn a_fresh_database_has_nothing_to_do() {
        let shop = Shop::open();
        let agenda = agenda(MINUTE);
        assert_eq!(agenda.standing, Standing::default());
        assert_eq!(
            agenda.version,
            shop.text("SELECT extversion FROM pg_extension WHERE extname = 'synapsor_writeback'")
        );
        assert_eq!(agenda.next_report_in, None);
        assert_eq!(agenda.next_attempt_in, None);
    }

    #[pg_test]
    fn what_keeps_a_worker_from_its_work_is_on_the_agenda() {
        let shop = Shop::open();
        shop.run(
            "UPDATE synapsor.home SET database_oid = 1;
             SELECT synapsor_pause(); SELECT synapsor_stop_worker();",
        );
        let standing = Ledger::open().unwrap().standing().unwrap();
        assert!(standing.is_copy && standing.paused.is_some() && standing.stopped.is_some());
        assert_eq!(agenda(MINUTE).standing, standing);
    }

    #[pg_test]
    fn the_next_report_is_due_at_once_or_when_it_was_put_off_to() {
        let shop = with_work();
        assert_eq!(agenda(MINUTE).next_report_in, Some(Duration::ZERO));
        shop.run("UPDATE synapsor.ledger SET next_report_at = clock_timestamp() + interval '1 minute' WHERE key LIKE '%/done'");
        let wait = agenda(MINUTE).next_report_in.unwrap();
        assert!(wait > MINUTE / 2 && wait <= MINUTE, "{wait:?}");
        shop.run(
            "UPDATE synapsor.ledger SET report_state = 'delivered' WHERE report_state = 'pending'",
        );
        assert_eq!(agenda(MINUTE).next_report_in, None);
    }

    #[pg_test]
    fn the_next_attempt_is_one_that_has_not_had_its_turn_at_the_last_poll() {
        let shop = with_work();
        let due_in = |seconds: i32| {
            shop.run(&format!(
                "UPDATE synapsor.ledger SET next_attempt_at = clock_timestamp() + interval '{seconds} s' WHERE key LIKE '%/trying'"
            ));
        };
        due_in(60);
        let wait = agenda(Duration::ZERO).next_attempt_in.unwrap();
        assert!(wait > MINUTE / 2 && wait <= MINUTE, "{wait:?}");
        due_in(-60);
        assert_eq!(agenda(2 * MINUTE).next_attempt_in, Some(Duration::ZERO));
        let other = agenda(MINUTE / 2).next_attempt_in.unwrap();
        assert!(other > 59 * MINUTE, "{other:?}");
    }
}
