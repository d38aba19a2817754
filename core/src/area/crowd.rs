//! Which runs to merge where there are many: each question asks all of them.
//!
//! Sizes differ by a factor of eight, and of each size a few runs are let be. So the number of runs grows with the logarithm
//! of the trips, and a trip is written again once for each size that its run outgrows.

/// Runs of a size that are let be.
pub const RUNS_OF_A_SIZE: usize = 7;

/// What counts of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// How many trips it has.
    pub trips: i64,
    /// The first day of its trips.
    pub first_day: i32,
    /// The last one.
    pub last_day: i32,
}

impl Extent {
    /// The size of the run: the logarithm of its trips to the base 8.
    pub fn size(&self) -> u32 {
        (self.trips.max(1) as u64).ilog2() / 3
    }
}

/// The places of the runs to merge at once, in ascending order: those of the largest size that has too many, and all that are
/// smaller. None where no size has too many.
pub fn smallest(runs: &[Extent]) -> Vec<usize> {
    let Some(crowded) = crowded_sizes(runs).max() else {
        return Vec::new();
    };
    let places = 0..runs.len();
    places
        .filter(|place| runs.get(*place).is_some_and(|run| run.size() <= crowded))
        .collect()
}

/// The places of the runs to merge one step at a time: of the smallest size that has too many, as many as make a run of the
/// next one. They are neighbours in time and span the fewest days, so that a question about a month still finds runs that have
/// none of its days. None where no size has too many.
pub fn neighbours(runs: &[Extent]) -> Vec<usize> {
    let Some(crowded) = crowded_sizes(runs).min() else {
        return Vec::new();
    };
    let mut places: Vec<(Extent, usize)> = runs
        .iter()
        .copied()
        .zip(0..)
        .filter(|(run, _)| run.size() == crowded)
        .collect();
    places.sort_by_key(|(run, place)| (run.first_day, run.last_day, *place));
    let days = |runs: &[(Extent, usize)]| {
        let first = runs.iter().map(|(run, _)| run.first_day).min();
        let last = runs.iter().map(|(run, _)| run.last_day).max();
        i64::from(last.unwrap_or(0)) - i64::from(first.unwrap_or(0))
    };
    let neighbours = places
        .windows(RUNS_OF_A_SIZE + 1)
        .min_by_key(|runs| days(runs));
    let neighbours = neighbours.unwrap_or_default().iter();
    let mut places: Vec<usize> = neighbours.map(|(_, place)| *place).collect();
    places.sort_unstable();
    places
}

/// The sizes of which there are too many runs.
fn crowded_sizes(runs: &[Extent]) -> impl Iterator<Item = u32> {
    (0..=u64::BITS / 3)
        .filter(|size| runs.iter().filter(|run| run.size() == *size).count() > RUNS_OF_A_SIZE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(trips: i64, first_day: i32, last_day: i32) -> Extent {
        Extent {
            trips,
            first_day,
            last_day,
        }
    }

    /// Merges as [`neighbours`] says until it says nothing; how often, and how many trips that wrote.
    fn settle(runs: &mut Vec<Extent>) -> (usize, i64) {
        let (mut merges, mut written) = (0, 0);
        loop {
            let places = neighbours(runs);
            if places.is_empty() {
                return (merges, written);
            }
            assert_eq!(places.len(), RUNS_OF_A_SIZE + 1);
            let merged: Vec<Extent> = places.iter().map(|place| runs[*place]).collect();
            for place in places.iter().rev() {
                runs.remove(*place);
            }
            let trips = merged.iter().map(|run| run.trips).sum();
            let first = merged.iter().map(|run| run.first_day).min().unwrap();
            let last = merged.iter().map(|run| run.last_day).max().unwrap();
            runs.push(run(trips, first, last));
            merges += 1;
            written += trips;
        }
    }

    #[test]
    fn a_hundred_million_trips_of_a_load_become_six_runs_that_follow_each_other() {
        let mut runs: Vec<Extent> = (0..34)
            .map(|n| run(3_000_000, n * 21, n * 21 + 21))
            .collect();
        let (merges, written) = settle(&mut runs);
        assert_eq!((merges, written), (4, 96_000_000));
        runs.sort_by_key(|run| run.first_day);
        let of: Vec<_> = runs.iter().map(|run| (run.trips, run.first_day)).collect();
        let (large, small) = (24_000_000, 3_000_000);
        assert_eq!(
            of,
            [
                (large, 0),
                (large, 8 * 21),
                (large, 16 * 21),
                (large, 24 * 21),
                (small, 32 * 21),
                (small, 33 * 21)
            ]
        );
    }

    #[test]
    fn runs_that_lie_close_in_time_are_merged_first() {
        let late = 110..118;
        let scattered = (0..7).map(|n| run(1000, n * 50, n * 50 + 1));
        let mut runs: Vec<Extent> = scattered.collect();
        runs.extend(late.clone().map(|day| run(1000, day, day)));
        assert_eq!(neighbours(&runs), (7..15).collect::<Vec<_>>());
    }

    #[test]
    fn seven_of_each_size_are_let_be() {
        let mut runs: Vec<Extent> = (0..5)
            .flat_map(|size| vec![run(8_i64.pow(size), 0, 1); RUNS_OF_A_SIZE])
            .collect();
        assert_eq!((smallest(&runs), neighbours(&runs)), (vec![], vec![]));
        runs.push(run(8, 5, 5));
        let of_the_first_two: Vec<usize> = (0..14).chain([35]).collect();
        assert_eq!(smallest(&runs), of_the_first_two);
        assert_eq!(neighbours(&runs).len(), 8);
    }

    proptest! {
        #[test]
        fn few_runs_are_left_and_no_trip_is_written_more_often_than_its_run_grows(
            runs in prop::collection::vec((1i64..100_000_000, -3000i32..3000, 0i32..900), 0..200)
        ) {
            let runs: Vec<Extent> = runs
                .into_iter()
                .map(|(trips, first, days)| run(trips, first, first + days))
                .collect();
            let trips: i64 = runs.iter().map(|run| run.trips).sum();
            let mut settled = runs;
            let (_, written) = settle(&mut settled);
            prop_assert_eq!(settled.iter().map(|run| run.trips).sum::<i64>(), trips);
            let sizes = i64::from(run(trips, 0, 0).size());
            prop_assert!(settled.len() <= RUNS_OF_A_SIZE * (sizes as usize + 1));
            prop_assert!(written <= trips * sizes);
        }

        #[test]
        fn what_is_merged_at_once_leaves_no_size_crowded(
            trips in prop::collection::vec(1i64..10_000_000, 0..100)
        ) {
            let runs: Vec<Extent> = trips.iter().map(|trips| run(*trips, 0, 0)).collect();
            let merged = smallest(&runs);
            let kept: Vec<Extent> = (0..runs.len())
                .filter(|place| !merged.contains(place))
                .map(|place| runs[place])
                .collect();
            prop_assert!(smallest(&kept).is_empty());
            prop_assert_eq!(merged.is_empty(), neighbours(&runs).is_empty());
        }
    }
}
