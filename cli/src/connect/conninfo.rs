//! Connection strings in both of libpq's forms, `key=value` and URI, as pairs of keyword and value.
//!
//! <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING> is the description.

use crate::error::Error;

/// A keyword and its value, as written.
pub type Pair = (String, String);

/// What a URI begins with.
const SCHEMES: [&str; 2] = ["postgresql://", "postgres://"];

/// Whether a text given as a database's name is a connection string: libpq looks for a scheme or an equals sign.
pub fn is_conninfo(text: &str) -> bool {
    scheme_of(text).is_some() || text.contains('=')
}

/// The pairs of a connection string, in its order; of two values for a keyword the later one counts.
///
/// # Errors
/// It is malformed.
pub fn parse(text: &str) -> Result<Vec<Pair>, Error> {
    match scheme_of(text) {
        Some(rest) => parse_uri(rest),
        None => parse_pairs(text),
    }
}

fn scheme_of(text: &str) -> Option<&str> {
    SCHEMES.iter().find_map(|scheme| text.strip_prefix(scheme))
}

/// `host=localhost options='-c a=b\'c'`: blanks may stand about the sign, a backslash takes the next character as it is.
fn parse_pairs(text: &str) -> Result<Vec<Pair>, Error> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c == '=' || c.is_whitespace());
        let (keyword, after) = rest.split_at(end.unwrap_or(rest.len()));
        let Some(value) = after.trim_start().strip_prefix('=') else {
            return Err(malformed(format!(
                "missing \"=\" after \"{keyword}\" in connection string"
            )));
        };
        let (value, after) = take_value(value.trim_start())?;
        pairs.push((keyword.to_owned(), value));
        rest = after.trim_start();
    }
    Ok(pairs)
}

/// The value at the beginning of the text, and what comes after it.
fn take_value(text: &str) -> Result<(String, &str), Error> {
    let quoted = text.strip_prefix('\'');
    let mut value = String::new();
    let mut characters = quoted.unwrap_or(text).chars();
    loop {
        let before = characters.as_str();
        match characters.next() {
            None if quoted.is_some() => {
                return Err(malformed("unterminated quoted string in connection string"));
            }
            None => return Ok((value, "")),
            Some('\'') if quoted.is_some() => return Ok((value, characters.as_str())),
            Some(c) if quoted.is_none() && c.is_whitespace() => return Ok((value, before)),
            Some('\\') => value.extend(characters.next()),
            Some(c) => value.push(c),
        }
    }
}

/// `user:password@host:port,host:port/dbname?keyword=value&...`, each part percent-encoded, all but the scheme optional.
fn parse_uri(text: &str) -> Result<Vec<Pair>, Error> {
    // The first of the two decides whether there is a login: a slash of a password is percent-encoded.
    let (login, text) = match text.find(['@', '/']).map(|end| text.split_at(end)) {
        Some((login, rest)) if rest.starts_with('@') => (Some(login), rest.trim_start_matches('@')),
        _ => (None, text),
    };
    let (text, query) = text.split_once('?').unwrap_or((text, ""));
    let (hosts, dbname) = text.split_once('/').unwrap_or((text, ""));
    let mut pairs = Vec::new();
    if let Some(login) = login {
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        push(&mut pairs, "user", user)?;
        push(&mut pairs, "password", password)?;
    }
    let (hosts, ports) = parse_hosts(hosts)?;
    push(&mut pairs, "host", &hosts)?;
    push(&mut pairs, "port", &ports)?;
    push(&mut pairs, "dbname", dbname)?;
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let Some((keyword, value)) = parameter.split_once('=') else {
            return Err(malformed(format!(
                "missing \"=\" after \"{parameter}\" in the URI's parameters"
            )));
        };
        pairs.push(as_of_jdbc(decode(keyword)?, decode(value)?));
    }
    Ok(pairs)
}

/// The hosts and the ports, each as a list with commas.
fn parse_hosts(text: &str) -> Result<(String, String), Error> {
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    for host in text.split(',') {
        let (host, port) = match host.strip_prefix('[') {
            // An IPv6 address holds colons itself.
            Some(rest) => match rest.split_once(']') {
                Some((address, "")) => (address, ""),
                Some((address, port)) if port.starts_with(':') => {
                    (address, port.trim_start_matches(':'))
                }
                _ => return Err(malformed("an IPv6 address in the URI lacks its \"]\"")),
            },
            None => host.split_once(':').unwrap_or((host, "")),
        };
        hosts.push(host);
        ports.push(port);
    }
    let given = ports.iter().any(|port| !port.is_empty());
    Ok((
        hosts.join(","),
        if given {
            ports.join(",")
        } else {
            String::new()
        },
    ))
}

