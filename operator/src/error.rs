//! What can stop a reconcile, and how that reads in the object's conditions.

use std::time::Duration;

use azureml::error::Class;
use azureml_crds::reasons;

/// How an object that can't go on is to be treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Passes by itself: tried again after this time (absent: the controller's own back-off).
    Retry(Option<Duration>),
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
            reason: reasons::AZURE_UNAVAILABLE,
            message: format!("{message} It is tried again."),
            remedy: Remedy::Retry(after),
        },
        Class::Throttled { after } => Halt {
            reason: reasons::THROTTLED,
            message: format!("{message} It is tried again."),
            remedy: Remedy::Retry(after),
        },
        Class::Busy { after } => Halt {
            reason: reasons::AZURE_BUSY,
            message: format!("{message} It is tried again."),
            remedy: Remedy::Retry(after),
        },
        Class::Forbidden => Halt::person(
            reasons::WAITING_FOR_ROLE_ASSIGNMENT,
            format!(
                "{message} Give the workspace's identity the role it lacks; a new role assignment takes up to 10 minutes to work, and it is tried again until then."
            ),
        ),
        Class::Unauthenticated => Halt::person(
            reasons::AUTHENTICATION_FAILED,
            format!(
                "{message} Correct the AmlWorkspace's spec.credentials or what they name (`az ad sp credential reset` gives a new secret); it is tried again when that changes."
            ),
        ),
        Class::NotFound => Halt::wait(
            reasons::AZURE_NOT_FOUND,
            format!("{message} Make it in Azure, or correct what the spec names; it is looked for again."),
        ),
        Class::Person => refused(error, &message),
    }
}
