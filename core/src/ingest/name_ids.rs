//! The ids of names, as a parser thread keeps them: nearly every row has names that many rows before it had.

use std::borrow::Cow;

use hashbrown::HashMap;

use super::batch::{Dimension, Names};
use super::parse::name;
use crate::Error;

/// A name of a row: one with an id, or one that is new to the parser.
pub(super) enum Name<'a> {
    Known(i16),
    New(Cow<'a, str>),
}

impl Name<'_> {
    /// The id of the name; a new one is asked for and kept.
    ///
    /// # Errors
    /// As [`Names::id`].
    #[inline]
    pub(super) fn id(
        self,
        dimension: Dimension,
        names: &mut impl Names,
        known: &mut NameIds,
    ) -> Result<i16, Error> {
        match self {
            Name::Known(id) => Ok(id),
            Name::New(name) => {
                let id = names.id(dimension, &name)?;
                known.ids.insert(name.as_bytes().into(), id);
                Ok(id)
            }
        }
    }
}

/// The names of a dimension that have an id already. There can be 32,767 at the most.
#[derive(Debug, Default)]
pub(super) struct NameIds {
    ids: HashMap<Box<[u8]>, i16>,
    recent: RecentNames,
}

impl NameIds {
    /// The name in `field`. A name is its own normal form, so a field that is spelled like a known
    /// name needs no look at its characters.
    ///
    /// # Errors
    /// As [`name::parse`].
    #[inline]
    pub(super) fn find<'a>(&mut self, field: &'a [u8]) -> Result<Name<'a>, name::NameError> {
        let spelling = Spelling::of(field);
        if let Some(id) = self.recent.get(spelling) {
            return Ok(Name::Known(id));
        }
        if let Some(id) = self.ids.get(field) {
            self.recent.put(spelling, *id);
            return Ok(Name::Known(*id));
        }
        let name = name::parse(field)?;
        Ok(match self.ids.get(name.as_bytes()) {
            Some(id) => Name::Known(*id),
            None => Name::New(name),
        })
    }
}

/// Short names that were looked up lately, each in its own place: most rows have one of a few.
#[derive(Debug)]
struct RecentNames([(Option<Spelling>, i16); RECENT]);

const RECENT: usize = 1 << RECENT_BITS;

const RECENT_BITS: u32 = 7;

impl Default for RecentNames {
    fn default() -> Self {
        RecentNames([(None, 0); RECENT])
    }
}

impl RecentNames {
    #[inline]
    fn get(&self, spelling: Option<Spelling>) -> Option<i16> {
        let (recent, id) = self.0[spelling?.place()];
        (recent == spelling).then_some(id)
    }

    fn put(&mut self, spelling: Option<Spelling>, id: i16) {
        if let Some(of_name) = spelling {
            self.0[of_name.place()] = (spelling, id);
        }
    }
}

/// The longest name with a [`Spelling`], in bytes.
const SHORT: usize = 24;

/// All of a short name, as words that may overlap, and its length: to compare them takes no loop, whose end the processor
/// would have to guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Spelling {
    length: usize,
    words: [u64; 3],
}

impl Spelling {
    /// That of a name of up to [`SHORT`] bytes.
    #[inline]
    fn of(name: &[u8]) -> Option<Spelling> {
        let length = name.len();
        if length > SHORT {
            return None;
        }
        let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
        let half = |bytes: &[u8; 4]| u64::from(u32::from_le_bytes(*bytes));
        let words = if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
            // Of sixteen bytes and fewer, the last ones once more.
            let middle = name.get(length.min(16) - 8..)?.first_chunk()?;
            [word(first), word(middle), word(last)]
        } else if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
            [half(first), 0, half(last)]
        } else {
            let join = |word, byte: &u8| word << 8 | u64::from(*byte);
            [name.iter().fold(0, join), 0, 0]
        };
        Some(Spelling { length, words })
    }

    /// The place of the name among the recent ones, by Fibonacci hashing (Knuth, 1998, section 6.4).
    #[inline]
    fn place(self) -> usize {
        let [first, middle, last] = self.words;
        let mixed = first ^ middle.rotate_left(19) ^ last.rotate_left(37) ^ self.length as u64;
        (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - RECENT_BITS)) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting(i16);

    impl Names for Counting {
        fn id(&mut self, _: Dimension, _: &str) -> Result<i16, Error> {
            self.0 += 1;
            Ok(self.0)
        }
    }

    #[test]
    fn names_that_differ_in_any_byte_are_spelled_differently() {
        for length in 0..=SHORT {
            let name: Vec<u8> = (1..).take(length).collect();
            let spelling = Spelling::of(&name);
            assert!(spelling.is_some());
            for place in 0..length {
                let mut other = name.clone();
                other[place] = 0;
                assert_ne!(Spelling::of(&other), spelling, "{length}: {place}");
                assert_ne!(Spelling::of(&other[..place]), spelling, "{length}: {place}");
            }
        }
        assert_eq!(Spelling::of(&[b'x'; SHORT + 1]), None);
    }

    #[test]
    fn each_of_many_names_keeps_its_id() {
        let (mut names, mut known) = (Counting(0), NameIds::default());
        // More than there are places, of all lengths.
        let all: Vec<String> = (0..2_000)
            .map(|number| format!("{}{number}", "x".repeat(number % 40)))
            .collect();
        for round in 0..3 {
            for (name, expected) in all.iter().zip(1..) {
                let found = known.find(name.as_bytes()).unwrap();
                assert_eq!(matches!(found, Name::New(_)), round == 0, "{name}");
                let id = found.id(Dimension::Region, &mut names, &mut known).unwrap();
                assert_eq!(id, expected, "{name}");
                // Now it is a recent one.
                let again = known.find(name.as_bytes()).unwrap();
                assert!(matches!(again, Name::Known(id) if id == expected), "{name}");
            }
        }
    }
}
