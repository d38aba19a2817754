//! Rejected rows on their way into `trips.rejected_row`.

use trips_core::Error;
use trips_core::ingest::reject::Reject;

use crate::postgres::disk::Reserve;
use crate::postgres::relation::{LockMode, Relation};
use crate::postgres::spi;

/// Those of one file.
pub struct Rejects<'f> {
    ingest: i64,
    file: &'f str,
    table: Relation,
    /// What is left free of the table's disk.
    disk: Option<Reserve>,
}

impl<'f> Rejects<'f> {
    /// Prepares to store those of `file` as those of `ingest`.
    pub fn of(ingest: i64, file: &'f str) -> Rejects<'f> {
        let table = Relation::open(c"trips", c"rejected_row", LockMode::RowExclusive);
        Rejects {
            ingest,
            file,
            disk: Reserve::of(&table),
            table,
        }
    }

    /// Stores the rejected rows of one batch.
    ///
    /// # Errors
    /// XX000; the server's own leave as a panic.
    pub fn store(&mut self, rejects: &[Reject]) -> Result<(), Error> {
        if rejects.is_empty() {
            return Ok(());
        }
        insert(self.ingest, self.file, rejects)?;
        if let Some(disk) = &mut self.disk {
            disk.require_grown(&self.table);
        }
        Ok(())
    }
}

fn insert(ingest: i64, file: &str, rejects: &[Reject]) -> Result<(), Error> {
    let lines: Vec<i64> = rejects.iter().map(|reject| reject.line as i64).collect();
    let columns: Vec<Option<&str>> = rejects
        .iter()
        .map(|reject| reject.column.map(|column| column.as_str()))
        .collect();
    let states: Vec<&str> = rejects
        .iter()
        .map(|reject| reject.reason.sqlstate())
        .collect();
    let reasons: Vec<String> = rejects
        .iter()
        .map(|reject| reject.reason.to_string())
        .collect();
    let raws: Vec<&str> = rejects.iter().map(|reject| reject.raw.as_str()).collect();
    spi::run(
        "INSERT INTO trips.rejected_row (ingest_id, file, line, column_name, sqlstate, reason, raw) \
         SELECT $1, $2, r.* \
           FROM ROWS FROM (pg_catalog.unnest($3::int8[]), pg_catalog.unnest($4::text[]), \
                           pg_catalog.unnest($5::text[]), pg_catalog.unnest($6::text[]), \
                           pg_catalog.unnest($7::text[])) r",
        &[
            ingest.into(),
            file.into(),
            lines.into(),
            columns.into(),
            states.into(),
            reasons.into(),
            raws.into(),
        ],
    )
}
