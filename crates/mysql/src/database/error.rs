//! Errors of the database: which of them pass, which mean that the connection is gone, and what may be told of each.

use std::error::Error;
use std::io;

use mysql::DriverError;

use super::error_names;
use crate::exit::Exit;

/// What went wrong with the database. Displayed as `CODE: text`; quotes neither a value nor the URL.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DatabaseError {
    /// Nothing says where it is.
    #[error("DATABASE_URL_MISSING: nothing says where the database is")]
    UrlMissing,
    /// The URL breaks a rule.
    #[error("DATABASE_URL_INVALID: the database's URL can't be used: {0}")]
    UrlInvalid(&'static str),
    /// Plain text to another machine.
    #[error("DATABASE_TLS_REQUIRED: ssl-mode=disabled is for this machine and for sockets only")]
    TlsRequired,
    /// The extra certificate authority can't be used.
    #[error("DATABASE_CA_FILE: the database's certificate authority can't be read: {0}")]
    CaFile(String),
    /// No trusted TLS connection.
    #[error("DATABASE_TLS: {0}")]
    Tls(String),
    /// No connection.
    #[error("DATABASE_UNREACHABLE: no connection to the database: {0}")]
    Unreachable(String),
    /// User, password or host are not accepted.
    #[error("DATABASE_ACCESS_DENIED: {0}")]
    AccessDenied(Told),
    /// The account proves itself in a way that is not spoken here.
    #[error(
        "DATABASE_ACCESS_DENIED: the server asks for the authentication plugin {0}, which this program does not speak"
    )]
    AuthPlugin(String),
    /// A server that lacks what we need.
    #[error("DATABASE_UNSUPPORTED: {0}")]
    Unsupported(String),
    /// The connection is gone; what it was busy with may or may not have happened.
    #[error("DATABASE_CONNECTION_LOST: the connection was lost: {0}")]
    Lost(String),
    /// A statement took longer than allowed, and its connection was closed.
    #[error("STATEMENT_TIMEOUT: a statement took longer than statement_timeout")]
    TimedOut,
    /// The program was asked to stop while a statement ran, and its connection was closed.
    #[error("STOPPED: asked to stop")]
    Stopped,
    /// The server answered with an error.
    #[error("DATABASE_ERROR: {0}")]
    Server(Told),
    /// The server answered with something that is not understood.
    #[error("DATABASE_UNEXPECTED: the server sent a value that is not understood")]
    Unexpected,
}

/// A server's error, of which only what quotes no row is displayed: `SQLSTATE 42S02: ER_NO_SUCH_TABLE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The server's number.
    pub errno: u16,
    /// `23000`
    pub sqlstate: String,
    /// The server's text; may quote rows.
    pub message: String,
}

impl Told {
    /// The number's name.
    pub fn name(&self) -> &'static str {
        error_names::name(self.errno)
    }

    /// True where the text speaks of users, rights and names only.
    fn is_harmless(&self) -> bool {
        matches!(
            self.errno,
            1044 | 1045
                | 1049
                | 1129
                | 1130
                | 1142
                | 1143
                | 1146
                | 1227
                | 1290
                | 1370
                | 1410
                | 1698
                | 1820
                | 1836
                | 1862
                | 3118
                | 4151
        )
    }

    /// Worth another try: locks, resources, a server that shuts down, is read-only or not ready.
    pub fn is_transient(&self) -> bool {
        self.is_lost()
            || self.sqlstate.starts_with("40")
            || matches!(
                self.errno,
                // Locks and limits of time; interrupted.
                1205 | 1206 | 1213 | 1317 | 1969 | 3024 | 3058 | 3572 |
                // Resources.
                1016 | 1021 | 1026 | 1030 | 1037 | 1038 | 1040 | 1041 | 1114 | 1203 | 1135 | 1226 | 1461 | 1637 | 1689 | 1878 | 3019 |
                // Read-only, or not ready in its cluster.
                1047 | 1290 | 1792 | 1836 | 3100 | 3101 |
                // Somebody changed the table, or the row, in between.
                1020 | 1412 | 1615 |
                // The commit itself.
                1180
            )
    }

    /// The server says good-bye: the connection is no good any more.
    pub fn is_lost(&self) -> bool {
        matches!(
            self.errno,
            1053 | 1077 | 1079 | 1152 | 1158..=1161 | 1184 | 1927 | 3168 | 3169 | 4031
        )
    }
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "SQLSTATE {}: {} ({})",
            self.sqlstate,
            self.name(),
            self.errno
        )?;
        if self.is_harmless() {
            let message = self.message.replace(char::is_control, "?");
            write!(f, ", {message}")?;
        }
        Ok(())
    }
}

