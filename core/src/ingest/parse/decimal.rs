//! Decimal numbers as coordinates mostly are: one to three digits, a point, and up to sixteen more.
//!
//! Digits are read eight at a time, as the bytes of a word (Lemire, "Quickly parsing eight digits", 2018). They make an
//! integer and a power of ten, whose quotient is rounded once, or left to the library that reads all numbers.

/// The most digits before the point, and after it; all of them make an integer below 2^64.
const MOST_WHOLE: u32 = 3;
const MOST_FRACTION: usize = 16;

const POWERS_OF_TEN: [u64; MOST_FRACTION + 1] = {
    let mut powers = [1; MOST_FRACTION + 1];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

/// Of each power of ten, the reciprocal as 64 bits whose highest is set, rounded down; and the exponent of a double that
/// scales the product in [`quotient`].
const RECIPROCALS: [(u64, u64); MOST_FRACTION + 1] = {
    let mut reciprocals = [(0, 0); MOST_FRACTION + 1];
    let mut at = 0;
    while at < reciprocals.len() {
        let power = POWERS_OF_TEN[at];
        let bits = u64::BITS - (power - 1).leading_zeros();
        let reciprocal = (1u128 << (63 + bits)) / power as u128;
        reciprocals[at] = (reciprocal as u64, 1023 + 2 - bits as u64);
        at += 1;
    }
    reciprocals
};

/// Of a word, the bytes of its last digits, by how many these are.
const LAST_DIGITS: [u64; 9] = {
    let mut masks = [0; 9];
    let mut count = 1;
    while count < masks.len() {
        masks[count] = u64::MAX << (u64::BITS as usize - 8 * count);
        count += 1;
    }
    masks
};

/// Two numbers with one space between them; `None` says nothing of what `text` is.
#[inline]
pub(super) fn parse_two(text: &[u8]) -> Option<(f64, f64)> {
    let (first, second) = split(text)?;
    Some((parse(first)?, parse(second)?))
}

/// What is before and behind the first space of the sixteen bytes from `SKIPPED` on.
#[inline(always)]
fn split(text: &[u8]) -> Option<(&[u8], &[u8])> {
    const SKIPPED: usize = 5;
    let bytes: &[u8; 16] = text.get(SKIPPED..)?.first_chunk()?;
    let places = bytes.as_chunks().0.iter();
    let mut places = places.map(|bytes| first_zero_byte(word(bytes) ^ all(b' ')) as usize);
    let (place, next) = (places.next()?, places.next()?);
    let space = SKIPPED + if place < 8 { place } else { 8 + next };
    let (first, rest) = text.split_at_checked(space)?;
    Some((first, rest.strip_prefix(b" ")?))
}

/// The number that `text` is, of at least eight bytes behind its sign; `None` says nothing of what it is.
#[inline(always)]
fn parse(text: &[u8]) -> Option<f64> {
    let is_negative = text.starts_with(b"-");
    let text = text.get(usize::from(is_negative)..)?;
    let begin = word(text.first_chunk()?);
    let whole_length = first_zero_byte(begin ^ all(b'.'));
    if !(1..=MOST_WHOLE).contains(&whole_length) {
        return None;
    }
    let fraction = text.get(whole_length as usize + 1..)?;
    let length = fraction.len();
    // Its first eight digits, where it has more, and those behind.
    let (high, low_length) = match fraction.first_chunk() {
        Some(high) => (word(high), length - 8),
        None => (all(b'0'), length),
    };
    let whole = digits(
        begin << (u64::BITS - whole_length * 8),
        whole_length as usize,
    )?;
    let high = digits(high, 8)?;
    let low = digits(word(text.last_chunk()?), low_length)?;
    // One question for all three: without it, a branch for each.
    if !(whole.are_all() & high.are_all() & low.are_all()) {
        return None;
    }
    let (scale, low_scale) = (POWERS_OF_TEN.get(length)?, POWERS_OF_TEN.get(low_length)?);
    let integer = whole.number_of_three() * scale + high.number() * low_scale + low.number();
    let sign = u64::from(is_negative) << 63;
    Some(f64::from_bits(quotient(integer, length)?.to_bits() | sign))
}

/// Eight digits, 0 to 9 each; the first is the lowest byte.
#[derive(Clone, Copy)]
struct Digits(u64);

/// The last `count` bytes of a word as digits, up to eight, with zeros for the others.
#[inline(always)]
fn digits(word: u64, count: usize) -> Option<Digits> {
    Some(Digits((word ^ all(b'0')) & LAST_DIGITS.get(count)?))
}

impl Digits {
    /// Whether they are digits.
    #[inline(always)]
    fn are_all(self) -> bool {
        let carried = (self.0 & all(0x7f)) + all(0x7f - 9);
        (carried | self.0) & all(0x80) == 0
    }

    /// Their number. The bytes of a word become pairs, those fours, those all eight.
    #[inline(always)]
    fn number(self) -> u64 {
        let pairs = self.0 * 10 + (self.0 >> 8);
        let [even, odd] = [pairs, pairs >> 16].map(|pairs| pairs & 0x0000_00ff_0000_00ff);
        let even = even.wrapping_mul(100 + (1_000_000 << 32));
        let odd = odd.wrapping_mul(1 + (10_000 << 32));
        even.wrapping_add(odd) >> 32
    }

    /// Their number where all but the last three are zeros.
    #[inline(always)]
    fn number_of_three(self) -> u64 {
        let [.., hundreds, tens, ones] = self.0.to_le_bytes().map(u64::from);
        hundreds * 100 + tens * 10 + ones
    }
}

const fn word(bytes: &[u8; 8]) -> u64 {
    u64::from_le_bytes(*bytes)
}

/// A word of bytes that are all alike.
const fn all(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Which byte is the first one that is zero, counted from the lowest; 8 where none is.
const fn first_zero_byte(word: u64) -> u32 {
    // The highest bit of each byte that is zero; of those above the first one, of others too.
    let zeros = word.wrapping_sub(all(1)) & !word & all(0x80);
    zeros.trailing_zeros() / 8
}

/// The double next to `integer / 10^power`; `None` where that lies too near the middle of two.
#[inline(always)]
fn quotient(integer: u64, power: usize) -> Option<f64> {
    if integer == 0 {
        return Some(0.0);
    }
    let (reciprocal, exponent) = *RECIPROCALS.get(power)?;
    let up = integer.leading_zeros();
    let product = u128::from(integer << up) * u128::from(reciprocal);
    // 61 to 63 bits. The reciprocal lacks less than one, so the product less than 2^64, and this less than 2. If the same
    // double is next to both ends, it is next to all that lies between them.
    let least = (product >> 65) as i64;
    let (low, high) = (least as f64, (least + 2) as f64);
    let scale = f64::from_bits((exponent - u64::from(up)) << 52);
    (low == high).then_some(low * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_standard_library() {
        for text in [
            "14.4973794438195",
            "-8.608545197981435",
            "50.056836596343594",
            "0.1234567890123456",
            "999.9999999999999999",
            "-0.000000",
            "-179.50000",
            "45.12345",
            "45.1234567",
            "7.12345678",
            "7.123456789",
            "100.0000",
        ] {
            let number: f64 = text.parse().unwrap();
            let bits = parse(text.as_bytes()).map(f64::to_bits);
            assert_eq!(bits, Some(number.to_bits()), "{text}");
        }
    }

    #[test]
    fn nearly_all_numbers_are_read_here_and_none_other_than_by_the_standard_library() {
        let (mut random, mut left) = (1u64, 0);
        for _ in 0..100_000 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let digits = 6 + (random >> 32) as usize % 11;
            let degrees = (random >> 11) as f64 / (1u64 << 53) as f64 * 360.0 - 180.0;
            let text = format!("{degrees:.digits$}");
            match parse(text.as_bytes()) {
                Some(number) => assert_eq!(Ok(number), text.parse(), "{text}"),
                None => left += 1,
            }
        }
        assert!(left < 1_000, "{left}");
    }

    #[test]
    fn a_quotient_is_the_double_next_to_it_or_left() {
        // In the middle of two doubles, the one below being even.
        assert_eq!(quotient((1 << 53) + 1, 0), None);
        for integer in [1, 12, u64::MAX, u64::MAX - 1023, 1 << 63, (1 << 54) - 1] {
            for power in 0..=MOST_FRACTION {
                let expected: f64 = format!("{integer}e-{power}").parse().unwrap();
                let number = quotient(integer, power);
                assert!(
                    number.is_none_or(|number| number == expected),
                    "{integer} {power}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_such_number_is_left() {
        for text in [
            "",
            "-",
            "1.5",
            "1234.5678",
            "12345678",
            ".12345678",
            "+1.2345678",
            "--1.2345678",
            "1.23456e78",
            "1.2345678e1",
            "1.234.5678",
            "1.2345678 ",
            "1 .2345678",
            "1.234:5678",
            "1.234/5678",
            "1:.2345678",
            "1.12345678901234567",
            "1.23456789012345\u{663}",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
        // A five but for the highest bit.
        assert_eq!(parse(b"1.234567\xb58"), None);
    }

    #[test]
    fn two_numbers_have_one_space_between_them() {
        let numbers = parse_two(b"-8.608545197981435 41.13604909480644");
        assert_eq!(numbers, Some((-8.608545197981435, 41.13604909480644)));
        let numbers = parse_two(b"-108.6085451979814356 41.13604909480644");
        assert_eq!(numbers, Some((-108.60854519798144, 41.13604909480644)));
        for text in [
            "-8.608545197981435  41.13604909480644",
            "-8.608545197981435 41.13604909480644 ",
            "-8.608545197981435,41.13604909480644",
            "-8.60 41.13",
            "-108.6085451979814356,41.13604909480644",
            "-108.6085451979814356741.13604909480644",
            "",
        ] {
            assert_eq!(parse_two(text.as_bytes()), None, "{text}");
        }
    }
}
