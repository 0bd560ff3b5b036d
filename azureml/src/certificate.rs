//! A service principal's certificate with its private key, out of the files that people have: PEM, and PKCS#12 (.pfx).

mod assertion;
mod pem;
mod pkcs12;

use std::fmt;
use std::sync::Arc;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use rustls::SignatureAlgorithm;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use secrecy::SecretString;
use sha2::{Digest, Sha256};

pub(crate) use self::assertion::SignedAssertion;

/// The most rounds by which a password may be turned into a key: more would keep the process busy for minutes.
const MAX_ROUNDS: u32 = 1_000_000;

/// Why a file can't be used; never with any of its text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Neither form.
    #[error("it is neither PEM text nor a PKCS#12 (.pfx) file")]
    Format,
    /// No certificate.
    #[error("it holds no certificate: put the certificate and its private key together")]
    NoCertificate,
    /// No private key.
    #[error("it holds no private key: put the certificate and its private key together")]
    NoKey,
    /// It is encrypted.
    #[error("it is encrypted: name the key that holds its password in passwordKey")]
    PasswordMissing,
    /// The password is another one.
    #[error("the password under passwordKey does not open it")]
    PasswordWrong,
    /// It is encrypted by something old, rare or slow.
    #[error(
        "it is encrypted in a way that is not supported: write a private key anew with `openssl pkcs8 -topk8`, a .pfx file with `openssl pkcs12 -export`"
    )]
    Encryption,
    /// Entra ID takes RSA.
    #[error("its private key is not an RSA key, which Entra ID asks for")]
    NotRsa,
    /// Key and certificate are strangers.
    #[error("none of its certificates belongs to its private key")]
    Mismatch,
    /// Its beginning is right.
    #[error("it is damaged")]
    Damaged,
}

/// A certificate and its private key.
pub struct Certificate {
    key: Arc<dyn SigningKey>,
    der: CertificateDer<'static>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Certificate").field("thumbprint", &self.thumbprint()).finish_non_exhaustive()
    }
}

/// What a file holds.
struct Contents {
    keys: Vec<PrivateKeyDer<'static>>,
    certificates: Vec<CertificateDer<'static>>,
}

impl Certificate {
    /// Reads PEM text, a PKCS#12 file, or such a file in base64, as Azure Key Vault gives it. A password takes a moment
    /// of computing.
    ///
    /// # Errors
    /// What is wrong with it, without any of its text.
    pub fn read(file: &[u8], password: Option<&SecretString>) -> Result<Self, CertificateError> {
        let contents = match text(file) {
            Some(text) if text.contains("-----BEGIN ") => pem::read(text, password)?,
            Some(text) => {
                let packed: String = text.split_whitespace().collect();
                let bytes = BASE64.decode(packed.as_bytes()).map_err(|_| CertificateError::Format)?;
                pkcs12::read(&bytes, password)?
            }
            None => pkcs12::read(file, password)?,
        };
        Self::matched(contents)
    }

    /// The key with the certificate that is its own: files hold the issuers' certificates too, in any order.
    fn matched(contents: Contents) -> Result<Self, CertificateError> {
        let key = contents.keys.first().ok_or(CertificateError::NoKey)?;
        if contents.certificates.is_empty() {
            return Err(CertificateError::NoCertificate);
        }
        let key = any_supported_type(key).map_err(|_| CertificateError::Damaged)?;
        if key.algorithm() != SignatureAlgorithm::RSA {
            return Err(CertificateError::NotRsa);
        }
        let own =
            |der: &CertificateDer<'static>| CertifiedKey::new(vec![der.clone()], key.clone()).keys_match().is_ok();
        let der = contents.certificates.into_iter().find(own).ok_or(CertificateError::Mismatch)?;
        Ok(Self { key, der })
    }

    /// What Entra ID finds the certificate by: `x5t#S256`.
    fn thumbprint(&self) -> String {
        BASE64URL_NOPAD.encode(&Sha256::digest(&self.der))
    }
}

/// The file as text: DER is none.
fn text(file: &[u8]) -> Option<&str> {
    std::str::from_utf8(file)
        .ok()
        .filter(|text| !text.chars().any(|character| character.is_control() && !character.is_whitespace()))
}

#[cfg(test)]
mod tests;
