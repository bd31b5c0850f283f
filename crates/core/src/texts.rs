//! The texts in a JSON value, for those that show what a server sent.

use serde_json::Value;

/// Rewrites every string in a value.
pub fn rewrite(value: &mut Value, new: &impl Fn(&str) -> String) {
    match value {
        Value::String(text) => *text = new(text),
        Value::Array(elements) => elements
            .iter_mut()
            .for_each(|element| rewrite(element, new)),
        Value::Object(members) => members.values_mut().for_each(|member| rewrite(member, new)),
        _ => {}
    }
}
