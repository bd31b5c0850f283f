//! One call under way: the request, and what comes back for it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Response;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use uuid::Uuid;

use super::base_url::is_dot_segment;
use super::body;
use super::client::{Answer, Call, Client};
use super::diagnosis::cause_of;
use super::error::{Cause, ControlPlaneError};
use super::verdict::{Judge, Received, is_success};
use crate::api_key::ApiKey;

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

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
    judge: Judge,
}

impl<'c> Exchange<'c> {
    pub(super) fn new(client: &'c Client, key: &'c ApiKey, call: &'c Call<'c>) -> Self {
        Exchange {
            client,
            key,
            call,
            judge: Judge::new(key, call, Uuid::new_v4().to_string()),
        }
    }

    /// Makes the call. See [`Client::call`].
    pub(super) async fn run(&self) -> Result<Answer, ControlPlaneError> {
        let is_unusable = |segment: &&str| segment.is_empty() || is_dot_segment(segment);
        if self.call.path.iter().any(is_unusable) {
            return Err(self.judge.no_answer(Cause::UnusableId));
        }
        let response = self.send().await?;
        self.judge.judge(self.receive(response).await)
    }

    /// The error of a call whose time is up.
    pub(super) fn is_late(&self) -> ControlPlaneError {
        self.judge.no_answer(Cause::Timeout)
    }

    async fn send(&self) -> Result<Response, ControlPlaneError> {
        let no_answer = |cause| self.judge.no_answer(cause);
        // A key is visible ASCII, which a header always takes.
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", self.key.expose()))
            .map_err(|_| no_answer(Cause::Unauthorized))?;
        bearer.set_sensitive(true);
        let url = format!(
            "{}{}{}",
            self.client.base_url,
            self.judge.path,
            query(self.call.query)
        );
        let mut request = self
            .client
            .http
            .request(self.call.method.clone(), url)
            .header(AUTHORIZATION, bearer)
            .header(REQUEST_ID, &self.judge.request_id)
            // Of the whole call, the body's last byte included.
            .timeout(self.client.request_timeout);
        if let Some(body) = &self.call.body {
            request = request
                .header(CONTENT_TYPE, "application/json")
                .body(body.to_string());
        }
        let sent = request.send().await;
        sent.map_err(|error| no_answer(cause_of(&error)))
    }

    async fn receive(&self, mut response: Response) -> Received {
        let status = response.status().as_u16();
        let headers = std::mem::take(response.headers_mut());
        let own = self.call.max_response_size.unwrap_or(usize::MAX);
        let most = own.min(self.client.max_response_size);
        let cap = match is_success(status) {
            true => most,
            false => most.min(MAX_ERROR_BODY),
        };
        Received {
            status,
            headers,
            body: body::read(response, cap).await,
        }
    }
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
