//! Guards compare exactly: no row is touched that only the server's `=` takes for the approved one.

use mysql::prelude::Queryable;
use serde_json::{Value, json};
use synapsor_mysql_testbed::Flavor;
use synapsor_testbed::{Proposal, exact};

use crate::cases::cases;
use crate::program::Ended;
use crate::stage::Stage;

on_both! {
    a_guard_finds_its_own_value_and_nothing_that_is_only_alike
    what_is_only_alike_is_neither_changed_nor_deleted
    two_rows_that_are_only_alike_are_both_left_as_they_are
    a_composite_key_is_compared_column_by_column
    a_row_that_another_tenant_has_is_not_found
}

/// A column's type, what it holds, a guard, and what becomes of it: `same` for the row's own value, `other` for another one, `alike` for
/// one that the server's `=` takes for the same, or the code of the refusal.
const CASES: &str = r#"
varchar(9) COLLATE utf8mb4_general_ci | 'acme' | "acme" | same
varchar(9) COLLATE utf8mb4_general_ci | 'acme' | "ACME" | alike
varchar(9) COLLATE utf8mb4_general_ci | 'acme' | "acme " | alike
varchar(9) COLLATE utf8mb4_general_ci | 'acme ' | "acme" | alike
varchar(9) COLLATE utf8mb4_general_ci | 'acme ' | "acme " | same
varchar(9) COLLATE utf8mb4_general_ci | 'café' | "cafe" | alike
varchar(9) COLLATE utf8mb4_bin | 'acme' | "acme " | alike
varchar(9) COLLATE utf8mb4_bin | 'acme' | "ACME" | other
varchar(9) COLLATE utf8mb4_unicode_ci | 'straße' | "strasse" | alike
varchar(9) COLLATE utf8mb4_unicode_ci | 'café' | "cafe\u0301" | alike
varchar(9) COLLATE utf8mb4_unicode_ci | 'acme' | "ａｃｍｅ" | alike
varchar(9) COLLATE utf8mb4_unicode_ci | 'acme' | "acme\u0000" | alike
varchar(9) COLLATE <nopad> | 'acme' | "ACME" | alike
varchar(9) COLLATE <nopad> | 'acme' | "acme " | other
varchar(9) COLLATE <nopad> | '😀' | "😀" | same
char(9) | 'acme' | "acme" | same
char(9) COLLATE utf8mb4_general_ci | 'acme' | "acme " | alike
char(9) COLLATE utf8mb4_general_ci | 'acme' | "Acme" | alike
varchar(9) | '' | "" | same
varchar(9) COLLATE utf8mb4_general_ci | '' | " " | alike
varchar(9) | NULL | "acme" | other
varchar(9) | '7' | 7 | same
varchar(9) | '7' | 7.0 | other
varchar(9) | '07' | 7 | other
varchar(9) | '7abc' | 7 | other
varchar(9) | '0' | false | WRITEBACK_VALUE_TYPE_MISMATCH
varchar(9) | 'acme' | ["acme"] | WRITEBACK_VALUE_TYPE_MISMATCH
text COLLATE utf8mb4_general_ci | 'acme' | "acme" | same
text COLLATE utf8mb4_general_ci | 'acme' | "Acme" | alike
varchar(9) CHARACTER SET latin1 | 'é' | "é" | same
varchar(9) CHARACTER SET latin1 COLLATE latin1_general_ci | 'acme' | "ACME" | alike
varchar(9) CHARACTER SET latin1 | 'é' | "日" | WRITEBACK_VALUE_NOT_EXACT
varchar(9) CHARACTER SET ascii | 'e' | "é" | WRITEBACK_VALUE_NOT_EXACT
varchar(9) CHARACTER SET koi8r | 'я' | "я" | same
varchar(9) CHARACTER SET koi8r | 'я' | "日" | other
varchar(9) CHARACTER SET utf16 | '😀' | "😀" | same
varbinary(9) | 'acme' | "acme" | same
varbinary(9) | 'acme' | "0x61636d65" | same
varbinary(9) | 'acme' | "ACME" | other
varbinary(9) | 'acme' | "acme " | other
varbinary(9) | x'61636d6500' | "acme" | other
binary(4) | x'ff00fe80' | "0xff00fe80" | same
binary(6) | 'acme' | "0x61636d650000" | same
binary(6) | 'acme' | "acme" | WRITEBACK_VALUE_NOT_EXACT
blob | x'80ff' | {"type":"Buffer","data":[128,255]} | same
blob | 'acme' | "Acme" | other
int | 7 | 7 | same
int | 7 | "7" | same
int | 0 | "acme" | WRITEBACK_VALUE_TYPE_MISMATCH
int | 0 | "" | WRITEBACK_VALUE_TYPE_MISMATCH
int | 0 | false | WRITEBACK_VALUE_TYPE_MISMATCH
int | 1 | "1abc" | WRITEBACK_VALUE_TYPE_MISMATCH
int | 1 | 1.0 | WRITEBACK_VALUE_TYPE_MISMATCH
int | 1 | 1.4 | WRITEBACK_VALUE_NOT_EXACT
int GENERATED ALWAYS AS (n + 6) | DEFAULT | 7 | same
tinyint(1) | 1 | true | same
tinyint(1) | 2 | true | other
bigint | 9007199254740993 | 9007199254740993 | same
bigint | 9007199254740993 | 9007199254740992 | other
bigint unsigned | 18446744073709551615 | "18446744073709551615" | same
bigint unsigned | 18446744073709551615 | -1 | WRITEBACK_VALUE_NOT_EXACT
decimal(10,2) | 1.10 | 1.1 | same
decimal(10,2) | 1.10 | "1.100" | same
decimal(10,2) | 1 | 1 | same
decimal(10,2) | 1.10 | 1.11 | other
decimal(10,2) | 1.10 | 1.105 | WRITEBACK_VALUE_NOT_EXACT
decimal(10,2) | 0 | "acme" | WRITEBACK_VALUE_TYPE_MISMATCH
decimal(65,1) | 1234567890123456789012345678901234567890123456789012345678901234.5 | 1234567890123456789012345678901234567890123456789012345678901234.5 | same
decimal(65,1) | 1234567890123456789012345678901234567890123456789012345678901234.5 | 1234567890123456789012345678901234567890123456789012345678901234.6 | other
float | 0.1 | 0.1 | same
float | 0.1 | 0.10000001 | other
float | 16777216 | 16777217 | WRITEBACK_VALUE_NOT_EXACT
double | 0.1 | "0.10" | same
double | 0.1 | 0.10000000000000002 | other
double | 0 | "acme" | WRITEBACK_VALUE_TYPE_MISMATCH
datetime(6) | '2026-01-01 10:00:00.123456' | "2026-01-01T12:00:00.123456+02:00" | same
datetime(6) | '2026-01-01 10:00:00.123456' | "2026-01-01 10:00:00.123456" | same
datetime(6) | '2026-01-01 10:00:00.123456' | "2026-01-01T10:00:00.123457Z" | other
datetime | '2026-01-01 10:00:00' | "2026-01-01T10:00:00.5Z" | WRITEBACK_VALUE_NOT_EXACT
datetime | '2026-01-01 10:00:00' | 20260101100000 | WRITEBACK_VALUE_TYPE_MISMATCH
datetime | '2026-01-01 00:00:00' | "2026-01-01" | same
datetime NOT NULL | '0000-00-00 00:00:00' | null | other
timestamp(6) NULL | '2026-01-01 10:00:00.123456' | "2026-01-01T10:00:00.123456Z" | same
timestamp(6) NULL | '2026-01-01 10:00:00.123456' | "2026-01-01T10:00:00.123455Z" | other
date | '2026-01-01' | "2026-01-01" | same
date | '2026-01-01' | "2026-01-02" | other
date | '2026-01-01' | "2026-01-01T00:00:00Z" | WRITEBACK_VALUE_TYPE_MISMATCH
time(6) | '-10:00:00.5' | "-10:00:00.5" | same
time(6) | '26:00:00' | "02:00:00" | other
year | 2026 | "2026" | same
year | 2026 | 26 | WRITEBACK_VALUE_NOT_EXACT
bit(64) | 18446744073709551615 | 18446744073709551615 | same
bit(64) | 49 | "1" | other
bit(1) | 1 | true | same
enum('open','closed') | 'open' | "open" | same
enum('open','closed') | 'open' | "closed" | other
enum('open','closed') | 'open' | "OPEN" | WRITEBACK_VALUE_TYPE_MISMATCH
enum('open','closed') | 'open' | 1 | WRITEBACK_VALUE_TYPE_MISMATCH
enum('1','0') | '0' | "1" | other
enum('a','A') COLLATE utf8mb4_bin | 'a' | "A" | other
set('a','b','c') | 'a,c' | ["c","a"] | same
set('a','b','c') | 'a,c' | "a" | other
set('a','b','c') | 'a' | 1 | WRITEBACK_VALUE_TYPE_MISMATCH
json | '{"a":1}' | {"a":1} | WRITEBACK_VALUE_TYPE_MISMATCH
point | ST_GeomFromText('POINT(1 1)') | "POINT(1 1)" | WRITEBACK_TARGET_UNSUPPORTED
varchar(9) | NULL | null | same
varchar(9) | '' | null | other
int | 0 | null | other
int | NULL | 0 | other
"#;

