//! Commands that put things right, as they can be run: SQL for the session that called the doctor, or a line for root's shell on the
//! server's host, which begins with `$`.

use pgrx::spi::{quote_identifier, quote_literal};

use super::desk::Desk;

/// Sets a parameter where it is set now; for this database where it is set nowhere. What a role has set for itself comes before that.
pub fn set(desk: &Desk<'_>, name: &str, value: &str) -> String {
    const SOURCE: &str = "
        SELECT source, quote_ident(session_user) FROM pg_settings WHERE name = $1";
    let rows = desk.rows::<2>(SOURCE, &[name.into()]).unwrap_or_default();
    let [source, role] = rows.into_iter().next().unwrap_or_default();
    let database = quote_identifier(&desk.database);
    let value = quote_literal(value);
    let set = format!("ALTER DATABASE {database} SET {name} = {value};");
    match source.as_str() {
        "configuration file" => {
            format!("ALTER SYSTEM SET {name} = {value}; SELECT pg_reload_conf();")
        }
        "user" => format!("ALTER ROLE {role} RESET {name}; {set}"),
        "database user" => format!("ALTER ROLE {role} IN DATABASE {database} RESET {name}; {set}"),
        _ => set,
    }
}

/// Makes a role of its own the one that changes are made as.
pub fn new_apply_role(desk: &Desk<'_>) -> String {
    const FREE: &str = "
        SELECT n FROM (VALUES (1, 'writeback'), (2, 'synapsor_writeback'), (3, 'synapsor_apply_role')) AS names (place, n)
        WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = n) ORDER BY place LIMIT 1";
    let free = desk.rows::<1>(FREE, &[]).unwrap_or_default();
    let Some([name]) = free.first() else {
        return set(desk, "synapsor.apply_role", "…");
    };
    let create = format!("CREATE ROLE {};", quote_identifier(name));
    format!("{create} {}", set(desk, "synapsor.apply_role", name))
}

/// A line for root's shell.
pub fn shell(line: &str) -> String {
    format!("$ {line}")
}

/// A word of a shell's line.
pub fn shell_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
