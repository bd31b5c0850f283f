//! What was found out about a target is kept, and never outlives what it rests on: a session that has applied many proposals
//! of one shape notices at once what another session has changed since.

use serde_json::Value;
use synapsor_testbed::Proposal;

use crate::stage::{Operator, Stage};

/// Applied several times before anything changes, so that everything is kept that ever will be.
const TIMES: i64 = 8;

/// A table of its own for each case, in the middle of the tickets' tenant.
const ITEMS: &str = "
    CREATE TABLE items (id bigint PRIMARY KEY, tenant_id text NOT NULL, note text, version int NOT NULL DEFAULT 1);
    INSERT INTO items SELECT n, 'acme', 'old' FROM generate_series(1, 100) n;
    GRANT SELECT, UPDATE, DELETE ON items TO writer";

struct Session {
    stage: Stage,
    operator: Operator,
    next: i64,
}

impl Session {
    /// One that has applied updates and deletes.
    fn warm() -> Self {
        let stage = Stage::new();
        stage.database.execute(ITEMS);
        let operator = stage.operator();
        let mut session = Session {
            stage,
            operator,
            next: 1,
        };
        for _ in 0..TIMES {
            assert_eq!(session.update()["status"], "applied");
            assert_eq!(session.delete()["status"], "applied");
        }
        session
    }

    fn update(&mut self) -> Value {
        self.apply(Proposal::update("items").change("note", "new"))
    }

    fn delete(&mut self) -> Value {
        self.apply(Proposal::delete("items"))
    }

    /// The result for a row that no proposal has met yet.
    fn apply(&mut self, proposal: Proposal) -> Value {
        let id = self.next;
        self.next += 1;
        let proposal = proposal
            .id(&format!("wrp_{id}"))
            .key("id", id)
            .tenant("tenant_id", "acme")
            .conflict("version", 1);
        self.stage.approve(proposal);
        let results = self.operator.poll()["results"].take();
        let own = |result: &&Value| result["proposal_id"] == format!("wrp_{id}");
        results
            .as_array()
            .unwrap()
            .iter()
            .find(own)
            .unwrap()
            .clone()
    }

    fn note(&self, id: i64) -> String {
        let query = format!("SELECT note FROM items WHERE id = {id}");
        self.stage.database.value(&query)
    }
}

/// The error, or the reason of a conflict.
fn why(result: &Value) -> &str {
    let text = &result["error"];
    text.as_str()
        .or(result["reason"].as_str())
        .unwrap_or("applied")
}

#[test]
fn what_another_session_changes_is_noticed_by_the_next_update() {
    let unsupported = "WRITEBACK_TARGET_UNSUPPORTED: public.items";
    let cases = [
        ("REVOKE UPDATE ON items FROM writer", "SQLSTATE 42501: insufficient_privilege"),
        ("REVOKE USAGE ON SCHEMA public FROM PUBLIC", "SQLSTATE 42501: insufficient_privilege"),
        ("CREATE RULE away AS ON UPDATE TO items DO INSTEAD NOTHING", unsupported),
        ("ALTER TABLE items SET UNLOGGED", unsupported),
        ("ALTER TABLE items ENABLE ROW LEVEL SECURITY", "ROW_NOT_FOUND"),
        (
            "ALTER TABLE items ENABLE ROW LEVEL SECURITY; ALTER TABLE items OWNER TO writer",
            "WRITEBACK_ROW_SECURITY_BYPASSED",
        ),
        ("ALTER TABLE items DROP COLUMN note", "SQLSTATE 42703: undefined_column, column note"),
        ("DROP TABLE items", "SQLSTATE 42P01: undefined_table, table public.items"),
        (
            "ALTER TABLE items ALTER note TYPE varchar(2)
                 USING left(note, 2)",
            "SQLSTATE 22001: string_data_right_truncation, column note",
        ),
        (
            "ALTER TABLE items ALTER note TYPE int USING 1",
            "SQLSTATE 22P02: invalid_text_representation, column note",
        ),
        (
            "ALTER TABLE items RENAME TO base; CREATE VIEW items AS SELECT * FROM base;
             CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
             CREATE TRIGGER instead INSTEAD OF UPDATE ON items FOR EACH ROW EXECUTE FUNCTION nothing();
             GRANT SELECT, UPDATE ON items TO writer",
            unsupported,
        ),
        (
            "CREATE FUNCTION moved() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN NEW.tenant_id := 'globex'; RETURN NEW; END $$;
             CREATE TRIGGER moved BEFORE UPDATE ON items FOR EACH ROW EXECUTE FUNCTION moved()",
            "WRITEBACK_GUARDED_COLUMN_CHANGED: public.items",
        ),
    ];
    for (change, expected) in cases {
        let mut session = Session::warm();
        session.stage.database.execute(change);
        let result = session.update();
        assert!(why(&result).starts_with(expected), "{change}: {result}");
    }
}

