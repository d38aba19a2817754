//! The cities of the generated trips: their boxes, their hot spots, and points drawn in them.

use crate::draw::Draw;

/// A point in degrees on WGS84.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Degrees east.
    pub lon: f64,
    /// Degrees north.
    pub lat: f64,
}

impl Point {
    /// Appends `POINT (lon lat)`, each number in the fewest digits that read back as the same double.
    pub(super) fn write_wkt(self, out: &mut Vec<u8>) {
        let mut digits = zmij::Buffer::new();
        out.extend_from_slice(b"POINT (");
        out.extend_from_slice(digits.format_finite(self.lon).as_bytes());
        out.push(b' ');
        out.extend_from_slice(digits.format_finite(self.lat).as_bytes());
        out.push(b')');
    }
}

/// A place where many trips start and end: a station, an airport, a square.
#[derive(Clone, Copy, Debug)]
pub struct Hotspot {
    /// Its middle.
    pub centre: Point,
    /// Standard deviation of the ends around it, in metres along either axis.
    pub spread: f64,
}

/// A city: the region of a trip.
#[derive(Clone, Copy, Debug)]
pub struct Region {
    /// The name in the column `region`.
    pub name: &'static str,
    /// South-west corner of the box that holds all its points.
    pub south_west: Point,
    /// North-east corner of that box.
    pub north_east: Point,
    /// Metres that a degree of longitude spans at its latitude.
    metres_per_lon: f64,
    /// Where half of the trips start and end.
    pub hotspots: [Hotspot; 5],
}

/// Metres that a degree of latitude spans, near enough anywhere in Europe.
const METRES_PER_LAT: f64 = 111_200.0;

const fn at(lon: f64, lat: f64) -> Point {
    Point { lon, lat }
}

const fn spot(lon: f64, lat: f64, spread: f64) -> Hotspot {
    Hotspot {
        centre: at(lon, lat),
        spread,
    }
}

/// The cities that files can hold; new ones go to the end, so that the files of fewer stay as they are.
pub static REGIONS: [Region; 5] = [
    Region {
        name: "Prague",
        south_west: at(14.31, 49.99),
        north_east: at(14.67, 50.13),
        metres_per_lon: 71_500.0,
        hotspots: [
            spot(14.4350, 50.0830, 250.0), // main station
            spot(14.4213, 50.0875, 400.0), // old town
            spot(14.4090, 50.0600, 250.0), // Smichov station
            spot(14.4403, 50.1094, 200.0), // Holesovice station
            spot(14.4909, 50.0316, 350.0), // Chodov
        ],
    },
    Region {
        name: "Turin",
        south_west: at(7.51, 44.97),
        north_east: at(7.78, 45.14),
        metres_per_lon: 78_700.0,
        hotspots: [
            spot(7.6783, 45.0617, 250.0), // Porta Nuova station
            spot(7.6651, 45.0719, 200.0), // Porta Susa station
            spot(7.6855, 45.0710, 400.0), // Piazza Castello
            spot(7.6640, 45.0320, 300.0), // Lingotto
            spot(7.6130, 45.0330, 450.0), // Mirafiori
        ],
    },
    Region {
        name: "Hamburg",
        south_west: at(9.78, 53.41),
        north_east: at(10.22, 53.66),
        metres_per_lon: 66_200.0,
        hotspots: [
            spot(10.0067, 53.5528, 250.0), // central station
            spot(9.9350, 53.5523, 250.0),  // Altona station
            spot(9.9882, 53.6304, 400.0),  // airport
            spot(9.9990, 53.5413, 350.0),  // HafenCity
            spot(9.9917, 53.4560, 300.0),  // Harburg station
        ],
    },
    Region {
        name: "Lyon",
        south_west: at(4.75, 45.70),
        north_east: at(4.95, 45.81),
        metres_per_lon: 77_800.0,
        hotspots: [
            spot(4.8594, 45.7605, 300.0), // Part-Dieu station
            spot(4.8263, 45.7485, 250.0), // Perrache station
            spot(4.8320, 45.7578, 400.0), // Place Bellecour
            spot(4.8048, 45.7805, 250.0), // Vaise station
            spot(4.8322, 45.7233, 350.0), // Gerland
        ],
    },
    Region {
        name: "Porto",
        south_west: at(-8.70, 41.11),
        north_east: at(-8.55, 41.20),
        metres_per_lon: 83_900.0,
        hotspots: [
            spot(-8.5853, 41.1487, 250.0), // Campanha station
            spot(-8.6103, 41.1456, 300.0), // Sao Bento station
            spot(-8.6290, 41.1580, 400.0), // Boavista
            spot(-8.6010, 41.1817, 250.0), // Sao Joao hospital
            spot(-8.6850, 41.1840, 300.0), // Matosinhos market
        ],
    },
];

impl Region {
    /// Whether the region's box, its edges included, holds `point`.
    #[must_use]
    pub fn contains(&self, point: Point) -> bool {
        (self.south_west.lon..=self.north_east.lon).contains(&point.lon)
            && (self.south_west.lat..=self.north_east.lat).contains(&point.lat)
    }

    /// The degrees of longitude and of latitude that span so many metres there.
    #[must_use]
    pub fn degrees(&self, metres: f64) -> (f64, f64) {
        (metres / self.metres_per_lon, metres / METRES_PER_LAT)
    }

    /// Draws a point, with probability `hotspot_share` at a hot spot.
    pub(super) fn draw_point(&'static self, draw: &mut Draw, hotspot_share: f64) -> Point {
        if draw.uniform() < hotspot_share {
            self.draw_at_hotspot(draw)
        } else {
            self.draw_anywhere(draw)
        }
    }

    fn draw_at_hotspot(&'static self, draw: &mut Draw) -> Point {
        let Hotspot { centre, spread } = *draw.pick(&self.hotspots);
        Point {
            lon: centre.lon + draw.normal() * (spread / self.metres_per_lon),
            lat: centre.lat + draw.normal() * (spread / METRES_PER_LAT),
        }
    }

    /// Anywhere in the box, denser towards its middle: the mean of two draws.
    fn draw_anywhere(&self, draw: &mut Draw) -> Point {
        let mut between = |low: f64, high: f64| {
            let share = (draw.uniform() + draw.uniform()) / 2.0;
            low + share * (high - low)
        };
        Point {
            lon: between(self.south_west.lon, self.north_east.lon),
            lat: between(self.south_west.lat, self.north_east.lat),
        }
    }

    /// Whether `point` lies within what a hot spot's draws can reach.
    #[cfg(test)]
    pub(super) fn near_hotspot(&self, point: Point) -> bool {
        self.hotspots.iter().any(|hotspot| {
            let reach = Draw::NORMAL_LIMIT * hotspot.spread;
            ((point.lon - hotspot.centre.lon) * self.metres_per_lon).abs() <= reach
                && ((point.lat - hotspot.centre.lat) * METRES_PER_LAT).abs() <= reach
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reach_of_every_hot_spot_is_inside_its_region() {
        for region in &REGIONS {
            for hotspot in &region.hotspots {
                let reach = Draw::NORMAL_LIMIT * hotspot.spread;
                let lon = reach / region.metres_per_lon;
                let lat = reach / METRES_PER_LAT;
                let Point { lon: x, lat: y } = hotspot.centre;
                assert!(region.contains(at(x - lon, y - lat)), "{}", region.name);
                assert!(region.contains(at(x + lon, y + lat)), "{}", region.name);
            }
        }
    }
}
