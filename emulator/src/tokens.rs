//! Tokens of Entra ID: signed with RS256 by the emulator's own key, checked on the emulator's clock.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};

/// Seconds a token is good for, as Entra ID's default.
pub const LIFETIME: i64 = 3599;

/// Seconds by which clocks may differ.
const TOLERANCE: i64 = 300;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Audience.
    pub aud: String,
    /// Issuer.
    pub iss: String,
    /// Tenant.
    pub tid: String,
    /// Object id of the principal.
    pub oid: String,
    /// Client id of the application.
    pub appid: String,
    /// Unix seconds when it was made.
    pub iat: i64,
    /// Unix seconds after which it is no longer good.
    pub exp: i64,
}

impl Claims {
    /// The same by a clock that is so many seconds off.
    #[must_use]
    pub fn moved(self, seconds: i64) -> Self {
        Self { iat: self.iat + seconds, exp: self.exp + seconds, ..self }
    }
}

/// Why tokens cannot be made or are refused.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The signing key cannot be made.
    #[error("the signing key cannot be made: {0}")]
    Key(#[from] rcgen::Error),
    /// Not a token of this emulator.
    #[error("the token is not one of this emulator: {0}")]
    Signature(#[from] jsonwebtoken::errors::Error),
    /// For another service.
    #[error("the token is for {found}, not for {wanted}")]
    Audience {
        /// Audience of the token.
        found: String,
        /// Audience of the service.
        wanted: String,
    },
    /// Too old.
    #[error("the token has expired")]
    Expired,
    /// Made later than now, by more than clocks may differ.
    #[error("the token is not good yet")]
    Early,
}

/// Signs and checks tokens.
pub struct Signer {
    pem: String,
    private: EncodingKey,
    public: DecodingKey,
}

impl Signer {
    /// With a new RSA key of 2048 bits.
    ///
    /// # Errors
    /// When the key cannot be made.
    pub fn generate() -> Result<Self, TokenError> {
        let pair = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048)?;
        Self::from_pem(&pair.serialize_pem())
    }

    /// With a key that was kept.
    ///
    /// # Errors
    /// When it is none.
    pub fn from_pem(pem: &str) -> Result<Self, TokenError> {
        let pair = rcgen::KeyPair::from_pem(pem)?;
        Ok(Self {
            pem: pem.to_owned(),
            private: EncodingKey::from_rsa_pem(pem.as_bytes())?,
            public: DecodingKey::from_rsa_pem(pair.public_key_pem().as_bytes())?,
        })
    }

    /// Its key, to be kept.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// Signs.
    ///
    /// # Errors
    /// When the claims cannot be written.
    pub fn sign(&self, claims: &Claims) -> Result<String, TokenError> {
        Ok(encode(&Header::new(Algorithm::RS256), claims, &self.private)?)
    }

    /// What a token says, if it is ours, for the audience, and still good at `now` (Unix seconds).
    ///
    /// # Errors
    /// When it is not.
    pub fn check(&self, token: &str, audience: &str, now: i64) -> Result<Claims, TokenError> {
        let mut rules = Validation::new(Algorithm::RS256);
        // The emulator's clock may be stepped: the library knows the machine's only.
        rules.validate_exp = false;
        rules.validate_aud = false;
        let claims = decode::<Claims>(token, &self.public, &rules)?.claims;
        if claims.aud.trim_end_matches('/') != audience.trim_end_matches('/') {
            return Err(TokenError::Audience { found: claims.aud, wanted: audience.to_owned() });
        }
        match claims {
            Claims { exp, .. } if exp <= now => Err(TokenError::Expired),
            Claims { iat, .. } if iat > now + TOLERANCE => Err(TokenError::Early),
            claims => Ok(claims),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_audience_until_it_expires_and_for_its_signer_only() {
        let signer = Signer::generate().unwrap();
        let claims = Claims {
            aud: "https://ml.azure.com".into(),
            iss: "i".into(),
            tid: "t".into(),
            oid: "o".into(),
            appid: "a".into(),
            iat: 100,
            exp: 200,
        };
        let token = signer.sign(&claims).unwrap();
        assert_eq!(signer.check(&token, "https://ml.azure.com/", 199).unwrap(), claims);
        assert!(matches!(signer.check(&token, "https://ml.azure.com", 200), Err(TokenError::Expired)));
        let ahead = signer.sign(&claims.moved(400)).unwrap();
        assert!(matches!(signer.check(&ahead, "https://ml.azure.com", 199), Err(TokenError::Early)));
        assert!(signer.check(&ahead, "https://ml.azure.com", 200).is_ok());
        assert!(matches!(signer.check(&token, "https://storage.azure.com", 1), Err(TokenError::Audience { .. })));
        let other = Signer::generate().unwrap();
        assert!(matches!(other.check(&token, "https://ml.azure.com", 1), Err(TokenError::Signature(_))));
    }
}
