//! MySQL's `json`, and MariaDB's, which is a text that must be JSON.

use mysql::Value;
use synapsor_core::json::Json;

use super::document::{Document, Purpose};
use super::text::cell_of;
use super::{Exact, Family, Fault, Typed};

/// A type of JSON documents.
#[derive(Debug)]
pub(super) enum JsonType {
    /// MySQL's: parsed, with numbers as 64-bit integers or doubles, and with every key once.
    Native,
    /// MariaDB's: the text, as it is written.
    Text,
}

impl Family for JsonType {
    /// A JSON string is a JSON string, quotes and all.
    fn written(&self, value: &Json) -> Result<Typed, Fault> {
        let purpose = match self {
            JsonType::Native => Purpose::Native,
            JsonType::Text => Purpose::Text,
        };
        let document = Document::parse(value.text(), purpose)?;
        Ok(Typed {
            parameter: Value::Bytes(value.compact().into_bytes()),
            exact: Exact::Json(document),
        })
    }

    /// To MySQL a document never equals a text, and MariaDB compares the texts, white space and all.
    fn guard(&self, _: &Json) -> Result<Typed, Fault> {
        Err(Fault::NoGuard)
    }

    fn read(&self, cell: &Value) -> Option<Exact> {
        let purpose = match self {
            JsonType::Native => Purpose::NativeCell,
            JsonType::Text => Purpose::Text,
        };
        Document::of_cell(cell_of(cell)?, purpose).map(Exact::Json)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Fault::{Mismatch, NotExact};
    use super::super::sample::{cell, column, fault_of, held, json, sent, try_written};
    use super::super::{Column, ColumnType, guard};
    use super::*;

    fn text(text: &str) -> Value {
        Value::Bytes(text.as_bytes().to_vec())
    }

    fn mariadb() -> Column {
        Column {
            is_json_text: true,
            ..column("longtext")
        }
    }

    fn faults(value: &str) -> [Option<Fault>; 2] {
        [column("json"), mariadb()].map(|column| {
            try_written(&column, value)
                .err()
                .map(|refusal| fault_of(&refusal))
        })
    }

    #[test]
    fn a_document_is_sent_as_its_compact_text() {
        for (value, compact) in [
            ("\"a b\"", "\"a b\""),
            ("[ 1 , 2.50 ]", "[1,2.50]"),
            ("{ \"a\": null }", "{\"a\":null}"),
            ("true", "true"),
            ("18446744073709551615", "18446744073709551615"),
        ] {
            assert_eq!(sent("json", value), text(compact), "{value}");
            let typed = try_written(&mariadb(), value).unwrap();
            assert_eq!(typed.parameter, text(compact), "{value}");
        }
    }

    #[test]
    fn what_mysql_makes_of_a_document_is_the_same_document() {
        let approved = r#"{"b":1,"a":[1,2.50,1e2,-0.0,-0,18446744073709551615]}"#;
        let kept = r#"{"a": [1, 2.5, 100.0, -0.0, 0, 18446744073709551615], "b": 1}"#;
        assert_eq!(cell("json", &text(kept)), Some(held("json", approved)));
        // Two texts of one double: MySQL shows the even one, whichever was approved.
        let kept = text("21324919106177.312");
        for approved in ["21324919106177.312", "21324919106177.313"] {
            assert_eq!(cell("json", &kept), Some(held("json", approved)));
        }
    }

    #[test]
    fn a_decimal_that_mysql_keeps_in_a_document_is_read_as_what_it_is() {
        let decimal = cell("json", &text("9007199254740993.10")).unwrap();
        assert_eq!(decimal.to_json().to_string(), "9007199254740993.1");
    }

    #[test]
    fn a_number_that_mysql_would_round_is_not_exact_where_mariadb_keeps_its_text() {
        for value in [
            "18446744073709551616",
            "-9223372036854775809",
            "123456789.123456789",
            "9007199254740993.0",
            "9007199254740993e0",
            "1e400",
            "[{\"a\":1e-400}]",
        ] {
            assert_eq!(faults(value), [Some(NotExact), None], "{value}");
        }
        for value in ["0.30000000000000004", "1e22", "5e-324", "-1.50", "-0.0"] {
            assert_eq!(faults(value), [None, None], "{value}");
        }
    }

    #[test]
    fn a_repeated_key_or_a_lone_surrogate_is_refused_wherever_it_stands() {
        for value in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"[{"b":{"a":1,"c":2,"a":3}}]"#,
        ] {
            assert_eq!(faults(value), [Some(NotExact), Some(NotExact)], "{value}");
        }
        for value in [r#""\ud800""#, r#"[{"\udc00":1}]"#] {
            assert_eq!(faults(value), [Some(Mismatch), Some(Mismatch)], "{value}");
        }
    }

    #[test]
    fn mysql_nests_a_hundred_levels() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(faults(&nested(100)), [None, None]);
        assert_eq!(faults(&nested(101)), [Some(NotExact), None]);
    }

    #[test]
    fn a_json_column_cannot_be_a_guard() {
        for column in [column("json"), mariadb()] {
            let ty = ColumnType::of(&column).unwrap();
            let refused = guard(&json("{\"a\":1}"), &column, &ty).unwrap_err();
            assert_eq!(
                refused.to_string(),
                "WRITEBACK_VALUE_TYPE_MISMATCH: c: a json column can't be a guard"
            );
        }
    }
}
