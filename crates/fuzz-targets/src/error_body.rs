//! A call that failed: what its error says, and what it never does.

use std::time::Duration;

use synapsor_core::control_plane::{Cause, ControlPlaneError, HeaderMap};
use synapsor_core::retry::LONGEST_RETRY_AFTER;

use crate::grammar::{Choices, object, quoted, string};
use crate::shown::{self, KEY, OUR_REQUEST_ID, SECRET, SECRET_ENCODED};

/// Statuses of every sort; the first stands for a body that says `ok: false`.
const STATUSES: &[u16] = &[
    200, 301, 400, 401, 403, 404, 408, 409, 410, 412, 422, 425, 429, 500, 502, 503, 504, 507, 999,
];

/// What a message of our own ends with.
const PATH_SHOWN: &str = "(/v1/control/external-writebacks/proposals)";

/// Any bytes as an answer: the status, a line for each header, an empty line, and the body.
///
/// # Panics
/// When a promise is broken.
pub fn error_body(data: &[u8]) {
    if let Some((0, choices)) = data.split_first() {
        composed(&mut Choices::new(choices));
        return;
    }
    let (head, body) = match data.windows(2).position(|pair| pair == b"\n\n") {
        Some(end) => (&data[..end], &data[end + 2..]),
        None => (&b"500"[..], data),
    };
    let mut lines = head.split(|b| *b == b'\n');
    let status = lines
        .next()
        .and_then(|line| std::str::from_utf8(line).ok()?.parse().ok());
    let status = status
        .filter(|status| (100..1000).contains(status))
        .unwrap_or(500);
    let headers = headers(lines);
    let Err(error) = shown::judge(status, headers.clone(), body.to_vec()) else {
        return;
    };
    check_silence(&error, status, &headers, body);
    check_message_stays(&error);
}

/// The headers that we read, and no other.
fn headers<'l>(lines: impl Iterator<Item = &'l [u8]>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        let Some(colon) = line.iter().position(|b| *b == b':') else {
            continue;
        };
        let known = [
            "retry-after",
            "date",
            "x-request-id",
            "x-synapsor-retryable",
        ];
        let name = known
            .into_iter()
            .find(|name| name.as_bytes() == &line[..colon]);
        if let (Some(name), Ok(value)) = (name, line[colon + 1..].trim_ascii().try_into()) {
            headers.insert::<&'static str>(name, value);
        }
    }
    headers
}

/// A body that is no JSON object says nothing: the error is that of any other such body.
fn check_silence(error: &ControlPlaneError, status: u16, headers: &HeaderMap, body: &[u8]) {
    let is_json = |text: &str| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    let text = String::from_utf8_lossy(body);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text).trim_ascii();
    if text.is_empty() || is_json(text) {
        return;
    }
    let other = shown::judge(status, headers.clone(), b"<html>".to_vec()).unwrap_err();
    assert_eq!(error.message(), other.message());
    assert_eq!(
        (error.code(), error.request_id()),
        (other.code(), other.request_id())
    );
    assert!(error.message().ends_with(PATH_SHOWN));
}

/// There is nothing in a message that is shown which would have to be struck out. Where it was cut, its last word may
/// look like something else now.
fn check_message_stays(error: &ControlPlaneError) {
    if error.message().ends_with('…') {
        return;
    }
    let body = format!("{{\"message\":{}}}", quoted(error.message()));
    let again = shown::judge(409, HeaderMap::new(), body.into_bytes()).unwrap_err();
    assert_eq!(again.message(), error.message());
}

/// What the server meant to say.
struct Said {
    code: Option<&'static str>,
    message: Option<String>,
    request_id: Option<&'static str>,
    retryable: bool,
    retry_after_ms: Option<u64>,
}

