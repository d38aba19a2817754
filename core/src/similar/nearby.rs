//! Trips found by the keys of a grid, many at a time.
//!
//! A look at memory that the processor's cache does not hold takes as long as hundreds of instructions; but many looks at once take hardly
//! longer than one, as long as none depends on what another one brings. So each part of this is a line of the cache, and the lines
//! that a few trips need are all asked for before the first is read.

use super::sketch::{Probe, Sketch, Sketcher};

/// Of nothing.
const NONE: u32 = u32::MAX;

/// Keys of a trip at most.
const MOST_KEYS: usize = 32;

/// Where the trips with a key are.
#[derive(Debug, Clone, Copy)]
struct Slot {
    key: u32,
    chunk: u32,
}

/// Slots in the order in which they came, empty ones behind.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Bucket([Slot; 8]);

impl Bucket {
    const EMPTY: Bucket = Bucket(
        [Slot {
            key: 0,
            chunk: NONE,
        }; 8],
    );

    /// The chunk of a key, or [`NONE`]; without a branch, which would have to be guessed.
    #[inline]
    fn chunk(&self, key: u32) -> u32 {
        self.0.iter().fold(NONE, |chunk, slot| {
            let this = if slot.key == key { slot.chunk } else { NONE };
            chunk.min(this)
        })
    }

    #[inline]
    const fn is_full(&self) -> bool {
        let [.., last] = &self.0;
        last.chunk != NONE
    }
}

/// Slots of a bucket that are filled on average, before there are more buckets.
const FILLED: usize = 4;

/// Some trips with the same key.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Chunk {
    sketches: [Sketch; 5],
    /// [`NONE`] behind the last one.
    numbers: [u32; 5],
    /// A chunk with more of them.
    next: u32,
}

/// Numbers of trips with their sketches by keys. Two keys that are the same are one.
#[derive(Debug)]
pub(super) struct Nearby {
    /// A power of two of them, at least two. What does not fit into its bucket is in the next one that has room.
    buckets: Vec<Bucket>,
    keys: usize,
    chunks: Vec<Chunk>,
}

/// What was found for some trips, one after another.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Their chunks, and where those of each trip end.
    chunks: Vec<u32>,
    chunk_ends: Vec<usize>,
    /// Their numbers, and where those of each trip end.
    numbers: Vec<u32>,
    ends: Vec<usize>,
}

impl Found {
    /// What was found for each trip.
    pub(super) fn each(&self) -> impl Iterator<Item = &[u32]> {
        parts(&self.numbers, &self.ends)
    }

    /// All that was found.
    pub(super) fn all(&self) -> &[u32] {
        &self.numbers
    }
}

/// Numbers in parts that end where the ends say.
fn parts<'n>(numbers: &'n [u32], ends: &'n [usize]) -> impl Iterator<Item = &'n [u32]> {
    let mut start = 0;
    ends.iter().map(move |end| {
        let part = numbers.get(start..*end).unwrap_or_default();
        start = *end;
        part
    })
}

impl Nearby {
    pub(super) fn new() -> Nearby {
        Nearby {
            buckets: vec![Bucket::EMPTY; 2],
            keys: 0,
            chunks: Vec::new(),
        }
    }

    /// Finds, for trips each with its probe, the numbers with one of its keys that may be similar; `keys` calls back with each of these.
    pub(super) fn find<T>(
        &self,
        trips: &[T],
        keys: impl Fn(&T, &mut dyn FnMut(u32)),
        probe: impl Fn(&T) -> Probe,
        sketcher: &Sketcher,
        found: &mut Found,
    ) {
        let mut fetched = 0;
        for trip in trips {
            keys(trip, &mut |key| {
                fetched ^= self
                    .buckets
                    .get(self.bucket(key))
                    .map_or(0, |Bucket([slot, ..])| slot.key);
            });
        }
        found.chunks.clear();
        found.chunk_ends.clear();
        let mut count = 0;
        for trip in trips {
            found.chunks.resize(count + MOST_KEYS, NONE);
            keys(trip, &mut |key| {
                let chunk = self.chunk(key);
                if let Some(place) = found.chunks.get_mut(count) {
                    *place = chunk;
                }
                count += usize::from(chunk != NONE);
            });
            found.chunk_ends.push(count);
        }
        found.chunks.truncate(count);
        for chunk in &found.chunks {
            fetched ^= self
                .chunks
                .get(*chunk as usize)
                .map_or(0, |chunk| chunk.next);
        }
        std::hint::black_box(fetched);
        found.numbers.clear();
        found.ends.clear();
        for (trip, chunks) in trips.iter().zip(parts(&found.chunks, &found.chunk_ends)) {
            let probe = probe(trip);
            for chunk in chunks {
                let mut at = *chunk;
                while let Some(chunk) = self.chunks.get(at as usize) {
                    let may_be = chunk
                        .sketches
                        .map(|sketch| sketcher.may_be_similar(probe, sketch));
                    // Of most chunks none is.
                    if may_be.iter().fold(false, |any, is| any | is) {
                        let numbers = chunk.numbers.iter().zip(may_be);
                        let are = numbers.filter(|(number, may_be)| *may_be && **number != NONE);
                        found.numbers.extend(are.map(|(number, _)| *number));
                    }
                    at = chunk.next;
                }
            }
            found.ends.push(found.numbers.len());
        }
    }

