//! SPI with parameters of any type, for the one statement whose columns are known only at run time. (Our own fixed
//! statements go through pgrx's SPI.)

use std::ffi::{CString, c_char, c_int};

use pgrx::pg_sys;

/// An open SPI connection.
pub struct Connection(());

impl Connection {
    /// Connects.
    pub fn open() -> Self {
        // SAFETY: paired with SPI_finish in the drop. SPI_connect reports failures by raising an error.
        unsafe { pg_sys::SPI_connect() };
        Connection(())
    }

    /// Prepares a statement whose parameters have these types.
    pub fn prepare(&self, sql: &str, types: &[pg_sys::Oid]) -> Plan<'_> {
        let sql = c_string(sql);
        let mut types = types.to_vec();
        // SAFETY: text and types live through the call; the plan lives as long as the connection.
        let plan =
            unsafe { pg_sys::SPI_prepare(sql.as_ptr(), types.len() as c_int, types.as_mut_ptr()) };
        Plan {
            plan,
            _connection: self,
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: opened in `open`; connections nest like a stack.
        unsafe { pg_sys::SPI_finish() };
    }
}

/// A prepared statement, gone with its connection.
pub struct Plan<'c> {
    plan: pg_sys::SPIPlanPtr,
    _connection: &'c Connection,
}

/// A prepared statement that outlives its connection. Postgres plans it anew when something that it rests on has changed.
pub struct KeptPlan(pg_sys::SPIPlanPtr);

/// A relation that a statement locks.
#[derive(Clone, Copy, Debug)]
pub struct Locked {
    /// Which.
    pub relation: pg_sys::Oid,
    /// The lock's mode.
    mode: c_int,
}

impl Locked {
    /// Takes the lock, as the statement would. Waits no longer than `lock_timeout`.
    pub fn lock(self) {
        if self.mode != pg_sys::NoLock as c_int {
            // SAFETY: a lock on a number: it need not be a relation's any more.
            unsafe { pg_sys::LockRelationOid(self.relation, self.mode) };
        }
    }
}

/// A parameter: a value of the type it was prepared with, or NULL.
pub type Argument = Option<pg_sys::Datum>;

/// What an execution did.
pub struct Executed {
    /// Rows touched or returned.
    pub rows: u64,
    /// The boolean columns of the first returned row; NULL counts as `false`.
    pub flags: Vec<bool>,
}

impl Plan<'_> {
    /// The table that rows are written to, after views and rules have been expanded; `None` when the statement has
    /// become several, or another one, or writes nothing.
    pub fn written_relation(&self) -> Option<pg_sys::Oid> {
        let query = self.query()?;
        // SAFETY: a complete parse tree; its result relation, unless 0, is one of its range table.
        unsafe {
            let entry = nth::<pg_sys::RangeTblEntry>((*query).rtable, (*query).resultRelation - 1)?;
            Some((*entry).relid)
        }
    }

    /// Every relation that the statement came by while views and rules were expanded, and the lock that it took on it.
    pub fn relations(&self) -> Vec<Locked> {
        let mut relations = Vec::new();
        if let Some(query) = self.query() {
            // SAFETY: a complete parse tree.
            unsafe { collect_relations(query, &mut relations) };
        }
        relations
    }

    /// What the statement has become; `None` when that is several.
    fn query(&self) -> Option<*const pg_sys::Query> {
        // SAFETY: a valid plan has valid plan sources, whose query lists are complete parse trees.
        unsafe {
            let sources = pg_sys::SPI_plan_get_plan_sources(self.plan);
            let source = only::<pg_sys::CachedPlanSource>(sources)?;
            only::<pg_sys::Query>((*source).query_list).map(|query| query.cast_const())
        }
    }

    /// Executes the statement.
    pub fn execute(&self, arguments: &[Argument]) -> Executed {
        // SAFETY: the connection that it was prepared on is open.
        unsafe { execute(self.plan, arguments) }
    }

    /// Keeps it.
    pub fn keep(self) -> KeptPlan {
        // SAFETY: a valid plan, which from now on lives until it is freed.
        unsafe { pg_sys::SPI_keepplan(self.plan) };
        KeptPlan(self.plan)
    }
}