const ON_MARIADB: &str = r#"
uuid | '0a0eebc9-9c0b-4ef8-bb6d-6bb9bd380a11' | "0A0EEBC9-9C0B-4EF8-BB6D-6BB9BD380A11" | same
uuid | '0a0eebc9-9c0b-4ef8-bb6d-6bb9bd380a11' | "0a0eebc9-9c0b-4ef8-bb6d-6bb9bd380a12" | other
uuid | '0a0eebc9-9c0b-4ef8-bb6d-6bb9bd380a11' | "acme" | WRITEBACK_VALUE_TYPE_MISMATCH
inet6 | '::1' | "0:0:0:0:0:0:0:1" | same
inet6 | '::1' | "::2" | other
"#;

const ON_MYSQL: &str = r#"
varchar(9) COLLATE utf8mb4_0900_ai_ci | 'straße' | "STRASSE" | alike
varchar(9) COLLATE utf8mb4_0900_as_cs | 'acme' | "ac\u00adme" | alike
vector(2) | to_vector('[1,2]') | "[1,2]" | WRITEBACK_TARGET_UNSUPPORTED
"#;

struct Case {
    n: usize,
    held: [&'static str; 2],
    guard: Value,
    becomes: &'static str,
}

fn all_cases(flavor: Flavor) -> Vec<Case> {
    let own = if flavor == Flavor::MySql {
        ON_MYSQL
    } else {
        ON_MARIADB
    };
    let lines = cases(CASES).into_iter().chain(cases(own));
    let read = |(n, [column, held, guard, becomes]): (usize, [&'static str; 4])| Case {
        n,
        held: [column, held],
        guard: exact(guard),
        becomes,
    };
    lines.enumerate().map(read).collect()
}

/// One row, which holds in `c<n>` what case `n` says. A proposal marks it with its role, in `w<n>`.
fn table(flavor: Flavor, cases: &[Case]) -> String {
    let no_pad = if flavor == Flavor::MySql {
        "utf8mb4_0900_ai_ci"
    } else {
        "utf8mb4_general_nopad_ci"
    };
    let (mut columns, mut values) = (String::new(), String::new());
    for Case {
        n,
        held: [column, held],
        ..
    } in cases
    {
        columns += &format!(
            ", c{n} {}, w{n} set('key','tenant','conflict')",
            column.replace("<nopad>", no_pad)
        );
        values += &format!(", {held}, ''");
    }
    // Without a mode, for the zero date.
    format!(
        "SET time_zone = '+00:00', sql_mode = ''; CREATE TABLE held (n int{columns}); INSERT INTO held VALUES (1{values})"
    )
}

/// The case's guard in each role that it can have.
fn proposals(stage: &Stage, case: &Case) -> Vec<(&'static str, Proposal)> {
    let (column, mark) = (format!("c{}", case.n), format!("w{}", case.n));
    let update = |role| {
        let id = format!("{role}_{}", case.n);
        stage.update("held").id(&id).change(&mark, role)
    };
    let row = |role| update(role).key("n", 1);
    let guard = || case.guard.clone();
    let mut proposals = vec![("conflict", row("conflict").conflict(&column, guard()))];
    if !case.guard.is_null() {
        proposals.push(("key", update("key").key(&column, guard())));
        proposals.push(("tenant", row("tenant").tenant(&column, guard())));
    }
    proposals
}

fn a_guard_finds_its_own_value_and_nothing_that_is_only_alike(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let cases = all_cases(flavor);
    stage.furnish(&table(flavor, &cases));
    for case in &cases {
        for (_, proposal) in proposals(&stage, case) {
            stage.approve(proposal);
        }
    }
    let polled = stage.poll();
    for case in &cases {
        let mut marks = Vec::new();
        for (role, _) in proposals(&stage, case) {
            let outcome = polled.outcome(&format!("{role}_{}", case.n));
            let what = format!(
                "{} as {role}, by {}: {outcome}",
                case.held.join(" "),
                case.guard
            );
            match case.becomes {
                "same" => {
                    assert_eq!(outcome, "applied", "{what}");
                    marks.push(role);
                }
                "other" | "alike" if role == "conflict" => {
                    assert_eq!(outcome, "CONFLICT_VALUE_CHANGED", "{what}")
                }
                "other" | "alike" => assert_eq!(outcome, "ROW_NOT_FOUND", "{what}"),
                code => assert!(
                    outcome.starts_with(&format!("{code}: c{}", case.n)),
                    "{what}"
                ),
            }
        }
        require_alike(&stage, case);
        let marked = stage
            .value(&format!("SELECT w{} FROM held", case.n))
            .unwrap();
        let marked: Vec<_> = marked.split(',').filter(|mark| !mark.is_empty()).collect();
        assert_eq!(
            marked.is_empty(),
            marks.is_empty(),
            "{}: {marked:?}",
            case.n
        );
    }
}

/// That a case which claims it would fool the server does.
fn require_alike(stage: &Stage, case: &Case) {
    if case.becomes != "alike" {
        return;
    }
    let query = format!("SELECT c{} = ? FROM held", case.n);
    let mut root = stage.shop.root();
    let found: Option<Option<i64>> = root
        .exec_first(query, (case.guard.as_str().unwrap(),))
        .unwrap();
    assert_eq!(
        found,
        Some(Some(1)),
        "{} {}",
        case.held.join(" "),
        case.guard
    );
}

const SHOPS: &str = "
    CREATE TABLE shops (code varchar(20) COLLATE utf8mb4_general_ci PRIMARY KEY, tenant char(9) COLLATE utf8mb4_general_ci,
        number int, said text);
    INSERT INTO shops VALUES ('Zoo', 'acme', 0, 'x'), ('zebra', 'ACME', 1, 'x')";

fn what_is_only_alike_is_neither_changed_nor_deleted(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish(SHOPS);
    let guards = [
        ("zoo", "tenant", json!("acme"), "ROW_NOT_FOUND"),
        ("Zoo ", "tenant", json!("acme"), "ROW_NOT_FOUND"),
        ("Zoo", "tenant", json!("ACME"), "ROW_NOT_FOUND"),
        ("Zoo", "tenant", json!("acme "), "ROW_NOT_FOUND"),
        (
            "Zoo",
            "number",
            json!("acme"),
            "WRITEBACK_VALUE_TYPE_MISMATCH: number",
        ),
        (
            "zebra",
            "number",
            json!("1abc"),
            "WRITEBACK_VALUE_TYPE_MISMATCH: number",
        ),
        ("zebra", "tenant", json!("acme"), "ROW_NOT_FOUND"),
    ];
    for (n, (code, column, tenant, _)) in guards.iter().enumerate() {
        let update = stage
            .update("shops")
            .id(&format!("update_{n}"))
            .change("said", "y");
        stage.approve(update.key("code", *code).tenant(column, tenant.clone()));
        let delete = stage.delete("shops").id(&format!("delete_{n}"));
        stage.approve(delete.key("code", *code).tenant(column, tenant.clone()));
    }
    let polled = stage.poll();
    for (n, (.., outcome)) in guards.iter().enumerate() {
        assert_eq!(polled.outcome(&format!("update_{n}")), *outcome, "{n}");
        assert_eq!(polled.outcome(&format!("delete_{n}")), *outcome, "{n}");
    }
    assert_eq!(
        stage.number("SELECT count(*) FROM shops WHERE said = 'x'"),
        2
    );
}

fn two_rows_that_are_only_alike_are_both_left_as_they_are(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish(
        "CREATE TABLE letters (letter varchar(9) COLLATE utf8mb4_unicode_ci, said text);
         INSERT INTO letters VALUES ('ss', 'x'), ('ß', 'x'), ('e', 'x'), ('é', 'x'), ('A', 'x'), ('Ａ', 'x')",
    );
    let letters = ["ss", "ß", "e", "é", "A", "Ａ", "a"];
    for letter in letters {
        let delete = stage.delete("letters").key("letter", letter);
        stage.approve(delete.id(&format!("delete_{letter}")));
        let update = stage
            .update("letters")
            .key("letter", letter)
            .change("said", "y");
        stage.approve(update.id(&format!("update_{letter}")));
    }
    let polled = stage.poll();
    for letter in letters {
        for operation in ["delete", "update"] {
            let outcome = polled.outcome(&format!("{operation}_{letter}"));
            assert_eq!(outcome, "WRITEBACK_MULTI_ROW_BLOCKED", "{letter}");
        }
    }
    assert_eq!(
        stage.number("SELECT count(*) FROM letters WHERE said = 'x'"),
        6
    );
}

fn a_composite_key_is_compared_column_by_column(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish(
        "CREATE TABLE parts (shop varchar(9) COLLATE utf8mb4_general_ci, no int, said text, PRIMARY KEY (shop, no));
         INSERT INTO parts VALUES ('a', 1, 'x'), ('a', 2, 'x'), ('b', 1, 'x')",
    );
    let update = |id: &str, shop: &str, no: i64| {
        let update = stage.update("parts").id(id).change("said", id);
        stage.approve(update.key("shop", shop).key("no", no));
    };
    update("mine", "a", 2);
    update("case", "A", 1);
    update("none", "b", 2);
    let polled: Ended = stage.poll();
    let outcomes = ["mine", "case", "none"].map(|id| polled.outcome(id));
    assert_eq!(outcomes, ["applied", "ROW_NOT_FOUND", "ROW_NOT_FOUND"]);
    let said = "SELECT group_concat(said ORDER BY shop, no) FROM parts";
    assert_eq!(stage.value(said).as_deref(), Some("x,mine,x"));
}

fn a_row_that_another_tenant_has_is_not_found(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage
        .shop
        .execute("UPDATE tickets SET tenant_id = 'globex' WHERE id = 1");
    stage.approve(stage.close(1));
    // Nobody learns from the reason that the row is there, whatever its version.
    stage.approve(stage.close(1).id("version").conflict("version", 9));
    stage.approve(stage.close(999));
    let polled = stage.poll();
    for id in ["close_1", "version", "close_999"] {
        assert_eq!(polled.outcome(id), "ROW_NOT_FOUND");
        let metadata =
            json!({ "affected_rows": "0", "operation": "update", "reason": "ROW_NOT_FOUND" });
        assert_eq!(stage.report(id)["external_commit_metadata"], metadata);
    }
}
