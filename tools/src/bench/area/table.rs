//! What a query gives, as a table of Markdown, whatever its columns are.

use std::fmt;

use postgres::{Client, SimpleQueryMessage};

/// Names of columns and rows of text.
#[derive(Debug, Default)]
pub(super) struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn query(session: &mut Client, query: &str) -> Result<Self, postgres::Error> {
        let mut table = Self::default();
        for message in session.simple_query(query)? {
            match message {
                SimpleQueryMessage::RowDescription(columns) => {
                    let names = columns.iter().map(|column| column.name().to_owned());
                    table.columns = names.collect();
                }
                SimpleQueryMessage::Row(row) => {
                    let fields = (0..row.len()).map(|field| row.get(field).unwrap_or_default());
                    table.rows.push(fields.map(str::to_owned).collect());
                }
                _ => {}
            }
        }
        Ok(table)
    }
}

/// The first column of a query, as one text.
pub(super) fn text(session: &mut Client, query: &str) -> Result<String, postgres::Error> {
    let table = Table::query(session, query)?;
    let lines = table.rows.iter().filter_map(|row| row.first());
    Ok(lines.cloned().collect::<Vec<_>>().join("\n"))
}

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "| {} |", self.columns.join(" | "))?;
        writeln!(out, "|{}", "---|".repeat(self.columns.len()))?;
        self.rows
            .iter()
            .try_for_each(|row| writeln!(out, "| {} |", row.join(" | ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_line_for_its_names_and_one_for_each_row() {
        let owned = |names: [&str; 2]| names.map(str::to_owned).to_vec();
        let table = Table {
            columns: owned(["tree", "runs"]),
            rows: vec![owned(["origin", "5"]), owned(["destination", "5"])],
        };
        let page = "| tree | runs |\n|---|---|\n| origin | 5 |\n| destination | 5 |\n";
        assert_eq!(table.to_string(), page);
    }
}
