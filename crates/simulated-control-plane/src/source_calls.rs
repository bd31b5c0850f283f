//! What the source calls want, and their plausible answers. No database is behind them.

use serde_json::{Map, Value, json};

use crate::answer::Refusal;
use crate::sources::Source;

type Fields = Map<String, Value>;

/// A body that has to be a JSON object.
pub(crate) fn json_object(body: &[u8]) -> Result<Fields, Refusal> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|_| Refusal::bad_request("INVALID_JSON", "the body is not JSON"))?;
    match value {
        Value::Object(fields) => Ok(fields),
        _ => Err(Refusal::bad_request(
            "INVALID_JSON",
            "the body is not a JSON object",
        )),
    }
}

/// The source as a whole. The connection's URL is never given back.
pub(crate) fn whole(source: &Source) -> Value {
    json!({
        "ok": true,
        "source_id": source.source_id,
        "project_id": source.project_id,
        "database_id": source.database_id,
        "name": source.name,
        "kind": source.kind,
        "status": source.status,
        "mode": source.mode,
        "connection": {"ssl_mode": source.ssl_mode},
    })
}

pub(crate) fn create(source_id: String, body: &Fields) -> Result<Source, Refusal> {
    let connection = match body.get("connection") {
        Some(Value::Object(connection)) => connection,
        _ => return Err(invalid("connection", "must be an object")),
    };
    text(connection, "url")?;
    let kind = text(body, "kind")?;
    if !matches!(kind.as_str(), "postgres" | "mysql") {
        return Err(invalid("kind", "must be postgres or mysql"));
    }
    Ok(Source {
        source_id,
        kind,
        name: text(body, "name")?,
        status: "active".to_owned(),
        project_id: text(body, "project_id")?,
        database_id: text(body, "database_id")?,
        mode: text(body, "mode")?,
        ssl_mode: text(connection, "ssl_mode")?,
    })
}

pub(crate) fn test(source: &Source) -> Value {
    let disabled = source.status == "disabled";
    json!({
        "ok": true,
        "source_id": source.source_id,
        "status": if disabled { "disabled" } else { "connected" },
        "server_version": if is_mysql(source) { "8.4.0" } else { "17.0" },
        "latency_ms": 3,
    })
}

pub(crate) fn inspect(source: &Source, body: &Fields) -> Result<Value, Refusal> {
    let schemas = wanted_schemas(source, body)?;
    if !matches!(body.get("include_views"), Some(Value::Bool(_))) {
        return Err(invalid("include_views", "must be true or false"));
    }
    let tables: Vec<Value> = schemas.iter().map(|schema| tickets_table(schema)).collect();
    Ok(json!({"ok": true, "source_id": source.source_id, "tables": tables}))
}

fn tickets_table(schema: &str) -> Value {
    json!({
        "schema": schema,
        "name": "tickets",
        "kind": "table",
        "primary_key": ["id"],
        "columns": [
            {"name": "id", "type": "bigint", "nullable": false},
            {"name": "tenant_id", "type": "text", "nullable": false},
            {"name": "status", "type": "text", "nullable": false},
            {"name": "updated_at", "type": "timestamptz", "nullable": false},
        ],
    })
}

pub(crate) fn doctor(source: &Source, body: &Fields) -> Result<Value, Refusal> {
    let schemas = wanted_schemas(source, body)?;
    let check = |name: &str, detail: &str| json!({"name": name, "ok": true, "detail": detail});
    Ok(json!({
        "ok": true,
        "source_id": source.source_id,
        "checks": [
            check("connection", "connected"),
            check("schemas", &schemas.join(", ")),
            check("read_only", "the role may not write"),
        ],
    }))
}

pub(crate) fn generate(source: &Source, body: &Fields) -> Result<Value, Refusal> {
    let template = text(body, "template")?;
    let namespace = text(body, "namespace")?;
    let capability = format!("{namespace}.{}", template.replace('-', "_"));
    Ok(json!({
        "ok": true,
        "source_id": source.source_id,
        "capability": capability,
        "files": [
            {
                "path": format!("{namespace}/capability.json"),
                "contents": json!({"capability": capability}).to_string() + "\n",
            },
            {
                "path": format!("{namespace}/README.md"),
                "contents": format!("# {capability}\n"),
            },
        ],
    }))
}

pub(crate) fn import(source: &Source, body: &Fields) -> Result<Value, Refusal> {
    let tables = match body.get("tables") {
        Some(Value::Array(tables)) if !tables.is_empty() => tables,
        _ => {
            return Err(Refusal::unprocessable(
                "TABLES_REQUIRED",
                "tables names none",
            ));
        }
    };
    let imported = tables
        .iter()
        .map(|table| imported_table(source, table))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(json!({"ok": true, "source_id": source.source_id, "tables": imported}))
}

fn imported_table(source: &Source, table: &Value) -> Result<Value, Refusal> {
    let Value::Object(table) = table else {
        return Err(invalid("tables", "must hold objects"));
    };
    for name in ["schema", "name", "alias_schema", "alias_name", "mode"] {
        text(table, name)?;
    }
    if is_mysql(source) {
        text(table, "database")?;
    }
    let single_tenant = match table.get("single_tenant") {
        Some(Value::Bool(single_tenant)) => *single_tenant,
        _ => return Err(invalid("single_tenant", "must be true or false")),
    };
    if !single_tenant && text(table, "tenant_column").is_err() {
        return Err(Refusal::unprocessable(
            "TENANT_COLUMN_REQUIRED",
            "a table has a tenant column, or says that it is single_tenant",
        ));
    }
    let mut imported = table.clone();
    imported.insert("status".to_owned(), "imported".into());
    Ok(Value::Object(imported))
}

/// Schemas for Postgres, one database for MySQL.
fn wanted_schemas(source: &Source, body: &Fields) -> Result<Vec<String>, Refusal> {
    if is_mysql(source) {
        return Ok(vec![text(body, "database")?]);
    }
    let schemas = body.get("schemas").and_then(Value::as_array);
    let names: Option<Vec<String>> = schemas
        .into_iter()
        .flatten()
        .map(|name| name.as_str().map(str::to_owned))
        .collect();
    match names {
        Some(names) if !names.is_empty() => Ok(names),
        _ => Err(invalid("schemas", "must be a list of names")),
    }
}

fn is_mysql(source: &Source) -> bool {
    source.kind == "mysql"
}

fn text(fields: &Fields, name: &str) -> Result<String, Refusal> {
    match fields.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
        _ => Err(invalid(name, "must be a string, and not empty")),
    }
}

fn invalid(field: &str, fault: &str) -> Refusal {
    Refusal::unprocessable("SOURCE_CALL_INVALID", format!("{field} {fault}"))
}
