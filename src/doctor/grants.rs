//! What the apply role may do with a table in use.

use synapsor_core::builder::Operation;

use super::finding::{Findings, trouble};
use super::targets::Targets;
use super::uses::{Found, Use};
use crate::error::ExtensionError;

/// Which rights a use needs and the role lacks. `$2` is the relation, `$3` and `$4` rights and their columns, `$5` whether
/// rows are deleted, `$6` what is inserted, null for another operation.
const MISSING: &str = "
    SELECT string_agg(what, ', ') FROM (
        SELECT format('USAGE ON SCHEMA %I', n.nspname)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.oid = $2 AND NOT has_schema_privilege($1::name, n.oid, 'USAGE')
        UNION ALL
        SELECT format('%s (%I)', p.verb, p.col)
        FROM unnest($3::text[], $4::text[]) WITH ORDINALITY AS p (verb, col, n)
             JOIN pg_attribute a ON a.attrelid = $2 AND a.attname = p.col AND a.attnum > 0 AND NOT a.attisdropped
        WHERE NOT has_column_privilege($1::name, $2, a.attnum, p.verb)
        UNION ALL
        SELECT 'DELETE' WHERE $5 AND NOT has_table_privilege($1::name, $2, 'DELETE')
        UNION ALL
        SELECT format('USAGE ON SEQUENCE %s', s.oid::regclass)
        FROM pg_attrdef f JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
             JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid AND d.refclassid = 'pg_class'::regclass
             JOIN pg_class s ON s.oid = d.refobjid AND s.relkind = 'S'
        WHERE $6::text[] IS NOT NULL AND f.adrelid = $2 AND a.attname <> ALL ($6::text[])
          AND NOT has_sequence_privilege($1::name, s.oid, 'USAGE')) AS m (what)";

/// Columns that a proposal names and the relation lacks.
const NO_SUCH_COLUMN: &str = "
    SELECT string_agg(quote_ident(col), ', ') FROM unnest($2::text[]) AS col
    WHERE NOT EXISTS (SELECT FROM pg_attribute a
                      WHERE a.attrelid = $1 AND a.attname = col AND a.attnum > 0 AND NOT a.attisdropped)";

/// What is missing, and the grants that give it, as `synapsor_grants()` prints them.
pub fn missing(targets: &Targets<'_>, one: &Use) -> Findings {
    let Some(relation) = &one.relation else {
        return Ok(Vec::new());
    };
    if !one.is_known_in_full() {
        return any_right(targets, one, relation);
    }
    let named: Vec<String> = one.written.iter().cloned().chain(one.guards()).collect();
    let arguments = [relation.oid.into(), named.into()];
    let absent = targets.desk.rows::<1>(NO_SUCH_COLUMN, &arguments)?;
    if let Some([absent]) = absent.first().filter(|[absent]| !absent.is_empty()) {
        let detail = format!(
            "{} has no column {absent}, which proposals name",
            relation.name
        );
        let hint = "Have proposals rejected in Synapsor that name columns which are not there.";
        return Ok(vec![trouble(detail, hint)]);
    }
    let missing = rights_missing(targets, one, relation)?;
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let detail = format!(
        "role \"{}\" lacks on {}: {missing}",
        targets.role.name, relation.name
    );
    Ok(vec![trouble(detail, grants(targets, one, relation)?)])
}

fn rights_missing(
    targets: &Targets<'_>,
    one: &Use,
    relation: &Found,
) -> Result<String, ExtensionError> {
    let (mut verbs, mut columns) = (Vec::new(), Vec::new());
    let mut need = |verb: &str, column: &String| {
        verbs.push(verb.to_owned());
        columns.push(column.clone());
    };
    let inserts = one.operation == Operation::Insert;
    if !inserts {
        one.guards().iter().for_each(|c| need("SELECT", c));
    }
    match one.operation {
        Operation::Insert => one.written.iter().for_each(|c| need("INSERT", c)),
        Operation::Update => one.written.iter().for_each(|c| need("UPDATE", c)),
        Operation::Delete => {}
    }
    if targets.desk.settings.applying.advance_guard && one.operation == Operation::Update {
        one.conflict.iter().for_each(|c| need("UPDATE", c));
    }
    let arguments = [
        targets.role.name.as_str().into(),
        relation.oid.into(),
        verbs.into(),
        columns.into(),
        (one.operation == Operation::Delete).into(),
        inserts.then(|| one.written.clone()).into(),
    ];
    let rows = targets.desk.rows::<1>(MISSING, &arguments)?;
    Ok(rows.into_iter().map(|[missing]| missing).collect())
}

/// `synapsor_grants()` of what the use needs, its statements in one line.
fn grants(targets: &Targets<'_>, one: &Use, relation: &Found) -> Result<String, ExtensionError> {
    const HOME: &str = "
        SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
        WHERE e.extname = 'synapsor_writeback'";
    let home = targets.desk.rows::<1>(HOME, &[])?;
    let home = home.into_iter().map(|[home]| home).collect::<String>();
    let query = format!(
        "SELECT g FROM {home}.synapsor_grants($1::oid::regclass, $2, ARRAY[$3], $4, $5, $6, $7::name) AS g"
    );
    let arguments = [
        relation.oid.into(),
        one.written.clone().into(),
        one.operation.as_str().into(),
        one.tenant.clone().into(),
        one.conflict.clone().into(),
        one.keys.clone().into(),
        targets.role.name.as_str().into(),
    ];
    let statements = targets.desk.rows::<1>(&query, &arguments)?;
    let statements: Vec<_> = statements.into_iter().map(|[text]| text).collect();
    Ok(statements.join(" "))
}

/// Where only the ledger tells of it: its columns are not known, but without any right nothing can be done.
fn any_right(targets: &Targets<'_>, one: &Use, relation: &Found) -> Findings {
    const ANY: &str = "
        SELECT (CASE WHEN $3 = 'DELETE' THEN has_table_privilege($1::name, $2, 'DELETE')
                     ELSE has_any_column_privilege($1::name, $2, $3) END)::text";
    let verb = one.operation.as_str().to_uppercase();
    let arguments = [
        targets.role.name.as_str().into(),
        relation.oid.into(),
        verb.as_str().into(),
    ];
    let rows = targets.desk.rows::<1>(ANY, &arguments)?;
    let (role, name) = (&targets.role.name, &relation.name);
    let has_any = rows.iter().all(|[may]| may == "true");
    let detail = match (has_any, one.past.was_denied) {
        (false, _) => format!("role \"{role}\" has no right to {verb} on {name}"),
        (true, true) => format!(
            "role \"{role}\" lacked a right on {name} for the last {verb} (SQLSTATE 42501), and none was applied since"
        ),
        (true, false) => return Ok(Vec::new()),
    };
    let operation = one.operation.as_str();
    let hint = format!(
        "SELECT synapsor_grants('{}', '{{column, …}}', '{{{operation}}}') \\gexec -- with the columns that proposals write",
        name.replace('\'', "''")
    );
    Ok(vec![trouble(detail, hint)])
}
