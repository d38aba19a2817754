//! BRIN indexes that keep the minimum and maximum of a number, fed with no more rows than they can learn from.
//!
//! The server calls an index once for each row. What such an index keeps of a page range is the least and the greatest
//! value in it, so of the rows that one call of the heap put on a page it need be told of two.

use pgrx::prelude::*;

/// The operator families integer_minmax_ops and datetime_minmax_ops (pg_opfamily.dat).
const FAMILIES: [u32; 2] = [4054, 4059];

/// Types of their columns that compare as 64-bit integers.
const TYPES: [pg_sys::BuiltinOid; 3] = [
    pg_sys::BuiltinOid::INT8OID,
    pg_sys::BuiltinOid::TIMESTAMPOID,
    pg_sys::BuiltinOid::TIMESTAMPTZOID,
];

/// 64-bit words of a tuple's header, where it has no nulls.
const HEADER_WORDS: usize = 3;

/// An index of this kind on one of a table's leading 64-bit columns.
pub struct MinMax {
    index: pg_sys::Relation,
    info: *mut pg_sys::IndexInfo,
    /// The word of a tuple's image that holds the column.
    word: usize,
}

/// Takes the indexes of this kind out of those that `target` will update; they stay behind the others in its arrays.
/// Gives them, and how many the target has in all.
///
/// # Safety
/// ExecOpenIndices has filled in `target`, whose table is open.
pub unsafe fn take_from(target: *mut pg_sys::ResultRelInfo) -> (Vec<MinMax>, i32) {
    let mut taken = Vec::new();
    // SAFETY: both arrays have ri_NumIndices elements.
    unsafe {
        let all = (*target).ri_NumIndices;
        let mut left = 0;
        for place in 0..all as usize {
            let index = (*target).ri_IndexRelationDescs.add(place);
            let info = (*target).ri_IndexRelationInfo.add(place);
            if let Some(word) = word(*index, *info, (*target).ri_RelationDesc) {
                taken.push(MinMax {
                    index: *index,
                    info: *info,
                    word,
                });
                continue;
            }
            std::ptr::swap(index, (*target).ri_IndexRelationDescs.add(left));
            std::ptr::swap(info, (*target).ri_IndexRelationInfo.add(left));
            left += 1;
        }
        (*target).ri_NumIndices = left as i32;
        (taken, all)
    }
}

/// The word that holds the one column of an index of this kind; none for any other index.
///
/// # Safety
/// Index and table are open, and `info` describes the index.
unsafe fn word(
    index: pg_sys::Relation,
    info: *const pg_sys::IndexInfo,
    table: pg_sys::Relation,
) -> Option<usize> {
    // SAFETY: an open index has as many operator families as key columns, and a table natts attributes.
    unsafe {
        let is_plain = (*info).ii_Am == pg_sys::BRIN_AM_OID
            && (*info).ii_NumIndexAttrs == 1
            && (*info).ii_Expressions.is_null()
            && (*info).ii_Predicate.is_null()
            && FAMILIES.contains(&(*(*index).rd_opfamily).to_u32());
        let number = usize::try_from((*info).ii_IndexAttrNumbers[0]).ok()?;
        let attributes = pgrx::PgTupleDesc::from_pg_unchecked((*table).rd_att);
        let is_number = |attribute: &pg_sys::FormData_pg_attribute| {
            attribute.attnotnull
                && TYPES
                    .iter()
                    .any(|t| attribute.atttypid == pg_sys::Oid::from(*t))
        };
        (is_plain && number > 0 && attributes.iter().take(number).all(is_number))
            .then_some(HEADER_WORDS + number - 1)
    }
}

impl MinMax {
    /// Tells the index of rows that `table` now holds: `rows` gives, in the order in which they were inserted, each
    /// row's image and slot. Of each page's rows it is told of the first, the least and the greatest.
    ///
    /// # Safety
    /// The slots hold tuples of these images, which the heap has just inserted into `table`, the index's table.
    pub unsafe fn insert<'a, const WORDS: usize>(
        &self,
        table: pg_sys::Relation,
        rows: impl Iterator<Item = (&'a [u64; WORDS], *mut pg_sys::TupleTableSlot)>,
    ) {
        let mut page: Option<Page> = None;
        for (image, slot) in rows {
            let Some(word) = image.get(self.word) else {
                return;
            };
            // SAFETY: the slot is valid, and the heap has set where its tuple is.
            let place = unsafe { (*slot).tts_tid };
            let row = Row {
                value: *word as i64,
                place,
            };
            match &mut page {
                Some(page) if page.first.block() == row.block() => page.add(row),
                _ => {
                    if let Some(page) = page.replace(Page::new(row)) {
                        // SAFETY: the caller's promise.
                        unsafe { self.tell(table, &page) };
                    }
                }
            }
        }
        if let Some(page) = page {
            // SAFETY: the caller's promise.
            unsafe { self.tell(table, &page) };
        }
    }

    /// # Safety
    /// As [`MinMax::insert`].
    unsafe fn tell(&self, table: pg_sys::Relation, page: &Page) {
        let mut told = [None; 3];
        for (place, row) in [page.first, page.least, page.greatest]
            .into_iter()
            .enumerate()
        {
            if told.contains(&Some(row.offset())) {
                continue;
            }
            told[place] = Some(row.offset());
            let (mut value, mut is_null) = (pg_sys::Datum::from(row.value), false);
            let mut at = row.place;
            // SAFETY: index and table are open; the index has one column, of a type that is passed by value.
            unsafe {
                pg_sys::index_insert(
                    self.index,
                    &mut value,
                    &mut is_null,
                    &mut at,
                    table,
                    pg_sys::IndexUniqueCheck::UNIQUE_CHECK_NO,
                    false,
                    self.info,
                );
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Row {
    value: i64,
    place: pg_sys::ItemPointerData,
}

impl Row {
    fn block(&self) -> (u16, u16) {
        (self.place.ip_blkid.bi_hi, self.place.ip_blkid.bi_lo)
    }

    fn offset(&self) -> u16 {
        self.place.ip_posid
    }
}

/// What an index is told of the rows on one page. The first is among them because an index that summarizes by itself
/// does so when the first row of a page range arrives.
struct Page {
    first: Row,
    least: Row,
    greatest: Row,
}

impl Page {
    fn new(row: Row) -> Page {
        Page {
            first: row,
            least: row,
            greatest: row,
        }
    }

    fn add(&mut self, row: Row) {
        if row.value < self.least.value {
            self.least = row;
        }
        if row.value > self.greatest.value {
            self.greatest = row;
        }
    }
}
