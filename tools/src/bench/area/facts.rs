//! The answers by another way: one pass over all trips, counted here.

use std::error::Error;
use std::ops::Range;

use postgres::Client;
use postgres::binary_copy::BinaryCopyOutIter;
use postgres::fallible_iterator::FallibleIterator;
use postgres::types::Type;

use super::ask::Answer;
use super::question::{Matching, Place, Question};
use super::shape::Rect;
use crate::generate::{Point, REGIONS};

const READ_TRIPS: &str = "
    COPY (SELECT st_x(origin), st_y(origin), st_x(destination), st_y(destination),
                 departed_at::date - date '2000-01-01', region_id
            FROM trips.trip)
    TO STDOUT (FORMAT binary)";

/// The types of its columns.
const COLUMNS: [Type; 6] = [
    Type::FLOAT8,
    Type::FLOAT8,
    Type::FLOAT8,
    Type::FLOAT8,
    Type::INT4,
    Type::INT2,
];

/// How far a number of trips computed from an average may be from a whole one.
const TOLERANCE: f64 = 1e-3;

/// A row of the table of trips.
struct Trip {
    origin: Point,
    destination: Point,
    /// Since 2000-01-01.
    day: i32,
    /// Number of the city in [`REGIONS`].
    city: usize,
}

/// First and last day.
type Days = Option<(i32, i32)>;

/// What the pass over all trips found.
pub(super) struct Facts {
    /// The trips of each question, in the order in which they were given.
    counts: Vec<u64>,
    days: Days,
    days_of_city: [Days; REGIONS.len()],
}

/// The questions about places in one city, with what they all lie in.
struct Group<'a> {
    bounds: Rect,
    questions: Vec<(usize, &'a Question)>,
}

impl Facts {
    /// Counts the trips of each question.
    pub(super) fn count(
        session: &mut Client,
        questions: &[&Question],
    ) -> Result<Self, Box<dyn Error>> {
        let cities = city_ids(session)?;
        let (groups, regions) = grouped(questions);
        let mut facts = Self {
            counts: vec![0; questions.len()],
            days: None,
            days_of_city: Default::default(),
        };
        let mut rows = BinaryCopyOutIter::new(session.copy_out(READ_TRIPS)?, &COLUMNS);
        while let Some(row) = rows.next()? {
            let point = |column: usize| -> Result<Point, postgres::Error> {
                Ok(Point {
                    lon: row.try_get(column)?,
                    lat: row.try_get(column + 1)?,
                })
            };
            let region: i16 = row.try_get(5)?;
            let trip = Trip {
                origin: point(0)?,
                destination: point(2)?,
                day: row.try_get(4)?,
                city: cities
                    .iter()
                    .position(|&id| id == Some(region))
                    .ok_or("a trip of a region that the generator does not know")?,
            };
            facts.add(&trip, &groups, &regions);
        }
        Ok(facts)
    }

    fn add(&mut self, trip: &Trip, groups: &[Group<'_>], regions: &[(usize, &Question)]) {
        widen(&mut self.days, trip.day);
        widen(&mut self.days_of_city[trip.city], trip.day);
        for &(number, question) in regions {
            let counts = question.city == trip.city && is_within(question, trip.day);
            self.counts[number] += u64::from(counts);
        }
        for group in groups {
            if !group.bounds.contains(trip.origin) && !group.bounds.contains(trip.destination) {
                continue;
            }
            for &(number, question) in &group.questions {
                self.counts[number] += u64::from(is_of(trip, question));
            }
        }
    }

    /// How an answer differs from the facts; nothing when it does not. `number` is the question's place among those
    /// that were counted.
    pub(super) fn difference(
        &self,
        number: usize,
        question: &Question,
        answer: &Answer,
    ) -> Option<String> {
        let expected = self.counts[number];
        let days = self.period(question);
        let trips = answer.average * f64::from(days.end - days.start) / 7.0;
        let agrees = (trips - trips.round()).abs() < TOLERANCE && trips.round() == expected as f64;
        (!agrees).then(|| format!("{trips} trips, by counting {expected}: {question:?}"))
    }

    /// The trips of a question.
    pub(super) fn trips(&self, number: usize) -> u64 {
        self.counts[number]
    }

    /// The days of the question's period; by default the weeks from the first trip to the last.
    fn period(&self, question: &Question) -> Range<i32> {
        let known = match question.place {
            Place::Region => self.days_of_city[question.city],
            Place::Box(_) | Place::Star(_) => self.days,
        };
        let weeks = known.map(|(first, last)| monday(first)..monday(last) + 7);
        let days = question.days.clone().or(weeks);
        days.unwrap_or_default()
    }
}

/// The Monday of the week: day 2, 2000-01-03, was one.
fn monday(day: i32) -> i32 {
    day - (day - 2).rem_euclid(7)
}

fn widen(days: &mut Days, day: i32) {
    let (first, last) = days.unwrap_or((day, day));
    *days = Some((first.min(day), last.max(day)));
}

fn is_within(question: &Question, day: i32) -> bool {
    question
        .days
        .as_ref()
        .is_none_or(|days| days.contains(&day))
}

fn is_of(trip: &Trip, question: &Question) -> bool {
    let inside = |point: Point| match &question.place {
        Place::Box(bounds) => bounds.contains(point),
        Place::Star(star) => star.contains(point),
        Place::Region => false,
    };
    is_within(question, trip.day)
        && match question.matching {
            Matching::Origin => inside(trip.origin),
            Matching::Destination => inside(trip.destination),
            Matching::Either => inside(trip.origin) || inside(trip.destination),
            Matching::Both => inside(trip.origin) && inside(trip.destination),
        }
}

/// The questions about boxes and polygons by city, and those about regions, each with its number.
fn grouped<'a>(questions: &[&'a Question]) -> (Vec<Group<'a>>, Vec<(usize, &'a Question)>) {
    let mut groups: Vec<Group<'a>> = Vec::new();
    let mut regions = Vec::new();
    for (number, &question) in questions.iter().enumerate() {
        let Some(bounds) = question.bounds() else {
            regions.push((number, question));
            continue;
        };
        let same_city = |group: &&mut Group<'a>| {
            let first = group.questions.first();
            first.is_some_and(|(_, first)| first.city == question.city)
        };
        if let Some(group) = groups.iter_mut().find(same_city) {
            group.bounds = group.bounds.joined(&bounds);
            group.questions.push((number, question));
        } else {
            groups.push(Group {
                bounds,
                questions: vec![(number, question)],
            });
        }
    }
    (groups, regions)
}

