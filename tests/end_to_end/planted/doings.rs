//! Tables full of people, and proposals about them that end in every way.

use synapsor_testbed::Proposal;

use super::PERSON;
use crate::stage::Stage;

/// `PERSON` stands for the text, in halves.
pub const FURNITURE: &str = "
    CREATE DOMAIN nickname AS text CONSTRAINT nickname_short CHECK (length(VALUE) < 40);
    CREATE TYPE mood AS ENUM ('good', 'bad');
    CREATE TABLE people (
        id int PRIMARY KEY, mail text UNIQUE, tenant text NOT NULL, version text, friend text REFERENCES people (mail),
        age int CHECK (age < 150), born date, mood mood, nick nickname, tags int[], about jsonb, uid uuid, initials varchar(3),
        net inet, span int4range, photo bytea, loud boolean);
    INSERT INTO people SELECT n, PERSON || '_mail_' || n, PERSON || '_tenant', PERSON || '_version',
        CASE WHEN n = 6 THEN PERSON || '_mail_5' END FROM generate_series(1, 9) n;
    CREATE TABLE by_mail (mail text PRIMARY KEY, visits int, EXCLUDE USING btree (visits WITH =));
    INSERT INTO by_mail SELECT PERSON || '_key_' || n, n FROM generate_series(1, 4) n;
    CREATE TABLE twins (mail text, n int); INSERT INTO twins SELECT PERSON || '_twin', 1 FROM generate_series(1, 2);
    CREATE TABLE hidden (mail text PRIMARY KEY, n int); INSERT INTO hidden VALUES (PERSON || '_hidden', 1);
    CREATE FUNCTION quote_row() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.loud THEN
                RAISE EXCEPTION '% is %', OLD.mail, NEW.age USING DETAIL = OLD::text, HINT = OLD.tenant;
            END IF;
            RETURN NEW;
        END $$;
    CREATE TRIGGER quoting BEFORE UPDATE ON people FOR EACH ROW EXECUTE FUNCTION quote_row();
    GRANT SELECT, INSERT, UPDATE, DELETE ON people, by_mail, twins TO writer;
    ANALYZE people;
";

/// What is done, and the beginning of the error, the reason or the status that comes of it.
type Doing = (&'static str, fn(Proposal) -> Proposal, &'static str);

fn person(part: &str) -> String {
    format!("{PERSON}_{part}")
}

/// An update of a person's row. Tables and operations are set as fields, since the proposal is made for all alike.
fn row(proposal: Proposal, id: i64) -> Proposal {
    proposal.key("id", id).tenant("tenant", person("tenant"))
}

fn insert(proposal: Proposal) -> Proposal {
    let proposal = proposal.field("operation", "insert").change("id", 90);
    proposal.change("tenant", person("tenant"))
}

fn by_mail(proposal: Proposal, key: &str) -> Proposal {
    proposal
        .field("external_table", "by_mail")
        .key("mail", person(key))
}

