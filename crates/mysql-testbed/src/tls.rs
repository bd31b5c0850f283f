//! Certificates made on the spot.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use synapsor_testbed::nursery;

use crate::program::option;

/// A certificate authority of its own, and a server's certificate from it, in files that stay until the process ends.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The authority's certificate, by which a client trusts the server.
    pub ca: PathBuf,
    /// The server's certificate.
    pub certificate: PathBuf,
    /// The server's key.
    pub key: PathBuf,
}

impl TlsFiles {
    /// A certificate for `localhost` and 127.0.0.1.
    #[must_use]
    pub fn new() -> Self {
        TlsFiles::for_hosts(&["localhost", "127.0.0.1"])
    }

    /// A certificate for other hosts, such as the wrong ones.
    ///
    /// # Panics
    /// When it can't be made.
    #[must_use]
    pub fn for_hosts(hosts: &[&str]) -> Self {
        TlsFiles::valid_until(hosts, 4096)
    }

    /// A certificate for `localhost` and 127.0.0.1 that was good once.
    #[must_use]
    pub fn expired() -> Self {
        TlsFiles::valid_until(&["localhost", "127.0.0.1"], 2001)
    }

    fn valid_until(hosts: &[&str], year: i32) -> Self {
        let home = nursery::empty_home();
        let (ca, certificate, key) = sign(hosts, year).expect("certificates can be made");
        TlsFiles {
            ca: write(&home, "ca.pem", &ca, 0o644),
            certificate: write(&home, "server.pem", &certificate, 0o644),
            key: write(&home, "server-key.pem", &key, 0o600),
        }
    }

    /// Puts another server's certificate and key, and the authority behind it, in the place of these.
    ///
    /// # Panics
    /// When they can't be copied.
    pub fn replace_with(&self, other: &TlsFiles) {
        for (from, to) in [
            (&other.ca, &self.ca),
            (&other.certificate, &self.certificate),
            (&other.key, &self.key),
        ] {
            fs::copy(from, to).expect("a certificate can be replaced");
        }
    }

    /// The options by which a server uses them.
    #[must_use]
    pub fn server_options(&self) -> [String; 3] {
        [
            option("ssl-ca", &self.ca),
            option("ssl-cert", &self.certificate),
            option("ssl-key", &self.key),
        ]
    }
}

impl Default for TlsFiles {
    fn default() -> Self {
        TlsFiles::new()
    }
}

fn write(home: &Path, name: &str, pem: &str, mode: u32) -> PathBuf {
    let path = home.join(name);
    nursery::write_file(&path, pem, mode);
    path
}

/// The authority's certificate, the server's and the server's key.
fn sign(hosts: &[&str], last_year: i32) -> Result<(String, String, String), rcgen::Error> {
    let (ca, issuer) = authority()?;
    let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
    let key = KeyPair::generate()?;
    let mut parameters = CertificateParams::new(hosts)?;
    parameters.not_after = date_time_ymd(last_year, 1, 1);
    let certificate = parameters.signed_by(&key, &issuer)?;
    Ok((ca, certificate.pem(), key.serialize_pem()))
}

fn authority() -> Result<(String, Issuer<'static, KeyPair>), rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut parameters = CertificateParams::default();
    let name = "Testbed CA";
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let pem = parameters.self_signed(&key)?.pem();
    Ok((pem, Issuer::new(parameters, key)))
}
