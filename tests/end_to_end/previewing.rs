//! `synapsor_preview()`: what applying a proposal would do, and that it is undone.

use serde_json::{Value, json};
use synapsor_testbed::{Proposal, exact};

use crate::stage::{Operator, Stage, Told, close, statuses};

impl Operator {
    fn preview(&mut self, proposal: &impl ToString) -> Value {
        let text = proposal.to_string();
        let row = self
            .0
            .query_one("SELECT synapsor_preview($1::text::json)", &[&text]);
        row.unwrap_or_else(|error| panic!("{text}: {error:?}"))
            .get(0)
    }
}

/// Nothing of it stays, and nobody heard of it.
fn assert_untouched(stage: &Stage) {
    assert_eq!((stage.tickets("open"), stage.ledger("true")), (100, 0));
    assert_eq!(stage.simulator.journal().len(), 0);
}

#[test]
fn an_update_shows_the_row_before_and_after_and_is_undone() {
    let stage = Stage::new();
    let preview = stage.operator().preview(&close(7));
    let row = |status: &str| json!({"status": status, "id": 7, "tenant_id": "acme", "version": 1});
    let expected = json!({
        "status": "applied", "operation": "update",
        "guards": {"primary_key": true, "tenant": true, "conflict": true},
        "before": row("open"), "after": row("closed"),
    });
    assert_eq!(preview, expected);
    assert_untouched(&stage);
}

#[test]
fn what_triggers_make_of_it_is_shown() {
    let stage = Stage::new();
    stage.database.execute(
        "CREATE FUNCTION loud() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN NEW.status := upper(NEW.status); RETURN NEW; END $$;
         CREATE TRIGGER loud BEFORE INSERT OR UPDATE ON tickets FOR EACH ROW EXECUTE FUNCTION loud()",
    );
    let preview = stage.operator().preview(&close(7));
    assert_eq!(preview["after"]["status"], "CLOSED");
    let insert = Proposal::insert("tickets")
        .change("id", 101)
        .change("status", "new")
        .change("version", 1)
        .tenant("tenant_id", "acme");
    let preview = stage.operator().preview(&insert);
    assert_eq!(preview["after"]["status"], "NEW", "{preview}");
    assert_untouched(&stage);
}

#[test]
fn an_insert_shows_what_it_writes_and_a_delete_what_goes() {
    let stage = Stage::new();
    stage.database.execute(
        "CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, text text, amount numeric);
         GRANT INSERT (text, amount) ON notes TO writer",
    );
    let insert = Proposal::insert("notes")
        .change("text", "hello")
        .change("amount", exact("12345678901234567890.10"));
    let preview = stage.operator().preview(&insert);
    assert_eq!(
        (&preview["status"], &preview["before"]),
        (&json!("applied"), &Value::Null)
    );
    let expected = "{\"text\":\"hello\",\"amount\":12345678901234567890.10}";
    assert_eq!(preview["after"], exact(expected), "{preview}");
    let delete = Proposal::delete("tickets").key("id", 7);
    let preview = stage.operator().preview(&delete);
    assert_eq!(preview["before"], json!({"id": 7}));
    assert_eq!(
        (&preview["status"], &preview["after"]),
        (&json!("applied"), &Value::Null)
    );
    assert_untouched(&stage);
}

#[test]
fn only_what_the_apply_role_may_read_is_shown() {
    let stage = Stage::new();
    stage.database.execute(
        "REVOKE ALL ON tickets FROM writer;
         GRANT SELECT (id, tenant_id, version), UPDATE (status) ON tickets TO writer",
    );
    let preview = stage.operator().preview(&close(7));
    let row = json!({"id": 7, "tenant_id": "acme", "version": 1});
    assert_eq!((&preview["before"], &preview["after"]), (&row, &row));
    assert_eq!(preview["status"], "applied");
    assert_untouched(&stage);
}

