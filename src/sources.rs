//! `synapsor_sources()` and its like: the control plane's view of the sources, asked with the core's own calls.

use serde_json::Value;
use synapsor_core::api_key::ApiKey;
use synapsor_core::control_plane::{Client, ControlPlaneError, Scope, SourceError, SourceResolver};
use synapsor_core::json::Json;

use crate::control_plane::ControlPlane;
use crate::error::ExtensionError;
use crate::settings::Settings;

/// A source, as the list shows it.
pub struct Listed {
    /// `src_…`
    pub source_id: Option<String>,
    /// What people call it.
    pub name: Option<String>,
    /// `postgres`, `mysql`.
    pub kind: Option<String>,
    /// The server's word for its state.
    pub status: Option<String>,
    /// It is the one that this database is.
    pub is_ours: bool,
}

/// All sources that the key may see; those of `synapsor.project_id`, where that is set.
pub fn list() -> Result<Vec<Listed>, ExtensionError> {
    let settings = Settings::now()?.control_plane;
    let control_plane = ControlPlane::open(&settings)?;
    let project = settings.project_id.clone();
    let sources = control_plane
        .ask(move |client, key| client.list_sources(key, project.as_deref()))?
        .map_err(ExtensionError::ControlPlane)?;
    let shown = |text: &Option<String>| text.as_deref().map(|text| control_plane.text_shown(text));
    let listed = sources.iter().map(|source| Listed {
        is_ours: match (&settings.source_id, &settings.source_name) {
            (Some(id), _) => source.source_id.as_ref() == Some(id),
            (None, Some(name)) => source.name.as_ref() == Some(name),
            (None, None) => false,
        },
        source_id: shown(&source.source_id),
        name: shown(&source.name),
        kind: shown(&source.kind),
        status: shown(&source.status),
    });
    Ok(listed.collect())
}

/// The source itself, the whole of it.
pub fn show(source: Option<&str>) -> Result<Value, ExtensionError> {
    ask(source, |client, key, id| client.show_source(key, id))
}

/// Has the control plane try its connection.
pub fn test(source: Option<&str>) -> Result<Value, ExtensionError> {
    ask(source, |client, key, id| client.test_source(key, id))
}

/// Has the control plane look at tables and views of these schemas.
pub fn inspect(source: Option<&str>, schemas: Vec<String>) -> Result<Value, ExtensionError> {
    let scope = Scope::Schemas(schemas);
    ask(source, move |client, key, id| {
        client.inspect_source(key, id, &scope)
    })
}

/// Has the control plane examine the source, and these schemas of it.
pub fn doctor(source: Option<&str>, schemas: Vec<String>) -> Result<Value, ExtensionError> {
    let scope = Scope::Schemas(schemas);
    ask(source, move |client, key, id| {
        client.doctor_source(key, id, &scope)
    })
}

/// Asks about one source, which is named by its id or its name; our own where it is not named.
fn ask(
    source: Option<&str>,
    call: impl FnOnce(&Client, &ApiKey, &str) -> Result<Json, ControlPlaneError> + Send + 'static,
) -> Result<Value, ExtensionError> {
    let settings = Settings::now()?.control_plane;
    let control_plane = ControlPlane::open(&settings)?;
    let (source, is_id) = match source {
        Some(source) => (source.to_owned(), false),
        None => {
            let ours = control_plane.our_source()?;
            (ours.source, ours.is_id)
        }
    };
    let project = settings.project_id;
    let answer = control_plane.ask(move |client, key| {
        let id = match is_id {
            true => source,
            false => SourceResolver::default().resolve(client, key, project.as_deref(), &source)?,
        };
        Ok(call(client, key, &id)?)
    })?;
    let answer = answer.map_err(|error: SourceError| match error {
        SourceError::ControlPlane(error) => ExtensionError::ControlPlane(error),
        other => ExtensionError::Source(other),
    })?;
    control_plane
        .shown(&answer)
        .ok_or(ExtensionError::AnswerTooDeep)
}
