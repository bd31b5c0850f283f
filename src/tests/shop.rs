//! Where a test works: a schema of its own, and a role of its own that proposals are applied as.

use std::time::Duration;

use pgrx::{FromDatum, IntoDatum, Spi};
use serde_json::Value;
use serde_json::value::RawValue;
use synapsor_core::judgement::Retry;
use synapsor_core::listed::{Listed, Ours};
use synapsor_core::outcome::Status;
use synapsor_core::proposal::Proposal;

use super::change::Change;
use crate::apply::watch::Unwatched;
use crate::apply::{Applier, ApplyRole, Decision};
use crate::batch::{Batch, Done};
use crate::ledger::Ledger;
use crate::settings::Settings;

/// A schema, first in the search path, and a role that may use all tables in it, which is `synapsor.apply_role`.
/// Both have the backend's number in their name, as other tests run at the same time.
pub struct Shop {
    pub schema: String,
    pub role: String,
}

impl Shop {
    /// Opens an empty one.
    pub fn open() -> Self {
        let backend = std::process::id();
        let shop = Shop {
            schema: format!("shop_{backend}"),
            role: format!("agent_{backend}"),
        };
        let Shop { schema, role } = &shop;
        shop.run(&format!(
            "CREATE ROLE {role};
             CREATE SCHEMA {schema};
             GRANT USAGE ON SCHEMA {schema} TO {role};
             ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT ALL ON TABLES TO {role};
             SET LOCAL search_path = {schema}, public;"
        ));
        shop.set("synapsor.apply_role", role);
        shop
    }

