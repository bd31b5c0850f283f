//! Who the backend acts as: switching to another role and back, in a way that code in a trigger can't undo.

use pgrx::pg_sys;

/// While it lives, the backend acts as another role.
///
/// `SECURITY_LOCAL_USERID_CHANGE` makes Postgres refuse `SET ROLE`, `RESET ROLE` and `SET SESSION AUTHORIZATION`
/// meanwhile, so that a trigger's code can't step back up to the session's user.
pub struct ActingAs {
    user: pg_sys::Oid,
    context: i32,
}

impl ActingAs {
    /// Switches to the role with this oid.
    pub fn role(role: pg_sys::Oid) -> Self {
        let (mut user, mut context) = (pg_sys::InvalidOid, 0);
        // SAFETY: plain reads and writes of the backend's state.
        unsafe {
            pg_sys::GetUserIdAndSecContext(&raw mut user, &raw mut context);
            pg_sys::SetUserIdAndSecContext(
                role,
                context | pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32,
            );
        }
        ActingAs { user, context }
    }

    /// As [`ActingAs::role`], for a role that runs code which the session's user may not trust: what that code
    /// leaves behind would run as him. So Postgres refuses it temporary objects, prepared statements, cursors WITH
    /// HOLD and triggers that are deferred (`SECURITY_RESTRICTED_OPERATION`). A user who is the role has nothing to fear.
    pub fn untrusted(role: pg_sys::Oid) -> Self {
        let acting = ActingAs::role(role);
        if acting.user != role || session_role() != role {
            let restricted =
                pg_sys::SECURITY_LOCAL_USERID_CHANGE | pg_sys::SECURITY_RESTRICTED_OPERATION;
            // SAFETY: writes the backend's state, which the drop puts back.
            unsafe { pg_sys::SetUserIdAndSecContext(role, acting.context | restricted as i32) };
        }
        acting
    }
}

impl Drop for ActingAs {
    fn drop(&mut self) {
        // SAFETY: puts back what `role` found.
        unsafe { pg_sys::SetUserIdAndSecContext(self.user, self.context) };
    }
}

/// The role that the backend acts as now.
pub fn current_role() -> pg_sys::Oid {
    // SAFETY: a plain read.
    unsafe { pg_sys::GetUserId() }
}

/// The role that logged in.
pub fn session_role() -> pg_sys::Oid {
    // SAFETY: a plain read.
    unsafe { pg_sys::GetSessionUserId() }
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
