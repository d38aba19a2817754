//! The cluster that the suites run against, and the template that their databases are made from.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::OnceLock;

use postgres::{Client, Config, NoTls};

/// Names the libpq connection string of a superuser.
pub const CONNINFO_ENV: &str = "TRIPS_TEST_CONNINFO";

/// What every database of the suites is called at first, followed by the process that made it.
const PREFIX: &str = "trips_test";

/// The cluster, as the environment names it.
#[derive(Debug)]
pub struct Cluster {
    /// libpq connection string of a superuser.
    pub conninfo: String,
    /// A directory that the suites write into and the server reads.
    pub data_dir: PathBuf,
}

/// The cluster that the environment names.
///
/// # Panics
/// Where it names none: `make test` starts one.
pub fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster {
        conninfo: variable(CONNINFO_ENV),
        data_dir: PathBuf::from(variable(crate::DATA_DIR_ENV)),
    })
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: these tests need a cluster, run them with `make test`")
    })
}

impl Cluster {
    /// A session's configuration for a database.
    pub fn config(&self, database: &str) -> Config {
        let mut config = Config::from_str(&self.conninfo).expect("conninfo is valid");
        config.dbname(database);
        config
    }

    /// The libpq connection string of a database, for programs; the last of two values counts.
    pub fn conninfo(&self, database: &str) -> String {
        format!("{} dbname={database}", self.conninfo)
    }

    /// A session in the database that the connection string names, for what concerns the whole cluster.
    pub fn connect(&self) -> Client {
        Config::from_str(&self.conninfo)
            .expect("conninfo is valid")
            .connect(NoTls)
            .expect("the cluster of TRIPS_TEST_CONNINFO answers")
    }

    /// The database with the extension that the databases of this process are copied from.
    pub fn template(&self) -> &'static str {
        static TEMPLATE: OnceLock<String> = OnceLock::new();
        TEMPLATE.get_or_init(|| {
            self.drop_leftovers();
            let name = unique_name("template");
            self.connect()
                .batch_execute(&format!("CREATE DATABASE {name} TEMPLATE template0"))
                .expect("a database can be made");
            self.config(&name)
                .connect(NoTls)
                .expect("the new database answers")
                .batch_execute("CREATE EXTENSION trips_ext CASCADE")
                .expect("trips_ext is installed");
            name
        })
    }

    /// Drops what processes that are gone have left: a process cannot drop its own template at its end.
    fn drop_leftovers(&self) {
        let mut client = self.connect();
        let names = client
            .query(
                "SELECT datname, split_part(datname, '_', 3) FROM pg_database WHERE datname LIKE $1",
                &[&format!("{PREFIX}\\_%")],
            )
            .expect("the catalogue answers");
        for row in names {
            let (name, process): (String, String) = (row.get(0), row.get(1));
            if !Path::new("/proc").join(process).exists() {
                // Another process may be dropping it, too.
                let _ = client.batch_execute(&format!("DROP DATABASE IF EXISTS {name}"));
            }
        }
    }
}

/// A name that no other test of any process has, for databases and roles.
pub fn unique_name(purpose: &str) -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("{PREFIX}_{}_{number}_{purpose}", std::process::id())
}
