//! From a source's name to its id, looked up once.

use std::collections::HashMap;

use super::client::Client;
use super::error::ControlPlaneError;
use super::sources::SourceError;
use crate::api_key::ApiKey;

/// What a source's id begins with; such a text is used as it is.
const ID_PREFIX: &str = "src_";

/// Resolves names of sources (contract section 2), and remembers what it found. A cache for one control plane and one key.
#[derive(Clone, Debug, Default)]
pub struct SourceResolver {
    /// (project, name) → id
    known: HashMap<(Option<String>, String), String>,
}

impl SourceResolver {
    /// The id of a source: `source` itself where it is an id (`src_…`), else the id of the source with that name.
    ///
    /// # Errors
    /// `SOURCE_NOT_FOUND: <name>`, `SOURCE_AMBIGUOUS: <name>`, and those of [`Client::list_sources`].
    pub fn resolve(
        &mut self,
        client: &Client,
        key: &ApiKey,
        project_id: Option<&str>,
        source: &str,
    ) -> Result<String, SourceError> {
        if source.starts_with(ID_PREFIX) {
            return Ok(source.to_owned());
        }
        let place = (project_id.map(str::to_owned), source.to_owned());
        if let Some(id) = self.known.get(&place) {
            return Ok(id.clone());
        }
        let sources = client.list_sources(key, project_id)?;
        let mut ids = sources
            .into_iter()
            .filter(|candidate| candidate.name.as_deref() == Some(source))
            .filter_map(|candidate| candidate.source_id);
        let id = ids
            .next()
            .ok_or_else(|| SourceError::NotFound(source.to_owned()))?;
        if ids.any(|other| other != id) {
            return Err(SourceError::Ambiguous(source.to_owned()));
        }
        self.known.insert(place, id.clone());
        Ok(id)
    }

    /// Forgets an id: a call with it was answered by 404, so that the name may belong to another source by now.
    pub fn forget(&mut self, source_id: &str) {
        self.known.retain(|_, id| id != source_id);
    }

    /// Makes a call with the source's id. Where the id was remembered and the server no longer knows it (404), the
    /// name is looked up once more.
    ///
    /// # Errors
    /// Those of [`SourceResolver::resolve`] and of the call.
    pub fn call<T, E: Into<SourceError>>(
        &mut self,
        client: &Client,
        key: &ApiKey,
        project_id: Option<&str>,
        source: &str,
        mut call: impl FnMut(&str) -> Result<T, E>,
    ) -> Result<T, SourceError> {
        let id = self.resolve(client, key, project_id, source)?;
        let error = match call(&id).map_err(Into::into) {
            Err(SourceError::ControlPlane(error)) if is_unknown(&error) => error,
            answer => return answer,
        };
        self.forget(&id);
        let again = self.resolve(client, key, project_id, source)?;
        if again == id {
            Err(error.into())
        } else {
            call(&again).map_err(Into::into)
        }
    }
}

fn is_unknown(error: &ControlPlaneError) -> bool {
    error.status() == Some(404)
}
