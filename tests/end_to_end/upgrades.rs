//! Updates of the extension: released scripts stay as they are, an updated schema is a fresh one, and what was decided, owed, set and
//! running before goes on. Everything here holds for each version that was released, and the next one adds nothing but its script.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use simulated_control_plane::{Endpoint, Fault, Rule};
use synapsor_testbed::process::run;
use synapsor_testbed::{Cluster, ClusterOptions, Database, quote, wait_for};

use crate::stage::{PATIENCE, SHARED, Stage, statuses};
use crate::workers::preloaded;

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn released() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/released")
}

/// The versions whose scripts are there, but for the present one.
fn older_versions() -> Vec<String> {
    let names = fs::read_dir(released()).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let versions = names.filter_map(|name| {
        let name = name.strip_prefix("synapsor_writeback--")?;
        Some(name.strip_suffix(".sql")?.to_owned())
    });
    let older: Vec<_> = versions.filter(|version| version != VERSION).collect();
    assert!(!older.is_empty(), "there is nothing to update from");
    older
}

/// What makes the extension of an older version, with the library of the present one.
fn create(version: &str) -> impl FnOnce(&Database) {
    let sql = format!("CREATE EXTENSION synapsor_writeback VERSION '{version}'");
    move |database| database.execute(&sql)
}

fn update(database: &Database) {
    database.execute("ALTER EXTENSION synapsor_writeback UPDATE");
    let version = "SELECT extversion FROM pg_extension WHERE extname = 'synapsor_writeback'";
    assert_eq!(database.value::<String>(version), VERSION);
}

#[test]
fn a_released_script_is_never_edited() {
    let mut check = Command::new("sha256sum");
    check.args(["--check", "--strict", "SHA256SUMS"]);
    let checked = run(check.current_dir(released()));
    let checked: BTreeSet<_> = checked
        .lines()
        .map(|line| line.split(':').next().unwrap().to_owned())
        .collect();
    let names = fs::read_dir(released()).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(checked, names.filter(|name| name != "SHA256SUMS").collect());
}

#[test]
fn every_released_version_leads_to_this_one() {
    for version in older_versions() {
        let path = format!(
            "SELECT path FROM pg_extension_update_paths('synapsor_writeback')
             WHERE source = '{version}' AND target = '{VERSION}' AND path IS NOT NULL"
        );
        assert_eq!(
            SHARED.database("postgres").rows(&path).len(),
            1,
            "{version}"
        );
    }
}

/// Everything that an extension is made of, an object or a property a line, in an order that does not depend on how it came about.
const MADE_OF: &str = "
    WITH member AS (
        SELECT d.classid, d.objid, pg_describe_object(d.classid, d.objid, 0) AS name
        FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
        WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'synapsor_writeback'
    ), relation AS (
        SELECT m.name, c.* FROM member m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid
    ), granted AS (
        SELECT name, proacl AS acl, proowner AS owner, 'f'::\"char\" AS kind FROM member JOIN pg_proc p ON p.oid = objid AND classid = 'pg_proc'::regclass
        UNION ALL SELECT name, relacl, relowner, 'r' FROM relation
        UNION ALL SELECT name, nspacl, nspowner, 'n' FROM member JOIN pg_namespace n ON n.oid = objid AND classid = 'pg_namespace'::regclass
        UNION ALL SELECT name || '.' || attname, attacl, relowner, 'c' FROM relation JOIN pg_attribute ON attrelid = relation.oid AND attacl IS NOT NULL
    )
    SELECT 'member ' || name FROM member
    UNION ALL SELECT 'function ' || name || pg_get_functiondef(objid) FROM member WHERE classid = 'pg_proc'::regclass
    UNION ALL SELECT 'comment ' || name || ' ' || coalesce(obj_description(objid, classid::regclass::name), '') FROM member
    UNION ALL SELECT 'right ' || name || ' ' || a.grantee::regrole || ' ' || a.privilege_type || ' ' || a.is_grantable
        FROM granted CROSS JOIN aclexplode(coalesce(acl, acldefault(kind, owner))) a
    UNION ALL SELECT 'relation ' || name || concat_ws(' ', '', relkind, relpersistence, relrowsecurity, relreplident, reloptions, relowner::regrole) FROM relation
    UNION ALL SELECT 'column ' || name || concat_ws(' ', '', row_number() OVER (PARTITION BY relation.oid ORDER BY attnum), attname,
            format_type(atttypid, atttypmod), attnotnull, attcollation, attgenerated, attidentity, pg_get_expr(adbin, adrelid),
            col_description(relation.oid, attnum))
        FROM relation JOIN pg_attribute ON attrelid = relation.oid AND attnum > 0 AND NOT attisdropped
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    UNION ALL SELECT 'constraint ' || name || ' ' || conname || ' ' || pg_get_constraintdef(o.oid) FROM relation JOIN pg_constraint o ON conrelid = relation.oid
    UNION ALL SELECT 'index ' || name || ' ' || pg_get_indexdef(indexrelid) FROM relation JOIN pg_index ON indrelid = relation.oid
    UNION ALL SELECT 'trigger ' || name || ' ' || pg_get_triggerdef(t.oid) FROM relation JOIN pg_trigger t ON tgrelid = relation.oid AND NOT tgisinternal
    UNION ALL SELECT 'rule ' || name || ' ' || pg_get_ruledef(r.oid) FROM relation JOIN pg_rewrite r ON ev_class = relation.oid
    UNION ALL SELECT 'dumped ' || t.oid::regclass || ' ' || t.condition FROM pg_extension, unnest(extconfig, extcondition) t (oid, condition)
        WHERE extname = 'synapsor_writeback'
    UNION ALL SELECT 'extension ' || extversion || ' ' || extowner::regrole || ' ' || extrelocatable || ' ' || extnamespace::regnamespace
        FROM pg_extension WHERE extname = 'synapsor_writeback'
    ORDER BY 1";

