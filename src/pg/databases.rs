//! The cluster's databases, also for a process that is connected to none of them.

use std::ffi::{CStr, CString};

use pgrx::pg_sys;

/// A database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// Its oid.
    pub oid: pg_sys::Oid,
    /// Its name.
    pub name: String,
    /// Whether anybody may connect to it.
    pub is_open: bool,
}

/// All databases. Inside a transaction.
pub fn all() -> Vec<Database> {
    let mut databases = Vec::new();
    scan(pg_sys::DatabaseRelationId, |row| {
        // SAFETY: a row of pg_database, as long as the scan is there.
        let form = unsafe { &*pg_sys::heap_tuple_get_struct::<pg_sys::FormData_pg_database>(row) };
        // SAFETY: a name is a C string.
        let name = unsafe { CStr::from_ptr(form.datname.data.as_ptr()) };
        databases.push(Database {
            oid: form.oid,
            name: name.to_string_lossy().into_owned(),
            is_open: form.datallowconn,
        });
    });
    databases
}

/// The oid of `pg_db_role_setting` (catalog/pg_db_role_setting.h), the same in every supported version.
const DB_ROLE_SETTING: u32 = 2964;

/// The fixed part of a row of `pg_db_role_setting`.
#[repr(C)]
struct DbRoleSetting {
    setdatabase: pg_sys::Oid,
    setrole: pg_sys::Oid,
}

/// The rows of `pg_db_role_setting` that reach a role in this database, as bytes to compare. Inside a transaction.
pub fn defaults(role: pg_sys::Oid) -> Vec<Vec<u8>> {
    let mut rows = Vec::new();
    scan(DB_ROLE_SETTING.into(), |row| {
        // SAFETY: a row of pg_db_role_setting, as long as the scan is there: its fixed part, and the whole of its data.
        let (form, data) = unsafe {
            let form = &*pg_sys::heap_tuple_get_struct::<DbRoleSetting>(row);
            let head = usize::from((*(*row).t_data).t_hoff);
            let start = (*row).t_data.cast::<u8>().add(head);
            let length = ((*row).t_len as usize).saturating_sub(head);
            (form, std::slice::from_raw_parts(start, length))
        };
        let reaches = |whom, own| whom == pg_sys::InvalidOid || whom == own;
        if reaches(form.setdatabase, own()) && reaches(form.setrole, role) {
            rows.push(data.to_vec());
        }
    });
    rows
}

/// Looks at every row of a shared catalog.
fn scan(catalog: pg_sys::Oid, mut look: impl FnMut(pg_sys::HeapTuple)) {
    // SAFETY: as the autovacuum launcher scans pg_database.
    unsafe {
        let lock = pg_sys::AccessShareLock as _;
        let catalog = pg_sys::table_open(catalog, lock);
        let scan = pg_sys::table_beginscan_catalog(catalog, 0, std::ptr::null_mut());
        loop {
            let row = pg_sys::heap_getnext(scan, pg_sys::ScanDirection::ForwardScanDirection);
            if row.is_null() {
                break;
            }
            look(row);
        }
        pg_sys::heap_endscan(scan);
        pg_sys::table_close(catalog, lock);
    }
}

/// The database that this process is connected to.
pub fn own() -> pg_sys::Oid {
    // SAFETY: a plain read.
    unsafe { pg_sys::MyDatabaseId }
}

/// A database's name; inside a transaction.
pub fn name(database: pg_sys::Oid) -> Option<String> {
    // SAFETY: a catalog look-up that gives null or a C string.
    unsafe {
        let name = pg_sys::get_database_name(database);
        (!name.is_null()).then(|| CStr::from_ptr(name).to_string_lossy().into_owned())
    }
}

/// Takes a list of names apart, as Postgres does for its own settings: commas between them, double quotes where a
/// name needs them. `None` when it is malformed.
pub fn split_names(list: &str) -> Option<Vec<String>> {
    let mut text = CString::new(list).ok()?.into_bytes_with_nul();
    let mut names = std::ptr::null_mut();
    // SAFETY: the text is ours to change; the list's elements point into it, and are copied before both go.
    unsafe {
        let is_well_formed =
            pg_sys::SplitGUCList(text.as_mut_ptr().cast(), b',' as _, &raw mut names);
        let count = if names.is_null() { 0 } else { (*names).length };
        let name = |n: i32| CStr::from_ptr((*(*names).elements.add(n as usize)).ptr_value.cast());
        let copied = (0..count).map(|n| name(n).to_string_lossy().into_owned());
        let copied: Vec<String> = copied.collect();
        pg_sys::list_free(names);
        is_well_formed.then_some(copied)
    }
}

/// The cluster's own number, which a copy of its files keeps and a dump does not.
pub fn system_identifier() -> i64 {
    // SAFETY: a plain read of shared memory.
    unsafe { pg_sys::GetSystemIdentifier() }.cast_signed()
}
