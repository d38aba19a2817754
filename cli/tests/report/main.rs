//! `trips report` writes one page that tells what the database holds, harmless whatever its names are, and needs nothing
//! but itself.

// A test that cannot go on panics: that is how it fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod browser;
mod figures;
mod names;
mod page;
mod refusals;

use std::path::PathBuf;
use std::process::{Command, Output};

use tempfile::TempDir;
use trips_tests::{Database, Role};

use page::Page;

/// A place for reports.
pub struct Reports {
    directory: TempDir,
    conninfo: String,
}

impl Reports {
    /// Of a database, made as its superuser.
    pub fn of(database: &Database) -> Reports {
        Reports {
            directory: TempDir::new().unwrap(),
            conninfo: database.conninfo(),
        }
    }

    /// Of a database, made as another role.
    pub fn by(database: &Database, role: &Role) -> Reports {
        let reports = Reports::of(database);
        // The last of two values counts.
        let conninfo = format!("{} user={}", reports.conninfo, role.name);
        Reports {
            conninfo,
            ..reports
        }
    }

    /// The file that reports are written to.
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("report.html")
    }

    /// Runs the program, however it ends.
    pub fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_trips"))
            .args(["report", "--dbname", &self.conninfo, "--output"])
            .arg(self.path())
            .args(arguments)
            .output()
            .unwrap()
    }

    /// A report, which must succeed.
    #[track_caller]
    pub fn make(&self, arguments: &[&str]) -> Page {
        let output = self.run(arguments);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Page::new(std::fs::read_to_string(self.path()).unwrap())
    }

    /// What the program says of a report that cannot be made; it must leave no file.
    #[track_caller]
    pub fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(!output.status.success());
        assert_eq!(
            std::fs::read_dir(self.directory.path()).unwrap().count(),
            0,
            "no file is left"
        );
        String::from_utf8(output.stderr).unwrap()
    }
}
