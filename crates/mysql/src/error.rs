//! What can go wrong outside a proposal, each with a stable code, a hint for the operator, and an exit code.

use std::io;

use synapsor_core::api_key::ApiKeyError;
use synapsor_core::control_plane::{
    BaseUrlError, Cause, ClientError, ControlPlaneError, Disposition, SourceError,
};
use synapsor_core::refusal::Refusal;

use crate::database::DatabaseError;
use crate::exit::Exit;

/// What went wrong. Displayed as `CODE: text`; never quotes a secret or a row.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The TOML file can't be read.
    #[error("CONFIG_FILE: {0}")]
    ConfigFile(String),
    /// A setting has a value that it can't have.
    #[error("CONFIG_INVALID: {0}")]
    ConfigInvalid(String),
    /// A file with a secret in it can't be used.
    #[error("SECRET_FILE: {0}")]
    SecretFile(String),
    /// Neither a key file nor the environment's key.
    #[error("API_KEY_MISSING: there is no API key")]
    ApiKeyMissing,
    /// The key is no good.
    #[error(transparent)]
    ApiKey(#[from] ApiKeyError),
    /// The control plane's URL is no good.
    #[error(transparent)]
    BaseUrl(#[from] BaseUrlError),
    /// The extra certificate authority can't be read.
    #[error("CA_FILE: the certificate authority can't be read: {0}")]
    CaFile(io::ErrorKind),
    /// The HTTP client can't be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Nothing says which source we are.
    #[error("SOURCE_NOT_CONFIGURED: neither source_id nor source_name is set")]
    SourceNotConfigured,
    /// The control plane failed a call.
    #[error(transparent)]
    ControlPlane(ControlPlaneError),
    /// A call about a source failed.
    #[error(transparent)]
    Source(SourceError),
    /// The database failed us.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The ledger is not there.
    #[error("LEDGER_MISSING: there is no ledger in the database `{0}`")]
    LedgerMissing(String),
    /// The ledger is of another version than this program writes.
    #[error("LEDGER_VERSION: the ledger in the database `{0}` lacks what this version needs")]
    LedgerVersion(String),
    /// The ledger holds what it can't hold.
    #[error("LEDGER_CORRUPT: the ledger has {0}")]
    LedgerCorrupt(String),
    /// The proposal that was handed in is refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Something that was handed in can't be used.
    #[error("INPUT_INVALID: {0}")]
    Input(String),
    /// The control plane answered well, but not with what the contract says.
    #[error("CONTROL_PLANE_UNEXPECTED_ANSWER: {0}")]
    UnexpectedAnswer(String),
    /// A file of `generate` would be written outside of its folder, or over something else than a file.
    #[error("UNSAFE_PATH: {0}")]
    UnsafePath(String),
    /// A file of `generate` is there already.
    #[error("FILE_EXISTS: {0} is there already")]
    FileExists(String),
    /// A flag or setting is missing that the command needs.
    #[error("{code}: {text}")]
    Missing {
        /// `PROJECT_REQUIRED`, …
        code: &'static str,
        /// What to give.
        text: String,
    },
    /// A person has to confirm, and there is none, or he said no.
    #[error("NOT_CONFIRMED: {0}")]
    NotConfirmed(String),
    /// A file can't be written, a pipe can't be read.
    #[error("IO: {0}: {kind}", kind = .1.kind())]
    Io(String, io::Error),
}

impl Error {
    /// The stable code: the error's text up to the first `:`.
    pub fn code(&self) -> String {
        let text = self.to_string();
        text.split(':').next().unwrap_or_default().to_owned()
    }

    /// What the operator can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Error::ApiKeyMissing => {
                "Put the key into a file of mode 0600 and name it with --api-key-file, or set SYNAPSOR_API_KEY."
            }
            Error::ApiKey(_) => {
                "Put the key alone into a file of mode 0600 that belongs to the user that this program runs as; see which one --api-key-file, SYNAPSOR_API_KEY_FILE or the TOML file names."
            }
            Error::BaseUrl(_) => {
                "Set --base-url to the control plane's https URL; --allow-insecure-http lets plain http go to other machines."
            }
            Error::CaFile(_) => "Name a readable file of PEM certificates with --ca-file.",
            Error::ConfigFile(_) => "See --config and SYNAPSOR_CONFIG.",
            Error::SecretFile(_) => {
                "See `chmod 600`, `chown`, and which user this program runs as."
            }
            Error::SourceNotConfigured => {
                "Set --source-id or --source-name (`sources list` shows what there is)."
            }
            Error::ControlPlane(error) => error.hint(),
            Error::Source(SourceError::ControlPlane(error)) => source_hint(error),
            Error::Source(SourceError::NotFound(_)) => {
                "`sources list` shows the names; --project-id says in which project to look."
            }
            Error::Source(SourceError::Ambiguous(_)) => "Name the source by its id, src_….",
            Error::Source(SourceError::SecretNotSet(_) | SourceError::SecretAsItself) => {
                "Put the secret into an environment variable and name that: env:NAME."
            }
            Error::Source(SourceError::TablesRequired) => "Name at least one table with --table.",
            Error::Source(SourceError::TenantColumnRequired(_)) => {
                "Say --tenant-column, or --single-tenant where all rows belong to one tenant."
            }
            Error::Database(error) => return error.hint(),
            Error::LedgerMissing(_) | Error::LedgerVersion(_) => {
                "Run `migrate` as a user who may create tables; `migrate --print` shows what it would do."
            }
            Error::UnexpectedAnswer(_) => "Tell the control plane's operator.",
            Error::UnsafePath(_) => {
                "No file was written. Such an answer is a fault of the control plane, or worse: tell its operator."
            }
            Error::FileExists(_) => {
                "No file was written. Name another folder, or say --force to overwrite."
            }
            Error::NotConfirmed(_) => "Say --yes to go on without being asked.",
            Error::ConfigInvalid(_) => "`--help` lists the settings and their forms.",
            _ => return None,
        };
        Some(hint.to_owned())
    }

    /// How the program ends.
    pub fn exit(&self) -> Exit {
        match self {
            Error::ConfigFile(_)
            | Error::ConfigInvalid(_)
            | Error::SecretFile(_)
            | Error::ApiKeyMissing
            | Error::ApiKey(_)
            | Error::BaseUrl(_)
            | Error::CaFile(_)
            | Error::Client(_)
            | Error::SourceNotConfigured
            | Error::LedgerMissing(_)
            | Error::LedgerVersion(_)
            | Error::Missing { .. }
            | Error::Source(
                SourceError::SecretNotSet(_)
                | SourceError::SecretAsItself
                | SourceError::TablesRequired
                | SourceError::TenantColumnRequired(_),
            ) => Exit::Configuration,
            Error::ControlPlane(error) | Error::Source(SourceError::ControlPlane(error)) => {
                exit_of(error)
            }
            Error::Database(error) => error.exit(),
            Error::Io(..) | Error::LedgerCorrupt(_) => Exit::TryAgain,
            _ => Exit::Refused,
        }
    }
}

/// The control plane's hints speak of proposals and reports; these of what a person does with sources.
fn source_hint(error: &ControlPlaneError) -> &'static str {
    match error.cause() {
        Cause::Timeout | Cause::Interrupted => {
            "What was asked may have been done all the same: look with `sources list` before you ask again."
        }
        Cause::Busy | Cause::Unavailable => "Try again; quote the request id if it stays.",
        Cause::Forbidden => "Give the key the right to manage this project's sources.",
        Cause::UnusableId => "Name the source by its name, or by the id that `sources list` shows.",
        _ => error.hint(),
    }
}

fn exit_of(error: &ControlPlaneError) -> Exit {
    match error.disposition() {
        Disposition::Retry { .. } => Exit::TryAgain,
        Disposition::Key => Exit::NoPermission,
        Disposition::Rejected | Disposition::Unusable => Exit::Refused,
    }
}

impl From<SourceError> for Error {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::ControlPlane(error) => Error::ControlPlane(error),
            other => Error::Source(other),
        }
    }
}

impl From<ControlPlaneError> for Error {
    fn from(error: ControlPlaneError) -> Self {
        Error::ControlPlane(error)
    }
}
