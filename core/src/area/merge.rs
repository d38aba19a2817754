//! Merging runs: the trees of many become those of one.
//!
//! The leaves of each input come in Morton order, but for some of the lowest bits, so the inputs are merged a stretch of
//! the curve at a time: as far as the input that has been read least far. Memory holds a leaf or two of each input. Trips
//! that one run adds and another takes away cancel; what is taken away and not found stays in a run that takes away.

use hashbrown::HashMap;

use super::build::{Row, Tree, TreeWriter, UNORDERED_BITS};
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

/// The bits of a code by which leaves may be out of order.
const UNORDERED: u64 = (1 << UNORDERED_BITS) - 1;

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
    let mut block = 0;
    while let Some(bound) = adding.fill(leaves)? {
        hold(
            &mut taking,
            leaves,
            bound | UNORDERED,
            &mut held,
            &mut minus,
        )?;
        for entry in adding.take(bound) {
            if !held.cancels(entry) {
                plus.push(*entry)?;
            }
        }
        // What lies where the bound does may still be found, in leaves that follow.
        let start = bound & !UNORDERED;
        if block < start {
            held.release(|code| code < start, &mut minus)?;
            block = start;
        }
    }
    held.release(|_| true, &mut minus)?;
    while let Some(bound) = taking.fill(leaves)? {
        for entry in taking.take(bound) {
            minus.push(*entry)?;
        }
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
    while let Some(read) = taking.fill(leaves)? {
        for entry in taking.take(read.min(bound)) {
            if held.count < MOST_HELD {
                held.add(*entry);
            } else {
                minus.push(*entry)?;
            }
        }
        if read > bound {
            break;
        }
    }
    Ok(())
}

/// The inputs of one sign.
struct Inputs {
    inputs: Vec<Input>,
    /// Bits that an input's place in `inputs` takes.
    input_bits: u32,
    /// The least code that has not been taken.
    start: u64,
    /// What is taken: how far from `start` its code is, its input, and its place there, from the highest bits down.
    words: Vec<u64>,
    spare: Vec<u64>,
}

/// An input, and what has been read of it and not taken yet, roughly in Morton order.
struct Input {
    number: usize,
    ended: bool,
    entries: Vec<Entry>,
    /// What the codes of the entries have in common, the lower bits being zeros.
    base: u64,
    /// The greatest code.
    last: u64,
    /// The lower bits of each code, above the entry's place: one word, which is quick to sort. They are in the
    /// order of their bits from `fine_bits` on.
    words: Vec<u64>,
    fine_bits: u32,
    taken: usize,
}

/// Bits of an entry's place in a leaf, which has fewer than 2^16. A code has 48 bits.
const PLACE_BITS: u32 = 16;

/// Bits by which what is read is sorted: enough that few codes are equal in them.
const ROUGH_BITS: u32 = 10;

/// The lowest bits of a word.
const fn low(word: u64, bits: u32) -> usize {
    (word & ((1 << bits) - 1)) as usize
}

/// Bits that a number takes.
const fn bits_of(number: u64) -> u32 {
    u64::BITS - number.leading_zeros()
}

