//! Relations and their columns, read from Postgres's catalog caches.

use std::ffi::{CStr, CString};

use pgrx::pg_sys;

unsafe extern "C-unwind" {
    /// catalog/pg_inherits.c
    fn find_all_inheritors(
        parent: pg_sys::Oid,
        lock_mode: i32,
        parents_of_each: *mut *mut pg_sys::List,
    ) -> *mut pg_sys::List;
}

/// A relation that is locked against changes of its shape until the transaction ends.
#[derive(Clone, Copy, Debug)]
pub struct Relation {
    /// Its oid.
    pub oid: pg_sys::Oid,
}

/// A column's type.
#[derive(Clone, Copy, Debug)]
pub struct ColumnType {
    /// The type's oid; a domain's own.
    pub oid: pg_sys::Oid,
    /// The type modifier, such as a numeric's precision; -1 for none.
    pub modifier: i32,
    /// The column's collation.
    pub collation: pg_sys::Oid,
}

impl Relation {
    /// Finds a relation by its exact names and locks it as a statement that writes to it would; `None` when there
    /// is none. Waits no longer than `lock_timeout`.
    pub fn open(schema: &str, name: &str) -> Option<Self> {
        let (schema, name) = (CString::new(schema).ok()?, CString::new(name).ok()?);
        // SAFETY: the range variable and its names live through the call, which looks again when the name came to
        // mean another relation while it waited for the lock.
        let oid = unsafe {
            let range =
                pg_sys::makeRangeVar(schema.as_ptr().cast_mut(), name.as_ptr().cast_mut(), -1);
            pg_sys::RangeVarGetRelidExtended(
                range,
                pg_sys::RowExclusiveLock as i32,
                pg_sys::RVROption::RVR_MISSING_OK,
                None,
                std::ptr::null_mut(),
            )
        };
        (oid != pg_sys::InvalidOid).then_some(Relation { oid })
    }

    /// The name of its schema.
    pub fn schema(self) -> String {
        // SAFETY: catalog look-ups; returns null where there is none, else a C string in the current memory context.
        unsafe {
            let name = pg_sys::get_namespace_name(pg_sys::get_rel_namespace(self.oid));
            if name.is_null() {
                return String::new();
            }
            CStr::from_ptr(name).to_string_lossy().into_owned()
        }
    }

    /// `relkind` of pg_class: `r` table, `p` partitioned table, `v` view, `f` foreign table, …
    pub fn kind(self) -> u8 {
        // SAFETY: a catalog look-up.
        unsafe { pg_sys::get_rel_relkind(self.oid) as u8 }
    }

    /// `relpersistence` of pg_class: `p` permanent, `u` unlogged, `t` temporary.
    pub fn persistence(self) -> u8 {
        // SAFETY: a catalog look-up.
        unsafe { pg_sys::get_rel_persistence(self.oid) as u8 }
    }

    /// True when it has row security that does not bind the current role, since that owns it.
    pub fn is_row_security_bypassed(self) -> bool {
        /// `RLS_NONE_ENV` of utils/rls.h: enabled, but not for this role. (`RLS_NONE` is "not enabled".)
        const RLS_NONE_ENV: i32 = 1;
        self.row_security() == RLS_NONE_ENV
    }

    /// True when it has row security that binds the current role.
    pub fn is_row_security_in_force(self) -> bool {
        /// `RLS_ENABLED` of utils/rls.h.
        const RLS_ENABLED: i32 = 2;
        self.row_security() == RLS_ENABLED
    }

    fn row_security(self) -> i32 {
        // SAFETY: a catalog look-up, for the current role.
        unsafe { pg_sys::check_enable_rls(self.oid, pg_sys::InvalidOid, true) }
    }

    /// True when the current role may read a column, and so may have it returned.
    pub fn may_select(self, column: &str) -> bool {
        let Ok(name) = CString::new(column) else {
            return false;
        };
        // SAFETY: catalog look-ups, for the current role.
        unsafe {
            let (role, select) = (pg_sys::GetUserId(), u64::from(pg_sys::ACL_SELECT));
            let number = pg_sys::get_attnum(self.oid, name.as_ptr());
            let of_table = pg_sys::pg_class_aclcheck(self.oid, role, select as _);
            of_table == pg_sys::AclResult::ACLCHECK_OK
                || pg_sys::pg_attribute_aclcheck(self.oid, number, role, select as _)
                    == pg_sys::AclResult::ACLCHECK_OK
        }
    }

