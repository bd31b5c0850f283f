//! Where the control plane is. Every rule about that URL is here.

use std::fmt;

use url::{Host, Url};

/// A checked base URL: `https`, or `http` to this machine; neither credentials, query nor fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    /// Scheme, host, port where it is not the scheme's own, and path, without a `/` at the end.
    text: String,
    encrypted: bool,
}

impl BaseUrl {
    /// Checks a base URL. Plain `http` is for loopback (`127.0.0.0/8`, `::1`, `localhost`), and for any host
    /// when `allow_insecure_http` says so. A `/` at the end is ignored.
    ///
    /// The text is checked before any library normalises it: one would drop line breaks, turn `\` into `/` and walk up `..`.
    ///
    /// # Errors
    /// A [`BaseUrlError`] for the first rule that is broken; it never quotes the text, which may hold a password.
    pub fn parse(text: &str, allow_insecure_http: bool) -> Result<Self, BaseUrlError> {
        check_text(text)?;
        let url = Url::parse(text).map_err(|_| BaseUrlError::Malformed)?;
        let host = url.host().ok_or(BaseUrlError::Malformed)?;
        let encrypted = url.scheme() == "https";
        if !encrypted && !allow_insecure_http && !is_loopback(&host) {
            return Err(BaseUrlError::Insecure);
        }
        Ok(BaseUrl {
            text: url.as_str().trim_end_matches('/').to_owned(),
            encrypted,
        })
    }

    /// True for `https`.
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Which rule a base URL breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    /// Nothing there.
    #[error("BASE_URL_EMPTY: the base URL is empty")]
    Empty,
    /// White space, a control character, a backslash, a character outside ASCII.
    #[error("BASE_URL_CHARACTERS: the base URL has a character that does not belong into one")]
    Characters,
    /// Neither `https://` nor `http://`.
    #[error("BASE_URL_SCHEME: the base URL must start with https://")]
    Scheme,
    /// A user name or a password.
    #[error("BASE_URL_CREDENTIALS: the base URL must not hold a user name or password")]
    Credentials,
    /// `?…`
    #[error("BASE_URL_QUERY: the base URL must not have a query")]
    Query,
    /// `#…`
    #[error("BASE_URL_FRAGMENT: the base URL must not have a fragment")]
    Fragment,
    /// `.` or `..` in its path.
    #[error("BASE_URL_DOT_SEGMENT: the path of the base URL must not have . or .. in it")]
    DotSegment,
    /// No host, a port that is none, …
    #[error("BASE_URL_MALFORMED: the base URL is not a URL")]
    Malformed,
    /// Plain `http` to another machine.
    #[error("BASE_URL_INSECURE: plain http is for this machine only; use https")]
    Insecure,
}

impl BaseUrlError {
    /// The stable code: the error's text up to the first `:`.
    pub fn code(self) -> &'static str {
        match self {
            BaseUrlError::Empty => "BASE_URL_EMPTY",
            BaseUrlError::Characters => "BASE_URL_CHARACTERS",
            BaseUrlError::Scheme => "BASE_URL_SCHEME",
            BaseUrlError::Credentials => "BASE_URL_CREDENTIALS",
            BaseUrlError::Query => "BASE_URL_QUERY",
            BaseUrlError::Fragment => "BASE_URL_FRAGMENT",
            BaseUrlError::DotSegment => "BASE_URL_DOT_SEGMENT",
            BaseUrlError::Malformed => "BASE_URL_MALFORMED",
            BaseUrlError::Insecure => "BASE_URL_INSECURE",
        }
    }
}

fn check_text(text: &str) -> Result<(), BaseUrlError> {
    if text.is_empty() {
        return Err(BaseUrlError::Empty);
    }
    if !text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\') {
        return Err(BaseUrlError::Characters);
    }
    let rest = ["https://", "http://"].iter().find_map(|scheme| {
        let (head, rest) = text.split_at_checked(scheme.len())?;
        head.eq_ignore_ascii_case(scheme).then_some(rest)
    });
    let rest = rest.ok_or(BaseUrlError::Scheme)?;
    if rest.contains('#') {
        return Err(BaseUrlError::Fragment);
    }
    if rest.contains('?') {
        return Err(BaseUrlError::Query);
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if authority.contains('@') {
        return Err(BaseUrlError::Credentials);
    }
    if authority.is_empty() {
        return Err(BaseUrlError::Malformed);
    }
    if path.split('/').any(is_dot_segment) {
        return Err(BaseUrlError::DotSegment);
    }
    Ok(())
}

