//! What went wrong in the harness or in a test, and while doing what.

use std::fmt::Display;

/// The result of what a test does.
pub type Result<T = ()> = std::result::Result<T, Failure>;

/// What went wrong, in words for the person who reads the test's output.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failure(String);

impl Failure {
    /// With a message.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// Says while doing what an error came.
pub trait While<T> {
    /// The error, with what was being done before it.
    ///
    /// # Errors
    /// The same as came in.
    fn doing(self, what: impl Display) -> Result<T>;
}

impl<T, E: Display> While<T> for std::result::Result<T, E> {
    fn doing(self, what: impl Display) -> Result<T> {
        self.map_err(|error| Failure(format!("{what}: {error}")))
    }
}

impl<T> While<T> for Option<T> {
    fn doing(self, what: impl Display) -> Result<T> {
        self.ok_or_else(|| Failure(format!("{what}: there is none")))
    }
}

macro_rules! from {
    ($($error:ty),*) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self(with_causes(&error))
            }
        }
    )*};
}
from!(
    std::io::Error,
    serde_json::Error,
    reqwest::Error,
    kube::Error,
    rcgen::Error,
    csv::Error,
    std::string::FromUtf8Error
);

/// An error with what caused it: HTTP clients put the useful part there.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}
