//! Tables for people.

use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};
use serde_json::Value;

/// One line, below the heading.
const STYLE: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// Columns of a terminal that a table is fitted into; narrower ones, and those that don't know their width, get long lines.
const NARROW: u16 = 40;

/// A table with a heading, as wide as the terminal.
pub fn of(heading: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    if table.width().is_some_and(|width| width >= NARROW) {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    table
        .load_style(STYLE)
        .set_header(heading.iter().map(|title| printable(title)));
    for row in rows {
        table.add_row(row.iter().map(|cell| printable(cell)));
    }
    table.trim_fmt()
}

/// A JSON value as a cell: a string as it is, null as nothing.
pub fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    }
}

/// A terminal obeys control characters, and others write what we show.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if is_hidden(c) { '\u{fffd}' } else { c })
        .collect()
}

/// The same for a JSON text, which loses nothing by it: its strings have an escape for every character.
pub fn printable_json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        // White space between the parts of a JSON text is ASCII, and stays.
        if is_hidden(c) && !c.is_ascii_whitespace() {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

/// Control characters, and those that turn the direction of writing or are not seen.
fn is_hidden(c: char) -> bool {
    let is_unseen = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    c.is_control() || is_unseen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_and_no_heading_commands_the_terminal() {
        let table = of(&["na\u{9b}me"], [vec!["\u{1b}[31mred\u{202e}".to_owned()]]);
        assert!(table.contains('\u{fffd}'));
        assert!(!table.contains(|c| is_hidden(c) && c != '\n'), "{table:?}");
    }

    #[test]
    fn a_json_text_says_the_same_without_characters_that_command() {
        let value = serde_json::json!({ "a\u{9b}": ["\u{7f}\u{1b}[31m", "\u{202e}é\n"] });
        for text in [value.to_string(), format!("{value:#}")] {
            let safe = printable_json(&text);
            assert!(!safe.contains(|c| is_hidden(c) && c != '\n'), "{safe:?}");
            assert_eq!(serde_json::from_str::<Value>(&safe).unwrap(), value);
        }
    }
}
