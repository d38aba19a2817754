//! The questions that are asked: in series of fifty that differ in their places only.

use std::fmt;
use std::ops::Range;

use super::shape::{Rect, Star};
use crate::draw::Draw;
use crate::generate::{Point, REGIONS, Region};

/// Questions in a series.
pub(super) const SERIES: usize = 50;

/// How far the edges of half and whole cities are moved, so that no two questions are the same: the share of a side.
pub(super) const JITTER: f64 = 0.01;

/// Apart from the stream that the trips are drawn from.
const STREAM: u128 = 0x6265_6e63_685f_6172_6561;

/// What kind of place a series asks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Box(Size),
    Star(Size),
    /// The boxes that have the areas and the middles of the stars.
    AsStar(Size),
    Region,
}

/// How large the places are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    OneKm,
    FiveKm,
    HalfCity,
    City,
}

impl Size {
    pub(super) const ALL: [Self; 4] = [Self::OneKm, Self::FiveKm, Self::HalfCity, Self::City];

    /// The box of this size that `centre` has in its middle, or the city's own box or west half.
    fn bounds(self, centre: &Centre, draw: &mut Draw) -> Rect {
        let region = centre.region();
        match self {
            Self::OneKm => Rect::around(centre.point, region.degrees(500.0)),
            Self::FiveKm => Rect::around(centre.point, region.degrees(2_500.0)),
            Self::HalfCity => city(region).west_half().jittered(JITTER, draw),
            Self::City => city(region).jittered(JITTER, draw),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::OneKm => "1 x 1 km",
            Self::FiveKm => "5 x 5 km",
            Self::HalfCity => "half a city",
            Self::City => "a city",
        })
    }
}

/// The box of a city.
pub(super) fn city(region: &Region) -> Rect {
    Rect {
        min_lon: region.south_west.lon,
        min_lat: region.south_west.lat,
        max_lon: region.north_east.lon,
        max_lat: region.north_east.lat,
    }
}

/// How much of the time a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span {
    /// The function's own default: the weeks from the first trip to the last.
    Full,
    Month,
}

impl fmt::Display for Span {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Full => "all",
            Self::Month => "one month",
        })
    }
}

/// Which end of a trip must lie in the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Matching {
    Origin,
    Destination,
    Either,
    Both,
}

impl Matching {
    /// The word of the argument `matching`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Origin => "origin",
            Self::Destination => "destination",
            Self::Either => "either",
            Self::Both => "both",
        }
    }
}

/// Where a question is asked about.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Place {
    Box(Rect),
    Star(Star),
    /// The whole region, by its name.
    Region,
}

/// One question: the trips a week in a place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Question {
    pub(super) place: Place,
    /// Number of the city in [`REGIONS`].
    pub(super) city: usize,
    /// Days since 2000-01-01; none for the default period.
    pub(super) days: Option<Range<i32>>,
    pub(super) matching: Matching,
}

impl Question {
    /// What the default period is asked about a box.
    pub(super) fn about_box(bounds: Rect, city: usize) -> Self {
        Self {
            place: Place::Box(bounds),
            city,
            days: None,
            matching: Matching::Origin,
        }
    }

    /// Holds the whole place, unless that is a region.
    pub(super) fn bounds(&self) -> Option<Rect> {
        match &self.place {
            Place::Box(bounds) => Some(*bounds),
            Place::Star(star) => Some(star.bounds),
            Place::Region => None,
        }
    }
}

/// Fifty questions of one kind.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) kind: Kind,
    pub(super) span: Span,
    pub(super) matching: Matching,
    pub(super) questions: Vec<Question>,
}

impl fmt::Display for Series {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Box(size) => write!(out, "box, {size}")?,
            Kind::Star(size) => write!(out, "polygon, {size}")?,
            Kind::AsStar(size) => write!(out, "box as large as the polygon, {size}")?,
            Kind::Region => write!(out, "region")?,
        }
        write!(out, ", {}, {}", self.span, self.matching.name())
    }
}

/// Where a place is: the origin of a trip, so that places are where trips are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Centre {
    pub(super) city: usize,
    pub(super) point: Point,
}

impl Centre {
    fn region(&self) -> &'static Region {
        &REGIONS[self.city]
    }
}

