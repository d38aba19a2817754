//! Places on the Morton curve (Morton, 1966): near in number, mostly near on the ground.
//!
//! Longitude and latitude are cut into 2^24 steps each (2.4 m of the equator, 1.2 m of a meridian) and their bits
//! interleaved. The curve decides only which trips share a leaf, never what an answer is.

use crate::ingest::parse::point::Point;

/// Steps of an axis.
const STEPS: f64 = 16_777_216.0;

/// The place of a point on the curve: 48 bits, longitude in the even ones.
pub fn code(point: Point) -> u64 {
    let x = step((point.lon + 180.0) / 360.0);
    let y = step((point.lat + 90.0) / 180.0);
    spread(x) | spread(y) << 1
}

/// The step of a share, 0 to 1, of an axis.
fn step(share: f64) -> u64 {
    // The cast saturates: what lies outside, which no valid point does, counts as on the edge.
    u64::from(((share * STEPS) as u32).min(STEPS as u32 - 1))
}

/// Moves bit `i` of the 32 lower ones to bit `2 i`.
const fn spread(bits: u64) -> u64 {
    let bits = (bits | bits << 16) & 0x0000_ffff_0000_ffff;
    let bits = (bits | bits << 8) & 0x00ff_00ff_00ff_00ff;
    let bits = (bits | bits << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    let bits = (bits | bits << 2) & 0x3333_3333_3333_3333;
    (bits | bits << 1) & 0x5555_5555_5555_5555
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(lon: f64, lat: f64) -> u64 {
        code(Point { lon, lat })
    }

    #[test]
    fn the_corners_of_the_world_are_the_ends_of_the_curve() {
        assert_eq!(at(-180.0, -90.0), 0);
        assert_eq!(at(180.0, 90.0), (1 << 48) - 1);
        assert_eq!(at(180.0, -90.0), 0x5555_5555_5555);
    }

    #[test]
    fn a_quarter_of_the_world_is_a_quarter_of_the_curve() {
        assert_eq!(at(-0.1, -0.1) >> 46, 0);
        assert_eq!(at(0.1, -0.1) >> 46, 1);
        assert_eq!(at(-0.1, 0.1) >> 46, 2);
        assert_eq!(at(0.1, 0.1) >> 46, 3);
    }

    #[test]
    fn bits_alternate() {
        assert_eq!(spread(0b1011), 0b100_0101);
        assert_eq!(spread(0xffff_ffff), 0x5555_5555_5555_5555);
    }
}
