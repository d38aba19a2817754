//! Files that the ledger knows are not sent: what it compares is computed here.

use std::path::Path;

use tokio_postgres::Client;
use trips_core::ingest::source::Source;

use super::send::{Loaded, Status};
use super::{IfLoaded, Options, input};
use crate::error::Error;

/// The ingest that has loaded the content of the file at `path`. None where that cannot be told: the server will.
///
/// # Errors
/// The file cannot be read.
pub async fn ingest_of(client: &Client, path: &Path) -> Result<Option<i64>, Error> {
    let Some(source) = open(path) else {
        return Ok(None);
    };
    let head = source.head_digest()?;
    let found = find(client, "head_hash", &head).await;
    if found.is_none() {
        return Ok(None);
    }
    let content = source.digest_whole(&mut || Ok(()))?;
    Ok(find(client, "content_hash", &content).await)
}

/// The result for such a file.
///
/// # Errors
/// The options say so.
pub fn skip(path: &Path, ingest: i64, options: &Options) -> Result<Loaded, Error> {
    if options.if_loaded == IfLoaded::Error {
        return Err(
            Error::new(format!("file is already loaded by ingest {ingest}")).hint(format!(
                "To load it again, call trips_forget({ingest}) first."
            )),
        );
    }
    Ok(Loaded::new(input::name_of(path), ingest, Status::Skipped))
}

/// A regular file, opened as the server opens one.
fn open(path: &Path) -> Option<Source> {
    if input::is_standard(path) {
        return None;
    }
    let absolute = std::path::absolute(path).ok()?;
    Source::open(absolute.to_str()?, &[]).ok()
}

/// The ingest with this hash in a column of the ledger. A role that may not read it sends its files.
async fn find(client: &Client, column: &str, hash: &[u8; 32]) -> Option<i64> {
    let query = format!("SELECT id FROM trips.ingest WHERE {column} = $1");
    let row = client.query_opt(&query, &[&hash.as_slice()]).await;
    row.ok().flatten()?.try_get(0).ok()
}
