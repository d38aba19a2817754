//! Acting as the owner of a table for one statement, as the server's own maintenance commands do.

use pgrx::prelude::*;

use super::relation::Relation;

/// Makes `role` the current role from here on, as SET ROLE does and as parallel workers do: nobody asks whether the one
/// that has logged in may become it.
pub fn become_role(role: pg_sys::Oid) {
    // SAFETY: looks the role up in the catalogue, in the caller's transaction.
    unsafe { pg_sys::SetCurrentRoleId(role, pg_sys::superuser_arg(role)) };
}

/// While it lives, the current role is the owner of a table; in a parallel worker, too. One may be inside another. An
/// error that unwinds gives the role back before the server ends the (sub)transaction, which would do so as well.
#[must_use = "the role is given back when this is dropped"]
pub struct ActingAsOwner {
    role: pg_sys::Oid,
    context: std::ffi::c_int,
}

impl ActingAsOwner {
    /// Becomes the owner of `relation`. What runs now must name no object that others can make or replace.
    pub fn of(relation: &Relation) -> ActingAsOwner {
        let mut before = ActingAsOwner {
            role: pg_sys::InvalidOid,
            context: 0,
        };
        // SAFETY: both out parameters are valid; SECURITY_LOCAL_USERID_CHANGE forbids to change the role meanwhile.
        unsafe {
            pg_sys::GetUserIdAndSecContext(&mut before.role, &mut before.context);
            pg_sys::SetUserIdAndSecContext(
                relation.owner(),
                before.context | pg_sys::SECURITY_LOCAL_USERID_CHANGE as std::ffi::c_int,
            );
        }
        before
    }
}

impl Drop for ActingAsOwner {
    fn drop(&mut self) {
        // SAFETY: the values are those that GetUserIdAndSecContext gave.
        unsafe { pg_sys::SetUserIdAndSecContext(self.role, self.context) };
    }
}
