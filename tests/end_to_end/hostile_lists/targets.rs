//! What a proposal may name, and is refused whatever rights there are.

use synapsor_testbed::{Cluster, ClusterOptions, Proposal};

use super::list::HostileList;
use crate::stage::Stage;

/// Everything that a table can be mistaken for. Whoever runs this has the rights of an operator in a hurry: the writer
/// has been granted all that can be granted, column by column where Postgres itself minds more than that.
const FURNITURE: &str = "
    CREATE VIEW desk AS SELECT id, status AS note FROM tickets;
    CREATE FUNCTION write_elsewhere() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN UPDATE tickets SET status = ''stolen''; RETURN NEW; END';
    CREATE TRIGGER t INSTEAD OF INSERT OR UPDATE OR DELETE ON desk FOR EACH ROW EXECUTE FUNCTION write_elsewhere();
    CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere;
    CREATE FOREIGN TABLE far (id int, note text) SERVER nowhere;
    CREATE SEQUENCE seq;
    CREATE MATERIALIZED VIEW mat AS SELECT 1 AS id, 'x' AS note;
    CREATE TYPE pair AS (id int, note text);
    CREATE TABLE parts (id int, note text) PARTITION BY RANGE (id);
    CREATE TABLE parts_near PARTITION OF parts FOR VALUES FROM (0) TO (10);
    INSERT INTO parts VALUES (1, 'x'), (2, 'x');
    CREATE VIEW people AS SELECT oid::bigint AS id, rolname AS note, rolsuper FROM pg_authid;
    CREATE VIEW features AS SELECT 1 AS id, feature_id, comments AS note FROM information_schema.sql_features;
    CREATE VIEW decided AS SELECT key AS id, status AS note FROM synapsor.ledger;
    CREATE VIEW deeper AS SELECT * FROM decided;
    CREATE SCHEMA \"PUBLIC\"; CREATE TABLE \"PUBLIC\".tickets AS SELECT * FROM public.tickets;
    CREATE SCHEMA shadow; CREATE TABLE shadow.tickets AS SELECT * FROM public.tickets;
    ALTER ROLE ops IN DATABASE :name SET search_path = shadow, public;
    GRANT USAGE ON SCHEMA pg_toast, synapsor, shadow TO writer;
    GRANT ALL ON ALL TABLES IN SCHEMA pg_catalog, information_schema, public, shadow TO writer;
    GRANT ALL ON synapsor.hold, synapsor.home, synapsor.pending_reports TO writer;
    GRANT UPDATE (relname) ON pg_class TO writer;
    GRANT UPDATE (rolsuper) ON pg_authid TO writer;
    GRANT UPDATE (prosrc) ON pg_proc TO writer;
";

/// Schema and table, key, what is written, and what becomes of it.
const TARGETS: &str = "
pg_catalog pg_authid | rolname writer | rolsuper true | REFUSED belongs to the server
pg_catalog pg_class | oid 1259 | relname gone | REFUSED belongs to the server
pg_catalog pg_proc | oid 1299 | prosrc gone | REFUSED belongs to the server
pg_catalog pg_settings | name work_mem | setting 64 | REFUSED belongs to the server
pg_catalog pg_stat_activity | pid 1 | query x | REFUSED belongs to the server
pg_toast TOAST | chunk_id 1 | chunk_seq 7 | REFUSED belongs to the server
information_schema sql_features | feature_id B011 | comments x | REFUSED belongs to the server
synapsor ledger | key key_1 | status failed | REFUSED belongs to the extension
synapsor hold | kind paused | held_by x | REFUSED belongs to the extension
synapsor home | database_oid 1 | system_identifier 1 | REFUSED belongs to the extension
synapsor pending_reports | key key_1 | status failed | REFUSED belongs to the extension
public people | note writer | rolsuper true | REFUSED leads to a table that belongs to the server
public features | feature_id B011 | note x | REFUSED leads to a table that belongs to the server
public deeper | id key_1 | note failed | REFUSED leads to a table that belongs to the extension
public desk | id 1 | note x | REFUSED is a view with INSTEAD OF triggers
public far | id 1 | note x | REFUSED is a foreign table: its changes are not part of this transaction
pg_temp short | id 1 | note x | REFUSED is temporary
public seq | last_value 1 | last_called x | REFUSED is not a table
public mat | id 1 | note x | REFUSED is not a table
public tickets_pkey | id 1 | note x | REFUSED is not a table
public pair | id 1 | note x | REFUSED is not a table
otherdb.public tickets | id 1 | status x | UNSAFE_IDENTIFIER: otherdb.public
postgres tickets | id 1 | status x | SQLSTATE 42P01: undefined_table, table postgres.tickets
Public tickets | id 1 | status x | SQLSTATE 42P01: undefined_table, table Public.tickets
PUBLIC tickets | id 1 | status x | SQLSTATE 42501: insufficient_privilege
public parts | id 1 | note y | applied
public parts_near | id 2 | note y | applied
";

