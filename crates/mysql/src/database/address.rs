//! Where the database is, and how much TLS it takes to go there. Every rule about the connection's URL is here.

use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;

use mysql::consts::CapabilityFlags;
use mysql::{Opts, OptsBuilder, SslOpts};
use percent_encoding::percent_decode_str;
use url::{Host, Url};

use super::error::DatabaseError;
use crate::settings::DatabaseSettings;

/// How much TLS a connection has. The words are those of MySQL's own clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SslMode {
    /// None: for this machine only.
    Disabled,
    /// Encrypted, whoever answers.
    Required,
    /// Signed by an authority that we trust.
    VerifyCa,
    /// And for the host that we asked for. The default for other machines.
    VerifyIdentity,
}

/// A checked address: `mysql://user:password@host:port/database?ssl-mode=&socket=`.
#[derive(Clone)]
pub struct Address {
    user: String,
    password: String,
    host: String,
    port: u16,
    socket: Option<String>,
    database: Option<String>,
    ssl_mode: SslMode,
}

impl Address {
    /// Checks a connection's URL: scheme `mysql` or `mariadb`; user, password and database percent-encoded; `socket=<path>` for a
    /// Unix socket; `ssl-mode` one of `disabled`, `required`, `verify-ca`, `verify-identity`. Without `ssl-mode`, this machine is reached as
    /// it is, and any other with `verify-identity`.
    ///
    /// # Errors
    /// `DATABASE_URL_INVALID: <rule>`, which never quotes the URL; `DATABASE_TLS_REQUIRED`.
    pub fn parse(text: &str) -> Result<Self, DatabaseError> {
        let url = Url::parse(text).map_err(|_| invalid("it is not a URL"))?;
        if !matches!(url.scheme(), "mysql" | "mariadb") {
            return Err(invalid("it must start with mysql://"));
        }
        if url.fragment().is_some() {
            return Err(invalid("it has a # in it; write %23 in a password"));
        }
        let host = url.host_str().unwrap_or("localhost");
        let mut address = Address {
            user: decoded(url.username())?,
            password: decoded(url.password().unwrap_or_default())?,
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(3306),
            socket: None,
            database: Some(decoded(url.path().trim_start_matches('/'))?).filter(|d| !d.is_empty()),
            ssl_mode: SslMode::VerifyIdentity,
        };
        let mut ssl_mode = None;
        for (name, value) in url.query_pairs() {
            match name.as_ref() {
                "socket" => address.socket = Some(value.into_owned()),
                "ssl-mode" => ssl_mode = Some(SslMode::parse(&value)?),
                _ => return Err(invalid("it has a parameter other than socket and ssl-mode")),
            }
        }
        // What is left of a password with a / in it would be shown as a port.
        if url.path().trim_start_matches('/').contains(['/', '@', ':']) {
            return Err(invalid(
                "it has a /, @ or : in the database's name; write %2F, %40 and %3A, in a password too",
            ));
        }
        let is_here = address.socket.is_some() || is_loopback(&url);
        address.ssl_mode = match ssl_mode {
            None if is_here => SslMode::Disabled,
            None => SslMode::VerifyIdentity,
            Some(SslMode::Disabled) if !is_here => return Err(DatabaseError::TlsRequired),
            Some(mode) => mode,
        };
        Ok(address)
    }

    /// How much TLS it takes.
    pub fn ssl_mode(&self) -> SslMode {
        self.ssl_mode
    }

    /// Host and port, or the socket: fit to be shown.
    pub fn place(&self) -> String {
        match &self.socket {
            Some(socket) => socket.clone(),
            None => format!("{}:{}", self.host, self.port),
        }
    }

    /// Host and port, where the host is a name that has to be looked up.
    pub fn name(&self) -> Option<(&str, u16)> {
        let is_name = self.socket.is_none() && self.host.parse::<IpAddr>().is_err();
        is_name.then_some((self.host.as_str(), self.port))
    }

    /// Looks whether there is a certificate in the extra authority's file, where one is named and needed.
    ///
    /// # Errors
    /// `DATABASE_CA_FILE`
    pub fn require_ca(&self, settings: &DatabaseSettings) -> Result<(), DatabaseError> {
        const HEAD: &str = "-----BEGIN CERTIFICATE-----";
        let needed = matches!(self.ssl_mode, SslMode::VerifyCa | SslMode::VerifyIdentity);
        let Some(path) = settings.ca_file.as_ref().filter(|_| needed) else {
            return Ok(());
        };
        let text =
            fs::read(path).map_err(|error| DatabaseError::CaFile(error.kind().to_string()))?;
        if String::from_utf8_lossy(&text).contains(HEAD) {
            Ok(())
        } else {
            Err(DatabaseError::CaFile(
                "it holds no certificate (PEM)".into(),
            ))
        }
    }

