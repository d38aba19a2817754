//! One axis of a leaf: the values that its trips have there, as integers from 0.
//!
//! A key stands for a value exactly, and keys are in the order of their values. So a bound on
//! values becomes a bound on keys, and a cell (the upper 16 bits of a key) an interval of values.

use super::{Corrupt, Rect};

/// The most digits behind the decimal point that a scale has.
const MAX_DIGITS: u8 = 13;

/// The powers of ten of the decimal scales: all of them are exact.
const POWERS: [f64; MAX_DIGITS as usize + 1] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13,
];

/// Decimal scales keep to integers below this. There a value times its power of ten is off by less than a
/// half, and no two integers give the same value. 180 degrees with [`MAX_DIGITS`] digits fit.
const MAX_INTEGER: f64 = (1u64 << 51) as f64;

/// Added to a number of less than [`MAX_INTEGER`], it leaves no bits for a fraction: the sum is
/// rounded, and the integer stands in its lower bits.
const ROUNDER: f64 = (3u64 << 51) as f64;

/// What stands for [`Scale::Bits`] where a scale's digits are written.
const BITS: u8 = 0xff;

/// How values become integers.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Scale {
    /// An integer `k` stands for `k / power`, where `power` is ten to the `digits`.
    Decimal { digits: u8, power: f64 },
    /// The bits of the IEEE 754 double, in an order that is that of the values.
    Bits,
}

impl Scale {
    /// The decimal scale with so many digits, if there is one.
    fn decimal(digits: u8) -> Option<Self> {
        let power = *POWERS.get(usize::from(digits))?;
        Some(Scale::Decimal { digits, power })
    }

    /// The decimal scale with the fewest digits that gives all values back, which lie between `min` and `max`.
    fn of_decimals(values: impl Iterator<Item = f64>, min: f64, max: f64) -> Option<Self> {
        let mut digits = 0;
        let mut power = 1.0;
        for value in values {
            // What is an integer at some power of ten is one at any greater power, as long as it is not too large.
            while !is_multiple(value, power) {
                digits += 1;
                power = *POWERS.get(usize::from(digits))?;
            }
        }
        let all_are_small = is_multiple(min, power) && is_multiple(max, power);
        all_are_small.then_some(Scale::Decimal { digits, power })
    }

    /// The integer of a value; a negative one in two's complement.
    #[inline]
    fn integer(self, value: f64) -> u64 {
        match self {
            Scale::Decimal { power, .. } => (value * power + ROUNDER)
                .to_bits()
                .wrapping_sub(ROUNDER.to_bits()),
            // Minus zero becomes plus zero.
            Scale::Bits => ordered_bits(value + 0.0),
        }
    }

    /// The value of an integer.
    #[inline]
    fn value(self, integer: u64) -> f64 {
        match self {
            Scale::Decimal { power, .. } => integer as i64 as f64 / power,
            Scale::Bits => value_of_ordered_bits(integer),
        }
    }
}

/// Whether `value` is the double nearest to `k / power` for an integer `k` below [`MAX_INTEGER`].
#[inline]
fn is_multiple(value: f64, power: f64) -> bool {
    let integer = (value * power + ROUNDER) - ROUNDER;
    integer.abs() < MAX_INTEGER && integer / power == value
}

/// The bits of a double, such that they are ordered as the values are.
#[inline]
fn ordered_bits(value: f64) -> u64 {
    let bits = value.to_bits();
    // All bits of a negative number are turned, and the sign of any other.
    bits ^ ((bits as i64 >> 63) as u64 | 1 << 63)
}

/// The inverse of [`ordered_bits`].
#[inline]
fn value_of_ordered_bits(bits: u64) -> f64 {
    f64::from_bits(bits ^ (!(bits as i64 >> 63) as u64 | 1 << 63))
}

/// The map between the values of one coordinate of a leaf's trips and their keys.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Axis {
    scale: Scale,
    /// The integer of the least value: its key is 0.
    base: u64,
    max_key: u64,
}

/// How the values of keys follow each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spacing {
    /// Keys to a degree: finite or, of doubles near zero, infinite.
    pub keys_per_degree: f64,
    /// The most that a value is off its place, counted from the least one, in keys.
    pub error_keys: f64,
}

