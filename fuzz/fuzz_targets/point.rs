//! Any field: a point that is taken lies on Earth, and its plain spelling gives the same point.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trips_core::ingest::parse::point::parse;

fuzz_target!(|field: &[u8]| {
    let Ok(point) = parse(field) else { return };
    assert!(point.lon.abs() <= 180.0 && point.lat.abs() <= 90.0);
    for text in [
        format!("POINT ({} {})", point.lon, point.lat),
        format!("point({:e}\t{:e})", point.lon, point.lat),
    ] {
        let again = parse(text.as_bytes()).expect("a plain point");
        assert_eq!(again.lon.to_bits(), point.lon.to_bits());
        assert_eq!(again.lat.to_bits(), point.lat.to_bits());
    }
});
