//! Who the backend acts as: switching to another role and back, in a way that code in a trigger can't undo.

use pgrx::pg_sys;

use super::commands::Restriction;

/// While it lives, the backend acts as another role.
///
/// `SECURITY_LOCAL_USERID_CHANGE` makes Postgres refuse `SET ROLE`, `RESET ROLE` and `SET SESSION AUTHORIZATION`
/// meanwhile, so that a trigger's code can't step back up to the session's user.
pub struct ActingAs {
    user: pg_sys::Oid,
    context: i32,
    _restriction: Option<Restriction>,
}

impl ActingAs {
    /// Switches to the role with this oid.
    pub fn role(role: pg_sys::Oid) -> Self {
        ActingAs::in_context(role, pg_sys::SECURITY_LOCAL_USERID_CHANGE, None)
    }

    /// As [`ActingAs::role`], for a role that runs code of other people's. What that code leaves behind would run as the
    /// session's user, or fail or wait when the transaction commits, which would be laid at everybody's door. So Postgres refuses it
    /// temporary objects, prepared statements, LISTEN, cursors WITH HOLD and triggers that are deferred
    /// (`SECURITY_RESTRICTED_OPERATION`), and we refuse it what [`Restriction`] says.
    pub fn untrusted(role: pg_sys::Oid) -> Self {
        let restricted =
            pg_sys::SECURITY_LOCAL_USERID_CHANGE | pg_sys::SECURITY_RESTRICTED_OPERATION;
        ActingAs::in_context(role, restricted, Some(Restriction::of(role)))
    }

    fn in_context(role: pg_sys::Oid, added: u32, restriction: Option<Restriction>) -> Self {
        let (mut user, mut context) = (pg_sys::InvalidOid, 0);
        // SAFETY: plain reads and writes of the backend's state, which the drop puts back.
        unsafe {
            pg_sys::GetUserIdAndSecContext(&raw mut user, &raw mut context);
            pg_sys::SetUserIdAndSecContext(role, context | added as i32);
        }
        ActingAs {
            user,
            context,
            _restriction: restriction,
        }
    }
}

impl Drop for ActingAs {
    fn drop(&mut self) {
        // SAFETY: puts back what was found.
        unsafe { pg_sys::SetUserIdAndSecContext(self.user, self.context) };
    }
}

/// The role that the backend acts as now.
pub fn current_role() -> pg_sys::Oid {
    // SAFETY: a plain read.
    unsafe { pg_sys::GetUserId() }
}

/// The session's role, as SET SESSION AUTHORIZATION left it.
pub fn session_role() -> pg_sys::Oid {
    // SAFETY: a plain read.
    unsafe { pg_sys::GetSessionUserId() }
}

/// True when `member` has the rights of `role`, as itself or by inheritance.
pub fn has_rights_of(member: pg_sys::Oid, role: pg_sys::Oid) -> bool {
    // SAFETY: catalog look-ups.
    unsafe { pg_sys::has_privs_of_role(member, role) }
}

/// True when a role has any right to change a table, or one of its columns.
pub fn may_write(role: pg_sys::Oid, table: pg_sys::Oid) -> bool {
    let of_columns = pg_sys::ACL_INSERT | pg_sys::ACL_UPDATE;
    let of_table = of_columns | pg_sys::ACL_DELETE | pg_sys::ACL_TRUNCATE | pg_sys::ACL_TRIGGER;
    let any = pg_sys::AclMaskHow::ACLMASK_ANY;
    // SAFETY: catalog look-ups.
    unsafe {
        pg_sys::pg_class_aclmask(table, role, of_table as _, any) != 0
            || pg_sys::pg_attribute_aclcheck_all(table, role, of_columns as _, any)
                == pg_sys::AclResult::ACLCHECK_OK
    }
}

/// True when `member` may become `role` with SET ROLE.
pub fn may_become(member: pg_sys::Oid, role: pg_sys::Oid) -> bool {
    // SAFETY: catalog look-ups inside a transaction.
    #[cfg(any(feature = "pg14", feature = "pg15"))]
    return unsafe { pg_sys::is_member_of_role(member, role) };
    // SAFETY: as above; 16 tells membership from the right to SET ROLE.
    #[cfg(not(any(feature = "pg14", feature = "pg15")))]
    return unsafe { pg_sys::member_can_set_role(member, role) };
}

/// What an account may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Superusers may do everything.
    pub is_superuser: bool,
    /// Row security does not bind it; superusers neither.
    pub bypasses_row_security: bool,
    /// It may log in.
    pub can_log_in: bool,
    /// It may connect to this database.
    pub may_connect: bool,
}

/// What a role may do; `None` when it does not exist. Inside a transaction.
pub fn account(role: pg_sys::Oid) -> Option<Account> {
    // SAFETY: catalog look-ups; the row is read before it is released.
    unsafe {
        let row = pg_sys::SearchSysCache1(AUTHOID, role.into());
        if row.is_null() {
            return None;
        }
        let can_log_in =
            (*pg_sys::heap_tuple_get_struct::<pg_sys::FormData_pg_authid>(row)).rolcanlogin;
        pg_sys::ReleaseSysCache(row);
        Some(Account {
            is_superuser: pg_sys::superuser_arg(role),
            bypasses_row_security: pg_sys::has_bypassrls_privilege(role),
            can_log_in,
            may_connect: may_connect(role),
        })
    }
}

const AUTHOID: i32 = pg_sys::SysCacheIdentifier::AUTHOID as i32;

fn may_connect(role: pg_sys::Oid) -> bool {
    // SAFETY: catalog look-ups.
    unsafe {
        #[cfg(any(feature = "pg14", feature = "pg15"))]
        let result =
            pg_sys::pg_database_aclcheck(pg_sys::MyDatabaseId, role, pg_sys::ACL_CONNECT as _);
        #[cfg(not(any(feature = "pg14", feature = "pg15")))]
        let result = pg_sys::object_aclcheck(
            pg_sys::DatabaseRelationId,
            pg_sys::MyDatabaseId,
            role,
            pg_sys::ACL_CONNECT as _,
        );
        result == pg_sys::AclResult::ACLCHECK_OK
    }
}
