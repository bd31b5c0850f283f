//! A table: rows with a name and figures.

use comfy_table::{CellAlignment, ContentArrangement, presets};
use serde_json::{Map, Value};

use super::figure::Figure;

/// Rows of figures. The first row says which columns there are.
#[derive(Clone, Debug)]
pub struct Table {
    labels: &'static [&'static str],
    rows: Vec<Row>,
}

#[derive(Clone, Debug)]
struct Row {
    labels: Vec<String>,
    figures: Vec<Figure>,
}

impl Table {
    /// A table whose rows are told apart by these columns.
    pub fn new(labels: &'static [&'static str]) -> Self {
        Table {
            labels,
            rows: Vec::new(),
        }
    }

    /// A table of what each process used (see [`crate::runs::Runs::add_processes`]).
    pub fn of_processes() -> Self {
        Table::new(&["case", "process"])
    }

    /// Adds a row.
    pub fn row(&mut self, labels: &[&str], figures: impl IntoIterator<Item = Figure>) {
        self.rows.push(Row {
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            figures: figures.into_iter().collect(),
        });
    }

    /// One object for each row, for a program.
    pub fn json(&self) -> Value {
        self.rows.iter().map(|row| self.row_json(row)).collect()
    }

    fn row_json(&self, row: &Row) -> Value {
        let labels = self.labels.iter().zip(&row.labels);
        let labels = labels.map(|(name, label)| ((*name).to_owned(), label.as_str().into()));
        let figures = row.figures.iter();
        let figures = figures.map(|figure| (figure.name.to_owned(), figure.json()));
        Value::Object(labels.chain(figures).collect::<Map<_, _>>())
    }

    /// Prints it, indented.
    pub fn print(&self) {
        let Some(first) = self.rows.first() else {
            return;
        };
        let labels = self.labels.iter().copied();
        let names = first.figures.iter().map(|figure| figure.name);
        let cells = |row: &Row| -> Vec<String> {
            let figures = row.figures.iter().map(ToString::to_string);
            row.labels.iter().cloned().chain(figures).collect()
        };
        print(
            self.labels.len(),
            labels.chain(names).map(str::to_owned),
            self.rows.iter().map(cells),
        );
    }
}

/// Prints rows below their columns' names, indented; the columns from `first_number` on are flush right.
pub fn print(
    first_number: usize,
    columns: impl IntoIterator<Item = String>,
    rows: impl IntoIterator<Item = Vec<String>>,
) {
    let mut table = comfy_table::Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(first_number) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!();
    for line in table.to_string().lines() {
        println!("  {}", line.trim_end());
    }
}
