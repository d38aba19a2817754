//! Merging runs: the trees of many become those of one.
//!
//! The leaves of each input come in Morton order, so the inputs are merged a stretch of the curve at a time: as far as
//! the input that has been read least far. Memory holds a leaf or two of each input. Trips that one run adds and
//! another takes away cancel; what is taken away and not found stays in a run that takes away.

use hashbrown::HashMap;

use super::build::{Row, Tree, TreeWriter};
use super::{Entry, morton};
use crate::Error;

/// Where a merge reads from.
pub trait Leaves {
    /// Appends the entries of the next leaf of an input; false when it has no more.
    ///
    /// # Errors
    /// What reading gives.
    fn next(&mut self, input: usize, entries: &mut Vec<Entry>) -> Result<bool, Error>;
}

/// Entries to take away that are looked for at a time. More of them on one spot are left to take away as they are,
/// which changes no answer.
const MOST_HELD: usize = 1 << 18;

/// Merges one end's trees of several runs: `signs` has the sign of each input. The result goes to `plus` what adds,
/// to `minus` what takes away.
///
/// # Errors
/// What reading and the writers give.
pub fn merge<P, M>(
    signs: &[i8],
    leaves: &mut dyn Leaves,
    mut plus: TreeWriter<P>,
    mut minus: TreeWriter<M>,
) -> Result<(Tree, Tree), Error>
where
    P: FnMut(Row) -> Result<(), Error>,
    M: FnMut(Row) -> Result<(), Error>,
{
    let mut adding = Inputs::new(signs, |sign| sign > 0);
    let mut taking = Inputs::new(signs, |sign| sign < 0);
    let mut held = Held::default();
    let mut stretch = Stretch::default();
    while let Some(bound) = adding.fill(leaves)? {
        hold(&mut taking, leaves, bound, &mut held, &mut minus)?;
        adding.take(bound, &mut stretch);
        for entry in stretch.in_order() {
            if !held.cancels(entry) {
                plus.push(*entry)?;
            }
        }
        stretch.clear();
        // What lies on the bound itself may still be found: the next leaf may begin there.
        held.release(|code| code < bound, &mut minus)?;
    }
    held.release(|_| true, &mut minus)?;
    while let Some(bound) = taking.fill(leaves)? {
        taking.take(bound, &mut stretch);
        for entry in stretch.in_order() {
            minus.push(*entry)?;
        }
        stretch.clear();
    }
    Ok((plus.finish()?, minus.finish()?))
}

/// Reads what is to be taken away up to `bound`.
fn hold<M: FnMut(Row) -> Result<(), Error>>(
    taking: &mut Inputs,
    leaves: &mut dyn Leaves,
    bound: u64,
    held: &mut Held,
    minus: &mut TreeWriter<M>,
) -> Result<(), Error> {
    let mut stretch = Stretch::default();
    while let Some(read) = taking.fill(leaves)? {
        taking.take(read.min(bound), &mut stretch);
        for entry in stretch.in_order() {
            if held.count < MOST_HELD {
                held.add(*entry);
            } else {
                minus.push(*entry)?;
            }
        }
        stretch.clear();
        if read > bound {
            break;
        }
    }
    Ok(())
}

/// The inputs of one sign.
struct Inputs {
    inputs: Vec<Input>,
}

/// An input, and what has been read of it and not taken yet, in Morton order.
struct Input {
    number: usize,
    ended: bool,
    entries: Vec<Entry>,
    /// Codes and places of the entries, see [`word`].
    order: Vec<u64>,
    taken: usize,
}

/// Bits of an entry's place in a leaf, which has fewer than 2^16. A code has 48 bits.
const PLACE_BITS: u32 = 16;

/// A code and a place in one word, which is quick to sort.
const fn word(code: u64, place: usize) -> u64 {
    code << PLACE_BITS | (place as u64 & 0xffff)
}

/// What [`word`] was made of.
const fn code_and_place(word: u64) -> (u64, usize) {
    (word >> PLACE_BITS, (word & 0xffff) as usize)
}

impl Inputs {
    fn new(signs: &[i8], wanted: impl Fn(i8) -> bool) -> Inputs {
        let inputs = signs.iter().enumerate();
        Inputs {
            inputs: inputs
                .filter(|(_, sign)| wanted(**sign))
                .map(|(number, _)| Input {
                    number,
                    ended: false,
                    entries: Vec::new(),
                    order: Vec::new(),
                    taken: 0,
                })
                .collect(),
        }
    }