/// The source of random places.
pub(super) fn draw(seed: u64) -> Draw {
    Draw::new(seed, STREAM)
}

/// All series around the same centres: each size of box and polygon, and the regions, for all of the time and for
/// one of the months each; boxes of 5 x 5 km in every way to match besides.
pub(super) fn all_series(
    centres: &[Centre],
    months: &[Range<i32>],
    draw: &mut Draw,
) -> Vec<Series> {
    let mut all = Vec::new();
    let month_of: Vec<Range<i32>> = centres
        .iter()
        .map(|_| months[draw.below(months.len() as u32) as usize].clone())
        .collect();
    let mut push = |kind, matching, places: &[Place]| {
        for span in [Span::Full, Span::Month] {
            let questions = places.iter().zip(centres).zip(&month_of);
            let questions = questions.map(|((place, centre), month)| Question {
                place: place.clone(),
                city: centre.city,
                days: (span == Span::Month).then(|| month.clone()),
                matching,
            });
            all.push(Series {
                kind,
                span,
                matching,
                questions: questions.collect(),
            });
        }
    };
    for size in Size::ALL {
        let bounds: Vec<Rect> = centres
            .iter()
            .map(|centre| size.bounds(centre, draw))
            .collect();
        let boxes: Vec<Place> = bounds.iter().copied().map(Place::Box).collect();
        push(Kind::Box(size), Matching::Origin, &boxes);
        if size == Size::FiveKm {
            for matching in [Matching::Destination, Matching::Either, Matching::Both] {
                push(Kind::Box(size), matching, &boxes);
            }
        }
        let stars: Vec<Star> = bounds
            .iter()
            .map(|&bounds| Star::within(bounds, draw))
            .collect();
        let as_stars: Vec<Place> = stars
            .iter()
            .map(Star::box_as_large)
            .map(Place::Box)
            .collect();
        push(Kind::AsStar(size), Matching::Origin, &as_stars);
        let stars: Vec<Place> = stars.into_iter().map(Place::Star).collect();
        push(Kind::Star(size), Matching::Origin, &stars);
    }
    let regions = vec![Place::Region; centres.len()];
    push(Kind::Region, Matching::Origin, &regions);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(seed: u64) -> Vec<Series> {
        let mut draw = draw(seed);
        let centres = [0, 4].map(|city| Centre {
            city,
            point: REGIONS[city].hotspots[0].centre,
        });
        all_series(&centres, &[6575..6606, 6606..6634], &mut draw)
    }

    #[test]
    fn every_kind_of_question_is_asked_once_for_each_centre() {
        let all = series(1);
        let labels: Vec<String> = all.iter().map(Series::to_string).collect();
        for label in [
            "box, 1 x 1 km, all, origin",
            "box, 5 x 5 km, one month, both",
            "polygon, half a city, one month, origin",
            "polygon, a city, all, origin",
            "box as large as the polygon, a city, all, origin",
            "region, all, origin",
        ] {
            let found = labels.iter().filter(|found| *found == label).count();
            assert_eq!(found, 1, "{label} in {labels:?}");
        }
        assert_eq!(all.len(), 32);
        assert!(all.iter().all(|series| series.questions.len() == 2));
    }

    #[test]
    fn the_same_seed_asks_the_same_questions() {
        let questions = |seed| -> Vec<Question> {
            let all = series(seed).into_iter();
            all.flat_map(|series| series.questions).collect()
        };
        assert_eq!(questions(1), questions(1));
        assert_ne!(questions(1), questions(2));
    }

    #[test]
    fn boxes_are_as_large_as_they_are_called_and_hold_their_centre() {
        for series in series(3) {
            let Kind::Box(size @ (Size::OneKm | Size::FiveKm)) = series.kind else {
                continue;
            };
            let metres = if size == Size::OneKm {
                1_000.0
            } else {
                5_000.0
            };
            for question in &series.questions {
                let region = &REGIONS[question.city];
                let bounds = question.bounds().expect("a box has bounds");
                let (lon, lat) = region.degrees(metres);
                assert!((bounds.max_lon - bounds.min_lon - lon).abs() < 1e-9);
                assert!((bounds.max_lat - bounds.min_lat - lat).abs() < 1e-9);
                assert!(bounds.contains(region.hotspots[0].centre));
            }
        }
    }
}
