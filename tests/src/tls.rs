//! A certificate authority for one run, and what it signs for loopback.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256, RsaKeySize,
};

use crate::failure::{Result, While};
use crate::secrets;

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
        secrets::note_key(&key.serialize_pem());
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
    secrets::note_key(&key.serialize_pem());
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(Leaf { certificate: params.self_signed(&key)?.pem(), key: key.serialize_pem() })
}

/// A certificate and its key as a PKCS#12 file under a password, as `openssl pkcs12 -export` writes it.
///
/// # Errors
/// When openssl refuses.
pub fn pkcs12(leaf: &Leaf, password: &str) -> Result<Vec<u8>> {
    secrets::note("password of a certificate", password);
    let folder = crate::places::scratch("pkcs12")?;
    let (pem, file) = (folder.path().join("pair.pem"), folder.path().join("pair.pfx"));
    std::fs::write(&pem, format!("{}{}", leaf.key, leaf.certificate)).doing(pem.display())?;
    let mut command = std::process::Command::new("openssl");
    command.args(["pkcs12", "-export", "-passout", "env:PASSWORD"]).env("PASSWORD", password);
    let done = command.arg("-in").arg(&pem).arg("-out").arg(&file).output().doing("openssl pkcs12")?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        return Err(crate::failure::Failure::new(format!("openssl pkcs12: {said}")));
    }
    std::fs::read(&file).doing(file.display())
}

/// The keys by which an API server signs and verifies its service accounts' tokens: RSA, as clusters have by default.
///
/// # Errors
/// When they can't be made or written.
pub fn service_account_keys(folder: &Path) -> Result<(PathBuf, PathBuf)> {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?;
    let (private, public) = (folder.join("service-account.key"), folder.join("service-account.pub"));
    secrets::note_key(&key.serialize_pem());
    write(&private, &key.serialize_pem())?;
    write(&public, &key.public_key_pem())?;
    Ok((private, public))
}

/// Writes a file at once: who reads it meanwhile reads the old text or the new one.
///
/// # Errors
/// When it can't be written; the path is named.
pub fn write(path: &Path, text: &str) -> Result {
    let part = path.with_extension(format!("{}.part", uuid::Uuid::new_v4().simple()));
    std::fs::write(&part, text).doing(part.display())?;
    std::fs::rename(&part, path).doing(path.display())
}

/// The one TLS provider of the process; calling it again does no harm.
pub fn install_provider() {
    // An error says that there is one already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::write;

    #[test]
    fn a_file_that_is_written_again_is_never_seen_in_part() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kubeconfig");
        let texts = ["a".repeat(100_000), "b".repeat(100_000)];
        write(&path, &texts[0]).unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for turn in 0..200 {
                    write(&path, &texts[turn % 2]).unwrap();
                }
                done.store(true, Ordering::SeqCst);
            });
            while !done.load(Ordering::SeqCst) {
                assert!(texts.contains(&std::fs::read_to_string(&path).unwrap()));
            }
        });
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }
}
