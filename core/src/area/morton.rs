//! Places on the Morton curve (Morton, 1966): near in number, mostly near on the ground.
//!
//! Longitude and latitude are cut into 2^24 steps each (2.4 m of the equator, 1.2 m of a meridian) and their bits
//! interleaved. The curve decides only which trips share a leaf, never what an answer is.

use std::ops::Range;

use crate::ingest::parse::point::Point;

/// Steps of an axis.
const STEPS: f64 = 16_777_216.0;

/// Added to a number of steps, it leaves no bits for a fraction: the nearest integer stands in the lower bits.
const ROUNDER: f64 = (1u64 << 52) as f64;

/// The place of a point on the curve: 48 bits, longitude in the even ones.
pub fn code(point: Point) -> u64 {
    let x = step((point.lon + 180.0) / 360.0);
    let y = step((point.lat + 90.0) / 180.0);
    spread(x) | spread(y) << 1
}

/// The step of a share, 0 to 1, of an axis. What lies outside, which no valid point does, counts as on the edge.
fn step(share: f64) -> u64 {
    // No cast: a processor has these operations for several numbers at a time.
    let steps = share * STEPS;
    let steps = if steps > 0.0 { steps } else { 0.0 };
    let steps = if steps < STEPS { steps } else { STEPS - 1.0 };
    let nearest = steps + ROUNDER;
    let is_above = nearest - ROUNDER > steps;
    nearest.to_bits() - ROUNDER.to_bits() - u64::from(is_above)
}

/// Moves bit `i` of the 32 lower ones to bit `2 i`.
const fn spread(bits: u64) -> u64 {
    let bits = (bits | bits << 16) & 0x0000_ffff_0000_ffff;
    let bits = (bits | bits << 8) & 0x00ff_00ff_00ff_00ff;
    let bits = (bits | bits << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    let bits = (bits | bits << 2) & 0x3333_3333_3333_3333;
    (bits | bits << 1) & 0x5555_5555_5555_5555
}

/// Words from which on [`sort`] is quicker than comparing.
const MANY: usize = 128;

/// The most bits of a digit that [`sort`] sorts by at a time.
const DIGIT_BITS: u32 = 11;

/// Sorts words by their bits in `bits`. Below these, words come in order; above, they have none.
pub(super) fn sort(words: &mut Vec<u64>, spare: &mut Vec<u64>, bits: Range<u32>) {
    if words.len() < MANY {
        return words.sort_unstable();
    }
    let passes = bits.len().div_ceil(DIGIT_BITS as usize) as u32;
    let width = (bits.len() as u32).div_ceil(passes.max(1));
    for pass in 0..passes {
        sort_by_digit(words, spare, bits.start + pass * width, width);
    }
}

/// Sorts words by `width` bits from the bit `shift` on, up to [`DIGIT_BITS`]; leaves the order of equal ones.
pub(super) fn sort_by_digit(words: &mut Vec<u64>, spare: &mut Vec<u64>, shift: u32, width: u32) {
    let digit = |word: u64| (word >> shift) as usize & ((1 << width) - 1);
    let mut places = [0u32; 1 << DIGIT_BITS];
    let places = &mut places[..1 << width];
    for word in &*words {
        places[digit(*word)] += 1;
    }
    let mut before = 0;
    for place in places.iter_mut() {
        before += std::mem::replace(place, before);
    }
    spare.resize(words.len(), 0);
    for word in &*words {
        let place = &mut places[digit(*word)];
        if let Some(slot) = spare.get_mut(*place as usize) {
            *slot = *word;
        }
        *place += 1;
    }
    std::mem::swap(words, spare);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_sorted_by_all_their_bits() {
        for (count, code_bits) in [(0, 0), (1, 9), (127, 48), (128, 0), (944, 21), (3000, 48)] {
            let code = |place: u64| {
                let code = place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 7;
                code & ((1 << code_bits) - 1)
            };
            let mut words: Vec<u64> = (0..count).map(|i| code(i) << 16 | i).collect();
            let mut sorted = words.clone();
            sorted.sort_unstable();
            sort(&mut words, &mut vec![7; 1000], 16..16 + code_bits);
            assert_eq!(words, sorted, "{count} words, {code_bits} bits");
        }
    }

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
    fn a_share_of_an_axis_is_rounded_down_to_a_step_of_it() {
        let steps = [
            0.0,
            0.4,
            0.5,
            0.6,
            1.0,
            1.5,
            2.5,
            3.999,
            STEPS - 0.5,
            STEPS,
            -0.3,
            -9.0,
            1e300,
        ];
        for steps in steps
            .into_iter()
            .flat_map(|steps| [steps, steps.next_up(), steps.next_down()])
        {
            let expected = (steps as u32).min(STEPS as u32 - 1);
            assert_eq!(step(steps / STEPS), u64::from(expected), "{steps}");
        }
        assert_eq!((step(f64::NAN), step(f64::INFINITY)), (0, (1 << 24) - 1));
    }

    #[test]
    fn bits_alternate() {
        assert_eq!(spread(0b1011), 0b100_0101);
        assert_eq!(spread(0xffff_ffff), 0x5555_5555_5555_5555);
    }
}
