//! The room that the trees take beside the trips.

use std::fmt;

use postgres::Client;

use super::trips::{count, runs};
use crate::bench::figures::{mebibytes, thousands};

/// The facts first, then the tables of the trees.
const TABLES: [&str; 7] = [
    "trips.trip",
    "trips.area_leaf",
    "trips.area_part",
    "trips.area_node",
    "trips.area_run",
    "trips.region_day",
    "trips.area_obsolete",
];

const SIZES: &str = "
    SELECT pg_relation_size(oid), coalesce(pg_total_relation_size(nullif(reltoastrelid, 0)), 0),
           pg_indexes_size(oid), pg_total_relation_size(oid)
      FROM pg_class
     WHERE oid = CAST($1::text AS regclass)";

/// One table's bytes.
#[derive(Debug)]
struct Table {
    name: &'static str,
    rows: u64,
    main: u64,
    toast: u64,
    indexes: u64,
    total: u64,
}

/// Sizes at one moment; [`fmt::Display`] writes a table.
#[derive(Debug)]
pub(super) struct Sizes {
    tables: Vec<Table>,
    runs: u64,
}

impl Sizes {
    pub(super) fn read(session: &mut Client) -> Result<Self, postgres::Error> {
        let mut tables = Vec::new();
        for name in TABLES {
            let row = session.query_one(SIZES, &[&name])?;
            let bytes = |column: usize| row.try_get(column).map(i64::unsigned_abs);
            tables.push(Table {
                name,
                main: bytes(0)?,
                toast: bytes(1)?,
                indexes: bytes(2)?,
                total: bytes(3)?,
                rows: count(session, name)?,
            });
        }
        Ok(Self {
            tables,
            runs: runs(session)?,
        })
    }

    /// All tables of the trees, as a share of the facts.
    pub(super) fn share(&self) -> f64 {
        let total = |tables: &[Table]| tables.iter().map(|table| table.total).sum::<u64>();
        let (facts, trees) = self.tables.split_at(1);
        total(trees) as f64 / total(facts) as f64
    }

    fn facts_rows(&self) -> u64 {
        self.tables.first().map_or(0, |table| table.rows)
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "| table | rows | main | TOAST | indexes | total | bytes a trip |\n|---|---:|---:|---:|---:|---:|---:|"
        )?;
        for table in &self.tables {
            let [main, toast, indexes, total] =
                [table.main, table.toast, table.indexes, table.total].map(mebibytes);
            writeln!(
                out,
                "| `{}` | {} | {main} | {toast} | {indexes} | {total} | {:.2} |",
                table.name,
                thousands(table.rows),
                table.total as f64 / self.facts_rows() as f64
            )?;
        }
        writeln!(
            out,
            "\nRuns: {}. The trees take {:.1} % of the room of `trips.trip`.",
            thousands(self.runs),
            100.0 * self.share()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &'static str, rows: u64, total: u64) -> Table {
        Table {
            name,
            rows,
            main: total,
            toast: 0,
            indexes: 0,
            total,
        }
    }

    #[test]
    fn the_share_is_that_of_all_tables_of_the_trees() {
        let sizes = Sizes {
            tables: vec![
                table("trips.trip", 1 << 20, 100 << 20),
                table("trips.area_leaf", 2_000, 20 << 20),
                table("trips.area_node", 40, 10 << 20),
            ],
            runs: 5,
        };
        let page = sizes.to_string();
        assert!(
            page.contains("Runs: 5. The trees take 30.0 % of the room"),
            "{page}"
        );
        let row = "| `trips.area_leaf` | 2,000 | 20.0 MiB | 0.0 MiB | 0.0 MiB | 20.0 MiB | 20.00 |";
        assert!(page.contains(row), "{page}");
    }
}
