//! What the contract asks of every request, whatever it calls.

use std::fmt;

use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, USER_AGENT};

use crate::answer::Refusal;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A rule of the contract that a request broke. The journal notes it even where a fault answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Breach {
    /// `Accept` does not name `application/json`.
    Accept,
    /// `User-Agent` is missing, or names no version (`name/1.2`).
    UserAgent,
    /// `X-Request-Id` is missing or empty.
    RequestId,
    /// There is a body, and `Content-Type` is not `application/json`.
    ContentType,
}

impl Breach {
    /// The code that the request is refused with.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Accept => "ACCEPT_REQUIRED",
            Self::UserAgent => "USER_AGENT_REQUIRED",
            Self::RequestId => "REQUEST_ID_REQUIRED",
            Self::ContentType => "CONTENT_TYPE_REQUIRED",
        }
    }

    pub(crate) fn refusal(self) -> Refusal {
        Refusal::bad_request(self.code(), self.to_string())
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Accept => "every call sends Accept: application/json",
            Self::UserAgent => "every call sends a User-Agent with a version, such as name/1.2",
            Self::RequestId => "every call sends an X-Request-Id",
            Self::ContentType => "a call with a body sends Content-Type: application/json",
        })
    }
}

/// The first rule that a request breaks.
pub(crate) fn first_breach(headers: &HeaderMap, has_body: bool) -> Option<Breach> {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if !text(&ACCEPT).is_some_and(|value| value.contains("application/json")) {
        return Some(Breach::Accept);
    }
    if !text(&USER_AGENT).is_some_and(names_a_version) {
        return Some(Breach::UserAgent);
    }
    if text(&REQUEST_ID).is_none_or(|value| value.trim().is_empty()) {
        return Some(Breach::RequestId);
    }
    if has_body && !text(&CONTENT_TYPE).is_some_and(is_json) {
        return Some(Breach::ContentType);
    }
    None
}

fn names_a_version(user_agent: &str) -> bool {
    user_agent.split_once('/').is_some_and(|(name, version)| {
        !name.is_empty() && version.starts_with(|c: char| c.is_ascii_digit())
    })
}

fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/json")
}
