//! The frame of a map: a box of longitudes and latitudes, drawn so that a kilometre is as long eastwards as northwards.

/// Mean radius of the earth in kilometres.
const RADIUS: f64 = 6371.0088;

/// Kilometres in a degree of a great circle.
pub const KM_PER_DEGREE: f64 = RADIUS * std::f64::consts::PI / 180.0;

/// What a frame is at least high and wide, in kilometres: trips may all be at one place.
const LEAST_KM: f64 = 0.5;

/// How much wider than high a frame may be, and the other way round.
const MOST_ASPECT: f64 = 1.6;

/// What is left free around the trips, as a part of the frame.
const MARGIN: f64 = 0.04;

/// Part of the globe that a map shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame {
    /// Longitude of the western edge in degrees.
    pub west: f64,
    /// Latitude of the southern edge in degrees.
    pub south: f64,
    /// Degrees from the western edge to the eastern one, which may lie beyond the antimeridian.
    pub width: f64,
    /// Degrees from the southern edge to the northern one.
    pub height: f64,
}

impl Frame {
    /// The frame around a box, with a margin, neither very wide nor very high. The box may be a point.
    pub fn around(west: f64, south: f64, width: f64, height: f64) -> Frame {
        let middle = (west + width / 2.0, south + height / 2.0);
        let shrink = eastward(middle.1);
        let (east_km, north_km) = (
            (width * shrink * KM_PER_DEGREE).max(LEAST_KM),
            (height * KM_PER_DEGREE).max(LEAST_KM),
        );
        let grow = 1.0 + 2.0 * MARGIN;
        let east_km = east_km.max(north_km / MOST_ASPECT) * grow;
        let north_km = north_km.max(east_km / grow / MOST_ASPECT) * grow;
        let width = (east_km / KM_PER_DEGREE / shrink).min(360.0);
        let height = (north_km / KM_PER_DEGREE).min(180.0);
        let south = (middle.1 - height / 2.0).clamp(-90.0, 90.0 - height);
        Frame {
            west: wrapped(middle.0 - width / 2.0),
            south,
            width,
            height,
        }
    }

    /// Latitude of the middle, for which lengths are right.
    pub fn latitude(&self) -> f64 {
        self.south + self.height / 2.0
    }

    /// Width in kilometres along the middle.
    pub fn width_km(&self) -> f64 {
        self.width * eastward(self.latitude()) * KM_PER_DEGREE
    }

    /// Height in kilometres.
    pub fn height_km(&self) -> f64 {
        self.height * KM_PER_DEGREE
    }

    /// Square kilometres.
    pub fn area(&self) -> f64 {
        self.width_km() * self.height_km()
    }

    /// Cells of a grid whose longer side has `most`: columns and rows, multiples of 3. Its cells are nearly square.
    pub fn grid(&self, most: i32) -> (i32, i32) {
        let (width, height) = (self.width_km(), self.height_km());
        let thirds = |side: f64| (side / width.max(height) * f64::from(most) / 3.0).round() as i32;
        let cells = |side: f64| thirds(side).max(1) * 3;
        (cells(width), cells(height))
    }
}

/// How long a degree of longitude is at a latitude, as a part of one of latitude; never nothing, not even at a pole.
fn eastward(latitude: f64) -> f64 {
    latitude.to_radians().cos().max(0.01)
}

/// A longitude from -180 up to, but without, 180.
pub fn wrapped(longitude: f64) -> f64 {
    (longitude + 180.0).rem_euclid(360.0) - 180.0
}

/// The greatest length of 1, 2 or 5 times a power of ten that is no longer than `most`.
pub fn round_length(most: f64) -> f64 {
    let power = 10f64.powf(most.log10().floor());
    let fits = [5.0, 2.0]
        .into_iter()
        .find(|step| step * power <= most * (1.0 + 1e-9));
    fits.unwrap_or(1.0) * power
}

/// Multiples of a round step within a range, at most `most` of them.
pub fn ticks(from: f64, length: f64, most: f64) -> Vec<f64> {
    let mut step = round_length(length / most);
    while (length / step).floor() > most {
        step *= if is_two(step) { 2.5 } else { 2.0 };
    }
    let first = (from / step).ceil() as i64;
    let last = ((from + length) / step).floor() as i64;
    (first..=last).map(|number| number as f64 * step).collect()
}

