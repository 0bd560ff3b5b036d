//! Tokens: one credential an identity, its tokens cached by azure_identity, and how Entra ID's refusals read.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use azure_core::credentials::TokenCredential;
use secrecy::SecretString;

use crate::auth::AssertionError;
use crate::error::Error;

/// How long a token is waited for, with all that azure_identity does for it.
const PATIENCE: Duration = Duration::from_secs(30);
/// The least time between two credentials that are made anew.
const RENEWAL: Duration = Duration::from_secs(60);

type Make = dyn Fn() -> azure_core::Result<Arc<dyn TokenCredential>> + Send + Sync;

/// An identity that gives tokens.
pub struct Credential {
    /// Whose: the same for all credentials of one principal, and no secret.
    principal: String,
    make: Box<Make>,
    state: Mutex<State>,
}

struct State {
    current: Arc<dyn TokenCredential>,
    renewed: Option<Instant>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Credential").field("principal", &self.principal).finish_non_exhaustive()
    }
}

impl Credential {
    pub(crate) fn new(principal: String, make: Box<Make>) -> Result<Self, Error> {
        let current =
            make().map_err(|error| Error::Token { code: None, message: whole_message(&error), transient: false })?;
        Ok(Self { principal, make, state: Mutex::new(State { current, renewed: None }) })
    }

    /// Whose it is.
    pub(crate) fn principal(&self) -> &str {
        &self.principal
    }

    /// A bearer token for an audience.
    ///
    /// # Errors
    /// Entra ID's answer, or that there was none.
    pub(crate) async fn token(&self, audience: &str) -> Result<SecretString, Error> {
        let scope = format!("{}/.default", audience.trim_end_matches('/'));
        let current = self.lock().current.clone();
        match tokio::time::timeout(PATIENCE, current.get_token(&[&scope], None)).await {
            Ok(Ok(token)) => Ok(SecretString::from(token.token.secret().to_owned())),
            Ok(Err(error)) => Err(refused(&error)),
            Err(_) => Err(Error::Token {
                code: None,
                message: format!("no answer within {} s", PATIENCE.as_secs()),
                transient: true,
            }),
        }
    }

    /// A service took a token for expired or wrong: the next one is not out of the cache. azure_identity can't be told
    /// to forget a token, so the credential is made anew, at most once a minute.
    pub(crate) fn rejected(&self, now: Instant) {
        let mut state = self.lock();
        if state.renewed.is_some_and(|at| now.saturating_duration_since(at) < RENEWAL) {
            return;
        }
        if let Ok(fresh) = (self.make)() {
            *state = State { current: fresh, renewed: Some(now) };
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Entra's codes that pass by themselves: its own troubles and throttling ("Microsoft Entra authentication and
/// authorization error codes", learn.microsoft.com).
const TRANSIENT: &[&str] = &["AADSTS90033", "AADSTS90006", "AADSTS90055", "AADSTS50196", "AADSTS50087", "AADSTS700084"];

fn refused(error: &(dyn std::error::Error + 'static)) -> Error {
    let message = whole_message(error);
    let code = entra_code(&message);
    let transient = match &code {
        Some(code) => TRANSIENT.contains(&code.as_str()),
        None => !sources(error).any(|source| source.is::<AssertionError>()),
    };
    Error::Token { code, message, transient }
}

/// `AADSTS` and its digits.
fn entra_code(message: &str) -> Option<String> {
    let at = message.find("AADSTS")?;
    let code: String = message.get(at..)?.chars().take_while(char::is_ascii_alphanumeric).collect();
    (code.len() > "AADSTS".len()).then_some(code)
}

fn sources<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

/// The messages of an error and its sources in one line, without the advice for developers at its end.
fn whole_message(error: &(dyn std::error::Error + 'static)) -> String {
    let mut message = String::new();
    for source in sources(error) {
        let text = source.to_string();
        let text = text.split("To troubleshoot, visit").next().unwrap_or_default().trim();
        if !message.contains(text) {
            message = if message.is_empty() { text.to_owned() } else { format!("{message}: {text}") };
        }
    }
    message.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(1000).collect()
}

#[cfg(test)]
mod tests {
    use azure_core::error::ErrorKind;

    use super::*;

    #[test]
    fn entra_codes_are_read_and_told_apart() {
        for (message, code, transient) in [
            (
                "ClientSecretCredential authentication failed. AADSTS7000215: Invalid client secret.",
                Some("AADSTS7000215"),
                false,
            ),
            ("AADSTS90033: A transient error has occurred.", Some("AADSTS90033"), true),
            ("expected value at line 1 column 1", None, true),
        ] {
            let error = azure_core::Error::with_message(ErrorKind::Credential, message);
            let Error::Token { code: read, transient: passes, message: text } = refused(&error) else {
                panic!("no token error")
            };
            assert_eq!((read.as_deref(), passes), (code, transient), "{text}");
        }
        let error = azure_core::Error::new(ErrorKind::Credential, AssertionError("no ServiceAccount".into()));
        assert!(matches!(refused(&error), Error::Token { transient: false, .. }));
    }
}
