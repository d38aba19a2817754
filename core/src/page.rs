//! A page of a table as PostgreSQL keeps it in a file: 8 KiB of tuples.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | `pd_lsn`: the server sets it |
//! | 8 | 4 | `pd_checksum` and `pd_flags`: the server sets the one, the other is 0 |
//! | 12 | 2 | `pd_lower`: where the line pointers end |
//! | 14 | 2 | `pd_upper`: where the tuples begin |
//! | 16 | 2 | `pd_special`: the end of the page |
//! | 18 | 2 | `pd_pagesize_version`: the size of a page and the version of the layout, 4 |
//! | 20 | 4 | `pd_prune_xid`: 0, nothing to prune |
//! | 24 | 4 each | line pointers: offset in 15 bits, state in 2, length in 15 |
//! | `pd_upper` | | tuples, the last one first, each aligned to 8 bytes |

/// The size of a page in bytes.
pub const PAGE_BYTES: usize = 8192;

/// Bytes before the line pointers.
const HEADER_BYTES: usize = 24;

const POINTER_BYTES: usize = 4;

const WORDS: usize = PAGE_BYTES / 8;

/// The longest tuple that a page has room for, in bytes.
pub const MAX_TUPLE_BYTES: usize = (PAGE_BYTES - HEADER_BYTES - POINTER_BYTES) / 8 * 8;

/// The version of the layout, since PostgreSQL 8.3.
const LAYOUT: u64 = 4;

/// The state of a line pointer whose tuple is in use.
const LP_NORMAL: u32 = 1;

/// PostgreSQL's flag for a tuple that nobody has deleted.
const HEAP_XMAX_INVALID: u64 = 0x0800;

/// What PostgreSQL's flags say of transactions: of `t_infomask` and of `t_infomask2`.
const HEAP_XACT_MASK: u64 = 0xfff0;
const HEAP2_XACT_MASK: u64 = 0xe000;

/// A page, aligned as direct I/O asks for.
#[derive(Debug, Clone)]
#[repr(C, align(4096))]
pub struct Page([u64; WORDS]);

/// Who inserts: what all tuples of a command share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The id of the transaction, or subtransaction.
    pub transaction: u32,
    /// The id of the command in it.
    pub command: u32,
}

impl Page {
    /// A page without tuples.
    pub const EMPTY: Page = {
        let mut words = [0; WORDS];
        words[1] = bounds(HEADER_BYTES, PAGE_BYTES);
        words[2] = PAGE_BYTES as u64 | (PAGE_BYTES as u64 | LAYOUT) << 16;
        Page(words)
    };

    /// Where its words are.
    pub fn as_mut_ptr(&mut self) -> *mut u64 {
        self.0.as_mut_ptr()
    }

    /// Takes all tuples out.
    pub fn clear(&mut self) {
        self.0[0] = 0;
        self.0[1] = bounds(HEADER_BYTES, PAGE_BYTES);
    }

    /// Makes room for one more tuple of `length` bytes, and leaves `spare` bytes free unless it is the first. Gives its
    /// words, of which the last may be longer than the tuple; none where there is no room.
    #[inline]
    pub fn add(&mut self, length: usize, spare: usize) -> Option<&mut [u64]> {
        let (lower, upper) = (self.lower(), self.upper());
        let size = length.next_multiple_of(8);
        let spare = if lower == HEADER_BYTES { 0 } else { spare };
        if upper < lower + POINTER_BYTES + size + spare {
            return None;
        }
        let upper = upper - size;
        let pointer = u64::from(upper as u32 | LP_NORMAL << 15 | (length as u32) << 17);
        let place = &mut self.0[lower / 8];
        *place = match lower % 8 {
            0 => pointer,
            _ => *place & 0xffff_ffff | pointer << 32,
        };
        self.0[1] = bounds(lower + POINTER_BYTES, upper);
        self.0.get_mut(upper / 8..(upper + size) / 8)
    }

    /// Adds a tuple as [`Page::add`] does. Whether it had room.
    pub fn push(&mut self, tuple: &[u8], spare: usize) -> bool {
        let Some(words) = self.add(tuple.len(), spare) else {
            return false;
        };
        if let Some(last) = words.last_mut() {
            *last = 0;
        }
        bytemuck::cast_slice_mut(words)[..tuple.len()].copy_from_slice(tuple);
        true
    }

    /// Makes it the page `block` of its table: writes into its tuples where they are and who inserts them.
    pub fn settle(&mut self, block: u32, stamp: Stamp) {
        let (block_high, block_low) = (u64::from(block >> 16), u64::from(block & 0xffff));
        for number in 1..=self.len() {
            let (place, _) = self.pointer(number);
            let [who, other, state, ..] = &mut self.0[place / 8..] else {
                continue;
            };
            *who = u64::from(stamp.transaction);
            *other = u64::from(stamp.command) | block_high << 32 | block_low << 48;
            let kept = *state & !(HEAP_XACT_MASK << 32 | HEAP2_XACT_MASK << 16 | 0xffff);
            *state = kept | HEAP_XMAX_INVALID << 32 | number as u64;
        }
        let (lower, upper) = (self.lower().next_multiple_of(8), self.upper());
        if lower <= upper {
            self.0[lower / 8..upper / 8].fill(0);
        }
    }