fn push(pairs: &mut Vec<Pair>, keyword: &str, value: &str) -> Result<(), Error> {
    if !value.is_empty() {
        pairs.push((keyword.to_owned(), decode(value)?));
    }
    Ok(())
}

/// JDBC's `ssl=true`, which libpq takes in URIs as `sslmode=require`.
fn as_of_jdbc(keyword: String, value: String) -> Pair {
    if keyword == "ssl" && value == "true" {
        return ("sslmode".to_owned(), "require".to_owned());
    }
    (keyword, value)
}

/// The text without its percent-encoding.
fn decode(text: &str) -> Result<String, Error> {
    let invalid = || malformed(format!("invalid percent-encoded token: \"{text}\""));
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(invalid());
        };
        match u8::try_from(high * 16 + low) {
            // A NUL would end the value before its end.
            Ok(0) | Err(_) => return Err(invalid()),
            Ok(byte) => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).map_err(|_| invalid())
}

fn malformed(message: impl Into<String>) -> Error {
    Error::new(message).hint(
        "A connection string looks like \"host=HOST dbname=NAME\" or \"postgresql://USER@HOST:PORT/NAME\".",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn expect(text: &str, expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        assert_eq!(pairs(text), expected, "{text}");
    }

    #[test]
    fn a_name_is_no_connection_string() {
        assert!(!is_conninfo("trips"));
        assert!(!is_conninfo("mysql://host/db"));
        assert!(is_conninfo("dbname=trips"));
        assert!(is_conninfo("postgres://"));
        assert!(is_conninfo("postgresql://host/db"));
    }

    #[test]
    fn pairs_may_be_quoted_and_escaped_as_libpq_takes_them() {
        expect("", &[]);
        expect(
            "host=h port = 5433  dbname= a",
            &[("host", "h"), ("port", "5433"), ("dbname", "a")],
        );
        expect(
            r"password='it\'s a \\ b' user=a\ b\'c host=''",
            &[("password", r"it's a \ b"), ("user", "a b'c"), ("host", "")],
        );
        expect(
            "options='-c a=b'host=x",
            &[("options", "-c a=b"), ("host", "x")],
        );
    }

    #[test]
    fn every_part_of_a_uri_may_be_missing() {
        expect("postgresql://", &[]);
        expect("postgresql://h", &[("host", "h")]);
        expect("postgresql:///db", &[("dbname", "db")]);
        expect(
            "postgres://u@h:1/db",
            &[
                ("user", "u"),
                ("host", "h"),
                ("port", "1"),
                ("dbname", "db"),
            ],
        );
        expect("postgres://u:p@/", &[("user", "u"), ("password", "p")]);
        expect("postgres://:5433", &[("port", "5433")]);
        expect(
            "postgres:///?host=/tmp&port=6&user=x",
            &[("host", "/tmp"), ("port", "6"), ("user", "x")],
        );
    }

    #[test]
    fn a_uri_names_several_hosts_and_ipv6_addresses() {
        expect(
            "postgresql://a:1,b,[::1]:3/db",
            &[("host", "a,b,::1"), ("port", "1,,3"), ("dbname", "db")],
        );
        expect("postgresql://[2001:db8::1]", &[("host", "2001:db8::1")]);
    }

    #[test]
    fn a_uri_is_percent_encoded() {
        expect(
            "postgresql://%2Ftmp/d%20b?application_name=a%26b%3D&options=-c%20x%3Dy",
            &[
                ("host", "/tmp"),
                ("dbname", "d b"),
                ("application_name", "a&b="),
                ("options", "-c x=y"),
            ],
        );
        expect(
            "postgresql://u:what?@h?host=/tmp",
            &[
                ("user", "u"),
                ("password", "what?"),
                ("host", "h"),
                ("host", "/tmp"),
            ],
        );
        expect(
            "postgresql://u:p%40s%3As@h?ssl=true",
            &[
                ("user", "u"),
                ("password", "p@s:s"),
                ("host", "h"),
                ("sslmode", "require"),
            ],
        );
    }

    #[test]
    fn what_is_malformed_is_refused() {
        for text in [
            "host",
            "host h",
            "host='h",
            "postgresql://[::1",
            "postgresql://[::1]x",
            "postgresql://h?user",
            "postgresql://%zz",
            "postgresql://%0",
            "postgresql://a%00b",
            "postgresql://%ff",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
