//! What the suites share: loading a text the way an ingest does, without threads.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::io::Write;

use trips_core::Error;
use trips_core::ingest::batch::{Dimension, Names, Parser, Reject, Trip};
use trips_core::ingest::header::Header;
use trips_core::ingest::source::{Digest, Source};

/// The header that most tests use.
pub const HEADER: &str = "region,origin_coord,destination_coord,datetime,datasource";

/// A row that can be loaded.
pub const GOOD: &str = "Turin,POINT (7.67 44.99),POINT (7.72 45.06),2018-05-21 02:54:04,baba_car";

/// Block sizes from one that cuts after every record to one that holds whole files.
pub const BLOCK_BYTES: [usize; 4] = [1, 61, 4096, 1 << 20];

/// Gives names the ids 1, 2, 3 ... in the order in which they are asked for, and remembers them.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Asked(pub Vec<(Dimension, String)>);

impl Names for Asked {
    fn id(&mut self, dimension: Dimension, name: &str) -> Result<i16, Error> {
        self.0.push((dimension, name.to_owned()));
        Ok(self.0.len() as i16)
    }
}

/// What came of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    pub header: Header,
    pub trips: Vec<Trip>,
    pub rejects: Vec<Reject>,
    pub rows_read: u64,
    pub names: Asked,
    pub digest: Digest,
}

impl Loaded {
    /// Lines of all trips, from their ids.
    pub fn lines(&self) -> Vec<i64> {
        self.trips
            .iter()
            .map(|trip| trip.id & 0xffff_ffff)
            .collect()
    }
}

/// A file that holds `text`.
pub fn file(text: impl AsRef<[u8]>) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_ref()).unwrap();
    file
}

/// Loads `text` as ingest 1, in blocks of a size.
pub fn load_in_blocks(text: impl AsRef<[u8]>, block_bytes: usize) -> Result<Loaded, Error> {
    let file = file(text);
    let source = Source::open(file.path().to_str().unwrap(), &[])?;
    let (header, mut blocks) = source.into_blocks(block_bytes)?;
    let mut parser = Parser::new(&header, 1, Asked::default());
    let (mut trips, mut rejects, mut rows_read) = (vec![], vec![], 0);
    let mut offset = header.bytes();
    while let Some(block) = blocks.next()? {
        assert_eq!(block.offset, offset, "blocks follow each other");
        offset += block.bytes.len() as u64;
        let batch = parser.parse(&block)?;
        assert_eq!(
            batch.rows_read as usize,
            batch.tuples.len() + batch.rejects.len(),
            "rows add up"
        );
        trips.extend(batch.trips());
        rejects.extend(batch.rejects);
        rows_read += batch.rows_read;
    }
    let digest = blocks.finish()?;
    assert_eq!(digest.bytes, offset, "blocks cover the file");
    let names = parser.names().clone();
    Ok(Loaded {
        header,
        trips,
        rejects,
        rows_read,
        names,
        digest,
    })
}

/// Loads `text`, and makes sure that the size of blocks makes no difference.
pub fn load(text: impl AsRef<[u8]>) -> Result<Loaded, Error> {
    let text = text.as_ref();
    let whole = load_in_blocks(text, 1 << 20);
    let tell = |result: &Result<Loaded, Error>| match result {
        Ok(loaded) => {
            // The path differs from load to load.
            let Loaded {
                trips,
                rejects,
                rows_read,
                names,
                ..
            } = loaded;
            format!("{trips:?} {rejects:?} {rows_read} {names:?}")
        }
        Err(error) => format!("{} {:?}", error.sqlstate(), error.line()),
    };
    // Steps of a byte through a large file would take minutes.
    let least = text.len() / 64;
    for block_bytes in BLOCK_BYTES.into_iter().filter(|bytes| *bytes > least) {
        let cut = load_in_blocks(text, block_bytes);
        assert_eq!(tell(&cut), tell(&whole), "blocks of {block_bytes} bytes");
    }
    whole
}
