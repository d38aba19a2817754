//! Clusters of a test's own, for what concerns a whole server: crashes, standbys, settings that need a start.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;

use postgres::config::Host;
use postgres::{Config, NoTls};

use crate::cluster::unique_name;
use crate::database::{Session, eventually};
use crate::files::Files;
use crate::program::signal;

/// What a server says of resources that outlive who has taken them, of chunks written past their end, and of its own death.
const COMPLAINTS: [&str; 19] = [
    "resource was not closed",
    "leak",
    "not closed",
    "still referenced",
    "non-empty SPI stack",
    "you own a lock",
    "you don't own a lock",
    "AbortTransaction while in",
    "CommitTransaction while in",
    "problem in alloc set",
    "detected write past chunk end",
    "stuck spinlock",
    "could not remove",
    "terminated by signal",
    "invalid memory alloc",
    "panicked at",
    "internal error",
    "PANIC:",
    "TRAP:",
];

/// A cluster that runs, until the value is dropped. With checksums, so that a page that is not what was written is an
/// error.
#[derive(Debug)]
pub struct PrivateCluster {
    directory: PathBuf,
    settings: String,
    /// Variables that its processes have in their environment.
    environment: &'static [(&'static str, &'static str)],
    conninfo: String,
    /// Where its files are, once it has been started.
    home: PathBuf,
    files: Option<Files>,
}

impl PrivateCluster {
    /// A new cluster with these lines in postgresql.conf, and the extension in its database postgres.
    pub fn new(settings: &str) -> PrivateCluster {
        PrivateCluster::in_directory(&target("cluster"), settings)
    }

    /// The same in a directory of the caller's choice, which is made.
    pub fn in_directory(directory: &Path, settings: &str) -> PrivateCluster {
        PrivateCluster::unmade(directory, settings).made()
    }

    /// As [`PrivateCluster::new`], for who measures a backend's memory: all its threads share one area of the allocator. Each has one of
    /// its own otherwise, and what it once needed there is kept: megabytes that no leak has taken.
    pub fn with_one_arena(settings: &str) -> PrivateCluster {
        let mut cluster = PrivateCluster::unmade(&target("cluster"), settings);
        cluster.environment = &[("MALLOC_ARENA_MAX", "1")];
        cluster.made()
    }

    fn made(mut self) -> PrivateCluster {
        self.start();
        self.connect().run("CREATE EXTENSION trips_ext CASCADE");
        self
    }

    fn unmade(directory: &Path, settings: &str) -> PrivateCluster {
        PrivateCluster {
            directory: directory.to_owned(),
            settings: settings.to_owned(),
            environment: &[],
            conninfo: String::new(),
            home: PathBuf::new(),
            files: None,
        }
    }

    /// A standby of this cluster, running.
    pub fn standby(&self) -> PrivateCluster {
        let mut standby = PrivateCluster::unmade(&target("standby"), &self.settings);
        standby.script("copy", &[&self.directory]);
        standby.start();
        standby
    }

    /// Starts it, after a crash too.
    pub fn start(&mut self) {
        let settings = self.directory.with_extension("conf");
        std::fs::write(&settings, &self.settings).expect("target can be written");
        self.conninfo = self.script("start", &[&settings]).trim().to_owned();
        std::fs::remove_file(settings).expect("target can be written");
        if self.files.is_none() {
            self.home = PathBuf::from(self.script("home", &[]).trim());
            let exchange = self.home.join("exchange");
            self.files = Some(Files::in_directory(exchange.join("files")));
        }
    }

    /// Ends its time as a standby.
    pub fn promote(&self) {
        self.script("promote", &[]);
    }

    /// Shuts it down: sessions and workers are ended.
    pub fn stop(&self) {
        self.script("stop", &[]);
    }