    /// How many tuples it has.
    pub fn len(&self) -> usize {
        (self.lower() - HEADER_BYTES) / POINTER_BYTES
    }

    /// Whether it has no tuple.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its tuples, in their order, and their numbers, from 1.
    pub fn tuples(&self) -> impl ExactSizeIterator<Item = (u16, &[u8])> {
        let bytes = bytemuck::bytes_of(&self.0);
        (0..self.len()).map(move |before| {
            let (place, length) = self.pointer(before + 1);
            (before as u16 + 1, &bytes[place..][..length])
        })
    }

    fn lower(&self) -> usize {
        (self.0[1] >> 32) as usize & 0xffff
    }

    fn upper(&self) -> usize {
        (self.0[1] >> 48) as usize
    }

    /// Where the tuple of a number, from 1, is, and its length.
    fn pointer(&self, number: usize) -> (usize, usize) {
        let at = HEADER_BYTES + (number - 1) * POINTER_BYTES;
        let pointer = (self.0[at / 8] >> (at % 8 * 8)) as u32;
        ((pointer & 0x7fff) as usize, (pointer >> 17) as usize)
    }
}

/// The word with `pd_lower` and `pd_upper`, where checksum and flags are 0.
const fn bounds(lower: usize, upper: usize) -> u64 {
    (lower as u64) << 32 | (upper as u64) << 48
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp {
        transaction: 0x0102_0304,
        command: 5,
    };

    /// A tuple of `length` bytes: a header full of what is to be replaced, and bytes that are all the same.
    fn tuple(length: usize, byte: u8) -> Vec<u8> {
        let header = [0xdead_beef, u64::MAX, 0x0018_fff2_e006_ffff];
        let mut tuple = header.map(u64::to_le_bytes).concat();
        tuple.resize(length, byte);
        tuple
    }

    fn u16_at(page: &Page, offset: usize) -> u64 {
        page.0[offset / 8] >> (offset % 8 * 8) & 0xffff
    }

    #[test]
    fn a_new_page_is_what_page_init_makes() {
        let page = Page::EMPTY;
        let header = [12, 14, 16, 18].map(|offset| u16_at(&page, offset));
        assert_eq!(header, [24, 8192, 8192, 8192 | 4]);
        assert!(page.is_empty() && page.0[3..].iter().all(|word| *word == 0));
    }

    #[test]
    fn tuples_fill_a_page_from_its_end() {
        let mut page = Page::EMPTY;
        let tuples: Vec<_> = (0..75).map(|i| tuple(102, i)).collect();
        assert!(tuples.iter().all(|tuple| page.push(tuple, 0)));
        assert!(!page.push(&tuples[0], 0), "a 76th has no room");
        let bounds = (u16_at(&page, 12), u16_at(&page, 14));
        assert_eq!(bounds, (24 + 300, 8192 - 75 * 104));
        let found: Vec<_> = page.tuples().collect();
        let expected: Vec<_> = (1..).zip(tuples.iter().map(Vec::as_slice)).collect();
        assert_eq!(found, expected);
        // lp_off, lp_flags, lp_len of the second.
        assert_eq!(page.0[3] >> 32, (8192 - 208) | 1 << 15 | 102 << 17);
    }

    #[test]
    fn a_settled_tuple_says_where_it_is_and_who_made_it() {
        let mut page = Page::EMPTY;
        page.push(&tuple(32, 7), 0);
        page.push(&tuple(30, 8), 0);
        page.settle(0x0001_0002, STAMP);
        let found: Vec<_> = page.tuples().collect();
        for (number, byte, length) in [(1, 7, 32), (2, 8, 30)] {
            // t_xmin and t_xmax; t_cid, bi_hi and bi_lo; ip_posid, t_infomask2, t_infomask, t_hoff.
            let header = [
                0x0102_0304,
                0x0002_0001_0000_0005,
                0x0018_0802_0006_0000 | number as u64,
            ];
            let mut expected = header.map(u64::to_le_bytes).concat();
            expected.resize(length, byte);
            assert_eq!(found[number - 1], (number as u16, &expected[..]));
        }
    }

    #[test]
    fn a_page_that_is_used_again_keeps_nothing() {
        let mut page = Page::EMPTY;
        while page.push(&tuple(184, 0xff), 0) {}
        page.clear();
        assert!(page.is_empty());
        assert!(page.push(&tuple(25, 3), 0));
        page.settle(0, STAMP);
        let unused = &page.0[4..WORDS - 4];
        assert!(unused.iter().all(|word| *word == 0));
        assert_eq!(page.0[WORDS - 1], 3, "behind the tuple");
    }

    #[test]
    fn a_page_leaves_the_room_that_a_fill_factor_asks_for() {
        let mut page = Page::EMPTY;
        let spare = PAGE_BYTES * 30 / 100;
        let pushed = (0..75).filter(|_| page.push(&tuple(102, 1), spare));
        assert_eq!(pushed.count(), (8192 - 24 - spare) / 108);
        // The first has room whatever is asked.
        for (length, has_room) in [
            (8024, true),
            (MAX_TUPLE_BYTES, true),
            (MAX_TUPLE_BYTES + 1, false),
        ] {
            page.clear();
            assert_eq!(page.push(&tuple(length, 1), spare), has_room, "{length}");
        }
    }
}
