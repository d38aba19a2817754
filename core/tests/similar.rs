//! Groups of similar trips against definitions that look at every pair.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use trips_core::ingest::parse::point::Point;
use trips_core::similar::density::{self, NONE};
use trips_core::similar::islands::Survey;
use trips_core::similar::representative::{self, Representatives};
use trips_core::similar::{self, Crew, DAY, Group, Groups, How, Limits, Memory, Place, Trip};

const MINUTE: i64 = 60_000_000;

fn plenty() -> Memory {
    Memory::new(1 << 30)
}

/// Which trip is of which group: groups are numbered as their first trips come; -1 is none.
type Partition = Vec<(i64, i64)>;

/// Any numbers of groups as those that a [`Partition`] has.
fn partition(members: impl IntoIterator<Item = (i64, Option<u32>)>) -> Partition {
    let mut numbers = BTreeMap::new();
    members
        .into_iter()
        .map(|(id, group)| {
            let next = numbers.len() as i64;
            (
                id,
                group.map_or(-1, |group| *numbers.entry(group).or_insert(next)),
            )
        })
        .collect()
}

/// The groups around representatives, and of how many trips each is, by the words of the definition.
fn representative_by_definition(trips: &[Trip], limits: &Limits) -> Partition {
    let mut sorted = trips.to_vec();
    sorted.sort_by_key(|trip| (trip.departed_at, trip.id));
    let mut representatives: Vec<Place> = Vec::new();
    let mut members = Vec::new();
    for trip in &sorted {
        let place = Place::of(trip);
        let mut nearest: Option<(f64, usize)> = None;
        for (number, other) in representatives.iter().enumerate() {
            match (limits.unlikeness(other, &place), nearest) {
                (Some(unlike), None) => nearest = Some((unlike, number)),
                (Some(unlike), Some((least, _))) if unlike < least => {
                    nearest = Some((unlike, number))
                }
                _ => {}
            }
        }
        let number = nearest.map_or(representatives.len(), |(_, number)| number);
        if nearest.is_none() {
            representatives.push(place);
        }
        members.push((trip.id, Some(number as u32)));
    }
    partition(members)
}

/// DBSCAN by looking at every pair: cores flood their groups, other trips go to the most similar core.
fn density_by_definition(trips: &[Trip], limits: &Limits, min_trips: usize) -> Partition {
    let mut sorted = trips.to_vec();
    sorted.sort_by_key(|trip| (trip.departed_at, trip.id));
    let places: Vec<_> = sorted.iter().map(Place::of).collect();
    let unlike = |one: usize, other: usize| limits.unlikeness(&places[one], &places[other]);
    let all = 0..sorted.len();
    let is_core: Vec<bool> = all
        .clone()
        .map(|one| {
            all.clone()
                .filter(|other| unlike(one, *other).is_some())
                .count()
                >= min_trips
        })
        .collect();
    let mut groups: Vec<Option<u32>> = vec![None; sorted.len()];
    for seed in all.clone() {
        if !is_core[seed] || groups[seed].is_some() {
            continue;
        }
        groups[seed] = Some(seed as u32);
        let mut reached = vec![seed];
        while let Some(one) = reached.pop() {
            for other in all.clone() {
                if is_core[other] && groups[other].is_none() && unlike(one, other).is_some() {
                    groups[other] = Some(seed as u32);
                    reached.push(other);
                }
            }
        }
    }
    let of_border = |one: usize| {
        let cores = all.clone().filter(|other| is_core[*other]);
        let similar =
            cores.filter_map(|core| Some((unlike(one, core)?, sorted[core].id, groups[core])));
        similar
            .min_by(|a, b| (a.0, a.1).partial_cmp(&(b.0, b.1)).unwrap())
            .and_then(|(_, _, group)| group)
    };
    let members = all.clone().map(|one| {
        (
            sorted[one].id,
            if is_core[one] {
                groups[one]
            } else {
                of_border(one)
            },
        )
    });
    partition(members.collect::<Vec<_>>())
}

