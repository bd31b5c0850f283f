//! Values arrive exactly, through HTTP, JSON and the servers' types.

use synapsor_mysql_testbed::Flavor;
use synapsor_testbed::{Proposal, exact};

use crate::cases::cases;
use crate::stage::Stage;

on_both! {
    every_type_keeps_its_values_exactly_and_finds_them_again
    numbers_past_2_to_the_53_and_65_digits_arrive_exactly
    a_null_and_a_value_left_out_are_what_the_table_says
}

/// A column's type, a value, an expression of `<c>`, the column, and its text once the value is in.
const KEPT: &str = r#"
tinyint | -128 | <c> | -128
tinyint unsigned | 255 | <c> | 255
tinyint(1) | true | <c> | 1
smallint | -32768 | <c> | -32768
smallint unsigned | 65535 | <c> | 65535
mediumint | 8388607 | <c> | 8388607
mediumint unsigned | 16777215 | <c> | 16777215
int | -2147483648 | <c> | -2147483648
int unsigned | "4294967295" | <c> | 4294967295
int zerofill | 42 | <c> | 0000000042
bigint | -9223372036854775808 | <c> | -9223372036854775808
bigint | 9007199254740993 | <c> | 9007199254740993
bigint unsigned | 18446744073709551615 | <c> | 18446744073709551615
int DEFAULT 7 | null | <c> IS NULL | 1
decimal(65,0) | 99999999999999999999999999999999999999999999999999999999999999999 | <c> | 99999999999999999999999999999999999999999999999999999999999999999
decimal(65,30) | "-12345678901234567890123456789012345.123456789012345678901234567891" | <c> | -12345678901234567890123456789012345.123456789012345678901234567891
decimal(10,2) | 1.1 | <c> | 1.10
decimal(10,2) | 1e2 | <c> | 100.00
decimal(30,2) | 18446744073709551616 | <c> | 18446744073709551616.00
float | 3.4028235e38 | CAST(<c> AS double) | 3.4028234663852886e38
float | 0.1 | CAST(<c> AS double) | 0.10000000149011612
double | 1.7976931348623157e308 | <c> | 1.7976931348623157e308
float(7,3) | 123.125 | <c> | 123.125
double | -0.1 | <c> | -0.1
double(20,10) | 0.1 | <c> | 0.1000000000
double | 5e-324 | <c> = 5e-324 | 1
bit(64) | 18446744073709551615 | <c> + 0 | 18446744073709551615
bit(10) | 513 | <c> + 0 | 513
bit(1) | true | <c> + 0 | 1
datetime(6) | "9999-12-31T23:59:59.999999Z" | <c> | 9999-12-31 23:59:59.999999
datetime(6) | "2026-03-01T12:00:00.123456+05:30" | <c> | 2026-03-01 06:30:00.123456
datetime(3) | "2026-03-01 12:00:00.120" | <c> | 2026-03-01 12:00:00.120
datetime | "1000-01-01" | <c> | 1000-01-01 00:00:00
timestamp(6) NULL | "2038-01-19T03:14:07.999999Z" | unix_timestamp(<c>) | 2147483647.999999
timestamp NULL | "1970-01-01T01:00:01+01:00" | unix_timestamp(<c>) | 1
timestamp NULL DEFAULT CURRENT_TIMESTAMP | null | <c> IS NULL | 1
date | "2024-02-29" | <c> | 2024-02-29
date | "9999-12-31" | <c> | 9999-12-31
time(6) | "-838:59:58.999999" | <c> | -838:59:58.999999
time | "838:59:59" | <c> | 838:59:59
time | "7:08:09" | <c> | 07:08:09
year | 2155 | <c> | 2155
year | 0 | <c> | 0000
char(4) | "日本語😀" | hex(<c>) | E697A5E69CACE8AA9EF09F9880
varchar(9) | " a  " | hex(<c>) | 20612020
varchar(9) | "" | length(<c>) | 0
varchar(9) | 1.10 | <c> | 1.10
text | "it's \\ \"? %s` \u0000\n;--" | hex(<c>) | 69742773205C20223F2025736020000A3B2D2D
varchar(9) CHARACTER SET latin1 | "é€ " | hex(<c>) | E98020
varchar(9) CHARACTER SET utf16 | "é😀" | hex(<c>) | 00E9D83DDE00
binary(16) | "0x00112233445566778899aabbccddeeff" | hex(<c>) | 00112233445566778899AABBCCDDEEFF
varbinary(9) | "é" | hex(<c>) | C3A9
varbinary(9) | "0x" | length(<c>) | 0
blob | {"type":"Buffer","data":[0,255,128]} | hex(<c>) | 00FF80
enum('a','b''c','') | "b'c" | <c> | b'c
enum('a','') | "" | <c> + 0 | 2
set('a','b','c') | ["c","a"] | <c> | a,c
set('a','b') | [] | <c> + 0 | 0
json | "text" | <c> | "text"
json | 18446744073709551615 | <c> | 18446744073709551615
json | null | <c> IS NULL | 1
"#;

