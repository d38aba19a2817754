//! PostgreSQL's own programs.

use std::path::PathBuf;
use std::process::{Command, Output};

/// A program of the installation that `PG_CONFIG` belongs to, or else the one on the path.
pub fn program(name: &str) -> Command {
    let mut command = Command::new(directory().unwrap_or_default().join(name));
    command.env("PGOPTIONS", "").env("PAGER", "cat");
    command
}

fn directory() -> Option<PathBuf> {
    let pg_config = std::env::var("PG_CONFIG").ok()?;
    let output = Command::new(pg_config).arg("--bindir").output().ok()?;
    Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim()))
}

/// Kills a process at once, as nothing that it could prepare for.
#[track_caller]
pub fn kill(process: i32) {
    run(Command::new("kill").args(["-KILL", &process.to_string()]));
}

/// Sends a signal to processes, of which some may have ended already.
pub fn signal(name: &str, processes: &[i32]) {
    let mut command = Command::new("kill");
    command.args(["-s", name, "--"]);
    command.args(processes.iter().map(i32::to_string));
    command.output().expect("there is a program kill");
}

/// Runs a program, which must succeed.
#[track_caller]
pub fn run(command: &mut Command) -> Output {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}