fn representative(
    trips: &[Trip],
    limits: &Limits,
    threads: usize,
    at_once: usize,
) -> (Partition, Vec<Group>) {
    let crew = Crew::new(threads).unwrap();
    let mut sorted = trips.to_vec();
    similar::sort(&mut sorted);
    let mut representatives = Representatives::new(*limits, &plenty(), 0);
    let mut members = Vec::new();
    for some in sorted.chunks(at_once) {
        let mut joined = |id, number| {
            members.push((id, Some(number)));
            Ok(())
        };
        representatives
            .add(some.to_vec(), &crew, &mut || Ok(()), &mut joined)
            .unwrap();
    }
    let groups = representatives.groups(1).map(|(_, group)| group).collect();
    (partition(members), groups)
}

fn density(
    trips: &[Trip],
    limits: &Limits,
    min_trips: u64,
    threads: usize,
) -> (Partition, Vec<Group>) {
    let crew = Crew::new(threads).unwrap();
    let mut members = Vec::new();
    let mut joined = |id, group| {
        members.push((id, (group != NONE).then_some(group)));
        Ok(())
    };
    let how = how(limits, min_trips, &crew);
    let groups = density::group(trips.to_vec(), &how, &mut || Ok(()), &mut joined).unwrap();
    (partition(in_time(trips, members)), groups)
}

fn how<'c>(limits: &Limits, min_trips: u64, crew: &'c Crew) -> How<'c> {
    How {
        limits: *limits,
        min_trips,
        memory: plenty(),
        crew,
    }
}

/// As [`representative`], all trips at once, which are grouped island by island.
fn by_islands(trips: &[Trip], limits: &Limits) -> (Partition, Vec<Group>) {
    let crew = Crew::new(2).unwrap();
    let mut sorted = trips.to_vec();
    similar::sort(&mut sorted);
    let mut members = Vec::new();
    let mut joined = |id, number| {
        members.push((id, Some(number)));
        Ok(())
    };
    let how = how(limits, 1, &crew);
    let mut groups = Groups::new(&how.memory);
    let next =
        representative::group(&sorted, &how, 7, &mut groups, &mut || Ok(()), &mut joined).unwrap();
    let groups = groups.into_all();
    assert_eq!(next as usize, 7 + groups.len());
    let numbers: BTreeMap<_, _> = (0..)
        .zip(&groups)
        .map(|(at, (number, _))| (*number, at))
        .collect();
    // Numbers lead from a trip to its group.
    let same = |(id, number): &(i64, Option<u32>)| (*id, number.map(|number| numbers[&number]));
    let members = partition(in_time(trips, members.iter().map(same)));
    let mut groups: Vec<_> = groups.into_iter().map(|(_, group)| group).collect();
    groups.sort_by_key(|group| (group.first_departure, group.first));
    (members, groups)
}

/// Members in the order of their trips.
fn in_time<T>(trips: &[Trip], members: impl IntoIterator<Item = (i64, T)>) -> Vec<(i64, T)> {
    let departed_at: BTreeMap<_, _> = trips
        .iter()
        .map(|trip| (trip.id, trip.departed_at))
        .collect();
    let mut members: Vec<_> = members.into_iter().collect();
    members.sort_by_key(|(id, _)| (departed_at[id], *id));
    members
}

/// Each group has the trips that the partition says, and the first of them.
fn check_groups(groups: &[Group], members: &Partition) {
    let mut counts: BTreeMap<i64, (u64, i64)> = BTreeMap::new();
    for (id, group) in members.iter().filter(|(_, group)| *group >= 0) {
        counts.entry(*group).or_insert((0, *id)).0 += 1;
    }
    let found: Vec<_> = groups
        .iter()
        .map(|group| (group.trips, group.first))
        .collect();
    assert_eq!(found, counts.into_values().collect::<Vec<_>>());
}

fn limits(metres: f64, minutes: i64) -> Limits {
    Limits {
        origin_distance: metres,
        destination_distance: metres,
        time_difference: minutes * MINUTE,
    }
}

