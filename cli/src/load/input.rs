//! A file of this machine, in parts.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;

use tokio::sync::mpsc::{Receiver, channel};

use crate::error::Error;

/// How much of a file is sent at a time.
const PART_BYTES: usize = 256 << 10;

/// How many parts are read ahead.
const PARTS_AHEAD: usize = 4;

/// Whether a path stands for standard input.
pub fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// What the server is to call the file at `path`.
pub fn name_of(path: &Path) -> String {
    match is_standard(path) {
        true => "stdin".to_owned(),
        false => path.to_string_lossy().into_owned(),
    }
}

/// A file that is read by a thread, so that a slow disk or pipe keeps nothing else waiting.
#[derive(Debug)]
pub struct Input {
    name: String,
    size: Option<u64>,
    parts: Receiver<io::Result<Vec<u8>>>,
    /// The file, and what it was when it was opened; none of standard input.
    opened: Option<(PathBuf, Seen)>,
}

/// What tells that a file has changed.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    size: u64,
    modified: (i64, i64),
}

impl Seen {
    fn of(metadata: &Metadata) -> Seen {
        Seen {
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

impl Input {
    /// Opens the file at `path`, or standard input.
    ///
    /// # Errors
    /// It cannot be opened, or is a directory.
    pub fn open(path: &Path) -> Result<Input, Error> {
        let name = name_of(path);
        if is_standard(path) {
            return Ok(Input {
                name,
                size: None,
                parts: read(io::stdin())?,
                opened: None,
            });
        }
        let cannot = |error: io::Error| Error::new(format!("could not open file: {error}"));
        let file = File::open(path).map_err(cannot)?;
        let metadata = file.metadata().map_err(cannot)?;
        if metadata.is_dir() {
            return Err(Error::new("it is a directory").hint("Name the files in it."));
        }
        // A pipe has no size, and nothing that it could be compared with.
        let seen = metadata.is_file().then(|| Seen::of(&metadata));
        Ok(Input {
            name,
            size: seen.as_ref().map(|seen| seen.size),
            parts: read(file)?,
            opened: seen.map(|seen| (path.to_owned(), seen)),
        })
    }

    /// What the server is to call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its size in bytes, where that is known.
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// The next part; none at the end.
    ///
    /// # Errors
    /// It cannot be read, or is not any more what it was when it was opened.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        match self.parts.recv().await {
            Some(Ok(part)) => Ok(Some(part)),
            Some(Err(error)) => Err(Error::new(format!("could not read file: {error}"))),
            None => self.check_unchanged().map(|()| None),
        }
    }

    fn check_unchanged(&self) -> Result<(), Error> {
        let Some((path, seen)) = &self.opened else {
            return Ok(());
        };
        let now = std::fs::metadata(path).map(|metadata| Seen::of(&metadata));
        match now {
            Ok(now) if now == *seen => Ok(()),
            _ => Err(Error::new("file changed while it was sent")
                .hint("Load it again once it is complete.")),
        }
    }
}

/// The parts of what a thread reads.
fn read(mut from: impl Read + Send + 'static) -> Result<Receiver<io::Result<Vec<u8>>>, Error> {
    let (sender, parts) = channel(PARTS_AHEAD);
    let work = move || {
        loop {
            let mut part = Vec::with_capacity(PART_BYTES);
            let result = (&mut from).take(PART_BYTES as u64).read_to_end(&mut part);
            let message = match result {
                Ok(0) => return,
                Ok(_) => Ok(part),
                Err(error) => Err(error),
            };
            let is_last = message.is_err();
            // Nobody waits for more of a load that was broken off.
            if sender.blocking_send(message).is_err() || is_last {
                return;
            }
        }
    };
    thread::Builder::new()
        .name("reader".to_owned())
        .spawn(work)
        .map_err(|error| Error::new(format!("could not start a thread: {error}")))?;
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// The sizes of all parts of a file, or the error that ends them.
    async fn drain(mut input: Input) -> Result<Vec<usize>, Error> {
        let mut sizes = Vec::new();
        while let Some(part) = input.next().await? {
            sizes.push(part.len());
        }
        Ok(sizes)
    }

    fn file_of(bytes: usize) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("there is room");
        file.write_all(&vec![b'x'; bytes]).expect("there is room");
        file
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_file_comes_in_parts() {
        let file = file_of(2 * PART_BYTES + 1);
        let input = Input::open(file.path()).expect("it is there");
        assert_eq!(input.size(), Some(2 * PART_BYTES as u64 + 1));
        let sizes = drain(input).await.expect("it can be read");
        assert_eq!(sizes, [PART_BYTES, PART_BYTES, 1]);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_file_that_changes_while_it_is_sent_is_an_error_at_its_end() {
        let mut file = file_of(10 * PART_BYTES);
        let input = Input::open(file.path()).expect("it is there");
        file.write_all(b"more").expect("there is room");
        let error = drain(input).await.expect_err("it has changed");
        assert!(
            error.to_string().contains("changed while it was sent"),
            "{error}"
        );
    }

    #[test]
    fn what_is_no_file_is_told() {
        let error = Input::open(Path::new("/")).expect_err("it is a directory");
        assert!(error.to_string().contains("it is a directory"), "{error}");
        assert_eq!(name_of(Path::new("-")), "stdin");
    }
}
