//! Trees give the answers that looking at every trip gives: built, merged, and with trips taken away.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/forest.rs"]
mod forest;

use std::ops::Range;

use forest::Forest;
use proptest::prelude::*;
use trips_core::area::search::{Question, count};
use trips_core::area::{Area, End, Entry, Rect, days::week_of};
use trips_core::ingest::parse::point::Point;

/// Coordinates on a coarse grid, so that points share places and edges, and anywhere.
fn coordinate(limit: f64) -> impl Strategy<Value = f64> {
    prop_oneof![
        (-4i32..=4).prop_map(|step| f64::from(step) / 8.0),
        -0.5..0.5f64,
        -limit..limit,
        Just(limit),
        Just(-limit),
    ]
}

fn point() -> impl Strategy<Value = Point> {
    (coordinate(180.0), coordinate(90.0)).prop_map(|(lon, lat)| Point { lon, lat })
}

fn entry() -> impl Strategy<Value = Entry> {
    (
        point(),
        point(),
        prop_oneof![-30..30i32, -9000..9000],
        1..4i16,
    )
        .prop_map(|(point, other, day, region_id)| Entry {
            point,
            other,
            day,
            region_id,
        })
}

/// Some entries many times: nothing tells trips apart but their number.
fn entries() -> impl Strategy<Value = Vec<Entry>> {
    prop::collection::vec(
        (entry(), prop_oneof![9 => 1..2usize, 1 => 1..1500usize]),
        0..60,
    )
    .prop_map(|groups| {
        let repeated = groups.into_iter();
        repeated
            .flat_map(|(entry, times)| std::iter::repeat_n(entry, times))
            .collect()
    })
}

fn rect() -> impl Strategy<Value = Rect> {
    (
        coordinate(180.0),
        coordinate(180.0),
        coordinate(90.0),
        coordinate(90.0),
    )
        .prop_map(|(a, b, c, d)| Rect {
            min_x: a.min(b),
            max_x: a.max(b),
            min_y: c.min(d),
            max_y: c.max(d),
        })
}

fn area() -> impl Strategy<Value = Area> {
    let triangle = prop::collection::vec((coordinate(180.0), coordinate(90.0)), 3..8);
    prop_oneof![
        rect().prop_map(|rect| Area::boxes(&[rect])),
        triangle.prop_map(|ring| {
            let ring = ring.into_iter().map(|(x, y)| [x, y]).collect();
            Area::polygons(vec![vec![ring]]).expect("finite")
        }),
        Just(Area::everywhere()),
    ]
}

fn days() -> impl Strategy<Value = Range<i32>> {
    prop_oneof![
        (-40..40i32, 0..50i32).prop_map(|(first, length)| first..first + length),
        Just(i32::MIN..i32::MAX),
    ]
}

/// Trips that are asked for, looked for one by one; by week.
fn look(entries: &[Entry], question: &Question<'_>) -> Vec<(i32, i64)> {
    let mut weeks = std::collections::BTreeMap::new();
    for entry in entries {
        let (point, other) = match question.end {
            End::Origin => (entry.point, entry.other),
            End::Destination => (entry.other, entry.point),
        };
        if question.days.contains(&entry.day)
            && question
                .region
                .is_none_or(|region| region == entry.region_id)
            && question.area.contains(point)
            && (!question.both || question.area.contains(other))
        {
            *weeks.entry(week_of(entry.day)).or_insert(0) += 1;
        }
    }
    weeks.into_iter().collect()
}

