//! Inserting many rows at a time into a table of any kind, by statements: whatever INSERT does there is done.
//!
//! Ready rows are collected, and a statement asks the function `trips.rows_in_hand` for them, which gives one after the
//! other. In the target list the executor does not collect what a function gives, as it does in FROM.

use std::cell::RefCell;

use pgrx::prelude::*;
use trips_core::ingest::tuple::{Tuple, bytes_of};

use super::memory::Context;
use super::own_statement::OwnStatement;
use super::relation::Relation;
use super::row_former::RowFormer;
use super::spi;
use super::value::Value;
use crate::error;

/// Bytes of rows that one statement inserts, unless a row alone has more: then that takes much longer than planning it.
const BYTES_PER_STATEMENT: usize = 8 * 1024 * 1024;

/// Bytes of a word, to which rows are aligned.
const WORD: usize = size_of::<u64>();

/// An insert into one table that goes on until `finish`; until then rows may wait for others. Without `finish` the
/// transaction must abort.
pub struct StatementInsert<'r> {
    relation: &'r Relation,
    statement: String,
    former: RowFormer<'r>,
    rows: Rows,
    /// What forming rows and one statement allocate.
    scratch: Context,
}

/// Tuples of a table, which is open as long as there are any.
#[derive(Debug)]
struct Rows {
    /// The table's row type.
    of: pg_sys::Oid,
    /// The table's columns; null where there is no table.
    columns: pg_sys::TupleDesc,
    /// The tuples, one behind the other.
    words: Vec<u64>,
    /// Where each tuple begins, in words, and its length in bytes.
    places: Vec<(usize, u32)>,
    /// How many have been given away.
    given: usize,
}

thread_local! {
    /// The rows that the statement which runs now is to insert. Only the session's own thread runs statements.
    static IN_HAND: RefCell<Rows> = const { RefCell::new(Rows::none()) };
}

impl<'r> StatementInsert<'r> {
    /// Prepares to insert into `relation`, a table of the schema `trips`.
    pub fn begin(relation: &'r Relation) -> StatementInsert<'r> {
        let table = format!("trips.{}", relation.quoted_name());
        StatementInsert {
            relation,
            statement: format!(
                "INSERT INTO {table} SELECT (q.r).* FROM (SELECT trips.rows_in_hand(NULL::{table}) AS r OFFSET 0) q"
            ),
            former: RowFormer::of(relation),
            rows: Rows::of(relation),
            scratch: Context::new(c"trips_ext statement insert"),
        }
    }

    /// Inserts ready tuples.
    ///
    /// # Safety
    /// The relation has the columns of `trips.trip`.
    pub unsafe fn insert(&mut self, tuples: &[Tuple]) {
        for tuple in tuples {
            self.push(bytes_of(tuple));
        }
    }

    /// Inserts rows, each with a value for every column. Raises 42804 where that is not so.
    pub fn insert_rows<'v, R: AsRef<[Value<'v>]>>(&mut self, rows: &[R]) {
        for row in rows {
            let entered = self.scratch.enter();
            let tuple = self.former.form(row.as_ref());
            drop(entered);
            // SAFETY: a tuple has t_len bytes at t_data, and lives until the scratch memory is reset.
            let bytes = unsafe {
                std::slice::from_raw_parts((*tuple).t_data.cast::<u8>(), (*tuple).t_len as usize)
            };
            self.push(bytes);
            self.scratch.reset();
        }
    }

    /// Adds a tuple of the relation to those that wait.
    fn push(&mut self, tuple: &[u8]) {
        if self.rows.words.len() * WORD + tuple.len() > BYTES_PER_STATEMENT {
            self.flush();
        }
        self.rows.push(tuple);
    }

    /// Inserts what waits.
    fn flush(&mut self) {
        let count = self.rows.places.len() as u64;
        if count == 0 {
            return;
        }
        let own = OwnStatement::begin();
        let hand = Hand::take(&mut self.rows);
        let inserted = self.scratch.lend(|| spi::changed(&self.statement, &[]));
        drop(hand);
        drop(own);
        match inserted {
            Ok(inserted) if inserted == count => self.rows.clear(),
            Ok(inserted) => super::raise(
                PgSqlErrorCode::ERRCODE_TRIGGERED_ACTION_EXCEPTION,
                format!(
                    "table \"{}\" took {inserted} of {count} rows",
                    self.relation.name().to_string_lossy()
                ),
            ),
            Err(error) => error::raise(&error),
        }
    }

