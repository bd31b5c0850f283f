//! Values that a column can't keep as they are: refused, with nothing cut, rounded or cast.

use synapsor_mysql_testbed::{Flavor, Server};
use synapsor_testbed::exact;

use crate::stage::Stage;
use crate::values::{numbered, table};

on_both! {
    a_value_that_does_not_fit_is_refused_and_nothing_is_cut
    a_character_that_the_column_does_not_have_is_refused
    what_can_t_be_written_is_refused
    a_value_of_megabytes_arrives_byte_for_byte
    a_value_longer_than_the_server_takes_fails_alone
}

/// A column's type, a value that it can't hold, and what that is: `NOT_EXACT` or `TYPE_MISMATCH`.
const REFUSED: &str = r#"
tinyint | 128 | NOT_EXACT
tinyint | -129 | NOT_EXACT
tinyint unsigned | -1 | NOT_EXACT
tinyint(1) | 128 | NOT_EXACT
smallint unsigned | 65536 | NOT_EXACT
mediumint | 8388608 | NOT_EXACT
int | 2147483648 | NOT_EXACT
int | 1.5 | NOT_EXACT
int | "12x" | TYPE_MISMATCH
int | "" | TYPE_MISMATCH
int | true | TYPE_MISMATCH
int | {} | TYPE_MISMATCH
bigint | 9223372036854775808 | NOT_EXACT
bigint unsigned | 18446744073709551616 | NOT_EXACT
decimal(5,2) | 1000 | NOT_EXACT
decimal(5,2) | 1.005 | NOT_EXACT
decimal(5,2) unsigned | -0.01 | NOT_EXACT
decimal(65,30) | 123456789012345678901234567890123456 | NOT_EXACT
decimal(5,2) | "1,5" | TYPE_MISMATCH
float | 16777217 | NOT_EXACT
float | 1e39 | NOT_EXACT
float(7,3) | 0.0625 | NOT_EXACT
double(20,10) | -0.1 | NOT_EXACT
double | 1e309 | NOT_EXACT
double | 0.12345678901234567890 | NOT_EXACT
double | "NaN" | TYPE_MISMATCH
bit(8) | 256 | NOT_EXACT
bit(8) | -1 | NOT_EXACT
bit(8) | "b'1'" | TYPE_MISMATCH
datetime | "2026-01-01T00:00:00.5Z" | NOT_EXACT
datetime(6) | "2026-01-01T00:00:00.1234567Z" | NOT_EXACT
datetime(6) | "0999-12-31T23:59:59Z" | NOT_EXACT
datetime(6) | "9999-12-31T23:59:59-00:01" | NOT_EXACT
datetime | "2026-02-30T00:00:00Z" | TYPE_MISMATCH
datetime | "0000-00-00 00:00:00" | TYPE_MISMATCH
datetime | 1767225600 | TYPE_MISMATCH
datetime | "tomorrow" | TYPE_MISMATCH
timestamp(6) NULL | "2038-01-19T03:14:08Z" | NOT_EXACT
timestamp(6) NULL | "1970-01-01T00:00:00.999999Z" | NOT_EXACT
date | "2026-01-01T00:00:00Z" | TYPE_MISMATCH
date | "2026-13-01" | TYPE_MISMATCH
time | "839:00:00" | NOT_EXACT
time | "12:00:00.5" | NOT_EXACT
time | "noon" | TYPE_MISMATCH
year | 26 | NOT_EXACT
year | 2156 | NOT_EXACT
year | "26" | TYPE_MISMATCH
char(3) | "abcd" | NOT_EXACT
char(3) | "ab " | NOT_EXACT
varchar(3) | "abc " | NOT_EXACT
varchar(3) | "日本語😀" | NOT_EXACT
varchar(3) | true | TYPE_MISMATCH
varchar(3) | ["a"] | TYPE_MISMATCH
varchar(3) CHARACTER SET utf8mb3 | "😀" | NOT_EXACT
binary(3) | "0x0102" | NOT_EXACT
varbinary(2) | "0x010203" | NOT_EXACT
blob | "0x0" | TYPE_MISMATCH
blob | 7 | TYPE_MISMATCH
enum('a','b') | "c" | TYPE_MISMATCH
enum('a','b') | "A" | TYPE_MISMATCH
enum('a','b') | 1 | TYPE_MISMATCH
set('a','b') | ["a","c"] | TYPE_MISMATCH
set('a','b') | ["a","a"] | NOT_EXACT
set('a','b') | 3 | TYPE_MISMATCH
"#;

const REFUSED_BY_MARIADB: &str = r#"
uuid | "acme" | TYPE_MISMATCH
inet4 | "10.1.2" | TYPE_MISMATCH
"#;

const REFUSED_BY_MYSQL: &str = r#"
json | 18446744073709551616 | NOT_EXACT
json | [1e400] | NOT_EXACT
json | 0.12345678901234567890 | NOT_EXACT
"#;

