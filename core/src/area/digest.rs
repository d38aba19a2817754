//! A number for a point, to compare many points by the sum of theirs, whatever their order.

use crate::ingest::parse::point::Point;

/// The digest of a point, by the bits of its coordinates; -0 is 0. The mixing is that of SplitMix64 (Steele, Lea and
/// Flood, 2014).
pub fn digest(point: Point) -> u32 {
    let bits = |value: f64| (value + 0.0).to_bits();
    (mix(mix(bits(point.lon)) ^ bits(point.lat)) >> 32) as u32
}

const fn mix(bits: u64) -> u64 {
    let bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(lon: f64, lat: f64) -> u32 {
        digest(Point { lon, lat })
    }

    #[test]
    fn points_differ_when_a_bit_of_a_coordinate_does() {
        let lon = 14.42_f64;
        let next = f64::from_bits(lon.to_bits() + 1);
        assert_ne!(at(lon, 50.08), at(next, 50.08));
        assert_ne!(at(50.08, lon), at(50.08, next));
        assert_ne!(at(lon, 50.08), at(50.08, lon));
    }

    #[test]
    fn the_sign_of_zero_does_not_matter() {
        assert_eq!(at(0.0, -0.0), at(-0.0, 0.0));
    }
}
