//! Children make a node that gives them back. Any bytes are refused, or are those of the children that are read from them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trips_core::area::node::{Summary, encode, parse};
use trips_core::area::{FANOUT, Rect};

/// Corners, trips, days and region of a child.
type Child = ([i16; 4], [i16; 4], u32, [i32; 2], i16);

/// A place, and what is written there; without that, the node ends there.
type Damage = (u16, Option<u8>);

fn rect([x1, y1, x2, y2]: [i16; 4]) -> Rect {
    let of = f64::from;
    Rect {
        min_x: of(x1.min(x2)),
        min_y: of(y1.min(y2)),
        max_x: of(x1.max(x2)),
        max_y: of(y1.max(y2)),
    }
}

fn summary((bounds, other, trips, [one, two], region): Child, with_other: bool) -> Summary {
    Summary {
        bounds: rect(bounds),
        other: with_other.then(|| rect(other)),
        trips: u64::from(trips) + 1,
        first_day: one.min(two),
        last_day: one.max(two),
        region: Some(region).filter(|region| *region != 0),
    }
}

/// What is read of any bytes can be children of a node, and is all that they hold.
fn read(bytes: &[u8]) {
    let Ok(children) = parse(bytes) else { return };
    let all: Vec<Summary> = children.iter().collect();
    assert!((1..=FANOUT).contains(&all.len()) && all.len() == children.len());
    for child in &all {
        for rect in [Some(child.bounds), child.other].into_iter().flatten() {
            let Rect {
                min_x,
                min_y,
                max_x,
                max_y,
            } = rect;
            assert!(
                [min_x, min_y, max_x, max_y]
                    .iter()
                    .all(|side| side.is_finite())
            );
            assert!(!rect.is_empty());
        }
        assert!(child.trips > 0 && child.first_day <= child.last_day);
    }
    assert_eq!(encode(&all), bytes);
    let joined = Summary::join(&all).expect("a child at least");
    assert!(all.iter().all(|child| joined.bounds.covers(&child.bounds)));
    assert_eq!(
        joined.trips,
        all.iter().map(|child| child.trips).sum::<u64>()
    );
}

fuzz_target!(|input: (bool, Vec<Child>, Vec<Damage>, &[u8])| {
    let (with_other, children, damages, bytes) = input;
    read(bytes);
    let mut children: Vec<_> = children
        .into_iter()
        .map(|child| summary(child, with_other))
        .collect();
    children.truncate(FANOUT);
    if children.is_empty() {
        return;
    }
    let mut node = encode(&children);
    let again: Vec<Summary> = parse(&node).expect("a node").iter().collect();
    assert_eq!(again, children);
    for (place, byte) in damages {
        let place = usize::from(place) % node.len().max(1);
        match byte {
            Some(byte) => node
                .splice(place..(place + 1).min(node.len()), [byte])
                .for_each(drop),
            None => node.truncate(place),
        }
        read(&node);
    }
});
