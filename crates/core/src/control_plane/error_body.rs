//! What the server says about a failure, in all the shapes that the contract knows (section 1), read leniently.

use std::time::{Duration, SystemTime};

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use serde_json::value::RawValue;

use crate::json::{self, Kind, Members};
use crate::retry::LONGEST_RETRY_AFTER;

/// The parts of an error body that we use; each may be missing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ErrorBody {
    pub(super) code: Option<String>,
    pub(super) message: Option<String>,
    pub(super) request_id: Option<String>,
    pub(super) retryable: bool,
    pub(super) retry_after: Option<Duration>,
}

impl ErrorBody {
    /// Reads `{error_code | code | error, message | error_description, request_id, retryable, retry_after_ms, errors[]}`.
    /// `error` may be an object of the same shape. What is missing is taken from it, else from the first of `errors`.
    pub(super) fn read(text: &str) -> Self {
        Self::read_members(text, true)
    }

    fn read_members(text: &str, outermost: bool) -> Self {
        let Some(members) = Members::parse(text) else {
            return Self::default();
        };
        let field = |name: &str| {
            members
                .0
                .iter()
                .find(|(n, _)| n == name)
                .map(|(_, raw)| raw.get())
        };
        let string = |name| {
            field(name)
                .and_then(json::string)
                .filter(|text| !text.trim().is_empty())
        };
        let error = string("error").map(String::from);
        let code = ["error_code", "code"]
            .into_iter()
            .find_map(string)
            .map(String::from);
        let message = ["message", "error_description"]
            .into_iter()
            .find_map(string);
        let mut body = ErrorBody {
            code: code
                .into_iter()
                .chain(error.clone())
                .find(|text| is_code(text)),
            // `error` is a code in one shape and a sentence in another.
            message: message
                .map(String::from)
                .or(error.filter(|text| !is_code(text))),
            request_id: string("request_id").map(String::from),
            retryable: field("retryable") == Some("true"),
            retry_after: field("retry_after_ms").and_then(milliseconds),
        };
        if outermost {
            let inner = field("error").filter(|text| json::kind(text) == Kind::Object);
            if let Some(inner) = inner.or(field("errors").and_then(first_element)) {
                body.fill_from(Self::read_members(inner, false));
            }
        }
        body
    }

    fn fill_from(&mut self, other: Self) {
        self.code = self.code.take().or(other.code);
        self.message = self.message.take().or(other.message);
        self.request_id = self.request_id.take().or(other.request_id);
        self.retryable |= other.retryable;
        self.retry_after = self.retry_after.or(other.retry_after);
    }
}

/// True for a text that looks like a code: `[A-Za-z0-9_.-]{1,64}`.
pub(super) fn is_code(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

/// The wait that `Retry-After` asks for, in seconds or as a date. A date is held against the server's own clock
/// (`Date`) where it sends that, so that ours may be wrong.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let now = date(headers).unwrap_or_else(SystemTime::now);
    let wait = until.duration_since(now);
    Some(wait.unwrap_or_default().min(LONGEST_RETRY_AFTER))
}

/// The server's own clock (`Date`), where it sends that.
pub(super) fn date(headers: &HeaderMap) -> Option<SystemTime> {
    let text = headers.get(DATE)?.to_str().ok()?;
    httpdate::parse_http_date(text).ok()
}

/// A number of milliseconds, whole or not; nothing negative and nothing that is no number.
fn milliseconds(text: &str) -> Option<Duration> {
    let wait: f64 = text.parse().ok()?;
    (wait >= 0.0)
        .then(|| Duration::from_secs_f64(wait.min(LONGEST_RETRY_AFTER.as_millis() as f64) / 1000.0))
}

fn first_element(text: &str) -> Option<&str> {
    serde_json::from_str::<Vec<&RawValue>>(text)
        .ok()?
        .first()
        .map(|raw| raw.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_and_message(text: &str) -> (Option<String>, Option<String>) {
        let body = ErrorBody::read(text);
        (body.code, body.message)
    }

    #[test]
    fn what_may_be_retried_is_said_outside_or_inside() {
        for text in [
            r#"{"retryable":true,"error":{"code":"X"}}"#,
            r#"{"error":{"code":"X","retryable":true}}"#,
        ] {
            assert!(ErrorBody::read(text).retryable, "{text}");
        }
        assert!(!ErrorBody::read(r#"{"error":{"code":"X"}}"#).retryable);
    }

    #[test]
    fn code_and_text_are_found_in_every_shape() {
        let shapes = [
            r#"{"error_code":"NOPE","message":"no way"}"#,
            r#"{"code":"NOPE","error_description":"no way"}"#,
            r#"{"error":"NOPE","message":"no way"}"#,
            r#"{"ok":false,"error":{"code":"NOPE","message":"no way"}}"#,
            r#"{"errors":[{"code":"NOPE","message":"no way"},{"code":"LATER"}]}"#,
            r#"{"code":"NOPE","error":"no way"}"#,
            r#"{"code":7,"error_code":"","error":"NOPE","message":null,"error_description":"no way"}"#,
        ];
        for text in shapes {
            assert_eq!(
                code_and_message(text),
                (Some("NOPE".into()), Some("no way".into())),
                "{text}"
            );
        }
    }

    #[test]
    fn what_does_not_look_like_a_code_is_none() {
        for code in ["two words", "a/b", "", "é", &"X".repeat(65)] {
            assert_eq!(
                ErrorBody::read(&format!("{{\"code\":\"{code}\"}}")).code,
                None,
                "{code}"
            );
        }
    }

    #[test]
    fn any_other_body_says_nothing() {
        let deep = format!(
            "{{\"error\":{}{}}}",
            "{\"error\":".repeat(10_000),
            "1".to_owned() + &"}".repeat(10_000)
        );
        for text in [
            "",
            "[]",
            "7",
            "<html>",
            "{\"a\":1,\"a\":2}",
            "{\"errors\":{}}",
            "{\"errors\":[7]}",
            &deep,
        ] {
            assert_eq!(ErrorBody::read(text), ErrorBody::default(), "{text}");
        }
    }

    #[test]
    fn the_wait_in_the_body_is_in_milliseconds() {
        let wait =
            |text: &str| ErrorBody::read(&format!("{{\"retry_after_ms\":{text}}}")).retry_after;
        assert_eq!(wait("1500"), Some(Duration::from_millis(1500)));
        assert_eq!(wait("0.5"), Some(Duration::from_micros(500)));
        assert_eq!(wait("1e400"), Some(LONGEST_RETRY_AFTER));
        for text in ["-1", "\"5\"", "null", "[]"] {
            assert_eq!(wait(text), None, "{text}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_by_the_server_s_clock() {
        let wait = |text: &str, date: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            if let Some(date) = date {
                headers.insert(DATE, date.parse().unwrap());
            }
            retry_after(&headers)
        };
        let now = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(wait("120", None), Some(Duration::from_secs(120)));
        assert_eq!(
            wait("Sun, 06 Nov 1994 08:50:07 GMT", now),
            Some(Duration::from_secs(30))
        );
        assert_eq!(
            wait("Sun, 06 Nov 1994 08:49:07 GMT", now),
            Some(Duration::ZERO)
        );
        assert_eq!(
            wait("Sun, 06 Nov 1994 08:49:07 GMT", None),
            Some(Duration::ZERO)
        );
        assert_eq!(
            wait("18446744073709551615", None),
            Some(LONGEST_RETRY_AFTER)
        );
        for text in ["soon", "-1", "1.5", ""] {
            assert_eq!(wait(text, now), None, "{text}");
        }
    }
}
