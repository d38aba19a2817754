//! The trips of `trips.trip` in memory: to count them one by one is the oracle of the area trees.

use std::collections::{BTreeMap, HashMap};

use geo::{BoundingRect, Coord, Rect};

use crate::database::Session;
use crate::plane::{Area, Matching};
use crate::question::{Answer, Question};

/// All that a session sees of `trips.trip` at one moment.
#[derive(Debug)]
pub struct Facts {
    /// The different points, bit by bit, and what they are of.
    points: Vec<Coord>,
    trips: Vec<Trip>,
    /// Names of the regions, those without trips too, and where the trips of each are.
    regions: BTreeMap<String, (i16, Vec<usize>)>,
}

/// A trip; the ends are places among the points.
#[derive(Debug, Clone, Copy)]
struct Trip {
    origin: usize,
    destination: usize,
    /// Days since 2000-01-01.
    day: i32,
    region: i16,
}

/// The Monday of the week of a day; both are days since 2000-01-01, a Saturday.
pub fn week_of(day: i32) -> i32 {
    day - (day - 2).rem_euclid(7)
}

impl Facts {
    /// What the session sees now.
    pub fn of(session: &mut Session) -> Facts {
        let regions = session
            .query("SELECT id, name FROM trips.region", &[])
            .expect("the regions can be read");
        let rows = session
            .query(
                "SELECT st_x(origin), st_y(origin), st_x(destination), st_y(destination),
                        departed_at::date - date '2000-01-01', region_id
                   FROM trips.trip",
                &[],
            )
            .expect("the trips can be read");
        let mut points = Points::default();
        let trips: Vec<Trip> = rows
            .iter()
            .map(|row| Trip {
                origin: points.place(row.get(0), row.get(1)),
                destination: points.place(row.get(2), row.get(3)),
                day: row.get(4),
                region: row.get(5),
            })
            .collect();
        let regions = regions.iter().map(|row| {
            let id: i16 = row.get(0);
            let places = (0..trips.len()).filter(|place| trips[*place].region == id);
            (row.get(1), (id, places.collect()))
        });
        Facts {
            points: points.points,
            regions: regions.collect(),
            trips,
        }
    }

    /// How many trips there are.
    pub fn len(&self) -> usize {
        self.trips.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.trips.is_empty()
    }

    /// The names of all regions.
    pub fn regions(&self) -> impl ExactSizeIterator<Item = &str> {
        self.regions.keys().map(String::as_str)
    }

    /// How many trips a region has.
    pub fn trips_of(&self, region: &str) -> usize {
        self.regions[region].1.len()
    }

    /// Origin, destination and day of one of a region's trips.
    pub fn trip_of(&self, region: &str, number: usize) -> ([Coord; 2], i32) {
        let trip = self.trips[self.regions[region].1[number]];
        let ends = [trip.origin, trip.destination].map(|place| self.points[place]);
        (ends, trip.day)
    }

    /// The first and the last day of a region, or of all trips.
    pub fn days(&self, region: Option<&str>) -> Option<(i32, i32)> {
        let wanted = region.map(|name| self.regions[name].0);
        let trips = self.trips.iter();
        trips
            .filter(|trip| wanted.is_none_or(|wanted| trip.region == wanted))
            .map(|trip| (trip.day, trip.day))
            .reduce(|(first, last), (day, _)| (first.min(day), last.max(day)))
    }

    /// What counting says.
    pub fn answer(&self, question: &Question) -> Answer {
        let known = self.days(question.region.as_deref());
        let from = question.from.or(known.map(|(first, _)| week_of(first)));
        let to = question.to.or(known.map(|(_, last)| week_of(last) + 7));
        let Some((from, to)) = from.zip(to).filter(|(from, to)| from < to) else {
            return Answer::default();
        };
        let wanted = question.region.as_deref().map(|name| self.regions[name].0);
        let mut inside = Inside::new(question.area.as_ref(), &self.points);
        let mut weeks = BTreeMap::new();
        for trip in &self.trips {
            let asked =
                (from..to).contains(&trip.day) && wanted.is_none_or(|wanted| trip.region == wanted);
            if asked && inside.matches(question.matching, trip) {
                *weeks.entry(week_of(trip.day)).or_insert(0) += 1;
            }
        }
        Answer {
            weeks: weeks.into_iter().collect(),
            listed: i64::from((week_of(to - 1) - week_of(from)) / 7 + 1),
            days: i64::from(to - from),
        }
    }
}

/// Points, each kept once.
#[derive(Default)]
struct Points {
    points: Vec<Coord>,
    places: HashMap<[u64; 2], usize>,
}

impl Points {
    fn place(&mut self, x: f64, y: f64) -> usize {
        *self
            .places
            .entry([x.to_bits(), y.to_bits()])
            .or_insert_with(|| {
                self.points.push(Coord { x, y });
                self.points.len() - 1
            })
    }
}

/// Which points lie in an area: each is looked at once, and when it is asked about.
struct Inside<'a> {
    area: Option<&'a Area>,
    bounds: Option<Rect>,
    points: &'a [Coord],
    known: Vec<Option<bool>>,
}

impl<'a> Inside<'a> {
    fn new(area: Option<&'a Area>, points: &'a [Coord]) -> Inside<'a> {
        Inside {
            bounds: match area {
                Some(Area::Polygons(polygons)) => polygons.bounding_rect(),
                _ => None,
            },
            area,
            points,
            known: vec![None; points.len()],
        }
    }

    fn matches(&mut self, matching: Matching, trip: &Trip) -> bool {
        match matching {
            Matching::Origin => self.holds(trip.origin),
            Matching::Destination => self.holds(trip.destination),
            Matching::Either => self.holds(trip.origin) || self.holds(trip.destination),
            Matching::Both => self.holds(trip.origin) && self.holds(trip.destination),
            Matching::Crosses => panic!("the trees do not answer that"),
        }
    }

    fn holds(&mut self, place: usize) -> bool {
        let (area, point) = (self.area, self.points[place]);
        let bounds = self.bounds;
        *self.known[place].get_or_insert_with(|| match area {
            None => true,
            Some(Area::Polygons(_)) if !bounds.is_some_and(|bounds| touches(bounds, point)) => {
                false
            }
            Some(area) => area.matches(Matching::Origin, point, point),
        })
    }
}

fn touches(rect: Rect, point: Coord) -> bool {
    let (least, most) = (rect.min(), rect.max());
    least.x <= point.x && point.x <= most.x && least.y <= point.y && point.y <= most.y
}

#[cfg(test)]
mod tests {
    use super::week_of;

    #[test]
    fn weeks_begin_on_mondays_also_before_2000() {
        // 2000-01-03 is a Monday, and so is 1999-12-27.
        assert_eq!([2, 8, 9].map(week_of), [2, 2, 9]);
        assert_eq!([-5, 1, -6].map(week_of), [-5, -5, -12]);
    }
}
