//! The addresses that a connection names: one, or several that are tried in turn.

use std::fmt;
use std::net::IpAddr;

use super::parameters::Parameters;
use super::surroundings::socket_directory;
use crate::error::Error;

/// PostgreSQL's port.
const PORT: u16 = 5432;

/// Where a server may be.
#[derive(Debug, Clone, PartialEq)]
pub struct Address {
    /// Its name, its IP address or the directory of its socket, as given.
    pub host: String,
    /// Its IP address, where that need not be looked up.
    pub ip: Option<IpAddr>,
    /// Its port; of a socket, the last part of its file's name.
    pub port: u16,
}

impl Address {
    /// Whether it is a directory with a socket in it.
    pub fn is_socket(&self) -> bool {
        self.ip.is_none() && self.host.starts_with('/')
    }

    /// What the password file calls it: the socket's default directory is `localhost`.
    pub fn name_in_passfile(&self) -> &str {
        if self.is_socket() && Some(self.host.as_str()) == socket_directory() {
            "localhost"
        } else {
            &self.host
        }
    }
}

/// As psql names it in its messages.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Address { host, port, ip } = self;
        if self.is_socket() {
            return write!(f, "on socket \"{host}/.s.PGSQL.{port}\"");
        }
        match ip {
            Some(ip) if ip.to_string() != *host => {
                write!(f, "at \"{host}\" ({ip}), port {port}")
            }
            _ => write!(f, "at \"{host}\", port {port}"),
        }
    }
}

/// The addresses, in order. Of `host`, `hostaddr` and `port` each may be a list with commas; one port serves all.
///
/// # Errors
/// The lists do not match, or a port or an IP address is none.
pub fn addresses(parameters: &Parameters) -> Result<Vec<Address>, Error> {
    let list = |keyword| -> Vec<&str> {
        let text: Option<&str> = parameters.get(keyword);
        text.map_or(Vec::new(), |text| text.split(',').map(str::trim).collect())
    };
    let (hosts, ips, ports) = (list("host"), list("hostaddr"), list("port"));
    let count = hosts.len().max(ips.len());
    if !hosts.is_empty() && !ips.is_empty() && hosts.len() != ips.len() {
        return Err(Error::new(format!(
            "could not match {} host names to {} hostaddr values",
            hosts.len(),
            ips.len()
        )));
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(Error::new(format!(
            "could not match {} port numbers to {count} hosts",
            ports.len()
        )));
    }
    (0..count)
        .map(|place| {
            let at = |list: &[&'_ str]| list.get(place).copied().unwrap_or_default().to_owned();
            let port = if ports.len() == 1 {
                ports.first().copied().unwrap_or_default().to_owned()
            } else {
                at(&ports)
            };
            address(at(&hosts), &at(&ips), &port)
        })
        .collect()
}

fn address(host: String, ip: &str, port: &str) -> Result<Address, Error> {
    let port = match port {
        "" => PORT,
        given => match given.parse() {
            Ok(port) if port > 0 => port,
            _ => return Err(Error::new(format!("invalid port number: \"{given}\""))),
        },
    };
    let ip: Option<IpAddr> = match ip {
        "" => None,
        given => Some(
            given
                .parse()
                .map_err(|_| Error::new(format!("could not parse network address \"{given}\"")))?,
        ),
    };
    let host = match (&ip, host.is_empty()) {
        (_, false) => host,
        // What a certificate is compared with, then.
        (Some(ip), true) => ip.to_string(),
        (None, true) => socket_directory().unwrap_or("localhost").to_owned(),
    };
    Ok(Address { host, ip, port })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::arguments::Connection as Arguments;
    use crate::connect::surroundings::Surroundings;

    fn of(conninfo: &str) -> Result<Vec<Address>, Error> {
        let arguments = Arguments {
            dbname: Some(format!("user=u {conninfo}")),
            host: None,
            port: None,
            username: None,
            no_password: false,
            password: false,
        };
        addresses(&Parameters::new(
            &arguments,
            &Surroundings::of(Path::new("/nowhere"), &[]),
        )?)
    }

    fn shown(conninfo: &str) -> Vec<String> {
        of(conninfo)
            .unwrap()
            .iter()
            .map(Address::to_string)
            .collect()
    }

    #[test]
    fn lists_are_taken_side_by_side() {
        assert_eq!(shown("host=a"), ["at \"a\", port 5432"]);
        assert_eq!(
            shown("host=a,b port=1"),
            ["at \"a\", port 1", "at \"b\", port 1"]
        );
        assert_eq!(
            shown("host=a,/s port=1,"),
            ["at \"a\", port 1", "on socket \"/s/.s.PGSQL.5432\""]
        );
        assert_eq!(
            shown("host=a hostaddr=127.0.0.1"),
            ["at \"a\" (127.0.0.1), port 5432"]
        );
        assert_eq!(shown("hostaddr=::1"), ["at \"::1\", port 5432"]);
    }

    #[test]
    fn lists_that_do_not_match_are_refused() {
        for conninfo in [
            "host=a,b port=1,2,3",
            "host=a,b hostaddr=127.0.0.1",
            "host=a port=0",
            "host=a port=65536",
            "host=a port=x",
            "hostaddr=a",
        ] {
            assert!(of(conninfo).is_err(), "{conninfo}");
        }
    }

    #[test]
    fn the_default_socket_is_localhost_to_the_password_file() {
        let of_socket = |host: &str| of(&format!("host={host}")).unwrap().remove(0);
        if let Some(default) = socket_directory() {
            assert_eq!(of_socket(default).name_in_passfile(), "localhost");
        }
        assert_eq!(of_socket("/elsewhere").name_in_passfile(), "/elsewhere");
    }
}
