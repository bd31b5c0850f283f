//! Where the cases play: the attacker, her tables, and between any two attacks an innocent proposal whose own trigger writes
//! down what it finds in the session.

use std::collections::BTreeMap;

use postgres::Client;
use synapsor_testbed::{Cluster, Proposal, wait_for};

use super::attacks::End;
use super::case::Case;
use crate::stage::{PATIENCE, Stage};

/// The attacker owns schema, tables and functions, and lets the writer do everything with the tables.
const ATTACKER: &str = "
    DO 'BEGIN CREATE ROLE mallory; EXCEPTION WHEN duplicate_object THEN END';
    CREATE SCHEMA hostile AUTHORIZATION mallory;
    GRANT USAGE, CREATE ON SCHEMA hostile TO PUBLIC;
    SET ROLE mallory;
    CREATE FUNCTION hostile.as_owner(command text) RETURNS void SECURITY DEFINER LANGUAGE plpgsql AS
        'BEGIN EXECUTE command; END';
    CREATE PROCEDURE hostile.commit() LANGUAGE plpgsql AS 'BEGIN COMMIT; END';
    RESET ROLE;
    CREATE TABLE own (id int);
    ALTER TABLE own OWNER TO writer;
";

/// What an innocent proposal finds: who it is, what is set, and what lies around.
const INNOCENTS: &str = "
    CREATE TABLE innocents (id int PRIMARY KEY, status text, seen text);
    CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.seen := concat_ws(' ', current_user, session_user, current_schemas(true),
            (SELECT md5(string_agg(concat_ws('=', name, setting, source), ',' ORDER BY name)) FROM pg_settings),
            nullif(current_setting('hostile.mark', true), ''), pg_my_temp_schema(), inet_server_port(),
            (SELECT count(*) FROM pg_prepared_statements), (SELECT count(*) FROM pg_cursors),
            (SELECT count(*) FROM pg_listening_channels()));
        RETURN NEW;
    END $$;
    CREATE TRIGGER look BEFORE UPDATE ON innocents FOR EACH ROW EXECUTE FUNCTION look();
    GRANT SELECT, UPDATE ON innocents TO writer;
";

/// Who may do what, as text: a line for each fact.
const RIGHTS: &str = "
    SELECT fact FROM (
        SELECT concat_ws(' ', roleid::regrole, member::regrole, admin_option) FROM pg_auth_members
        UNION ALL SELECT concat_ws(' ', rolname, rolsuper, rolbypassrls, rolcreaterole, rolcanlogin, rolpassword) FROM pg_authid
        UNION ALL SELECT concat_ws(' ', setdatabase, setrole, setconfig) FROM pg_db_role_setting
        UNION ALL SELECT concat_ws(' ', defaclrole, defaclacl) FROM pg_default_acl
        UNION ALL SELECT concat_ws(' ', oid::regclass, relowner, relacl) FROM pg_class WHERE relkind IN ('r', 'v', 'p', 'S') AND relname !~ '^month'
        UNION ALL SELECT concat_ws(' ', oid, proowner, proacl) FROM pg_proc
        UNION ALL SELECT concat_ws(' ', nspname, nspowner, nspacl) FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp_'
        UNION ALL SELECT concat_ws(' ', 'hold', h) FROM synapsor.hold h
    ) AS facts (fact) ORDER BY fact";

/// What a session has left behind that others can see.
const LITTER: &str = "
    SELECT 'advisory lock ' || objid FROM pg_locks WHERE locktype = 'advisory' AND objsubid IN (1, 2)
    UNION ALL SELECT 'in the temporary schema: ' || typname FROM pg_type
        JOIN pg_namespace n ON n.oid = typnamespace WHERE nspname ~ '^pg_temp_'
    UNION ALL SELECT 'in the temporary schema: ' || proname FROM pg_proc
        JOIN pg_namespace n ON n.oid = pronamespace WHERE nspname ~ '^pg_temp_'";

/// Cases, set up and listed.
pub struct Scene {
    pub stage: Stage,
    cases: Vec<Case>,
    rights: Vec<String>,
}

impl Scene {
    /// Each case has a table of its own; an innocent proposal comes first, and one after each case.
    pub fn set_up(cluster: &Cluster, cases: Vec<Case>, settings: &[(&str, &str)]) -> Self {
        let stage = Stage::on(cluster);
        stage.allow_worker();
        for (name, value) in settings {
            stage.database.set(name, value);
        }
        stage.database.set("synapsor.max_proposals", 100_000);
        stage.database.execute(ATTACKER);
        stage.database.execute(INNOCENTS);
        stage.database.execute(&format!(
            "INSERT INTO innocents SELECT n, 'open' FROM generate_series(0, {}) n",
            cases.len()
        ));
        let mut session = stage.database.connect();
        let mut run = |sql: &str, what: &str| {
            let done = session.batch_execute(sql);
            done.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        };
        run("SET ROLE mallory; SET search_path = hostile, public", "");
        for case in &cases {
            run(&case.sql(), &case.describe());
        }
        run("GRANT ALL ON ALL TABLES IN SCHEMA hostile TO writer", "");
        let rights = stage.database.rows(RIGHTS);
        Scene {
            stage,
            cases,
            rights,
        }
    }

