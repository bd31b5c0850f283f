//! What the operator may demand of every proposal.

#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;

    use crate::tests::change::{delete, insert, text, update};
    use crate::tests::shop::Shop;

    #[pg_test]
    fn a_demanded_tenant_guard_is_demanded_of_every_operation() {
        let shop = Shop::with_tickets();
        shop.set("synapsor.require_tenant_guard", "on");
        let changes = [
            update("tickets").key("id", 1).set("status", text("x")),
            delete("tickets").key("id", 2),
            insert("tickets").set("id", 9),
        ];
        for change in changes {
            let error = shop.failed(&change);
            assert_eq!(error, "WRITEBACK_TENANT_GUARD_REQUIRED");
            shop.applied(&change.tenant("tenant_id", text("acme")));
        }
    }

    #[pg_test]
    fn a_demanded_conflict_guard_is_demanded_where_there_is_a_row_to_conflict_with() {
        let shop = Shop::with_tickets();
        shop.set("synapsor.require_conflict_guard", "on");
        let changes = [
            update("tickets").key("id", 1).set("status", text("x")),
            delete("tickets").key("id", 2),
        ];
        for change in changes {
            let error = shop.failed(&change);
            assert_eq!(error, "WRITEBACK_CONFLICT_GUARD_REQUIRED");
            shop.applied(&change.conflict("version", 1));
        }
        shop.applied(&insert("tickets").set("id", 9));
    }
}