#[test]
fn a_foreign_key_that_comes_later_still_blocks_a_delete_that_would_spread() {
    let mut session = Session::warm();
    session.stage.database.execute(
        "CREATE TABLE parts (item bigint REFERENCES items ON DELETE CASCADE);
         INSERT INTO parts SELECT id FROM items",
    );
    let result = session.delete();
    assert_eq!(why(&result), "WRITEBACK_CASCADE_BLOCKED: public.items");
    let parts: i64 = session.stage.database.value("SELECT count(*) FROM parts");
    assert_eq!(parts, 100 - TIMES);
    session.stage.database.execute("DROP TABLE parts");
    assert_eq!(why(&session.delete()), "applied");
}

#[test]
fn another_table_of_the_same_name_is_the_one_that_is_written() {
    let mut session = Session::warm();
    session.stage.database.execute(&format!(
        "ALTER TABLE items RENAME TO before; ALTER INDEX items_pkey RENAME TO before_pkey; {ITEMS}"
    ));
    let id = session.next;
    assert_eq!(why(&session.update()), "applied");
    assert_eq!(session.note(id), "new");
    let query = format!("SELECT note FROM before WHERE id = {id}");
    assert_eq!(session.stage.database.value::<String>(&query), "old");
}

#[test]
fn an_equality_that_comes_later_is_refused() {
    let mut session = Session::warm();
    session.operator.run("SET search_path = public, pg_catalog");
    for _ in 0..TIMES {
        assert_eq!(why(&session.update()), "applied");
    }
    session.stage.database.execute(
        "CREATE FUNCTION yes(text, text) RETURNS bool LANGUAGE sql AS 'SELECT true';
         CREATE OPERATOR public.= (LEFTARG = text, RIGHTARG = text, FUNCTION = yes)",
    );
    assert_eq!(
        why(&session.update()),
        "WRITEBACK_OPERATOR_SHADOWED: tenant_id"
    );
}

#[test]
fn what_a_role_gains_or_loses_by_membership_counts_at_once() {
    let mut session = Session::warm();
    session.stage.database.execute(
        "CREATE ROLE editors; REVOKE UPDATE ON items FROM writer; GRANT UPDATE ON items TO editors",
    );
    assert_eq!(
        why(&session.update()),
        "SQLSTATE 42501: insufficient_privilege"
    );
    session.stage.database.execute("GRANT editors TO writer");
    assert_eq!(why(&session.update()), "applied");
    session.stage.database.execute("REVOKE editors FROM writer");
    assert_eq!(
        why(&session.update()),
        "SQLSTATE 42501: insufficient_privilege"
    );
}

#[test]
fn more_shapes_than_are_kept_are_all_applied() {
    let stage = Stage::new();
    let columns: Vec<_> = (1..=200).map(|n| format!("c{n} int")).collect();
    stage.database.execute(&format!(
        "CREATE TABLE wide (id int PRIMARY KEY, {}); GRANT SELECT, UPDATE ON wide TO writer;
         INSERT INTO wide (id) VALUES (1)",
        columns.join(", ")
    ));
    let mut operator = stage.operator();
    for round in 1..=2 {
        for n in 1..=200 {
            let column = format!("c{n}");
            let proposal = Proposal::update("wide").key("id", 1).change(&column, round);
            stage.approve(proposal.id(&format!("wrp_{round}_{n}")));
        }
        operator.poll();
    }
    assert_eq!(stage.ledger("status = 'applied'"), 400);
    let all: Vec<_> = (1..=200).map(|n| format!("c{n}")).collect();
    let sum = format!("SELECT ({})::bigint FROM wide", all.join(" + "));
    assert_eq!(stage.database.value::<i64>(&sum), 400);
}
