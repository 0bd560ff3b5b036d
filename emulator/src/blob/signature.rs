//! Shared access signatures of containers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::Sha256;
use std::collections::BTreeMap;

const VERSION: &str = "2023-11-03";
const FORM: &str = "%Y-%m-%dT%H:%M:%SZ";

/// What the signatures of all accounts are made with.
pub(crate) struct AccountKey(Vec<u8>);

/// Why a signature gives no access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignatureError {
    #[error("Signature did not match, or it is for another container.")]
    Wrong,
    #[error("Signature not valid in the specified time frame.")]
    Expired,
    #[error("This request is not authorized to perform this operation using this permission.")]
    Permission,
}

impl AccountKey {
    /// A new key.
    pub(crate) fn generate() -> Self {
        Self([*uuid::Uuid::new_v4().as_bytes(), *uuid::Uuid::new_v4().as_bytes()].concat())
    }

    /// The one that was kept.
    pub(crate) fn from_base64(text: &str) -> Option<Self> {
        STANDARD.decode(text).ok().map(Self)
    }

    /// To be kept.
    pub(crate) fn to_base64(&self) -> String {
        STANDARD.encode(&self.0)
    }

    fn sign(&self, account: &str, container: &str, permissions: &str, until: &str) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        mac.update(format!("{permissions}\n{until}\n/blob/{account}/{container}\n{VERSION}\nc").as_bytes());
        STANDARD.encode(mac.finalize().into_bytes())
    }

    /// A container's signature, as a query.
    pub(crate) fn signature(&self, account: &str, container: &str, permissions: &str, until: Timestamp) -> String {
        let until = until.strftime(FORM).to_string();
        let signature = self.sign(account, container, permissions, &until);
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        format!("sv={VERSION}&sr=c&sp={permissions}&se={}&sig={}", encoded(&until), encoded(&signature))
    }

    /// Checks a query for one of the permissions (letters of `sp`).
    pub(crate) fn check(
        &self,
        account: &str,
        container: &str,
        query: &BTreeMap<String, String>,
        wanted: &str,
        now: Timestamp,
    ) -> Result<(), SignatureError> {
        let text = |key: &str| query.get(key).map_or("", String::as_str);
        let (permissions, until) = (text("sp"), text("se"));
        if self.sign(account, container, permissions, until) != text("sig") {
            return Err(SignatureError::Wrong);
        }
        if until.parse::<Timestamp>().map_or(true, |until| until <= now) {
            return Err(SignatureError::Expired);
        }
        let allowed = permissions.chars().any(|letter| wanted.contains(letter));
        if allowed { Ok(()) } else { Err(SignatureError::Permission) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::http::pairs;

    #[test]
    fn a_signature_is_for_one_container_a_time_and_what_it_permits() {
        let key = AccountKey::generate();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let query = pairs(&key.signature("acct", "c", "rl", at("2026-01-01T01:00:00Z")));
        let check = |container, wanted, now| key.check("acct", container, &query, wanted, at(now));
        assert_eq!(check("c", "r", "2026-01-01T00:59:59Z"), Ok(()));
        assert_eq!(check("c", "r", "2026-01-01T01:00:00Z"), Err(SignatureError::Expired));
        assert_eq!(check("d", "r", "2026-01-01T00:00:00Z"), Err(SignatureError::Wrong));
        assert_eq!(check("c", "w", "2026-01-01T00:00:00Z"), Err(SignatureError::Permission));
        let mut more = query.clone();
        more.insert("sp".into(), "rwl".into());
        assert_eq!(key.check("acct", "c", &more, "w", at("2026-01-01T00:00:00Z")), Err(SignatureError::Wrong));
    }
}
