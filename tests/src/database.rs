//! A database for one test, its sessions and its roles.

use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use postgres::error::DbError;
use postgres::{Client, NoTls};

use crate::cluster::{cluster, unique_name};
use crate::files::Files;
use crate::process::Process;

/// A database of its own with the extension in it; dropped with the value.
#[derive(Debug)]
pub struct Database {
    name: String,
    files: Files,
}

impl Database {
    /// A new database with the extension.
    pub fn new() -> Database {
        Database::copy_of(cluster().template())
    }

    /// A new database with nothing in it.
    pub fn empty() -> Database {
        Database::copy_of("template0")
    }

    /// A new database with nothing in it, whose encoding is this.
    pub fn with_encoding(encoding: &str) -> Database {
        Database::create(&format!(
            "TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'"
        ))
    }

    fn copy_of(template: &str) -> Database {
        Database::create(&format!("TEMPLATE {template}"))
    }

    fn create(options: &str) -> Database {
        let name = unique_name("db");
        cluster()
            .connect()
            .batch_execute(&format!("CREATE DATABASE {name} {options}"))
            .expect("a database can be made");
        let files = Files::new(&name);
        Database { name, files }
    }

    /// The directory of the test's files.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// Its libpq connection string, for programs.
    pub fn conninfo(&self) -> String {
        cluster().conninfo(&self.name)
    }

    /// A session of the superuser.
    pub fn connect(&self) -> Session {
        Session::new(cluster().config(&self.name))
    }

    /// A session of another role.
    pub fn connect_as(&self, role: &Role) -> Session {
        let mut config = cluster().config(&self.name);
        config.user(&role.name);
        Session::new(config)
    }
}

impl Default for Database {
    fn default() -> Self {
        Database::new()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let dropped = cluster().connect().batch_execute(&format!(
            "DROP DATABASE IF EXISTS {} WITH (FORCE)",
            self.name
        ));
        if !thread::panicking() {
            dropped.expect("the test's database can be dropped");
        }
    }
}

/// A session that keeps the notices it gets.
pub struct Session {
    client: Client,
    notices: Receiver<DbError>,
    pid: i32,
}

impl Session {
    /// A session with a server that the harness has not started: a libpq connection string.
    pub fn to(conninfo: &str) -> Session {
        Session::new(conninfo.parse().expect("a connection string"))
    }

    pub(crate) fn new(mut config: postgres::Config) -> Session {
        let (sender, notices): (Sender<DbError>, _) = channel();
        let mut client = config
            .notice_callback(move |notice| {
                // A session that is being dropped has nobody who reads.
                let _ = sender.send(notice);
            })
            // A test that waits for ever is a test that fails: its sessions give up by themselves.
            .options("-c statement_timeout=180s")
            .connect(NoTls)
            .expect("the database answers");
        let pid = client
            .query_one("SELECT pg_backend_pid()", &[])
            .expect("the session has a backend")
            .get(0);
        Session {
            client,
            notices,
            pid,
        }
    }

    /// The process id of the session's backend.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// The notices and warnings since the last call.
    pub fn notices(&self) -> Vec<DbError> {
        self.notices.try_iter().collect()
    }

    /// The one value of a query without parameters that gives one row of one column.
    pub fn value<T: for<'a> postgres::types::FromSql<'a>>(&mut self, query: &str) -> T {
        self.client
            .query_one(query, &[])
            .unwrap_or_else(|error| panic!("{query}: {error:?}"))
            .get(0)
    }

    /// How many rows a table or a FROM item has.
    pub fn count(&mut self, from: &str) -> i64 {
        self.value(&format!("SELECT count(*) FROM {from}"))
    }

    /// Statements that must succeed.
    pub fn run(&mut self, statements: &str) {
        self.client
            .batch_execute(statements)
            .unwrap_or_else(|error| panic!("{statements}: {error:?}"));
    }

    /// The most private memory that the session's backend has at once while `work` runs, beyond what it has now, in
    /// bytes.
    pub fn memory_of<T>(&mut self, work: impl FnOnce(&mut Session) -> T) -> (u64, T) {
        let (process, done) = (self.process(), AtomicBool::new(false));
        let before = process.private_memory();
        thread::scope(|scope| {
            let watching = scope.spawn(|| {
                let mut most = before;
                while !done.load(Ordering::Relaxed) {
                    most = most.max(process.private_memory());
                    thread::sleep(Duration::from_millis(2));
                }
                most
            });
            // A thread that is not told to stop would be waited for for ever.
            let result = catch_unwind(AssertUnwindSafe(|| work(self)));
            done.store(true, Ordering::Relaxed);
            let most = watching.join().expect("the watching thread lives");
            (
                most - before,
                result.unwrap_or_else(|panic| resume_unwind(panic)),
            )
        })
    }

    /// The session's backend as the system knows it.
    pub fn process(&self) -> Process {
        Process(self.pid)
    }

    /// Whether the session's backend has no thread beside its own.
    pub fn is_single_threaded(&self) -> bool {
        self.process().threads() == 1
    }
}

/// Waits until the session of another backend waits for a lock.
#[track_caller]
pub fn wait_until_blocked(observer: &mut Session, pid: i32) {
    eventually("the session waits for a lock", || {
        observer.value(&format!(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = {pid} AND wait_event_type = 'Lock')"
        ))
    });
}

/// Waits until the session of another backend waits for a lock, or has nothing to do any more.
#[track_caller]
pub fn wait_until_blocked_or_idle(observer: &mut Session, pid: i32) {
    eventually("the session waits for a lock or is done", || {
        observer.value(&format!(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = {pid}
                AND (wait_event_type = 'Lock' OR state = 'idle'))"
        ))
    });
}

impl Deref for Session {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.client
    }
}

/// A role for one test; dropped with the value, which is to outlive the database that it has rights in.
#[derive(Debug)]
pub struct Role {
    /// Its name, which needs no quotes.
    pub name: String,
}

impl Role {
    /// The name of a role that the test makes by itself.
    pub fn unmade() -> Role {
        Role {
            name: unique_name("role"),
        }
    }

    /// A new role that may log in, with attributes as in `CREATE ROLE`.
    pub fn new(attributes: &str) -> Role {
        let role = Role::unmade();
        cluster()
            .connect()
            .batch_execute(&format!("CREATE ROLE {} LOGIN {attributes}", role.name))
            .expect("a role can be made");
        role
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let dropped = cluster()
            .connect()
            .batch_execute(&format!("DROP ROLE IF EXISTS {}", self.name));
        if !thread::panicking() {
            dropped.expect("the test's role can be dropped: make it before the database");
        }
    }
}

/// Waits until `condition` holds, for what nobody announces: that a process waits for a lock, or has ended.
///
/// # Panics
/// Where it does not hold within ten seconds.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < Duration::from_secs(10), "never: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
