//! What libpq takes from where the program runs: environment, home directory, name of the user.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Directories of server sockets, in the order in which they are tried: Debian's, and that of PostgreSQL as it comes.
const SOCKET_DIRECTORIES: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// The environment of the process, or one that a test makes up.
#[derive(Debug)]
pub struct Surroundings {
    variables: HashMap<String, String>,
}

impl Surroundings {
    /// Those of this process. Variables that are no UTF-8 are as good as unset.
    pub fn of_process() -> Surroundings {
        let text = |text: std::ffi::OsString| text.into_string().ok();
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((text(name)?, text(value)?)))
            .collect();
        Surroundings { variables }
    }

    /// Made up, for tests.
    #[cfg(test)]
    pub fn of(home: &Path, variables: &[(&str, &str)]) -> Surroundings {
        let home = ("HOME", home.to_str().unwrap());
        let variables = variables.iter().copied().chain([home]);
        Surroundings {
            variables: variables
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        }
    }

    /// A variable that is set; one that is set to nothing counts as set, as for libpq.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    /// The home directory: libpq asks `HOME` first, too.
    pub fn home(&self) -> Option<PathBuf> {
        let home = self.variable("HOME").filter(|home| !home.is_empty());
        home.map(PathBuf::from).or_else(std::env::home_dir)
    }

    /// The name of the operating system's user that the process runs as, by its effective user ID.
    pub fn user(&self) -> Option<String> {
        whoami::username().ok()
    }
}

/// The directory of the socket of a server for which no host is named: the first that exists.
pub fn socket_directory() -> Option<&'static str> {
    SOCKET_DIRECTORIES
        .into_iter()
        .find(|directory| Path::new(directory).is_dir())
}
