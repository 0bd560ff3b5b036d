//! What Azure says when it says no, and one table of what that means.

use std::time::Duration;

/// An error of a call to Azure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Azure answered with an error.
    #[error("{operation}: Azure answered {status}{}{}{}.", before(" ", code), before(": ", message), request_id.as_ref().map(|id| format!(" (request id {id})")).unwrap_or_default())]
    Answer {
        /// What was asked, e.g. `PUT onlineEndpoints/bank`.
        operation: String,
        /// The HTTP status.
        status: u16,
        /// Azure's code; empty where the answer had none.
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
        /// Entra's code, e.g. `AADSTS7000215`.
        code: Option<String>,
        /// The AADSTS code and text, or what went wrong on the way.
        message: String,
        /// It passes by itself.
        transient: bool,
    },
    /// Not sent: the budget of requests is used up, or Azure asked for a pause that is not over.
    #[error("{operation}: not sent yet, to stay inside Azure's request limits; next in {} s.{}", after.as_secs().max(1), said.as_ref().map(|said| format!(" The last answer was: {said}")).unwrap_or_default())]
    Budget {
        /// What was to be asked.
        operation: String,
        /// When there is room again.
        after: Duration,
        /// Azure's last refusal, where that is why.
        said: Option<String>,
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

fn before(separator: &str, text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("{separator}{text}") }
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
    /// The identity lacks a role, or Azure does not know of it yet (a new assignment takes up to ten minutes).
    Forbidden,
    /// The identity could not be proved.
    Unauthenticated,
    /// It, or what it lies in, is not there.
    NotFound,
    /// Only a change by a person helps; worth a slow retry all the same, for limits and policies change too.
    Person,
}

/// Any status.
const ANY: u16 = 0;

/// The one table: the first row that fits decides. `""` fits every code, `0` every status, `n00` with `""` the
/// hundred. Codes compare without regard to case.
#[rustfmt::skip]
const TABLE: &[(u16, &str, Means)] = &[
    // Throttling, by whatever status a service says it (ARM's request limits; Azure ML's own).
    (429, "", Means::Throttled),
    (ANY, "TooManyRequests", Means::Throttled),
    (ANY, "RequestRateTooHigh", Means::Throttled),
    // Another operation is in progress on the same object.
    (409, "Conflict", Means::Busy),
    (409, "AnotherOperationInProgress", Means::Busy),
    (409, "OperationInProgress", Means::Busy),
    (409, "ResourceNotReady", Means::Busy),
    (400, "AnotherOperationInProgress", Means::Busy),
    (400, "OperationInProgress", Means::Busy),
    (400, "ResourceNotReady", Means::Busy),
    (409, "ResourceGroupBeingDeleted", Means::Busy),
    (409, "MissingSubscriptionRegistration", Means::Person),
    // What 403 says that is not about a role.
    (403, "RequestDisallowedByPolicy", Means::Person),
    (403, "AccountIsDisabled", Means::Person),
    (403, "SubscriptionNotRegistered", Means::Person),
    // A SAS that ran out is asked for again by the next pass (Blob service error codes).
    (403, "AuthenticationFailed", Means::Retry),
    (403, "", Means::Forbidden),
    // The clocks differ, or the token came out of a cache: the next pass brings a new one.
    (401, "ExpiredAuthenticationToken", Means::Retry),
    (401, "", Means::Unauthenticated),
    // A new principal is not known everywhere at once (role assignments).
    (400, "PrincipalNotFound", Means::Retry),
    (404, "", Means::NotFound),
    (410, "", Means::NotFound),
    // Passes by itself.
    (408, "", Means::Retry),
    (412, "", Means::Retry),
    (423, "", Means::Retry),
    (424, "", Means::Retry),
    (500, "", Means::Retry),
    // Everything else is about the request: a retry says the same again.
    (ANY, "", Means::Person),
];

#[derive(Clone, Copy, Debug)]
enum Means {
    Retry,
    Throttled,
    Busy,
    Forbidden,
    Unauthenticated,
    NotFound,
    Person,
}

/// What a status and Azure's code mean; also for the codes of operations that failed (status 0).
#[must_use]
pub fn classify(status: u16, code: &str, after: Option<Duration>) -> Class {
    let fits = |(in_status, in_code, _): &&(u16, &str, Means)| {
        let hundred = *in_status == 500 && in_code.is_empty() && (500..600).contains(&status);
        (*in_status == ANY || *in_status == status || hundred)
            && (in_code.is_empty() || in_code.eq_ignore_ascii_case(code))
    };
    match TABLE.iter().find(fits).map_or(Means::Person, |(_, _, means)| *means) {
        Means::Retry => Class::Retry { after },
        Means::Throttled => Class::Throttled { after },
        Means::Busy => Class::Busy { after },
        Means::Forbidden => Class::Forbidden,
        Means::Unauthenticated => Class::Unauthenticated,
        Means::NotFound => Class::NotFound,
        Means::Person => Class::Person,
    }
}

