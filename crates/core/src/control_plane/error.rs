//! A call that failed: what the operator is told, and what the worker does about it.

use std::fmt;
use std::time::Duration;

/// Why a call failed, as far as we can tell ourselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The host name does not resolve.
    Dns,
    /// No connection.
    Unreachable,
    /// No complete answer in time.
    Timeout,
    /// No trusted TLS connection.
    Tls(TlsFault),
    /// The connection broke, or what came was not HTTP.
    Interrupted,
    /// The answer is larger than allowed.
    TooLarge,
    /// The answer is not JSON.
    NotJson,
    /// The answer is JSON, but not of the contract's shape.
    UnexpectedAnswer,
    /// The answer points elsewhere; it is never followed, so that the key goes nowhere else.
    Redirect,
    /// 401: the key is not known.
    Unauthorized,
    /// 403: the key may not do this.
    Forbidden,
    /// 429: too many calls.
    Busy,
    /// 408, 425, 500, 502, 503, 504: the server can't answer now.
    Unavailable,
    /// Another 4xx, or `ok: false`: the server read the request and refused it.
    Refused,
    /// A status that the contract does not know.
    UnexpectedStatus,
    /// An id that can't be put into a URL's path (empty, `.`, `..`); nothing was sent.
    UnusableId,
}

/// What is wrong with the TLS connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlsFault {
    /// Nobody we trust has signed the certificate.
    NotTrusted,
    /// The certificate has expired, or this machine's clock is ahead.
    Expired,
    /// The certificate is not valid yet, or this machine's clock is behind.
    NotYetValid,
    /// The certificate is for another host.
    WrongHost,
    /// The certificate has been revoked.
    Revoked,
    /// What answers does not speak TLS.
    NotTls,
    /// No agreement on a version or cipher, or a violation of the protocol.
    Handshake,
}

/// What to do about a failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// It will pass: try again, not before `after` where the server asked for that.
    Retry {
        /// The wait that the server asked for.
        after: Option<Duration>,
    },
    /// The key is wrong (401, 403): say so, and try slowly.
    Key,
    /// The server read this request and refused it for good: never repeat it blindly.
    Rejected,
    /// What answers does not keep the contract (a redirect, a web page, too much): it says nothing about the request;
    /// an operator has to look, and trying slowly does no harm.
    Unusable,
}

/// A call that failed. Can be shown, logged and quoted in a support ticket: no part of it holds the key or a body's
/// text, except the server's own message, with secrets struck out.
///
/// Displayed as `CODE: message (HTTP 409, request id r-1)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlPlaneError(Box<Parts>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) cause: Cause,
    pub(super) status: Option<u16>,
    pub(super) their_code: Option<String>,
    pub(super) message: String,
    pub(super) request_id: String,
    pub(super) says_retryable: bool,
    pub(super) retry_after: Option<Duration>,
}

impl ControlPlaneError {
    pub(super) fn new(parts: Parts) -> Self {
        ControlPlaneError(Box::new(parts))
    }

    /// Why, as far as we can tell ourselves.
    pub fn cause(&self) -> Cause {
        self.0.cause
    }

    /// The stable code: the server's where it sent one (`[A-Za-z0-9_.-]{1,64}`), else the cause's, `CONTROL_PLANE_…`.
    pub fn code(&self) -> &str {
        self.0.their_code.as_deref().unwrap_or(self.0.cause.code())
    }

    /// The HTTP status, where there was an answer.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// One line of at most 300 characters.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The server's id of the request, else the one that we sent.
    pub fn request_id(&self) -> &str {
        &self.0.request_id
    }

    /// True when trying again can help without anybody's doing.
    pub fn is_retryable(&self) -> bool {
        matches!(self.disposition(), Disposition::Retry { .. })
    }

    /// The wait that the server asked for.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// What to do about it.
    pub fn disposition(&self) -> Disposition {
        match self.0.cause {
            Cause::Unauthorized | Cause::Forbidden => Disposition::Key,
            cause if cause.passes() || self.0.says_retryable => Disposition::Retry {
                after: self.0.retry_after,
            },
            Cause::Refused | Cause::UnusableId => Disposition::Rejected,
            _ => Disposition::Unusable,
        }
    }

    /// What the operator can do about it, in a sentence.
    pub fn hint(&self) -> &'static str {
        self.0.cause.hint()
    }
}

impl fmt::Display for ControlPlaneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} (", self.code(), self.message())?;
        if let Some(status) = self.status() {
            write!(f, "HTTP {status}, ")?;
        }
        write!(f, "request id {})", self.request_id())
    }
}

impl std::error::Error for ControlPlaneError {}