#[test]
fn a_conflict_is_told_with_its_reason_also_in_words() {
    let stage = Stage::new();
    for (change, proposal, reason, word) in [
        ("", close(700), "ROW_NOT_FOUND", "No row"),
        (
            "",
            close(1).conflict("version", 9),
            "CONFLICT_VALUE_CHANGED",
            "Somebody changed",
        ),
        (
            "CREATE TRIGGER same BEFORE UPDATE ON tickets FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            close(1).change("status", "open"),
            "ROW_NOT_CHANGED",
            "a trigger or a policy",
        ),
    ] {
        stage.database.execute(change);
        let preview = stage.operator().preview(&proposal);
        assert_eq!(
            (&preview["status"], &preview["reason"]),
            (&json!("conflict"), &json!(reason))
        );
        let why = preview["why"].as_str().unwrap();
        assert!(why.contains(word), "{why}");
        assert_eq!(preview["before"], preview["after"]);
    }
    assert_untouched(&stage);
}

#[test]
fn an_error_is_told_as_it_would_be_reported_and_never_with_a_value() {
    let stage = Stage::new();
    stage
        .database
        .execute("ALTER TABLE tickets ADD CONSTRAINT known CHECK (status IN ('open', 'closed'))");
    let wrong = Proposal::update("tickets")
        .key("id", 7)
        .change("status", "hush");
    for (proposal, error) in [
        (
            wrong.to_string(),
            "SQLSTATE 23514: check_violation, constraint known",
        ),
        (
            Proposal::update("nowhere")
                .key("id", 7)
                .change("x", 1)
                .to_string(),
            "SQLSTATE 42P01: undefined_table, table public.nowhere",
        ),
        (
            close(7).field("allowed_columns", json!(["id"])).to_string(),
            "WRITEBACK_COLUMN_NOT_ALLOWED: update status",
        ),
        ("[]".to_owned(), "WRITEBACK_PROPOSAL_INVALID"),
    ] {
        let preview = stage.operator().preview(&proposal);
        assert_eq!(
            (&preview["status"], &preview["error"]),
            (&json!("failed"), &json!(error)),
            "{preview}"
        );
        assert_ne!(preview["why"], Value::Null);
        assert!(!preview.to_string().contains("hush"), "{preview}");
    }
    assert_untouched(&stage);
    let unreadable = close(7).key("id", "hush");
    let preview = stage.operator().preview(&unreadable);
    stage.approve(unreadable);
    let polled = stage.poll();
    for l in crate::stage::SHARED.log().lines() {
        println!("{l}");
    }
    assert_eq!(preview["error"], polled["results"][0]["error"]);
    assert_eq!(preview["guards"], polled["results"][0]["guards"]);
}

#[test]
fn what_was_decided_before_or_is_for_another_kind_is_not_tried() {
    let stage = Stage::new();
    stage.approve_closing(1..=1);
    assert_eq!(statuses(&stage.poll()), ["applied"]);
    stage.wait_for_reports();
    let mut operator = stage.operator();
    let again = operator.preview(&close(1));
    assert_eq!(
        (&again["status"], &again["already_decided"]),
        (&json!("applied"), &json!(true))
    );
    let other = operator.preview(&close(1).change("status", "lost"));
    assert_eq!(other["status"], "refused");
    assert_eq!(other["error"], "WRITEBACK_IDEMPOTENCY_MISMATCH");
    let mysql = operator.preview(&close(2).field("source_kind", "mysql"));
    assert_eq!(mysql["status"], "skipped");
    assert_eq!(stage.tickets("closed"), 1);
}

#[test]
fn it_works_before_the_approval_and_while_paused_and_on_no_standby_or_as_a_superuser() {
    let stage = Stage::new();
    stage.operator().run("SELECT synapsor_pause()");
    let waiting = close(7).field("status", "pending_review");
    assert_eq!(stage.operator().preview(&waiting)["status"], "applied");
    let mut operator = stage.operator();
    operator.run("BEGIN READ ONLY");
    let told = Told::by(operator.0.query_one("SELECT synapsor_preview('{}')", &[]));
    assert_eq!(told.code(), "DATABASE_READ_ONLY");
    stage.database.set("synapsor.apply_role", "");
    let told = Told::by(
        stage
            .database
            .connect()
            .query_one("SELECT synapsor_preview('{}')", &[]),
    );
    assert_eq!(told.code(), "APPLY_ROLE_UNSAFE");
    assert_untouched(&stage);
}
