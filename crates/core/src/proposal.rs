//! A proposal as the control plane lists it (contract section 3), its fields checked for their JSON types.

use serde_json::value::RawValue;
use synapsor_crash_points::Defect;

use crate::json::{self, Columns, Json, Kind, MAX_COLUMNS, Members};
use crate::refusal::{Code, Refusal};

/// The longest id or idempotency key, in bytes, that we keep and send.
pub const MAX_ID_BYTES: usize = 1024;

/// A proposal whose fields have the right JSON types. Whether it can be built, the builder says.
///
/// A field that is `null` counts as absent, and so does a name that is the empty string.
#[derive(Clone, Debug, Default)]
pub struct Proposal {
    /// `proposal_id`; required for anything but the builder alone.
    pub proposal_id: Option<String>,
    /// `idempotency_key`, echoed in the report.
    pub idempotency_key: Option<String>,
    /// `source_kind`; absent means `postgres`.
    pub source_kind: Option<String>,
    /// `external_schema`, else `external_catalog`.
    pub schema: Option<String>,
    /// `external_table`.
    pub table: Option<String>,
    /// `operation` as given; absent means `update`.
    pub operation: Option<String>,
    /// `changes`.
    pub changes: Columns,
    /// `primary_key`.
    pub primary_key: Columns,
    /// `tenant_column`.
    pub tenant_column: Option<String>,
    /// `tenant_id`.
    pub tenant_id: Option<Json>,
    /// `conflict_column`.
    pub conflict_column: Option<String>,
    /// `conflict`.
    pub conflict: Columns,
    /// `allowed_columns`.
    pub allowed_columns: Vec<String>,
    /// `status`, `source_id`: whatever was there, for the question whether the proposal is ours.
    pub status: Option<Json>,
    /// See [`Proposal::status`].
    pub source_id: Option<Json>,
    /// Every other field, kept as it came.
    pub others: Vec<(String, Box<RawValue>)>,
}

impl Proposal {
    /// Reads one proposal from its JSON text.
    ///
    /// # Errors
    /// `WRITEBACK_PROPOSAL_INVALID`, followed by the name of the field at fault; without a name when the text is
    /// not a JSON object, or repeats a key.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let members = Members::parse(text).ok_or(Code::ProposalInvalid)?;
        let mut proposal = Proposal::default();
        let mut catalog = None;
        for (name, raw) in members.0 {
            if json::kind(raw.get()) == Kind::Null {
                continue;
            }
            match name.as_str() {
                "external_catalog" => catalog = name_field("external_catalog", raw)?,
                _ => proposal.take(&name, raw)?,
            }
        }
        proposal.schema = proposal.schema.or(catalog);
        Ok(proposal)
    }

    fn take(&mut self, name: &str, raw: &RawValue) -> Result<(), Refusal> {
        match name {
            "proposal_id" => self.proposal_id = Some(id_field("proposal_id", raw)?),
            "idempotency_key" => self.idempotency_key = Some(id_field("idempotency_key", raw)?),
            "source_kind" => self.source_kind = name_field("source_kind", raw)?,
            "external_schema" => self.schema = name_field("external_schema", raw)?,
            "external_table" => self.table = name_field("external_table", raw)?,
            "operation" => self.operation = name_field("operation", raw)?,
            "changes" => self.changes = columns_field("changes", raw)?,
            "primary_key" => self.primary_key = columns_field("primary_key", raw)?,
            "tenant_column" => self.tenant_column = name_field("tenant_column", raw)?,
            "tenant_id" => {
                self.tenant_id = Some(Json::new(raw).ok_or_else(|| invalid("tenant_id"))?)
            }
            "conflict_column" => self.conflict_column = name_field("conflict_column", raw)?,
            "conflict" => self.conflict = columns_field("conflict", raw)?,
            "allowed_columns" => self.allowed_columns = names_field("allowed_columns", raw)?,
            "status" => self.status = Some(Json::new(raw).ok_or_else(|| invalid("status"))?),
            "source_id" => {
                self.source_id = Some(Json::new(raw).ok_or_else(|| invalid("source_id"))?)
            }
            _ => self.others.push((name.to_owned(), raw.to_owned())),
        }
        Ok(())
    }

    /// The key under which the ledger knows the proposal: its idempotency key, else its id.
    pub fn key(&self) -> Option<&str> {
        self.idempotency_key
            .as_deref()
            .or(self.proposal_id.as_deref())
    }

    /// The value that the conflict guard expects, where there is one: `conflict` has the conflict column's key.
    pub fn conflict_guard(&self) -> Option<(&str, &Json)> {
        if synapsor_crash_points::is_on(Defect::NoConflictGuard) {
            return None;
        }
        let column = self.conflict_column.as_deref()?;
        self.conflict.get(column).map(|value| (column, value))
    }
}