    /// The bucket of a key: keys are spread over buckets in their order.
    #[inline]
    const fn bucket(&self, key: u32) -> usize {
        ((key as u64 * self.buckets.len() as u64) >> 32) as usize
    }

    #[inline]
    fn chunk(&self, key: u32) -> u32 {
        let mut at = self.bucket(key);
        while let Some(bucket) = self.buckets.get(at) {
            let chunk = bucket.chunk(key);
            if chunk != NONE || !bucket.is_full() {
                return chunk;
            }
            at = (at + 1) & (self.buckets.len() - 1);
        }
        NONE
    }

    /// Adds a number.
    pub(super) fn add(&mut self, key: u32, number: u32, sketch: Sketch) {
        if self.keys >= FILLED * self.buckets.len() {
            self.grow();
        }
        let new = self.chunks.len() as u32;
        let chunk = self.chunk(key);
        match self.chunks.get_mut(chunk as usize) {
            Some(Chunk {
                sketches,
                numbers,
                next,
            }) => {
                let free = numbers.iter().position(|number| *number == NONE);
                let (at, full) = match free {
                    Some(at) => (at, None),
                    // What is in the way makes room, in a chunk behind.
                    None => (0, Some((*sketches, *numbers, *next))),
                };
                if full.is_some() {
                    (*numbers, *next) = ([NONE; 5], new);
                }
                if let (Some(number_at), Some(sketch_at)) =
                    (numbers.get_mut(at), sketches.get_mut(at))
                {
                    (*number_at, *sketch_at) = (number, sketch);
                }
                if let Some((sketches, numbers, next)) = full {
                    self.chunks.push(Chunk {
                        sketches,
                        numbers,
                        next,
                    });
                }
            }
            None => {
                self.put(Slot { key, chunk: new });
                self.keys += 1;
                let mut chunk = Chunk {
                    sketches: [sketch; 5],
                    numbers: [NONE; 5],
                    next: NONE,
                };
                chunk.numbers[0] = number;
                self.chunks.push(chunk);
            }
        }
    }

    fn put(&mut self, slot: Slot) {
        let mut at = self.bucket(slot.key);
        let mask = self.buckets.len() - 1;
        while let Some(Bucket(slots)) = self.buckets.get_mut(at) {
            if let Some(free) = slots.iter_mut().find(|slot| slot.chunk == NONE) {
                *free = slot;
                break;
            }
            at = (at + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let larger = vec![Bucket::EMPTY; 2 * self.buckets.len()];
        for Bucket(slots) in std::mem::replace(&mut self.buckets, larger) {
            for slot in slots.into_iter().filter(|slot| slot.chunk != NONE) {
                self.put(slot);
            }
        }
    }

    /// Bytes that are taken with so many numbers more, in as many chunks; while there come to be more buckets the fewer ones are
    /// there as well.
    pub(super) fn bytes(&self, more: usize) -> usize {
        let mut buckets = self.buckets.len();
        while self.keys + more > FILLED * buckets {
            buckets *= 2;
        }
        let grown = match buckets > self.buckets.len() {
            true => buckets / 2,
            false => 0,
        };
        (buckets + grown) * size_of::<Bucket>() + (self.chunks.len() + more) * size_of::<Chunk>()
    }
}
