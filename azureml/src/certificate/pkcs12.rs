//! PKCS#12 (.pfx): as OpenSSL 3, Windows and Azure Key Vault write it, and by the ciphers of before.

use p12_keystore::Pkcs12Archive;
use p12_keystore::error::Error;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use secrecy::{ExposeSecret, SecretString};

use super::{CertificateError, Contents};

/// Reads the file.
pub(super) fn read(file: &[u8], password: Option<&SecretString>) -> Result<Contents, CertificateError> {
    // Key Vault exports without a password, which is an empty one.
    let given = password.map_or("", |password| password.expose_secret());
    let archive = Pkcs12Archive::from_pkcs12(file, given).map_err(|error| meaning(&error, password.is_some()))?;
    let keys = archive.keys.iter().map(|bag| PrivatePkcs8KeyDer::from(bag.key.as_der().to_vec()).into());
    let certificates = archive.certs.iter().map(|bag| CertificateDer::from(bag.cert.as_der().to_vec()));
    Ok(Contents { keys: keys.collect(), certificates: certificates.collect() })
}

fn meaning(error: &Error, password: bool) -> CertificateError {
    match error {
        Error::MacError(_) | Error::UnpadError | Error::Pkcs5Error(_) if password => CertificateError::PasswordWrong,
        Error::MacError(_) | Error::UnpadError | Error::Pkcs5Error(_) => CertificateError::PasswordMissing,
        Error::UnsupportedEncryptionScheme | Error::UnsupportedMacAlgorithm | Error::InvalidParameters => {
            CertificateError::Encryption
        }
        Error::DerError(_) | Error::InvalidVersion | Error::UnsupportedContentType => CertificateError::Format,
        _ => CertificateError::Damaged,
    }
}