/// The ids of the cities in [`REGIONS`].
fn city_ids(session: &mut Client) -> Result<Vec<Option<i16>>, postgres::Error> {
    let names: Vec<&str> = REGIONS.iter().map(|region| region.name).collect();
    let query = "SELECT r.id FROM unnest($1::text[]) WITH ORDINALITY AS city(name, place)
                   LEFT JOIN trips.region r ON r.name = city.name
                  ORDER BY city.place";
    let rows = session.query(query, &[&names])?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bench::area::question::city;

    fn question(days: Option<Range<i32>>, matching: Matching) -> Question {
        Question {
            days,
            matching,
            ..Question::about_box(city(&REGIONS[1]), 1)
        }
    }

    fn trip(from: usize, to: usize, day: i32) -> Trip {
        Trip {
            origin: REGIONS[from].hotspots[0].centre,
            destination: REGIONS[to].hotspots[0].centre,
            day,
            city: from,
        }
    }

    fn counted(questions: &[&Question], trips: &[Trip]) -> Facts {
        let (groups, regions) = grouped(questions);
        let mut facts = Facts {
            counts: vec![0; questions.len()],
            days: None,
            days_of_city: Default::default(),
        };
        for trip in trips {
            facts.add(trip, &groups, &regions);
        }
        facts
    }

    #[test]
    fn trips_are_counted_by_place_period_and_matching() {
        let region = Question {
            place: Place::Region,
            ..question(None, Matching::Origin)
        };
        let questions = [
            question(None, Matching::Origin),
            question(None, Matching::Destination),
            question(None, Matching::Both),
            question(Some(100..101), Matching::Either),
            region,
        ];
        let trips = [
            trip(1, 1, 100),
            trip(1, 1, 101),
            trip(1, 0, 100),
            trip(0, 1, 99),
            trip(2, 2, 100),
        ];
        let facts = counted(&questions.iter().collect::<Vec<_>>(), &trips);
        assert_eq!(facts.counts, [3, 3, 2, 2, 3]);
    }

    #[test]
    fn the_default_period_is_that_of_whole_weeks() {
        assert_eq!([1, 2, 8, 9].map(monday), [-5, 2, 2, 9]);
        let asked = question(None, Matching::Origin);
        let facts = counted(&[&asked], &[trip(1, 1, 3), trip(0, 0, 17)]);
        assert_eq!(facts.period(&asked), 2..23);
        let region = Question {
            place: Place::Region,
            ..asked
        };
        assert_eq!(facts.period(&region), 2..9);
    }

    #[test]
    fn an_answer_agrees_when_it_is_the_average_of_the_trips_counted() {
        let asked = question(None, Matching::Origin);
        let trips: Vec<Trip> = (0..10).map(|_| trip(1, 1, 3)).collect();
        let facts = counted(&[&asked], &trips);
        let difference = |average| {
            let elapsed = Duration::ZERO;
            facts.difference(0, &asked, &Answer { average, elapsed })
        };
        assert_eq!(difference(10.0), None);
        for wrong in [9.0, 10.5, f64::NAN, f64::INFINITY] {
            assert!(difference(wrong).is_some(), "{wrong}");
        }
    }
}