fn a_value_that_does_not_fit_is_refused_and_nothing_is_cut(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let refused: Vec<(usize, [&str; 3])> =
        numbered(flavor, [REFUSED, REFUSED_BY_MARIADB, REFUSED_BY_MYSQL]);
    stage.furnish(&table("refused", &refused));
    stage.shop.execute("INSERT INTO refused (id) VALUES (1)");
    for (n, [_, value, _]) in &refused {
        let update = stage
            .update("refused")
            .id(&format!("update_{n}"))
            .key("id", 1)
            .change("mark", 1);
        stage.approve(update.change(&format!("c{n}"), exact(value)));
        let insert = stage
            .insert("refused")
            .id(&format!("insert_{n}"))
            .change("id", n + 2);
        stage.approve(insert.change(&format!("c{n}"), exact(value)));
    }
    let polled = stage.poll();
    for (n, [column, value, code]) in &refused {
        for operation in ["update", "insert"] {
            let outcome = polled.outcome(&format!("{operation}_{n}"));
            assert_eq!(
                outcome,
                format!("WRITEBACK_VALUE_{code}: c{n}"),
                "{column} of {value}"
            );
        }
    }
    assert_eq!(stage.number("SELECT count(*) FROM refused"), 1);
    let mut row = stage.shop.query_rows("SELECT * FROM refused").remove(0);
    assert_eq!(row.remove(0).as_deref(), Some("1"));
    assert!(row.iter().all(Option::is_none), "{row:?}");
}

fn a_character_that_the_column_does_not_have_is_refused(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish(
        "CREATE TABLE names (id int PRIMARY KEY, latin varchar(20) CHARACTER SET latin1, plain varchar(20) CHARACTER SET ascii,
             russian varchar(20) CHARACTER SET koi8r);
         INSERT INTO names VALUES (1, 'a', 'a', 'a')",
    );
    // What the servers' other sets lack, only they know.
    let told_by_server = if flavor == Flavor::MySql {
        "SQLSTATE HY000: ER_TRUNCATED_WRONG_VALUE_FOR_FIELD, column russian"
    } else {
        "SQLSTATE 22007: ER_TRUNCATED_WRONG_VALUE_FOR_FIELD"
    };
    let columns = [
        ("latin", "WRITEBACK_VALUE_NOT_EXACT: latin"),
        ("plain", "WRITEBACK_VALUE_NOT_EXACT: plain"),
        ("russian", told_by_server),
    ];
    for (column, _) in columns {
        let update = stage.update("names").id(column).key("id", 1);
        stage.approve(update.change(column, "hunter2 日本"));
    }
    let polled = stage.poll();
    for (column, error) in columns {
        assert_eq!(polled.outcome(column), error);
        assert!(!stage.report(column).to_string().contains("hunter2"));
    }
    let row = stage.value("SELECT concat(hex(latin), hex(plain), hex(russian)) FROM names");
    assert_eq!(row.as_deref(), Some("616161"));
}

fn what_can_t_be_written_is_refused(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish(
        "CREATE TABLE odd (id int PRIMARY KEY, a int, twice int GENERATED ALWAYS AS (a * 2) VIRTUAL,
             thrice int GENERATED ALWAYS AS (a * 3) STORED, place point, shape geometry);
         INSERT INTO odd (id, a) VALUES (1, 1)",
    );
    let columns = [
        ("twice", "twice is a generated column"),
        ("thrice", "thrice is a generated column"),
        ("place", "place is of type point"),
        ("shape", "shape is of type geometry"),
    ];
    for (column, _) in columns {
        stage.approve(
            stage
                .update("odd")
                .id(column)
                .key("id", 1)
                .change("a", 2)
                .change(column, 2),
        );
        stage.approve(
            stage
                .insert("odd")
                .id(&format!("{column}_new"))
                .change("id", 2)
                .change(column, 2),
        );
    }
    stage.approve(stage.update("odd").id("fine").key("id", 1).change("a", 7));
    let polled = stage.poll();
    for (column, why) in columns {
        let error = format!("WRITEBACK_TARGET_UNSUPPORTED: {why}");
        assert_eq!(polled.outcome(column), error);
        assert_eq!(polled.outcome(&format!("{column}_new")), error);
    }
    let row = stage.value("SELECT concat_ws(',', id, a, twice, thrice) FROM odd");
    assert_eq!(
        row.as_deref(),
        Some("1,7,14,21"),
        "the others of such a table can be"
    );
}

const LARGE: &str = "CREATE TABLE large (id int PRIMARY KEY, said longtext, bytes longblob); INSERT INTO large (id) VALUES (1)";

fn a_value_of_megabytes_arrives_byte_for_byte(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish(LARGE);
    let said = "é😀x".repeat(700_000);
    let hexadecimal = "00ff80".repeat(700_000);
    let update = stage
        .update("large")
        .key("id", 1)
        .change("said", said.as_str());
    stage.approve(update.change("bytes", format!("0x{hexadecimal}")));
    assert_eq!(stage.poll().outcome("wrp_1"), "applied");
    let (same, length): (i64, usize) = stage.shop.query_value(
        "SELECT said = repeat('é😀x', 700000) COLLATE utf8mb4_bin AND bytes = repeat(x'00ff80', 700000), length(said) FROM large",
    );
    assert_eq!((same, length), (1, said.len()));
}

fn a_value_longer_than_the_server_takes_fails_alone(flavor: Flavor) {
    let server = Server::start_with(flavor, &["--max-allowed-packet=1M"]);
    let stage = Stage::on(&server);
    stage.furnish(LARGE);
    let update = |id: &str, length| {
        let update = stage.update("large").id(id).key("id", 1);
        stage.approve(update.change("said", "x".repeat(length)));
    };
    // The driver sends the first in pieces, and the second in one.
    update("huge", 20 << 20);
    update("too_long", 2 << 20);
    update("good", 1_000_000);
    let polled = stage.poll();
    assert_eq!(polled.outcome("good"), "applied");
    for id in ["huge", "too_long"] {
        assert_eq!(
            polled.result(id)["status"],
            "failed",
            "not tried again and again"
        );
        assert_eq!(
            polled.outcome(id),
            "SQLSTATE 08S01: ER_NET_PACKET_TOO_LARGE"
        );
    }
    assert_eq!(stage.number("SELECT length(said) FROM large"), 1_000_000);
}