    /// Lists the proposals.
    pub fn approve(&self) {
        let attacked = self.cases.iter().map(|case| case.proposal());
        let pairs = attacked
            .zip(1..)
            .flat_map(|(attacked, n)| [attacked, innocent(n)]);
        let all: Vec<_> = [innocent(0)].into_iter().chain(pairs).collect();
        self.stage.simulator.add_proposals(all).unwrap();
    }

    /// True once everything has been tried.
    pub fn is_over(&self) -> bool {
        self.stage.ledger("true") == 2 * self.cases.len() as i64 + 1
    }

    pub fn wait_until_over(&self) {
        wait_for("every proposal is tried", 3 * PATIENCE, || self.is_over());
    }

    /// Everything that is not as it should be.
    pub fn findings(&self) -> Vec<String> {
        let mut session = self.stage.database.connect();
        let mut found = self.innocents(&mut session);
        let ledger = ledger(&mut session);
        for case in &self.cases {
            let recorded = ledger.get(&case.key()).map_or(&[][..], |rows| &rows[..]);
            let table = session.query(&case.table(), &[]).unwrap();
            let table: Vec<String> = table.iter().map(|row| row.get(0)).collect();
            if let Err(what) = judge(case, recorded, &table) {
                found.push(format!(
                    "{}: {what}; the table holds {table:?}",
                    case.describe()
                ));
            }
        }
        let rights = self.stage.database.rows(RIGHTS);
        let gained = rights.iter().filter(|right| !self.rights.contains(right));
        let lost = self.rights.iter().filter(|right| !rights.contains(right));
        found.extend(gained.map(|right| format!("a right was gained: {right}")));
        found.extend(lost.map(|right| format!("a right was lost: {right}")));
        found.extend(self.stage.database.rows(LITTER));
        found
    }

    /// Every innocent proposal was applied, and found the session as the first one did, before any attack.
    fn innocents(&self, session: &mut Client) -> Vec<String> {
        let query = "
            SELECT i.id, l.status, l.error_detail, i.status, i.seen, i.seen = f.seen
            FROM innocents i
            CROSS JOIN (SELECT seen FROM innocents WHERE id = 0) f
            LEFT JOIN synapsor.ledger l ON l.key = 'innocent_' || i.id
            WHERE (l.status, i.status, i.seen) IS DISTINCT FROM ('applied', 'closed', f.seen)
            ORDER BY i.id";
        let rows = session.query(query, &[]).unwrap();
        let describe = |row: &postgres::Row| {
            let id: i32 = row.get(0);
            let after = usize::try_from(id - 1)
                .ok()
                .map(|n| self.cases[n].describe());
            let [recorded, detail, status, seen] =
                [1, 2, 3, 4].map(|n| row.get::<_, Option<String>>(n).unwrap_or_default());
            format!(
                "the innocent after [{}] is recorded as {recorded} {detail}, is {status}, and saw {seen}",
                after.unwrap_or_default()
            )
        };
        rows.iter().map(describe).collect()
    }
}

fn innocent(number: usize) -> Proposal {
    Proposal::update("innocents")
        .id(&format!("innocent_{number}"))
        .key("id", number)
        .change("status", "closed")
}

/// What the ledger says: status and error of each key.
fn ledger(session: &mut Client) -> BTreeMap<String, Vec<(String, String)>> {
    let mut ledger: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let query = "SELECT key, status, coalesce(error, reason, '') FROM synapsor.ledger";
    for row in session.query(query, &[]).unwrap() {
        ledger
            .entry(row.get(0))
            .or_default()
            .push((row.get(1), row.get(2)));
    }
    ledger
}

/// One true row, and the outcome that the attack has to have.
fn judge(case: &Case, recorded: &[(String, String)], table: &[String]) -> Result<(), String> {
    let [(status, error)] = recorded else {
        return Err(format!("the ledger has {recorded:?}"));
    };
    let ended = |wanted: &str, sqlstate: &str| {
        status == wanted && error.starts_with(&format!("SQLSTATE {sqlstate}: "))
    };
    let is_expected = match case.end() {
        _ if case.carrier.is_refused => error.starts_with("WRITEBACK_TARGET_UNSUPPORTED: "),
        End::Denied => ended("failed", "42501"),
        End::Failed(sqlstate) => ended("failed", sqlstate),
        End::Retrying(sqlstate) => ended("retrying", sqlstate),
        End::Applied => status == "applied",
        End::WorkerEnded => status == "retrying" && error == "WRITEBACK_WORKER_ENDED",
        End::Either => true,
    };
    if is_expected && case.is_true(status == "applied", table) && error.len() < 200 {
        Ok(())
    } else {
        Err(format!(
            "recorded as {status} {error}, expected {:?}",
            case.end()
        ))
    }
}
