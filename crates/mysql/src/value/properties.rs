//! What holds for every JSON text and every type.

use mysql::Value;
use proptest::prelude::*;
use proptest::sample::select;

use super::sample::{column, fault_of, in_character_set, json};
use super::{Column, ColumnType, Exact, Fault, guard, read, to_json, written};

/// Types of every family.
const TYPES: &[&str] = &[
    "tinyint(1)",
    "smallint unsigned",
    "mediumint",
    "int",
    "bigint",
    "bigint unsigned",
    "decimal(65,30)",
    "decimal(5,2) unsigned",
    "decimal(10,0)",
    "float",
    "float(7,2)",
    "double",
    "double(20,10)",
    "bit(1)",
    "bit(13)",
    "bit(64)",
    "datetime",
    "datetime(6)",
    "timestamp(3)",
    "date",
    "time",
    "time(6)",
    "year",
    "char(5)",
    "varchar(9)",
    "tinytext",
    "longtext",
    "binary(3)",
    "varbinary(9)",
    "tinyblob",
    "enum('a','b''c','')",
    "set('c','a','b')",
    "json",
    "uuid",
    "inet4",
    "inet6",
];

/// Texts with something of every family in them.
const FORMS: &[&str] = &[
    "2024-02-29T23:59:59.999999+01:00",
    "1970-01-01",
    "-838:59:59",
    "12:30:00.5",
    "0x00ff",
    "0x0",
    "a",
    "c,a",
    "b'c",
    "123e4567-e89b-12d3-a456-426655440000",
    "::1",
    "10.0.0.1",
    "007",
    "1e400",
    "-0.0",
    "2024",
    "😀",
];

fn types() -> impl Strategy<Value = Column> {
    prop_oneof![
        8 => select(TYPES).prop_map(column),
        1 => Just(in_character_set("varchar(9)", "utf8mb3")),
        1 => Just(Column { is_json_text: true, ..column("longtext") }),
    ]
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<u64>().prop_map(|number| number.to_string()),
        (-300i32..300).prop_map(|number| number.to_string()),
        any::<f64>()
            .prop_filter("finite", |number| number.is_finite())
            .prop_map(|number| format!("{number:?}")),
        any::<f32>()
            .prop_filter("finite", |number| number.is_finite())
            .prop_map(|number| format!("{number:e}")),
        "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,40})?([eE][+-]?[0-9]{1,12})?",
        "-?[1-9]?[0-9]\\.[0-9]{1,2}",
    ]
}