impl Axis {
    /// How many bytes [`Axis::write`] adds.
    pub const BYTES: usize = 17;

    /// The axis that needs the fewest bits for `values`, of which there is at least one. All of them
    /// are finite; minus zero counts as zero.
    pub fn fit(values: impl Iterator<Item = f64> + Clone) -> Self {
        let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.clone() {
            // Unlike f64::min, this is one instruction.
            min = if value < min { value } else { min };
            max = if value > max { value } else { max };
        }
        let bits = Self::between(Scale::Bits, min, max);
        match Scale::of_decimals(values, min, max) {
            Some(scale) => {
                let decimal = Self::between(scale, min, max);
                if decimal.max_key <= bits.max_key {
                    decimal
                } else {
                    bits
                }
            }
            None => bits,
        }
    }

    /// The axis whose keys go from the one value to the other.
    fn between(scale: Scale, min: f64, max: f64) -> Self {
        let base = scale.integer(min);
        let max_key = scale.integer(max).wrapping_sub(base);
        Axis {
            scale,
            base,
            max_key,
        }
    }

    /// The key of the greatest value; that of the least is 0.
    pub fn max_key(&self) -> u64 {
        self.max_key
    }

    /// How many bits the greatest key has, 0 to 64; 0 if all values are equal.
    pub fn bits(&self) -> u32 {
        u64::BITS - self.max_key.leading_zeros()
    }

    /// How many low bits of a key its cell leaves out, 0 to 48.
    pub fn shift(&self) -> u32 {
        self.bits().saturating_sub(u16::BITS)
    }

    /// The key of one of the values that the axis was fitted to. Any other value gives some key.
    #[inline]
    pub fn key(&self, value: f64) -> u64 {
        self.scale.integer(value).wrapping_sub(self.base)
    }

    /// The value of a key: never less than that of a lesser key, as long as neither is beyond
    /// [`Axis::max_key`]. A key beyond it gives some number, which need not be finite.
    #[inline]
    pub fn value(&self, key: u64) -> f64 {
        self.scale.value(self.base.wrapping_add(key))
    }

    /// The values of keys, see [`Axis::value`].
    #[inline]
    pub fn values<const N: usize>(&self, keys: &[u64; N]) -> [f64; N] {
        // What the scale is, is asked once for all.
        match self.scale {
            Scale::Bits => keys.map(|key| value_of_ordered_bits(self.base.wrapping_add(key))),
            Scale::Decimal { power, .. } => {
                keys.map(|key| self.base.wrapping_add(key) as i64 as f64 / power)
            }
        }
    }

    /// The cell of one of the values that the axis was fitted to.
    #[inline]
    pub fn cell(&self, value: f64) -> u16 {
        (self.key(value) >> self.shift()) as u16
    }

    /// The least and the greatest value that a trip in `cell` can have. Both grow with the cell.
    pub fn cell_bounds(&self, cell: u16) -> (f64, f64) {
        let shift = self.shift();
        let first = u64::from(cell) << shift;
        let last = first | ((1 << shift) - 1);
        (
            self.value(first.min(self.max_key)),
            self.value(last.min(self.max_key)),
        )
    }

    /// The least key, up to [`Axis::max_key`], whose value is `bound` or more.
    pub fn at_least(&self, bound: f64) -> Option<u64> {
        if bound.is_nan() || bound > self.value(self.max_key) {
            return None;
        }
        if bound <= self.value(0) {
            return Some(0);
        }
        let mut key = self.near(bound);
        while key > 0 && self.value(key - 1) >= bound {
            key -= 1;
        }
        while key < self.max_key && self.value(key) < bound {
            key += 1;
        }
        Some(key)
    }

    /// The greatest key, up to [`Axis::max_key`], whose value is `bound` or less.
    pub fn at_most(&self, bound: f64) -> Option<u64> {
        if bound.is_nan() || bound < self.value(0) {
            return None;
        }
        if bound >= self.value(self.max_key) {
            return Some(self.max_key);
        }
        let mut key = self.near(bound);
        while key < self.max_key && self.value(key + 1) <= bound {
            key += 1;
        }
        while key > 0 && self.value(key) > bound {
            key -= 1;
        }
        Some(key)
    }

