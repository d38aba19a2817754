//! What goes wrong, and what to do then: a message, details and a hint, as psql shows them.

use std::error::Error as _;
use std::fmt;

/// An error that ends the program.
#[derive(Debug)]
pub struct Error {
    message: String,
    detail: Option<String>,
    hint: Option<String>,
}

impl Error {
    /// An error with this message: lower case, no full stop.
    pub fn new(message: impl Into<String>) -> Error {
        Error {
            message: message.into(),
            detail: None,
            hint: None,
        }
    }

    /// With what to do about it: a sentence.
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.hint = Some(hint.into());
        self
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
        if let Some(told) = error.as_db_error() {
            return Error {
                message: told.message().to_owned(),
                detail: told.detail().map(str::to_owned),
                hint: told.hint().map(str::to_owned),
            };
        }
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            message = format!("{message}: {error}");
            cause = error.source();
        }
        Error::new(message)
    }
}

impl From<trips_core::Error> for Error {
    fn from(error: trips_core::Error) -> Error {
        Error {
            message: error.message(),
            detail: error.detail(),
            hint: error.hint(),
        }
    }
}