    /// Kills all its processes at once. The server is stopped first, so that it starts no new process while its children
    /// are looked for: those of a dead one are nobody's.
    pub fn crash(&self) {
        let data = self.data();
        let server = std::fs::read_to_string(data.join("postmaster.pid")).expect("it runs");
        let server = server.lines().next().and_then(|pid| pid.parse().ok());
        let server: i32 = server.expect("the file begins with a number");
        signal("STOP", &[server]);
        let mut processes = children_of(server);
        processes.push(server);
        signal("KILL", &processes);
        eventually("all are gone", || processes.iter().all(|pid| is_dead(*pid)));
        // Where nobody has waited for the dead server yet, its number still looks like one that runs.
        let lock = data.join("postmaster.pid");
        std::fs::remove_file(lock).expect("the server left it");
        let (directory, port) = self.socket();
        let lock = directory.join(format!(".s.PGSQL.{port}.lock"));
        std::fs::remove_file(lock).expect("the server left it");
    }

    /// The directory of the server's socket, and the port in its name.
    pub fn socket(&self) -> (PathBuf, u16) {
        let config = Config::from_str(&self.conninfo).expect("conninfo is valid");
        match (config.get_hosts(), config.get_ports()) {
            ([Host::Unix(directory)], [port]) => (directory.clone(), *port),
            other => panic!("the server has one socket: {other:?}"),
        }
    }

    /// The libpq connection string of a superuser, for programs.
    pub fn conninfo(&self) -> &str {
        &self.conninfo
    }

    /// A session of the superuser.
    pub fn connect(&self) -> Session {
        Session::new(Config::from_str(&self.conninfo).expect("conninfo is valid"))
    }

    /// As [`PrivateCluster::connect`], once the server is there again.
    pub fn connect_patiently(&self) -> Session {
        let config = Config::from_str(&self.conninfo).expect("conninfo is valid");
        eventually("the server is back", || config.connect(NoTls).is_ok());
        self.connect()
    }

    /// All that its server has logged.
    pub fn log(&self) -> String {
        let log = std::fs::read(self.home.join("log")).expect("there is a log");
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Where the server's own files are.
    pub fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    /// Lines of its log that tell of something left behind, or broken, by who should have cleaned up.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.log();
        let complains = |line: &&str| COMPLAINTS.iter().any(|words| line.contains(words));
        log.lines().filter(complains).map(str::to_owned).collect()
    }

    /// Files that its server can read.
    pub fn files(&self) -> &Files {
        self.files.as_ref().expect("it has been started")
    }

    /// Runs scripts/cluster.sh on it; gives what that prints.
    fn script(&self, command: &str, arguments: &[&Path]) -> String {
        let output = Command::new(root().join("scripts/cluster.sh"))
            .arg(command)
            .arg(&self.directory)
            .args(arguments)
            .env("INITDB_OPTIONS", "--data-checksums")
            .envs(self.environment.iter().copied())
            .stdin(Stdio::null())
            .output()
            .expect("the script can be run");
        let messages = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {messages}");
        String::from_utf8(output.stdout).expect("the script prints text")
    }
}

impl Drop for PrivateCluster {
    fn drop(&mut self) {
        self.files = None;
        self.script("destroy", &[]);
    }
}

/// The processes that a process has started.
fn children_of(parent: i32) -> Vec<i32> {
    let processes = Path::new("/proc").read_dir().expect("the kernel tells");
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| state_of(*pid).is_some_and(|(_, of)| of == parent))
        .collect()
}

/// Whether a process is gone, or only waits to be noticed by its parent.
fn is_dead(pid: i32) -> bool {
    state_of(pid).is_none_or(|(state, _)| state == "Z")
}

/// The state of a process, and its parent; none if it is gone.
fn state_of(pid: i32) -> Option<(String, i32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Its name may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut words = rest.split_whitespace();
    Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
}

fn target(purpose: &str) -> PathBuf {
    root().join("target").join(unique_name(purpose))
}

fn root() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the workspace is above")
}
