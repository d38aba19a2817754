//! What the system knows of a process of the server: its memory, its threads, its open files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A process of a server on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process(pub i32);

impl Process {
    fn directory(self) -> PathBuf {
        Path::new("/proc").join(self.0.to_string())
    }

    /// Whether it is still there.
    pub fn lives(self) -> bool {
        self.directory().exists()
    }

    /// Resident memory that it shares with no other, in bytes.
    pub fn private_memory(self) -> u64 {
        let status = fs::read_to_string(self.directory().join("status"));
        let status = status.expect("the backend lives");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"))
            .expect("the kernel tells");
        let kilobytes = line.trim().trim_end_matches(" kB");
        kilobytes.parse::<u64>().expect("it is a number") * 1024
    }

    /// How many threads it has, its own included.
    pub fn threads(self) -> usize {
        let tasks = self.directory().join("task").read_dir();
        tasks.expect("the backend lives on this machine").count()
    }

    /// What it has open, and how often: sockets, pipes and the like by their kind, files by their paths. Without what
    /// the server itself keeps open to spare itself the opening: the files of its tables and of its WAL.
    pub fn open_files(self) -> BTreeMap<String, usize> {
        let files = self.directory().join("fd").read_dir();
        let mut open = BTreeMap::new();
        for file in files.expect("the backend lives").flatten() {
            // One may have been closed meanwhile.
            let Ok(target) = fs::read_link(file.path()) else {
                continue;
            };
            let target = target.to_string_lossy();
            let is_kept = ["/base/", "/global/", "/pg_wal/", "/pg_xact/", "/pg_tblspc/"]
                .iter()
                .any(|part| target.contains(part));
            if is_kept && !target.contains("pgsql_tmp") {
                continue;
            }
            let kind = target.split_once(":[").map_or(&*target, |(kind, _)| kind);
            *open.entry(kind.to_owned()).or_default() += 1;
        }
        open
    }
}
