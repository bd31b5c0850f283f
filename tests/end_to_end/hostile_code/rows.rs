//! What becomes of the row itself: another key or tenant is found, be it given to it before it is written or after.

use synapsor_testbed::Proposal;

use crate::stage::{Stage, statuses};

const CHANGED: &str = "WRITEBACK_GUARDED_COLUMN_CHANGED: public.rows";

/// What its table's own code does when row 1 of tenant `acme` is updated, and what is said of that; `None`: applied.
#[rustfmt::skip]
const CODE: &[(&str, &str, Option<&str>)] = &[
    ("BEFORE", "NEW.tenant := 'globex';", Some(CHANGED)),
    ("BEFORE", "NEW.id := 7;", Some(CHANGED)),
    ("BEFORE", "NEW.note := lower(NEW.note);", None),
    ("AFTER", "UPDATE rows SET tenant = 'globex' WHERE id = 1 AND tenant = 'acme';", Some(CHANGED)),
    ("AFTER", "UPDATE rows SET id = 7 WHERE id = 1;", Some(CHANGED)),
    ("AFTER", "UPDATE rows SET id = 7 WHERE id = 1; UPDATE rows SET id = 1, tenant = 'globex' WHERE id = 2;", Some(CHANGED)),
    ("AFTER", "UPDATE rows SET seen = seen + 1 WHERE id = 1 AND seen < 3;", None),
    ("AFTER", "UPDATE rows SET seen = seen + 1 WHERE id = 2;", None),
    ("AFTER", "INSERT INTO rows VALUES (3, 'acme') ON CONFLICT DO NOTHING;", None),
    // Moving it to an archive changes no key.
    ("AFTER", "DELETE FROM rows WHERE id = 1;", None),
];

const TABLES: &[&str] = &[
    "CREATE TABLE rows (id int, tenant text, note text, seen int DEFAULT 0, UNIQUE (id, tenant))",
    "CREATE TABLE rows (id int, tenant text, note text, seen int DEFAULT 0, UNIQUE (id, tenant)) PARTITION BY LIST (tenant);
     CREATE TABLE acme PARTITION OF rows FOR VALUES IN ('acme');
     CREATE TABLE globex PARTITION OF rows FOR VALUES IN ('globex')",
];

/// The trigger, at once and deferred.
const TRIGGERS: &[&str] = &[
    "CREATE TRIGGER t $when UPDATE ON rows FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION code()",
    "CREATE CONSTRAINT TRIGGER t AFTER UPDATE ON rows DEFERRABLE INITIALLY DEFERRED
         FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION code()",
];

#[test]
fn another_key_or_tenant_for_the_row_is_found_before_and_after_it_is_written() {
    let stage = Stage::new();
    let mut operator = stage.operator();
    let mut number = 0;
    for table in TABLES {
        for (when, code, expected) in CODE {
            for trigger in &TRIGGERS[..if *when == "AFTER" { 2 } else { 1 }] {
                stage.database.execute(&format!(
                    "DROP TABLE IF EXISTS rows; {table};
                     INSERT INTO rows VALUES (1, 'acme'), (2, 'acme');
                     CREATE OR REPLACE FUNCTION code() RETURNS trigger LANGUAGE plpgsql AS
                         $$ BEGIN {code} RETURN NEW; END $$;
                     {};
                     GRANT ALL ON rows TO writer",
                    trigger.replace("$when", when),
                ));
                number += 1;
                let update = Proposal::update("rows").id(&format!("wrp_{number}"));
                stage.approve(
                    update
                        .key("id", 1)
                        .tenant("tenant", "acme")
                        .change("note", "x"),
                );
                let answer = operator.poll();
                stage.wait_for_reports();
                let result = &answer["results"][0];
                assert_eq!(
                    result["error"].as_str(),
                    *expected,
                    "{code} {table} {result}"
                );
                let status = if expected.is_none() {
                    "applied"
                } else {
                    "failed"
                };
                assert_eq!(statuses(&answer), [status], "{code} {table}");
                if expected.is_some() {
                    let rows = stage.database.rows("SELECT * FROM rows ORDER BY id");
                    assert_eq!(rows, ["1|acme||0", "2|acme||0"], "{code} {table}");
                }
            }
        }
    }
}

/// The second look takes `=` for what it is, too.
#[test]
fn an_operator_that_code_on_the_table_brings_along_does_not_answer_for_the_row() {
    let stage = Stage::new();
    stage.database.execute(
        "CREATE TABLE rows (id int PRIMARY KEY, tenant text, note text);
         INSERT INTO rows VALUES (1, 'acme');
         CREATE SCHEMA hostile; GRANT USAGE ON SCHEMA hostile TO writer;
         CREATE FUNCTION hostile.always(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
         CREATE OPERATOR hostile.= (LEFTARG = text, RIGHTARG = text, FUNCTION = hostile.always);
         CREATE FUNCTION code() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             UPDATE rows SET tenant = 'globex' WHERE id = 1;
             SET search_path = hostile, pg_catalog;
             RETURN NEW;
         END $$;
         CREATE TRIGGER t AFTER UPDATE ON rows FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION code();
         GRANT ALL ON rows TO writer",
    );
    let update = Proposal::update("rows").key("id", 1).change("note", "x");
    stage.approve(update.tenant("tenant", "acme"));
    let answer = stage.poll();
    let error = &answer["results"][0]["error"];
    assert_eq!(error, "WRITEBACK_OPERATOR_SHADOWED: tenant");
}