    /// What the driver needs. While it connects, it waits no longer for an answer than for the connection.
    pub fn options(&self, settings: &DatabaseSettings) -> Opts {
        let patience = Some(settings.connect_timeout);
        let builder = OptsBuilder::new()
            .user(Some(&self.user))
            .pass(Some(&self.password))
            .ip_or_hostname(Some(&self.host))
            .tcp_port(self.port)
            .socket(self.socket.as_deref())
            .db_name(self.database.as_deref())
            // It would look for a socket by itself.
            .prefer_socket(false)
            .tcp_connect_timeout(Some(settings.connect_timeout))
            .read_timeout(patience)
            .write_timeout(patience)
            .tcp_keepalive_time_ms(Some(10_000))
            // Rows that match count, also where nothing changes: writing the same value is no conflict.
            .additional_capabilities(CapabilityFlags::CLIENT_FOUND_ROWS)
            .ssl_opts(self.ssl_options(settings));
        builder.into()
    }

    fn ssl_options(&self, settings: &DatabaseSettings) -> Option<SslOpts> {
        let root = settings.ca_file.as_ref().map(PathBuf::from);
        let options = SslOpts::default().with_root_cert_path(root);
        match self.ssl_mode {
            SslMode::Disabled => None,
            SslMode::Required => Some(
                SslOpts::default()
                    .with_danger_accept_invalid_certs(true)
                    .with_danger_skip_domain_validation(true),
            ),
            SslMode::VerifyCa => Some(options.with_danger_skip_domain_validation(true)),
            SslMode::VerifyIdentity => Some(options),
        }
    }
}

impl SslMode {
    fn parse(text: &str) -> Result<Self, DatabaseError> {
        match text.to_ascii_lowercase().replace('_', "-").as_str() {
            "disabled" => Ok(SslMode::Disabled),
            "required" => Ok(SslMode::Required),
            "verify-ca" => Ok(SslMode::VerifyCa),
            "verify-identity" => Ok(SslMode::VerifyIdentity),
            _ => Err(invalid(
                "ssl-mode is none of disabled, required, verify-ca, verify-identity",
            )),
        }
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            SslMode::Disabled => "disabled",
            SslMode::Required => "required",
            SslMode::VerifyCa => "verify-ca",
            SslMode::VerifyIdentity => "verify-identity",
        }
    }
}

fn decoded(text: &str) -> Result<String, DatabaseError> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded
        .map(|text| text.into_owned())
        .map_err(|_| invalid("it is not UTF-8"))
}

/// A scheme that the library does not know leaves addresses as texts.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        None => true,
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => {
            name == "localhost" || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
        }
    }
}

fn invalid(rule: &'static str) -> DatabaseError {
    DatabaseError::UrlInvalid(rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> Result<&'static str, String> {
        Address::parse(url)
            .map(|address| address.ssl_mode().as_str())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn another_machine_is_reached_with_verified_tls_unless_told_otherwise() {
        for url in [
            "mysql://u:p@db.test/shop",
            "mysql://u@10.0.0.1",
            "mariadb://u@localhost.evil.test",
            "mysql://u@127.0.0.1.evil.test",
            "mysql://u@[::2]",
        ] {
            assert_eq!(mode(url), Ok("verify-identity"), "{url}");
        }
        assert_eq!(mode("mysql://u@db.test?ssl-mode=REQUIRED"), Ok("required"));
        assert_eq!(
            mode("mysql://u@db.test?ssl-mode=VERIFY_CA"),
            Ok("verify-ca")
        );
        let disabled = mode("mysql://u@db.test?ssl-mode=disabled").unwrap_err();
        assert!(disabled.starts_with("DATABASE_TLS_REQUIRED"), "{disabled}");
    }

    #[test]
    fn this_machine_is_reached_as_it_is() {
        for url in [
            "mysql://u:p@localhost/shop",
            "mysql://u@127.0.0.9:3307",
            "mysql://u@[::1]/shop",
            "mysql://u@db.test/shop?socket=%2Frun%2Fmysqld.sock",
        ] {
            assert_eq!(mode(url), Ok("disabled"), "{url}");
        }
        assert_eq!(
            mode("mysql://u@localhost?ssl-mode=required"),
            Ok("required")
        );
    }

    #[test]
    fn an_error_names_the_rule_and_never_quotes_the_url() {
        for url in [
            "secret",
            "postgres://u:secret@h/d",
            "mysql://u:secret@h/d#x",
            "mysql://u:secret@h/d?ssl-mode=secret",
            "mysql://u:secret@h/d?secret=1",
            "mysql://u:%ffsecret@h/d",
            "mysql://u:secret/word@h/d",
            "mysql://u:12/secret@h/d",
            "mysql://u:12/sec/ret",
        ] {
            let error = mode(url).unwrap_err();
            assert!(error.starts_with("DATABASE_URL_INVALID: "), "{error}");
            assert!(
                !error.contains("secret") && !error.contains("12"),
                "{error}"
            );
        }
    }

    #[test]
    fn what_is_percent_encoded_is_decoded() {
        let address = Address::parse("mysql://a%40b:p%23%2F@localhost:3307/my%20shop").unwrap();
        assert_eq!(address.user, "a@b");
        assert_eq!(address.password, "p#/");
        assert_eq!(address.database.as_deref(), Some("my shop"));
        assert_eq!(address.place(), "localhost:3307");
    }
}