impl DatabaseError {
    /// The same, met while connecting.
    pub fn while_connecting(self) -> Self {
        match self {
            DatabaseError::Server(told)
                if matches!(
                    told.errno,
                    1044 | 1045
                        | 1049
                        | 1129
                        | 1130
                        | 1251
                        | 1275
                        | 1698
                        | 1820
                        | 1862
                        | 3118
                        | 4151
                ) =>
            {
                DatabaseError::AccessDenied(told)
            }
            DatabaseError::Lost(why) => DatabaseError::Unreachable(why),
            other => other,
        }
    }

    /// True when the connection is no good any more.
    pub fn is_lost(&self) -> bool {
        match self {
            DatabaseError::Server(told) => told.is_lost(),
            DatabaseError::Lost(_)
            | DatabaseError::TimedOut
            | DatabaseError::Stopped
            | DatabaseError::Unexpected => true,
            _ => false,
        }
    }

    /// True when trying again may help, without anybody's doing.
    pub fn is_transient(&self) -> bool {
        match self {
            DatabaseError::Server(told) | DatabaseError::AccessDenied(told) => told.is_transient(),
            DatabaseError::Lost(_)
            | DatabaseError::TimedOut
            | DatabaseError::Stopped
            | DatabaseError::Unreachable(_) => true,
            _ => false,
        }
    }

    /// The server's number, where it answered.
    pub fn errno(&self) -> Option<u16> {
        match self {
            DatabaseError::Server(told) | DatabaseError::AccessDenied(told) => Some(told.errno),
            _ => None,
        }
    }

    /// What the operator can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            DatabaseError::UrlMissing => {
                "Put mysql://user:password@host/database into a file of mode 0600 and name it with --database-url-file, or set SYNAPSOR_DATABASE_URL."
            }
            DatabaseError::UrlInvalid(_) => {
                "The form is mysql://user:password@host:3306/database?ssl-mode=…&socket=…, with special characters percent-encoded."
            }
            DatabaseError::TlsRequired => {
                "Leave ssl-mode away, or use ssl-mode=required where the certificate can't be verified."
            }
            DatabaseError::CaFile(_) => {
                "Name a file of PEM certificates with --database-ca-file, or leave it away."
            }
            DatabaseError::Tls(_) => {
                "Name the server's certificate authority with --database-ca-file; ssl-mode=required encrypts without verifying."
            }
            DatabaseError::Unreachable(_) => {
                "Check host and port, whether the server runs, and firewalls on the way."
            }
            DatabaseError::AccessDenied(_) => {
                "Check user, password and database; on the server: SHOW GRANTS FOR the user."
            }
            DatabaseError::AuthPlugin(_) => {
                "Give the user caching_sha2_password, or mysql_native_password on MariaDB. MySQL asks so for some users that it does not know, too: check the user's name."
            }
            DatabaseError::Server(told) if matches!(told.errno, 1142 | 1143 | 1227 | 1044) => {
                "`migrate --print` shows the GRANTs that are needed."
            }
            DatabaseError::Lost(_) => {
                "Nothing is lost: what was not committed stays approved, and what was is reported. Look into the server's log if it stays."
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }

    /// How the program ends.
    pub fn exit(&self) -> Exit {
        match self {
            DatabaseError::UrlMissing
            | DatabaseError::UrlInvalid(_)
            | DatabaseError::TlsRequired
            | DatabaseError::CaFile(_)
            | DatabaseError::Unsupported(_) => Exit::Configuration,
            DatabaseError::Tls(_) => Exit::Refused,
            DatabaseError::AccessDenied(_) | DatabaseError::AuthPlugin(_) => Exit::NoPermission,
            DatabaseError::Server(told) if matches!(told.errno, 1044 | 1142 | 1143 | 1227) => {
                Exit::NoPermission
            }
            DatabaseError::Stopped => Exit::Success,
            error if error.is_transient() => Exit::TryAgain,
            _ => Exit::Refused,
        }
    }
}

