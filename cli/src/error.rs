//! What goes wrong, and what to do then: a message, details and a hint, as psql shows them.

use std::error::Error as _;
use std::fmt;

use tokio_postgres::error::{DbError, SqlState};

/// What to do where the database knows nothing of trips.
pub const CREATE_EXTENSION: &str = "Is this the right database (trips --dbname NAME)? Then make the extension in it: CREATE EXTENSION trips_ext CASCADE;";

/// An error that ends the program.
#[derive(Debug)]
pub struct Error {
    message: String,
    detail: Option<String>,
    hint: Option<String>,
    sqlstate: Option<SqlState>,
}

impl Error {
    /// An error with this message: lower case, no full stop.
    pub fn new(message: impl Into<String>) -> Error {
        Error {
            message: message.into(),
            detail: None,
            hint: None,
            sqlstate: None,
        }
    }

    /// With what to do about it: a sentence.
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.hint = Some(hint.into());
        self
    }

    /// With more about it: a sentence.
    pub fn detail(mut self, detail: impl Into<String>) -> Error {
        self.detail = Some(detail.into());
        self
    }

    /// Behind what was being done: `could not do this: message`.
    pub fn context(mut self, doing: &str) -> Error {
        self.message = format!("{doing}: {}", self.message);
        self
    }

    /// Several errors, of things tried in turn, as one: the last hint counts.
    pub fn all(errors: Vec<Error>) -> Error {
        let merge = |all: Error, next: Error| Error {
            message: format!("{}\n{}", all.message, next.message),
            detail: next.detail.or(all.detail),
            hint: next.hint.or(all.hint),
            sqlstate: next.sqlstate,
        };
        let all = errors.into_iter().reduce(merge);
        all.unwrap_or_else(|| Error::new("nothing to try"))
    }

    /// What the server calls it, where it comes from the server.
    pub fn sqlstate(&self) -> Option<&SqlState> {
        self.sqlstate.as_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        if let Some(detail) = &self.detail {
            write!(f, "\nDETAIL:  {detail}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nHINT:  {hint}")?;
        }
        Ok(())
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Error {
        match error.as_db_error() {
            Some(told) => Error::from(told),
            None => Error::new(causes(&error)),
        }
    }
}

impl From<trips_core::Error> for Error {
    fn from(error: trips_core::Error) -> Error {
        Error {
            message: error.message(),
            detail: error.detail(),
            hint: error.hint(),
            sqlstate: Some(SqlState::from_code(error.sqlstate())),
        }
    }
}

impl From<&DbError> for Error {
    fn from(told: &DbError) -> Error {
        // Our hint goes before the server's, which knows nothing of extensions.
        let hint = hint_for(told.code(), told.message());
        Error {
            message: told.message().to_owned(),
            detail: told.detail().map(str::to_owned),
            hint: hint.or_else(|| told.hint().map(str::to_owned)),
            sqlstate: Some(told.code().clone()),
        }
    }
}

/// What an error says, and what its causes say: `this: because of that`.
fn causes(error: &tokio_postgres::Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Some say their cause's words themselves.
        let words = error.to_string();
        if !message.ends_with(&words) {
            message = format!("{message}: {words}");
        }
        cause = error.source();
    }
    message
}

/// What to do about an error of a statement about trips. Messages are looked at for names only, so one in another
/// language costs at most the hint.
fn hint_for(code: &SqlState, message: &str) -> Option<String> {
    let about_trips = message.contains("trips");
    if *code == SqlState::INSUFFICIENT_PRIVILEGE {
        return Some(grant_for(message));
    }
    let missing = [
        SqlState::UNDEFINED_TABLE,
        SqlState::UNDEFINED_FUNCTION,
        SqlState::UNDEFINED_COLUMN,
        SqlState::INVALID_SCHEMA_NAME,
        SqlState::UNDEFINED_OBJECT,
    ];
    if about_trips && missing.contains(code) {
        return Some(CREATE_EXTENSION.to_owned());
    }
    if *code == SqlState::READ_ONLY_SQL_TRANSACTION {
        return Some(
            "The server is a standby, or the session is read-only: connect to the primary (target_session_attrs=read-write)."
                .to_owned(),
        );
    }
    None
}

/// The statement that gives what a message says is missing: `permission denied for table trip`.
fn grant_for(message: &str) -> String {
    let denied = message.split_once(" denied for ").map(|(_, what)| what);
    let Some((kind, name)) = denied.and_then(|what| what.split_once(' ')) else {
        return "An owner or a superuser may GRANT the role what it lacks.".to_owned();
    };
    let (right, object) = match kind {
        "schema" => ("USAGE", format!("SCHEMA {name}")),
        "function" | "procedure" => ("EXECUTE", format!("{} {name}", kind.to_uppercase())),
        "sequence" => ("USAGE", format!("SEQUENCE trips.{name}")),
        "table" | "view" | "relation" => ("SELECT", format!("trips.{name}")),
        _ => ("what it lacks", format!("{kind} {name}")),
    };
    format!(
        "The owner or a superuser may allow it: GRANT {right} ON {object} TO the role; GRANT USAGE ON SCHEMA trips is needed, too."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_laid_out_as_psql_does_it() {
        let error = Error::new("it failed").detail("More.").hint("Do this.");
        assert_eq!(
            error.context("could not try").to_string(),
            "error: could not try: it failed\nDETAIL:  More.\nHINT:  Do this."
        );
    }

    #[test]
    fn what_is_missing_of_the_extension_is_to_be_made() {
        let hint = hint_for(
            &SqlState::UNDEFINED_TABLE,
            "relation \"trips.ingest\" does not exist",
        );
        assert!(hint.unwrap().contains("CREATE EXTENSION trips_ext CASCADE"));
        let hint = hint_for(&SqlState::UNDEFINED_TABLE, "relation \"x\" does not exist");
        assert_eq!(hint, None);
    }

    #[test]
    fn what_is_denied_is_to_be_granted() {
        for (message, grant) in [
            (
                "permission denied for schema trips",
                "GRANT USAGE ON SCHEMA trips TO",
            ),
            (
                "permission denied for table trip",
                "GRANT SELECT ON trips.trip TO",
            ),
            (
                "permission denied for view ingest_progress",
                "GRANT SELECT ON trips.ingest_progress TO",
            ),
            (
                "permission denied for function trips_cancel",
                "GRANT EXECUTE ON FUNCTION trips_cancel TO",
            ),
            ("keine Berechtigung", "may GRANT the role"),
        ] {
            let hint = hint_for(&SqlState::INSUFFICIENT_PRIVILEGE, message).unwrap();
            assert!(hint.contains(grant), "{message}: {hint}");
        }
    }
}
