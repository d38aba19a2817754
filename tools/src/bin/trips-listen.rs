//! `trips-listen`: prints the events that an ingest pushes, each when it arrives.

use std::error::Error;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use trips_tools::listen::{Listener, Received, event_name};
use trips_tools::with_causes;

/// Print the payload of each notification on a channel, one a line, as it arrives.
///
/// A line on standard error says when the session listens. The exit status is 0 after an event of --until, or
/// when the time is over and no --until was given; 2 when the time is over before the event; 1 on an error.
#[derive(Parser)]
#[command(name = "trips-listen", version)]
struct Arguments {
    /// Channel to listen on
    #[arg(long, default_value = "trips_ingest")]
    channel: String,
    /// End after one of these events, for example completed,failed
    #[arg(long, value_name = "EVENT", value_delimiter = ',')]
    until: Vec<String>,
    /// End after this time at the latest
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// Where to connect: "host=/run/postgresql dbname=trips user=me"
    conninfo: String,
}

const TIMED_OUT: u8 = 2;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("trips-listen: {}", with_causes(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let deadline = arguments
        .timeout
        .map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut listener = Listener::open(&arguments.conninfo, &arguments.channel)?;
    eprintln!("listening on {}", arguments.channel);
    loop {
        match listener.wait(deadline)? {
            Received::Payload(payload) => {
                if !print(&payload)? || is_last(&payload, &arguments.until) {
                    return Ok(ExitCode::SUCCESS);
                }
            }
            Received::TimedOut if arguments.until.is_empty() => return Ok(ExitCode::SUCCESS),
            Received::TimedOut => return Ok(ExitCode::from(TIMED_OUT)),
            Received::Disconnected => return Err("the server closed the connection".into()),
        }
    }
}

/// Prints a line at once; false when nobody reads any more.
fn print(payload: &str) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{payload}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        result => result.map(|()| true),
    }
}

fn is_last(payload: &str, until: &[String]) -> bool {
    event_name(payload).is_some_and(|event| until.contains(&event))
}