    /// True when it has triggers that run before a row is inserted, and may change it.
    pub fn has_trigger_before_insert(self) -> bool {
        self.with_triggers(|triggers| triggers.trig_insert_before_row)
    }

    /// True when it has triggers that run before a row is updated, and may change it.
    pub fn has_trigger_before_update(self) -> bool {
        self.with_triggers(|triggers| triggers.trig_update_before_row)
    }

    fn with_triggers(self, look: impl FnOnce(&pg_sys::TriggerDesc) -> bool) -> bool {
        // SAFETY: the relation is locked; its triggers live as long as it is open.
        unsafe {
            let relation = pg_sys::RelationIdGetRelation(self.oid);
            if relation.is_null() {
                return false;
            }
            let found = (*relation).trigdesc.as_ref().is_some_and(look);
            pg_sys::RelationClose(relation);
            found
        }
    }

    /// True when rules make statements that write to it other ones, or add some.
    pub fn has_rules_for_writing(self) -> bool {
        // SAFETY: the relation is locked; its rules live as long as it is open.
        unsafe {
            let relation = pg_sys::RelationIdGetRelation(self.oid);
            if relation.is_null() {
                return false;
            }
            let rules = (*relation).rd_rules;
            let count = if rules.is_null() {
                0
            } else {
                (*rules).numLocks as usize
            };
            let found = (0..count).map(|n| **(*rules).rules.add(n)).any(|rule| {
                rule.event != pg_sys::CmdType::CMD_SELECT && rule.enabled as u8 != b'D'
            });
            pg_sys::RelationClose(relation);
            found
        }
    }

    /// A column's type; `None` when there is no such column, and for system columns.
    pub fn column(self, name: &str) -> Option<ColumnType> {
        let name = CString::new(name).ok()?;
        let mut column = ColumnType {
            oid: pg_sys::InvalidOid,
            modifier: -1,
            collation: pg_sys::InvalidOid,
        };
        // SAFETY: catalog look-ups; the three places are ours.
        unsafe {
            let number = pg_sys::get_attnum(self.oid, name.as_ptr());
            if number <= 0 {
                return None;
            }
            pg_sys::get_atttypetypmodcoll(
                self.oid,
                number,
                &raw mut column.oid,
                &raw mut column.modifier,
                &raw mut column.collation,
            );
        }
        Some(column)
    }

    /// The relation itself and, for a partitioned table, every partition below it.
    pub fn with_partitions(self) -> Vec<Relation> {
        // SAFETY: returns a list of oids, allocated in the current memory context.
        unsafe {
            let list = pg_sys::ffi::pg_guard_ffi_boundary(|| {
                find_all_inheritors(self.oid, pg_sys::NoLock as i32, std::ptr::null_mut())
            });
            (0..(*list).length as usize)
                .map(|n| Relation {
                    oid: (*(*list).elements.add(n)).oid_value,
                })
                .collect()
        }
    }
}

/// A role's name, for people; its number when it has gone.
pub fn role_name(role: pg_sys::Oid) -> String {
    // SAFETY: returns null for a role that does not exist, else a C string in the current memory context.
    unsafe {
        let name = pg_sys::GetUserNameFromId(role, true);
        if name.is_null() {
            return role.to_u32().to_string();
        }
        CStr::from_ptr(name).to_string_lossy().into_owned()
    }
}

/// Keeps a relation from being changed or dropped until the transaction ends, and says who owns it; `None` when it has
/// gone already.
pub fn lock_and_find_owner(relation: pg_sys::Oid) -> Option<pg_sys::Oid> {
    if relation == pg_sys::InvalidOid {
        return None;
    }
    // SAFETY: takes a lock, and looks whether what it is on is still there; read before it is closed.
    unsafe {
        let relation = pg_sys::try_relation_open(relation, pg_sys::AccessShareLock as _);
        if relation.is_null() {
            return None;
        }
        let owner = (*(*relation).rd_rel).relowner;
        pg_sys::relation_close(relation, pg_sys::NoLock as _);
        Some(owner)
    }
}