#[test]
fn an_updated_schema_is_a_fresh_one() {
    let fresh = Stage::new();
    let expected: Vec<_> = fresh.database.rows(MADE_OF);
    for kind in [
        "member",
        "function",
        "comment",
        "right",
        "relation",
        "column",
        "constraint",
        "index",
        "rule",
        "dumped",
        "extension",
    ] {
        let count = expected
            .iter()
            .filter(|line| line.starts_with(&format!("{kind} ")))
            .count();
        assert!(count > 0, "nothing is compared of the kind {kind}");
    }
    for version in older_versions() {
        let stage = Stage::set_up(&SHARED, create(&version));
        let before = stage.database.rows(MADE_OF);
        assert_ne!(before, expected, "{version} has nothing to update");
        update(&stage.database);
        // What an operator was given is his affair.
        stage.database.execute("SELECT synapsor_grant_usage('ops')");
        let found: BTreeSet<_> = stage.database.rows(MADE_OF).into_iter().collect();
        let expected: BTreeSet<_> = expected.iter().cloned().collect();
        let missing: Vec<_> = expected.difference(&found).collect();
        let left: Vec<_> = found.difference(&expected).collect();
        assert!(
            missing.is_empty() && left.is_empty(),
            "from {version}: missing {missing:#?}, left over {left:#?}"
        );
    }
}

#[test]
fn an_extension_in_a_schema_of_any_name_can_be_updated() {
    for version in older_versions() {
        let stage = Stage::set_up(&SHARED, |database| {
            database.execute(&format!(
                r#"CREATE SCHEMA "My ""Own"" Schema";
                   CREATE EXTENSION synapsor_writeback SCHEMA "My ""Own"" Schema" VERSION '{version}';
                   DO $$ BEGIN
                       EXECUTE format('ALTER DATABASE %I SET search_path = public, "My ""Own"" Schema"', current_database());
                   END $$"#
            ));
        });
        update(&stage.database);
        let states =
            "SELECT count(*) FROM synapsor.activity WHERE name = 'synapsor_writeback_worker_is'";
        assert_eq!(stage.database.value::<i64>(states), 5);
    }
}

#[test]
fn the_new_library_works_with_an_old_schema() {
    for version in older_versions() {
        let stage = Stage::set_up(&SHARED, create(&version));
        stage.database.set("synapsor.poll_interval", "100ms");
        // There is no table for it yet.
        stage.database.set("synapsor.capture", "on");
        stage.approve_closing(1..=3);
        assert_eq!(statuses(&stage.poll()), ["applied"; 3]);
        stage.wait_for_reports();
        stage.approve_closing(4..=4);
        stage.operator().call();
        stage.start_worker();
        stage.running_worker();
        stage.operator().run("SELECT synapsor_pause()");
        stage.wait_for_state("paused");
        stage
            .operator()
            .run("SELECT synapsor_resume(); SELECT synapsor_report_once()");
        stage.approve_closing(5..=5);
        stage.wait_for_applied(5);
        stage.operator().run("SELECT * FROM synapsor_build('{\"external_schema\": \"a\", \"external_table\": \"b\", \"operation\": \"insert\", \"changes\": {\"c\": 1}, \"allowed_columns\": [\"c\"]}')");
        stage
            .operator()
            .run("SELECT * FROM synapsor.recent, synapsor.metrics");
        let version_now =
            "SELECT extversion FROM pg_extension WHERE extname = 'synapsor_writeback'";
        assert_eq!(stage.database.value::<String>(version_now), version);
    }
}