/// Whether a code speaks of a quota: `QuotaExceeded`, `OutOfQuota`, `ClusterCoreQuotaReached` and others.
#[must_use]
pub fn names_quota(code: &str) -> bool {
    code.to_ascii_lowercase().contains("quota")
}

impl Error {
    /// What it means.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::NoAnswer { .. } | Self::Malformed { .. } | Self::NotLeader { .. } => Class::Retry { after: None },
            Self::Budget { after, .. } => Class::Throttled { after: Some(*after) },
            Self::Token { transient: true, .. } => Class::Retry { after: None },
            Self::Token { transient: false, .. } => Class::Unauthenticated,
            Self::Untrusted { .. } => Class::Person,
            Self::Answer { status, code, retry_after, .. } => classify(*status, code, *retry_after),
        }
    }

    /// A write went out, and no answer tells what became of it.
    #[must_use]
    pub fn leaves_open(&self) -> bool {
        match self {
            Self::NoAnswer { operation, .. } | Self::Malformed { operation, .. } => {
                ["PUT ", "PATCH ", "POST ", "DELETE "].iter().any(|method| operation.starts_with(method))
            }
            _ => false,
        }
    }

    /// It is not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.class() == Class::NotFound
    }

    /// The identity has no role for it, or not yet: `AuthorizationFailed`.
    #[must_use]
    pub fn is_authorization_failed(&self) -> bool {
        self.status() == Some(403) && self.has_code("AuthorizationFailed")
    }

    /// Azure answered with this code.
    #[must_use]
    pub fn has_code(&self, code: &str) -> bool {
        self.code().is_some_and(|own| own.eq_ignore_ascii_case(code))
    }

    /// The subscription's quota does not suffice.
    #[must_use]
    pub fn is_quota(&self) -> bool {
        self.code().is_some_and(names_quota)
    }

    /// Azure's or Entra's code; `None` where there is none.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Answer { code, .. } => Some(code.as_str()).filter(|code| !code.is_empty()),
            Self::Token { code, .. } => code.as_deref(),
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

    /// The id to tell Azure's support.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Answer { request_id, .. } => request_id.as_deref(),
            _ => None,
        }
    }

    /// Low-cardinality name for metrics.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Answer { .. } => "answer",
            Self::Token { .. } => "token",
            Self::Budget { .. } => "budget",
            Self::NoAnswer { .. } => "no_answer",
            Self::Malformed { .. } => "malformed",
            Self::Untrusted { .. } => "untrusted",
            Self::NotLeader { .. } => "not_leader",
        }
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
            (429, "", Class::Throttled { after }),
            (503, "TooManyRequests", Class::Throttled { after }),
            (409, "Conflict", Class::Busy { after }),
            (409, "conflict", Class::Busy { after }),
            (409, "AnotherOperationInProgress", Class::Busy { after }),
            (400, "ResourceNotReady", Class::Busy { after }),
            (409, "RoleAssignmentExists", Class::Person),
            (409, "MissingSubscriptionRegistration", Class::Person),
            (400, "PrincipalNotFound", Class::Retry { after }),
            (401, "ExpiredAuthenticationToken", Class::Retry { after }),
            (401, "InvalidAuthenticationToken", Class::Unauthenticated),
            (403, "AuthorizationFailed", Class::Forbidden),
            (403, "RequestDisallowedByPolicy", Class::Person),
            (403, "AuthenticationFailed", Class::Retry { after }),
            (403, "", Class::Forbidden),
            (404, "ResourceNotFound", Class::NotFound),
            (404, "", Class::NotFound),
            (410, "", Class::NotFound),
            (408, "", Class::Retry { after }),
            (412, "", Class::Retry { after }),
            (424, "", Class::Retry { after }),
            (500, "InternalServerError", Class::Retry { after }),
            (502, "", Class::Retry { after }),
            (503, "ServerBusy", Class::Retry { after }),
            (599, "", Class::Retry { after }),
            (400, "UserError", Class::Person),
            (400, "OutOfQuota", Class::Person),
            (422, "", Class::Person),
            (302, "", Class::Person),
        ] {
            assert_eq!(classify(status, code, after), class, "{status} {code}");
        }
    }

    #[test]
    fn every_row_of_the_table_is_reached() {
        for (at, (status, code, _)) in TABLE.iter().enumerate() {
            let status = if *status == ANY { 418 } else { *status };
            let first = TABLE.iter().position(|(in_status, in_code, _)| {
                (*in_status == ANY || *in_status == status)
                    && (in_code.is_empty() || in_code.eq_ignore_ascii_case(code))
            });
            assert_eq!(first, Some(at), "row {at} ({status} {code}) is hidden by an earlier one");
        }
    }
}
