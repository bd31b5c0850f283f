//! The client: how it is set up, and what one call and one good answer are.

use std::sync::Arc;
use std::time::{Duration, SystemTime};
use std::{fmt, io};

use reqwest::header::{ACCEPT, HeaderMap, HeaderValue, USER_AGENT};
use reqwest::{Method, redirect, retry};
use serde_json::Value;

use super::base_url::BaseUrl;
use super::dns::SystemResolver;
use super::engine::Engine;
use super::error::{Cause, ControlPlaneError, Parts};
use super::exchange::Exchange;
use super::tls;
use crate::api_key::ApiKey;

/// How long an unused connection is kept: less than any common server keeps it (five seconds and more), so that it is
/// not closed under a call that has just been sent.
const IDLE: Duration = Duration::from_secs(4);

/// How much longer than its time-out a call is waited for.
const GRACE: Duration = Duration::from_millis(200);

/// How the control plane is reached.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it is.
    pub base_url: BaseUrl,
    /// The longest wait for a connection, name look-up and TLS included.
    pub connect_timeout: Duration,
    /// The longest that a call may take, from start to the last byte of the answer.
    pub request_timeout: Duration,
    /// The largest answer, in bytes.
    pub max_response_size: usize,
    /// Certificate authorities trusted besides the system's: PEM, one or more certificates.
    pub ca_pem: Option<Vec<u8>>,
    /// Product and version: `synapsor-writeback/0.1.0`.
    pub user_agent: String,
}

/// Why a client can't be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The extra authority is not PEM, or has a certificate that is none.
    #[error("CA_FILE_MALFORMED: the extra certificate authority is not a PEM certificate")]
    CaMalformed,
    /// The extra authority has no certificate in it.
    #[error("CA_FILE_EMPTY: the extra certificate authority has no certificate in it")]
    CaEmpty,
    /// Neither the system nor the settings say whom to trust.
    #[error(
        "NO_TRUSTED_CERTIFICATES: the system has no certificate authorities, and none was given"
    )]
    NoTrustedCertificates,
    /// The TLS library refuses our settings.
    #[error("TLS_SETUP: {0}")]
    Tls(rustls::Error),
    /// A `user_agent` that can't be a header.
    #[error("USER_AGENT_MALFORMED: the user agent can't be sent")]
    UserAgent,
    /// The HTTP library refuses our settings.
    #[error("HTTP_CLIENT_SETUP: {0}")]
    Http(reqwest::Error),
    /// The machine has no thread left for it.
    #[error("HTTP_CLIENT_SETUP: {0}")]
    Thread(io::Error),
}

impl ClientError {
    /// The stable code: the error's text up to the first `:`.
    pub fn code(&self) -> &'static str {
        match self {
            ClientError::CaMalformed => "CA_FILE_MALFORMED",
            ClientError::CaEmpty => "CA_FILE_EMPTY",
            ClientError::NoTrustedCertificates => "NO_TRUSTED_CERTIFICATES",
            ClientError::Tls(_) => "TLS_SETUP",
            ClientError::UserAgent => "USER_AGENT_MALFORMED",
            ClientError::Http(_) | ClientError::Thread(_) => "HTTP_CLIENT_SETUP",
        }
    }
}

/// Speaks to one control plane. Cheap to clone and to share between threads; connections are kept alive and shared.
///
/// It has a thread, which a fork does not take along: a process makes its own client. Dropping the last clone ends the
/// thread, and waits for nothing else.
#[derive(Clone, Debug)]
pub struct Client {
    pub(super) engine: Arc<Engine>,
    pub(super) http: reqwest::Client,
    pub(super) base_url: BaseUrl,
    pub(super) request_timeout: Duration,
    pub(super) max_response_size: usize,
}

/// One call, in the transport's words. `Debug` shows neither body nor secrets.
#[derive(Clone)]
pub struct Call<'c> {
    /// `GET` or `POST`.
    pub method: Method,
    /// The path's segments below the base URL; each is escaped, so that an id may hold anything.
    pub path: &'c [&'c str],
    /// Name and value; left out where there is no value.
    pub query: &'c [(&'c str, Option<&'c str>)],
    /// The JSON body.
    pub body: Option<Value>,
    /// Secrets in the body, struck out of the server's error messages like the key.
    pub secrets: &'c [&'c str],
    /// The largest answer, in bytes, where it is less than the client's.
    pub max_response_size: Option<usize>,
}

