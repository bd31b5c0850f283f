//! What the control plane answered: tables for people, the object as it is for programs.
//!
//! The contract says little of these objects, so nothing is expected of them: fields become a table of names and values, and a list of
//! objects (tables, checks) becomes a table of its own.

use serde_json::{Map, Value};

use crate::output::{Output, table};

/// Prints an answer.
pub fn print(output: Output, answer: &Value) {
    if output.is_human() {
        for part in parts(answer) {
            output.line(&part);
        }
    } else {
        output.emit(answer);
    }
}

/// True when one of the answer's `checks` says `ok: false`.
pub fn has_failed_check(answer: &Value) -> bool {
    let checks = answer.get("checks").and_then(Value::as_array);
    let has_failed = |check: &Value| check.get("ok") == Some(&Value::Bool(false));
    checks.is_some_and(|checks| checks.iter().any(has_failed))
}

/// The fields, then each list of objects under its name.
fn parts(answer: &Value) -> Vec<String> {
    let (mut fields, mut lists) = (Vec::new(), Vec::new());
    collect(answer, "", &mut fields, &mut lists);
    let mut parts = Vec::new();
    if !fields.is_empty() {
        parts.push(table::of(&["FIELD", "VALUE"], fields));
    }
    for (name, objects) in lists {
        parts.push(format!("\n{}:", table::printable(&name)));
        parts.push(list(&objects));
    }
    parts
}

fn collect<'a>(
    value: &'a Value,
    name: &str,
    fields: &mut Vec<Vec<String>>,
    lists: &mut Vec<(String, Vec<&'a Map<String, Value>>)>,
) {
    match (value, objects_of(value)) {
        (Value::Object(members), _) => {
            for (member, value) in members
                .iter()
                .filter(|(member, _)| !name.is_empty() || *member != "ok")
            {
                let name = if name.is_empty() {
                    member.clone()
                } else {
                    format!("{name}.{member}")
                };
                collect(value, &name, fields, lists);
            }
        }
        (_, Some(objects)) => lists.push((name.to_owned(), objects)),
        _ => fields.push(vec![name.to_owned(), cell(Some(value))]),
    }
}

/// The elements of a list that has objects in it and nothing else.
fn objects_of(value: &Value) -> Option<Vec<&Map<String, Value>>> {
    let elements = value.as_array().filter(|elements| !elements.is_empty())?;
    elements.iter().map(Value::as_object).collect()
}

/// A column for each name that an object has, a row for each object.
fn list(objects: &[&Map<String, Value>]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in objects.iter().flat_map(|object| object.keys()) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let headings: Vec<String> = names.iter().map(|name| name.to_uppercase()).collect();
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    let row =
        |object: &&Map<String, Value>| names.iter().map(|name| cell(object.get(*name))).collect();
    table::of(&headings, objects.iter().map(row))
}

/// A value as a cell. Of objects in a list, the name and type are shown: of a table's columns, above all.
fn cell(value: Option<&Value>) -> String {
    match value {
        Some(Value::Bool(true)) => "yes".into(),
        Some(Value::Bool(false)) => "no".into(),
        Some(Value::Array(elements)) => {
            let elements: Vec<String> = elements.iter().map(element).collect();
            elements.join(", ")
        }
        value => table::cell(value),
    }
}

fn element(value: &Value) -> String {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    match (text("name"), text("type")) {
        (Some(name), Some(kind)) => format!("{name} {kind}"),
        (Some(name), None) => name.to_owned(),
        _ => table::cell(Some(value)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_nested_ones_and_lists_are_all_shown() {
        let answer = json!({
            "ok": true, "source_id": "src_1", "connection": { "ssl_mode": "require" }, "tags": ["a", 7],
            "tables": [
                { "name": "tickets", "columns": [{ "name": "id", "type": "bigint" }], "key": null },
                { "name": "orders", "view": true },
            ],
        });
        let parts = parts(&answer);
        assert_eq!(parts.len(), 3);
        for shown in ["source_id", "connection.ssl_mode", "require", "a, 7"] {
            assert!(parts[0].contains(shown), "{shown}");
        }
        assert!(!parts[0].contains("ok"));
        assert_eq!(parts[1], "\ntables:");
        for shown in [
            "NAME",
            "COLUMNS",
            "KEY",
            "VIEW",
            "tickets",
            "id bigint",
            "orders",
            "yes",
        ] {
            assert!(parts[2].contains(shown), "{shown}");
        }
    }

    #[test]
    fn a_check_fails_by_saying_so() {
        assert!(has_failed_check(
            &json!({ "checks": [{ "ok": true }, { "ok": false }] })
        ));
        for fine in [
            json!({ "checks": [{ "ok": true }, { "name": "x" }, 7] }),
            json!({ "checks": { "ok": false } }),
            json!({}),
        ] {
            assert!(!has_failed_check(&fine), "{fine}");
        }
    }
}