const KEPT_BY_MARIADB: &str = r#"
json | {"b":1.10,"a":[null,12345678901234567890.5]} | <c> | {"b":1.10,"a":[null,12345678901234567890.5]}
uuid | "0A0EEBC99C0B4EF8BB6D6BB9BD380A11" | <c> | 0a0eebc9-9c0b-4ef8-bb6d-6bb9bd380a11
inet4 | "10.1.2.3" | <c> | 10.1.2.3
inet6 | "2001:DB8::00ff" | <c> | 2001:db8::ff
"#;

const KEPT_BY_MYSQL: &str = r#"
json | {"b":1.10,"a":[null,"é"]} | <c> | {"a": [null, "é"], "b": 1.1}
"#;

/// The cases of both servers and of the one, numbered.
pub fn numbered<const N: usize>(
    flavor: Flavor,
    of: [&'static str; 3],
) -> Vec<(usize, [&'static str; N])> {
    let [both, mariadb, mysql] = of;
    let own = if flavor == Flavor::MySql {
        mysql
    } else {
        mariadb
    };
    cases(both)
        .into_iter()
        .chain(cases(own))
        .enumerate()
        .collect()
}

fn kept(flavor: Flavor) -> Vec<(usize, [&'static str; 4])> {
    numbered(flavor, [KEPT, KEPT_BY_MARIADB, KEPT_BY_MYSQL])
}

/// A table with a column `c<n>` for each case.
pub fn table<const N: usize>(name: &str, cases: &[(usize, [&str; N])]) -> String {
    let columns = cases.iter().map(|(n, case)| format!(", c{n} {}", case[0]));
    format!(
        "CREATE TABLE {name} (id int PRIMARY KEY, mark int{})",
        columns.collect::<String>()
    )
}

fn every_type_keeps_its_values_exactly_and_finds_them_again(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let kept = kept(flavor);
    stage.furnish(&table("kept", &kept));
    stage.shop.execute("INSERT INTO kept (id) VALUES (2)");
    let with_values = |proposal: Proposal| {
        let write = |proposal: Proposal, (n, case): &(usize, [&str; 4])| {
            proposal.change(&format!("c{n}"), exact(case[1]))
        };
        kept.iter().fold(proposal, write)
    };
    stage.approve(with_values(
        stage.insert("kept").id("insert").change("id", 1),
    ));
    stage.approve(with_values(stage.update("kept").id("update").key("id", 2)));
    let polled = stage.poll();
    assert_eq!(polled.summary()["applied"], 2, "{polled:?}");

    let looks: Vec<_> = kept
        .iter()
        .map(|(n, case)| case[2].replace("<c>", &format!("c{n}")))
        .collect();
    let rows = stage
        .shop
        .query_rows(&format!("SELECT {} FROM kept", looks.join(", ")));
    assert_eq!(rows.len(), 2);
    for row in rows {
        for ((_, [column, value, _, text]), held) in kept.iter().zip(row) {
            assert_eq!(held.as_deref(), Some(*text), "{column} of {value}");
        }
    }

    for (n, [_, value, ..]) in &kept {
        let guarded = stage
            .update("kept")
            .id(&format!("guarded_{n}"))
            .key("id", 1)
            .change("mark", *n);
        stage.approve(guarded.conflict(&format!("c{n}"), exact(value)));
    }
    let polled = stage.poll();
    for (n, [column, value, ..]) in &kept {
        let outcome = polled.outcome(&format!("guarded_{n}"));
        if *column == "json" && *value != "null" {
            assert_eq!(
                outcome,
                format!("WRITEBACK_VALUE_TYPE_MISMATCH: c{n}: a json column can't be a guard")
            );
        } else {
            assert_eq!(outcome, "applied", "{column} by {value}");
        }
    }
}

fn numbers_past_2_to_the_53_and_65_digits_arrive_exactly(flavor: Flavor) {
    const LONG: &str = "-12345678901234567890123456789012345.123456789012345678901234567891";
    let stage = Stage::new(flavor);
    stage.furnish(
        "CREATE TABLE sums (id bigint unsigned PRIMARY KEY, big bigint, total decimal(65,30))",
    );
    stage.shop.execute(
        "INSERT INTO sums VALUES (18446744073709551614, 1, 1), (18446744073709551615, 1, 1)",
    );
    let update = stage
        .update("sums")
        .id("update")
        .key("id", exact("18446744073709551615"));
    stage.approve(
        update
            .change("big", exact("9007199254740993"))
            .change("total", exact(LONG)),
    );
    let insert = stage
        .insert("sums")
        .id("insert")
        .change("id", exact("9007199254740993"));
    stage.approve(
        insert
            .change("big", exact("-9223372036854775808"))
            .change("total", LONG),
    );
    assert_eq!(stage.poll().summary()["applied"], 2);
    let rows = stage
        .shop
        .query_rows("SELECT id, big, total FROM sums ORDER BY id");
    let row = |id: &str, big: &str, total: &str| {
        vec![Some(id.into()), Some(big.into()), Some(total.into())]
    };
    let one = format!("1.{}", "0".repeat(30));
    assert_eq!(
        rows,
        [
            row("9007199254740993", "-9223372036854775808", LONG),
            row("18446744073709551614", "1", &one),
            row("18446744073709551615", "9007199254740993", LONG),
        ]
    );
    let guarded = stage
        .delete("sums")
        .id("guarded")
        .key("id", exact("18446744073709551615"));
    stage.approve(guarded.conflict("total", exact(&LONG.replace("891", "892"))));
    let polled = stage.poll();
    assert_eq!(
        polled.outcome("guarded"),
        "CONFLICT_VALUE_CHANGED",
        "the last of 65 digits counts"
    );
}

fn a_null_and_a_value_left_out_are_what_the_table_says(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish("CREATE TABLE numbered (id int AUTO_INCREMENT PRIMARY KEY, must int NOT NULL, has int NOT NULL DEFAULT 5, may int DEFAULT 6)");
    let insert = |id: &str| stage.insert("numbered").id(id);
    stage.approve(insert("next").change("must", 1));
    stage.approve(
        insert("zero")
            .change("must", 2)
            .change("id", 0)
            .change("may", serde_json::Value::Null),
    );
    stage.approve(
        insert("null")
            .change("must", 3)
            .change("id", serde_json::Value::Null),
    );
    stage.approve(insert("must").change("must", serde_json::Value::Null));
    stage.approve(
        insert("has")
            .change("must", 3)
            .change("has", serde_json::Value::Null),
    );
    stage.approve(insert("left_out").change("may", 3));
    let polled = stage.poll();
    assert_eq!(
        ["next", "zero"].map(|id| polled.outcome(id)),
        ["applied", "applied"]
    );
    for (id, column) in [("null", "id"), ("must", "must"), ("has", "has")] {
        assert_eq!(
            polled.outcome(id),
            format!("SQLSTATE 23000: ER_BAD_NULL_ERROR, column {column}")
        );
    }
    assert_eq!(
        polled.outcome("left_out"),
        "SQLSTATE HY000: ER_NO_DEFAULT_FOR_FIELD"
    );
    let rows = stage.shop.query_rows("SELECT * FROM numbered ORDER BY id");
    let row = |cells: [Option<&str>; 4]| cells.map(|cell| cell.map(str::to_owned)).to_vec();
    assert_eq!(
        rows,
        [
            row([Some("0"), Some("2"), Some("5"), None]),
            row([Some("1"), Some("1"), Some("5"), Some("6")])
        ]
    );
}
