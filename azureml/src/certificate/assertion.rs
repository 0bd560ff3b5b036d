//! A client assertion signed by a certificate's key: what Entra ID takes in place of a client secret
//! ("Microsoft identity platform application authentication certificate credentials", learn.microsoft.com).

use std::fmt;
use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use rustls::SignatureScheme;
use secrecy::SecretString;
use serde::Serialize;
use uuid::Uuid;

use super::Certificate;
use crate::auth::ClientAssertion;

/// How long an assertion is good for, in seconds; it is made anew for each token.
const LIFETIME: i64 = 600;

/// Signs assertions.
pub(crate) struct SignedAssertion {
    certificate: Arc<Certificate>,
    client_id: String,
    audience: String,
}

impl fmt::Debug for SignedAssertion {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SignedAssertion").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    #[serde(rename = "x5t#S256")]
    thumbprint: &'a str,
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

/// The assertion can't be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignError {
    /// The key is too small for the scheme, or the like.
    #[error("the certificate's key can't sign by PS256")]
    Scheme,
    /// The signature failed.
    #[error("the certificate's key did not sign: {0}")]
    Signature(#[from] rustls::Error),
    /// The claims can't be written.
    #[error("the claims can't be written: {0}")]
    Claims(#[from] serde_json::Error),
}

impl SignedAssertion {
    /// `audience` is the token endpoint.
    pub(crate) fn new(certificate: Arc<Certificate>, client_id: &str, audience: String) -> Self {
        Self { certificate, client_id: client_id.to_owned(), audience }
    }

    fn sign(&self, now: Timestamp) -> Result<SecretString, SignError> {
        let header = Header { alg: "PS256", typ: "JWT", thumbprint: &self.certificate.thumbprint() };
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
        let part = |json: Vec<u8>| BASE64URL_NOPAD.encode(&json);
        let message = format!("{}.{}", part(serde_json::to_vec(&header)?), part(serde_json::to_vec(&claims)?));
        let signer = self.certificate.key.choose_scheme(&[SignatureScheme::RSA_PSS_SHA256]).ok_or(SignError::Scheme)?;
        let signature = BASE64URL_NOPAD.encode(&signer.sign(message.as_bytes())?);
        Ok(SecretString::from(format!("{message}.{signature}")))
    }
}

#[async_trait::async_trait]
impl ClientAssertion for SignedAssertion {
    async fn assertion(&self) -> Result<SecretString, String> {
        self.sign(Timestamp::now()).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::Algorithm;
    use secrecy::ExposeSecret;
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn an_assertion_names_its_certificate_and_is_signed_by_its_key() {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        let certificate = rcgen::CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap();
        let pem = format!("{}{}", certificate.pem(), key.serialize_pem());
        let read = Arc::new(Certificate::read(pem.as_bytes(), None).unwrap());
        let signer = SignedAssertion::new(read, "app", "https://login/t/oauth2/v2.0/token".into());
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
}