impl Cause {
    /// The stable code of the cause.
    pub fn code(self) -> &'static str {
        match self {
            Cause::Dns => "CONTROL_PLANE_DNS",
            Cause::Unreachable => "CONTROL_PLANE_UNREACHABLE",
            Cause::Timeout => "CONTROL_PLANE_TIMEOUT",
            Cause::Tls(_) => "CONTROL_PLANE_TLS",
            Cause::Interrupted => "CONTROL_PLANE_INTERRUPTED",
            Cause::TooLarge => "CONTROL_PLANE_TOO_LARGE",
            Cause::NotJson => "CONTROL_PLANE_NOT_JSON",
            Cause::UnexpectedAnswer => "CONTROL_PLANE_UNEXPECTED_ANSWER",
            Cause::Redirect => "CONTROL_PLANE_REDIRECT",
            Cause::Unauthorized => "CONTROL_PLANE_UNAUTHORIZED",
            Cause::Forbidden => "CONTROL_PLANE_FORBIDDEN",
            Cause::Busy => "CONTROL_PLANE_BUSY",
            Cause::Unavailable => "CONTROL_PLANE_UNAVAILABLE",
            Cause::Refused => "CONTROL_PLANE_REFUSED",
            Cause::UnexpectedStatus => "CONTROL_PLANE_UNEXPECTED_STATUS",
            Cause::UnusableId => "CONTROL_PLANE_UNUSABLE_ID",
        }
    }

    /// The cause of a status that is not 2xx. Final answers that a bystander can give too (a web server that knows
    /// no such path) count as the control plane's only when they are JSON.
    pub(super) fn of_status(status: u16, is_json: bool) -> Self {
        match status {
            401 => Cause::Unauthorized,
            403 => Cause::Forbidden,
            429 => Cause::Busy,
            408 | 425 | 500 | 502 | 503 | 504 => Cause::Unavailable,
            300..=399 => Cause::Redirect,
            409 | 410 | 412 | 413 | 422 => Cause::Refused,
            400..=499 if is_json => Cause::Refused,
            400..=499 => Cause::NotJson,
            _ => Cause::UnexpectedStatus,
        }
    }

    /// True for what passes by itself: no answer at all, or an answer that says "not now".
    fn passes(self) -> bool {
        self.is_no_answer() || matches!(self, Cause::Busy | Cause::Unavailable | Cause::Interrupted)
    }

    /// True when the server could not be spoken to.
    pub(super) fn is_no_answer(self) -> bool {
        matches!(
            self,
            Cause::Dns | Cause::Unreachable | Cause::Timeout | Cause::Tls(_)
        )
    }

    /// What happened, in words that need no knowledge of the answer.
    pub(super) fn words(self) -> &'static str {
        match self {
            Cause::Dns => "the host name of the base URL does not resolve",
            Cause::Unreachable => "no connection to the control plane",
            Cause::Timeout => "no complete answer in time",
            Cause::Tls(fault) => fault.words(),
            Cause::Interrupted => "the connection broke before the answer was complete",
            Cause::TooLarge => "the answer is larger than allowed",
            Cause::NotJson => "the answer is not JSON",
            Cause::UnexpectedAnswer => "the answer does not have the expected shape",
            Cause::Redirect => "the answer is a redirect, which is not followed",
            Cause::Unauthorized => "the API key was not accepted",
            Cause::Forbidden => "the API key may not do this",
            Cause::Busy => "the control plane asks for fewer calls",
            Cause::Unavailable => "the control plane can't answer now",
            Cause::Refused => "the control plane refused the request",
            Cause::UnexpectedStatus => "the answer has an unexpected status",
            Cause::UnusableId => "an id is empty or a path of its own, and can't be sent",
        }
    }

    fn hint(self) -> &'static str {
        match self {
            Cause::Dns => "Check the host in base_url, and this machine's name servers.",
            Cause::Unreachable => "Check host and port in base_url, and firewalls on the way.",
            Cause::Timeout => {
                "Check the network; request_timeout and connect_timeout set the limits."
            }
            Cause::Tls(fault) => fault.hint(),
            Cause::Interrupted => {
                "Nothing is lost: proposals stay approved, and reports that are owed are kept and sent again. If it stays, look for a proxy that cuts connections."
            }
            Cause::TooLarge => "Raise max_response_size if the list is rightly that large.",
            Cause::NotJson | Cause::UnexpectedAnswer | Cause::UnexpectedStatus => {
                "Check that base_url points to the control plane, not to a website or proxy."
            }
            Cause::Redirect => "Set base_url to the address that the control plane has now.",
            Cause::Unauthorized => {
                "Put a valid key into api_key_file; it is read anew for each poll."
            }
            Cause::Forbidden => {
                "Give the key the rights to read and report this source's proposals."
            }
            Cause::Busy => {
                "Nothing is lost: proposals stay approved, and reports that are owed are kept and sent again. Call less often, or lower report_concurrency."
            }
            Cause::Unavailable => {
                "Nothing is lost: proposals stay approved, and reports that are owed are kept and sent again. Quote the request id if it stays."
            }
            Cause::Refused => {
                "It would be refused again; quote code and request id to the control plane's operator."
            }
            Cause::UnusableId => {
                "The control plane sent an id that can't be used; tell its operator."
            }
        }
    }
}

impl TlsFault {
    fn words(self) -> &'static str {
        match self {
            TlsFault::NotTrusted => {
                "TLS: the server's certificate is not signed by anybody trusted"
            }
            TlsFault::Expired => "TLS: the server's certificate has expired",
            TlsFault::NotYetValid => "TLS: the server's certificate is not valid yet",
            TlsFault::WrongHost => "TLS: the server's certificate is for another host",
            TlsFault::Revoked => "TLS: the server's certificate has been revoked",
            TlsFault::NotTls => "TLS: what answers does not speak TLS",
            TlsFault::Handshake => "TLS: the handshake failed",
        }
    }

    fn hint(self) -> &'static str {
        match self {
            TlsFault::NotTrusted => {
                "Set ca_file to the authority that signed it, or install that for the system."
            }
            TlsFault::Expired | TlsFault::NotYetValid => {
                "Check this machine's clock; if it is right, the server needs a new certificate."
            }
            TlsFault::WrongHost => "Set base_url to a name that the certificate is for.",
            TlsFault::Revoked => "The server needs a new certificate.",
            TlsFault::NotTls => "Check the port in base_url.",
            TlsFault::Handshake => "The server must speak TLS 1.2 or 1.3 with a modern cipher.",
        }
    }
}
