//! Integers side by side in as many bits each as the greatest needs, the lowest bits first.

use crate::area::Corrupt;

/// How many integers are read at a time where all are.
pub(super) const BATCH: usize = 64;

/// Bytes of a word.
const WORD: usize = 8;

/// Adds integers of `width` bits, 0 to 64; fills up the last byte with zeros.
pub(super) fn pack(integers: impl ExactSizeIterator<Item = u64>, width: u32, bytes: &mut Vec<u8>) {
    if width == 0 {
        return;
    }
    let start = bytes.len();
    let bits = integers.len() * width as usize;
    bytes.resize(start + bits.div_ceil(64) * 8, 0);
    let mut words = bytes[start..].as_chunks_mut().0.iter_mut();
    let (mut word, mut filled) = (0u64, 0);
    for integer in integers {
        word |= integer << filled;
        filled += width;
        if filled >= u64::BITS {
            if let Some(bytes) = words.next() {
                *bytes = word.to_le_bytes();
            }
            filled -= u64::BITS;
            // What found no room. If all found it, that may be a shift by 64.
            word = integer.checked_shr(width - filled).unwrap_or(0);
        }
    }
    if let Some(bytes) = words.next() {
        *bytes = word.to_le_bytes();
    }
    bytes.truncate(start + bits.div_ceil(8));
}

/// Integers that are packed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packed<'a> {
    /// From the first integer on. What follows the last one is there too, so that words can be read whole.
    bytes: &'a [u8],
    width: u32,
    mask: u64,
}

impl<'a> Packed<'a> {
    /// So many integers at the start of `bytes`; takes them off. A width of more than 64 is taken for 64.
    pub(super) fn read(bytes: &mut &'a [u8], count: usize, width: u32) -> Result<Self, Corrupt> {
        let length = (count * width as usize).div_ceil(8);
        let (_, rest) = bytes
            .split_at_checked(length)
            .ok_or(Corrupt("a column of a leaf is cut short"))?;
        let packed = Packed {
            bytes,
            width,
            mask: u64::MAX.checked_shr(u64::BITS - width).unwrap_or(0),
        };
        *bytes = rest;
        Ok(packed)
    }

    /// The integers from `from` on, see [`Packed::get`].
    pub(super) fn batch(&self, from: usize) -> [u64; BATCH] {
        let width = self.width as usize;
        if width > 57 {
            return std::array::from_fn(|i| self.get(from + i));
        }
        // Integers of so few bits lie in the word that begins with their first byte, wherever that is. In a copy
        // of a fixed length no word needs to be asked whether it is there.
        let mut bytes = [0; 8 * BATCH + WORD];
        let mut bit = from.wrapping_mul(width);
        let tail = self.bytes.get(bit / 8..).unwrap_or_default();
        bytes
            .iter_mut()
            .zip(tail)
            .for_each(|(byte, read)| *byte = *read);
        bit %= 8;
        std::array::from_fn(|_| {
            let first = bit / 8 % (8 * BATCH);
            let word = word(&bytes[first..first + WORD]) >> (bit % 8);
            bit += width;
            word & self.mask
        })
    }

    /// Integer `i`; where there is none, some number.
    #[inline]
    pub(super) fn get(&self, i: usize) -> u64 {
        let bit = i.wrapping_mul(self.width as usize);
        let (byte, shift) = (bit / 8, bit as u32 % 8);
        let tail = self.bytes.get(byte..).unwrap_or_default();
        let mut integer = word(tail) >> shift;
        if shift + self.width > u64::BITS {
            let last = tail.get(8).copied().unwrap_or_default();
            integer |= u64::from(last) << (u64::BITS - shift);
        }
        integer & self.mask
    }
}

/// The word at the start of `bytes`; zeros where they end.
#[inline]
fn word(bytes: &[u8]) -> u64 {
    match bytes.first_chunk() {
        Some(word) => u64::from_le_bytes(*word),
        None => bytes
            .iter()
            .rev()
            .fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_any_width_are_given_back() {
        for width in 0..=64 {
            let mask = u64::MAX.checked_shr(64 - width).unwrap_or(0);
            let integers: Vec<u64> = (1..=70u64)
                .map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15) & mask)
                .collect();
            for count in [1, 2, 8, 64, 70] {
                let integers = &integers[..count];
                let mut bytes = vec![];
                pack(integers.iter().copied(), width, &mut bytes);
                assert_eq!(bytes.len(), (count * width as usize).div_ceil(8));
                for rest in [0, 20] {
                    bytes.resize(bytes.len() + rest, 0xff);
                    let mut left = bytes.as_slice();
                    let packed = Packed::read(&mut left, count, width).unwrap();
                    assert_eq!(left.len(), rest);
                    let read: Vec<u64> = (0..count).map(|i| packed.get(i)).collect();
                    assert_eq!(read, integers, "{width} bits");
                    for from in [0, count / 2] {
                        let (read, expected) = (packed.batch(from), &integers[from..]);
                        let some = expected.len().min(BATCH);
                        assert_eq!(read[..some], expected[..some], "{width} bits");
                    }
                }
            }
        }
    }

    #[test]
    fn bytes_that_are_too_few_are_refused() {
        assert!(Packed::read(&mut &[0; 7][..], 8, 7).is_ok());
        assert!(Packed::read(&mut &[0; 7][..], 9, 7).is_err());
        assert!(Packed::read(&mut &[][..], 1, 1).is_err());
    }
}
