//! What stands between a proposal and its row: no index for the key, a trigger, row security.

use pgrx::spi::{quote_identifier, quote_literal};
use synapsor_core::builder::Operation;

use super::desk::Desk;
use super::finding::{Finding, Findings, trouble};
use super::repair;
use super::targets::Targets;
use super::uses::{Found, Use};
use crate::error::ExtensionError;

/// A key without an index is looked for in the whole table, by every proposal; without a unique one, it may mean several rows.
pub fn index(desk: &Desk<'_>, one: &Use) -> Findings {
    const FITTING: &str = "
        SELECT i.indexrelid::text FROM pg_index i
             CROSS JOIN LATERAL (
                 SELECT array_agg(a.attname::text ORDER BY k.n) AS names
                 FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, n)
                      JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
                 WHERE k.n <= i.indnkeyatts) AS c
        WHERE i.indrelid = $1 AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
          AND (i.indisunique AND ($3 OR c.names <@ $2::text[]) OR $4 AND c.names[1] = ANY ($2::text[]))
        LIMIT 1";
    let Some(relation) = &one.relation else {
        return Ok(Vec::new());
    };
    let is_partitioned = relation.kind == "p";
    if one.operation == Operation::Insert || !(relation.kind == "r" || is_partitioned) {
        return Ok(Vec::new());
    }
    let compared: Vec<String> = one.keys.iter().chain(&one.tenant).cloned().collect();
    let arguments = [
        relation.oid.into(),
        compared.into(),
        (!one.is_known_in_full()).into(),
        is_partitioned.into(),
    ];
    if !desk.rows::<1>(FITTING, &arguments)?.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<String> = one.keys.iter().map(quote_identifier).collect();
    let (keys, name) = (keys.join(", "), &relation.name);
    let detail = match keys.as_str() {
        "" => format!("{name} has no unique index at all"),
        keys => format!("{name} has no unique index on the key ({keys}) that proposals name"),
    };
    let hint = match (keys.as_str(), is_partitioned) {
        ("", _) => format!("CREATE UNIQUE INDEX CONCURRENTLY ON {name} (…);"),
        (keys, true) => format!("CREATE INDEX ON {name} ({keys});"),
        (keys, false) => format!("CREATE UNIQUE INDEX CONCURRENTLY ON {name} ({keys});"),
    };
    Ok(vec![trouble(detail, hint)])
}

/// A trigger before the change can drop it, and nobody but its author knows. What the ledger says of earlier proposals counts more
/// than what its source looks like.
pub fn triggers(desk: &Desk<'_>, one: &Use) -> Findings {
    const BEFORE_ROW: &str = "
        SELECT format('%I', t.tgname), format('%I.%I', n.nspname, c.relname),
               (l.lanname = 'plpgsql' AND p.prosrc ~* '\\mreturn\\s+null\\M')::text
        FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_language l ON l.oid = p.prolang
             JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE (t.tgrelid = $1 OR t.tgrelid IN (SELECT relid FROM pg_partition_tree($1)))
          AND NOT t.tgisinternal AND t.tgparentid = 0 AND t.tgenabled IN ('O', 'A')
          AND t.tgtype & 3 = 3 AND t.tgtype & $2 <> 0
        ORDER BY 2, 1";
    let Some(relation) = &one.relation else {
        return Ok(Vec::new());
    };
    // As in catalog/pg_trigger.h.
    let event: i32 = match one.operation {
        Operation::Insert => 1 << 2,
        Operation::Delete => 1 << 3,
        Operation::Update => 1 << 4,
    };
    let found = desk.rows::<3>(BEFORE_ROW, &[relation.oid.into(), event.into()])?;
    let looks_like_it = |row: &&[String; 3]| row[2] == "true";
    let has_one_that_does = found.iter().any(|row| row[2] == "true");
    let suspects: Vec<_> = match one.past {
        past if past.was_eaten && !has_one_that_does => found.iter().collect(),
        past if past.was_eaten || !past.has_worked => found.iter().filter(looks_like_it).collect(),
        _ => Vec::new(),
    };
    let operation = one.operation.as_str();
    Ok(suspects
        .into_iter()
        .map(|[trigger, table, _]| {
            let detail = match one.past.was_eaten {
                true => format!("the last {operation} of {table} was eaten (ROW_NOT_CHANGED): trigger {trigger} runs before it"),
                false => format!("trigger {trigger} can return null before an {operation} of {table}, which eats it (ROW_NOT_CHANGED)"),
            };
            trouble(detail, format!("ALTER TABLE {table} DISABLE TRIGGER {trigger};"))
        })
        .collect())
}

