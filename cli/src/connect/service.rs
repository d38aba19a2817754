//! Connection services: parameters under a name, in files.
//!
//! <https://www.postgresql.org/docs/current/libpq-pgservice.html> is the description.

use std::fs;
use std::path::{Path, PathBuf};

use super::conninfo::Pair;
use super::surroundings::Surroundings;
use crate::error::Error;

/// The user's file, in the home directory.
const OF_USER: &str = ".pg_service.conf";

/// The file of all users, in the directory of system-wide configuration.
const OF_SYSTEM: &str = "pg_service.conf";

/// That directory as Debian's libpq has it, where `PGSYSCONFDIR` names no other.
const SYSTEM_DIRECTORY: &str = "/etc/postgresql-common";

/// The parameters of a service. The user's file goes before the system's; `PGSERVICEFILE` stands for the user's, and must
/// be there.
///
/// # Errors
/// No file defines it, or one is malformed.
pub fn parameters(name: &str, surroundings: &Surroundings) -> Result<Vec<Pair>, Error> {
    let of_user = match surroundings.variable("PGSERVICEFILE") {
        Some(path) => Some(PathBuf::from(path)),
        None => surroundings
            .home()
            .map(|home| home.join(OF_USER))
            .filter(|path| path.exists()),
    };
    let system = surroundings.variable("PGSYSCONFDIR");
    let of_system = Path::new(system.as_deref().unwrap_or(SYSTEM_DIRECTORY)).join(OF_SYSTEM);
    let of_system = Some(of_system).filter(|path| path.exists());
    let mut searched = Vec::new();
    for path in [of_user, of_system].into_iter().flatten() {
        let content = fs::read_to_string(&path).map_err(|error| {
            let path = path.display();
            Error::new(format!("could not read service file \"{path}\": {error}"))
        })?;
        if let Some(pairs) = section(name, &content, &path)? {
            return Ok(pairs);
        }
        searched.push(path.display().to_string());
    }
    let places = match searched.as_slice() {
        [] => format!("There is no ~/{OF_USER} and no {SYSTEM_DIRECTORY}/{OF_SYSTEM}."),
        files => format!("Searched: {}.", files.join(", ")),
    };
    Err(Error::new(format!("definition of service \"{name}\" not found")).detail(places))
}

/// The lines below `[name]` up to the next section, if the file has that section.
fn section(name: &str, content: &str, path: &Path) -> Result<Option<Vec<Pair>>, Error> {
    let mut found: Option<Vec<Pair>> = None;
    for (line, number) in content.lines().zip(1..) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            if header.strip_suffix(']') == Some(name) {
                found = Some(Vec::new());
            }
        } else if let Some(pairs) = &mut found {
            let wrong = |what: &str| {
                let path = path.display();
                Error::new(format!("{what} in service file \"{path}\", line {number}"))
            };
            match line.split_once('=') {
                Some(("service", _)) => {
                    return Err(wrong("nested service specifications not supported"));
                }
                Some((keyword, value)) => pairs.push((keyword.to_owned(), value.to_owned())),
                None => return Err(wrong("syntax error")),
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# comment\n[other]\nhost=no\n\n[mine]\n  host=h\n# more\nport=5433\nuser=a b\n[next]\nhost=no\n[mine]\nhost=late\n";

    fn section_of(name: &str, content: &str) -> Result<Option<Vec<Pair>>, Error> {
        section(name, content, Path::new("file"))
    }

    #[test]
    fn a_section_ends_where_the_next_begins() {
        let pairs = section_of("mine", FILE).unwrap().unwrap();
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        assert_eq!(pairs, [("host", "h"), ("port", "5433"), ("user", "a b")]);
        assert_eq!(section_of("min", FILE).unwrap(), None);
    }

    #[test]
    fn what_is_malformed_is_refused_with_its_line() {
        let error = section_of("a", "[a]\nhost=h\nport\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "error: syntax error in service file \"file\", line 3"
        );
        assert!(section_of("a", "[a]\nservice=b\n").is_err());
        // What belongs to others is not looked at.
        assert!(section_of("a", "[b]\nport\n[a]\n").unwrap().is_some());
    }

    #[test]
    fn the_users_file_goes_before_the_systems() {
        let directory = tempfile::tempdir().unwrap();
        let (home, system) = (directory.path().join("h"), directory.path().join("s"));
        fs::create_dir(&home).unwrap();
        fs::create_dir(&system).unwrap();
        fs::write(home.join(OF_USER), "[a]\nhost=mine\n").unwrap();
        fs::write(system.join(OF_SYSTEM), "[a]\nhost=all\n[b]\nhost=all\n").unwrap();
        let system = system.to_str().unwrap();
        let surroundings = Surroundings::of(&home, &[("PGSYSCONFDIR", system)]);
        let host = |name| parameters(name, &surroundings).unwrap().remove(0).1;
        assert_eq!(host("a"), "mine");
        assert_eq!(host("b"), "all");
        let error = parameters("c", &surroundings).unwrap_err().to_string();
        assert!(error.contains("definition of service \"c\" not found"));
        assert!(error.contains(OF_USER), "{error}");
        // A file that is named must be there.
        let surroundings = Surroundings::of(&home, &[("PGSERVICEFILE", "/none")]);
        let error = parameters("a", &surroundings).unwrap_err().to_string();
        assert!(error.contains("/none"), "{error}");
    }
}
