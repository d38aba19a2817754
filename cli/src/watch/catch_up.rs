//! What the server knows of ingests: its view, its ledger, and the locks that loads hold.

use std::collections::BTreeSet;

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Row as SqlRow};

use super::event::{Failure, Phase};
use super::ingest::{End, Ingest};
use super::state::{Row, Sight};

/// Rows of the view: of the ingests of the first parameter, of those that have not ended if the second says so, and of
/// those that were written after the third, in seconds of the server's clock. What was loaded is counted by the ledger:
/// a completed one's row may say what its last event said.
const ROWS: &str = "
SELECT p.ingest, p.file, p.status, p.phase, p.sequence::bigint,
       coalesce(i.bytes, p.bytes_done), coalesce(i.bytes, p.bytes_total),
       coalesce(i.rows_loaded, p.rows_loaded), coalesce(i.rows_rejected, p.rows_rejected),
       coalesce(extract(epoch FROM i.finished_at - i.started_at), extract(epoch FROM p.elapsed))::float8,
       extract(epoch FROM p.time_left)::float8,
       p.error_sqlstate, p.error_message, p.error_line, p.error_column
  FROM trips.ingest_progress p LEFT JOIN trips.ingest i ON i.id = p.ingest
 WHERE p.ingest = ANY ($1) OR $2 AND p.status IN ('queued', 'running') OR extract(epoch FROM p.updated_at)::float8 > $3
 ORDER BY p.ingest";

/// The same of ingests that the view knows no more, or never knew: they were loaded more than 30 days ago, or without a
/// free worker for their status.
const LEDGER: &str = "
SELECT id, file, 'completed', 'done', 1::bigint, bytes, bytes, rows_loaded, rows_rejected,
       extract(epoch FROM finished_at - started_at)::float8, NULL::float8, NULL, NULL, NULL::bigint, NULL
  FROM trips.ingest WHERE id = ANY ($1)";

/// The ingests whose transactions are open, as trips.ingest_is_running() tells; this needs no right.
const OPEN: &str = "
SELECT l.objid::bigint FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_database d ON d.oid = l.database
 WHERE d.datname = current_database() AND l.locktype = 'advisory' AND l.objsubid = 1 AND l.classid = 1953655152";

/// Which ingests are asked about.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// These.
    pub ids: BTreeSet<u32>,
    /// And all that have not ended.
    pub running: bool,
    /// And all whose rows were written after this, in seconds of the server's clock.
    pub since: Option<f64>,
}

/// What the server knows.
#[derive(Debug, Default)]
pub struct Answer {
    /// Rows of the view and the ledger.
    pub rows: Vec<Row>,
    /// Ingests whose transactions are open.
    pub open: BTreeSet<u32>,
    /// When that was so, in seconds of the server's clock.
    pub at: f64,
}

/// What the role may read of the view.
///
/// # Errors
/// The connection's.
pub async fn sight(client: &Client) -> Result<Sight, tokio_postgres::Error> {
    match ask_view(client, &Question::default()).await {
        Err(error) if is_closed_to_role(&error) => return Ok(Sight::Nothing),
        result => result?,
    };
    let all = "SELECT NOT pg_catalog.row_security_active('trips.ingest_attempt')
                   OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE')";
    let all = client.query_one(all, &[]).await?.try_get(0)?;
    Ok(if all { Sight::All } else { Sight::Own })
}

/// Whether the extension is in the database.
///
/// # Errors
/// The connection's.
pub async fn has_extension(client: &Client) -> Result<bool, tokio_postgres::Error> {
    let query = "SELECT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'trips_ext')";
    client.query_one(query, &[]).await?.try_get(0)
}

/// The channel that the server's setting names.
///
/// # Errors
/// The connection's.
pub async fn channel(client: &Client) -> Result<Option<String>, tokio_postgres::Error> {
    let query = "SELECT nullif(current_setting('trips_ext.channel', true), '')";
    client.query_one(query, &[]).await?.try_get(0)
}

