//! What to make of what came back for a call: a good answer, or an error that can be shown. Touches no network.

use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::value::RawValue;

use super::body;
use super::client::{Answer, Call};
use super::error::{Cause, ControlPlaneError, Parts};
use super::error_body::{self, ErrorBody};
use super::exchange::{REQUEST_ID, escape};
use super::redact::Redactor;
use crate::api_key::ApiKey;

const RETRYABLE: HeaderName = HeaderName::from_static("x-synapsor-retryable");

/// What came back for a call, as it came. Has no `Debug`: a body is never shown.
pub struct Received {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body, or why there is none.
    pub body: Result<Vec<u8>, Cause>,
}

impl Received {
    /// What [`Client::call`](super::Client::call) makes of it, where `request_id` is the id that was sent.
    ///
    /// # Errors
    /// Those of [`Client::call`](super::Client::call) that an answer can bring.
    pub fn judge(
        self,
        key: &ApiKey,
        call: &Call<'_>,
        request_id: &str,
    ) -> Result<Answer, ControlPlaneError> {
        Judge::new(key, call, request_id.to_owned()).judge(self)
    }
}

/// True for 2xx.
pub(super) fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

/// Judges what comes back for one call.
pub(super) struct Judge {
    /// Ours.
    pub(super) request_id: String,
    /// The path, escaped; in it, nothing but the segments' separators is a `/`.
    pub(super) path: String,
    redactor: Redactor,
}

impl Judge {
    pub(super) fn new(key: &ApiKey, call: &Call<'_>, request_id: String) -> Self {
        let secrets = call.secrets.iter().copied().chain([key.expose()]);
        Judge {
            request_id,
            path: call
                .path
                .iter()
                .map(|segment| format!("/{}", escape(segment)))
                .collect(),
            redactor: Redactor::new(secrets),
        }
    }

    pub(super) fn judge(&self, received: Received) -> Result<Answer, ControlPlaneError> {
        let said = Said::in_head(received.status, &received.headers);
        if is_success(received.status) {
            self.success(received.body, said)
        } else {
            Err(self.failure(received.body, said))
        }
    }

    /// The error of a call that brought no answer.
    pub(super) fn no_answer(&self, cause: Cause) -> ControlPlaneError {
        self.error(cause, Said::default())
    }

    fn success(
        &self,
        body: Result<Vec<u8>, Cause>,
        mut said: Said,
    ) -> Result<Answer, ControlPlaneError> {
        let (text, intact) = match body {
            Ok(body) => body::as_text(body),
            Err(cause) => return Err(self.error(cause, said)),
        };
        if !is_json(&text) {
            return Err(self.error(Cause::NotJson, said));
        }
        if body::is_ambiguous(&text) {
            return Err(self.error(Cause::UnexpectedAnswer, said));
        }
        if body::says_not_ok(&text) {
            said.body = ErrorBody::read(&text);
            return Err(self.error(Cause::Refused, said));
        }
        let (status, request_id) = (said.status, self.request_id(&said));
        Ok(Answer {
            text,
            intact,
            status,
            request_id,
            date: said.date,
        })
    }

    /// An answer with a status that is not 2xx. Its body is a help, and not needed.
    fn failure(&self, body: Result<Vec<u8>, Cause>, mut said: Said) -> ControlPlaneError {
        let text = body.map(|body| body::as_text(body).0).unwrap_or_default();
        said.body = ErrorBody::read(&text);
        self.error(Cause::of_status(said.status, is_json(&text)), said)
    }

    /// The error: in our words where the server said nothing, and with everything that it said made fit to be shown.
    fn error(&self, cause: Cause, said: Said) -> ControlPlaneError {
        let ours = || {
            self.redactor
                .clean(&format!("{} ({})", cause.words(), self.path))
        };
        ControlPlaneError::new(Parts {
            cause,
            status: (said.status != 0).then_some(said.status),
            message: self.fit(said.body.message.as_ref()).unwrap_or_else(ours),
            request_id: self.request_id(&said),
            their_code: said.body.code.filter(|code| self.redactor.is_clean(code)),
            says_retryable: said.retryable || said.body.retryable,
            retry_after: said.body.retry_after.or(said.retry_after),
        })
    }

    /// The server's id of the request, else ours.
    fn request_id(&self, said: &Said) -> String {
        let theirs = said.body.request_id.as_ref().or(said.request_id.as_ref());
        self.fit(theirs).unwrap_or_else(|| self.request_id.clone())
    }

    /// What can be shown of the server's text, where that is anything.
    fn fit(&self, theirs: Option<&String>) -> Option<String> {
        theirs
            .map(|text| self.redactor.clean(text))
            .filter(|text| !text.is_empty())
    }
}

/// What a server said about the call, in head and body, as it said it. Nothing of it is shown before it is cleaned.
#[derive(Default)]
struct Said {
    /// 0 without an answer.
    status: u16,
    request_id: Option<String>,
    retryable: bool,
    retry_after: Option<Duration>,
    date: Option<SystemTime>,
    body: ErrorBody,
}

impl Said {
    fn in_head(status: u16, headers: &HeaderMap) -> Self {
        let is_true = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"true");
        Said {
            status,
            request_id: text_of(headers, &REQUEST_ID),
            retryable: headers.get(RETRYABLE).is_some_and(is_true),
            retry_after: error_body::retry_after(headers),
            date: error_body::date(headers),
            body: ErrorBody::default(),
        }
    }
}

fn text_of(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str) -> ControlPlaneError {
        let received = Received {
            status: 409,
            headers: HeaderMap::new(),
            body: Ok(body.as_bytes().to_vec()),
        };
        let key = ApiKey::parse("k3y").unwrap();
        received
            .judge(&key, &Call::get(&["v1"]), "ours")
            .unwrap_err()
    }

    #[test]
    fn where_nothing_can_be_shown_of_what_the_server_says_we_say_it_in_our_words() {
        let endless = "x ".repeat(100_000);
        for text in ["", " ", "\\u0007", "\\u200b\\ufeff", &endless] {
            let error = refused(&format!(
                "{{\"message\":\"{text}\",\"request_id\":\"{text}\"}}"
            ));
            assert_eq!(
                error.to_string(),
                "CONTROL_PLANE_REFUSED: the control plane refused the request (/v1) (HTTP 409, request id ours)"
            );
        }
    }
}
