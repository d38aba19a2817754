//! What a caller of `trips_ingest` may ask for.

use trips_core::Error;

/// What to do with a row that cannot be loaded: COPY's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// Raise it.
    Stop,
    /// Put it into `trips.rejected_row` and go on, until there are more than `reject_limit`.
    Ignore {
        /// Most rows to be rejected; none is no limit.
        reject_limit: Option<u64>,
    },
}

impl OnError {
    /// The word of the option.
    pub const fn as_str(self) -> &'static str {
        match self {
            OnError::Stop => "stop",
            OnError::Ignore { .. } => "ignore",
        }
    }
}

/// What to do with a file whose content is in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfLoaded {
    /// Say so and load nothing.
    Skip,
    /// Raise 42710.
    Error,
}

impl IfLoaded {
    /// The word of the option.
    pub const fn as_str(self) -> &'static str {
        match self {
            IfLoaded::Skip => "skip",
            IfLoaded::Error => "error",
        }
    }
}

/// The options of one ingest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// What to do with bad rows.
    pub on_error: OnError,
    /// What to do with a known file.
    pub if_loaded: IfLoaded,
    /// Read, check and count, but store nothing.
    pub dry_run: bool,
}

impl Options {
    /// The options that the arguments of `trips_ingest` say.
    ///
    /// # Errors
    /// 22023 for a word or number that is not allowed.
    pub fn new(
        on_error: &str,
        reject_limit: Option<i64>,
        if_loaded: &str,
        dry_run: bool,
    ) -> Result<Options, Error> {
        let limit = reject_limit.map(u64::try_from);
        let on_error = match (on_error, limit) {
            (_, Some(Err(_) | Ok(0))) => {
                return Err(invalid(
                    "reject_limit",
                    &reject_limit,
                    "a number of at least 1",
                ));
            }
            ("stop", None) => OnError::Stop,
            ("stop", Some(_)) => {
                return Err(invalid(
                    "reject_limit",
                    &reject_limit,
                    "null unless on_error is \"ignore\"",
                ));
            }
            ("ignore", limit) => OnError::Ignore {
                reject_limit: limit.and_then(Result::ok),
            },
            (other, _) => return Err(invalid("on_error", &Some(other), "\"stop\", \"ignore\"")),
        };
        let if_loaded = match if_loaded {
            "skip" => IfLoaded::Skip,
            "error" => IfLoaded::Error,
            other => return Err(invalid("if_loaded", &Some(other), "\"skip\", \"error\"")),
        };
        Ok(Options {
            on_error,
            if_loaded,
            dry_run,
        })
    }
}

fn invalid<T: ToString>(name: &'static str, value: &Option<T>, allowed: &'static str) -> Error {
    Error::InvalidOption {
        name,
        value: value.as_ref().map(T::to_string).unwrap_or_default(),
        allowed,
    }
}
