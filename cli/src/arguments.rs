//! The command line. What it says here is the help, the man page and the shell completions.

use clap::{ArgAction, Args, Parser, Subcommand};

use crate::{load, manual, report, watch};

/// Examples, below the options.
const HELP: &str = "\
Examples:
  Progress of all ingests of the database \"city\" on this machine:
    trips watch --dbname city
  The same of a server elsewhere, encrypted, its certificate checked:
    export PGSSLROOTCERT=system
    trips watch --dbname postgresql://ann@db.example.org/city
    trips watch --dbname \"host=db.example.org user=ann dbname=city\"
  By a service of ~/.pg_service.conf:
    PGSERVICE=city trips watch
  Files of this machine into a server elsewhere, and a report of what is there:
    trips load --host db.example.org --dbname city *.csv
    trips report --host db.example.org --dbname city -o city.html
  Completions for bash, and the man pages:
    trips completions bash > ~/.local/share/bash-completion/completions/trips
    trips man --output ~/.local/share/man/man1

Passwords come from the connection string, PGPASSWORD or ~/.pgpass, or are asked for.

Exit status: 0, or 1 after an error, or 2 where the command line is wrong; those of a subcommand are in its own help.";

/// Watch ingests of trips_ext, load files of this machine, write reports.
///
/// Connects as psql does: the options below, PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD, PGSERVICE, ~/.pgpass and
/// their kin say where to.
#[derive(Debug, Parser)]
#[command(name = "trips", version, disable_help_flag = true, after_long_help = HELP)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Where to connect.
    #[command(flatten)]
    pub connection: Connection,
    /// Print help
    #[arg(short = '?', long, global = true, action = ArgAction::Help)]
    help: Option<bool>,
}

/// The connection, in psql's letters.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub struct Connection {
    /// Database to connect to: its name, a URI or a connection string
    #[arg(short, long, global = true, value_name = "DBNAME")]
    pub dbname: Option<String>,
    /// Server's host or socket directory
    #[arg(short = 'h', long, global = true)]
    pub host: Option<String>,
    /// Server's port
    #[arg(short, long, global = true)]
    pub port: Option<u16>,
    /// Role to connect as
    #[arg(short = 'U', long, global = true, value_name = "NAME")]
    pub username: Option<String>,
    /// Never ask for a password
    #[arg(short = 'w', long, global = true, conflicts_with = "password")]
    pub no_password: bool,
    /// Ask for a password before connecting
    #[arg(short = 'W', long, global = true)]
    pub password: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show how ingests go while they run
    Watch(watch::Options),
    /// Load files of this machine
    Load(load::Options),
    /// Write a report of the trips in a database as one HTML page
    Report(report::Options),
    /// Print what makes a shell complete this command
    Completions(manual::CompletionOptions),
    /// Print the man page, or write the pages of all subcommands
    Man(manual::ManOptions),
}
