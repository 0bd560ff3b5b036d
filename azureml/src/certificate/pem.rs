//! PEM: a private key, as it is or under a password (PKCS#8, PBES2), and certificates.

use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::Kdf;
use pkcs8::{EncryptedPrivateKeyInfoRef, SecretDocument};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use secrecy::{ExposeSecret, SecretString};

use super::{CertificateError, Contents, MAX_ROUNDS};

const ENCRYPTED: (&str, &str) = ("-----BEGIN ENCRYPTED PRIVATE KEY-----", "-----END ENCRYPTED PRIVATE KEY-----");
/// What OpenSSL wrote before PKCS#8: a key made of the password by a single round of MD5.
const OLD_ENCRYPTION: &str = "Proc-Type: 4,ENCRYPTED";

/// Reads the text.
pub(super) fn read(text: &str, password: Option<&SecretString>) -> Result<Contents, CertificateError> {
    if text.contains(OLD_ENCRYPTION) {
        return Err(CertificateError::Encryption);
    }
    let certificates = CertificateDer::pem_slice_iter(text.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| CertificateError::Damaged)?;
    let key = match encrypted(text) {
        Some(block) => Some(decrypted(block, password.ok_or(CertificateError::PasswordMissing)?)?),
        None => {
            PrivateKeyDer::pem_slice_iter(text.as_bytes()).next().transpose().map_err(|_| CertificateError::Damaged)?
        }
    };
    Ok(Contents { keys: key.into_iter().collect(), certificates })
}

/// The part of the text that is an encrypted key.
fn encrypted(text: &str) -> Option<&str> {
    let start = text.find(ENCRYPTED.0)?;
    let rest = text.get(start..)?;
    let end = rest.find(ENCRYPTED.1)? + ENCRYPTED.1.len();
    rest.get(..end)
}

fn decrypted(block: &str, password: &SecretString) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let (_, document) = SecretDocument::from_pem(block).map_err(|_| CertificateError::Damaged)?;
    // What can't be read here is not PBES2.
    let info = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes()).map_err(|_| CertificateError::Encryption)?;
    let EncryptionScheme::Pbes2(scheme) = &info.encryption_algorithm else { return Err(CertificateError::Encryption) };
    if !matches!(&scheme.kdf, Kdf::Pbkdf2(derivation) if derivation.iteration_count <= MAX_ROUNDS) {
        return Err(CertificateError::Encryption);
    }
    let plain = info.decrypt(password.expose_secret()).map_err(|_| CertificateError::PasswordWrong)?;
    Ok(PrivatePkcs8KeyDer::from(plain.as_bytes().to_vec()).into())
}
