//! The rights that COPY FROM a file asks for.

use pgrx::prelude::*;

use super::relation::Relation;

/// Whether the current role has the privileges of pg_read_server_files. Membership without inheritance does not
/// count, as with COPY.
pub fn may_read_server_files() -> bool {
    // SAFETY: both arguments are OIDs of roles; GetUserId has no arguments.
    unsafe {
        pg_sys::has_privs_of_role(
            pg_sys::GetUserId(),
            pg_sys::Oid::from(pg_sys::ROLE_PG_READ_SERVER_FILES),
        )
    }
}

/// Raises 42501 unless the current role may insert whole rows into `relation`; a right on some columns is not
/// enough.
pub fn require_insert(relation: &Relation) {
    // SAFETY: the relation is open, so that its OID and name are valid; aclcheck_error raises the server's own message.
    unsafe {
        let result = pg_sys::pg_class_aclcheck(
            relation.oid(),
            pg_sys::GetUserId(),
            pg_sys::ACL_INSERT as pg_sys::AclMode,
        );
        if result != pg_sys::AclResult::ACLCHECK_OK {
            pg_sys::aclcheck_error(
                result,
                pg_sys::ObjectType::OBJECT_TABLE,
                relation.name().as_ptr(),
            );
        }
    }
}

/// Whether the current role may read all columns of `relation`.
pub fn may_select(relation: &Relation) -> bool {
    // SAFETY: the relation is open, so that its OID is valid.
    unsafe {
        pg_sys::pg_class_aclcheck(
            relation.oid(),
            pg_sys::GetUserId(),
            pg_sys::ACL_SELECT as pg_sys::AclMode,
        ) == pg_sys::AclResult::ACLCHECK_OK
    }
}

/// Whether row-level security applies to the current role's access to `relation`.
pub fn row_security_applies(relation: &Relation) -> bool {
    // SAFETY: the OID is that of an open relation; InvalidOid means the current role.
    unsafe {
        pg_sys::check_enable_rls(relation.oid(), pg_sys::InvalidOid, false)
            == pg_sys::CheckEnableRlsResult::RLS_ENABLED as i32
    }
}

/// Whether row-level security hides rows of `relation` from the current role, whatever the setting `row_security` says.
pub fn row_security_hides(relation: &Relation) -> bool {
    // SAFETY: as above; with the last argument true nothing is raised.
    unsafe {
        pg_sys::check_enable_rls(relation.oid(), pg_sys::InvalidOid, true)
            == pg_sys::CheckEnableRlsResult::RLS_ENABLED as i32
    }
}

/// Whether the current role has the rights of the owner of `relation`.
pub fn owns(relation: &Relation) -> bool {
    // SAFETY: both arguments are OIDs of roles; GetUserId has no arguments.
    unsafe { pg_sys::has_privs_of_role(pg_sys::GetUserId(), relation.owner()) }
}
