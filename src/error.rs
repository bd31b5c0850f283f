//! What can go wrong with a whole call, as opposed to one proposal: a stable code, and at the border a Postgres error
//! with SQLSTATE, message, DETAIL and a HINT that tells the operator what to do.

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::panic::ErrorReport;
use synapsor_core::api_key::ApiKeyError;
use synapsor_core::control_plane::{
    BaseUrlError, Cause, ClientError, ControlPlaneError, SourceError,
};
use synapsor_core::refusal::Refusal;

/// Why a call could not do its work. Displayed as `CODE: what happened`.
#[derive(Debug, thiserror::Error)]
pub enum ExtensionError {
    /// A call to the control plane failed.
    #[error("{0}")]
    ControlPlane(ControlPlaneError),
    /// `synapsor.base_url` is no good.
    #[error("{0}")]
    BaseUrl(BaseUrlError),
    /// The key file, or what is in it, is no good.
    #[error("{0}")]
    ApiKey(ApiKeyError),
    /// There is neither a key file nor the environment variable.
    #[error("API_KEY_MISSING: no API key is set")]
    ApiKeyMissing,
    /// The HTTP client can't be set up.
    #[error("{0}")]
    Client(ClientError),
    /// `synapsor.ca_file` can't be read.
    #[error("CA_FILE_UNREADABLE: the file of synapsor.ca_file can't be read: {0}")]
    CaFile(std::io::ErrorKind),
    /// The client named our settings in its options.
    #[error(
        "CLIENT_SETTINGS_REFUSED: this session's options set parameters of synapsor_writeback, which only a superuser may"
    )]
    ClientSettings,
    /// Nobody said which source this database is.
    #[error("SOURCE_NOT_CONFIGURED: neither synapsor.source_id nor synapsor.source_name is set")]
    SourceNotConfigured,
    /// The source's name can't be turned into an id.
    #[error("{0}")]
    Source(SourceError),
    /// Each call was answered in time, and all of them took too long.
    #[error("CONTROL_PLANE_TIMEOUT: the answers took too long in all")]
    AnswersTooSlow,
    /// An answer of the control plane's that can't be shown as jsonb.
    #[error(
        "CONTROL_PLANE_UNEXPECTED_ANSWER: the answer is nested too deeply, or not Unicode text"
    )]
    AnswerTooDeep,
    /// The role of `synapsor.apply_role` does not exist.
    #[error("APPLY_ROLE_MISSING: role \"{role}\" does not exist")]
    ApplyRoleMissing {
        /// The role.
        role: String,
    },
    /// The caller may not become the role of `synapsor.apply_role`.
    #[error("APPLY_ROLE_NOT_PERMITTED: role \"{caller}\" may not become \"{role}\"")]
    ApplyRoleNotPermitted {
        /// `synapsor.apply_role`
        role: String,
        /// Who calls.
        caller: String,
    },
    /// Changes may not be made as this role.
    #[error("APPLY_ROLE_UNSAFE: proposals are not applied as \"{role}\", which {why}")]
    ApplyRoleUnsafe {
        /// The role.
        role: String,
        /// `is a superuser`, …
        why: &'static str,
    },
    /// Another session is applying proposals, and did not end in time.
    #[error("APPLYING_ELSEWHERE: another session is applying proposals in this database")]
    ApplyingElsewhere,
    /// A trigger called us while we were applying.
    #[error("POLL_IN_PROGRESS: this session is polling already")]
    PollInProgress,
    /// On a standby, or in a read-only transaction.
    #[error("DATABASE_READ_ONLY: proposals can't be applied {0}")]
    ReadOnly(&'static str),
    /// CALL synapsor_poll() inside a transaction block.
    #[error(
        "TRANSACTION_BLOCK: CALL synapsor_poll() commits, and can't run inside a transaction block"
    )]
    TransactionBlock,
    /// The extension is not installed in this database (any more).
    #[error("EXTENSION_MISSING: the extension is not installed in this database")]
    ExtensionMissing,
    /// A person paused it.
    #[error("PAUSED: write-back is paused in this database {0}")]
    Paused(String),
    /// A dump was restored, or the database was cloned.
    #[error(
        "DATABASE_COPIED: this database is a copy of the one that write-back was set up in, and stays paused"
    )]
    Copy,
    /// A worker needs a role to connect as.
    #[error("APPLY_ROLE_NOT_SET: synapsor.apply_role is not set")]
    ApplyRoleNotSet,
    /// A worker can't connect as the role.
    #[error("APPLY_ROLE_CANNOT_CONNECT: role \"{role}\" {why}")]
    ApplyRoleCannotConnect {
        /// The role.
        role: String,
        /// `may not connect to this database`, …
        why: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// The role that a worker has connected as has a setting of its own that names another one.
    #[error(
        "APPLY_ROLE_AMBIGUOUS: the worker connected as role \"{role}\", for which synapsor.apply_role is another one"
    )]
    ApplyRoleAmbiguous {
        /// The role.
        role: String,
    },
    /// The postmaster has no room for another worker.
    #[error("NO_WORKER_SLOT: the server has no background worker slot free")]
    NoWorkerSlot,
    /// The wait for a synchronous standby was cut short.
    #[error(
        "COMMIT_NOT_REPLICATED: the wait for a synchronous standby was cancelled; nothing was reported"
    )]
    NotReplicated,
    /// A transaction of the worker's could not be committed, through no fault of a proposal.
    #[error("TRANSACTION_FAILED: {0}")]
    TransactionFailed(String),
    /// Another session changed the ledger under us, in a transaction that can't see it.
    #[error("LEDGER_CHANGED: another session decided some of these proposals meanwhile")]
    LedgerChanged,
    /// The ledger has something that we never write.
    #[error("LEDGER_UNREADABLE: {0}")]
    Ledger(String),
    /// The ledger has no such key.
    #[error(
        "LEDGER_KEY_UNKNOWN: the ledger has no row with this key; it was never tried in this database, or was pruned"
    )]
    LedgerKeyUnknown,
    /// Its outcome is final, and its report was accepted.
    #[error("NOTHING_TO_RETRY: the proposal is decided, and its report was accepted")]
    NothingToRetry,
    /// Its outcome is final, and no report of it is owed.
    #[error("NOTHING_TO_DISCARD: the proposal is decided, and no report of it is to be sent")]
    NothingToDiscard,
    /// Whoever looks at it later will want to know why.
    #[error("REASON_MISSING: say why it is discarded")]
    ReasonMissing,
    /// Nothing was changed.
    #[error("REVERT_NOT_APPLIED: the proposal is {0}: there is nothing to take back")]
    RevertNotApplied(String),
    /// Nothing was captured of the change.
    #[error("REVERT_NOT_CAPTURED: what the change replaced was not kept")]
    RevertNotCaptured,
    /// The row that was inserted can't be named.
    #[error("REVERT_KEY_UNKNOWN: the primary key of the row that was inserted is not known")]
    RevertKeyUnknown,
    /// Some values were not captured: which columns', and why.
    #[error("REVERT_INCOMPLETE: the values of some columns were not kept: {0}")]
    RevertIncomplete(String),
    /// jsonb has no form for a value.
    #[error("REVERT_NOT_EXACT: a JSON value of the row can't be handed out exactly")]
    RevertNotExact,
    /// The operating system gave us no thread, or a bug of ours ended it.
    #[error("HELPER_THREAD: {0}")]
    Thread(#[from] crate::pg::off_thread::OffThreadError),
    /// A proposal that was handed to the builder is refused.
    #[error("{0}")]
    Refused(#[from] Refusal),
}

impl From<pgrx::spi::SpiError> for ExtensionError {
    fn from(error: pgrx::spi::SpiError) -> Self {
        ExtensionError::Ledger(error.to_string())
    }
}

impl ExtensionError {
    /// The SQLSTATE that a client sees.
    pub fn sqlstate(&self) -> PgSqlErrorCode {
        use PgSqlErrorCode as S;
        match self {
            ExtensionError::ControlPlane(error) => of_cause(error.cause()),
            ExtensionError::BaseUrl(_) | ExtensionError::Client(_) | ExtensionError::CaFile(_) => {
                S::ERRCODE_INVALID_PARAMETER_VALUE
            }
            ExtensionError::ApiKey(_) | ExtensionError::ApiKeyMissing => {
                S::ERRCODE_CONFIG_FILE_ERROR
            }
            ExtensionError::AnswersTooSlow => S::ERRCODE_CONNECTION_FAILURE,
            ExtensionError::AnswerTooDeep => S::ERRCODE_PROTOCOL_VIOLATION,
            ExtensionError::SourceNotConfigured => S::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            ExtensionError::Source(_) | ExtensionError::ApplyRoleMissing { .. } => {
                S::ERRCODE_UNDEFINED_OBJECT
            }
            ExtensionError::LedgerKeyUnknown => S::ERRCODE_UNDEFINED_OBJECT,
            ExtensionError::NothingToRetry | ExtensionError::NothingToDiscard => {
                S::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE
            }
            ExtensionError::ReasonMissing => S::ERRCODE_INVALID_PARAMETER_VALUE,
            ExtensionError::RevertNotApplied(_)
            | ExtensionError::RevertNotCaptured
            | ExtensionError::RevertKeyUnknown
            | ExtensionError::RevertIncomplete(_) => S::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            ExtensionError::RevertNotExact => S::ERRCODE_FEATURE_NOT_SUPPORTED,
            ExtensionError::ClientSettings
            | ExtensionError::ApplyRoleNotPermitted { .. }
            | ExtensionError::ApplyRoleUnsafe { .. } => S::ERRCODE_INSUFFICIENT_PRIVILEGE,
            ExtensionError::ApplyingElsewhere => S::ERRCODE_LOCK_NOT_AVAILABLE,
            ExtensionError::PollInProgress => S::ERRCODE_OBJECT_IN_USE,
            ExtensionError::ReadOnly(_) => S::ERRCODE_READ_ONLY_SQL_TRANSACTION,
            ExtensionError::TransactionBlock => S::ERRCODE_ACTIVE_SQL_TRANSACTION,
            ExtensionError::ExtensionMissing
            | ExtensionError::ApplyRoleNotSet
            | ExtensionError::ApplyRoleAmbiguous { .. }
            | ExtensionError::Paused(_)
            | ExtensionError::Copy => S::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            ExtensionError::ApplyRoleCannotConnect { .. } => S::ERRCODE_INSUFFICIENT_PRIVILEGE,
            ExtensionError::NoWorkerSlot => S::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
            ExtensionError::NotReplicated => S::ERRCODE_QUERY_CANCELED,
            ExtensionError::TransactionFailed(_) => S::ERRCODE_TRANSACTION_ROLLBACK,
            ExtensionError::LedgerChanged => S::ERRCODE_T_R_SERIALIZATION_FAILURE,
            ExtensionError::Ledger(_) => S::ERRCODE_DATA_CORRUPTED,
            ExtensionError::Thread(_) => S::ERRCODE_INSUFFICIENT_RESOURCES,
            ExtensionError::Refused(_) => S::ERRCODE_INVALID_PARAMETER_VALUE,
        }
    }

    /// What the operator can do about it.
    pub fn hint(&self) -> Option<String> {
        if let ExtensionError::ControlPlane(error) = self {
            return Some(with_prefix(error.hint()));
        }
        self.own_hint().map(str::to_owned)
    }

    fn own_hint(&self) -> Option<&'static str> {
        Some(match self {
            ExtensionError::ControlPlane(_) => return None,
            ExtensionError::BaseUrl(_) => {
                "Set synapsor.base_url to the https address of the control plane."
            }
            ExtensionError::ApiKey(ApiKeyError::FileMissing | ApiKeyError::FileUnreadable(_)) => {
                "Set synapsor.api_key_file to a file that the server's user can read."
            }
            ExtensionError::ApiKey(ApiKeyError::FileExposed | ApiKeyError::FileOwner) => {
                "As root: chown it to the server's user and chmod 0600 (or leave it to root with 0640 and the server's group)."
            }
            ExtensionError::ApiKey(_) => "The file must hold the key, and nothing else.",
            ExtensionError::ApiKeyMissing => {
                "Set synapsor.api_key_file, or start the server with SYNAPSOR_API_KEY in its environment."
            }
            ExtensionError::Client(_) | ExtensionError::CaFile(_) => {
                "Set synapsor.ca_file to a PEM file that the server's user can read."
            }
            ExtensionError::ClientSettings => {
                "Connect without synapsor.* in PGOPTIONS or in the connection's options."
            }
            ExtensionError::SourceNotConfigured => {
                "ALTER DATABASE … SET synapsor.source_id = 'src_…', so that only this database's proposals are applied here."
            }
            ExtensionError::AnswersTooSlow => {
                "Check the network; synapsor.request_timeout sets the limit, which is twice as long."
            }
            ExtensionError::AnswerTooDeep => {
                "Check that synapsor.base_url points to the control plane, not to a website or proxy."
            }
            ExtensionError::Source(_) => {
                "Check synapsor.source_name and synapsor.project_id against the sources of the project."
            }
            ExtensionError::ApplyRoleMissing { .. } => {
                "CREATE ROLE it, or change synapsor.apply_role."
            }
            ExtensionError::ApplyRoleNotPermitted { .. } => "GRANT the apply role to the caller.",
            ExtensionError::ApplyRoleUnsafe { .. } => {
                "Set synapsor.apply_role to a role of its own, with column grants and nothing else; what ALTER DATABASE sets reaches new sessions only."
            }
            ExtensionError::ApplyingElsewhere => {
                "Wait for it, or look in pg_stat_activity and pg_prepared_xacts for a transaction that was left open after synapsor_poll_once()."
            }
            ExtensionError::PollInProgress => {
                "A trigger on a target table must not call synapsor functions."
            }
            ExtensionError::ReadOnly(_) => "Poll on the primary, in a read-write transaction.",
            ExtensionError::TransactionBlock => {
                "CALL it outside BEGIN … COMMIT, or use synapsor_poll_once()."
            }
            ExtensionError::ExtensionMissing => "CREATE EXTENSION synapsor_writeback.",
            ExtensionError::Paused(_) => "SELECT synapsor_resume().",
            ExtensionError::Copy => {
                "If this database shall take over from the original, which must not go on: SELECT synapsor_resume(). If it is a copy to test with, leave it paused."
            }
            ExtensionError::ApplyRoleNotSet => {
                "ALTER DATABASE … SET synapsor.apply_role to a role with column grants and nothing else."
            }
            ExtensionError::ApplyRoleCannotConnect { hint, .. } => hint,
            ExtensionError::ApplyRoleAmbiguous { .. } => {
                "Look in pg_db_role_setting; ALTER ROLE … RESET synapsor.apply_role, and set it for the database or the server."
            }
            ExtensionError::NoWorkerSlot => "Raise max_worker_processes, and restart the server.",
            ExtensionError::NotReplicated => {
                "Look at pg_stat_replication and synchronous_standby_names; the reports go out once a standby has what they are about."
            }
            ExtensionError::LedgerChanged => "Run the transaction again.",
            ExtensionError::LedgerKeyUnknown => {
                "The key is a proposal's idempotency_key, or its proposal_id where it has none: SELECT synapsor_explain('the proposal''s id') names it."
            }
            ExtensionError::NothingToRetry => {
                "A final outcome is never tried again. What is to be changed now takes another proposal."
            }
            ExtensionError::NothingToDiscard => {
                "An outcome that was told can't be taken back here; synapsor_revert_proposal() makes the proposal that would undo it, where synapsor.capture was on."
            }
            ExtensionError::ReasonMissing => "SELECT synapsor_discard('key', 'reason').",
            ExtensionError::RevertNotApplied(_) => {
                "SELECT synapsor_explain('key') tells what became of it."
            }
            ExtensionError::RevertNotCaptured => {
                "synapsor.capture was off when it was applied; set it for changes to come. Propose the old values by hand."
            }
            ExtensionError::RevertKeyUnknown => {
                "The table needs a primary key, and the apply role SELECT on it; under row security, the proposal has to name it. Delete the row by hand."
            }
            ExtensionError::RevertIncomplete(_) => {
                "GRANT SELECT on these columns to the apply role, for changes to come. Propose the old values by hand."
            }
            ExtensionError::RevertNotExact => "Propose the old values by hand.",
            ExtensionError::TransactionFailed(_) => {
                "Nothing of it has happened, and it is tried again. If it stays, look at what the condition's name says."
            }
            ExtensionError::Ledger(_) | ExtensionError::Refused(_) => return None,
            ExtensionError::Thread(_) => {
                "Look at the limits on threads and open files of the server's user."
            }
        })
    }

    /// The error as Postgres reports it.
    pub fn into_report(self) -> ErrorReport {
        let report = ErrorReport::new(self.sqlstate(), self.to_string(), "synapsor_writeback");
        match self.hint() {
            Some(hint) => report.set_hint(hint),
            None => report,
        }
    }
}

/// The result of an SQL function; pgrx raises its error with SQLSTATE and hint.
pub type Raised<T> = Result<T, ErrorReport>;

/// The core's hints name settings as the MySQL program knows them, too: without our prefix.
fn with_prefix(hint: &str) -> String {
    const NAMES: [&str; 7] = [
        "api_key_file",
        "base_url",
        "ca_file",
        "connect_timeout",
        "max_response_size",
        "report_concurrency",
        "request_timeout",
    ];
    NAMES.iter().fold(hint.to_owned(), |hint, name| {
        hint.replace(name, &format!("synapsor.{name}"))
    })
}

fn of_cause(cause: Cause) -> PgSqlErrorCode {
    use PgSqlErrorCode as S;
    match cause {
        Cause::Dns | Cause::Unreachable | Cause::Tls(_) => {
            S::ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION
        }
        Cause::Timeout | Cause::Interrupted | Cause::Busy | Cause::Unavailable => {
            S::ERRCODE_CONNECTION_FAILURE
        }
        Cause::Unauthorized | Cause::Forbidden => S::ERRCODE_INVALID_PASSWORD,
        _ => S::ERRCODE_PROTOCOL_VIOLATION,
    }
}