impl From<mysql::Error> for DatabaseError {
    fn from(error: mysql::Error) -> Self {
        match error {
            mysql::Error::MySqlError(error) => DatabaseError::Server(Told {
                errno: error.code,
                sqlstate: error.state,
                message: error.message,
            }),
            mysql::Error::IoError(error) => of_io(&error),
            mysql::Error::CodecError(error) => {
                let cause = error.source().and_then(|cause| cause.downcast_ref());
                let other = || DatabaseError::Lost("what came is not MySQL's protocol".into());
                cause.map_or_else(other, of_io)
            }
            mysql::Error::TlsError(error) => DatabaseError::Tls(error.to_string()),
            mysql::Error::DriverError(error) => of_driver(&error),
            mysql::Error::UrlError(_) => DatabaseError::UrlInvalid("the driver can't use it"),
            mysql::Error::FromValueError(_) | mysql::Error::FromRowError(_) => {
                DatabaseError::Unexpected
            }
        }
    }
}

/// TLS's errors come wrapped into those of input and output, as data that is not valid.
fn of_io(error: &io::Error) -> DatabaseError {
    let text = error.to_string();
    match error.kind() {
        io::ErrorKind::InvalidData if error.get_ref().is_some() => DatabaseError::Tls(text),
        _ if text.contains("handshake") => DatabaseError::Tls(text),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            DatabaseError::Lost("no answer in time".into())
        }
        kind => DatabaseError::Lost(kind.to_string()),
    }
}

fn of_driver(error: &DriverError) -> DatabaseError {
    match error {
        DriverError::ConnectTimeout | DriverError::Timeout => {
            DatabaseError::Unreachable("no answer in time".into())
        }
        DriverError::CouldNotConnect(Some((place, _, kind))) => {
            DatabaseError::Unreachable(format!("{place}: {kind}"))
        }
        DriverError::CouldNotConnect(None) => DatabaseError::Unreachable("no address".into()),
        DriverError::TlsNotSupported => DatabaseError::Tls("the server does not speak TLS".into()),
        DriverError::UnknownAuthPlugin(name) => {
            DatabaseError::AuthPlugin(name.escape_debug().to_string())
        }
        DriverError::OldMysqlPasswordDisabled => {
            DatabaseError::AuthPlugin("mysql_old_password".into())
        }
        DriverError::CleartextPluginDisabled => {
            DatabaseError::AuthPlugin("mysql_clear_password".into())
        }
        _ => DatabaseError::Lost("the driver gave up".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(errno: u16, sqlstate: &str) -> Told {
        Told {
            errno,
            sqlstate: sqlstate.into(),
            message: "Duplicate entry 'secret' for key 'PRIMARY'".into(),
        }
    }

    #[test]
    fn what_passes_is_tried_again_and_what_does_not_is_not() {
        for errno in [1205, 1213, 1053, 1290, 1836, 1792, 1040, 1317, 1927, 1180] {
            assert!(told(errno, "HY000").is_transient(), "{errno}");
        }
        assert!(told(9_999, "40001").is_transient());
        for errno in [
            1062, 1451, 1452, 3819, 4025, 1048, 1406, 1264, 1142, 1146, 1054, 1644,
        ] {
            assert!(!told(errno, "23000").is_transient(), "{errno}");
        }
    }

    #[test]
    fn a_row_s_value_is_never_displayed() {
        let error = DatabaseError::Server(told(1062, "23000"));
        assert_eq!(
            error.to_string(),
            "DATABASE_ERROR: SQLSTATE 23000: ER_DUP_ENTRY (1062)"
        );
    }
}