/// An answer of one of the contract's shapes, where it is known what it says.
fn composed(choices: &mut Choices<'_>) {
    let status = choices.of(STATUSES);
    let said = Said {
        code: choices
            .once_in(2)
            .then(|| choices.of(&["SOURCE_GONE", "a.b-c_7", "x"])),
        message: choices.once_in(2).then(|| message(choices)),
        request_id: choices.once_in(2).then(|| choices.of(&["req_1", "日本"])),
        retryable: choices.once_in(4),
        retry_after_ms: choices
            .once_in(4)
            .then(|| choices.of(&[0, 1, 1500, 3_600_000, 3_600_001, u64::MAX])),
    };
    let mut headers = HeaderMap::new();
    let seconds = choices.once_in(2).then(|| choices.below(256) as u64 * 60);
    if let Some(seconds) = seconds {
        headers.insert("retry-after", seconds.into());
    }
    let body = body(choices, status, &said);
    let error = shown::judge(status, headers, body.into_bytes()).unwrap_err();
    let ms = said.retry_after_ms.map(Duration::from_millis);
    let after = ms
        .or(seconds.map(Duration::from_secs))
        .map(|wait| wait.min(LONGEST_RETRY_AFTER));
    assert_eq!(error.retry_after(), after);
    check_said(&error, &said);
    check_message_stays(&error);
}

/// The body in one of the contract's shapes: flat, or with an object or a list of errors in it.
fn body(choices: &mut Choices<'_>, status: u16, said: &Said) -> String {
    let mut members = Vec::new();
    if let Some(code) = said.code {
        let name = choices.of(&["error_code", "code", "error"]);
        members.push((name.to_owned(), string(choices, code)));
    }
    if let Some(message) = &said.message {
        let name = choices.of(&["message", "error_description"]);
        members.push((name.to_owned(), string(choices, message)));
    }
    if let Some(id) = said.request_id {
        members.push(("request_id".to_owned(), string(choices, id)));
    }
    if said.retryable {
        members.push(("retryable".to_owned(), "true".to_owned()));
    }
    if let Some(ms) = said.retry_after_ms {
        members.push(("retry_after_ms".to_owned(), ms.to_string()));
    }
    let not_ok = ("ok".to_owned(), "false".to_owned());
    let inner = object(choices, &members);
    let outer = match choices.below(3) {
        0 => {
            members.push(not_ok);
            return object(choices, &members);
        }
        1 => ("error".to_owned(), inner),
        _ => ("errors".to_owned(), format!("[{inner},7]")),
    };
    let mut members = vec![outer];
    if status == 200 || choices.once_in(2) {
        members.push(not_ok);
    }
    object(choices, &members)
}

fn check_said(error: &ControlPlaneError, said: &Said) {
    match said.code {
        Some(code) => assert_eq!(error.code(), code),
        None => assert!(error.code().starts_with("CONTROL_PLANE_")),
    }
    match &said.message {
        Some(message) => check_message(error.message(), message),
        None => assert!(error.message().ends_with(PATH_SHOWN)),
    }
    assert_eq!(
        error.request_id(),
        said.request_id.unwrap_or(OUR_REQUEST_ID)
    );
    let is_key = matches!(error.cause(), Cause::Unauthorized | Cause::Forbidden);
    assert!(error.is_retryable() || is_key || !said.retryable);
}

fn check_message(shown: &str, said: &str) {
    if said.len() < 300 && said.split(' ').all(|word| PLAIN.contains(&word)) {
        assert_eq!(shown, said);
    }
    // Only whole secrets were in it: half of one must have been left by us.
    let shown = shown.to_ascii_lowercase();
    for secret in ["syn_fuzz", "pass w", "pass%", "//u:"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

/// Words that come through unchanged.
const PLAIN: &[&str] = &["busy", "a@b", "日本", "https://synapsor.ai/docs", "bearer"];

/// A message of plain words, secrets in their forms, and long stretches.
fn message(choices: &mut Choices<'_>) -> String {
    let count = 1 + choices.below(6);
    let words: Vec<String> = (0..count)
        .map(|_| match choices.below(32) {
            24 | 25 => KEY.to_owned(),
            26 => KEY.to_uppercase(),
            27 => SECRET_ENCODED.to_owned(),
            28 => SECRET.to_owned(),
            29 => format!("Bearer {}", "x".repeat(64 * choices.below(256))),
            30 => format!(
                "postgres://u:{}@h/{KEY}",
                "y".repeat(64 * choices.below(256))
            ),
            31 => "z".repeat(choices.below(256)),
            n => PLAIN[n % PLAIN.len()].to_owned(),
        })
        .collect();
    words.join(choices.of(&[" ", " ", "", "\u{7}"]))
}
