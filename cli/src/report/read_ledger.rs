//! The questions for the ledger and for rejected rows.

use tokio_postgres::Transaction;

use super::data::{Example, Ledger, Load, Reason, Rejected};
use crate::error::Error;

/// How many loads are told.
const LOADS: i64 = 20;

/// How many reasons are told, and how many rejected rows.
const REASONS: i64 = 20;
const EXAMPLES: i64 = 20;

/// The ledger and the rejected rows, each if it may be read.
///
/// # Errors
/// The server fails.
pub async fn ledger(
    transaction: &Transaction<'_>,
) -> Result<(Option<Ledger>, Option<Rejected>), Error> {
    let row = transaction
        .query_one(include_str!("sql/rights.sql"), &[])
        .await?;
    let ledger = match row.try_get(0)? {
        true => Some(loads(transaction).await?),
        false => None,
    };
    let rejected = match row.try_get(1)? {
        true => Some(rejected(transaction).await?),
        false => None,
    };
    Ok((ledger, rejected))
}

async fn loads(transaction: &Transaction<'_>) -> Result<Ledger, Error> {
    let rows = transaction
        .query(include_str!("sql/ledger.sql"), &[&LOADS])
        .await?;
    let mut ledger = Ledger::default();
    for row in rows {
        ledger.count = row.try_get(0)?;
        ledger.rows = (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
        ledger.loads.push(Load {
            ingest: row.try_get(4)?,
            file: row.try_get(5)?,
            finished_at: row.try_get(6)?,
            rows: (row.try_get(7)?, row.try_get(8)?, row.try_get(9)?),
            bytes: row.try_get(10)?,
            seconds: row.try_get(11)?,
        });
    }
    Ok(ledger)
}

async fn rejected(transaction: &Transaction<'_>) -> Result<Rejected, Error> {
    let mut rejected = Rejected::default();
    for row in transaction
        .query(include_str!("sql/reasons.sql"), &[&REASONS])
        .await?
    {
        rejected.count = row.try_get(4)?;
        rejected.reasons.push(Reason {
            sqlstate: row.try_get(0)?,
            column: row.try_get(1)?,
            reason: row.try_get(2)?,
            rows: row.try_get(3)?,
        });
    }
    for row in transaction
        .query(include_str!("sql/rejected.sql"), &[&EXAMPLES])
        .await?
    {
        rejected.examples.push(Example {
            ingest: row.try_get(0)?,
            line: row.try_get(1)?,
            column: row.try_get(2)?,
            sqlstate: row.try_get(3)?,
            reason: row.try_get(4)?,
            raw: row.try_get(5)?,
        });
    }
    Ok(rejected)
}
