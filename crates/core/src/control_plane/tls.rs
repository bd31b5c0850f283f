//! Which certificates are trusted, and the TLS that is spoken: 1.2 or newer, always verified.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};

use super::client::ClientError;

/// The TLS settings of one client, with the cryptography handed in; nothing global is installed, so that another
/// user of the library in the same process is left alone.
///
/// Trusted are the system's roots (found as OpenSSL finds them, `SSL_CERT_FILE` and `SSL_CERT_DIR` included) and the
/// certificates in `ca_pem`. A system without readable roots is an error only where there is no `ca_pem` either.
pub(super) fn client_config(ca_pem: Option<&[u8]>) -> Result<ClientConfig, ClientError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(pem) = ca_pem {
        add_extra(&mut roots, pem)?;
    }
    if roots.is_empty() {
        return Err(ClientError::NoTrustedCertificates);
    }
    with_roots(roots)
}

/// TLS settings for a client that speaks plain HTTP: they trust nobody.
pub(super) fn unused() -> Result<ClientConfig, ClientError> {
    with_roots(RootCertStore::empty())
}

fn with_roots(roots: RootCertStore) -> Result<ClientConfig, ClientError> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(ClientError::Tls)?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn add_extra(roots: &mut RootCertStore, pem: &[u8]) -> Result<(), ClientError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = certificates.map_err(|_| ClientError::CaMalformed)?;
    if certificates.is_empty() {
        return Err(ClientError::CaEmpty);
    }
    for certificate in certificates {
        roots
            .add(certificate)
            .map_err(|_| ClientError::CaMalformed)?;
    }
    Ok(())
}