/// True for an id that can be kept, logged and put into a URL's path: not empty, not longer than
/// [`MAX_ID_BYTES`], no control character, and neither `.` nor `..`, which every URL library takes for a folder.
pub fn is_usable_id(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= MAX_ID_BYTES
        && !id.chars().any(char::is_control)
        && id != "."
        && id != ".."
}

fn invalid(field: &str) -> Refusal {
    Refusal::of(Code::ProposalInvalid, field)
}

fn id_field(field: &str, raw: &RawValue) -> Result<String, Refusal> {
    let id = json::string(raw.get()).ok_or_else(|| invalid(field))?;
    is_usable_id(&id)
        .then(|| id.into_owned())
        .ok_or_else(|| invalid(field))
}

fn name_field(field: &str, raw: &RawValue) -> Result<Option<String>, Refusal> {
    let name = json::string(raw.get()).ok_or_else(|| invalid(field))?;
    Ok((!name.is_empty()).then(|| name.into_owned()))
}

fn columns_field(field: &str, raw: &RawValue) -> Result<Columns, Refusal> {
    Columns::parse(raw.get()).ok_or_else(|| invalid(field))
}

fn names_field(field: &str, raw: &RawValue) -> Result<Vec<String>, Refusal> {
    json::first_elements(raw.get(), MAX_COLUMNS + 1)
        .filter(|names: &Vec<String>| names.len() <= MAX_COLUMNS)
        .ok_or_else(|| invalid(field))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Proposal::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_field_of_the_wrong_json_type_is_named() {
        for field in [
            "proposal_id",
            "source_kind",
            "external_schema",
            "external_catalog",
            "external_table",
        ] {
            assert_eq!(
                error(&format!("{{\"{field}\": 7}}")),
                format!("WRITEBACK_PROPOSAL_INVALID: {field}")
            );
        }
        for field in [
            "changes",
            "primary_key",
            "conflict",
            "allowed_columns",
            "operation",
            "tenant_column",
        ] {
            assert_eq!(
                error(&format!("{{\"{field}\": true}}")),
                format!("WRITEBACK_PROPOSAL_INVALID: {field}")
            );
        }
        assert_eq!(
            error(r#"{"allowed_columns": ["a", 1]}"#),
            "WRITEBACK_PROPOSAL_INVALID: allowed_columns"
        );
        assert_eq!(
            error(r#"{"changes": []}"#),
            "WRITEBACK_PROPOSAL_INVALID: changes"
        );
        assert_eq!(
            error(r#"{"idempotency_key": {}}"#),
            "WRITEBACK_PROPOSAL_INVALID: idempotency_key"
        );
    }

    #[test]
    fn what_is_not_an_object_is_invalid() {
        for text in ["[]", "7", "\"x\"", "null", "{\"a\":1,\"a\":2}"] {
            assert_eq!(error(text), "WRITEBACK_PROPOSAL_INVALID");
        }
    }

    #[test]
    fn unknown_fields_are_kept_and_never_an_error() {
        let proposal = Proposal::parse(r#"{"proposal_hash":"h","later":{"n":1e400}}"#).unwrap();
        let names: Vec<_> = proposal
            .others
            .iter()
            .map(|(name, raw)| (name.as_str(), raw.get()))
            .collect();
        assert_eq!(
            names,
            [("proposal_hash", "\"h\""), ("later", "{\"n\":1e400}")]
        );
    }

    #[test]
    fn more_columns_than_a_table_can_have_are_invalid() {
        let names = vec!["\"c\""; MAX_COLUMNS + 1].join(",");
        assert_eq!(
            error(&format!("{{\"allowed_columns\":[{names}]}}")),
            "WRITEBACK_PROPOSAL_INVALID: allowed_columns"
        );
        let members: Vec<_> = (0..=MAX_COLUMNS).map(|n| format!("\"c{n}\":1")).collect();
        assert_eq!(
            error(&format!("{{\"changes\":{{{}}}}}", members.join(","))),
            "WRITEBACK_PROPOSAL_INVALID: changes"
        );
    }

    #[test]
    fn null_and_the_empty_name_count_as_absent() {
        let text =
            r#"{"proposal_id":null,"changes":null,"external_schema":"","external_catalog":"shop"}"#;
        let proposal = Proposal::parse(text).unwrap();
        assert!(proposal.proposal_id.is_none() && proposal.changes.is_empty());
        assert_eq!(proposal.schema.as_deref(), Some("shop"));
    }

    #[test]
    fn an_id_that_would_leave_its_place_in_the_path_is_unusable() {
        for id in [
            "",
            ".",
            "..",
            "a\nb",
            "a\u{0}b",
            &"x".repeat(MAX_ID_BYTES + 1),
        ] {
            assert!(!is_usable_id(id), "{id:?}");
        }
        for id in ["wrp_1", "wrp://external/xwp_7", "../x", "日本"] {
            assert!(is_usable_id(id), "{id:?}");
        }
    }
}
