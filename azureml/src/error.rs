//! What Azure says when it says no, and one table of what that means.

use std::time::Duration;

/// An error of a call to Azure.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Azure answered with an error.
    #[error("{operation}: Azure answered {status} {code}: {message}{}", request_id.as_ref().map(|id| format!(" (request id {id}).")).unwrap_or_else(|| ".".to_owned()))]
    Answer {
        /// What was asked, e.g. `PUT onlineEndpoints/bank`.
        operation: String,
        /// The HTTP status.
        status: u16,
        /// Azure's code.
        code: String,
        /// Azure's message.
        message: String,
        /// `x-ms-request-id`.
        request_id: Option<String>,
        /// `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// No token was given.
    #[error("Entra ID gave no token for the workspace's identity: {message}")]
    Token {
        /// The AADSTS code and text, or what went wrong on the way.
        message: String,
        /// It passes by itself.
        transient: bool,
    },
    /// No whole answer came.
    #[error("{operation}: no answer from Azure: {message}.")]
    NoAnswer {
        /// What was asked.
        operation: String,
        /// What went wrong.
        message: String,
    },
    /// An answer came that is not what the API promises.
    #[error("{operation}: Azure's answer can't be read: {message}.")]
    Malformed {
        /// What was asked.
        operation: String,
        /// What is wrong with it.
        message: String,
    },
    /// An address in an answer lies outside the configured cloud.
    #[error(
        "{operation}: Azure's answer names the address {url}, which is not https inside the configured cloud; it is not followed."
    )]
    Untrusted {
        /// What was asked.
        operation: String,
        /// The address.
        url: String,
    },
    /// This process may not write any more.
    #[error("{operation}: not sent, because this replica is no longer the leader.")]
    NotLeader {
        /// What was to be asked.
        operation: String,
    },
}

/// What an error means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Passes by itself.
    Retry {
        /// When Azure said so.
        after: Option<Duration>,
    },
    /// Too many requests.
    Throttled {
        /// When Azure said so.
        after: Option<Duration>,
    },
    /// Another operation on the same object is in progress.
    Busy {
        /// When Azure said so.
        after: Option<Duration>,
    },
    /// The identity lacks a role, or Azure does not know of it yet.
    Forbidden,
    /// The identity could not be proved.
    Unauthenticated,
    /// It is not there.
    NotFound,
    /// Only a change by a person helps.
    Person,
}

/// Codes that mean "another operation is in progress", whatever the status.
const BUSY: &[&str] = &["Conflict", "AnotherOperationInProgress", "ResourceNotReady", "OperationInProgress"];

impl Error {
    /// What it means: the one table from (status, code).
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::NoAnswer { .. } | Self::Malformed { .. } | Self::NotLeader { .. } => Class::Retry { after: None },
            Self::Token { transient: true, .. } => Class::Retry { after: None },
            Self::Token { transient: false, .. } => Class::Unauthenticated,
            Self::Untrusted { .. } => Class::Person,
            Self::Answer { status, code, retry_after, .. } => classify(*status, code, *retry_after),
        }
    }

    /// It is not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.class() == Class::NotFound
    }

    /// Azure's code.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Answer { code, .. } => Some(code),
            _ => None,
        }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Answer { status, .. } => Some(*status),
            _ => None,
        }
    }
}

fn classify(status: u16, code: &str, after: Option<Duration>) -> Class {
    match (status, code) {
        (429, _) => Class::Throttled { after },
        (409 | 400, code) if BUSY.contains(&code) => Class::Busy { after },
        (401, _) => Class::Unauthenticated,
        (403, _) => Class::Forbidden,
        (404, _) => Class::NotFound,
        (408 | 423 | 424, _) => Class::Retry { after },
        (500..=599, _) => Class::Retry { after },
        _ => Class::Person,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_and_code_has_its_class() {
        let after = Some(Duration::from_secs(7));
        for (status, code, class) in [
            (429, "TooManyRequests", Class::Throttled { after }),
            (409, "Conflict", Class::Busy { after }),
            (400, "ResourceNotReady", Class::Busy { after }),
            (409, "RoleAssignmentExists", Class::Person),
            (401, "InvalidAuthenticationToken", Class::Unauthenticated),
            (403, "AuthorizationFailed", Class::Forbidden),
            (404, "ResourceNotFound", Class::NotFound),
            (408, "", Class::Retry { after }),
            (500, "InternalServerError", Class::Retry { after }),
            (503, "ServerBusy", Class::Retry { after }),
            (400, "UserError", Class::Person),
            (422, "", Class::Person),
        ] {
            assert_eq!(classify(status, code, after), class, "{status} {code}");
        }
    }
}