    /// Reads a leaf of each input that has nothing left; gives the code up to which all have been read, none when
    /// there is nothing more.
    fn fill(&mut self, leaves: &mut dyn Leaves) -> Result<Option<u64>, Error> {
        let mut bound = None;
        for input in &mut self.inputs {
            if let Some(last) = input.fill(leaves)? {
                bound = Some(bound.map_or(last, |bound: u64| bound.min(last)));
            }
        }
        Ok(bound)
    }

    /// Moves what lies up to `bound` into `stretch`.
    fn take(&mut self, bound: u64, stretch: &mut Stretch) {
        for input in &mut self.inputs {
            input.take(bound, stretch);
        }
    }
}

impl Input {
    /// Reads on if nothing is left; gives the greatest code read.
    fn fill(&mut self, leaves: &mut dyn Leaves) -> Result<Option<u64>, Error> {
        while self.taken >= self.order.len() && !self.ended {
            self.entries.clear();
            self.order.clear();
            self.taken = 0;
            self.ended = !leaves.next(self.number, &mut self.entries)?;
            let entries = self.entries.iter().enumerate();
            let words = entries.map(|(place, entry)| word(morton::code(entry.point), place));
            self.order.extend(words);
            self.order.sort_unstable();
        }
        Ok(self.order.last().map(|word| code_and_place(*word).0))
    }

    fn take(&mut self, bound: u64, stretch: &mut Stretch) {
        let left = self.order.get(self.taken..).unwrap_or_default();
        let count = left.partition_point(|word| code_and_place(*word).0 <= bound);
        for word in left.iter().take(count) {
            let (code, place) = code_and_place(*word);
            if let Some(entry) = self.entries.get(place) {
                stretch.add(code, *entry);
            }
        }
        self.taken += count;
    }
}

/// Entries of a stretch of the curve.
#[derive(Default)]
struct Stretch {
    entries: Vec<Entry>,
    /// Their codes and places.
    order: Vec<(u64, u32)>,
    words: Vec<u64>,
}

impl Stretch {
    fn add(&mut self, code: u64, entry: Entry) {
        self.order.push((code, self.entries.len() as u32));
        self.entries.push(entry);
    }

    /// The entries in Morton order.
    fn in_order(&mut self) -> impl Iterator<Item = &Entry> {
        if self.order.len() <= 1 << PLACE_BITS {
            let order = self.order.iter();
            self.words
                .extend(order.map(|(code, place)| word(*code, *place as usize)));
            self.words.sort_unstable();
            self.order.clear();
            let words = self.words.iter().map(|word| code_and_place(*word));
            self.order
                .extend(words.map(|(code, place)| (code, place as u32)));
            self.words.clear();
        } else {
            self.order.sort_unstable();
        }
        let entries = &self.entries;
        self.order
            .iter()
            .filter_map(|(_, place)| entries.get(*place as usize))
    }

    fn clear(&mut self) {
        self.entries.clear();
        self.order.clear();
    }
}

/// What is to be taken away and has not been found yet.
#[derive(Default)]
struct Held {
    entries: HashMap<Key, (u64, Entry, u32)>,
    count: usize,
}

/// An entry as bits. Entries of leaves have no negative zero.
type Key = ([u64; 4], i32, i16);

fn key(entry: &Entry) -> Key {
    let numbers = [
        entry.point.lon,
        entry.point.lat,
        entry.other.lon,
        entry.other.lat,
    ];
    (numbers.map(f64::to_bits), entry.day, entry.region_id)
}

impl Held {
    fn add(&mut self, entry: Entry) {
        let code = morton::code(entry.point);
        self.entries
            .entry(key(&entry))
            .or_insert((code, entry, 0))
            .2 += 1;
        self.count += 1;
    }

    /// Whether the entry was to be taken away; it then is.
    fn cancels(&mut self, entry: &Entry) -> bool {
        if self.count == 0 {
            return false;
        }
        let Some((_, _, times)) = self.entries.get_mut(&key(entry)) else {
            return false;
        };
        self.count -= 1;
        *times -= 1;
        if *times == 0 {
            self.entries.remove(&key(entry));
        }
        true
    }

    /// Gives up looking for those whose code is `done`.
    fn release<M: FnMut(Row) -> Result<(), Error>>(
        &mut self,
        done: impl Fn(u64) -> bool,
        minus: &mut TreeWriter<M>,
    ) -> Result<(), Error> {
        if self.count == 0 {
            return Ok(());
        }
        let mut released: Vec<_> = self
            .entries
            .extract_if(|_, (code, _, _)| done(*code))
            .map(|(_, held)| held)
            .collect();
        released.sort_unstable_by_key(|(code, _, _)| *code);
        for (_, entry, times) in released {
            self.count -= times as usize;
            for _ in 0..times {
                minus.push(entry)?;
            }
        }
        Ok(())
    }
}