/// Trips between few places with some metres of noise: in cities, on the antimeridian, at the poles; many on one spot, many at the
/// same time, and round midnight.
fn trips(most: usize) -> impl Strategy<Value = Vec<Trip>> {
    const CENTRES: [(f64, f64); 6] = [
        (7.68, 45.07),
        (7.683, 45.07),
        (179.9995, -17.0),
        (12.0, 90.0),
        (30.0, -89.999),
        (0.0, 0.0),
    ];
    let place = |centres: usize| {
        let noise = prop_oneof![Just([0.0, 0.0]), prop::array::uniform2(-0.01..0.01f64)];
        (0..centres, noise).prop_map(|(centre, [x, y])| {
            let (lon, lat) = CENTRES[centre];
            let stretch = if lat.abs() > 89.0 { 10_000.0 } else { 1.0 };
            Point {
                lon: (lon + x * stretch + 540.0).rem_euclid(360.0) - 180.0,
                lat: (lat + y).clamp(-90.0, 90.0),
            }
        })
    };
    let time = || prop_oneof![Just(0), Just(DAY - 1), 0..DAY, -20 * MINUTE..20 * MINUTE];
    let trip = move |centres| (place(centres), place(centres), time(), 0..3i64);
    let some = (1..=CENTRES.len())
        .prop_flat_map(move |centres| prop::collection::vec(trip(centres), 0..most));
    some.prop_map(|trips| {
        // Ids in another order than times.
        let ids = (1..).map(|number: i64| number * 7919 % 100_003);
        let with_id = |((origin, destination, time, day), id)| Trip {
            id,
            departed_at: day * DAY + time,
            origin,
            destination,
        };
        trips.into_iter().zip(ids).map(with_id).collect()
    })
}

