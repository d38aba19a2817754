//! `trips_ingest` and `trips_forget` as calls.

use postgres::types::ToSql;
use postgres::{Client, Error};

/// A call of `trips_ingest`: options that are not set are left to their defaults.
#[derive(Debug, Clone, Default)]
pub struct Ingest {
    source: String,
    on_error: Option<String>,
    reject_limit: Option<i64>,
    if_loaded: Option<String>,
    dry_run: Option<bool>,
}

/// What `trips_ingest` says of one file.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The ingest; none for a dry run.
    pub ingest: Option<i64>,
    /// The file.
    pub file: String,
    /// `loaded`, `skipped` or `checked`.
    pub status: String,
    /// Rows that the file holds.
    pub read: i64,
    /// Rows that became trips.
    pub loaded: i64,
    /// Rows that did not.
    pub rejected: i64,
    /// Size of the file.
    pub bytes: i64,
    /// Seconds that it took.
    pub elapsed: f64,
    /// Its speed.
    pub rows_per_second: Option<i64>,
}

impl Summary {
    /// Rows read, loaded and rejected.
    pub fn counts(&self) -> (i64, i64, i64) {
        (self.read, self.loaded, self.rejected)
    }

    /// The number of the ingest.
    #[track_caller]
    pub fn id(&self) -> i64 {
        self.ingest.expect("the ingest has a number")
    }
}

impl Ingest {
    /// An ingest of a file with all options at their defaults.
    pub fn of(source: &str) -> Ingest {
        Ingest {
            source: source.to_owned(),
            ..Ingest::default()
        }
    }

    /// Sets `on_error`.
    pub fn on_error(mut self, value: &str) -> Ingest {
        self.on_error = Some(value.to_owned());
        self
    }

    /// Sets `reject_limit`.
    pub fn reject_limit(mut self, value: i64) -> Ingest {
        self.reject_limit = Some(value);
        self
    }

    /// Sets `if_loaded`.
    pub fn if_loaded(mut self, value: &str) -> Ingest {
        self.if_loaded = Some(value.to_owned());
        self
    }

    /// Sets `dry_run`.
    pub fn dry_run(mut self) -> Ingest {
        self.dry_run = Some(true);
        self
    }

    /// Calls the function, whatever comes of it.
    ///
    /// # Errors
    /// What the server says.
    pub fn call(&self, client: &mut Client) -> Result<Summary, Error> {
        let mut arguments = "source => $1".to_owned();
        let mut values: Vec<&(dyn ToSql + Sync)> = vec![&self.source];
        let options: [(&str, Option<&(dyn ToSql + Sync)>); 4] = [
            ("on_error", self.on_error.as_ref().map(|v| v as _)),
            ("reject_limit", self.reject_limit.as_ref().map(|v| v as _)),
            ("if_loaded", self.if_loaded.as_ref().map(|v| v as _)),
            ("dry_run", self.dry_run.as_ref().map(|v| v as _)),
        ];
        for (name, value) in options {
            if let Some(value) = value {
                values.push(value);
                arguments += &format!(", {name} => ${}", values.len());
            }
        }
        Summary::of_call(client, &format!("trips_ingest({arguments})"), &values)
    }

    /// Calls the function, which must succeed.
    #[track_caller]
    pub fn run(&self, client: &mut Client) -> Summary {
        match self.call(client) {
            Ok(summary) => summary,
            Err(error) => panic!("{self:?}: {error:?}"),
        }
    }
}

impl Summary {
    /// What a call of a function gives whose result is that of `trips_ingest`.
    ///
    /// # Errors
    /// What the server says.
    pub fn of_call(
        client: &mut Client,
        call: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Summary, Error> {
        let query = format!(
            "SELECT ingest, file, status, rows_read, rows_loaded, rows_rejected, bytes,
                    extract(epoch FROM elapsed)::float8, rows_per_second
               FROM {call}"
        );
        let row = client.query_one(&query, values)?;
        Ok(Summary {
            ingest: row.get(0),
            file: row.get(1),
            status: row.get(2),
            read: row.get(3),
            loaded: row.get(4),
            rejected: row.get(5),
            bytes: row.get(6),
            elapsed: row.get(7),
            rows_per_second: row.get(8),
        })
    }
}

/// Loads a file with all options at their defaults; all its rows must be loaded.
#[track_caller]
pub fn load(client: &mut Client, source: &str) -> Summary {
    let summary = Ingest::of(source).run(client);
    assert_eq!(summary.status, "loaded");
    assert_eq!(summary.read, summary.loaded);
    summary
}

/// Forgets an ingest: how many trips that removed.
///
/// # Errors
/// What the server says.
pub fn forget(client: &mut Client, ingest: i64) -> Result<i64, Error> {
    Ok(client
        .query_one("SELECT trips_forget($1)", &[&ingest])?
        .get(0))
}