/// What must be as before: who may what, what is where, the server's tables and ours.
const ELSEWHERE: &str = "
    SELECT md5(concat_ws(',',
        (SELECT string_agg(r::text, ';' ORDER BY oid) FROM pg_authid r WHERE rolname IN ('writer', 'ops')),
        (SELECT string_agg(concat_ws(':', relname, relowner, relacl), ';' ORDER BY oid) FROM pg_class),
        (SELECT string_agg(prosrc, ';' ORDER BY oid) FROM pg_proc),
        (SELECT string_agg(f::text, ';' ORDER BY feature_id, sub_feature_id) FROM information_schema.sql_features f),
        (SELECT string_agg(h::text, ';' ORDER BY h::text) FROM synapsor.hold h),
        (SELECT string_agg(h::text, ';' ORDER BY h::text) FROM synapsor.home h),
        (SELECT string_agg(t::text, ';' ORDER BY id) FROM shadow.tickets t),
        (SELECT string_agg(t::text, ';' ORDER BY id) FROM \"PUBLIC\".tickets t),
        (SELECT string_agg(t::text, ';' ORDER BY id) FROM tickets t WHERE id > 50),
        (SELECT last_value FROM seq)))";

fn fields<'t, const N: usize>(text: &'t str, separator: &str) -> [&'t str; N] {
    let fields: Vec<_> = text.split(separator).collect();
    fields.try_into().unwrap()
}

/// On a cluster of its own: where a catalog can be written to, nothing of the cluster is safe.
fn furnished(cluster: &Cluster) -> Stage {
    let stage = Stage::on(cluster);
    let name = stage.database.name();
    stage.database.execute(&FURNITURE.replace(":name", name));
    stage
}

#[test]
fn what_is_nobody_s_table_is_refused_even_with_every_right_and_the_others_are_applied() {
    let cluster = Cluster::start(ClusterOptions::default());
    let stage = furnished(&cluster);
    let mut operator = stage.operator();
    operator.run("CREATE TEMP TABLE short (id int, note text); GRANT ALL ON short TO writer");
    let toast: String = stage
        .database
        .value("SELECT 'pg_toast_' || 'synapsor.ledger'::regclass::oid");
    let before: String = stage.database.value(ELSEWHERE);
    let mut list = HostileList::new(&stage);
    for (n, line) in TARGETS.trim().lines().enumerate() {
        let line = line.replace("TOAST", &toast);
        let [target, key, change, outcome] = fields(&line, " | ");
        let ([schema, table], [key, value]) = (fields(target, " "), fields(key, " "));
        let [column, written] = fields(change, " ");
        let refused = format!("WRITEBACK_TARGET_UNSUPPORTED: {schema}.{table}");
        let id = format!("target_{n}");
        let update = Proposal::update(table).schema(schema).id(&id);
        let update = update.key(key, value).change(column, written);
        list.add(
            &id,
            update.to_string(),
            &outcome.replace("REFUSED", &refused),
        );
    }
    list.poll(&mut operator);
    assert_eq!(stage.database.value::<String>(ELSEWHERE), before);
}

#[test]
fn inserts_and_deletes_are_refused_as_updates_are() {
    let cluster = Cluster::start(ClusterOptions::default());
    let stage = furnished(&cluster);
    let before: String = stage.database.value(ELSEWHERE);
    let mut list = HostileList::new(&stage);
    let (server, extension) = ("belongs to the server", "belongs to the extension");
    let targets = [
        ("pg_catalog.pg_auth_members", "grantor", server),
        ("pg_catalog.pg_db_role_setting", "setrole", server),
        ("information_schema.sql_features", "feature_id", server),
        ("synapsor.ledger", "key", extension),
        ("synapsor.hold", "kind", extension),
        (
            "public.people",
            "note",
            &format!("leads to a table that {server}"),
        ),
        (
            "public.deeper",
            "id",
            &format!("leads to a table that {extension}"),
        ),
        ("public.desk", "note", "is a view with INSTEAD OF triggers"),
    ];
    for (n, (target, column, why)) in targets.iter().enumerate() {
        let [schema, table] = fields(target, ".");
        let refused = format!("WRITEBACK_TARGET_UNSUPPORTED: {target} {why}");
        let id = format!("insert_{n}");
        let insert = Proposal::insert(table).schema(schema).id(&id);
        list.add(&id, insert.change(column, "10").to_string(), &refused);
        let id = format!("delete_{n}");
        let delete = Proposal::delete(table).schema(schema).id(&id);
        list.add(&id, delete.key(column, "10").to_string(), &refused);
    }
    list.poll(&mut stage.operator());
    assert_eq!(stage.database.value::<String>(ELSEWHERE), before);
}
