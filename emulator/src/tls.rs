//! The emulator's own certificate authority and the certificate of its one HTTPS port.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use std::path::{Path, PathBuf};

/// Why certificates cannot be made or kept.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A certificate cannot be made.
    #[error("a certificate cannot be made: {0}")]
    Certificate(#[from] rcgen::Error),
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// A certificate for the port, and the key to it, as PEM.
pub struct Leaf {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

/// A certificate for the names, signed by the authority in a folder: `ca.pem` and `ca.key`, made when they are not there.
///
/// # Errors
/// When a file cannot be read or written, or is no certificate.
pub fn leaf(folder: &Path, names: &[&str]) -> Result<Leaf, TlsError> {
    // The authority's certificate follows from its name and key, so its key is enough to sign with.
    let issuer = Issuer::new(authority_params(), KeyPair::from_pem(&authority_key(folder)?)?);
    let key = KeyPair::generate()?;
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let certificate = CertificateParams::new(names)?.signed_by(&key, &issuer)?.pem();
    Ok(Leaf { certificate, key: key.serialize_pem() })
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::CommonName, "azureml-emulator");
    params
}

fn authority_key(folder: &Path) -> Result<String, TlsError> {
    let (certificate_file, key_file) = (folder.join("ca.pem"), folder.join("ca.key"));
    if certificate_file.exists() && key_file.exists() {
        return read(&key_file);
    }
    std::fs::create_dir_all(folder).map_err(|source| TlsError::File { path: folder.to_owned(), source })?;
    let key = KeyPair::generate()?;
    let certificate = authority_params().self_signed(&key)?.pem();
    write_private(&key_file, &key.serialize_pem())?;
    write(&certificate_file, &certificate)?;
    Ok(key.serialize_pem())
}

fn read(path: &Path) -> Result<String, TlsError> {
    std::fs::read_to_string(path).map_err(|source| TlsError::File { path: path.to_owned(), source })
}

fn write(path: &Path, text: &str) -> Result<(), TlsError> {
    std::fs::write(path, text).map_err(|source| TlsError::File { path: path.to_owned(), source })
}

/// Writes a file that its owner alone may read.
fn write_private(path: &Path, text: &str) -> Result<(), TlsError> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let open = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    open.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|source| TlsError::File { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authority_is_kept_and_each_start_gets_a_new_certificate() {
        let folder = std::env::temp_dir().join(format!("azureml-emulator-{}", uuid::Uuid::new_v4()));
        let first = leaf(&folder, &["localhost", "127.0.0.1"]).unwrap();
        let kept = read(&folder.join("ca.pem")).unwrap();
        let second = leaf(&folder, &["localhost", "127.0.0.1"]).unwrap();
        assert_eq!(kept, read(&folder.join("ca.pem")).unwrap());
        assert_ne!(first.certificate, second.certificate);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
