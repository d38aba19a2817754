//! Where in a block the bytes are that records and fields end with, found for the whole block in one pass.

use fearless_simd::{Level, Simd, SimdBase, SimdMask, dispatch, u8x64};

/// Bytes that are looked at in one go: a bit of a word for each.
const STEP: usize = 64;

/// The commas, line feeds, carriage returns and quotes of a text; and whether it has a NUL.
#[derive(Debug, Default)]
pub struct Marks {
    /// A bit for each byte, the lowest for the first.
    words: Vec<u64>,
    has_quote: bool,
    has_nul: bool,
}

impl Marks {
    /// Finds those of `text`, and forgets those of the text before.
    pub fn find(&mut self, text: &[u8]) {
        dispatch!(Level::new(), simd => self.find_with(simd, text));
    }

    /// As [`Marks::find`], in the vectors of the processor at hand.
    #[inline(always)]
    fn find_with<S: Simd>(&mut self, simd: S, text: &[u8]) {
        let all = |byte: u8| u8x64::splat(simd, byte);
        let [comma, line_feed, carriage_return] = [all(b','), all(b'\n'), all(b'\r')];
        let [quote, nul] = [all(b'"'), all(0)];
        let (steps, rest) = text.as_chunks::<STEP>();
        let mut last = [b' '; STEP];
        last[..rest.len()].copy_from_slice(rest);
        self.words.clear();
        self.words.reserve(steps.len() + 1);
        let (mut quotes, mut nuls) = (0, 0);
        for step in steps.iter().chain(std::iter::once(&last)) {
            let bytes = u8x64::from_slice(simd, step);
            let lines = bytes.simd_eq(line_feed) | bytes.simd_eq(carriage_return);
            let of_quotes = bytes.simd_eq(quote).to_bitmask();
            self.words
                .push((lines | bytes.simd_eq(comma)).to_bitmask() | of_quotes);
            quotes |= of_quotes;
            nuls |= bytes.simd_eq(nul).to_bitmask();
        }
        self.has_quote = quotes != 0;
        self.has_nul = nuls != 0;
    }

    /// The place of the first mark at `from` or behind it.
    #[inline]
    pub fn next(&self, from: usize) -> Option<usize> {
        let mut place = from / STEP;
        let mut word = *self.words.get(place)? & !0 << (from % STEP);
        while word == 0 {
            place += 1;
            word = *self.words.get(place)?;
        }
        Some(place * STEP + word.trailing_zeros() as usize)
    }

    /// Whether the text has a quote.
    pub fn has_quote(&self) -> bool {
        self.has_quote
    }

    /// Whether the text has a NUL.
    pub fn has_nul(&self) -> bool {
        self.has_nul
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(marks: &Marks) -> Vec<usize> {
        let next = |from: &usize| marks.next(*from).map(|place| place + 1);
        let ends = std::iter::successors(next(&0), next);
        ends.map(|end| end - 1).collect()
    }

    #[test]
    fn each_mark_is_found_wherever_it_is() {
        let mut marks = Marks::default();
        for length in [0, 1, 63, 64, 65, 200] {
            for byte in [b',', b'\n', b'\r', b'"'] {
                for place in 0..length {
                    let mut text = vec![b'x'; length];
                    text[place] = byte;
                    marks.find(&text);
                    assert_eq!(places(&marks), [place]);
                    assert_eq!((marks.has_quote(), marks.has_nul()), (byte == b'"', false));
                }
            }
        }
        marks.find(&[b','; 130]);
        assert_eq!(places(&marks), (0..130).collect::<Vec<_>>());
    }

    #[test]
    fn other_bytes_are_no_marks() {
        let mut marks = Marks::default();
        let others: Vec<u8> = (1..=255)
            .filter(|byte| !b",\n\r\"".contains(byte))
            .collect();
        marks.find(&others);
        assert!(places(&marks).is_empty());
        assert!(!marks.has_nul());
        for place in [0, 64, 70] {
            let mut text = [b'x'; 71];
            text[place] = 0;
            marks.find(&text);
            assert!(marks.has_nul() && places(&marks).is_empty());
        }
    }
}
