//! All series of questions, asked at several moments: as loaded, and after runs were merged.

mod page;

use std::error::Error;
use std::time::Duration;

use postgres::Client;

use super::ask::{Answer, Asker, Timing};
use super::checks::Checks;
use super::facts::Facts;
use super::question::{Kind, Matching, Question, Series, Size, Span, city};
use super::shape::Rect;
use super::table::Table;
use crate::bench::figures::times_as_long;
use crate::generate::{REGIONS, Region};

/// How often each whole city is asked about, apart from the series.
const CITY_REPEATS: usize = 11;

/// When questions were asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// After the loads.
    Loaded,
    /// After a worker has merged runs where they were many.
    Merged,
    /// After `trips_compact()`.
    Compacted,
}

impl When {
    /// The heading of a column.
    pub(super) fn label(self) -> &'static str {
        match self {
            When::Loaded => "as loaded",
            When::Merged => "merged",
            When::Compacted => "compacted",
        }
    }
}

/// The times at one moment.
#[derive(Debug)]
struct Moment {
    when: When,
    /// Of each series.
    timings: Vec<Timing>,
    /// Of each city.
    cities: Vec<Duration>,
    /// What `trips_area_plan` says of the first box of 5 x 5 km.
    plan: Table,
}

/// The questions, the facts, and what was measured; [`std::fmt::Display`] writes the sections.
pub(super) struct Answers {
    series: Vec<Series>,
    cities: Series,
    facts: Facts,
    moments: Vec<Moment>,
}

/// A whole city: its box as it is.
pub(super) struct City {
    pub(super) region: &'static Region,
    pub(super) bounds: Rect,
    /// Trips that start there, by counting.
    pub(super) trips: u64,
    /// Median time at the first moment and at the last.
    pub(super) times: Vec<Duration>,
}

impl Answers {
    /// Counts the trips of all questions.
    pub(super) fn prepare(
        control: &mut Client,
        series: Vec<Series>,
    ) -> Result<Self, Box<dyn Error>> {
        let cities = cities();
        let all = series.iter().chain([&cities]);
        let questions: Vec<&Question> = all.flat_map(|series| &series.questions).collect();
        let facts = Facts::count(control, &questions)?;
        Ok(Self {
            series,
            cities,
            facts,
            moments: Vec::new(),
        })
    }

    /// Asks everything once more.
    pub(super) fn ask(
        &mut self,
        conninfo: &str,
        control: &mut Client,
        when: When,
        checks: &mut Checks,
    ) -> Result<(), Box<dyn Error>> {
        let mut asker = Asker::connect(conninfo)?;
        let mut first = 0;
        let mut timings = Vec::new();
        for series in &self.series {
            let answers = asker.ask(series)?;
            checks.compare(&self.facts, first, series, &answers);
            timings.push(Timing::of(&answers));
            first += series.questions.len();
        }
        let answers = asker.ask(&self.cities)?;
        checks.compare(&self.facts, first, &self.cities, &answers);
        let plan = self.plan_query();
        self.moments.push(Moment {
            when,
            timings,
            cities: answers.chunks(CITY_REPEATS).map(median_of).collect(),
            plan: Table::query(control, &plan)?,
        });
        Ok(())
    }

    fn plan_query(&self) -> String {
        let bounds = self.series_of(Kind::Box(Size::FiveKm), Span::Full, Matching::Origin);
        let bounds = bounds
            .and_then(|(_, series)| series.questions.first()?.bounds())
            .unwrap_or_else(|| city(&REGIONS[0]));
        format!("SELECT * FROM trips_area_plan({})", bounds.arguments())
    }

    /// A series and its place among all.
    fn series_of(&self, kind: Kind, span: Span, matching: Matching) -> Option<(usize, &Series)> {
        let is_it = |series: &&Series| {
            (series.kind, series.span, series.matching) == (kind, span, matching)
        };
        let found = self.series.iter().position(|series| is_it(&series))?;
        Some((found, &self.series[found]))
    }

