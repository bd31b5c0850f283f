//! Whom a batch leaves waiting: what fails for a passing reason must not keep the others from their turn.

#[pgrx::pg_schema]
mod tests {
    use std::time::Duration;

    use pgrx::prelude::*;
    use synapsor_core::judgement::Retry;
    use synapsor_core::outcome::Status;
    use synapsor_core::proposal::Proposal;

    use crate::apply::watch::Spoiled;
    use crate::apply::{Applier, failure};
    use crate::batch::Done;
    use crate::tests::change::{Change, close};
    use crate::tests::shop::Shop;

    /// Tickets of which the second is locked, as it were, for ever.
    fn with_a_locked_ticket() -> Shop {
        let shop = Shop::with_tickets();
        shop.trigger(
            "BEFORE UPDATE",
            "tickets",
            "IF NEW.id = 2 THEN RAISE EXCEPTION 'locked' USING ERRCODE = '55P03'; END IF;",
        );
        shop
    }

    fn ticket(id: i32) -> Change {
        close(id).id(&id.to_string())
    }

    /// A batch that waits no more once it has waited in vain.
    fn impatient(shop: &Shop, tickets: &[i32]) -> Done {
        let list: Vec<_> = tickets
            .iter()
            .map(|id| ticket(*id).json(&shop.schema))
            .collect();
        shop.poll_with_patience(Duration::ZERO, &list, Retry::Now, false)
    }

    fn statuses(done: &Done) -> Vec<&str> {
        done.results
            .iter()
            .map(|result| result["status"].as_str().unwrap())
            .collect()
    }

    #[pg_test]
    fn a_wait_in_vain_ends_an_impatient_batch_and_the_rest_is_left() {
        let shop = with_a_locked_ticket();
        let done = impatient(&shop, &[1, 2, 3]);
        assert_eq!(statuses(&done), ["applied", "retrying", "skipped"]);
        assert_eq!(done.left, [2]);
        let why = done.results[2]["reason"].as_str().unwrap();
        assert!(why.starts_with("not tried: "), "{why}");
        assert_eq!(shop.ledger("3", "key"), "NULL");
    }

    #[pg_test]
    fn a_batch_with_patience_tries_everything() {
        let shop = with_a_locked_ticket();
        let list = [1, 2, 3].map(|id| ticket(id).json(&shop.schema));
        let done = shop.poll_with_patience(Duration::from_secs(60), &list, Retry::Now, false);
        assert_eq!(statuses(&done), ["applied", "retrying", "applied"]);
        assert!(done.left.is_empty());
    }

    #[pg_test]
    fn what_has_waited_in_vain_before_comes_last() {
        let shop = with_a_locked_ticket();
        impatient(&shop, &[2]);
        let done = impatient(&shop, &[2, 1, 3]);
        assert_eq!(statuses(&done), ["retrying", "applied", "applied"]);
        assert!(done.left.is_empty());
    }

    #[pg_test]
    fn what_is_left_keeps_the_order_of_the_list() {
        let shop = with_a_locked_ticket();
        impatient(&shop, &[2]);
        let list = [ticket(2), ticket(2).id("again"), ticket(3)].map(|c| c.json(&shop.schema));
        let done = shop.poll_with_patience(Duration::ZERO, &list, Retry::Now, false);
        assert_eq!(done.left, [0, 2]);
    }

    #[pg_test]
    fn what_spoils_its_transaction_is_not_tried_in_it_and_comes_again() {
        let shop = Shop::with_tickets();
        let proposal = Proposal::parse(&close(1).json(&shop.schema)).unwrap();
        let spoiled = Spoiled(failure::of_sqlstate("40001", &[]));
        let decision = shop.with_applier(false, |_, applier| {
            let watch = &spoiled;
            Applier { watch, ..*applier }.begin().apply(&proposal)
        });
        assert_eq!(decision.status, Status::Retrying);
        assert_eq!(decision.failure.unwrap().error, spoiled.0.error);
        let status = shop.text("SELECT status FROM tickets WHERE id = 1");
        assert_eq!(status, "open");
    }
}