fn any_limits() -> impl Strategy<Value = Limits> {
    let metres = || prop_oneof![Just(500.0), 1.0..3000.0f64, Just(2e7)];
    let time = prop_oneof![Just(30 * MINUTE), 1..DAY, Just(DAY / 2), Just(1)];
    (metres(), metres(), time).prop_map(
        |(origin_distance, destination_distance, time_difference)| Limits {
            origin_distance,
            destination_distance,
            time_difference,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn representatives_are_those_of_the_definition(trips in trips(300), limits in any_limits(), at_once in 1..400usize) {
        let expected = representative_by_definition(&trips, &limits);
        let (members, groups) = representative(&trips, &limits, 2, at_once);
        prop_assert_eq!(&members, &expected);
        check_groups(&groups, &members);
        prop_assert_eq!(by_islands(&trips, &limits), (members, groups));
    }

    #[test]
    fn a_grouping_that_goes_on_from_what_was_kept_is_as_if_never_interrupted(
        trips in trips(300), limits in any_limits(), first in 0..300usize,
    ) {
        let crew = Crew::new(2).unwrap();
        let mut sorted = trips;
        similar::sort(&mut sorted);
        let (first, rest) = sorted.split_at(first.min(sorted.len()));
        let add = |representatives: &mut Representatives, trips: &[Trip]| {
            representatives.add(trips.to_vec(), &crew, &mut || Ok(()), &mut |_, _| Ok(())).unwrap();
        };
        let all = |representatives: &Representatives| -> Vec<_> {
            (1..representatives.next_number()).map(|number| representatives.kept(number).unwrap()).collect()
        };
        let mut whole = Representatives::new(limits, &plenty(), 1);
        add(&mut whole, &sorted);
        let mut before = Representatives::new(limits, &plenty(), 1);
        add(&mut before, first);
        let mut after = Representatives::new(limits, &plenty(), 1);
        for (_, bytes) in all(&before) {
            after.restore(&bytes).unwrap();
        }
        prop_assert_eq!(all(&after), all(&before));
        add(&mut after, rest);
        prop_assert_eq!(all(&after), all(&whole));
    }

    #[test]
    fn densities_are_those_of_the_definition(trips in trips(200), limits in any_limits(), min_trips in 1..12u64) {
        let expected = density_by_definition(&trips, &limits, min_trips as usize);
        let (members, groups) = density(&trips, &limits, min_trips, 2);
        prop_assert_eq!(&members, &expected);
        check_groups(&groups, &members);
    }

    #[test]
    fn threads_and_the_order_of_the_trips_make_no_difference(
        trips in trips(300).prop_flat_map(|trips| (Just(trips.clone()), Just(trips).prop_shuffle())),
        limits in any_limits(),
    ) {
        let (trips, shuffled) = trips;
        let one = representative(&trips, &limits, 1, usize::MAX);
        prop_assert_eq!(&representative(&shuffled, &limits, 4, 50), &one);
        let one = density(&trips, &limits, 3, 1);
        prop_assert_eq!(density(&shuffled, &limits, 3, 4), one);
    }
}

fn trip(id: i64, (lon, lat): (f64, f64), departed_at: i64) -> Trip {
    Trip {
        id,
        departed_at,
        origin: Point { lon, lat },
        destination: Point {
            lon: 7.7,
            lat: 45.0,
        },
    }
}

#[test]
fn of_no_trips_there_are_no_groups_and_of_one_there_is_one() {
    let limits = limits(500.0, 30);
    assert_eq!(representative(&[], &limits, 2, 10), (vec![], vec![]));
    assert_eq!(density(&[], &limits, 1, 2), (vec![], vec![]));
    let one = [trip(5, (7.6, 45.0), DAY)];
    let (members, groups) = representative(&one, &limits, 2, 10);
    assert_eq!((members, groups.len()), (vec![(5, 0)], 1));
    assert_eq!(density(&one, &limits, 1, 2).0, [(5, 0)]);
    assert_eq!(density(&one, &limits, 2, 2).0, [(5, -1)]);
}

#[test]
fn identical_trips_are_one_group_whatever_the_limits() {
    let trips: Vec<_> = (0..2000).map(|id| trip(id, (7.6, 45.0), 0)).collect();
    for limits in [limits(1e-9, 1), limits(2e7, 2000)] {
        for (members, groups) in [
            representative(&trips, &limits, 3, 700),
            density(&trips, &limits, 2000, 3),
        ] {
            assert!(members.iter().all(|(_, group)| *group == 0));
            assert_eq!(
                (groups.len(), groups[0].trips, groups[0].first),
                (1, 2000, 0)
            );
            assert_eq!(groups[0].origin, trips[0].origin);
        }
        assert!(density(&trips, &limits, 2001, 3).1.is_empty());
    }
}

#[test]
fn neighbours_across_the_antimeridian_over_the_pole_and_round_midnight_are_similar() {
    let limits = limits(500.0, 30);
    for (one, other) in [
        ((179.999, 10.0), (-179.999, 10.0)),
        ((180.0, -5.0), (-180.0, -5.0)),
        ((0.0, 89.999), (180.0, 89.999)),
        ((77.0, 90.0), (-20.0, 90.0)),
        ((10.0, -89.998), (-170.0, -89.9985)),
    ] {
        let trips = [
            trip(1, one, DAY - 5 * MINUTE),
            trip(2, other, DAY + 5 * MINUTE),
        ];
        assert_eq!(
            representative(&trips, &limits, 1, 9).0,
            [(1, 0), (2, 0)],
            "{one:?}"
        );
        assert_eq!(
            density(&trips, &limits, 2, 1).0,
            [(1, 0), (2, 0)],
            "{one:?}"
        );
    }
    // Half an hour and a microsecond apart; and the same place half a day later.
    let apart = [
        trip(1, (7.6, 45.0), -15 * MINUTE),
        trip(2, (7.6, 45.0), 15 * MINUTE + 1),
        trip(3, (7.6, 45.0), DAY / 2),
    ];
    assert_eq!(
        representative(&apart, &limits, 1, 9).0,
        [(1, 0), (2, 1), (3, 2)]
    );
}

#[test]
fn a_trip_joins_the_most_similar_representative_and_of_equals_the_earlier() {
    // Representatives 1,112 m apart, and trips between them: nearer to the second, and as near to both.
    let limits = limits(800.0, 30);
    let second = trip(2, (7.6, 45.01), 2);
    let between = [trip(1, (7.6, 45.0), 1), second, trip(3, (7.6, 45.006), 3)];
    assert_eq!(
        representative(&between, &limits, 1, 9).0,
        [(1, 0), (2, 1), (3, 1)]
    );
    let north_and_south = [
        trip(1, (7.6, 0.005), 0),
        trip(2, (7.6, -0.005), MINUTE),
        trip(3, (7.6, 0.0), 2 * MINUTE),
    ];
    assert_eq!(
        representative(&north_and_south, &limits, 1, 9).0,
        [(1, 0), (2, 1), (3, 1)],
        "nearer in time"
    );
    let same_time = north_and_south.map(|trip| Trip {
        departed_at: 0,
        ..trip
    });
    assert_eq!(
        representative(&same_time, &limits, 1, 9).0,
        [(1, 0), (2, 1), (3, 0)]
    );
}

#[test]
fn a_border_trip_goes_to_its_most_similar_core_and_of_equals_to_the_lowest_id() {
    // Two groups of four on a line, 1,200 m between the nearest of them, and one trip in the middle that has but three similar.
    let limits = limits(650.0, 30);
    let at = |id, metres: f64| trip(id, (7.6, metres / 110_574.0), 0);
    let north = [(1, 900.0), (2, 800.0), (3, 700.0), (4, 600.0)];
    let south = [(11, -900.0), (12, -800.0), (13, -700.0), (14, -600.0)];
    let groups = || {
        north
            .into_iter()
            .chain(south)
            .map(|(id, metres)| at(id, metres))
    };
    let with = |middle: Trip| {
        let trips: Vec<_> = groups().chain([middle]).collect();
        density(&trips, &limits, 4, 2).0
    };
    let group_of =
        |members: &Partition, id| members.iter().find(|(other, _)| *other == id).unwrap().1;
    for (metres, north_has_it) in [(20.0, true), (-20.0, false), (0.0, true)] {
        let members = with(at(99, metres));
        assert_ne!(group_of(&members, 1), group_of(&members, 11));
        let expected = if north_has_it { 1 } else { 11 };
        assert_eq!(
            group_of(&members, 99),
            group_of(&members, expected),
            "{metres}"
        );
    }
    // Beyond both it is of none.
    assert_eq!(group_of(&with(at(99, 2000.0)), 99), -1);
}

#[test]
fn islands_are_in_parts_that_are_not_too_large_but_for_large_islands() {
    let limits = limits(500.0, 30);
    // Trips of cities 50 km apart: 100, 30, 20 and so on; two places in each that are similar to each other.
    let counts = [100, 30, 20, 20, 10, 5, 1, 1];
    let mut survey = Survey::new(&limits, &plenty());
    let mut trips = Vec::new();
    for (city, count) in (0..).zip(counts) {
        for number in 0..count {
            let lon = f64::from(city) + 0.004 * f64::from(number % 2);
            trips.push(trip(trips.len() as i64, (lon, 45.0), 0));
        }
    }
    for trip in &trips {
        survey.add(trip).unwrap();
    }
    let islands = survey.islands();
    let (part_of, parts) = islands.parts(40);
    let mut sizes = vec![0; parts.len()];
    let mut cities = vec![BTreeSet::new(); part_of.len()];
    for trip in &trips {
        let island = islands.of(trip).unwrap() as usize;
        sizes[part_of[island] as usize] += 1;
        cities[island].insert(trip.origin.lon.floor() as i64);
    }
    assert_eq!(sizes, parts);
    assert_eq!(parts[0], 100);
    assert!(parts[1..].iter().all(|trips| *trips <= 40), "{parts:?}");
    assert!(parts.len() <= 4, "{parts:?}");
    assert!(cities.iter().all(|cities| cities.len() <= 1), "{cities:?}");
}

#[test]
fn two_dense_places_by_turns_are_two_groups_wherever_cells_begin() {
    let limits = limits(500.0, 30);
    for shift in 0..12 {
        // 600 m apart.
        let trips: Vec<_> = (0..2000)
            .map(|number| {
                let lon = 7.6 + 0.001 * f64::from(shift) + 0.0076 * (number % 2) as f64;
                trip(number, (lon, 45.0), 8 * 60 * MINUTE + number * 500_000)
            })
            .collect();
        for (min_trips, threads) in [(2, 1), (2, 2), (900, 2)] {
            let (members, groups) = density(&trips, &limits, min_trips, threads);
            assert_eq!(groups.len(), 2, "{shift} {min_trips}");
            assert!(
                members.iter().all(|(id, group)| *group == id % 2),
                "{shift} {min_trips}"
            );
        }
    }
}

#[test]
fn other_bytes_are_no_group() {
    let mut representatives = Representatives::new(limits(500.0, 30), &plenty(), 1);
    let crew = Crew::new(1).unwrap();
    let trips = [trip(1, (7.0, 45.0), 0), trip(2, (7.0, 45.0), 1)];
    let mut tick = || Ok(());
    representatives
        .add(trips.to_vec(), &crew, &mut tick, &mut |_, _| Ok(()))
        .unwrap();
    let (_, good) = representatives.kept(1).unwrap();
    assert_eq!(good.len(), 1 + 8 * 19);
    assert_eq!(representatives.kept(0), None);
    assert_eq!(representatives.kept(2), None);
    let mut wrong = vec![
        vec![],
        vec![1],
        good[..good.len() - 1].to_vec(),
        good[..good.len() - 8].to_vec(),
    ];
    wrong.push([good.clone(), vec![0; 8]].concat());
    wrong.push([vec![2], good[1..].to_vec()].concat());
    // A longitude that is no number.
    wrong.push(
        [
            good[..17].to_vec(),
            f64::NAN.to_le_bytes().to_vec(),
            good[25..].to_vec(),
        ]
        .concat(),
    );
    // Sums that no trips have: none of them, more than there can be, a last departure before the first, and what is no number or
    // far too large a one.
    let word = |number: usize, word: u64| {
        let at = 1 + 8 * number;
        [&good[..at], &word.to_le_bytes(), &good[at + 8..]].concat()
    };
    wrong.extend([word(6, 0), word(6, u64::MAX), word(8, i64::MIN as u64)]);
    for sum in 9..19 {
        wrong.push(word(sum, f64::NAN.to_bits()));
        wrong.push(word(sum, 1e300f64.to_bits()));
    }
    for bytes in wrong {
        let error = representatives.restore(&bytes).unwrap_err();
        assert_eq!(error.sqlstate(), "XX001", "{bytes:?}");
    }
    representatives.restore(&good).unwrap();
}

#[test]
fn memory_that_is_short_is_an_error() {
    let limits = limits(1.0, 1);
    let trips: Vec<_> = (0..100_000)
        .map(|id| trip(id, (id as f64 / 1000.0, 45.0), id))
        .collect();
    let crew = Crew::new(1).unwrap();
    let memory = Memory::new(1 << 20);
    let mut representatives = Representatives::new(limits, &memory, 0);
    let ended = representatives.add(trips.clone(), &crew, &mut || Ok(()), &mut |_, _| Ok(()));
    let error = ended.unwrap_err();
    assert_eq!(error.sqlstate(), "53200");
    assert_eq!(error.detail().unwrap(), "The limit is 1 MB.");
    drop(representatives);
    let how = How {
        memory,
        ..how(&limits, 2, &crew)
    };
    let ended = density::group(trips, &how, &mut || Ok(()), &mut |_, _| Ok(()));
    assert_eq!(ended.unwrap_err().sqlstate(), "53200");
}