    /// Inserts what waits and ends the insert.
    pub fn finish(mut self) {
        self.flush();
    }
}

impl Rows {
    const fn none() -> Rows {
        Rows {
            of: pg_sys::InvalidOid,
            columns: std::ptr::null_mut(),
            words: Vec::new(),
            places: Vec::new(),
            given: 0,
        }
    }

    fn of(relation: &Relation) -> Rows {
        Rows {
            of: relation.row_type(),
            // SAFETY: the relation is open. It stays so, and locked, as long as rows wait: the server keeps the descriptor of
            // a table in use whose columns have not changed.
            columns: unsafe { (*relation.as_ptr()).rd_att },
            ..Rows::none()
        }
    }

    fn push(&mut self, tuple: &[u8]) {
        let start = self.words.len();
        self.words.resize(start + tuple.len().div_ceil(WORD), 0);
        // SAFETY: there are as many bytes behind `start`, in words and so aligned as a tuple must be.
        unsafe {
            let place = self.words[start..].as_mut_ptr().cast::<u8>();
            place.copy_from_nonoverlapping(tuple.as_ptr(), tuple.len());
        }
        self.places.push((start, tuple.len() as u32));
    }

    /// The next row as a value, in the current memory context; none after the last.
    fn next(&mut self) -> Option<pg_sys::Datum> {
        let (start, length) = *self.places.get(self.given)?;
        self.given += 1;
        let mut tuple = pg_sys::HeapTupleData {
            t_len: length,
            t_data: self.words.get(start..)?.as_ptr().cast_mut().cast(),
            ..Default::default()
        };
        // SAFETY: the tuple has these columns; what is copied is given the header of a value.
        Some(unsafe { pg_sys::heap_copy_tuple_as_datum(&mut tuple, self.columns) })
    }

    fn clear(&mut self) {
        self.words.clear();
        self.places.clear();
        self.given = 0;
    }
}

/// While it lives, rows are in hand; they are given back when it is dropped, by unwinding too.
struct Hand<'h> {
    of: &'h mut Rows,
    /// Those of a statement that has called this one.
    before: Rows,
}

impl<'h> Hand<'h> {
    fn take(rows: &'h mut Rows) -> Hand<'h> {
        let before = IN_HAND.replace(std::mem::replace(rows, Rows::none()));
        Hand { of: rows, before }
    }
}

impl Drop for Hand<'_> {
    fn drop(&mut self) {
        let before = std::mem::replace(&mut self.before, Rows::none());
        *self.of = IN_HAND.replace(before);
    }
}

/// The next row in hand, if rows are of this type; see `trips.rows_in_hand`.
fn next_in_hand(of: pg_sys::Oid) -> Option<pg_sys::Datum> {
    IN_HAND.with_borrow_mut(|rows| if rows.of == of { rows.next() } else { None })
}

/// What SQL calls `trips.rows_in_hand`: a function that gives one value a call.
///
/// # Safety
/// The server calls it, with an argument and where a set can be taken.
#[unsafe(no_mangle)]
#[pg_guard]
pub unsafe extern "C-unwind" fn trips_ext_rows_in_hand(
    call: pg_sys::FunctionCallInfo,
) -> pg_sys::Datum {
    // SAFETY: the server passes a call with its function, and with a ReturnSetInfo where it takes a set.
    unsafe {
        let result = (*call).resultinfo.cast::<pg_sys::ReturnSetInfo>();
        if result.is_null() || (*result).type_ != pg_sys::NodeTag::T_ReturnSetInfo {
            super::raise(
                PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
                "set-valued function called in context that cannot accept a set".to_owned(),
            );
        }
        let row = next_in_hand(pg_sys::get_fn_expr_argtype((*call).flinfo, 0));
        (*call).isnull = row.is_none();
        (*result).isDone = match row {
            Some(_) => pg_sys::ExprDoneCond::ExprMultipleResult,
            None => pg_sys::ExprDoneCond::ExprEndResult,
        };
        row.unwrap_or(pg_sys::Datum::null())
    }
}

/// Tells the server how the function is called.
#[unsafe(no_mangle)]
pub extern "C" fn pg_finfo_trips_ext_rows_in_hand() -> &'static pg_sys::Pg_finfo_record {
    const VERSION_1: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
    &VERSION_1
}
