//! What goes back to the client: bodies, and errors in every shape that the contract knows.

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::{Map, Value, json};

pub(crate) type Answer = Response<Bytes>;

/// The shape of error bodies. Servers differ; a client has to read them all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorShape {
    /// `{ok, error_code, message, request_id}`.
    #[default]
    ErrorCode,
    /// `{code, message, request_id}`.
    Code,
    /// `{error, error_description}`, as OAuth has it; the request id is in the header alone.
    ErrorDescription,
    /// `{ok, code, errors: [{code, message}], request_id}`: the text is in the list alone.
    Errors,
}

/// A call refused: status, code and text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) hints: RetryHints,
}

/// What an error body says about trying again; `None` leaves the field out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RetryHints {
    pub(crate) retryable: Option<bool>,
    pub(crate) retry_after_ms: Option<u64>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.to_owned(),
            message: message.into(),
            hints: RetryHints::default(),
        }
    }

    pub(crate) fn bad_request(code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(crate) fn not_found(code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    pub(crate) fn conflict(code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, message)
    }

    pub(crate) fn unprocessable(code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
    }

    pub(crate) fn into_answer(self, shape: ErrorShape, request_id: &str) -> Answer {
        let mut body = self.body_in(shape, request_id);
        if let Some(retryable) = self.hints.retryable {
            body.insert("retryable".to_owned(), retryable.into());
        }
        if let Some(milliseconds) = self.hints.retry_after_ms {
            body.insert("retry_after_ms".to_owned(), milliseconds.into());
        }
        json_answer(self.status, Value::Object(body).to_string())
    }

    fn body_in(&self, shape: ErrorShape, request_id: &str) -> Map<String, Value> {
        let Self { code, message, .. } = self;
        let body = match shape {
            ErrorShape::ErrorCode => {
                json!({"ok": false, "error_code": code, "message": message, "request_id": request_id})
            }
            ErrorShape::Code => {
                json!({"code": code, "message": message, "request_id": request_id})
            }
            ErrorShape::ErrorDescription => json!({"error": code, "error_description": message}),
            ErrorShape::Errors => json!({
                "ok": false,
                "code": code,
                "errors": [{"code": code, "message": message}],
                "request_id": request_id,
            }),
        };
        match body {
            Value::Object(fields) => fields,
            _ => Map::new(),
        }
    }
}

/// The name of a status as an error code: 503 is `SERVICE_UNAVAILABLE`.
pub(crate) fn code_of(status: StatusCode) -> String {
    let reason = status.canonical_reason().unwrap_or("Simulated fault");
    reason.to_uppercase().replace([' ', '-'], "_")
}

pub(crate) fn json_answer(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    typed_answer(status, HeaderValue::from_static("application/json"), body)
}

pub(crate) fn typed_answer(
    status: StatusCode,
    content_type: HeaderValue,
    body: impl Into<Bytes>,
) -> Answer {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer
}