pub const DOINGS: &[Doing] = &[
    (
        "update",
        |p| row(p, 1).change("version", person("new")),
        "applied",
    ),
    (
        "guarded",
        |p| {
            row(p, 2)
                .change("age", 20)
                .conflict("version", person("version"))
        },
        "applied",
    ),
    (
        "insert",
        |p| insert(p).change("mail", person("insert")),
        "applied",
    ),
    (
        "delete",
        |p| by_mail(p, "key_1").field("operation", "delete"),
        "applied",
    ),
    (
        "outdated",
        |p| {
            row(p, 3)
                .change("age", 20)
                .conflict("version", person("old"))
        },
        "CONFLICT_VALUE_CHANGED",
    ),
    (
        "nobody",
        |p| by_mail(p, "nobody").change("visits", 70),
        "ROW_NOT_FOUND",
    ),
    (
        "other tenant",
        |p| {
            p.key("id", 1)
                .tenant("tenant", person("other"))
                .change("age", 1)
        },
        "ROW_NOT_FOUND",
    ),
    (
        "no integer",
        |p| row(p, 4).change("age", person("age")),
        "SQLSTATE 22P02",
    ),
    (
        "no date",
        |p| row(p, 4).change("born", person("born")),
        "SQLSTATE 22007",
    ),
    (
        "no mood",
        |p| row(p, 4).change("mood", person("mood")),
        "SQLSTATE 22P02",
    ),
    (
        "no nickname",
        |p| row(p, 4).change("nick", person("nick").repeat(4)),
        "SQLSTATE 23514",
    ),
    (
        "no array",
        |p| row(p, 4).change("tags", person("tags")),
        "SQLSTATE 22P02",
    ),
    (
        "no element",
        |p| row(p, 4).change("tags", vec![person("tag")]),
        "SQLSTATE 22P02",
    ),
    (
        "no uuid",
        |p| row(p, 4).change("uid", person("uid")),
        "SQLSTATE 22P02",
    ),
    (
        "too long",
        |p| row(p, 4).change("initials", person("initials")),
        "SQLSTATE 22001",
    ),
    (
        "no address",
        |p| row(p, 4).change("net", person("net")),
        "SQLSTATE 22P02",
    ),
    (
        "no range",
        |p| row(p, 4).change("span", person("span")),
        "SQLSTATE 22P02",
    ),
    (
        "no bytes",
        |p| row(p, 4).change("photo", format!("\\x{PERSON}")),
        "SQLSTATE 22023",
    ),
    (
        "wrong kind",
        |p| row(p, 4).change("age", serde_json::json!({ PERSON: 1 })),
        "WRITEBACK_VALUE_TYPE_MISMATCH",
    ),
    (
        "no key",
        |p| p.key("id", person("id")).change("age", 1),
        "SQLSTATE 22P02",
    ),
    (
        "check",
        |p| {
            row(p, 4)
                .change("age", 151)
                .change("about", serde_json::json!({ PERSON: 1 }))
        },
        "SQLSTATE 23514",
    ),
    (
        "unique",
        |p| row(p, 4).change("mail", person("mail_5")),
        "SQLSTATE 23505",
    ),
    (
        "no friend",
        |p| row(p, 4).change("friend", person("friend")),
        "SQLSTATE 23503",
    ),
    (
        "is a friend",
        |p| row(p, 5).change("mail", person("moved")),
        "SQLSTATE 23503",
    ),
    (
        "not null",
        |p| p.key("id", 4).change("tenant", serde_json::Value::Null),
        "SQLSTATE 23502",
    ),
    (
        "excluded",
        |p| by_mail(p, "key_2").change("visits", 3),
        "SQLSTATE 23P01",
    ),
    (
        "a loud trigger",
        |p| row(p, 4).change("loud", true).change("age", 8),
        "SQLSTATE P0001",
    ),
    (
        "locked",
        |p| row(p, 7).change("version", person("locked")),
        "SQLSTATE 55P03",
    ),
    (
        "two rows",
        |p| {
            p.field("external_table", "twins")
                .key("mail", person("twin"))
                .change("n", 2)
        },
        "WRITEBACK_MULTI_ROW_BLOCKED",
    ),
    (
        "no right",
        |p| {
            p.field("external_table", "hidden")
                .key("mail", person("hidden"))
                .change("n", 2)
        },
        "SQLSTATE 42501",
    ),
    (
        "no column",
        |p| row(p, 4).change("nowhere", person("nowhere")),
        "SQLSTATE 42703",
    ),
    (
        "no table",
        |p| {
            row(p, 4)
                .field("external_table", "nowhere")
                .change("age", 1)
        },
        "SQLSTATE 42P01",
    ),
    (
        "not allowed",
        |p| {
            row(p, 4)
                .change("age", 1)
                .field("allowed_columns", vec!["id"])
        },
        "WRITEBACK_COLUMN_NOT_ALLOWED",
    ),
    (
        "own key",
        |p| row(p, 4).change("tenant", person("moved")),
        "WRITEBACK_PROTECTED_COLUMN_CHANGE",
    ),
    (
        "two tenants",
        |p| insert(p).tenant("tenant", person("other")),
        "WRITEBACK_TENANT_MISMATCH",
    ),
    (
        "a broken field",
        |p| row(p, 4).field("changes", person("changes")),
        "WRITEBACK_PROPOSAL_INVALID",
    ),
];

/// Lists them all; what comes of them is another one's second time.
pub fn approve_all(stage: &Stage, whose: &str) {
    for (what, doing, _) in DOINGS {
        let proposal = Proposal::update("people").id(&format!("{whose} {what}"));
        stage.approve(doing(proposal));
    }
}
