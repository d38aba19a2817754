//! The parameters of a connection, from all that names some: command line, connection string, service, environment.

use std::collections::BTreeMap;
use std::fmt;

use super::conninfo::{self, Pair};
use super::keywords::{KEYWORDS, Treatment, keyword};
use super::service;
use super::surroundings::{Surroundings, socket_directory};
use crate::arguments::Connection as Arguments;
use crate::error::Error;

/// What the server knows this program as where nothing else is said.
const APPLICATION: &str = "trips";

/// Values by keyword. A value may be empty, which keeps what comes later from setting it, and then means the default.
#[derive(Clone, Default)]
pub struct Parameters {
    values: BTreeMap<&'static str, String>,
}

impl Parameters {
    /// What the command line names, and then, for what it leaves open, the service, the environment and the defaults.
    ///
    /// # Errors
    /// Something is malformed, unknown, or not to be had.
    pub fn new(arguments: &Arguments, surroundings: &Surroundings) -> Result<Parameters, Error> {
        let mut parameters = Parameters::of_arguments(arguments)?;
        let service = parameters.get("service").map(str::to_owned);
        let service = service.or_else(|| surroundings.variable("PGSERVICE"));
        if let Some(name) = service.filter(|name| !name.is_empty()) {
            for (keyword, value) in service::parameters(&name, surroundings)? {
                parameters.set_if_open(&keyword, value)?;
            }
        }
        for (keyword, variable, _) in KEYWORDS {
            if let Some(value) = variable.and_then(|name| surroundings.variable(name)) {
                parameters.values.entry(keyword).or_insert(value);
            }
        }
        parameters.refuse_what_cannot_be_kept()?;
        parameters.fill_in(surroundings)?;
        Ok(parameters)
    }

    /// As psql does it: it names host, port and user before the database, so a connection string given for that, which
    /// stands for all that it holds, overrides them.
    fn of_arguments(arguments: &Arguments) -> Result<Parameters, Error> {
        let mut parameters = Parameters::default();
        let port = arguments.port.map(|port| port.to_string());
        let options = [
            ("host", arguments.host.as_ref()),
            ("port", port.as_ref()),
            ("user", arguments.username.as_ref()),
        ];
        for (keyword, value) in options {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                parameters.values.insert(keyword, value.clone());
            }
        }
        match arguments.dbname.as_deref() {
            Some(conninfo) if conninfo::is_conninfo(conninfo) => {
                for pair in conninfo::parse(conninfo)? {
                    parameters.set(pair)?;
                }
            }
            Some(name) if !name.is_empty() => {
                parameters.values.insert("dbname", name.to_owned());
            }
            _ => {}
        }
        Ok(parameters)
    }

    fn set(&mut self, (name, value): Pair) -> Result<(), Error> {
        let known = keyword(&name).ok_or_else(|| unknown(&name))?;
        self.values.insert(known.0, value);
        Ok(())
    }

    fn set_if_open(&mut self, name: &str, value: String) -> Result<(), Error> {
        let known = keyword(name).ok_or_else(|| unknown(name))?;
        self.values.entry(known.0).or_insert(value);
        Ok(())
    }

    fn refuse_what_cannot_be_kept(&self) -> Result<(), Error> {
        for (name, variable, treatment) in KEYWORDS {
            if *treatment == Treatment::Refused && self.get(name).is_some() {
                let or = variable.map_or(String::new(), |name| format!(", or {name},"));
                return Err(
                    Error::new(format!("connection option \"{name}\" is not supported")).hint(
                        format!("Leave \"{name}\"{or} out, or connect by psql, which has it."),
                    ),
                );
            }
        }
        if self.get("gssencmode") == Some("require") {
            return Err(Error::new("gssencmode \"require\" is not supported")
                .hint("Encrypt by TLS instead: sslmode=verify-full."));
        }
        Ok(())
    }

    fn fill_in(&mut self, surroundings: &Surroundings) -> Result<(), Error> {
        if self.get("user").is_none() {
            let user = surroundings.user().ok_or_else(|| {
                Error::new("the operating system does not say who you are")
                    .hint("Name a role: trips --username NAME.")
            })?;
            self.values.insert("user", user);
        }
        if self.get("dbname").is_none() {
            let user = self.get("user").unwrap_or_default().to_owned();
            self.values.insert("dbname", user);
        }
        if self.get("application_name").is_none() {
            let name = self.get("fallback_application_name");
            let name = name.unwrap_or(APPLICATION).to_owned();
            self.values.insert("application_name", name);
        }
        if self.get("host").is_none() && self.get("hostaddr").is_none() {
            let host = socket_directory().unwrap_or("localhost");
            self.values.insert("host", host.to_owned());
        }
        Ok(())
    }

    /// A value that is not empty.
    pub fn get(&self, keyword: &str) -> Option<&str> {
        let value = self.values.get(keyword)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }

    /// A value that is a whole number.
    ///
    /// # Errors
    /// It is none.
    pub fn number(&self, keyword: &str) -> Result<Option<i32>, Error> {
        let Some(value) = self.get(keyword) else {
            return Ok(None);
        };
        let number = value.trim().parse();
        number.map(Some).map_err(|_| {
            Error::new(format!(
                "invalid integer value \"{value}\" for connection option \"{keyword}\""
            ))
        })
    }

    /// A value that is one of a few words, of which the first is the default.
    ///
    /// # Errors
    /// It is another.
    pub fn word<T: Copy>(
        &self,
        keyword: &str,
        words: &[(&str, T)],
        default: T,
    ) -> Result<T, Error> {
        let Some(value) = self.get(keyword) else {
            return Ok(default);
        };
        let found = words.iter().find(|(word, _)| *word == value);
        found.map(|(_, meaning)| *meaning).ok_or_else(|| {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            Error::new(format!("invalid {keyword} value: \"{value}\""))
                .hint(format!("It is one of {}.", known.join(", ")))
        })
    }
}

