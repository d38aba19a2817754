//! Statements that a session prepares once and keeps, and open cursors. Their rows are looked at where they are: in
//! the server's pages and without a copy.

use std::ffi::{CStr, CString};
use std::sync::atomic::{AtomicPtr, Ordering};

use pgrx::prelude::*;
use trips_core::Error;

use super::receiver::{Receiver, Row};
use super::relation::Relation;
use super::storage;
use super::value::{Type, Value};

/// What of the database a statement sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Snapshot {
    /// What the calling query sees. The statement may only read: what STABLE functions ask for.
    Caller,
    /// What is there now, with all that the transaction itself has done.
    Latest,
}

/// A statement that is planned at its first use in a session, without regard to its arguments, and again when its
/// tables change; where there is Citus, which knows no such plans, with regard to them. It runs with the rights of
/// whoever is the current role then.
pub struct Statement {
    sql: &'static CStr,
    arguments: &'static [Type],
    plan: Kept,
    plan_for_citus: Kept,
}

/// A plan, owned by the server, which never frees it; null before the first use.
type Kept = AtomicPtr<pg_sys::_SPI_plan>;

impl Statement {
    /// One statement of SQL with `arguments` `$1`, `$2`, ... Every name in it must be qualified.
    pub const fn new(sql: &'static CStr, arguments: &'static [Type]) -> Statement {
        Statement {
            sql,
            arguments,
            plan: Kept::new(std::ptr::null_mut()),
            plan_for_citus: Kept::new(std::ptr::null_mut()),
        }
    }

