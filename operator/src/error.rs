//! What can stop a reconcile, and how that reads in the object's conditions.

use std::time::Duration;

use azureml::error::Class;
use azureml_crds::reasons;

/// How an object that can't go on is to be treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Passes by itself: tried again by the controller's own back-off, but not before this time.
    Retry(Option<Duration>),
    /// Nothing went wrong: its turn to ask Azure comes after this time.
    Turn(Duration),
    /// Something else has to become ready first; its change wakes the object, and it looks again slowly meanwhile.
    Await,
    /// Only a change by a person helps. Tried again slowly all the same, and at once when spec or a dependency changes.
    Person,
}

/// A halt with the words for the person who reads `kubectl describe`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Halt {
    /// A constant of [`azureml_crds::reasons`].
    pub reason: &'static str,
    /// What happened, where, and what to do next.
    pub message: String,
    /// What helps.
    pub remedy: Remedy,
}

impl Halt {
    /// A dependency is missing or not ready yet.
    pub fn wait(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), remedy: Remedy::Await }
    }

    /// Only a person can help.
    pub fn person(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), remedy: Remedy::Person }
    }

    /// Passes by itself.
    pub fn retry(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), remedy: Remedy::Retry(None) }
    }
}

/// Everything that can end a reconcile early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Understood, with words for a person.
    #[error(transparent)]
    Halt(#[from] Halt),
    /// Azure said no, or nothing.
    #[error(transparent)]
    Azure(#[from] azureml::Error),
    /// The Kubernetes API said no, or nothing.
    #[error("the Kubernetes API: {0}")]
    Kube(#[source] Box<kube::Error>),
    /// The leader's lease is lost: this process may write no more.
    #[error("this replica is no longer the leader")]
    NotLeader,
    /// The reconcile took longer than it may.
    #[error("the reconcile took longer than {0:?}")]
    TimedOut(Duration),
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        Self::Kube(Box::new(error))
    }
}

impl Error {
    /// The words and the remedy for this error: the one place where errors become conditions.
    #[must_use]
    pub fn halt(&self) -> Halt {
        match self {
            Self::Halt(halt) => halt.clone(),
            Self::Azure(error) => azure_halt(error),
            Self::Kube(error) => {
                Halt::retry(reasons::KUBERNETES_ERROR, format!("The Kubernetes API answered: {}.", said(error)))
            }
            Self::NotLeader => Halt::retry(reasons::NOT_LEADER, self.to_string()),
            Self::TimedOut(_) => Halt::retry(reasons::TIMED_OUT, format!("{self}; it is tried again.")),
        }
    }

    /// A conflict on the object itself: somebody wrote it since; the newer version is on its way.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Kube(error) if matches!(error.as_ref(), kube::Error::Api(status) if status.code == 409))
    }

    /// Low-cardinality name for metrics.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Halt(_) => "halt",
            Self::Azure(_) => "azure",
            Self::Kube(_) => "kubernetes",
            Self::NotLeader => "not_leader",
            Self::TimedOut(_) => "timed_out",
        }
    }
}

/// What the Kubernetes API said, in its own words alone.
#[must_use]
pub fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if !status.message.is_empty() => status.message.clone(),
        other => other.to_string(),
    }
}

/// What to do where the identity lacks a role.
const LACKS_ROLE: &str = "Give the workspace's identity the role it lacks; a new role assignment takes up to 10 minutes to work, and it is tried again by and by.";

impl Halt {
    /// The same when it has been so for this long: a role that does not work after the time that Azure takes to spread an
    /// assignment is not there.
    #[must_use]
    pub fn lasting(self, time: Duration, propagation: Duration) -> Self {
        if self.reason != reasons::ROLE_PROPAGATING || time < propagation {
            return self;
        }
        let message = self.message.split(" A role assignment takes").next().unwrap_or_default();
        Self::person(reasons::WAITING_FOR_ROLE_ASSIGNMENT, format!("{message} {LACKS_ROLE}"))
    }
}

