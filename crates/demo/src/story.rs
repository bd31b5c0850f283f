//! The proposals of the demo, and what each is there to show.

use synapsor_testbed::{Proposal, exact};

/// One proposal, and what a person should know about it.
pub struct Scene {
    /// What it is about.
    pub caption: &'static str,
    /// What the control plane lists.
    pub proposal: Proposal,
}

/// Happens in the database after the proposals were made, and before they are applied: what makes one of them stale.
pub const MEANWHILE: &str = "UPDATE tickets SET status = 'pending', version = 2 WHERE id = 2";

/// All scenes, in the order of the list.
pub fn scenes() -> Vec<Scene> {
    let mut scenes = good();
    scenes.extend(bad());
    scenes
}

/// What is approved last, for the worker.
pub fn later(id: &str) -> Proposal {
    Proposal::update("tickets")
        .id(id)
        .key("id", 2)
        .tenant("tenant_id", "acme")
        .conflict("version", 2)
        .change("status", "closed")
}

fn good() -> Vec<Scene> {
    vec![
        scene(
            "close a ticket",
            Proposal::update("tickets")
                .id("wrp_close")
                .key("id", 1)
                .tenant("tenant_id", "acme")
                .conflict("version", 1)
                .change("status", "closed")
                .change("resolution_note", "Delivered; the customer's happy"),
        ),
        scene(
            "waive a late fee",
            Proposal::update("invoices")
                .id("wrp_waive")
                .idempotency_key("waive-10")
                .key("id", 10)
                .tenant("tenant_id", "acme")
                .conflict("updated_at", "2026-05-27T10:00:00.123456Z")
                .change("late_fee_cents", 0)
                .change("waived_reason", "Goodwill"),
        ),
        scene(
            "grant credit: a 20-digit number",
            Proposal::insert("credits")
                .id("wrp_credit")
                .tenant("tenant_id", "globex")
                .change("points", exact("12345678901234567890"))
                .change("reason", "Loyalty"),
        ),
        scene(
            "cancel a draft order",
            Proposal::delete("orders")
                .id("wrp://external/xwp_7")
                .key("id", "7b0c1f0e-58a4-4d3c-9d3c-3f7a5d2b8e10")
                .tenant("tenant_id", "acme"),
        ),
    ]
}

fn bad() -> Vec<Scene> {
    vec![
        scene(
            "stale: the ticket changed since",
            Proposal::update("tickets")
                .id("wrp_stale")
                .key("id", 2)
                .tenant("tenant_id", "acme")
                .conflict("version", 1)
                .change("status", "closed"),
        ),
        scene(
            "another tenant's ticket",
            Proposal::update("tickets")
                .id("wrp_other_tenant")
                .key("id", 3)
                .tenant("tenant_id", "acme")
                .change("status", "closed"),
        ),
        scene(
            "hostile: a table's name with SQL in it",
            Proposal::update("tickets\"; DROP TABLE tickets; --")
                .id("wrp_hostile")
                .key("id", 1)
                .change("status", "closed"),
        ),
        scene(
            "a column that nobody may write",
            Proposal::update("tickets")
                .id("wrp_column")
                .key("id", 1)
                .change("tenant_id", "globex"),
        ),
        scene(
            "a status that the table forbids",
            Proposal::update("tickets")
                .id("wrp_check")
                .key("id", 3)
                .change("status", "done!"),
        ),
    ]
}

fn scene(caption: &'static str, proposal: Proposal) -> Scene {
    Scene { caption, proposal }
}
