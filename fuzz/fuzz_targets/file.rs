//! Any file: it makes no difference how large the blocks are in which it is read, they cover it, and what was read is
//! hashed.

#![no_main]

use std::cell::LazyCell;
use std::fs::File;
use std::os::unix::fs::FileExt;

use libfuzzer_sys::fuzz_target;
use trips_core::Error;
use trips_core::ingest::batch::{Dimension, Names, Parser, Reject, Trip};
use trips_core::ingest::source::Source;

const HEADER: &[u8] = b"region,origin_coord,destination_coord,datetime,datasource\n";

thread_local! {
    static FILE: LazyCell<File> = LazyCell::new(|| tempfile::tempfile().expect("a file"));
}

/// Gives every name the same id.
struct One;

impl Names for One {
    fn id(&mut self, _: Dimension, _: &str) -> Result<i16, Error> {
        Ok(1)
    }
}

/// Rows, trips and rejects of a file.
type Loaded = (u64, Vec<Trip>, Vec<Reject>);

fn load(text: &[u8], block_bytes: usize) -> Result<Loaded, Error> {
    let file = FILE.with(|file| {
        file.set_len(text.len() as u64).expect("room");
        file.write_all_at(text, 0).expect("room");
        file.try_clone().expect("a descriptor")
    });
    let (header, mut blocks) = Source::received(file, "fuzz.csv")?.into_blocks(block_bytes)?;
    let mut parser = Parser::new(&header, 1, One);
    let (mut rows, mut trips, mut rejects) = (0, vec![], vec![]);
    let mut offset = header.bytes();
    while let Some(block) = blocks.next()? {
        assert_eq!(block.offset, offset, "blocks follow each other");
        offset += block.bytes.len() as u64;
        let batch = parser.parse(&block)?;
        assert_eq!(
            batch.rows_read as usize,
            batch.tuples.len() + batch.rejects.len()
        );
        rows += batch.rows_read;
        trips.extend(batch.trips());
        rejects.extend(batch.rejects);
    }
    assert_eq!(offset, text.len() as u64, "blocks cover the file");
    let digest = blocks.finish()?;
    assert_eq!(digest.bytes, offset);
    assert_eq!(digest.blake3, *blake3::hash(text).as_bytes());
    Ok((rows, trips, rejects))
}

fuzz_target!(|input: (bool, u8, &[u8])| {
    let (has_header, block_bytes, text) = input;
    let head = if has_header { HEADER } else { b"" };
    let text = [head, text].concat();
    let tell = |loaded| match loaded {
        Ok(loaded) => Ok(loaded),
        Err(error) => {
            let error: Error = error;
            Err((error.to_string(), error.line()))
        }
    };
    let whole = tell(load(&text, 1 << 20));
    let cut = tell(load(&text, usize::from(block_bytes)));
    assert_eq!(cut, whole);
});
