//! A client assertion signed by a certificate's key: what Entra ID takes in place of a client secret
//! ("Microsoft identity platform application authentication certificate credentials", learn.microsoft.com).

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::auth::ClientAssertion;

/// How long an assertion is good for, in seconds; it is made anew for each token.
const LIFETIME: i64 = 600;

/// Signs assertions.
pub(crate) struct SignedAssertion {
    key: EncodingKey,
    thumbprint: String,
    client_id: String,
    audience: String,
}

impl fmt::Debug for SignedAssertion {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SignedAssertion").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    iss: &'a str,
    sub: &'a str,
    jti: String,
    nbf: i64,
    iat: i64,
    exp: i64,
}

impl SignedAssertion {
    /// From PEM text with a private key (RSA) and its certificate; `audience` is the token endpoint.
    ///
    /// # Errors
    /// What is wrong, without any of the text.
    pub(crate) fn new(pem: &SecretString, client_id: &str, audience: String) -> Result<Self, String> {
        let bytes = pem.expose_secret().as_bytes();
        let certificate = CertificateDer::from_pem_slice(bytes)
            .map_err(|_| "the PEM text holds no CERTIFICATE; put private key and certificate together".to_owned())?;
        let key = EncodingKey::from_rsa_pem(private_key(pem.expose_secret()).unwrap_or_default().as_bytes()).map_err(
            |_| {
                "the PEM text holds no RSA PRIVATE KEY without a password; put private key and certificate together"
                    .to_owned()
            },
        )?;
        let thumbprint = BASE64URL_NOPAD.encode(&Sha256::digest(&certificate));
        Ok(Self { key, thumbprint, client_id: client_id.to_owned(), audience })
    }

    fn sign(&self, now: Timestamp) -> Result<SecretString, String> {
        let mut header = Header::new(Algorithm::PS256);
        header.x5t_s256 = Some(self.thumbprint.clone());
        let seconds = now.as_second();
        let claims = Claims {
            aud: &self.audience,
            iss: &self.client_id,
            sub: &self.client_id,
            jti: Uuid::new_v4().to_string(),
            nbf: seconds,
            iat: seconds,
            exp: seconds + LIFETIME,
        };
        jsonwebtoken::encode(&header, &claims, &self.key)
            .map(SecretString::from)
            .map_err(|error| format!("the assertion could not be signed by the certificate's key: {error}"))
    }
}

/// The private key's own part of a PEM text.
fn private_key(text: &str) -> Option<&str> {
    let end_mark = "PRIVATE KEY-----";
    let label = text.find(end_mark)?;
    let start = text.get(..label)?.rfind("-----BEGIN")?;
    let rest = text.get(label + end_mark.len()..)?;
    let end = label + end_mark.len() + rest.find(end_mark)? + end_mark.len();
    text.get(start..end)
}

#[async_trait::async_trait]
impl ClientAssertion for SignedAssertion {
    async fn assertion(&self) -> Result<SecretString, String> {
        self.sign(Timestamp::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assertion_names_its_certificate_and_is_signed_by_its_key() {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        let certificate = rcgen::CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap();
        let pem = SecretString::from(format!("{}{}", certificate.pem(), key.serialize_pem()));
        let signer = SignedAssertion::new(&pem, "app", "https://login/t/oauth2/v2.0/token".into()).unwrap();
        let token = signer.sign(Timestamp::from_second(1_000).unwrap()).unwrap();

        let parts: Vec<&str> = token.expose_secret().split('.').collect();
        let read = |part: &str| -> serde_json::Value {
            serde_json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).unwrap()
        };
        assert_eq!(read(parts[0])["x5t#S256"], BASE64URL_NOPAD.encode(&Sha256::digest(certificate.der())));
        assert_eq!(read(parts[0])["alg"], "PS256");
        let claims = read(parts[1]);
        assert_eq!((claims["iss"].as_str(), claims["sub"].as_str()), (Some("app"), Some("app")));
        assert_eq!(
            (claims["aud"].as_str(), claims["exp"].as_i64()),
            (Some("https://login/t/oauth2/v2.0/token"), Some(1_600))
        );

        let public = jsonwebtoken::DecodingKey::from_rsa_pem(key.public_key_pem().as_bytes()).unwrap();
        let message = format!("{}.{}", parts[0], parts[1]);
        assert!(jsonwebtoken::crypto::verify(parts[2], message.as_bytes(), &public, Algorithm::PS256).unwrap());
    }

    #[test]
    fn half_a_pem_is_refused_without_its_text() {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        let error =
            SignedAssertion::new(&SecretString::from(key.serialize_pem()), "app", "https://l".into()).unwrap_err();
        assert!(error.contains("no CERTIFICATE"), "{error}");
        let certificate = rcgen::CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap();
        let error =
            SignedAssertion::new(&SecretString::from(certificate.pem()), "app", "https://l".into()).unwrap_err();
        assert!(error.contains("PRIVATE KEY"), "{error}");
    }
}