/// Asks the server, for what the role may see.
///
/// # Errors
/// The connection's.
pub async fn ask(
    client: &Client,
    question: &Question,
    sight: Sight,
) -> Result<Answer, tokio_postgres::Error> {
    // The clock first, so that nothing falls between two questions; then the locks: one that is released after this is
    // found ended by its row.
    let clock = "SELECT extract(epoch FROM clock_timestamp())::float8";
    let at = client.query_one(clock, &[]).await?.try_get(0)?;
    let open = client.query(OPEN, &[]).await?;
    let open: Result<BTreeSet<u32>, _> = open
        .iter()
        .map(|row| Ok::<_, tokio_postgres::Error>(id(row.try_get(0)?)))
        .collect();
    let mut rows = match sight {
        Sight::Nothing => Vec::new(),
        Sight::Own | Sight::All => ask_view(client, question).await?,
    };
    let found: BTreeSet<u32> = rows.iter().map(|row| row.ingest.id).collect();
    let missing: Vec<i64> = question
        .ids
        .difference(&found)
        .map(|id| (*id).into())
        .collect();
    if sight != Sight::Nothing && !missing.is_empty() {
        for row in client.query(LEDGER, &[&missing]).await? {
            rows.push(read(&row)?);
        }
    }
    Ok(Answer {
        rows,
        open: open?,
        at,
    })
}

async fn ask_view(client: &Client, question: &Question) -> Result<Vec<Row>, tokio_postgres::Error> {
    let ids: Vec<i64> = question.ids.iter().map(|id| (*id).into()).collect();
    let since = question.since.unwrap_or(f64::INFINITY);
    let rows = client
        .query(ROWS, &[&ids, &question.running, &since])
        .await?;
    rows.iter().map(read).collect()
}

/// Whether an error says that the role may not read, or that an older extension has no view.
pub fn is_closed_to_role(error: &tokio_postgres::Error) -> bool {
    let codes = [
        SqlState::INSUFFICIENT_PRIVILEGE,
        SqlState::UNDEFINED_TABLE,
        SqlState::INVALID_SCHEMA_NAME,
    ];
    error.code().is_some_and(|code| codes.contains(code))
}

fn read(row: &SqlRow) -> Result<Row, tokio_postgres::Error> {
    let count = |column: usize| -> Result<u64, tokio_postgres::Error> {
        let count: i64 = row.try_get(column)?;
        Ok(u64::try_from(count).unwrap_or_default())
    };
    let (status, phase): (&str, &str) = (row.try_get(2)?, row.try_get(3)?);
    let (rows, elapsed) = (count(7)?, row.try_get::<_, f64>(9)?.max(0.0));
    let failure = failure(row)?;
    let unexplained = status == "failed" && failure.is_none();
    let end = match status {
        "completed" => Some(End::Completed),
        "skipped" => Some(End::Skipped(None)),
        "failed" => Some(failure.map_or_else(End::died, End::Failed)),
        _ => None,
    };
    Ok(Row {
        ingest: Ingest {
            id: id(row.try_get(0)?),
            file: row.try_get(1)?,
            sequence: count(4)?,
            phase: match phase {
                _ if end.is_some() => Phase::Done,
                "queued" => Phase::Queued,
                "checking" => Phase::Checking,
                _ => Phase::Loading,
            },
            bytes_done: count(5)?,
            bytes_total: count(6)?,
            rows,
            rejected: count(8)?,
            rows_per_second: if elapsed > 0.0 {
                (rows as f64 / elapsed) as u64
            } else {
                0
            },
            eta_seconds: row.try_get(10)?,
            elapsed_seconds: elapsed,
            end,
        },
        unexplained,
    })
}

fn failure(row: &SqlRow) -> Result<Option<Failure>, tokio_postgres::Error> {
    let Some(sqlstate) = row.try_get(11)? else {
        return Ok(None);
    };
    let line: Option<i64> = row.try_get(13)?;
    Ok(Some(Failure {
        sqlstate,
        message: row.try_get::<_, Option<String>>(12)?.unwrap_or_default(),
        line: line.and_then(|line| u64::try_from(line).ok()),
        column: row.try_get(14)?,
    }))
}

/// Ingests are numbered by a sequence that ends with 31 bits.
fn id(number: i64) -> u32 {
    u32::try_from(number).unwrap_or_default()
}
