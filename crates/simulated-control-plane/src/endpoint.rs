//! Which call of the contract a request is.

use std::fmt;

use hyper::Method;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

const SOURCES: &str = "/v1/control/external-sources";
const PROPOSALS: &str = "/v1/control/external-writebacks/proposals";

/// A call of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// `GET …/proposals`: the approved proposals.
    List,
    /// `POST …/proposals/{id}/apply-result`.
    Report,
    /// `GET …/external-sources`.
    ListSources,
    /// `GET …/external-sources/{id}`.
    ShowSource,
    /// `POST …/external-sources`.
    CreateSource,
    /// `POST …/external-sources/{id}/test`.
    TestSource,
    /// `POST …/external-sources/{id}/inspect`.
    InspectSource,
    /// `POST …/external-sources/{id}/doctor`.
    DoctorSource,
    /// `POST …/external-sources/{id}/generate`.
    GenerateSource,
    /// `POST …/external-sources/{id}/import`.
    ImportSource,
    /// `POST …/external-sources/{id}/disable`.
    DisableSource,
    /// Anything that the contract does not name.
    Unknown,
}

impl Endpoint {
    /// Whether this is one of the source calls.
    #[must_use]
    pub fn is_source_call(self) -> bool {
        !matches!(self, Self::List | Self::Report | Self::Unknown)
    }

    fn method(self) -> Option<Method> {
        match self {
            Self::List | Self::ListSources | Self::ShowSource => Some(Method::GET),
            Self::Unknown => None,
            _ => Some(Method::POST),
        }
    }

    fn of_source_action(action: &str) -> Self {
        match action {
            "test" => Self::TestSource,
            "inspect" => Self::InspectSource,
            "doctor" => Self::DoctorSource,
            "generate" => Self::GenerateSource,
            "import" => Self::ImportSource,
            "disable" => Self::DisableSource,
            _ => Self::Unknown,
        }
    }
}

/// The name that the admin surface uses, such as `list_sources`.
impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(formatter)
    }
}

/// A request, told apart: which call, about which proposal or source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) endpoint: Endpoint,
    /// The decoded id in the path; empty where the call has none.
    pub(crate) id: String,
    pub(crate) method_fits: bool,
}

impl Call {
    pub(crate) fn of(method: &Method, path: &str) -> Self {
        let (endpoint, id) = route(method, path);
        let method_fits = endpoint.method().is_none_or(|wanted| wanted == *method);
        Self {
            endpoint,
            id,
            method_fits,
        }
    }
}

fn route(method: &Method, path: &str) -> (Endpoint, String) {
    route_proposals(path)
        .or_else(|| route_sources(method, path))
        .unwrap_or((Endpoint::Unknown, String::new()))
}

fn route_proposals(path: &str) -> Option<(Endpoint, String)> {
    let rest = path.strip_prefix(PROPOSALS)?;
    if rest.is_empty() {
        return Some((Endpoint::List, String::new()));
    }
    let segment = rest.strip_prefix('/')?.strip_suffix("/apply-result")?;
    Some((Endpoint::Report, decode(segment)?))
}

fn route_sources(method: &Method, path: &str) -> Option<(Endpoint, String)> {
    let rest = path.strip_prefix(SOURCES)?;
    if rest.is_empty() {
        let endpoint = match *method {
            Method::POST => Endpoint::CreateSource,
            _ => Endpoint::ListSources,
        };
        return Some((endpoint, String::new()));
    }
    let rest = rest.strip_prefix('/')?;
    match rest.split_once('/') {
        None => Some((Endpoint::ShowSource, decode(rest)?)),
        Some((segment, action)) => Some((Endpoint::of_source_action(action), decode(segment)?)),
    }
}

/// An id is one percent-encoded segment: a bare `/` in it would be another path.
fn decode(segment: &str) -> Option<String> {
    if segment.is_empty() || segment.contains('/') {
        return None;
    }
    let decoded = percent_decode_str(segment).decode_utf8().ok()?;
    Some(decoded.into_owned())
}
