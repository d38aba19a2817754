//! `trips`, the client of trips_ext: it watches ingests, loads files of its own machine, and writes reports. It talks
//! SQL over an ordinary connection, so it works wherever psql does.

mod arguments;
mod connect;
mod error;
mod load;
mod manual;
mod report;
mod watch;
mod words;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};
use error::Error;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("trips: {error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    let server = || connect::Server::new(&arguments.connection);
    match &arguments.command {
        Command::Watch(options) => watch::run(&server()?, options).await,
        Command::Load(options) => load::run(&server()?, options).await,
        Command::Report(options) => report::run(&server()?, options).await,
        Command::Completions(options) => manual::print_completions(options),
        Command::Man(options) => manual::write_pages(options),
    }
}
