//! BRIN indexes that keep the minimum and maximum of a number, fed with no more rows than they can learn from.
//!
//! The server calls an index once for each row. What such an index keeps of a page range is the least and the greatest
//! value in it, so of the rows that were put into a range in one go it need be told of two.

use pgrx::prelude::*;

/// The operator families integer_minmax_ops and datetime_minmax_ops (pg_opfamily.dat).
const FAMILIES: [u32; 2] = [4054, 4059];

/// Types of their columns that compare as 64-bit integers.
const TYPES: [pg_sys::BuiltinOid; 3] = [
    pg_sys::BuiltinOid::INT8OID,
    pg_sys::BuiltinOid::TIMESTAMPOID,
    pg_sys::BuiltinOid::TIMESTAMPTZOID,
];

/// Where a tuple's header says where its values start (`t_hoff`).
const VALUES_AT: usize = 22;

/// What `pages_per_range` is where nothing else was said (BRIN_DEFAULT_PAGES_PER_RANGE).
const PAGES_PER_RANGE: u32 = 128;

/// An index of this kind on one of a table's leading 64-bit columns.
pub struct MinMax {
    index: pg_sys::Relation,
    info: *mut pg_sys::IndexInfo,
    pages_per_range: u32,
    /// Where the column is, from the start of a tuple's values.
    offset: usize,
    /// What the index has not been told yet.
    noted: Vec<Range>,
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
            if let Some(offset) = offset(*index, *info, (*target).ri_RelationDesc) {
                taken.push(MinMax {
                    index: *index,
                    info: *info,
                    pages_per_range: pages_per_range(*index),
                    offset,
                    noted: Vec::new(),
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

/// Where in a tuple's values the one column of an index of this kind is; none for any other index.
///
/// # Safety
/// Index and table are open, and `info` describes the index.
unsafe fn offset(
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
            .then_some((number - 1) * size_of::<i64>())
    }
}

/// How many pages the index keeps a minimum and a maximum for.
///
/// # Safety
/// It is an open BRIN index.
unsafe fn pages_per_range(index: pg_sys::Relation) -> u32 {
    /// BrinOptions (access/brin.h), for which pgrx has no bindings.
    #[repr(C)]
    struct Options {
        size: i32,
        pages_per_range: pg_sys::BlockNumber,
    }
    // SAFETY: rd_options is null, or for a BRIN index of that kind.
    let options = unsafe { (*index).rd_options.cast::<Options>().as_ref() };
    options.map_or(PAGES_PER_RANGE, |options| options.pages_per_range.max(1))
}

impl MinMax {
    /// Takes note of rows that the table gets, in the order in which it does: each row's tuple and place. Of each page
    /// range's rows the index will be told of the first, the least and the greatest.
    pub fn note<'a>(&mut self, rows: impl Iterator<Item = (&'a [u8], pg_sys::ItemPointerData)>) {
        for (tuple, place) in rows {
            let Some(value) = self.value(tuple) else {
                return;
            };
            let row = Row { value, place };
            let number = row.block() / self.pages_per_range;
            match self.noted.last_mut() {
                Some(range) if range.number == number => range.add(row),
                _ => self.noted.push(Range::new(number, row)),
            }
        }
    }

    /// Tells the index of the rows that were noted, which `table` now holds.
    ///
    /// # Safety
    /// These tuples have just been inserted at these places of `table`, the index's table.
    pub unsafe fn tell(&mut self, table: pg_sys::Relation) {
        for range in std::mem::take(&mut self.noted) {
            // SAFETY: the caller's promise.
            unsafe { self.tell_of(table, &range) };
        }
    }

    /// What a tuple has in the column.
    #[inline]
    fn value(&self, tuple: &[u8]) -> Option<i64> {
        let values = usize::from(*tuple.get(VALUES_AT)?);
        let value = tuple.get(values + self.offset..)?.first_chunk()?;
        Some(i64::from_ne_bytes(*value))
    }

    /// # Safety
    /// As [`MinMax::tell`].
    unsafe fn tell_of(&self, table: pg_sys::Relation, range: &Range) {
        let mut told = [None; 3];
        for (number, row) in [range.first, range.least, range.greatest]
            .into_iter()
            .enumerate()
        {
            let place = (row.block(), row.place.ip_posid);
            if told.contains(&Some(place)) {
                continue;
            }
            told[number] = Some(place);
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
    fn block(&self) -> u32 {
        let pg_sys::BlockIdData { bi_hi, bi_lo } = self.place.ip_blkid;
        u32::from(bi_hi) << 16 | u32::from(bi_lo)
    }
}

/// What an index is told of the rows in one page range. The first is among them because an index that summarizes by
/// itself does so when the first row of a page range arrives.
struct Range {
    number: u32,
    first: Row,
    least: Row,
    greatest: Row,
}

impl Range {
    fn new(number: u32, row: Row) -> Range {
        Range {
            number,
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