/// What Azure does not do before a person changes something.
fn refused(error: &azureml::Error, message: &str) -> Halt {
    let code = |codes: &[&str]| codes.iter().any(|code| error.has_code(code));
    let (reason, help) = if code(&["MissingSubscriptionRegistration", "SubscriptionNotRegistered"]) {
        (
            reasons::PROVIDER_NOT_REGISTERED,
            "Register the subscription for the resource provider (`az provider register`); it is tried again.",
        )
    } else if error.is_quota() {
        (reasons::QUOTA_EXCEEDED, "Ask for less in the spec, or raise the subscription's quota; it is tried again.")
    } else {
        (reasons::AZURE_REJECTED, "Correct the spec, or what in Azure stands against it; it is tried again.")
    };
    Halt::person(reason, format!("{message} {help}"))
}

/// Azure's classes of error as conditions.
fn azure_halt(error: &azureml::Error) -> Halt {
    let message = error.to_string();
    match error.class() {
        Class::Retry { after } => Halt {
            reason: if error.status() == Some(401) {
                reasons::AUTHENTICATION_FAILED
            } else {
                reasons::AZURE_UNAVAILABLE
            },
            message: if error.leaves_open() {
                format!(
                    "{message} Azure may have done it all the same: it is looked at first, and what is still missing is tried again."
                )
            } else {
                format!("{message} It is tried again.")
            },
            remedy: Remedy::Retry(after),
        },
        Class::Throttled { after } => Halt {
            reason: reasons::THROTTLED,
            message: format!("{message} It is tried again."),
            remedy: match (error, after) {
                (azureml::Error::Budget { .. }, Some(turn)) => Remedy::Turn(turn),
                _ => Remedy::Retry(after),
            },
        },
        Class::Busy { after } => Halt {
            reason: reasons::AZURE_BUSY,
            message: format!("{message} It is tried again."),
            remedy: Remedy::Retry(after),
        },
        Class::Forbidden if error.is_authorization_failed() => Halt::retry(
            reasons::ROLE_PROPAGATING,
            format!(
                "{message} A role assignment takes up to ten minutes to take effect; it is tried again until then."
            ),
        ),
        Class::Forbidden => Halt::person(reasons::WAITING_FOR_ROLE_ASSIGNMENT, format!("{message} {LACKS_ROLE}")),
        Class::Unauthenticated => Halt::person(
            reasons::AUTHENTICATION_FAILED,
            format!(
                "{message} Correct the AmlWorkspace's spec.credentials or what they name (`az ad sp credential reset` gives a new secret), or the clock of the operator's machine where Azure says that a token is not valid yet; it is tried again."
            ),
        ),
        Class::NotFound => Halt::wait(
            reasons::AZURE_NOT_FOUND,
            format!("{message} Make it in Azure, or correct what the spec names; it is looked for again."),
        ),
        Class::Person => refused(error, &message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AFTER: Option<Duration> = Some(Duration::from_secs(7));

    fn answered(status: u16, code: &str) -> Halt {
        let error = azureml::Error::Answer {
            operation: "PUT w/computes/cpu".to_owned(),
            status,
            code: code.to_owned(),
            message: "Azure's words".to_owned(),
            request_id: Some("request-1".to_owned()),
            retry_after: AFTER,
        };
        Error::from(error).halt()
    }

    #[test]
    fn every_answer_of_azure_is_told_whole_with_a_reason_and_a_remedy() {
        let again = Remedy::Retry(AFTER);
        for (status, code, reason, remedy) in [
            (429, "TooManyRequests", reasons::THROTTLED, again),
            (503, "TooManyRequests", reasons::THROTTLED, again),
            (409, "Conflict", reasons::AZURE_BUSY, again),
            (409, "AnotherOperationInProgress", reasons::AZURE_BUSY, again),
            (400, "ResourceNotReady", reasons::AZURE_BUSY, again),
            (500, "InternalServerError", reasons::AZURE_UNAVAILABLE, again),
            (502, "", reasons::AZURE_UNAVAILABLE, again),
            (503, "ServerBusy", reasons::AZURE_UNAVAILABLE, again),
            (408, "", reasons::AZURE_UNAVAILABLE, again),
            (401, "ExpiredAuthenticationToken", reasons::AUTHENTICATION_FAILED, again),
            (401, "InvalidAuthenticationToken", reasons::AUTHENTICATION_FAILED, Remedy::Person),
            (403, "AuthorizationFailed", reasons::ROLE_PROPAGATING, Remedy::Retry(None)),
            (403, "", reasons::WAITING_FOR_ROLE_ASSIGNMENT, Remedy::Person),
            (403, "RequestDisallowedByPolicy", reasons::AZURE_REJECTED, Remedy::Person),
            (409, "MissingSubscriptionRegistration", reasons::PROVIDER_NOT_REGISTERED, Remedy::Person),
            (400, "OutOfQuota", reasons::QUOTA_EXCEEDED, Remedy::Person),
            (400, "UserError", reasons::AZURE_REJECTED, Remedy::Person),
            (404, "ResourceNotFound", reasons::AZURE_NOT_FOUND, Remedy::Await),
        ] {
            let halt = answered(status, code);
            assert_eq!((halt.reason, halt.remedy), (reason, remedy), "{status} {code}");
            for word in ["PUT w/computes/cpu", &status.to_string(), code, "Azure's words", "request-1"] {
                assert!(halt.message.contains(word), "{status} {code}: {:?} lacks {word:?}", halt.message);
            }
            assert!(halt.message.contains("tried again") || halt.message.contains("looked for again"), "{halt}");
        }
    }

    #[test]
    fn a_write_without_an_answer_says_that_it_may_be_done_and_what_comes_next() {
        let no_answer = |operation: &str| azureml::Error::NoAnswer {
            operation: operation.to_owned(),
            message: "the time for an answer ran out".to_owned(),
        };
        let cut = azureml::Error::Malformed {
            operation: "DELETE w/data/d/versions/1".to_owned(),
            message: "EOF (status 200, 3 bytes of application/json, request id request-1)".to_owned(),
        };
        for (error, is_open) in
            [(no_answer("PUT w/computes/c"), true), (cut, true), (no_answer("GET w/computes/c"), false)]
        {
            let halt = Error::from(error).halt();
            assert_eq!((halt.reason, halt.remedy), (reasons::AZURE_UNAVAILABLE, Remedy::Retry(None)), "{halt}");
            assert_eq!(halt.message.contains("may have done it all the same"), is_open, "{halt}");
            assert!(halt.message.contains("tried again"), "{halt}");
        }
    }

    #[test]
    fn a_wait_for_its_turn_is_no_failure_and_tells_azures_last_refusal() {
        let said = Some("PUT x: Azure answered 429 TooManyRequests (request id request-1).".to_owned());
        let error = azureml::Error::Budget { operation: "PUT y".to_owned(), after: Duration::from_secs(3), said };
        let halt = Error::from(error).halt();
        assert_eq!((halt.reason, halt.remedy), (reasons::THROTTLED, Remedy::Turn(Duration::from_secs(3))));
        assert!(halt.message.contains("429 TooManyRequests") && halt.message.contains("request-1"), "{halt}");
    }

    #[test]
    fn a_role_that_does_not_work_after_the_time_that_azure_takes_is_missing() {
        let (minute, ten) = (Duration::from_secs(60), Duration::from_secs(600));
        let fresh = answered(403, "AuthorizationFailed").lasting(minute, ten);
        assert_eq!(fresh.reason, reasons::ROLE_PROPAGATING);
        assert!(fresh.message.contains("up to ten minutes"), "{fresh}");
        let lasting = answered(403, "AuthorizationFailed").lasting(ten, ten);
        assert_eq!((lasting.reason, lasting.remedy), (reasons::WAITING_FOR_ROLE_ASSIGNMENT, Remedy::Person));
        assert!(lasting.message.contains("Give") && lasting.message.contains("request-1"), "{lasting}");
        let other = answered(500, "").lasting(ten, ten);
        assert_eq!(other, answered(500, ""));
    }
}