/// JSON texts, well-formed, of every kind.
fn value() -> impl Strategy<Value = String> {
    let string = prop_oneof![
        number(),
        select(FORMS).prop_map(str::to_owned),
        any::<String>(),
        "[ -~]{0,12}",
        "[0-9]{4}-[01][0-9]-[0-3][0-9]([T ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,10})?(Z|[+-][0-2][0-9]:?[0-6][0-9])?)?",
    ]
    .prop_map(|text| serde_json::Value::from(text).to_string());
    let leaf = prop_oneof![
        4 => string,
        4 => number(),
        1 => select(vec!["null", "true", "false", "\"\\ud800\"", "{\"type\":\"Buffer\",\"data\":[1,2,255]}"])
            .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|elements| format!("[{}]", elements.join(" , "))),
            prop::collection::vec(("[a-c]{0,2}", inner), 0..4).prop_map(|members| {
                let members: Vec<_> = members
                    .into_iter()
                    .map(|(key, value)| format!("\"{key}\" : {value}"))
                    .collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

/// The cell that a server makes of a parameter.
fn stored(parameter: &Value, column: &Column) -> Value {
    let as_bytes = |number: i128| match column.data_type.as_str() {
        "decimal" => Value::Bytes(number.to_string().into_bytes()),
        "bit" => Value::Bytes((number as u64).to_be_bytes().to_vec()),
        _ => parameter.clone(),
    };
    match parameter {
        Value::Int(number) => as_bytes((*number).into()),
        Value::UInt(number) => as_bytes((*number).into()),
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn a_value_that_fits_is_read_back_as_what_it_was(column in types(), text in value()) {
        let ty = ColumnType::of(&column).unwrap();
        match written(&json(&text), &column, &ty) {
            Ok(typed) => {
                prop_assert_eq!(read(&stored(&typed.parameter, &column), &ty), Some(typed.exact.clone()));
                prop_assert_eq!(typed.exact == Exact::Null, text == "null");
                to_json(&typed.exact);
            }
            Err(refusal) => {
                fault_of(&refusal);
            }
        }
    }

    #[test]
    fn a_guard_takes_what_may_be_written(column in types(), text in value()) {
        let ty = ColumnType::of(&column).unwrap();
        let (value, is_json) = (json(&text), column.data_type == "json" || column.is_json_text);
        if let Ok(typed) = written(&value, &column, &ty) {
            let compared = guard(&value, &column, &ty);
            prop_assert_eq!(compared.ok().map(|guard| guard.exact), (!is_json || text == "null").then_some(typed.exact));
        }
    }

    #[test]
    fn an_integer_fits_exactly_what_its_type_holds(number in any::<i128>().prop_map(|n| n >> 60)) {
        for (name, fits) in [
            ("bigint", i64::try_from(number).is_ok()),
            ("bigint unsigned", u64::try_from(number).is_ok()),
            ("int", i32::try_from(number).is_ok()),
        ] {
            let column = column(name);
            let ty = ColumnType::of(&column).unwrap();
            match written(&json(&number.to_string()), &column, &ty) {
                Ok(typed) => {
                    prop_assert!(fits);
                    prop_assert_eq!(typed.exact, Exact::Integer(number));
                }
                Err(refusal) => {
                    prop_assert!(!fits);
                    prop_assert_eq!(fault_of(&refusal), Fault::NotExact);
                }
            }
        }
    }

    #[test]
    fn a_decimal_s_text_is_the_number_that_was_approved(
        whole in "0|[1-9][0-9]{0,34}",
        fraction in "[0-9]{0,29}[1-9]",
        is_negative in any::<bool>(),
    ) {
        let sign = if is_negative { "-" } else { "" };
        let text = format!("{sign}{whole}.{fraction}");
        let column = column("decimal(65,30)");
        let ty = ColumnType::of(&column).unwrap();
        let typed = written(&json(&text), &column, &ty).unwrap();
        prop_assert_eq!(&typed.parameter, &Value::Bytes(text.clone().into_bytes()));
        prop_assert_eq!(to_json(&typed.exact).to_string(), text);
    }

    #[test]
    fn a_date_time_is_the_same_in_every_zone(seconds in -30_610_224_000i64..253_402_214_400, micros in 0i32..1_000_000, zone in -1439i64..=1439) {
        let utc = jiff::Timestamp::new(seconds, 0).unwrap().to_zoned(jiff::tz::TimeZone::UTC).datetime();
        prop_assume!((1001..9999).contains(&utc.year()));
        let local = utc + jiff::SignedDuration::from_mins(zone);
        let sign = if zone < 0 { '-' } else { '+' };
        let text = format!("\"{local}.{micros:06}{sign}{:02}:{:02}\"", zone.abs() / 60, zone.abs() % 60);
        let column = column("datetime(6)");
        let ty = ColumnType::of(&column).unwrap();
        let typed = written(&json(&text), &column, &ty).unwrap();
        let same = format!("\"{utc}.{micros:06}Z\"");
        prop_assert_eq!(typed.exact, written(&json(&same), &column, &ty).unwrap().exact);
    }

    #[test]
    fn a_cell_of_any_kind_is_read_or_not_understood(column in types(), cell in cells()) {
        let ty = ColumnType::of(&column).unwrap();
        if let Some(exact) = read(&cell, &ty) {
            to_json(&exact);
        }
    }
}

fn cells() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<Vec<u8>>().prop_map(Value::Bytes),
        value().prop_map(|text| Value::Bytes(text.into_bytes())),
        any::<i64>().prop_map(Value::Int),
        any::<u64>().prop_map(Value::UInt),
        any::<f32>().prop_map(Value::Float),
        any::<f64>().prop_map(Value::Double),
        any::<(u16, u8, u8, u8, u8, u8, u32)>().prop_map(
            |(year, month, day, hour, minute, second, micro)| {
                Value::Date(year, month, day, hour, minute, second, micro)
            }
        ),
        any::<(bool, u32, u8, u8, u8, u32)>().prop_map(
            |(sign, days, hour, minute, second, micro)| Value::Time(
                sign, days, hour, minute, second, micro
            )
        ),
    ]
}
