//! What the server says when it refuses.

use std::fmt::Debug;

use postgres::Error;
use postgres::error::DbError;

/// The server's error, which must be of this SQLSTATE.
///
/// # Panics
/// Where there is no error, or another.
#[track_caller]
pub fn refused<T: Debug>(result: Result<T, Error>, sqlstate: &str) -> DbError {
    refused_case("the call", result, sqlstate)
}

/// As [`refused`], of one case among many: a failure names it.
///
/// # Panics
/// Where there is no error, or another.
#[track_caller]
pub fn refused_case<T: Debug>(what: &str, result: Result<T, Error>, sqlstate: &str) -> DbError {
    let error = match result {
        Ok(value) => panic!("{what}: expected {sqlstate}, but it gave {value:?}"),
        Err(error) => error,
    };
    let Some(error) = error.as_db_error() else {
        panic!("{what}: expected {sqlstate} of the server, but the session failed: {error:?}");
    };
    assert_eq!(error.code().code(), sqlstate, "{what}: {error:?}");
    assert_style(error);
    error.clone()
}

/// PostgreSQL's style: the message starts in lower case and has no full stop; detail and hint are sentences. What
/// the server itself says is not looked at.
#[track_caller]
fn assert_style(error: &DbError) {
    let is_ours = error.file().is_some_and(|file| file.ends_with(".rs"))
        || error.routine() == Some("exec_stmt_raise");
    if !is_ours {
        return;
    }
    let message = error.message();
    let first_word = message.split(' ').next().unwrap_or_default();
    let is_shout = first_word.chars().skip(1).any(char::is_uppercase);
    assert!(
        is_shout || !message.starts_with(char::is_uppercase),
        "message starts in upper case: {message}"
    );
    assert!(
        !message.ends_with('.'),
        "message has a full stop: {message}"
    );
    for sentence in [error.detail(), error.hint()].into_iter().flatten() {
        assert!(sentence.ends_with('.'), "no sentence: {sentence}");
    }
}

/// Where in a file an error lies, as its detail tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: String,
    /// The physical line on which the row starts.
    pub line: u64,
    /// The column, where one is at fault.
    pub column: Option<String>,
}

impl Place {
    /// Reads the detail of a row's error: `File "...", line 3, column origin_coord: "...".`
    ///
    /// # Panics
    /// Where there is no such detail.
    #[track_caller]
    pub fn of(error: &DbError) -> Place {
        let detail = error.detail().unwrap_or_default();
        Place::parse(detail)
            .unwrap_or_else(|| panic!("no place in the detail {detail:?}: {error:?}"))
    }

    fn parse(detail: &str) -> Option<Place> {
        let (file, rest) = detail.strip_prefix("File \"")?.split_once("\", line ")?;
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (line, rest) = rest.split_at(digits);
        let column = rest.strip_prefix(", column ").and_then(|rest| {
            let end = rest.find(|c: char| !(c.is_ascii_lowercase() || c == '_'))?;
            Some(rest[..end].to_owned())
        });
        Some(Place {
            file: file.to_owned(),
            line: line.parse().ok()?,
            column,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn a_place_is_read_with_and_without_a_column() {
        let place = Place::parse(r#"File "/d/t.csv", line 3, column origin_coord: "POINT (x)"."#);
        let place = place.unwrap();
        assert_eq!(
            (place.line, place.column.as_deref()),
            (3, Some("origin_coord"))
        );
        let place = Place::parse(r#"File "/d/t.csv", line 12: "a,b"."#).unwrap();
        assert_eq!((place.line, place.column), (12, None));
    }
}
