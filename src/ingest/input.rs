//! Where the bytes of an ingest come from.

use std::fs::File;
use std::path::PathBuf;

use trips_core::Error;
use trips_core::ingest::source::Source;

use crate::settings;

/// A file of the server, or one that was received.
#[derive(Debug)]
pub enum Input<'i> {
    /// The file of the server at `path`.
    OnServer {
        /// Its path.
        path: &'i str,
        /// Where it must lie, if there are any.
        directories: Vec<PathBuf>,
    },
    /// What a client has sent.
    Received {
        /// What the client calls it.
        name: &'i str,
        /// All of it.
        file: File,
    },
}

impl<'i> Input<'i> {
    /// The file of the server at `path`, which must lie where the settings allow.
    ///
    /// # Errors
    /// Those of [`settings::allowed_directories`].
    pub fn on_server(path: &'i str) -> Result<Input<'i>, Error> {
        Ok(Input::OnServer {
            path,
            directories: settings::allowed_directories()?,
        })
    }

    /// Path or name, as it was given.
    pub fn name(&self) -> &'i str {
        match self {
            Input::OnServer { path, .. } => path,
            Input::Received { name, .. } => name,
        }
    }

    /// Opens it.
    ///
    /// # Errors
    /// Those of [`Source::open`].
    pub fn open(self) -> Result<Source, Error> {
        match self {
            Input::OnServer { path, directories } => Source::open(path, &directories),
            Input::Received { name, file } => Source::received(file, name),
        }
    }
}
