//! The call of a trigger function, and the row that it is about.

use pgrx::prelude::*;

/// Why a trigger function is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Before the statement does anything.
    BeforeStatement,
    /// Once for each row.
    Row,
    /// After the statement has done all.
    AfterStatement,
}

/// The call of a trigger function on INSERT.
pub struct Call<'c> {
    data: &'c pg_sys::TriggerData,
}

impl<'c> Call<'c> {
    /// The call that `trigger` is.
    pub fn of(trigger: &PgTrigger<'c>) -> Call<'c> {
        Call {
            data: trigger.trigger_data(),
        }
    }

    /// Why.
    pub fn moment(&self) -> Moment {
        let event = self.data.tg_event;
        if event & pg_sys::TRIGGER_EVENT_ROW != 0 {
            Moment::Row
        } else if event & pg_sys::TRIGGER_EVENT_TIMINGMASK == pg_sys::TRIGGER_EVENT_BEFORE {
            Moment::BeforeStatement
        } else {
            Moment::AfterStatement
        }
    }

    /// Shows the row's values, which are text all of them, to `take`. A row of another shape raises 39P01.
    pub fn texts<const N: usize, T>(&self, take: impl FnOnce([Option<&[u8]>; N]) -> T) -> T {
        let (tuple, relation) = (self.data.tg_trigtuple, self.data.tg_relation);
        // SAFETY: of a row trigger both are valid as long as the call; the arrays have a place for each column. Values of type
        // text that are not null point to a varlena, and what detoasting allocates is freed after the call, as the server does
        // with a trigger's memory.
        unsafe {
            let columns = pgrx::PgTupleDesc::from_pg_unchecked((*relation).rd_att);
            let is_text =
                |column: &pg_sys::FormData_pg_attribute| column.atttypid == pg_sys::TEXTOID;
            if tuple.is_null() || columns.len() != N || !columns.iter().all(is_text) {
                super::raise(
                    PgSqlErrorCode::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                    format!("trigger was not called for a row of {N} texts"),
                );
            }
            let mut values = [pg_sys::Datum::null(); N];
            let mut nulls = [false; N];
            pg_sys::heap_deform_tuple(
                tuple,
                (*relation).rd_att,
                values.as_mut_ptr(),
                nulls.as_mut_ptr(),
            );
            let mut texts = [None; N];
            for ((text, value), null) in texts.iter_mut().zip(values).zip(nulls) {
                if !null {
                    let plain = pg_sys::pg_detoast_datum_packed(value.cast_mut_ptr());
                    *text = Some(pgrx::varlena_to_byte_slice(plain));
                }
            }
            take(texts)
        }
    }
}