    /// A key at most two steps from that of `bound`, which lies between the least and the greatest value:
    /// [`MAX_INTEGER`] says why no key below 0 can come out.
    fn near(&self, bound: f64) -> u64 {
        self.key(bound).min(self.max_key)
    }

    /// The least rectangle around the values that two axes were fitted to.
    pub fn bounds(x: &Axis, y: &Axis) -> Rect {
        Rect {
            min_x: x.value(0),
            min_y: y.value(0),
            max_x: x.value(x.max_key),
            max_y: y.value(y.max_key),
        }
    }

    /// How far apart the values of its keys are; `None` if that differs from one end to the other.
    pub fn spacing(&self) -> Option<Spacing> {
        let (min, max) = (self.value(0), self.value(self.max_key));
        match self.scale {
            Scale::Decimal { power, .. } => Some(Spacing {
                keys_per_degree: power,
                // Each value is rounded, and so is the least one that it is compared with.
                error_keys: min.abs().max(max.abs()) * f64::EPSILON * power,
            }),
            // Doubles of one sign and exponent are evenly spaced.
            Scale::Bits => {
                const EXPONENT: u32 = f64::MANTISSA_DIGITS - 1;
                let is_even = min.to_bits() >> EXPONENT == max.to_bits() >> EXPONENT;
                (is_even && min.is_normal()).then(|| Spacing {
                    keys_per_degree: 1.0 / (min.abs().next_up() - min.abs()),
                    error_keys: 0.0,
                })
            }
        }
    }