/// The tables of the extension, each with its columns.
fn tables(database: &Database) -> Vec<String> {
    database.rows(
        "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) || ' FROM ' || c.oid::regclass
         FROM pg_extension CROSS JOIN unnest(extconfig) t (oid) JOIN pg_class c ON c.oid = t.oid
         JOIN pg_attribute ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped
         WHERE extname = 'synapsor_writeback' GROUP BY c.oid",
    )
}

/// Every row of these columns of the tables, as text.
fn rows(database: &Database, tables: &[String]) -> Vec<String> {
    let of = |table: &String| database.rows(&format!("SELECT {table} ORDER BY 1, 2"));
    tables.iter().flat_map(of).collect()
}

/// A database of an older version: the first ticket's proposal is reported, the second's report is owed, and a worker is at work.
fn busy(cluster: &Cluster, version: &str) -> Stage {
    let stage = Stage::set_up(cluster, create(version));
    stage.database.set("synapsor.poll_interval", "100ms");
    stage.approve_closing(1..=1);
    stage.poll();
    stage.wait_for_reports();
    stage
        .simulator
        .inject(Rule::on(Endpoint::Report, Fault::status(500)));
    stage.approve_closing(2..=2);
    stage.poll();
    stage.wait_for_a_failed_report();
    stage
}

#[test]
fn what_was_decided_and_owed_survives_an_update_and_the_worker_goes_on() {
    for version in older_versions() {
        let stage = busy(&SHARED, &version);
        let tables = tables(&stage.database);
        let before = rows(&stage.database, &tables);
        update(&stage.database);
        assert_eq!(rows(&stage.database, &tables), before);
        assert_eq!(stage.ledger("report_state = 'pending'"), 1);
        assert_eq!(stage.ledger("report_state = 'delivered'"), 1);
        stage.simulator.clear_faults();
        stage.operator().report();
        assert_eq!(
            stage.ledger("status = 'applied' AND report_state = 'delivered'"),
            2
        );
        assert_eq!(stage.tickets("closed"), 2);
    }
}

#[test]
fn a_worker_that_runs_during_an_update_is_replaced_and_goes_on() {
    let cluster = Cluster::start(preloaded());
    for version in older_versions() {
        let stage = busy(&cluster, &version);
        stage.allow_worker();
        stage.keep();
        stage.wait_for_state("running");
        let worker = stage.status().worker_pid();
        stage.simulator.clear_faults();
        update(&stage.database);
        wait_for("another worker is there", PATIENCE, || {
            let status = stage.status();
            status.worker_pid().is_some()
                && status.worker_pid() != worker
                && status.state() == "running"
        });
        stage.approve_closing(3..=3);
        stage.wait_for_applied(3);
        assert_eq!(stage.ledger("true"), 3);
    }
}

fn restore(cluster: &Cluster, dump: &Path) {
    let mut restore = cluster.program("pg_restore");
    restore.args(["--exit-on-error", "--create", "--dbname=postgres"]);
    run(restore.arg(dump));
}

#[test]
fn a_dump_of_an_old_version_restored_here_keeps_ledger_holds_and_settings_and_is_of_this_version() {
    let cluster = Cluster::start(ClusterOptions::default());
    for version in older_versions() {
        let stage = busy(&cluster, &version);
        stage.operator().run("SELECT synapsor_pause()");
        let name = stage.database.name();
        let settings = "SELECT unnest(setconfig) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = setdatabase
                        WHERE datname = current_database() ORDER BY 1";
        let tables = tables(&stage.database);
        let kept = (
            rows(&stage.database, &tables),
            stage.database.rows(settings),
        );
        let file = cluster.socket_directory().join("dump");
        let mut dump = cluster.program("pg_dump");
        dump.args(["--format=custom", "--create", "--dbname", name, "--file"]);
        run(dump.arg(&file));
        cluster
            .database("postgres")
            .execute(&format!("DROP DATABASE {}", quote(name)));
        restore(&cluster, &file);
        assert!(kept.1.len() > 4 && kept.0.len() > 3, "{kept:?}");
        assert_eq!(
            (
                rows(&stage.database, &tables),
                stage.database.rows(settings)
            ),
            kept
        );
        let version_now =
            "SELECT extversion FROM pg_extension WHERE extname = 'synapsor_writeback'";
        assert_eq!(stage.database.value::<String>(version_now), VERSION);
        stage.simulator.clear_faults();
        stage.operator().run("SELECT synapsor_resume()");
        stage.operator().report();
        assert_eq!(stage.ledger("report_state = 'delivered'"), 2);
        assert_eq!(stage.tickets("closed"), 2);
    }
}