    /// The boxes of 5 x 5 km over all of the time.
    pub(super) fn five_km(&self) -> Option<&Series> {
        self.series_of(Kind::Box(Size::FiveKm), Span::Full, Matching::Origin)
            .map(|(_, series)| series)
    }

    /// The median of these at the last moment.
    pub(super) fn five_km_median(&self) -> Option<Duration> {
        let (place, _) = self.series_of(Kind::Box(Size::FiveKm), Span::Full, Matching::Origin)?;
        Some(self.moments.last()?.timings.get(place)?.median)
    }

    /// Each city with what was measured of it.
    pub(super) fn cities(&self) -> Vec<City> {
        let first: usize = self
            .series
            .iter()
            .map(|series| series.questions.len())
            .sum();
        let cities = REGIONS.iter().enumerate().map(|(number, region)| City {
            region,
            bounds: city(region),
            trips: self.facts.trips(first + number * CITY_REPEATS),
            times: self
                .moments
                .iter()
                .filter(|moment| moment.when != When::Merged)
                .filter_map(|moment| moment.cities.get(number).copied())
                .collect(),
        });
        cities.collect()
    }
}

/// What the headline says of a moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extremes {
    /// The slowest median of the boxes, and the 95th percentile that is slowest.
    pub(super) boxes: Timing,
    /// The greatest ratio of the medians of polygons and boxes as large.
    pub(super) polygon_ratio: f64,
    /// The same of the regions as of the boxes.
    pub(super) regions: Timing,
}

impl Answers {
    /// For each moment.
    pub(super) fn extremes(&self) -> Vec<Extremes> {
        let moments = self.moments.iter();
        let extremes = moments.map(|moment| Extremes {
            boxes: self.slowest(moment, |series| {
                matches!(series.kind, Kind::Box(_)) && series.matching == Matching::Origin
            }),
            polygon_ratio: self.greatest_ratio(moment),
            regions: self.slowest(moment, |series| series.kind == Kind::Region),
        });
        extremes.collect()
    }

    fn slowest(&self, moment: &Moment, counts: impl Fn(&Series) -> bool) -> Timing {
        let timings = self.series.iter().zip(&moment.timings);
        let timings = timings.filter(|(series, _)| counts(series));
        timings.fold(Timing::default(), |slowest, (_, timing)| Timing {
            median: slowest.median.max(timing.median),
            p95: slowest.p95.max(timing.p95),
        })
    }

    fn greatest_ratio(&self, moment: &Moment) -> f64 {
        let ratios = self.series.iter().enumerate();
        let ratios =
            ratios.filter_map(|(number, _)| self.ratio_to_box(number, moment, Kind::AsStar));
        ratios.fold(0.0, f64::max)
    }

    /// How many times as long a polygon takes as the box that is as large, or the one that it lies in.
    fn ratio_to_box(
        &self,
        number: usize,
        moment: &Moment,
        kind: impl Fn(Size) -> Kind,
    ) -> Option<f64> {
        let series = self.series.get(number)?;
        let Kind::Star(size) = series.kind else {
            return None;
        };
        let (of_box, _) = self.series_of(kind(size), series.span, series.matching)?;
        let median = |number: usize| moment.timings.get(number).map(|timing| timing.median);
        Some(times_as_long(median(number)?, median(of_box)?))
    }
}

/// Every whole city, over and over.
fn cities() -> Series {
    let repeated = (0..REGIONS.len()).flat_map(|city| [city; CITY_REPEATS]);
    let questions = repeated.map(|number| Question::about_box(city(&REGIONS[number]), number));
    Series {
        kind: Kind::Box(Size::City),
        span: Span::Full,
        matching: Matching::Origin,
        questions: questions.collect(),
    }
}

fn median_of(answers: &[Answer]) -> Duration {
    Timing::of(answers).median
}
