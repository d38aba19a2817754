//! Tuples made of values.

use pgrx::prelude::*;

use super::relation::Relation;
use super::value::Value;

/// Forms tuples for one table.
pub struct RowFormer<'r> {
    relation: &'r Relation,
    /// Types of the columns.
    types: Vec<pg_sys::Oid>,
    /// A row's columns while its tuple is formed.
    values: Vec<pg_sys::Datum>,
    nulls: Vec<bool>,
}

impl<'r> RowFormer<'r> {
    /// One for `relation`.
    pub fn of(relation: &'r Relation) -> RowFormer<'r> {
        RowFormer {
            relation,
            types: relation.columns().into_iter().map(|(_, oid)| oid).collect(),
            values: Vec::new(),
            nulls: Vec::new(),
        }
    }

    /// A tuple of a row that has a value for every column, allocated in the current memory context. Raises 42804 where a value
    /// is of another type.
    pub fn form(&mut self, row: &[Value<'_>]) -> pg_sys::HeapTuple {
        let fits = |(value, oid): (&Value<'_>, &pg_sys::Oid)| value.is_of(*oid);
        if row.len() != self.types.len() || !row.iter().zip(&self.types).all(fits) {
            super::raise(
                PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH,
                format!(
                    "table \"{}\" has not the columns that are inserted",
                    self.relation.name().to_string_lossy()
                ),
            );
        }
        self.values.clear();
        self.nulls.clear();
        for datum in row.iter().map(Value::datum) {
            self.values.push(datum.unwrap_or(pg_sys::Datum::null()));
            self.nulls.push(datum.is_none());
        }
        // SAFETY: both arrays have one element for each column of the open relation, of the column's type.
        unsafe {
            pg_sys::heap_form_tuple(
                (*self.relation.as_ptr()).rd_att,
                self.values.as_mut_ptr(),
                self.nulls.as_mut_ptr(),
            )
        }
    }
}
