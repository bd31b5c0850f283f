//! What must hold for every error of a call: it can be shown, logged and quoted in a support ticket.

use synapsor_core::api_key::ApiKey;
use synapsor_core::control_plane::{
    Answer, Call, Cause, ControlPlaneError, Disposition, HeaderMap, Received,
};
use synapsor_core::retry::LONGEST_RETRY_AFTER;

/// The key of every call here; it could be taken for an error's code.
pub const KEY: &str = "syn_FUZZ-Key.0123";

/// A secret in the body of every call here, such as a password; with characters that no text is shown with.
pub const SECRET: &str = "pass\tword\u{200b}/\"FUZZ";

/// The same in a URL.
pub const SECRET_ENCODED: &str = "pass%09word%E2%80%8B%2F%22FUZZ";

/// The id that we send with every call here.
pub const OUR_REQUEST_ID: &str = "00000000-0000-4000-8000-000000000000";

/// The longest message and request id, in characters, with the sign that says that they were cut.
const LONGEST: usize = 301;

/// What our client makes of what came back, checked where it is an error.
pub fn judge(status: u16, headers: HeaderMap, body: Vec<u8>) -> Result<Answer, ControlPlaneError> {
    let key = ApiKey::parse(KEY).expect("the key is one");
    let call = Call {
        secrets: &[SECRET],
        ..Call::get(&["v1", "control", "external-writebacks", "proposals"])
    };
    let received = Received {
        status,
        headers,
        body: Ok(body),
    };
    let judged = received.judge(&key, &call, OUR_REQUEST_ID);
    match &judged {
        Ok(answer) => {
            assert!((200..300).contains(&status) && answer.status == status);
            check_text(&answer.request_id);
        }
        Err(error) => check(error, status),
    }
    judged
}

fn check(error: &ControlPlaneError, status: u16) {
    assert_eq!(error.status(), Some(status));
    let code = error.code();
    let is_code = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    assert!(
        (1..=64).contains(&code.len()) && code.bytes().all(is_code),
        "{code:?}"
    );
    check_text(error.message());
    check_text(error.request_id());
    let (message, id) = (error.message(), error.request_id());
    assert_eq!(
        error.to_string(),
        format!("{code}: {message} (HTTP {status}, request id {id})")
    );
    check_secrets(&format!("{error} {error:?} {}", error.hint()));
    check_disposition(error, status);
}

/// One line, of visible characters, not empty and not long.
fn check_text(text: &str) {
    assert!(!text.trim().is_empty(), "an empty text is shown");
    assert!(text.chars().count() <= LONGEST, "{text}");
    let is_hidden = |c: char| c.is_control() || matches!(c, '\u{200b}' | '\u{202e}' | '\u{feff}');
    assert!(!text.contains(is_hidden), "{text:?}");
}

fn check_secrets(shown: &str) {
    let shown = shown.to_ascii_lowercase();
    let visible = SECRET.replace(['\t', '\u{200b}'], " ");
    for secret in [KEY, SECRET, SECRET_ENCODED, &visible] {
        assert!(!shown.contains(&secret.to_ascii_lowercase()), "{shown}");
    }
}

/// Contract section 1: what passes by itself, and what never does.
fn check_disposition(error: &ControlPlaneError, status: u16) {
    let after = error.retry_after();
    assert!(after.is_none_or(|after| after <= LONGEST_RETRY_AFTER));
    let disposition = error.disposition();
    match status {
        401 | 403 => assert_eq!(disposition, Disposition::Key),
        408 | 425 | 429 | 500 | 502 | 503 | 504 => {
            assert_eq!(disposition, Disposition::Retry { after });
        }
        409 | 412 | 422 if !error.is_retryable() => {
            assert_eq!(disposition, Disposition::Rejected);
        }
        300..=399 => assert_eq!(error.cause(), Cause::Redirect),
        _ => {}
    }
    assert_eq!(
        error.is_retryable(),
        matches!(disposition, Disposition::Retry { .. })
    );
}