/// Without passwords.
impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.values.iter().filter(|(name, _)| **name != "password");
        f.debug_map().entries(shown).finish_non_exhaustive()
    }
}

fn unknown(name: &str) -> Error {
    Error::new(format!("invalid connection option \"{name}\""))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn arguments() -> Arguments {
        Arguments {
            dbname: None,
            host: None,
            port: None,
            username: None,
            no_password: false,
            password: false,
        }
    }

    fn of(arguments: &Arguments, variables: &[(&str, &str)]) -> Result<Parameters, Error> {
        Parameters::new(
            arguments,
            &Surroundings::of(Path::new("/nowhere"), variables),
        )
    }

    #[test]
    fn options_go_before_the_environment() {
        let given = Arguments {
            host: Some("h".to_owned()),
            port: Some(1),
            username: Some("u".to_owned()),
            dbname: Some("d".to_owned()),
            ..arguments()
        };
        let variables = [
            ("PGHOST", "x"),
            ("PGPORT", "2"),
            ("PGUSER", "x"),
            ("PGDATABASE", "x"),
            ("PGAPPNAME", "a"),
        ];
        let parameters = of(&given, &variables).unwrap();
        let get = |keyword| parameters.get(keyword).unwrap();
        assert_eq!(
            ["host", "port", "user", "dbname", "application_name"].map(get),
            ["h", "1", "u", "d", "a"]
        );
    }

    #[test]
    fn a_connection_string_goes_before_the_options_beside_it() {
        let given = Arguments {
            host: Some("h".to_owned()),
            port: Some(1),
            dbname: Some("postgresql://other/d".to_owned()),
            ..arguments()
        };
        let parameters = of(&given, &[]).unwrap();
        assert_eq!(parameters.get("host"), Some("other"));
        assert_eq!(parameters.get("port"), Some("1"));
        assert_eq!(parameters.get("dbname"), Some("d"));
    }

    #[test]
    fn an_empty_value_keeps_the_environment_out() {
        let given = Arguments {
            dbname: Some("port='' user=u".to_owned()),
            ..arguments()
        };
        let parameters = of(&given, &[("PGPORT", "1")]).unwrap();
        assert_eq!(parameters.get("port"), None);
    }

    #[test]
    fn what_is_left_open_has_libpqs_defaults() {
        let parameters = of(&arguments(), &[("PGUSER", "ann")]).unwrap();
        assert_eq!(parameters.get("dbname"), Some("ann"));
        assert_eq!(parameters.get("application_name"), Some("trips"));
        let host = socket_directory().unwrap_or("localhost");
        assert_eq!(parameters.get("host"), Some(host));
        let parameters = of(&arguments(), &[]).unwrap();
        assert_eq!(parameters.get("user"), whoami::username().ok().as_deref());
    }

    #[test]
    fn what_is_unknown_or_cannot_be_kept_is_refused() {
        for conninfo in [
            "hots=h",
            "sslcrl=/f",
            "requirepeer=postgres",
            "gssencmode=require",
            "service=none",
        ] {
            let given = Arguments {
                dbname: Some(conninfo.to_owned()),
                ..arguments()
            };
            assert!(of(&given, &[]).is_err(), "{conninfo}");
        }
        assert!(of(&arguments(), &[("PGREQUIREPEER", "p")]).is_err());
    }

    #[test]
    fn passwords_are_not_shown() {
        let given = Arguments {
            dbname: Some("password=secret user=u".to_owned()),
            ..arguments()
        };
        let shown = format!("{:?}", of(&given, &[]).unwrap());
        assert!(
            shown.contains("user") && !shown.contains("secret"),
            "{shown}"
        );
    }
}
