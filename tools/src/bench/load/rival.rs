//! Other systems, each a program that loads the file and says what that took.

use std::error::Error;
use std::process::{Command, Stdio};

use super::{Run, run_of};

/// Another system.
#[derive(Clone, Debug)]
pub struct Rival {
    /// What it is called.
    pub name: String,
    /// The program and its arguments. It writes one line of JSON: `version`, `rows` and `seconds`.
    pub command: Vec<String>,
    /// Its version, once it has run.
    pub version: Option<String>,
}

impl Rival {
    /// One load, and how many rows it brought.
    pub(super) fn run(&mut self) -> Result<(Run, u64), Box<dyn Error>> {
        let (program, arguments) = self.command.split_first().ok_or("no program")?;
        let output = Command::new(program)
            .args(arguments)
            .stderr(Stdio::inherit())
            .output()?;
        if !output.status.success() {
            return Err(format!("{}: {}", self.name, output.status).into());
        }
        let text = String::from_utf8(output.stdout)?;
        let outcome: serde_json::Value = serde_json::from_str(text.trim())?;
        self.version = outcome["version"].as_str().map(str::to_owned);
        match (outcome["rows"].as_u64(), outcome["seconds"].as_f64()) {
            (Some(rows), Some(seconds)) => Ok((run_of(seconds), rows)),
            _ => Err(format!("{}: neither rows nor seconds in {text}", self.name).into()),
        }
    }
}
