//! An answer's body: read as far as it may be, and made sense of.

use reqwest::Response;
use serde_json::value::RawValue;

use super::diagnosis::cause_of;
use super::error::Cause;
use crate::json::{self, Kind, Members};

/// Reads a body as it comes, and no further than the cap allows, whatever length was announced.
pub(super) async fn read(mut response: Response, cap: usize) -> Result<Vec<u8>, Cause> {
    if response
        .content_length()
        .is_some_and(|announced| announced > cap as u64)
    {
        return Err(Cause::TooLarge);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| cause_of(&error))? {
        if chunk.len() > cap - body.len() {
            return Err(Cause::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The body as JSON text, and whether it was valid UTF-8. An empty body is an empty object.
pub(super) fn as_text(body: Vec<u8>) -> (String, bool) {
    let (text, intact) = match String::from_utf8(body) {
        Ok(text) => (text, true),
        Err(error) => (
            String::from_utf8_lossy(error.as_bytes()).into_owned(),
            false,
        ),
    };
    let content = text.strip_prefix('\u{feff}').unwrap_or(&text).trim_ascii();
    match content {
        "" => ("{}".to_owned(), intact),
        _ if content.len() == text.len() => (text, intact),
        _ => (content.to_owned(), intact),
    }
}

/// True for an object that repeats a key, or has one that is not text: what it says, nobody can tell.
pub(super) fn is_ambiguous(text: &str) -> bool {
    json::kind(text) == Kind::Object && Members::parse(text).is_none()
}

/// True for an object that says `ok: false`.
pub(super) fn says_not_ok(text: &str) -> bool {
    let members = Members::parse(text);
    let says = |(name, raw): &(String, &RawValue)| name == "ok" && raw.get() == "false";
    members.is_some_and(|members| members.0.iter().any(says))
}
