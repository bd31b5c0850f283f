//! The ledger's fixed statements: each is parsed once for each process.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use pgrx::PgOid;
use pgrx::datum::{DatumWithOid, IntoDatum};
use pgrx::spi::{OwnedPreparedStatement, SpiClient, SpiResult, SpiTupleTable};

use crate::pg::guc_scope::GucScope;

thread_local! {
    /// By the address of their text.
    static PLANS: RefCell<HashMap<*const u8, Rc<OwnedPreparedStatement>>> = RefCell::new(HashMap::new());
}

/// How statements are planned.
#[derive(Clone, Copy, Debug)]
pub enum Planned {
    /// Once, when the ledger has ten rows as when it has ten million: rows are looked up by an index, one after the other,
    /// whatever the statistics say.
    Once,
    /// For each execution: what looks at many rows.
    EachTime,
}

impl Planned {
    /// Has statements planned that way, as long as the scope lives.
    pub fn within(self, scope: &GucScope) {
        let settings: &[_] = match self {
            Planned::Once => &[
                ("plan_cache_mode", "force_generic_plan"),
                ("enable_seqscan", "off"),
                ("enable_bitmapscan", "off"),
                ("enable_hashjoin", "off"),
                ("enable_mergejoin", "off"),
                ("enable_memoize", "off"),
                // What has no index costs too much, by these rules, not to be compiled.
                ("jit", "off"),
            ],
            Planned::EachTime => &[("plan_cache_mode", "force_custom_plan"), ("jit", "off")],
        };
        for (name, value) in settings {
            scope.set(name, value);
        }
    }
}

/// An SPI connection for fixed statements.
pub struct Statements<'s, 'conn>(pub &'s mut SpiClient<'conn>);

impl<'conn> Statements<'_, 'conn> {
    /// Reads, and assigns no transaction id.
    pub fn select(
        &self,
        sql: &'static str,
        limit: Option<i64>,
        arguments: &[DatumWithOid<'_>],
    ) -> SpiResult<SpiTupleTable<'conn>> {
        let plan = self.plan(sql, arguments)?;
        self.0.select(&*plan, limit, arguments)
    }

    /// Reads what is seldom asked: nothing of it is kept.
    pub fn ask(
        &self,
        sql: &str,
        arguments: &[DatumWithOid<'_>],
    ) -> SpiResult<SpiTupleTable<'conn>> {
        self.0.select(sql, None, arguments)
    }

    /// Reads, locks or writes.
    pub fn update(
        &mut self,
        sql: &'static str,
        limit: Option<i64>,
        arguments: &[DatumWithOid<'_>],
    ) -> SpiResult<SpiTupleTable<'conn>> {
        let plan = self.plan(sql, arguments)?;
        self.0.update(&*plan, limit, arguments)
    }

    fn plan(
        &self,
        sql: &'static str,
        arguments: &[DatumWithOid<'_>],
    ) -> SpiResult<Rc<OwnedPreparedStatement>> {
        if let Some(plan) = PLANS.with_borrow(|plans| plans.get(&sql.as_ptr()).cloned()) {
            return Ok(plan);
        }
        let types: Vec<_> = arguments.iter().map(|a| PgOid::from(a.oid())).collect();
        let plan = Rc::new(self.0.prepare(sql, &types)?.keep());
        PLANS.with_borrow_mut(|plans| plans.insert(sql.as_ptr(), Rc::clone(&plan)));
        Ok(plan)
    }
}

/// A text of each, as a parameter `text[]`.
pub fn all<'r, T, S: AsRef<str> + ?Sized + 'r>(
    rows: &'r [T],
    text: impl Fn(&'r T) -> Option<&'r S>,
) -> DatumWithOid<'r> {
    let texts: Vec<Option<&str>> = rows.iter().map(|row| text(row).map(S::as_ref)).collect();
    texts.into()
}

/// A value of each, as a parameter that is an array.
pub fn each<'r, T, V: IntoDatum>(rows: &'r [T], value: impl Fn(&'r T) -> V) -> DatumWithOid<'r>
where
    Vec<V>: IntoDatum,
{
    rows.iter().map(value).collect::<Vec<_>>().into()
}
