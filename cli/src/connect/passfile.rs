//! The password file, `~/.pgpass`: lines of `host:port:database:user:password`.
//!
//! <https://www.postgresql.org/docs/current/libpq-pgpass.html> is the description.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What a password is looked up for.
#[derive(Debug, Clone, Copy)]
pub struct Login<'a> {
    /// Host as it was named, or the socket's directory; `localhost` for the default directory.
    pub host: &'a str,
    /// Port.
    pub port: u16,
    /// Database.
    pub dbname: &'a str,
    /// Role.
    pub user: &'a str,
}

/// What a password file says of a login.
#[derive(Debug, PartialEq)]
pub enum Found {
    /// The password.
    Password(String),
    /// No line is about this login, or there is no file.
    Nothing,
    /// The file must not be used; why.
    Ignored(String),
}

/// Looks a login up. A file that others may read is not used: libpq does not trust it either.
pub fn look_up(path: &Path, login: &Login<'_>) -> Found {
    let Ok(metadata) = fs::metadata(path) else {
        return Found::Nothing;
    };
    let name = path.display();
    if !metadata.is_file() {
        return Found::Ignored(format!("password file \"{name}\" is not a plain file"));
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        return Found::Ignored(format!(
            "password file \"{name}\" has group or world access; permissions should be u=rw (0600) or less"
        ));
    }
    match fs::read(path) {
        Ok(content) => password_for(&String::from_utf8_lossy(&content), login)
            .map_or(Found::Nothing, Found::Password),
        Err(error) => Found::Ignored(format!("could not read password file \"{name}\": {error}")),
    }
}

/// The password of the first line that is about this login.
fn password_for(content: &str, login: &Login<'_>) -> Option<String> {
    let port = login.port.to_string();
    let wanted = [login.host, &port, login.dbname, login.user];
    content
        .lines()
        .filter(|line| !line.starts_with('#'))
        .find_map(|line| {
            let password = wanted
                .iter()
                .try_fold(line, |rest, wanted| after_match(rest, wanted))?;
            Some(next_field(password).0)
        })
}

/// What comes behind the first field of the line, where that field is the wanted text or the wildcard.
fn after_match<'a>(line: &'a str, wanted: &str) -> Option<&'a str> {
    if let Some(rest) = line.strip_prefix("*:") {
        return Some(rest);
    }
    let (field, rest) = next_field(line);
    rest.filter(|_| field == wanted)
}

/// The first field of a line without its backslashes, and what comes behind its colon, if it has one.
fn next_field(line: &str) -> (String, Option<&str>) {
    let mut field = String::new();
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            ':' => return (field, Some(characters.as_str())),
            // The last one of a line has nothing to escape.
            '\\' => field.push(characters.next().unwrap_or('\\')),
            character => field.push(character),
        }
    }
    (field, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGIN: Login<'static> = Login {
        host: "db.example",
        port: 5432,
        dbname: "trips",
        user: "ann",
    };

    fn password(content: &str) -> Option<String> {
        password_for(content, &LOGIN)
    }

    #[test]
    fn the_first_line_that_matches_counts() {
        let content = "# db.example:5432:trips:ann:comment\n\
                       other:5432:trips:ann:no\r\n\
                       db.example:*:trips:ann:first\r\n\
                       db.example:5432:trips:ann:second\n";
        assert_eq!(password(content).as_deref(), Some("first"));
    }

    #[test]
    fn each_field_must_match_or_be_the_wildcard() {
        assert_eq!(password("*:*:*:*:any").as_deref(), Some("any"));
        for line in [
            "x:5432:trips:ann:p",
            "db.example:5433:trips:ann:p",
            "db.example:5432:other:ann:p",
            "db.example:5432:trips:bob:p",
            "db.example:5432:trips",
            "db.example:5432:trips:ann",
            "db.exampl:5432:trips:ann:p",
            "db.example2:5432:trips:ann:p",
            "**:5432:trips:ann:p",
            "",
        ] {
            assert_eq!(password(line), None, "{line}");
        }
    }

    #[test]
    fn a_backslash_escapes_colons_and_itself() {
        let login = Login {
            host: "::1",
            user: r"a\b",
            ..LOGIN
        };
        let line = r"\:\:1:5432:trips:a\\b:p\:w\\d";
        assert_eq!(password_for(line, &login).as_deref(), Some(r"p:w\d"));
        // A password ends at a bare colon.
        assert_eq!(password("*:*:*:*:one:two").as_deref(), Some("one"));
        assert_eq!(password(r"*:*:*:*:p\").as_deref(), Some(r"p\"));
        // An escaped asterisk is an asterisk.
        assert_eq!(password(r"\*:*:*:*:p"), None);
    }

    #[test]
    fn a_file_that_others_may_read_is_not_used() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pgpass");
        assert_eq!(look_up(&path, &LOGIN), Found::Nothing);
        fs::write(&path, "*:*:*:*:secret\n").unwrap();
        let set = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        set(0o600);
        assert_eq!(look_up(&path, &LOGIN), Found::Password("secret".to_owned()));
        for mode in [0o640, 0o604, 0o620] {
            set(mode);
            let Found::Ignored(why) = look_up(&path, &LOGIN) else {
                panic!("{mode:o} is used");
            };
            assert!(why.contains("has group or world access"), "{why}");
        }
        assert!(matches!(
            look_up(directory.path(), &LOGIN),
            Found::Ignored(_)
        ));
    }
}
