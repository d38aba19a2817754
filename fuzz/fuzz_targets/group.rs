//! Bytes of a table of groups: they are refused, or are those of a group that a table can hold, which are the same again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trips_core::similar::representative::Representatives;
use trips_core::similar::{DAY, Limits, Memory};

/// Few cells, so that a grouping is quickly made.
const LIMITS: Limits = Limits {
    origin_distance: 500_000.0,
    destination_distance: 500_000.0,
    time_difference: DAY / 4,
};

/// A trip: id, departure, and both ends in hundredths of a degree.
type Trip = (i64, i64, [i16; 4]);

/// Sums over a group: trips, first and last departure, and ten that are no whole numbers.
type Summary = ([i64; 3], [f32; 10]);

/// A place, and what is written there; without that, the bytes end there.
type Damage = (u8, Option<u8>);

/// The bytes of a group as tables have them.
fn written((id, departed_at, ends): Trip, summary: Option<Summary>) -> Vec<u8> {
    let own = [id as u64, departed_at as u64].into_iter();
    let ends = ends.map(|hundredths| (f64::from(hundredths) / 100.0).to_bits());
    let sums = summary.map(|(whole, sums)| {
        let sums = sums.map(|sum| f64::from(sum).to_bits());
        whole.into_iter().map(|sum| sum as u64).chain(sums)
    });
    let words = own.chain(ends).chain(sums.into_iter().flatten());
    [1].into_iter()
        .chain(words.flat_map(u64::to_le_bytes))
        .collect()
}

fn read(bytes: &[u8]) {
    let memory = Memory::new(1 << 20);
    let mut representatives = Representatives::new(LIMITS, &memory, 1);
    if let Err(error) = representatives.restore(bytes) {
        assert_eq!(error.sqlstate(), "XX001");
        assert_eq!(representatives.next_number(), 1);
        return;
    }
    let (group, again) = representatives.kept(1).expect("a group");
    assert_eq!(again, bytes);
    assert!((1..=i64::MAX as u64).contains(&group.trips), "{group:?}");
    assert!(group.first_departure <= group.last_departure, "{group:?}");
    assert!((0..DAY).contains(&group.time_of_day), "{group:?}");
    assert!((0..=DAY / 2).contains(&group.time_spread), "{group:?}");
    for point in [group.origin, group.destination] {
        assert!(
            point.lon.abs() <= 180.0 && point.lat.abs() <= 90.0,
            "{group:?}"
        );
    }
    for radius in [group.origin_radius, group.destination_radius] {
        assert!(radius >= 0.0 && radius.is_finite(), "{group:?}");
    }
}

fuzz_target!(|input: (Trip, Option<Summary>, Vec<Damage>, &[u8])| {
    let (trip, summary, damages, bytes) = input;
    read(bytes);
    let mut group = written(trip, summary);
    read(&group);
    for (place, byte) in damages {
        let place = usize::from(place).min(group.len());
        match byte {
            Some(byte) => group
                .splice(place..(place + 1).min(group.len()), [byte])
                .for_each(drop),
            None => group.truncate(place),
        }
    }
    read(&group);
});
