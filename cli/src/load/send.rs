//! Sending a file and having it ingested, in one transaction.

use std::time::Instant;

use futures_util::stream::{TryStreamExt, try_unfold};
use serde::Serialize;
use tokio_postgres::{Client, Row};

use super::Options;
use super::input::Input;
use super::show::Progress;
use crate::error::Error;

/// How many parts are under way to the server before it has taken the first.
const PARTS_UNDER_WAY: usize = 4;

/// How many rejected rows are shown.
pub const REJECTED_SHOWN: i64 = 10;

const INGEST: &str = "\
SELECT ingest, status, rows_read, rows_loaded, rows_rejected, bytes
  FROM trips_ingest_upload($1, $2, $3, $4, $5)";

/// How a load ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Its trips can be seen.
    Loaded,
    /// Its content was loaded before.
    Skipped,
    /// It was checked only.
    Checked,
}

/// What became of a file.
#[derive(Debug, Serialize)]
pub struct Loaded {
    /// What the server calls it.
    pub file: String,
    /// The ingest that has its trips; none after a dry run.
    pub ingest: Option<i64>,
    /// How it ended.
    pub status: Status,
    /// Rows that the file holds.
    pub rows_read: u64,
    /// Rows that became trips.
    pub rows_loaded: u64,
    /// Rows that were left out.
    pub rows_rejected: u64,
    /// The file's size.
    pub bytes: u64,
    /// Seconds that it took, sending included.
    pub elapsed_seconds: f64,
    /// The first of the rows that were left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rejected: Vec<Rejected>,
}

/// A row that was left out.
#[derive(Debug, Serialize)]
pub struct Rejected {
    /// The line on which it starts.
    pub line: i64,
    /// The column at fault, where one is.
    pub column: Option<String>,
    /// SQLSTATE of the reason.
    pub sqlstate: String,
    /// The reason.
    pub reason: String,
}

impl Loaded {
    /// A result without rows.
    pub fn new(file: String, ingest: i64, status: Status) -> Loaded {
        Loaded {
            file,
            ingest: Some(ingest),
            status,
            rows_read: 0,
            rows_loaded: 0,
            rows_rejected: 0,
            bytes: 0,
            elapsed_seconds: 0.0,
            rejected: Vec::new(),
        }
    }

    fn of(file: &str, row: &Row) -> Result<Loaded, Error> {
        let number = |column| -> Result<u64, Error> {
            Ok(u64::try_from(row.try_get::<_, i64>(column)?).unwrap_or(0))
        };
        Ok(Loaded {
            file: file.to_owned(),
            ingest: row.try_get(0)?,
            status: match row.try_get(1)? {
                "skipped" => Status::Skipped,
                "checked" => Status::Checked,
                _ => Status::Loaded,
            },
            rows_read: number(2)?,
            rows_loaded: number(3)?,
            rows_rejected: number(4)?,
            bytes: number(5)?,
            elapsed_seconds: 0.0,
            rejected: Vec::new(),
        })
    }
}

/// Sends `input` and has it ingested. After an error the transaction may be open.
///
/// # Errors
/// The file cannot be read, or the server refuses it.
pub async fn send(
    client: &Client,
    input: Input,
    options: &Options,
    progress: &Progress,
) -> Result<Loaded, Error> {
    let since = Instant::now();
    let file = input.name().to_owned();
    client.batch_execute("BEGIN").await?;
    send_parts(client, input, progress).await?;
    progress.loading();
    let (on_error, if_loaded) = options.words();
    let row = client
        .query_one(
            INGEST,
            &[
                &file,
                &on_error,
                &options.reject_limit,
                &if_loaded,
                &options.dry_run,
            ],
        )
        .await?;
    client.batch_execute("COMMIT").await?;
    Ok(Loaded {
        elapsed_seconds: since.elapsed().as_secs_f64(),
        ..Loaded::of(&file, &row)?
    })
}

async fn send_parts(client: &Client, input: Input, progress: &Progress) -> Result<(), Error> {
    let upload = &client.prepare("SELECT trips_upload($1)").await?;
    // An empty file is one, too.
    client.query_one(upload, &[&b"".as_slice()]).await?;
    let parts = try_unfold(input, |mut input| async move {
        Ok(input.next().await?.map(|part| (part, input)))
    });
    parts
        .map_ok(|part: Vec<u8>| async move {
            client.query_one(upload, &[&part]).await?;
            progress.sent(part.len() as u64);
            Ok(())
        })
        .try_buffered(PARTS_UNDER_WAY)
        .try_for_each(|()| async { Ok(()) })
        .await
}

/// The result with the first of its rejected rows, where the role may read them.
pub async fn with_rejected(client: &Client, mut loaded: Loaded) -> Loaded {
    let rows = client
        .query(
            "SELECT line, column_name, sqlstate, reason FROM trips.rejected_row WHERE ingest_id = $1 ORDER BY line LIMIT $2",
            &[&loaded.ingest, &REJECTED_SHOWN],
        )
        .await;
    for row in rows.unwrap_or_default() {
        if let (Ok(line), Ok(column), Ok(sqlstate), Ok(reason)) = (
            row.try_get(0),
            row.try_get(1),
            row.try_get(2),
            row.try_get(3),
        ) {
            loaded.rejected.push(Rejected {
                line,
                column,
                sqlstate,
                reason,
            });
        }
    }
    loaded
}