impl Inputs {
    fn new(signs: &[i8], wanted: impl Fn(i8) -> bool) -> Inputs {
        let inputs = signs.iter().enumerate();
        let inputs: Vec<_> = inputs
            .filter(|(_, sign)| wanted(**sign))
            .map(|(number, _)| Input {
                number,
                ended: false,
                entries: Vec::new(),
                base: 0,
                last: 0,
                words: Vec::new(),
                fine_bits: 0,
                taken: 0,
            })
            .collect();
        Inputs {
            input_bits: bits_of(inputs.len() as u64),
            inputs,
            start: 0,
            words: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// Reads a leaf of each input that has nothing left; gives a code up to which all have been read, none when
    /// there is nothing more.
    fn fill(&mut self, leaves: &mut dyn Leaves) -> Result<Option<u64>, Error> {
        let mut codes: Option<(u64, u64)> = None;
        for input in &mut self.inputs {
            input.fill(leaves, &mut self.spare)?;
            if let Some((first, last)) = input.codes() {
                let (start, bound) = codes.unwrap_or((first, last));
                codes = Some((start.min(first), bound.min(last)));
            }
        }
        Ok(codes.map(|(start, bound)| {
            self.start = start;
            // No further than words can say.
            let most = u64::MAX >> (PLACE_BITS + self.input_bits);
            bound.min(start.saturating_add(most))
        }))
    }

    /// Takes what lies up to `bound`, which is not beyond what [`Inputs::fill`] gave; in Morton order.
    fn take(&mut self, bound: u64) -> impl Iterator<Item = &Entry> {
        let code_bit = PLACE_BITS + self.input_bits;
        self.words.clear();
        for (place, input) in (0u64..).zip(&mut self.inputs) {
            let from_start = input.base.wrapping_sub(self.start);
            self.words.extend(input.take(bound).iter().map(|word| {
                let code = from_start.wrapping_add(word >> PLACE_BITS);
                code << code_bit | place << PLACE_BITS | low(*word, PLACE_BITS) as u64
            }));
        }
        let code_bits = bits_of(bound.saturating_sub(self.start));
        let bits = code_bit..code_bit + code_bits;
        morton::sort(&mut self.words, &mut self.spare, bits);
        self.words.iter().filter_map(|word| {
            let input = low(word >> PLACE_BITS, self.input_bits);
            let entries = &self.inputs.get(input)?.entries;
            entries.get(low(*word, PLACE_BITS))
        })
    }
}

impl Input {
    /// Reads on if nothing is left.
    fn fill(&mut self, leaves: &mut dyn Leaves, spare: &mut Vec<u64>) -> Result<(), Error> {
        while self.taken >= self.words.len() && !self.ended {
            self.entries.clear();
            self.words.clear();
            self.taken = 0;
            self.ended = !leaves.next(self.number, &mut self.entries)?;
            self.sort(spare);
        }
        Ok(())
    }

    /// Puts the entries into a rough Morton order: the exact one is that of what is taken of all inputs.
    fn sort(&mut self, spare: &mut Vec<u64>) {
        let (mut any, mut all) = (0, u64::MAX);
        self.words.extend(self.entries.iter().map(|entry| {
            let code = morton::code(entry.point);
            (any, all) = (any | code, all & code);
            code
        }));
        let code_bits = bits_of(any & !all);
        let varying = (1 << code_bits) - 1;
        for (place, word) in (0..).zip(&mut self.words) {
            *word = (*word & varying) << PLACE_BITS | place;
        }
        self.base = any & !varying;
        self.fine_bits = PLACE_BITS + code_bits.saturating_sub(ROUGH_BITS);
        morton::sort_by_digit(&mut self.words, spare, self.fine_bits, ROUGH_BITS);
        let greatest = self.words.last().map_or(0, |last| last >> self.fine_bits);
        let equal = self.words.iter().rev();
        let equal = equal.take_while(|word| **word >> self.fine_bits == greatest);
        self.last = self.base + (equal.max().copied().unwrap_or(0) >> PLACE_BITS);
    }

    /// The least and the greatest code that are left.
    fn codes(&self) -> Option<(u64, u64)> {
        let left = self.words.get(self.taken..)?;
        let rough = left.first()? >> self.fine_bits;
        let equal = left
            .iter()
            .take_while(|word| **word >> self.fine_bits == rough);
        let first = equal.min()? >> PLACE_BITS;
        Some((self.base + first, self.last))
    }

    /// Takes the words up to `bound`.
    fn take(&mut self, bound: u64) -> &[u64] {
        let left = self.words.get_mut(self.taken..).unwrap_or_default();
        let mut count = left.len();
        if bound < self.last {
            // A bound before the first code is as one that takes nothing.
            let end = (bound + 1).saturating_sub(self.base) << PLACE_BITS;
            let rough = end >> self.fine_bits;
            let before = |rough| left.partition_point(|word| word >> self.fine_bits < rough);
            let equal = before(rough)..before(rough + 1);
            count = equal.start;
            // Which of those that are roughly equal to the end lie before it, only their exact order says.
            if let Some(equal) = left.get_mut(equal) {
                equal.sort_unstable();
                count += equal.partition_point(|word| *word < end);
            }
        }
        self.taken += count;
        left.get(..count).unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::parse::point::Point;

    /// Leaves of each input, the next one last.
    struct Stored(Vec<Vec<Vec<Entry>>>);

    impl Leaves for Stored {
        fn next(&mut self, input: usize, entries: &mut Vec<Entry>) -> Result<bool, Error> {
            let leaf = self.0[input].pop();
            entries.extend(leaf.iter().flatten());
            Ok(leaf.is_some())
        }
    }

    /// Numbered trips from all over a square of so many degrees; some share their places.
    fn entries(numbers: std::ops::Range<i32>, degrees: f64) -> Vec<Entry> {
        let share = |number: i32, of: i32| f64::from(number * of % 997) / 997.0;
        let at = |number| Point {
            lon: degrees * share(number, 331),
            lat: degrees / 2.0 * share(number, 577),
        };
        let entry = |number| Entry::new(at(number), at(number + 1), number, 1);
        numbers.map(entry).collect()
    }

    #[test]
    fn what_is_read_is_taken_in_morton_order_whatever_its_leaves() {
        // So many inputs that few bits are left for the codes, and few; trips near each other and far apart.
        for (inputs, degrees) in [(1500, 170.0), (300, 170.0), (11, 0.3), (2, 170.0), (1, 0.3)] {
            let leaves_of = |number: i32| {
                let mut entries = entries(
                    number * 4000 / inputs..(number + 1) * 4000 / inputs,
                    degrees,
                );
                entries.sort_by_key(|entry| morton::code(entry.point));
                let mut leaves: Vec<Vec<Entry>> = entries.chunks(150).map(<[_]>::to_vec).collect();
                leaves
                    .iter_mut()
                    .for_each(|leaf| leaf.sort_by_key(|entry| entry.day));
                leaves.reverse();
                leaves
            };
            let mut stored = Stored((0..inputs).map(leaves_of).collect());
            let mut all = Inputs::new(&vec![1; inputs as usize], |sign| sign > 0);
            let mut taken = Vec::new();
            while let Some(bound) = all.fill(&mut stored).unwrap() {
                taken.extend(all.take(bound).copied());
            }
            assert!(taken.is_sorted_by_key(|entry| morton::code(entry.point)));
            taken.sort_by_key(|entry| entry.day);
            assert_eq!(taken, entries(0..4000, degrees), "{inputs} inputs");
        }
    }
}