/// True for a path segment that URL libraries take for "this folder" or "the folder above".
pub(super) fn is_dot_segment(segment: &str) -> bool {
    matches!(
        segment.to_ascii_lowercase().replace("%2e", ".").as_str(),
        "." | ".."
    )
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, BaseUrlError> {
        BaseUrl::parse(text, false).map(|url| url.to_string())
    }

    #[test]
    fn a_slash_at_the_end_is_ignored() {
        for text in [
            "https://synapsor.ai",
            "https://synapsor.ai/",
            "HTTPS://Synapsor.AI:443//",
        ] {
            assert_eq!(parse(text).unwrap(), "https://synapsor.ai");
        }
        assert_eq!(
            parse("https://x.test:8443/a/b/").unwrap(),
            "https://x.test:8443/a/b"
        );
    }

    #[test]
    fn it_knows_whether_it_is_encrypted() {
        for (text, encrypted) in [("HTTPS://localhost", true), ("HTTP://localhost", false)] {
            let url = BaseUrl::parse(text, false).unwrap();
            assert_eq!(url.is_encrypted(), encrypted, "{text}");
        }
    }

    #[test]
    fn plain_http_goes_to_this_machine_only() {
        let here = [
            "http://localhost:1",
            "http://127.0.0.1",
            "http://127.9.9.9/x",
            "http://[::1]:80",
        ];
        for text in here {
            assert!(parse(text).is_ok(), "{text}");
        }
        let elsewhere = [
            "http://synapsor.ai",
            "http://10.0.0.1",
            "http://localhost.evil.test",
            "http://127.0.0.1.evil.test",
            "http://0.0.0.0",
            "http://[::]",
            "http://[::ffff:10.0.0.1]",
        ];
        for text in elsewhere {
            assert_eq!(parse(text), Err(BaseUrlError::Insecure), "{text}");
            assert!(BaseUrl::parse(text, true).is_ok(), "{text}");
        }
    }

    #[test]
    fn each_violation_has_its_own_error() {
        let cases = [
            ("", BaseUrlError::Empty),
            (" https://x.test", BaseUrlError::Characters),
            ("https://x.te\nst", BaseUrlError::Characters),
            ("https://x.te\tst", BaseUrlError::Characters),
            ("https:\\\\x.test", BaseUrlError::Characters),
            ("https://x.test\\@evil.test", BaseUrlError::Characters),
            ("https://ⅹ.test", BaseUrlError::Characters),
            ("ftp://x.test", BaseUrlError::Scheme),
            ("synapsor.ai", BaseUrlError::Scheme),
            ("https:x.test", BaseUrlError::Scheme),
            ("https:/x.test", BaseUrlError::Scheme),
            ("file:///etc/passwd", BaseUrlError::Scheme),
            ("https://u:p@x.test", BaseUrlError::Credentials),
            ("https://@x.test", BaseUrlError::Credentials),
            ("https://:@x.test", BaseUrlError::Credentials),
            ("https://x.test/?a=1", BaseUrlError::Query),
            ("https://x.test?", BaseUrlError::Query),
            ("https://x.test/#f", BaseUrlError::Fragment),
            ("https://x.test/a/../b", BaseUrlError::DotSegment),
            ("https://x.test/%2E%2e/b", BaseUrlError::DotSegment),
            ("https://x.test/.", BaseUrlError::DotSegment),
            ("https://", BaseUrlError::Malformed),
            ("https:///x.test", BaseUrlError::Malformed),
            ("https://x.test:99999", BaseUrlError::Malformed),
            ("https://[::1", BaseUrlError::Malformed),
        ];
        for (text, error) in cases {
            assert_eq!(parse(text), Err(error), "{text:?}");
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("{}: ", error.code()))
            );
        }
    }
}
