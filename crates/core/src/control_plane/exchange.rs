//! One call under way: the request, and the verdict on what came back.

use std::time::{Duration, Instant};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::blocking::Response;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::base_url::is_dot_segment;
use super::body::{self, Clock};
use super::client::{Answer, Call, Client};
use super::diagnosis::cause_of;
use super::error::{Cause, ControlPlaneError, Parts};
use super::error_body::{self, ErrorBody};
use super::redact::Redactor;
use crate::api_key::ApiKey;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const RETRYABLE: HeaderName = HeaderName::from_static("x-synapsor-retryable");

/// What a segment of a path and a part of a query escape: everything but RFC 3986's unreserved characters.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The most that is read of the body of an answer that is an error anyway, in bytes.
const MAX_ERROR_BODY: usize = 64 * 1024;

/// One call under way.
pub(super) struct Exchange<'c> {
    client: &'c Client,
    key: &'c ApiKey,
    call: &'c Call<'c>,
    /// Ours.
    request_id: String,
    /// The path, escaped; in it, nothing but the segments' separators is a `/`.
    path: String,
    redactor: Redactor,
}

impl<'c> Exchange<'c> {
    pub(super) fn new(client: &'c Client, key: &'c ApiKey, call: &'c Call<'c>) -> Self {
        let secrets = call.secrets.iter().copied().chain([key.expose()]);
        Exchange {
            client,
            key,
            call,
            request_id: Uuid::new_v4().to_string(),
            path: call
                .path
                .iter()
                .map(|segment| format!("/{}", escape(segment)))
                .collect(),
            redactor: Redactor::new(secrets),
        }
    }

    /// Makes the call. See [`Client::call`].
    pub(super) fn run(&self) -> Result<Answer, ControlPlaneError> {
        let is_unusable = |segment: &&str| segment.is_empty() || is_dot_segment(segment);
        if self.call.path.iter().any(is_unusable) {
            return Err(self.error(Cause::UnusableId, Said::default()));
        }
        let clock = Clock {
            started: Instant::now(),
            limit: self.client.request_timeout,
        };
        let response = self.send()?;
        if response.status().is_success() {
            self.success(response, &clock)
        } else {
            Err(self.failure(response, &clock))
        }
    }

    fn send(&self) -> Result<Response, ControlPlaneError> {
        let no_answer = |cause| self.error(cause, Said::default());
        // A key is visible ASCII, which a header always takes.
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", self.key.expose()))
            .map_err(|_| no_answer(Cause::Unauthorized))?;
        bearer.set_sensitive(true);
        let url = format!(
            "{}{}{}",
            self.client.base_url,
            self.path,
            query(self.call.query)
        );
        let mut request = self
            .client
            .http
            .request(self.call.method.clone(), url)
            .header(AUTHORIZATION, bearer)
            .header(REQUEST_ID, &self.request_id)
            // Of the whole call, the body's last byte included; the client's own would be for each read.
            .timeout(self.client.request_timeout);
        if let Some(body) = &self.call.body {
            request = request
                .header(CONTENT_TYPE, "application/json")
                .body(body.to_string());
        }
        request.send().map_err(|error| no_answer(cause_of(&error)))
    }

    fn success(&self, response: Response, clock: &Clock) -> Result<Answer, ControlPlaneError> {
        let mut said = Said::in_head(&response);
        let (text, intact) = match body::read(response, self.max_response_size(), clock) {
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
        })
    }

    /// An answer with a status that is not 2xx. Its body is a help, and not needed.
    fn failure(&self, response: Response, clock: &Clock) -> ControlPlaneError {
        let mut said = Said::in_head(&response);
        let cap = self.max_response_size().min(MAX_ERROR_BODY);
        let text = body::read(response, cap, clock).map(|body| body::as_text(body).0);
        let text = text.unwrap_or_default();
        said.body = ErrorBody::read(&text);
        self.error(Cause::of_status(said.status, is_json(&text)), said)
    }

    fn max_response_size(&self) -> usize {
        let own = self.call.max_response_size.unwrap_or(usize::MAX);
        own.min(self.client.max_response_size)
    }

    /// The error: in our words where the server said nothing, and with everything that it said made fit to be shown.
    fn error(&self, cause: Cause, said: Said) -> ControlPlaneError {
        let request_id = self.request_id(&said);
        let ours = || format!("{} ({})", cause.words(), self.path);
        let message = self.redactor.clean(&said.body.message.unwrap_or_else(ours));
        ControlPlaneError::new(Parts {
            cause,
            status: (said.status != 0).then_some(said.status),
            their_code: said.body.code.filter(|code| self.redactor.is_clean(code)),
            message,
            request_id,
            says_retryable: said.retryable || said.body.retryable,
            retry_after: said.body.retry_after.or(said.retry_after),
        })
    }

    /// The server's id of the request, else ours.
    fn request_id(&self, said: &Said) -> String {
        let theirs = said.body.request_id.as_ref().or(said.request_id.as_ref());
        let theirs = theirs
            .map(|id| self.redactor.clean(id))
            .filter(|id| !id.is_empty());
        theirs.unwrap_or_else(|| self.request_id.clone())
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
    body: ErrorBody,
}

impl Said {
    fn in_head(response: &Response) -> Self {
        let headers = response.headers();
        let is_true = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"true");
        Said {
            status: response.status().as_u16(),
            request_id: text_of(headers, &REQUEST_ID),
            retryable: headers.get(RETRYABLE).is_some_and(is_true),
            retry_after: error_body::retry_after(headers),
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

/// Escapes a text for one segment of a path, or one part of a query.
pub(super) fn escape(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

fn query(pairs: &[(&str, Option<&str>)]) -> String {
    let mut query = String::new();
    for (name, value) in pairs {
        if let Some(value) = value {
            query.push(if query.is_empty() { '?' } else { '&' });
            query.push_str(&format!("{}={}", escape(name), escape(value)));
        }
    }
    query
}
