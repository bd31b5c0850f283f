//! What a person sees: headings and tables.

use comfy_table::{ContentArrangement, Table, presets};

/// Prints a heading.
pub fn heading(text: &str) {
    println!("\n{text}\n");
}

/// Prints rows below their columns' names, indented.
pub fn table<const N: usize>(columns: [&str; N], rows: impl IntoIterator<Item = [String; N]>) {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.map(str::to_uppercase));
    for row in rows {
        table.add_row(row);
    }
    for line in table.to_string().lines() {
        println!("  {}", line.trim_end());
    }
}
