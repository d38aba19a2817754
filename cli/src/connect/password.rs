//! Which password a host gets, and asking for one.

use std::path::PathBuf;
use std::sync::Mutex;

use super::address::Address;
use super::failure::Origin;
use super::parameters::Parameters;
use super::passfile::{Found, Login, look_up};
use super::surroundings::Surroundings;
use crate::arguments::Connection as Arguments;
use crate::error::Error;

/// A password, if there is one, and where it came from.
pub struct Password {
    /// The password.
    pub text: Option<String>,
    /// Its origin.
    pub origin: Origin,
}

/// When the user is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asking {
    Never,
    WhenWanted,
    First,
}

/// Where passwords come from: asked for, given, or from the file.
pub struct Passwords {
    asking: Asking,
    given: Option<String>,
    file: Option<PathBuf>,
    user: String,
    dbname: String,
    /// What the user has said, so that a later connection need not ask again.
    asked: Mutex<Option<String>>,
    /// Whether it has been said that the file is not used.
    warned: Mutex<bool>,
}

impl Passwords {
    /// By what the arguments, the parameters and the surroundings say.
    pub fn new(
        arguments: &Arguments,
        parameters: &Parameters,
        surroundings: &Surroundings,
    ) -> Passwords {
        let get = |keyword| parameters.get(keyword).map(str::to_owned);
        let file = get("passfile").map(PathBuf::from);
        Passwords {
            asking: match (arguments.no_password, arguments.password) {
                (true, _) => Asking::Never,
                (_, true) => Asking::First,
                _ => Asking::WhenWanted,
            },
            given: get("password"),
            file: file.or_else(|| surroundings.home().map(|home| home.join(".pgpass"))),
            user: get("user").unwrap_or_default(),
            dbname: get("dbname").unwrap_or_default(),
            asked: Mutex::new(None),
            warned: Mutex::new(false),
        }
    }

    /// The password for a host.
    ///
    /// # Errors
    /// It is to be asked for first, and there is nobody to ask.
    pub fn find(&self, address: &Address) -> Result<Password, Error> {
        if let Some(text) = self.asked() {
            return Ok(Password {
                text: Some(text),
                origin: Origin::Asked,
            });
        }
        if self.asking == Asking::First {
            return self.prompt();
        }
        if self.given.is_some() {
            return Ok(Password {
                text: self.given.clone(),
                origin: Origin::Given,
            });
        }
        Ok(self.of_file(address))
    }

    fn of_file(&self, address: &Address) -> Password {
        let nothing = Password {
            text: None,
            origin: Origin::Nowhere,
        };
        let Some(path) = &self.file else {
            return nothing;
        };
        let login = Login {
            host: address.name_in_passfile(),
            port: address.port,
            dbname: &self.dbname,
            user: &self.user,
        };
        match look_up(path, &login) {
            Found::Password(text) if !text.is_empty() => Password {
                text: Some(text),
                origin: Origin::File(path.display().to_string()),
            },
            Found::Ignored(why) => {
                self.warn_once(&why);
                nothing
            }
            Found::Password(_) | Found::Nothing => nothing,
        }
    }

    fn warn_once(&self, why: &str) {
        if let Ok(mut warned) = self.warned.lock()
            && !std::mem::replace(&mut *warned, true)
        {
            eprintln!("trips: warning: {why}");
        }
    }

    /// Asks for the password that the server wants; none where that is not to be, or there is no terminal.
    pub fn ask(&self) -> Option<Password> {
        if self.asking == Asking::Never || self.asked().is_some() {
            return None;
        }
        self.prompt().ok()
    }

    fn prompt(&self) -> Result<Password, Error> {
        let prompt = format!("Password for user {}: ", self.user);
        let text = rpassword::prompt_password(prompt).map_err(|error| {
            Error::new(format!("could not ask for the password: {error}"))
                .hint("Without a terminal, put it into ~/.pgpass or PGPASSWORD.")
        })?;
        if let Ok(mut asked) = self.asked.lock() {
            *asked = Some(text.clone());
        }
        Ok(Password {
            text: Some(text),
            origin: Origin::Asked,
        })
    }

    fn asked(&self) -> Option<String> {
        self.asked.lock().ok()?.clone()
    }
}