    /// Adds the axis to `bytes`: the scale, the least value's integer, the greatest key.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        bytes.push(match self.scale {
            Scale::Decimal { digits, .. } => digits,
            Scale::Bits => BITS,
        });
        bytes.extend_from_slice(&self.base.to_le_bytes());
        bytes.extend_from_slice(&self.max_key.to_le_bytes());
    }

    /// The axis that `bytes` start with; takes it off them.
    ///
    /// # Errors
    /// The bytes end too early, or no finite values have such an axis.
    pub fn read(bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        const SHORT: Corrupt = Corrupt("an axis is cut short");
        let (&scale, rest) = bytes.split_first().ok_or(SHORT)?;
        let (base, rest) = rest.split_first_chunk().ok_or(SHORT)?;
        let (max_key, rest) = rest.split_first_chunk().ok_or(SHORT)?;
        let scale = match scale {
            BITS => Scale::Bits,
            digits => Scale::decimal(digits).ok_or(Corrupt("an axis has no known scale"))?,
        };
        let axis = Axis {
            scale,
            base: u64::from_le_bytes(*base),
            max_key: u64::from_le_bytes(*max_key),
        };
        if !axis.is_sound() {
            return Err(Corrupt("an axis goes beyond finite values"));
        }
        *bytes = rest;
        Ok(axis)
    }

    /// Whether the values of all keys up to the greatest are finite and in the order of the keys.
    fn is_sound(&self) -> bool {
        match self.scale {
            Scale::Decimal { .. } => {
                let small = |integer: i64| integer.unsigned_abs() < MAX_INTEGER as u64;
                let last = (self.base as i64).checked_add_unsigned(self.max_key);
                small(self.base as i64) && last.is_some_and(small)
            }
            Scale::Bits => {
                let last = self.base.checked_add(self.max_key);
                let is_finite = |integer| value_of_ordered_bits(integer).is_finite();
                // Infinities and what is no number stand at both ends of the order.
                is_finite(self.base) && last.is_some_and(is_finite)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(values: &[f64]) -> Axis {
        Axis::fit(values.iter().copied())
    }

    fn written(scale: u8, base: u64, max_key: u64) -> Result<Axis, Corrupt> {
        let bytes = [&[scale], &base.to_le_bytes()[..], &max_key.to_le_bytes()].concat();
        Axis::read(&mut bytes.as_slice())
    }

    #[test]
    fn decimals_are_counted_in_their_last_digit() {
        let axis = fit(&[14.25, 14.3, 14.0]);
        assert_eq!([14.0, 14.25, 14.3].map(|v| axis.key(v)), [0, 25, 30]);
        assert_eq!((axis.bits(), axis.shift()), (5, 0));
        let axis = fit(&[-180.0, 180.0, 0.000_000_000_000_1]);
        assert_eq!(axis.max_key(), 3_600_000_000_000_000);
        assert_eq!((axis.bits(), axis.shift()), (52, 36));
    }

    #[test]
    fn what_is_no_short_decimal_is_counted_in_doubles() {
        let least: f64 = 14.497_379_443_819_5;
        let values = [least, 14.4, least.next_up()];
        let axis = fit(&values);
        assert_eq!(axis.key(values[2]), axis.key(values[0]) + 1);
        assert_eq!(axis.value(axis.max_key()), values[2]);
        // A few steps of the least numbers are fewer than those of any digit.
        let axis = fit(&[f64::from_bits(3), -f64::from_bits(2)]);
        assert_eq!(axis.bits(), 3);
    }

    #[test]
    fn digits_that_one_value_needs_may_be_too_many_for_another() {
        for values in [[1e15, 0.5], [-1e15, 0.5], [0.5, 1e15], [1e3, 1e-13]] {
            let axis = fit(&values);
            assert_eq!(values.map(|v| axis.value(axis.key(v))), values);
            let mut bytes = Vec::new();
            axis.write(&mut bytes);
            assert_eq!(Axis::read(&mut bytes.as_slice()), Ok(axis));
        }
    }

    #[test]
    fn one_value_takes_no_bits() {
        for value in [0.0, -0.0, 14.5, 14.497_379_443_819_5, f64::MAX, f64::MIN] {
            let axis = fit(&[value, value]);
            assert_eq!((axis.bits(), axis.shift(), axis.max_key()), (0, 0, 0));
            assert_eq!((axis.key(value), axis.cell(value)), (0, 0));
            assert_eq!(axis.cell_bounds(0), (value, value));
            assert_eq!(
                (axis.at_least(value), axis.at_most(value)),
                (Some(0), Some(0))
            );
            assert_eq!(axis.at_least(value.next_up()), None);
            assert_eq!(axis.at_most(value.next_down()), None);
        }
    }

    #[test]
    fn zero_has_one_key_for_both_signs() {
        for values in [[-0.0, 1.0], [-1.0, -0.0], [-1e-320, 1e-320]] {
            let axis = fit(&values);
            assert_eq!(axis.key(0.0), axis.key(-0.0));
            assert_eq!(axis.value(axis.key(-0.0)).to_bits(), 0);
            for zero in [0.0, -0.0] {
                let (least, greatest) = (axis.at_least(zero), axis.at_most(zero));
                assert_eq!(least.map(|key| axis.value(key)), Some(0.0));
                assert_eq!(greatest.map(|key| axis.value(key)), Some(0.0));
            }
        }
    }

    #[test]
    fn all_doubles_have_keys() {
        let axis = fit(&[f64::MIN, 0.1, f64::MAX]);
        assert_eq!((axis.bits(), axis.shift()), (64, 48));
        assert_eq!(axis.value(axis.max_key()), f64::MAX);
        assert_eq!(axis.cell_bounds(u16::MAX), (f64::MAX, f64::MAX));
        assert_eq!(axis.at_least(f64::INFINITY), None);
        assert_eq!(axis.at_most(f64::INFINITY), Some(axis.max_key()));
        assert_eq!(axis.at_least(f64::NEG_INFINITY), Some(0));
    }

    #[test]
    fn an_axis_beyond_finite_values_is_refused() {
        let infinity = ordered_bits(f64::INFINITY);
        assert!(written(BITS, infinity - 2, 1).is_ok());
        for (scale, base, max_key) in [
            (BITS, infinity, 0),
            (BITS, infinity - 2, 2),
            (BITS, 0, 0),
            (BITS, u64::MAX, 1),
            (14, 0, 0),
            (13, 1 << 51, 0),
            (13, (1 << 51) - 1, 1),
            (0, i64::MIN as u64, 0),
            (0, 0, u64::MAX),
        ] {
            assert!(
                written(scale, base, max_key).is_err(),
                "{scale} {base} {max_key}"
            );
        }
        let mut bytes = Vec::new();
        fit(&[1.5]).write(&mut bytes);
        for length in 0..Axis::BYTES {
            assert!(Axis::read(&mut &bytes[..length]).is_err());
        }
    }
}
