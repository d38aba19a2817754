//! Values on their way into tables and statements, and the types of SQL that they have.

use pgrx::prelude::*;

/// A type of SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// `smallint`
    Int2,
    /// `bigint`
    Int8,
    /// `date`
    Date,
    /// `bytea`
    Bytes,
    /// `bigint[]`
    Int8s,
}

impl Type {
    /// The OID that the type has in every database.
    pub(super) const fn oid(self) -> pg_sys::Oid {
        match self {
            Type::Int2 => pg_sys::INT2OID,
            Type::Int8 => pg_sys::INT8OID,
            Type::Date => pg_sys::DATEOID,
            Type::Bytes => pg_sys::BYTEAOID,
            Type::Int8s => pg_sys::INT8ARRAYOID,
        }
    }
}

/// A value of SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'v> {
    /// Of any type.
    Null,
    /// A `smallint`.
    Int2(i16),
    /// A `bigint`.
    Int8(i64),
    /// A `date`: days since 2000-01-01.
    Date(i32),
    /// A `bytea`.
    Bytes(&'v [u8]),
    /// A `bigint[]` of one dimension without nulls; empty, it has none.
    Int8s(&'v [i64]),
}

impl Value<'_> {
    /// Whether it can be stored as a type, given by its OID.
    pub(super) fn is_of(&self, oid: pg_sys::Oid) -> bool {
        let own = match self {
            Value::Null => return true,
            Value::Int2(_) => Type::Int2,
            Value::Int8(_) => Type::Int8,
            Value::Date(_) => Type::Date,
            Value::Bytes(_) => Type::Bytes,
            Value::Int8s(_) => Type::Int8s,
        };
        own.oid() == oid
    }

    /// How much the server has to copy of it besides the datum.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Value::Bytes(bytes) => bytes.len(),
            Value::Int8s(numbers) => size_of_val(*numbers),
            _ => 0,
        }
    }

    /// As the server knows it, allocated in the current memory context; none is null.
    pub(super) fn datum(&self) -> Option<pg_sys::Datum> {
        match *self {
            Value::Null => None,
            Value::Int2(number) => Some(number.into()),
            Value::Int8(number) => Some(number.into()),
            Value::Date(day) => Some(day.into()),
            Value::Bytes(bytes) => Some(bytea(bytes)),
            Value::Int8s(numbers) => Some(array(numbers)),
        }
    }
}

impl From<i16> for Value<'_> {
    fn from(number: i16) -> Self {
        Value::Int2(number)
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Value::Int8(number)
    }
}

impl<'v> From<&'v [u8]> for Value<'v> {
    fn from(bytes: &'v [u8]) -> Self {
        Value::Bytes(bytes)
    }
}

impl<'v> From<&'v [i64]> for Value<'v> {
    fn from(numbers: &'v [i64]) -> Self {
        Value::Int8s(numbers)
    }
}

impl<'v, T: Into<Value<'v>>> From<Option<T>> for Value<'v> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

fn bytea(bytes: &[u8]) -> pg_sys::Datum {
    let size = pg_sys::VARHDRSZ + bytes.len();
    // SAFETY: palloc gives `size` bytes, aligned, or raises; sizes that it gives fit an i32.
    unsafe {
        let made = pg_sys::palloc(size);
        pgrx::set_varsize_4b(made.cast(), size as i32);
        let data = made.cast::<u8>().add(pg_sys::VARHDRSZ);
        data.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        made.into()
    }
}

fn array(numbers: &[i64]) -> pg_sys::Datum {
    const { assert!(size_of::<pg_sys::Datum>() == size_of::<i64>()) };
    // A length above i32::MAX becomes one that the server refuses.
    let length = i32::try_from(numbers.len()).unwrap_or(i32::MAX);
    // SAFETY: the datum of a bigint is the number itself, of the same size (asserted); the elements are copied.
    unsafe {
        pg_sys::construct_array(
            numbers.as_ptr().cast_mut().cast(),
            length,
            pg_sys::INT8OID,
            size_of::<i64>() as i32,
            true,
            pg_sys::TYPALIGN_DOUBLE as std::ffi::c_char,
        )
        .into()
    }
}
