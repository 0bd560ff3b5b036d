//! A certificate authority for one run, and what it signs for loopback.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256, RsaKeySize,
};

use crate::failure::{Result, While};

/// A certificate and its key, as PEM.
#[derive(Debug)]
pub struct Leaf {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

/// A certificate authority.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    /// A new one.
    ///
    /// # Errors
    /// When the key can't be made.
    pub fn new(name: &str) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), certificate })
    }

    /// Its certificate, as PEM.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// A certificate for a server on loopback.
    ///
    /// # Errors
    /// When the key can't be made.
    pub fn loopback(&self) -> Result<Leaf> {
        let key = KeyPair::generate()?;
        let names = ["127.0.0.1", "localhost"].map(str::to_owned);
        let certificate = CertificateParams::new(names)?.signed_by(&key, &self.issuer)?.pem();
        Ok(Leaf { certificate, key: key.serialize_pem() })
    }
}

/// A certificate that an application signs in by: RSA, as Entra ID takes it.
///
/// # Errors
/// When the key can't be made.
pub fn application(name: &str) -> Result<Leaf> {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(Leaf { certificate: params.self_signed(&key)?.pem(), key: key.serialize_pem() })
}

/// The keys by which an API server signs and verifies its service accounts' tokens: RSA, as clusters have by default.
///
/// # Errors
/// When they can't be made or written.
pub fn service_account_keys(folder: &Path) -> Result<(PathBuf, PathBuf)> {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?;
    let (private, public) = (folder.join("service-account.key"), folder.join("service-account.pub"));
    write(&private, &key.serialize_pem())?;
    write(&public, &key.public_key_pem())?;
    Ok((private, public))
}

/// Writes a file.
///
/// # Errors
/// When it can't be written; the path is named.
pub fn write(path: &Path, text: &str) -> Result {
    std::fs::write(path, text).doing(path.display())
}

/// The one TLS provider of the process; calling it again does no harm.
pub fn install_provider() {
    // An error says that there is one already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
