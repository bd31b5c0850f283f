//! From the HTTP library's error to a cause that an operator understands.

use std::error::Error;
use std::io;

use rustls::CertificateError;

use super::dns::DnsError;
use super::error::{Cause, TlsFault};

/// The cause of a call that got no answer, or an incomplete one. Told by the types in the chain of sources, never by a
/// text.
pub(super) fn cause_of(error: &(dyn Error + 'static)) -> Cause {
    if let Some(cause) = chain(error).find_map(deep_cause) {
        return cause;
    }
    let library = chain(error).find_map(|link| link.downcast_ref::<reqwest::Error>());
    let timed_out = chain(error)
        .filter_map(|link| link.downcast_ref::<reqwest::Error>())
        .any(reqwest::Error::is_timeout);
    match library {
        _ if timed_out => Cause::Timeout,
        Some(library) if library.is_connect() => Cause::Unreachable,
        _ => Cause::Interrupted,
    }
}

fn deep_cause(link: &(dyn Error + 'static)) -> Option<Cause> {
    if link.is::<DnsError>() {
        return Some(Cause::Dns);
    }
    link.downcast_ref::<rustls::Error>()
        .map(|error| Cause::Tls(tls_fault(error)))
}

/// The error and its sources. An [`io::Error`] hides the error that it wraps from `source`, and is opened here.
fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |link: &&'e (dyn Error + 'static)| {
        let link: &'e (dyn Error + 'static) = *link;
        let wrapped = link
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        match wrapped {
            Some(wrapped) => Some(wrapped as &(dyn Error + 'static)),
            None => link.source(),
        }
    })
}

fn tls_fault(error: &rustls::Error) -> TlsFault {
    use rustls::Error as Tls;
    match error {
        Tls::InvalidCertificate(error) => certificate_fault(error),
        Tls::InvalidMessage(_) => TlsFault::NotTls,
        _ => TlsFault::Handshake,
    }
}

fn certificate_fault(error: &CertificateError) -> TlsFault {
    use CertificateError as Bad;
    match error {
        Bad::Expired | Bad::ExpiredContext { .. } => TlsFault::Expired,
        Bad::NotValidYet | Bad::NotValidYetContext { .. } => TlsFault::NotYetValid,
        Bad::NotValidForName | Bad::NotValidForNameContext { .. } => TlsFault::WrongHost,
        Bad::Revoked => TlsFault::Revoked,
        _ => TlsFault::NotTrusted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_of_a_certificate_is_called_what_it_is() {
        use CertificateError as Bad;
        for (error, fault) in [
            (Bad::Expired, TlsFault::Expired),
            (Bad::NotValidYet, TlsFault::NotYetValid),
            (Bad::NotValidForName, TlsFault::WrongHost),
            (Bad::Revoked, TlsFault::Revoked),
            (Bad::UnknownIssuer, TlsFault::NotTrusted),
        ] {
            let error = rustls::Error::InvalidCertificate(error);
            let wrapped = io::Error::other(io::Error::other(error));
            assert_eq!(cause_of(&wrapped), Cause::Tls(fault));
        }
    }

    #[test]
    fn a_handshake_without_agreement_is_no_fault_of_a_certificate() {
        let alert = rustls::AlertDescription::HandshakeFailure;
        let error = rustls::Error::AlertReceived(alert);
        assert_eq!(cause_of(&error), Cause::Tls(TlsFault::Handshake));
    }
}
