//! Where the executor sends the rows of a query: to a closure, each in the place where the executor has it.

use pgrx::prelude::*;
use trips_core::Error;

use super::memory::Context;
use super::relation::Relation;

/// A row that a query gives, while the executor shows it. Columns are counted from 1. Asking for one that is not there
/// or of another type raises 42804.
pub struct Row<'r> {
    values: &'r [pg_sys::Datum],
    nulls: &'r [bool],
    types: &'r [pg_sys::Oid],
    detoasted: &'r Context,
}

impl<'r> Row<'r> {
    /// One whose columns are these, each with its type; what is detoasted is allocated in `detoasted`.
    pub(super) fn new(
        values: &'r [pg_sys::Datum],
        nulls: &'r [bool],
        types: &'r [pg_sys::Oid],
        detoasted: &'r Context,
    ) -> Row<'r> {
        Row {
            values,
            nulls,
            types,
            detoasted,
        }
    }
}

impl Row<'_> {
    /// A `smallint`; none is null, here and below.
    pub fn int2(&self, column: usize) -> Option<i16> {
        let datum = self.datum(column, pg_sys::INT2OID)?;
        Some(datum.value() as i16)
    }

    /// A `bigint`.
    pub fn int8(&self, column: usize) -> Option<i64> {
        let datum = self.datum(column, pg_sys::INT8OID)?;
        Some(datum.value() as i64)
    }

    /// A `date`: days since 2000-01-01, `i32::MIN` and `i32::MAX` for the infinite ones.
    pub fn date(&self, column: usize) -> Option<i32> {
        let datum = self.datum(column, pg_sys::DATEOID)?;
        Some(datum.value() as i32)
    }

    /// A `timestamp` without time zone: microseconds since 2000-01-01 00:00, `i64::MIN` and `i64::MAX` for the
    /// infinite ones.
    pub fn timestamp(&self, column: usize) -> Option<i64> {
        let datum = self.datum(column, pg_sys::TIMESTAMPOID)?;
        Some(datum.value() as i64)
    }

    /// A `double precision`.
    pub fn float8(&self, column: usize) -> Option<f64> {
        let datum = self.datum(column, pg_sys::FLOAT8OID)?;
        Some(f64::from_bits(datum.value() as u64))
    }

    /// A `bytea`: in the table's page where it is stored plainly; one that is compressed or out of line is fetched now,
    /// at every call, into memory that is freed with the row.
    pub fn bytes(&self, column: usize) -> Option<&[u8]> {
        self.varlena(column, pg_sys::BYTEAOID)
    }

    /// A value of the type `geometry`, which `geometry` is the OID of: its serialised form, as [`Row::bytes`] gives it.
    pub fn geometry(&self, column: usize, geometry: Geometry) -> Option<&[u8]> {
        self.varlena(column, geometry.0)
    }

    fn varlena(&self, column: usize, varlena_type: pg_sys::Oid) -> Option<&[u8]> {
        let datum = self.datum(column, varlena_type)?;
        let stored = datum.cast_mut_ptr::<pg_sys::varlena>();
        // SAFETY: the datum of such a type that is not null points to a varlena, which lives as long as the row; what is
        // fetched is freed after it.
        unsafe {
            let is_plain = pgrx::varatt_is_4b_u(stored)
                || (pgrx::varatt_is_1b(stored) && !pgrx::varatt_is_1b_e(stored));
            let plain = match is_plain {
                true => stored,
                false => {
                    let _entered = self.detoasted.enter();
                    pg_sys::detoast_attr(stored)
                }
            };
            Some(pgrx::varlena_to_byte_slice(plain))
        }
    }

    fn datum(&self, column: usize, expected: pg_sys::Oid) -> Option<pg_sys::Datum> {
        let place = column.wrapping_sub(1);
        if self.types.get(place) != Some(&expected) {
            refuse(column, expected);
        }
        match (self.nulls.get(place), self.values.get(place)) {
            (Some(false), Some(value)) => Some(*value),
            _ => None,
        }
    }
}

#[cold]
fn refuse(column: usize, expected: pg_sys::Oid) -> ! {
    super::raise(
        PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH,
        format!(
            "column {column} of the query is not of the type with OID {}",
            expected.to_u32()
        ),
    )
}

/// The type `geometry` as this database knows it: a type of variable width.
#[derive(Debug, Clone, Copy)]
pub struct Geometry(pg_sys::Oid);

impl Geometry {
    /// That of a column of a table.
    ///
    /// # Errors
    /// XX000 if there is no such column, or it is of a type of fixed width.
    pub fn of(table: &Relation, column: &str) -> Result<Geometry, Error> {
        let columns = table.columns();
        let found = columns.into_iter().find(|(name, _)| name == column);
        // SAFETY: a look-up by OID in the catalogue.
        let varlena = found.filter(|(_, oid)| unsafe { pg_sys::get_typlen(*oid) } == -1);
        let (_, oid) = varlena.ok_or_else(|| Error::Internal {
            what: format!(
                "table \"{}\" has no geometry named {column}",
                table.name().to_string_lossy()
            ),
        })?;
        Ok(Geometry(oid))
    }
}