/// Row security that lets the apply role see nothing, or not the rows that are listed, or that lets it change nothing.
pub fn row_security(targets: &Targets<'_>, one: &Use) -> Findings {
    let Some(relation) = one.relation.as_ref().filter(|found| found.has_row_security) else {
        return Ok(Vec::new());
    };
    let why = if lacks_a_policy(targets, one, relation)? {
        format!(
            "no policy lets role \"{}\" {} rows of {}",
            targets.role.name,
            one.operation.as_str(),
            relation.name
        )
    } else if hides_a_row(targets, one, relation) {
        format!(
            "row security of {} hides rows that proposals name",
            relation.name
        )
    } else if one.past.was_eaten
        && triggers(targets.desk, one)?.is_empty()
        && !has_our_policy(targets.desk, relation)?
    {
        format!(
            "the last {} of {} changed nothing (ROW_NOT_CHANGED): a policy shows the row, and does not let it be changed",
            one.operation.as_str(),
            relation.name
        )
    } else {
        return Ok(Vec::new());
    };
    Ok(vec![let_through(targets, one, relation, why)?])
}

fn lacks_a_policy(
    targets: &Targets<'_>,
    one: &Use,
    relation: &Found,
) -> Result<bool, ExtensionError> {
    const POLICY: &str = "
        SELECT p.polname::text FROM pg_policy p
        WHERE p.polrelid = $1 AND p.polpermissive AND p.polcmd IN ('*', $2::\"char\")
          AND EXISTS (SELECT FROM unnest(p.polroles) AS r WHERE r = 0 OR pg_has_role($3::name, r, 'USAGE'))
        LIMIT 1";
    let command = match one.operation {
        Operation::Insert => "a",
        Operation::Update => "w",
        Operation::Delete => "d",
    };
    let needed: &[&str] = match one.operation {
        Operation::Insert => &["a"],
        _ => &[command, "r"],
    };
    for command in needed {
        let arguments = [
            relation.oid.into(),
            (*command).into(),
            targets.role.name.as_str().into(),
        ];
        if targets.desk.rows::<1>(POLICY, &arguments)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A row that its owner sees, and the role does not. Who may not look at all is another examination's matter.
fn hides_a_row(targets: &Targets<'_>, one: &Use, relation: &Found) -> bool {
    let applier = targets.applier();
    one.proposals.iter().any(|proposal| {
        let role = applier.finds_row(proposal, None);
        matches!(role, Ok(Some(false)))
            && matches!(
                applier.finds_row(proposal, Some(relation.owner)),
                Ok(Some(true))
            )
    })
}

/// One that this doctor has advised.
fn has_our_policy(desk: &Desk<'_>, relation: &Found) -> Result<bool, ExtensionError> {
    const OURS: &str = "
        SELECT polname::text FROM pg_policy WHERE polrelid = $1 AND polname = 'synapsor_writeback'";
    Ok(!desk.rows::<1>(OURS, &[relation.oid.into()])?.is_empty())
}

/// Where a policy reads a setting that is not bound, binding it is what is missing. Else a policy for the apply role alone
/// changes nothing for others. Nothing that is added helps against one that restricts all others.
fn let_through(
    targets: &Targets<'_>,
    one: &Use,
    relation: &Found,
    why: String,
) -> Result<Finding, ExtensionError> {
    const READ_SETTING: &str = "
        SELECT (regexp_match(pg_get_expr(p.polqual, p.polrelid), 'current_setting\\(''([^'']+)'''))[1]
        FROM pg_policy p WHERE p.polrelid = $1 AND p.polqual IS NOT NULL ORDER BY 1 NULLS LAST LIMIT 1";
    const RESTRICTIVE: &str = "
        SELECT string_agg(quote_ident(polname), ', ' ORDER BY polname) FROM pg_policy
        WHERE polrelid = $1 AND NOT polpermissive HAVING count(*) > 0";
    let desk = targets.desk;
    let tenant_setting = &desk.settings.applying.tenant_setting;
    let read = desk.rows::<1>(READ_SETTING, &[relation.oid.into()])?;
    if let (None, Some([name])) = (tenant_setting, read.first())
        && name.contains('.')
    {
        let repair = repair::set(desk, "synapsor.tenant_setting", name);
        return Ok(trouble(why, repair));
    }
    let restrictive = desk.rows::<1>(RESTRICTIVE, &[relation.oid.into()])?;
    if let Some([names]) = restrictive.first() {
        let hint = format!(
            "Have the restrictive policy ({names}) let the apply role through: ALTER POLICY … USING (…)."
        );
        return Ok(trouble(why, hint));
    }
    let condition = match (&one.tenant, tenant_setting) {
        (Some(column), Some(setting)) => format!(
            "{}::text = current_setting({}, true)",
            quote_identifier(column),
            quote_literal(setting)
        ),
        _ => "true".to_owned(),
    };
    let role = quote_identifier(&targets.role.name);
    let name = &relation.name;
    let before = match has_our_policy(desk, relation)? {
        true => format!("DROP POLICY synapsor_writeback ON {name}; "),
        false => String::new(),
    };
    let policy = format!(
        "{before}CREATE POLICY synapsor_writeback ON {name} TO {role} USING ({condition}) WITH CHECK ({condition});"
    );
    Ok(trouble(why, policy))
}