    /// Runs it and shows its rows to `take`, which runs in the caller's memory context and may run statements itself.
    /// Gives the number of rows that it gave or changed. What it allocated is freed then.
    ///
    /// # Errors
    /// The first that `take` gives, which also ends the statement; XX000 for arguments of other types. What the server
    /// raises leaves as a panic.
    pub fn each(
        &self,
        arguments: &[Value<'_>],
        snapshot: Snapshot,
        mut take: impl FnMut(&Row<'_>) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        let mut receiver = Receiver::new(&mut take);
        let connection = Connection::open();
        let options = pg_sys::SPIExecuteOptions {
            params: self.parameters(arguments)?,
            read_only: snapshot == Snapshot::Caller,
            dest: receiver.as_ptr(),
            ..Default::default()
        };
        let plan = self.plan()?;
        // SAFETY: the plan is kept for ever, and has as many parameters as `parameters` has made; the receiver lives
        // until after the call.
        let (code, rows) = unsafe {
            let code = pg_sys::SPI_execute_plan_extended(plan, &options);
            (code, pg_sys::SPI_processed)
        };
        connection.close();
        if code < 0 {
            return Err(self.misuse(code));
        }
        receiver.finish().map(|()| rows)
    }

    /// Runs a statement that gives no rows; the number of rows that it changed.
    ///
    /// # Errors
    /// As [`Statement::each`].
    pub fn run(&self, arguments: &[Value<'_>]) -> Result<u64, Error> {
        self.each(arguments, Snapshot::Latest, |_| Ok(()))
    }

    /// The arguments as the executor takes them, in the current memory context.
    fn parameters(&self, arguments: &[Value<'_>]) -> Result<pg_sys::ParamListInfo, Error> {
        let fits = |(value, expected): (&Value<'_>, &Type)| value.is_of(expected.oid());
        let given = || arguments.iter().zip(self.arguments);
        if arguments.len() != self.arguments.len() || !given().all(fits) {
            return Err(Error::Internal {
                what: format!("wrong arguments for: {}", self.sql.to_string_lossy()),
            });
        }
        if arguments.is_empty() {
            // A list without parameters is none to who copies it.
            return Ok(std::ptr::null_mut());
        }
        // SAFETY: makeParamList makes room for so many parameters.
        unsafe {
            let list = pg_sys::makeParamList(arguments.len() as i32);
            let places = (*list).params.as_mut_ptr();
            for (number, (value, expected)) in given().enumerate() {
                let datum = value.datum();
                places.add(number).write(pg_sys::ParamExternData {
                    value: datum.unwrap_or(pg_sys::Datum::null()),
                    isnull: datum.is_none(),
                    pflags: pg_sys::PARAM_FLAG_CONST as u16,
                    ptype: expected.oid(),
                });
            }
            Ok(list)
        }
    }

    fn plan(&self) -> Result<pg_sys::SPIPlanPtr, Error> {
        let (place, options) = match storage::has_citus() {
            false => (&self.plan, pg_sys::CURSOR_OPT_GENERIC_PLAN),
            true => (&self.plan_for_citus, 0),
        };
        let kept = place.load(Ordering::Relaxed);
        if !kept.is_null() {
            return Ok(kept);
        }
        let mut types: Vec<pg_sys::Oid> = self.arguments.iter().map(|t| t.oid()).collect();
        // SAFETY: SQL and types outlive the call, which copies them; the plan is new, so that it can be kept.
        unsafe {
            let plan = pg_sys::SPI_prepare_cursor(
                self.sql.as_ptr(),
                types.len() as i32,
                types.as_mut_ptr(),
                options as i32,
            );
            if plan.is_null() {
                return Err(self.misuse(pg_sys::SPI_result));
            }
            pg_sys::SPI_keepplan(plan);
            place.store(plan, Ordering::Relaxed);
            Ok(plan)
        }
    }

    fn misuse(&self, code: i32) -> Error {
        Error::Internal {
            what: format!("SPI error {code} from: {}", self.sql.to_string_lossy()),
        }
    }
}

/// Shows the rows that are left of the open cursor `name` to `take`, as [`Statement::each`] does; gives their number.
///
/// # Errors
/// The first that `take` gives, which leaves the cursor at its end. Raises 34000 where there is no such cursor.
pub fn cursor(
    name: &str,
    mut take: impl FnMut(&Row<'_>) -> Result<(), Error>,
) -> Result<u64, Error> {
    /// More rows than there can be. The greatest number means "all" to the server and so allows a parallel plan, which
    /// would forbid `take` to write.
    const ALL: std::ffi::c_long = std::ffi::c_long::MAX - 1;
    let portal = find(name);
    let mut receiver = Receiver::new(&mut take);
    // SAFETY: the portal is open, and the server raises an error where it cannot be run; the receiver lives until
    // after the call.
    let rows = unsafe {
        let forward = pg_sys::FetchDirection::FETCH_FORWARD;
        pg_sys::PortalRunFetch(portal, forward, ALL, receiver.as_ptr())
    };
    receiver.finish().map(|()| rows)
}

/// Whether the open cursor `name` is one of a trigger's function on `table`, which can see what a statement has just changed
/// there: it has a transition table called `inserted` or `deleted`. Raises 34000 where there is no such cursor.
pub fn reads_changes_of(name: &str, table: &Relation) -> bool {
    // SAFETY: the portal is open; its query environment is null or as long-lived; so is what get_ENR finds in that.
    unsafe {
        let environment = (*find(name)).queryEnv;
        !environment.is_null()
            && [c"inserted", c"deleted"].into_iter().any(|name| {
                let found = pg_sys::get_ENR(environment, name.as_ptr());
                !found.is_null() && (*found).md.reliddesc == table.oid()
            })
    }
}

fn find(name: &str) -> pg_sys::Portal {
    let portal = match CString::new(name) {
        // SAFETY: a C string that outlives the call.
        Ok(name) => unsafe { pg_sys::SPI_cursor_find(name.as_ptr()) },
        Err(_) => std::ptr::null_mut(),
    };
    if portal.is_null() {
        super::raise(
            PgSqlErrorCode::ERRCODE_INVALID_CURSOR_NAME,
            format!("cursor \"{name}\" does not exist"),
        );
    }
    portal
}

/// A level of the server's stack of SPI users. An error that unwinds leaves it to the end of the (sub)transaction,
/// which knows what still uses its memory.
struct Connection;

impl Connection {
    fn open() -> Connection {
        // SAFETY: no arguments; gives nothing but success, or raises an error.
        unsafe { pg_sys::SPI_connect() };
        Connection
    }

    fn close(self) {}
}

impl Drop for Connection {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: this value's level is the current one: those above it are dropped.
            unsafe { pg_sys::SPI_finish() };
        }
    }
}