    /// Opens one with tickets of two tenants.
    pub fn with_tickets() -> Self {
        let shop = Shop::open();
        shop.run(
            "CREATE TABLE tickets (
                 id int PRIMARY KEY,
                 tenant_id text NOT NULL DEFAULT 'acme',
                 status text NOT NULL DEFAULT 'open',
                 version int DEFAULT 1);
             INSERT INTO tickets VALUES (1, 'acme'), (2, 'acme'), (3, 'globex');",
        );
        shop
    }

    /// Closes it for good, so that the same test can open another.
    #[track_caller]
    pub fn close(self) {
        let Shop { schema, role } = &self;
        self.run(&format!(
            "DROP SCHEMA {schema} CASCADE; DROP OWNED BY {role}; DROP ROLE {role};"
        ));
    }

    /// Runs SQL as the superuser whose session this is.
    #[track_caller]
    pub fn run(&self, sql: &str) {
        Spi::run(sql).unwrap_or_else(|error| panic!("{error}: {sql}"));
    }

    /// The message of an error that SQL raises.
    #[track_caller]
    pub fn error(&self, sql: &str) -> String {
        self.run("SELECT set_config('shop.error', '', true)");
        self.run(&format!(
            "DO $do$ BEGIN {}; EXCEPTION WHEN OTHERS THEN PERFORM set_config('shop.error', SQLERRM, true); END $do$",
            sql.replacen("SELECT", "PERFORM", 1)
        ));
        self.text("current_setting('shop.error')")
    }

    /// Sets a parameter until the test ends.
    #[track_caller]
    pub fn set(&self, name: &str, value: &str) {
        self.run(&format!("SET LOCAL {name} = '{value}'"));
    }

    /// The value of an SQL expression, or the only row of a query; `None` for NULL and for no row.
    #[track_caller]
    pub fn value<T: FromDatum + IntoDatum>(&self, sql: &str) -> Option<T> {
        Spi::get_one(&format!("SELECT ({sql})")).unwrap_or_else(|error| panic!("{error}: {sql}"))
    }

    /// As [`Shop::value`], as text; `NULL` for NULL.
    #[track_caller]
    pub fn text(&self, sql: &str) -> String {
        self.value(&format!("({sql})::text"))
            .unwrap_or_else(|| "NULL".to_owned())
    }

    /// All rows of a table of this schema, in one text.
    #[track_caller]
    pub fn rows(&self, table: &str) -> String {
        let rows = format!("SELECT string_agg(t::text, ' ' ORDER BY t::text) FROM \"{table}\" t");
        self.text(&rows)
    }

    /// Adds a row trigger whose function has this body; after it, the row goes on as it is.
    #[track_caller]
    pub fn trigger(&self, when: &str, table: &str, body: &str) {
        let name = format!("trigger_{}", self.text("SELECT count(*) FROM pg_proc"));
        self.run(&format!(
            "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $body$
             BEGIN {body} RETURN coalesce(NEW, OLD); END $body$;
             CREATE TRIGGER {name} {when} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}();"
        ));
    }

    /// Takes the triggers away again.
    #[track_caller]
    pub fn without_triggers(&self, table: &str) {
        self.run(&format!(
            "DO $$ DECLARE t record; BEGIN
                 FOR t IN SELECT tgname FROM pg_trigger WHERE tgrelid = '{table}'::regclass AND NOT tgisinternal
                 LOOP EXECUTE format('DROP TRIGGER %I ON {table}', t.tgname); END LOOP;
             END $$"
        ));
    }

    /// Applies one proposal with the settings as they are. Whatever is not applied leaves its table as it was.
    #[track_caller]
    pub fn apply(&self, change: &Change) -> Decision {
        let before = self.fingerprint(change);
        let decision = self.apply_json(&change.json(&self.schema));
        if decision.status != Status::Applied {
            assert_eq!(self.fingerprint(change), before, "{decision:?}");
        }
        decision
    }

    /// Applies one proposal as it is listed.
    #[track_caller]
    pub fn apply_json(&self, json: &str) -> Decision {
        let proposal = Proposal::parse(json).unwrap_or_else(|refusal| panic!("{refusal}: {json}"));
        self.with_applier(false, |_, applier| applier.begin().apply(&proposal))
    }

    /// Tries a proposal, and undoes it.
    #[track_caller]
    pub fn apply_undone(&self, change: &Change) -> Decision {
        let proposal = Proposal::parse(&change.json(&self.schema)).expect("well-formed");
        self.with_applier(true, |_, applier| applier.begin().apply(&proposal))
    }

    /// Applies a proposal that must succeed.
    #[track_caller]
    pub fn applied(&self, change: &Change) -> Decision {
        let decision = self.apply(change);
        assert_eq!(decision.status, Status::Applied, "{decision:?}");
        assert_eq!(decision.affected_rows(), 1);
        decision
    }

    /// Applies a proposal that must touch no row; returns why.
    #[track_caller]
    pub fn conflict(&self, change: &Change) -> &'static str {
        let decision = self.apply(change);
        assert_eq!(decision.status, Status::Conflict, "{decision:?}");
        assert_eq!(decision.affected_rows(), 0);
        decision.reason.expect("a conflict has a reason").as_str()
    }

    /// Applies a proposal that must fail for good; returns the error as it is reported.
    #[track_caller]
    pub fn failed(&self, change: &Change) -> String {
        let decision = self.apply(change);
        assert_eq!(decision.status, Status::Failed, "{decision:?}");
        assert_eq!(decision.affected_rows(), 0);
        decision.failure.expect("a failure has a text").error
    }

    /// Works through a list of proposals as a poll does; returns the results.
    #[track_caller]
    pub fn poll(&self, list: &[Change]) -> Vec<Value> {
        let list: Vec<_> = list.iter().map(|c| c.json(&self.schema)).collect();
        self.poll_json(&list, Retry::Now, false).results
    }

    /// As [`Shop::poll`], with every choice.
    #[track_caller]
    pub fn poll_json(&self, list: &[String], retry: Retry, dry_run: bool) -> Done {
        self.poll_with_patience(Duration::MAX, list, retry, dry_run)
    }

    /// As [`Shop::poll_json`]; once failures that may pass have taken so long, the rest is left.
    #[track_caller]
    pub fn poll_with_patience(
        &self,
        patience: Duration,
        list: &[String],
        retry: Retry,
        dry_run: bool,
    ) -> Done {
        let ours = Ours {
            kind: "postgres",
            source_id: Some("src_1".into()),
        };
        let listed: Vec<_> = list
            .iter()
            .map(|json| {
                let raw: &RawValue = serde_json::from_str(json).expect("well-formed");
                Listed::read(raw, &ours, true)
            })
            .collect();
        let done = self.with_applier(dry_run, |ledger, applier| {
            Batch::run(
                ledger,
                applier,
                "src_1",
                retry,
                patience,
                &listed.iter().collect::<Vec<_>>(),
            )
        });
        done.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Works with the settings as they are.
    pub fn with_applier<T>(
        &self,
        dry_run: bool,
        work: impl FnOnce(&Ledger, &Applier<'_>) -> T,
    ) -> T {
        let settings = Settings::now().unwrap().applying;
        let ledger = Ledger::open().expect("the ledger is there");
        let role = ApplyRole::resolve(&settings, &ledger);
        let role = role.unwrap_or_else(|error| panic!("{error}"));
        let applier = Applier {
            settings: &settings,
            role: &role,
            dry_run,
            watch: &Unwatched,
        };
        work(&ledger, &applier)
    }

    /// What the ledger has of a proposal: the value of an expression over its row.
    #[track_caller]
    pub fn ledger(&self, id: &str, expression: &str) -> String {
        self.text(&format!(
            "SELECT {expression} FROM synapsor.ledger WHERE proposal_id = '{}/{id}'",
            self.schema
        ))
    }

    /// The rows of the target, where there is one that can be read.
    fn fingerprint(&self, change: &Change) -> String {
        let schema = change.schema.as_deref().unwrap_or(&self.schema);
        let table = format!("\"{schema}\".\"{}\"", change.table);
        let is_readable = format!(
            "SELECT true FROM pg_class WHERE oid = to_regclass('{table}') AND relkind IN ('r', 'p', 'v')"
        );
        if self.value(&is_readable) != Some(true) {
            return String::new();
        }
        self.text(&format!(
            "SELECT string_agg(t::text, ' ' ORDER BY t::text) FROM {table} t"
        ))
    }
}
