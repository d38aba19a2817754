//! Real files, where this checkout has them.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::BTreeSet;
use std::io::Read;
use std::path::PathBuf;

use common::{Loaded, load_in_blocks};
use trips_core::ingest::batch::Dimension;

/// The content of a sample file, or `None` with a visible word where it is not there.
fn sample(name: &str) -> Option<Vec<u8>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/data")
        .join(name);
    let Ok(bytes) = std::fs::read(&path) else {
        println!("skipped: {} is not there", path.display());
        return None;
    };
    if !name.ends_with(".gz") {
        return Some(bytes);
    }
    let mut text = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes.as_slice())
        .read_to_end(&mut text)
        .unwrap();
    Some(text)
}

/// The names of a dimension, sorted.
fn names(loaded: &Loaded, dimension: Dimension) -> BTreeSet<&str> {
    let names = loaded.names.0.iter().filter(|(of, _)| *of == dimension);
    names.map(|(_, name)| name.as_str()).collect()
}

#[test]
fn the_sample_is_read_whole() {
    let Some(text) = sample("trips.csv") else {
        return;
    };
    for block_bytes in [1, 1000, 1 << 20] {
        let loaded = load_in_blocks(&text, block_bytes).unwrap();
        assert_eq!((loaded.rows_read, loaded.trips.len()), (100, 100));
        assert_eq!(loaded.rejects, []);
        assert_eq!(loaded.lines(), (2..=101).collect::<Vec<_>>());
        assert_eq!(
            names(&loaded, Dimension::Region),
            BTreeSet::from(["Hamburg", "Prague", "Turin"])
        );
        let first = loaded.trips[0];
        assert_eq!(first.id, (1 << 32) + 2);
        assert_eq!(first.departed_at, 580_813_420_000_000);
        assert_eq!(
            (first.origin.lon, first.origin.lat),
            (14.4973794438195, 50.00136875782316)
        );
        assert_eq!(
            (first.destination.lon, first.destination.lat),
            (14.43109483523328, 50.04052930943246)
        );
    }
}

#[test]
fn real_trips_are_read_whole() {
    let Some(text) = sample("real_trips.csv.gz") else {
        return;
    };
    let loaded = load_in_blocks(&text, 256 << 10).unwrap();
    assert_eq!((loaded.rows_read, loaded.trips.len()), (304_279, 304_279));
    assert_eq!(loaded.rejects, []);
}
