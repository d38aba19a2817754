//! Why a server cannot be reached or does not let us in, and what to do about that.

use std::error::Error as StdError;
use std::io;

use rustls::CertificateError;
use tokio_postgres::error::{DbError, SqlState};

use super::address::Address;
use super::parameters::Parameters;
use crate::error::Error;

/// Where a password came from.
#[derive(Debug, Clone, PartialEq)]
pub enum Origin {
    /// The password file, by its path.
    File(String),
    /// A connection string, a service or the environment.
    Given,
    /// The user was asked.
    Asked,
    /// There is none.
    Nowhere,
}

/// What is known of an attempt that failed.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// Where to.
    pub address: &'a Address,
    /// By what.
    pub parameters: &'a Parameters,
    /// The password's origin.
    pub password: &'a Origin,
}

impl Attempt<'_> {
    /// The error of this attempt, in psql's words, with a hint.
    pub fn explain(&self, error: &tokio_postgres::Error) -> Error {
        let of = format!("connection to server {} failed", self.address);
        if let Some(told) = error.as_db_error() {
            let told_error = Error::from(told).context(&format!("{of}: {}", told.severity()));
            return match self.hint_of_server(told) {
                Some(hint) => told_error.hint(hint),
                None => told_error,
            };
        }
        let (why, hint) = self.why(error);
        let error = Error::new(format!("{of}: {why}"));
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    /// The error of an attempt that took too long.
    pub fn timed_out(&self) -> Error {
        let address = self.address;
        Error::new(format!("connection to server {address} failed: timeout expired")).hint(
            "A firewall may drop what is sent there. PGCONNECT_TIMEOUT, or connect_timeout, says how many seconds to wait.",
        )
    }

    fn hint_of_server(&self, told: &DbError) -> Option<String> {
        let get = |keyword| self.parameters.get(keyword).unwrap_or_default();
        let code = told.code();
        let hint = if *code == SqlState::INVALID_CATALOG_NAME {
            "Name a database that is there: trips --dbname NAME; psql --list shows them.".to_owned()
        } else if *code == SqlState::INVALID_PASSWORD {
            self.hint_of_password()
        } else if *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION {
            self.hint_of_access(told.message())
        } else if *code == SqlState::TOO_MANY_CONNECTIONS {
            "Try again once other sessions have ended.".to_owned()
        } else if *code == SqlState::CANNOT_CONNECT_NOW {
            "Try again in a moment.".to_owned()
        } else if *code == SqlState::INSUFFICIENT_PRIVILEGE {
            format!(
                "Its owner or a superuser may allow it: GRANT CONNECT ON DATABASE \"{}\" TO \"{}\";",
                get("dbname"),
                get("user")
            )
        } else {
            return None;
        };
        Some(hint)
    }

    fn hint_of_password(&self) -> String {
        match self.password {
            Origin::File(path) => format!("The password was taken from the file \"{path}\"."),
            Origin::Given => {
                "The password was taken from the connection string, the service or PGPASSWORD; --password asks for another.".to_owned()
            }
            Origin::Asked | Origin::Nowhere => {
                "Is the role right (trips --username NAME)? A role without a password cannot log in by one.".to_owned()
            }
        }
    }

    fn hint_of_access(&self, message: &str) -> String {
        let user = self.parameters.get("user").unwrap_or_default();
        let of_role = format!(
            "Connecting as \"{user}\"; another role is named by trips --username NAME, or PGUSER."
        );
        if message.contains("pg_hba.conf") && message.contains("no encryption") {
            format!("The server may want encryption: sslmode=require. {of_role}")
        } else if message.contains("pg_hba.conf") {
            format!("pg_hba.conf on the server says who may come from where. {of_role}")
        } else {
            of_role
        }
    }

    /// What happened, and what to do, of an error that is not the server's.
    fn why(&self, error: &tokio_postgres::Error) -> (String, Option<String>) {
        if is_password_missing(error) {
            let hint = "Put it into ~/.pgpass or PGPASSWORD, or let it be asked for: leave --no-password out, and run this on a terminal.";
            return ("no password supplied".to_owned(), Some(hint.to_owned()));
        }
        if let Some(refused) = find(error).and_then(tls_error) {
            return self.why_of_tls(refused);
        }
        if let Some(cause) = find::<io::Error>(error) {
            return self.why_of_network(cause);
        }
        let words = innermost(error).to_string();
        let hint = words.contains("does not support TLS").then(|| {
            "Leave sslmode at \"prefer\" where that will do, or turn ssl on in the server."
                .to_owned()
        });
        (words.replace("TLS", "SSL"), hint)
    }

    fn why_of_network(&self, cause: &io::Error) -> (String, Option<String>) {
        let address = self.address;
        let hint = match cause.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused if address.is_socket() => {
                "Is the server running on this machine? --host DIRECTORY and --port name another socket, --host HOST a server elsewhere.".to_owned()
            }
            io::ErrorKind::ConnectionRefused => format!(
                "Is the server running there, and does it accept connections on port {} (listen_addresses)? --host and --port name another.",
                address.port
            ),
            io::ErrorKind::PermissionDenied if address.is_socket() => {
                "The socket is closed to this user of the operating system.".to_owned()
            }
            io::ErrorKind::UnexpectedEof => {
                "The server closed the connection: its log may say why, or this is no PostgreSQL.".to_owned()
            }
            _ if cause.to_string().contains("lookup") => {
                format!("Is \"{}\" the right name? --host names another.", address.host)
            }
            _ => return (plain(cause), None),
        };
        (plain(cause), Some(hint))
    }

    fn why_of_tls(&self, error: &rustls::Error) -> (String, Option<String>) {
        let rustls::Error::InvalidCertificate(wrong) = error else {
            return (format!("SSL error: {error}"), None);
        };
        let host = &self.address.host;
        let (why, hint) = match wrong {
            CertificateError::UnknownIssuer => (
                "the server's certificate is signed by nobody that is trusted".to_owned(),
                "Name the file with its authority's certificate: sslrootcert=FILE, or PGSSLROOTCERT, or ~/.postgresql/root.crt.",
            ),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                (
                    format!(
                        "the server's certificate is not of host \"{host}\" (its subjectAltName counts, not its common name)"
                    ),
                    "Name the host as the certificate does; sslmode=verify-ca does not look at the name.",
                )
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
                "the server's certificate has expired".to_owned(),
                "The server needs a new one.",
            ),
            _ => (
                format!("the server's certificate is refused: {wrong:?}"),
                "A certificate of X.509 version 3 is needed, with a subjectAltName.",
            ),
        };
        (why, Some(hint.to_owned()))
    }
}

/// Whether the server wants a password and there is none.
pub fn is_password_missing(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_none() && innermost(error).to_string() == "password missing"
}

/// Whether encryption could not be begun.
pub fn is_of_tls(error: &tokio_postgres::Error) -> bool {
    find::<io::Error>(error).and_then(tls_error).is_some()
}

/// The first cause of this kind.
fn find<T: StdError + 'static>(error: &tokio_postgres::Error) -> Option<&T> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn innermost(error: &tokio_postgres::Error) -> &dyn StdError {
    let mut innermost: &dyn StdError = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost
}

/// An operating system's error without its number, as C programs show it.
fn plain(error: &io::Error) -> String {
    let words = error.to_string();
    match words.split_once(" (os error") {
        Some((words, _)) => words.to_owned(),
        None => words,
    }
}