impl KeptPlan {
    /// Executes the statement.
    pub fn execute(&self, _: &Connection, arguments: &[Argument]) -> Executed {
        // SAFETY: a connection is open, and the plan lives as long as `self`.
        unsafe { execute(self.0, arguments) }
    }
}

impl Drop for KeptPlan {
    fn drop(&mut self) {
        // SAFETY: nobody executes it any more. When the process ends, its memory goes without our help.
        unsafe {
            if !pg_sys::proc_exit_inprogress {
                pg_sys::SPI_freeplan(self.0);
            }
        }
    }
}

/// Executes a plan.
///
/// # Safety
/// The plan is valid, and a connection is open.
unsafe fn execute(plan: pg_sys::SPIPlanPtr, arguments: &[Argument]) -> Executed {
    let mut values: Vec<_> = arguments
        .iter()
        .map(|a| a.unwrap_or(pg_sys::Datum::from(0usize)))
        .collect();
    let nulls: Vec<c_char> = arguments
        .iter()
        .map(|a| if a.is_some() { b' ' } else { b'n' } as c_char)
        .collect();
    // SAFETY: as many values and null marks as the plan has parameters; errors are raised, not returned.
    unsafe {
        pg_sys::SPI_execute_plan(plan, values.as_mut_ptr(), nulls.as_ptr(), false, 0);
        Executed {
            rows: pg_sys::SPI_processed,
            flags: returned_flags(),
        }
    }
}

/// The boolean columns of the first row that the last execution returned.
///
/// # Safety
/// Right after an execution, on its connection.
unsafe fn returned_flags() -> Vec<bool> {
    // SAFETY: SPI_tuptable belongs to the last execution, and is null when that returned nothing.
    unsafe {
        let table = pg_sys::SPI_tuptable;
        if table.is_null() || pg_sys::SPI_processed == 0 {
            return Vec::new();
        }
        let (row, columns) = (*(*table).vals, (*table).tupdesc);
        let is_flag = |n: &c_int| pg_sys::SPI_gettypeid(columns, *n) == pg_sys::BOOLOID;
        let flag = |n: c_int| {
            let mut is_null = false;
            let value = pg_sys::SPI_getbinval(row, columns, n, &raw mut is_null);
            !is_null && value.value() != 0
        };
        (1..=(*columns).natts).filter(is_flag).map(flag).collect()
    }
}

/// Appends the relations of a query, and of the views that have become subqueries of it.
///
/// # Safety
/// `query` is a complete parse tree.
unsafe fn collect_relations(query: *const pg_sys::Query, relations: &mut Vec<Locked>) {
    // SAFETY: the caller's promise.
    unsafe {
        for entry in (0..).map_while(|n| nth::<pg_sys::RangeTblEntry>((*query).rtable, n)) {
            if (*entry).relid != pg_sys::InvalidOid {
                relations.push(Locked {
                    relation: (*entry).relid,
                    mode: (*entry).rellockmode,
                });
            }
            if !(*entry).subquery.is_null() {
                collect_relations((*entry).subquery, relations);
            }
        }
    }
}

/// The only element of a list of nodes; `None` for a list of another length.
///
/// # Safety
/// `list` is null or a valid list of pointers to `T`.
unsafe fn only<T>(list: *mut pg_sys::List) -> Option<*mut T> {
    // SAFETY: the caller's promise; a null list is the empty one.
    unsafe {
        (!list.is_null() && (*list).length == 1)
            .then(|| nth(list, 0))
            .flatten()
    }
}

/// The `n`th element of a list of nodes, counted from 0.
///
/// # Safety
/// `list` is null or a valid list of pointers to `T`.
unsafe fn nth<T>(list: *mut pg_sys::List, n: c_int) -> Option<*mut T> {
    // SAFETY: the caller's promise; `n` is held against the length.
    unsafe {
        let inside = !list.is_null() && n >= 0 && n < (*list).length;
        inside.then(|| (*(*list).elements.add(n as usize)).ptr_value.cast())
    }
}

/// SQL of ours has no zero byte: it is made of safe identifiers and constants.
fn c_string(sql: &str) -> CString {
    CString::new(sql.replace('\0', "")).unwrap_or_default()
}