type Take<'f> = dyn FnMut(&Row<'_>) -> Result<(), Error> + 'f;

/// A DestReceiver of the server's.
#[repr(C)]
pub(super) struct Receiver<'f> {
    /// All that the server knows of this; it must come first.
    methods: pg_sys::DestReceiver,
    take: &'f mut Take<'f>,
    caller: Surroundings,
    types: Vec<pg_sys::Oid>,
    detoasted: Context,
    result: Result<(), Error>,
}

impl<'f> Receiver<'f> {
    /// Will call `take` with each row, in the surroundings of this call.
    pub(super) fn new(take: &'f mut Take<'f>) -> Receiver<'f> {
        Receiver {
            methods: pg_sys::DestReceiver {
                receiveSlot: Some(receive),
                rStartup: Some(start),
                rShutdown: Some(ignore),
                rDestroy: Some(ignore),
                // Any but those two that SPI treats in its own way, DestNone and DestSPI.
                mydest: pg_sys::CommandDest::DestTuplestore,
            },
            take,
            caller: Surroundings::now(),
            types: Vec::new(),
            detoasted: Context::new(c"trips_ext detoasted"),
            result: Ok(()),
        }
    }

    /// What the executor takes. The receiver must not move nor be touched while that uses it.
    pub(super) fn as_ptr(&mut self) -> *mut pg_sys::DestReceiver {
        (&raw mut *self).cast()
    }

    /// How the query went for the closure.
    pub(super) fn finish(self) -> Result<(), Error> {
        self.result
    }

    /// Shows a row to the closure; false asks for no more rows.
    fn receive(&mut self, row: Columns) -> bool {
        // SAFETY: `row` has as many elements, which stay until the executor is given back control.
        let row = unsafe {
            Row::new(
                std::slice::from_raw_parts(row.values, row.count),
                std::slice::from_raw_parts(row.nulls, row.count),
                &self.types,
                &self.detoasted,
            )
        };
        let executor = self.caller.enter();
        self.result = (self.take)(&row);
        drop(executor);
        self.detoasted.reset();
        self.result.is_ok()
    }
}

/// A row's columns, in arrays of the executor's.
struct Columns {
    count: usize,
    values: *const pg_sys::Datum,
    nulls: *const bool,
}

#[pg_guard]
unsafe extern "C-unwind" fn start(
    receiver: *mut pg_sys::DestReceiver,
    _operation: std::ffi::c_int,
    columns: pg_sys::TupleDesc,
) {
    // SAFETY: the executor gives back what `as_ptr` gave it, and a descriptor that stays for the query.
    unsafe {
        let receiver = &mut *receiver.cast::<Receiver<'_>>();
        let columns = pgrx::PgTupleDesc::from_pg_unchecked(columns);
        receiver.types = columns.iter().map(|column| column.atttypid).collect();
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn receive(
    slot: *mut pg_sys::TupleTableSlot,
    receiver: *mut pg_sys::DestReceiver,
) -> bool {
    check_for_interrupts!();
    // SAFETY: the executor gives back what `as_ptr` gave it, and a slot that holds a row.
    unsafe {
        let count = (*(*slot).tts_tupleDescriptor).natts;
        if i32::from((*slot).tts_nvalid) < count {
            pg_sys::slot_getallattrs(slot);
        }
        (*receiver.cast::<Receiver<'_>>()).receive(Columns {
            count: count as usize,
            values: (*slot).tts_values,
            nulls: (*slot).tts_isnull,
        })
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn ignore(_receiver: *mut pg_sys::DestReceiver) {}

/// Where code allocates, and who is accountable for its buffers and locks: a portal has its own of both.
#[derive(Clone, Copy)]
struct Surroundings {
    context: pg_sys::MemoryContext,
    owner: pg_sys::ResourceOwner,
}

impl Surroundings {
    fn now() -> Surroundings {
        // SAFETY: reading two globals that are set inside a transaction.
        unsafe {
            Surroundings {
                context: pg_sys::CurrentMemoryContext,
                owner: pg_sys::CurrentResourceOwner,
            }
        }
    }

    fn set(self) {
        // SAFETY: both were current in a frame that is still on the stack, which they outlive.
        unsafe {
            pg_sys::CurrentMemoryContext = self.context;
            pg_sys::CurrentResourceOwner = self.owner;
        }
    }

    /// Goes there until the guard is dropped.
    fn enter(self) -> Left {
        let before = Surroundings::now();
        self.set();
        Left(before)
    }
}

struct Left(Surroundings);

impl Drop for Left {
    fn drop(&mut self) {
        self.0.set();
    }
}