/// All ways to ask for an area and a period get the same from the trees as from the entries.
fn agree(forest: &mut Forest, entries: &[Entry], area: &Area, days: Range<i32>) {
    for (end, both) in [
        (End::Origin, false),
        (End::Destination, false),
        (End::Origin, true),
    ] {
        for region in [None, Some(1), Some(3)] {
            for by_week in [true, false] {
                let question = Question {
                    end,
                    area,
                    both,
                    days: days.clone(),
                    region,
                    by_week,
                };
                let runs = forest.runs(end);
                let answer = count(&question, &runs, forest).expect("whole trees");
                let looked = look(entries, &question);
                let trips: i64 = looked.iter().map(|(_, trips)| trips).sum();
                assert_eq!(answer.trips, trips, "{question:?}");
                if by_week {
                    let weeks: Vec<_> = answer.weeks.into_iter().collect();
                    assert_eq!(weeks, looked, "{question:?}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn trees_answer_as_looking_at_every_trip_does(
        first in entries(), second in entries(), area in area(), days in days()
    ) {
        let mut forest = Forest::default();
        forest.plant(1, &first);
        forest.plant(1, &second);
        let all = [first, second].concat();
        agree(&mut forest, &all, &area, days);
    }

    #[test]
    fn a_merged_run_answers_as_the_runs_that_it_is_made_of(
        parts in prop::collection::vec(entries(), 1..5), area in area(), days in days()
    ) {
        let mut forest = Forest::default();
        for part in &parts {
            forest.plant(1, part);
        }
        forest.merge_all();
        let all = parts.concat();
        prop_assert_eq!(forest.len(), usize::from(!all.is_empty()));
        agree(&mut forest, &all, &area, days);
    }

    #[test]
    fn what_is_taken_away_no_longer_counts_and_a_merge_leaves_no_trace_of_it(
        all in entries(), keep in prop::collection::vec(any::<bool>(), 64), area in area(), days in days()
    ) {
        let (kept, gone): (Vec<_>, Vec<_>) =
            all.iter().enumerate().partition(|(place, _)| keep[place % keep.len()]);
        let plain = |part: Vec<(usize, &Entry)>| part.into_iter().map(|(_, entry)| *entry).collect::<Vec<_>>();
        let (kept, gone) = (plain(kept), plain(gone));
        let mut forest = Forest::default();
        forest.plant(1, &all);
        forest.plant(-1, &gone);
        agree(&mut forest, &kept, &area, days.clone());
        forest.merge_all();
        prop_assert_eq!(forest.len(), usize::from(!kept.is_empty()));
        agree(&mut forest, &kept, &area, days);
    }

    #[test]
    fn what_is_taken_away_before_it_is_there_waits_in_a_run_of_its_own(
        all in entries(), other in entries(), area in area()
    ) {
        let mut forest = Forest::default();
        forest.plant(-1, &all);
        forest.plant(1, &other);
        forest.merge_all();
        forest.plant(1, &all);
        agree(&mut forest, &other, &area, i32::MIN..i32::MAX);
        forest.merge_all();
        prop_assert_eq!(forest.len(), usize::from(!other.is_empty()));
        agree(&mut forest, &other, &area, i32::MIN..i32::MAX);
    }
}

/// Trips of 700 days between 14 and 14.3 degrees east, 50 and 50.2 degrees north.
fn city() -> Vec<Entry> {
    (0..200_000)
        .map(|number: i32| {
            let place =
                |step: i32, modulus: i32| f64::from(number.wrapping_mul(step).rem_euclid(modulus));
            Entry {
                point: Point {
                    lon: 14.0 + place(7919, 30_011) / 1e5,
                    lat: 50.0 + place(104_729, 20_011) / 1e5,
                },
                other: Point {
                    lon: 14.0 + place(15_485_863, 30_013) / 1e5,
                    lat: 50.0 + place(32_452_843, 20_021) / 1e5,
                },
                day: number % 700,
                region_id: (number % 5 / 4 + 1) as i16,
            }
        })
        .collect()
}

#[test]
fn a_tree_of_three_levels_answers_as_looking_does() {
    let entries = city();
    let mut forest = Forest::default();
    forest.plant(1, &entries);
    assert_eq!(forest.runs(End::Origin)[0].height, 2);
    for (west, south, east, north) in [
        (14.1, 50.05, 14.2, 50.1),
        (14.0, 50.0, 14.3, 50.2),
        (14.1, 50.1, 14.1, 50.1),
        (13.0, 49.0, 15.0, 51.0),
    ] {
        let area = Area::boxes(&[Rect {
            min_x: west,
            min_y: south,
            max_x: east,
            max_y: north,
        }]);
        agree(&mut forest, &entries, &area, 100..131);
        agree(&mut forest, &entries, &area, i32::MIN..i32::MAX);
    }
}

#[test]
fn a_month_in_most_of_a_city_reads_what_lies_outside_and_not_what_lies_inside() {
    let entries = city();
    let gone: Vec<Entry> = entries.iter().step_by(3).copied().collect();
    let left: Vec<Entry> = (0..entries.len())
        .filter(|place| place % 3 != 0)
        .filter_map(|place| entries.get(place).copied())
        .collect();
    let mut forest = Forest::default();
    forest.plant(1, &entries);
    forest.plant(-1, &gone);
    let most = [
        vec![[14.0, 50.0], [14.28, 50.0], [14.28, 50.2], [14.0, 50.2]],
        vec![[14.0, 50.0], [14.3, 50.01], [14.3, 50.2], [14.02, 50.2]],
    ];
    for ring in most {
        let area = Area::polygons(vec![vec![ring]]).unwrap();
        agree(&mut forest, &left, &area, 100..131);
        let question = Question {
            end: End::Origin,
            area: &area,
            both: false,
            days: 100..131,
            region: None,
            by_week: false,
        };
        let run = &forest.runs(End::Origin)[..1];
        let effort = |question: &Question<'_>, forest: &mut Forest| {
            count(question, run, forest).unwrap().effort
        };
        let month = effort(&question, &mut forest);
        let ever = Question {
            days: i32::MIN..i32::MAX,
            ..question
        };
        // For all of the time, only what the edge cuts is read.
        let cut = effort(&ever, &mut forest).leaves_read;
        let leaves = entries.len() as u64 / 1_000;
        assert!(cut < leaves / 3, "{cut} of {leaves}");
        assert!(month.leaves_read < 2 * cut, "{} {cut}", month.leaves_read);
    }
}

/// Trips so near each other, and others so far away, that the order in which they are built is not that of all bits of their
/// codes.
fn crowd(count: i32) -> Vec<Entry> {
    let share = |number: i32, of: i64| (i64::from(number) * of % 99_991) as f64 / 99_991.0;
    let at = |number: i32| Point {
        lon: 14.4 + 0.01 * share(number, 33_317),
        lat: 50.0 + 0.01 * share(number, 57_709),
    };
    let far = Point {
        lon: -170.0,
        lat: -80.0,
    };
    let mut entries: Vec<Entry> = (0..count)
        .map(|number| Entry::new(at(number), at(number + 7), number % 50, 1))
        .collect();
    entries.push(Entry::new(far, far, 0, 1));
    entries
}

#[test]
fn what_is_taken_away_is_found_however_its_leaves_were_cut() {
    let entries = crowd(140_000);
    let reversed: Vec<Entry> = entries.iter().rev().copied().collect();
    let mut forest = Forest::default();
    forest.plant(1, &entries);
    // So the leaves of one begin elsewhere.
    forest.plant(1, &entries[..1000]);
    forest.plant(-1, &reversed);
    forest.merge_all();
    assert_eq!(forest.len(), 1, "nothing is left to take away");
    let trips: Vec<_> = forest
        .runs(End::Origin)
        .iter()
        .map(|run| run.trips)
        .collect();
    assert_eq!(trips, [Some(1000)]);
}
