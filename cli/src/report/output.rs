//! Where a page goes: a file that is there whole or not at all, or standard output.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// What a page will be written to.
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Standard output.
    Standard,
    /// What is there already and is no regular file, as a pipe or a device: nothing can take its place.
    Direct(File),
    /// A file beside, which takes the place of the other one once it is whole.
    Beside(Temporary, File),
}

/// A file that is removed with the value.
#[derive(Debug)]
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // After it has been renamed there is none.
        let _ = fs::remove_file(&self.0);
    }
}

impl Output {
    /// Makes sure that there is a place to write to.
    ///
    /// # Errors
    /// There is none.
    pub fn open(path: &Path) -> Result<Output, Error> {
        let kind = Kind::open(path).map_err(|error| failed(path, &error))?;
        Ok(Output {
            path: path.to_owned(),
            kind,
        })
    }

    /// Writes the page.
    ///
    /// # Errors
    /// It could not be written; what was there before is there still.
    pub fn write(self, page: &[u8]) -> Result<(), Error> {
        let path = self.path;
        self.kind
            .write(&path, page)
            .map_err(|error| failed(&path, &error))
    }
}

impl Kind {
    fn open(path: &Path) -> io::Result<Kind> {
        if path == Path::new("-") {
            return Ok(Kind::Standard);
        }
        match fs::metadata(path) {
            Ok(there) if there.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            Ok(there) if !there.is_file() => {
                Ok(Kind::Direct(OpenOptions::new().write(true).open(path)?))
            }
            _ => Kind::beside(path),
        }
    }

    fn beside(path: &Path) -> io::Result<Kind> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let beside = format!(".{}.{}.part", name.to_string_lossy(), std::process::id());
        let beside = path.with_file_name(beside);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&beside)?;
        Ok(Kind::Beside(Temporary(beside), file))
    }

    fn write(self, path: &Path, page: &[u8]) -> io::Result<()> {
        match self {
            Kind::Standard => {
                let mut out = io::stdout().lock();
                out.write_all(page)?;
                out.flush()
            }
            Kind::Direct(mut file) => file.write_all(page),
            Kind::Beside(temporary, mut file) => {
                file.write_all(page)?;
                file.sync_all()?;
                fs::rename(&temporary.0, path)
            }
        }
    }
}

fn failed(path: &Path, error: &io::Error) -> Error {
    Error::new(format!(
        "could not write file \"{}\": {error}",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn a_page_takes_the_place_of_the_last_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("report.html");
        fs::write(&path, "the last page, which was longer").unwrap();
        Output::open(&path).unwrap().write(b"a page").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"a page");
        assert_eq!(names(directory.path()), ["report.html"]);
    }

    #[test]
    fn what_is_not_written_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        drop(Output::open(&directory.path().join("report.html")).unwrap());
        assert!(names(directory.path()).is_empty());
    }

    #[test]
    fn places_that_cannot_be_written_to_are_refused_at_once() {
        let directory = tempfile::tempdir().unwrap();
        for path in [
            directory.path().to_owned(),
            directory.path().join("none/report.html"),
        ] {
            let error = Output::open(&path).unwrap_err().to_string();
            assert!(error.contains("could not write file"), "{error}");
        }
    }

    #[test]
    fn a_device_stays_one() {
        Output::open(Path::new("/dev/null"))
            .unwrap()
            .write(b"a page")
            .unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }
}
