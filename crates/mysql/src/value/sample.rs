//! Columns for unit tests, described as the servers describe them, and short ways to ask what becomes of a value.

use mysql::Value;
use synapsor_core::json::Json;
use synapsor_core::refusal::{Code, Refusal};

use super::{Column, ColumnType, Exact, Fault, Typed, guard, read, written};

/// A nullable column `c` of a type as `COLUMN_TYPE` shows it; texts are in utf8mb4.
pub(super) fn column(column_type: &str) -> Column {
    let data_type: String = column_type
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric())
        .collect();
    let arguments: Vec<u64> = column_type[data_type.len()..]
        .trim_start_matches('(')
        .split(')')
        .next()
        .into_iter()
        .flat_map(|list| list.split(','))
        .filter_map(|argument| argument.parse().ok())
        .collect();
    let first = arguments.first().copied();
    let mut column = Column {
        name: "c".to_owned(),
        column_type: column_type.to_owned(),
        is_nullable: true,
        ..Column::default()
    };
    match data_type.as_str() {
        "decimal" | "float" | "double" | "bit" => {
            column.numeric_precision = first;
            column.numeric_scale = arguments.get(1).copied();
        }
        "datetime" | "timestamp" | "time" => column.datetime_precision = first.or(Some(0)),
        "char" | "varchar" => describe_text(&mut column, first, first.map(|n| n * 4)),
        "tinytext" => describe_text(&mut column, Some(255), Some(255)),
        "text" => describe_text(&mut column, Some(65535), Some(65535)),
        "longtext" => describe_text(&mut column, Some(4294967295), Some(4294967295)),
        "binary" | "varbinary" => column.character_octet_length = first,
        "tinyblob" => column.character_octet_length = Some(255),
        "blob" => column.character_octet_length = Some(65535),
        "enum" | "set" => describe_text(&mut column, Some(1), Some(4)),
        _ => {}
    }
    column.data_type = data_type;
    column
}

fn describe_text(column: &mut Column, characters: Option<u64>, octets: Option<u64>) {
    column.character_maximum_length = characters;
    column.character_octet_length = octets;
    column.character_set = Some("utf8mb4".to_owned());
    column.collation = Some("utf8mb4_general_ci".to_owned());
}

/// The same column in another character set.
pub(super) fn in_character_set(column_type: &str, character_set: &str) -> Column {
    Column {
        character_set: Some(character_set.to_owned()),
        ..column(column_type)
    }
}

/// A JSON value from its text.
pub(super) fn json(text: &str) -> Json {
    Json::new(serde_json::from_str(text).unwrap()).unwrap()
}

/// What becomes of a value that is written to a column.
pub(super) fn try_written(column: &Column, text: &str) -> Result<Typed, Refusal> {
    written(&json(text), column, &ColumnType::of(column).unwrap())
}

/// The parameter of a value that fits.
pub(super) fn sent(column_type: &str, text: &str) -> Value {
    try_written(&column(column_type), text).unwrap().parameter
}

/// What the column holds then.
pub(super) fn held(column_type: &str, text: &str) -> Exact {
    try_written(&column(column_type), text).unwrap().exact
}

/// What a cell of a column holds.
pub(super) fn cell(column_type: &str, cell: &Value) -> Option<Exact> {
    read(cell, &ColumnType::of(&column(column_type)).unwrap())
}

/// Why a value is refused, as one that is written and as a guard.
pub(super) fn fault(column_type: &str, text: &str) -> Fault {
    let column = column(column_type);
    let refused = try_written(&column, text).unwrap_err();
    let as_guard = guard(&json(text), &column, &ColumnType::of(&column).unwrap()).unwrap_err();
    assert_eq!(refused, as_guard, "{text}");
    fault_of(&refused)
}

/// What a refusal says; it names the column and nothing else.
pub(super) fn fault_of(refusal: &Refusal) -> Fault {
    assert_eq!(refusal.culprit.as_deref(), Some("c"));
    match refusal.code {
        Code::ValueTypeMismatch => Fault::Mismatch,
        Code::ValueNotExact => Fault::NotExact,
        code => panic!("{code}"),
    }
}