/// Whether a step begins with a 2: the one after which 5 follows.
fn is_two(step: f64) -> bool {
    let lead = step / 10f64.powf((step * (1.0 + 1e-9)).log10().floor());
    (lead - 2.0).abs() < 0.1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kilometres between two places along the great circle.
    fn haversine(a: (f64, f64), b: (f64, f64)) -> f64 {
        let half = |from: f64, to: f64| ((to - from).to_radians() / 2.0).sin().powi(2);
        let across = a.1.to_radians().cos() * b.1.to_radians().cos();
        2.0 * RADIUS * (half(a.1, b.1) + across * half(a.0, b.0)).sqrt().asin()
    }

    #[test]
    fn a_kilometre_on_a_map_is_a_kilometre_on_the_ground() {
        for (lon, lat) in [
            (-74.04, 40.72),
            (9.99, 53.55),
            (18.42, -33.92),
            (25.73, 66.5),
            (103.8, 1.3),
        ] {
            let frame = Frame::around(lon, lat, 0.3, 0.2);
            let (west, east) = (frame.west, frame.west + frame.width);
            let width = haversine((west, frame.latitude()), (east, frame.latitude()));
            assert!(
                (frame.width_km() / width - 1.0).abs() < 0.01,
                "{lon} {lat}: {width}"
            );
            let height = haversine((lon, frame.south), (lon, frame.south + frame.height));
            assert!((frame.height_km() / height - 1.0).abs() < 0.01);
        }
    }

    #[test]
    fn a_frame_holds_its_box_even_a_point_or_a_line() {
        for (width, height) in [
            (0.0, 0.0),
            (0.5, 0.0),
            (0.0, 0.5),
            (0.2, 0.3),
            (340.0, 100.0),
        ] {
            let frame = Frame::around(-20.0, -40.0, width, height);
            assert!(wrapped(-20.0 - frame.west) >= 0.0, "{frame:?}");
            assert!(frame.width >= width && frame.height >= height);
            let aspect = frame.width_km() / frame.height_km();
            assert!((0.6..=1.7).contains(&aspect) || width > 300.0, "{aspect}");
        }
    }

    #[test]
    fn a_frame_across_the_antimeridian_begins_west_of_it() {
        let frame = Frame::around(179.9, -17.0, 0.3, 0.3);
        assert!((179.0..180.0).contains(&frame.west));
        assert!(frame.west + frame.width > 180.0);
    }

    #[test]
    fn a_frame_stays_on_the_globe() {
        for lat in [-90.0, 89.9, 90.0] {
            let frame = Frame::around(0.0, lat, 0.0, 0.0);
            assert!(frame.south >= -90.0 && frame.south + frame.height <= 90.0);
            assert!(frame.width <= 360.0);
        }
    }

    #[test]
    fn grids_have_cells_that_are_nearly_square() {
        let frame = Frame::around(9.8, 53.4, 0.5, 0.2);
        let (columns, rows) = frame.grid(48);
        let (width, height) = (
            frame.width_km() / f64::from(columns),
            frame.height_km() / f64::from(rows),
        );
        assert!((width / height - 1.0).abs() < 0.1);
        assert_eq!(columns.max(rows), 48);
    }

    #[test]
    fn lengths_are_round() {
        let rounded = [0.7, 1.0, 3.9, 5.0, 7.3, 19.0, 0.0234].map(round_length);
        for (length, expected) in rounded
            .into_iter()
            .zip([0.5, 1.0, 2.0, 5.0, 5.0, 10.0, 0.02])
        {
            assert!((length - expected).abs() < 1e-9, "{length} {expected}");
        }
    }

    #[test]
    fn ticks_are_round_and_few() {
        let near = |found: Vec<f64>, expected: &[f64]| {
            assert_eq!(found.len(), expected.len(), "{found:?}");
            assert!(
                found
                    .iter()
                    .zip(expected)
                    .all(|(a, b)| (a - b).abs() < 1e-9),
                "{found:?}"
            );
        };
        near(
            ticks(0.0, 100.0, 5.0),
            &[0.0, 20.0, 40.0, 60.0, 80.0, 100.0],
        );
        near(ticks(9.83, 0.3, 3.0), &[9.9, 10.0, 10.1]);
        near(ticks(-0.25, 0.5, 5.0), &[-0.2, -0.1, 0.0, 0.1, 0.2]);
    }
}