impl<'c> Call<'c> {
    /// A `GET` without a query.
    pub fn get(path: &'c [&'c str]) -> Self {
        Call {
            method: Method::GET,
            path,
            query: &[],
            body: None,
            secrets: &[],
            max_response_size: None,
        }
    }

    /// A `POST` of a JSON body.
    pub fn post(path: &'c [&'c str], body: Value) -> Self {
        Call {
            method: Method::POST,
            body: Some(body),
            ..Call::get(path)
        }
    }
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Call({} {:?})", self.method, self.path)
    }
}

/// A good answer: 2xx, JSON, and not `ok: false`.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The JSON text; `{}` for an empty body.
    pub text: String,
    /// False when the body was not valid UTF-8 and has been patched up with U+FFFD.
    pub intact: bool,
    /// The HTTP status.
    pub status: u16,
    /// The server's id of the request, else the one that we sent.
    pub request_id: String,
    /// The server's clock when it answered (`Date`), where it sent that.
    pub date: Option<SystemTime>,
}

impl Answer {
    /// An error for a good answer that does not have the shape that the caller needs.
    pub(super) fn unexpected(&self, message: &str) -> ControlPlaneError {
        ControlPlaneError::new(Parts {
            cause: Cause::UnexpectedAnswer,
            status: Some(self.status),
            their_code: None,
            message: message.to_owned(),
            request_id: self.request_id.clone(),
            says_retryable: false,
            retry_after: None,
        })
    }
}

impl Client {
    /// Makes a client. Nothing is sent yet; a thread is started that drives the connections.
    ///
    /// # Errors
    /// A [`ClientError`]: trust that can't be set up, or a machine out of threads.
    pub fn new(config: &Config) -> Result<Self, ClientError> {
        let tls = match config.base_url.is_encrypted() {
            true => tls::client_config(config.ca_pem.as_deref())?,
            false => tls::unused()?,
        };
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let user_agent = HeaderValue::from_str(&config.user_agent);
        headers.insert(USER_AGENT, user_agent.map_err(|_| ClientError::UserAgent)?);
        let http = reqwest::Client::builder()
            .default_headers(headers)
            .tls_backend_preconfigured(tls)
            .dns_resolver(Arc::new(SystemResolver))
            .connect_timeout(config.connect_timeout)
            .pool_idle_timeout(IDLE)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .no_proxy()
            .http1_only()
            .build()
            .map_err(ClientError::Http)?;
        let engine = Engine::start().map_err(ClientError::Thread)?;
        Ok(Client {
            engine: Arc::new(engine),
            http,
            base_url: config.base_url.clone(),
            request_timeout: config.request_timeout,
            max_response_size: config.max_response_size,
        })
    }

    /// True for a clone of this client.
    pub fn is(&self, other: &Client) -> bool {
        Arc::ptr_eq(&self.engine, &other.engine)
    }

    /// Makes one call, with the headers of contract section 1, and waits for its answer: not on the client's own thread.
    ///
    /// # Errors
    /// A [`ControlPlaneError`] when there is no complete answer in time, when its status is not 2xx, when it says
    /// `ok: false`, when it is too large and when it is not JSON.
    pub fn call(&self, key: &ApiKey, call: &Call<'_>) -> Result<Answer, ControlPlaneError> {
        let exchange = Exchange::new(self, key, call);
        // The exchange's own time-out knows more of it, and comes first where the engine has time for it.
        let time = self.request_timeout.saturating_add(GRACE);
        let answered = self.engine.wait_for(exchange.run(), time);
        answered.unwrap_or_else(|| Err(exchange.is_late()))
    }

    /// As [`Client::call`], on the client's own thread.
    pub(super) async fn send(
        &self,
        key: &ApiKey,
        call: &Call<'_>,
    ) -> Result<Answer, ControlPlaneError> {
        Exchange::new(self, key, call).run().await
    }
}
