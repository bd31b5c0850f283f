//! Certificates made on the spot, good ones and bad ones.

use std::io;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{self, ServerConfig};

/// The server certificate of a simulator, issued by a certificate authority of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Certificate {
    /// For `localhost`, `127.0.0.1` and `::1`, and in time.
    #[default]
    Valid,
    /// The same, but it ran out in 2001.
    Expired,
    /// In time, but for `elsewhere.example`.
    WrongHost,
}

/// What a simulator needs to speak TLS, and a client to trust it.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) ca_pem: String,
}

impl Tls {
    pub(crate) fn new(certificate: Certificate) -> io::Result<Self> {
        let (ca_pem, issuer) = authority().map_err(io::Error::other)?;
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let signed = parameters(certificate)
            .and_then(|parameters| parameters.signed_by(&key, &issuer))
            .map_err(io::Error::other)?;
        let config = server_config(&signed, &key).map_err(io::Error::other)?;
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            ca_pem,
        })
    }
}

fn authority() -> Result<(String, Issuer<'static, KeyPair>), rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut parameters = CertificateParams::default();
    let name = "Simulated control plane CA";
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let pem = parameters.self_signed(&key)?.pem();
    Ok((pem, Issuer::new(parameters, key)))
}

fn parameters(certificate: Certificate) -> Result<CertificateParams, rcgen::Error> {
    let hosts: &[&str] = match certificate {
        Certificate::WrongHost => &["elsewhere.example"],
        _ => &["localhost", "127.0.0.1", "::1"],
    };
    let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
    let mut parameters = CertificateParams::new(hosts)?;
    if certificate == Certificate::Expired {
        parameters.not_before = date_time_ymd(2000, 1, 1);
        parameters.not_after = date_time_ymd(2001, 1, 1);
    }
    Ok(parameters)
}

fn server_config(
    certificate: &rcgen::Certificate,
    key: &KeyPair,
) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
