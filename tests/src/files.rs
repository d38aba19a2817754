//! The files of a test: a directory that the server reads.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::cluster::cluster;

/// Names the directory that the suites write into and the server reads.
pub const DATA_DIR_ENV: &str = "TRIPS_TEST_DATA_DIR";

/// The header of a file of trips, with its line end.
pub const HEADER: &str = "region,origin_coord,destination_coord,datetime,datasource\n";

/// A directory below the data directory; removed with the value.
#[derive(Debug)]
pub struct Files {
    dir: PathBuf,
}

impl Files {
    pub(crate) fn new(name: &str) -> Files {
        Files::in_directory(cluster().data_dir.join(name))
    }

    pub(crate) fn in_directory(dir: PathBuf) -> Files {
        make_dir(&dir);
        Files { dir }
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The path of a file that may or may not exist.
    pub fn path(&self, name: &str) -> String {
        text(&self.dir.join(name))
    }

    /// Writes a file as it is given; its path.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let mut file = self.create(name);
        file.write_all(content.as_ref())
            .expect("the file can be written");
        self.path(name)
    }

    /// Writes a file of rows, each without its line end, below the usual header; its path.
    pub fn write_rows<R: AsRef<[u8]>>(
        &self,
        name: &str,
        rows: impl IntoIterator<Item = R>,
    ) -> String {
        let mut content = HEADER.as_bytes().to_vec();
        for row in rows {
            content.extend_from_slice(row.as_ref());
            content.push(b'\n');
        }
        self.write(name, content)
    }

    /// A new file, open for writing, that the server can read.
    pub fn create(&self, name: &str) -> File {
        let path = self.dir.join(name);
        let file = File::create(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        file.set_permissions(Permissions::from_mode(0o644))
            .expect("permissions can be set");
        file
    }

    /// Makes a directory that the server can look into; its path.
    pub fn make_dir(&self, name: &str) -> String {
        make_dir(&self.dir.join(name));
        self.path(name)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // What a failed test leaves here is looked at by its author.
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

fn make_dir(path: &Path) {
    fs::create_dir_all(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    fs::set_permissions(path, Permissions::from_mode(0o755)).expect("permissions can be set");
}

/// A path as text: the suites make no other paths.
pub fn text(path: &Path) -> String {
    path.to_str().expect("the path is UTF-8").to_owned()
}

/// A file of the sample data that stands beside the repository, or nothing where it is not there; says so.
pub fn shared(name: &str) -> Option<PathBuf> {
    let path = repository().parent()?.join("shared/data").join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("SKIPPED: ../shared/data/{name} is absent");
    None
}

/// The root of the repository.
pub fn repository() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests
        .parent()
        .expect("the crate lies in the repository")
        .to_owned()
}
