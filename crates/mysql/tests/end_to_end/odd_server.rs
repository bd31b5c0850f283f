//! A server that is set up as nobody would guess: no value and no rule may depend on it.

use synapsor_mysql_testbed::{Flavor, Server};

use crate::stage::Stage;

on_both! {
    no_value_means_anything_else_because_the_server_is_set_up_otherwise
}

/// A time zone, a mode, a character set and limits that nobody would guess. `init-connect` spares the superuser.
const ODD: [&str; 4] = [
    "--default-time-zone=+05:00",
    "--character-set-server=latin1",
    "--transaction-isolation=SERIALIZABLE",
    "--init-connect=SET autocommit=0, sql_mode='ANSI,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH', foreign_key_checks=0, \
     sql_safe_updates=1, sql_auto_is_null=1; SET NAMES latin1; SET time_zone='-03:00'",
];

fn no_value_means_anything_else_because_the_server_is_set_up_otherwise(flavor: Flavor) {
    let server = Server::start_with(flavor, &ODD);
    let stage = Stage::on(&server);
    stage.furnish(
        "CREATE TABLE times (id int PRIMARY KEY, at timestamp(6) NOT NULL, local datetime(6), code char(9), said text, num int);
         CREATE TABLE parts (id int PRIMARY KEY, times_id int, FOREIGN KEY (times_id) REFERENCES times (id));
         SET time_zone = '+00:00'; SET NAMES utf8mb4;
         INSERT INTO times VALUES (1, '2026-03-01 10:00:00.5', '2026-03-01 10:00:00.5', 'ü', 'a', NULL),
             (2, '2026-03-01 10:00:00.5', '2026-03-01 10:00:00.5', 'ü', 'a', NULL)",
    );
    for (id, column, said) in [(1, "at", "\\ü's 😀"), (2, "local", "b")] {
        let update = stage
            .update("times")
            .id(&format!("time_{id}"))
            .key("id", id)
            .tenant("code", "ü");
        stage.approve(
            update
                .conflict(column, "2026-03-01T10:00:00.5")
                .change("said", said),
        );
    }
    stage.approve(
        stage
            .insert("times")
            .id("zoned")
            .change("id", 3)
            .change("at", "2026-03-01T12:00:00+02:00")
            .change("num", 0),
    );
    stage.approve(
        stage
            .insert("times")
            .id("bad")
            .change("id", 4)
            .change("num", 2147483648_u64),
    );
    stage.approve(
        stage
            .insert("parts")
            .id("orphan")
            .change("id", 1)
            .change("times_id", 99),
    );
    let polled = stage.poll();
    for id in ["time_1", "time_2", "zoned"] {
        assert_eq!(polled.outcome(id), "applied", "{polled:?}");
    }
    assert_eq!(polled.outcome("bad"), "WRITEBACK_VALUE_NOT_EXACT: num");
    assert!(
        polled
            .outcome("orphan")
            .starts_with("SQLSTATE 23000: ER_NO_REFERENCED_ROW_2"),
        "{polled:?}"
    );
    assert_eq!(
        stage
            .value("SELECT hex(said) FROM times WHERE id = 1")
            .as_deref(),
        Some("5CC3BC277320F09F9880")
    );
    assert_eq!(
        stage
            .value("SELECT unix_timestamp(at) FROM times WHERE id = 3")
            .as_deref(),
        Some("1772359200.000000")
    );
}
