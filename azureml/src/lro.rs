//! Long-running operations as values: started by one pass, polled by another, by this process or the next.

use std::time::Duration;

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::answer::Answer;
use crate::error::{Class, Error};
use crate::transport::{Auth, Body, Request};
use crate::workspace::Client;

/// How the answer of an operation's address is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Style {
    /// `Azure-AsyncOperation`: a body with `status`.
    AsyncOperation,
    /// `Location`: 202 while it runs.
    Location,
}

impl Style {
    /// As a status spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AsyncOperation => "AsyncOperation",
            Self::Location => "Location",
        }
    }

    /// From a status; anything else is a Location.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if text == "AsyncOperation" { Self::AsyncOperation } else { Self::Location }
    }
}

/// An operation in flight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Where Azure tells how it stands.
    pub url: String,
    /// How that is read.
    pub style: Style,
    /// When Azure wants to be asked first.
    #[serde(skip)]
    pub retry_after: Option<Duration>,
}

/// How an operation stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperationState {
    /// It runs.
    Running {
        /// When Azure wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// It is done.
    Succeeded,
    /// It failed, or was cancelled (code `Canceled`).
    Failed {
        /// Azure's code.
        code: String,
        /// Azure's message, and the request id of the answer that it came in.
        message: String,
    },
    /// Azure knows no such operation (any more): the object itself tells how it ended.
    Lost,
}

/// What a write returned: the object where there was a body, and the operation where one was started.
#[derive(Clone, Debug)]
pub struct Started<T> {
    /// The object.
    pub body: Option<T>,
    /// The operation.
    pub operation: Option<Operation>,
}

/// The operation that an answer speaks of. `Azure-AsyncOperation` goes before `Location` (ARM's rule).
pub(crate) fn started(client: &Client, answer: &Answer) -> Result<Option<Operation>, Error> {
    let (text, style) = match (answer.header("azure-asyncoperation"), answer.header("location")) {
        (Some(url), _) => (url, Style::AsyncOperation),
        (None, Some(url)) if answer.status.as_u16() == 202 => (url, Style::Location),
        _ => return Ok(None),
    };
    let url = client.transport().trusted(&answer.operation, text)?;
    Ok(Some(Operation { url: url.to_string(), style, retry_after: answer.retry_after() }))
}

impl Operation {
    /// As written down by an earlier pass.
    #[must_use]
    pub fn resume(url: impl Into<String>, style: &str) -> Self {
        Self { url: url.into(), style: Style::parse(style), retry_after: None }
    }
}

impl Client {
    /// Asks how an operation stands.
    ///
    /// # Errors
    /// When no answer comes, or the address is not one to be followed.
    pub async fn poll(&self, operation: &Operation) -> Result<OperationState, Error> {
        let url = self.transport().trusted("polling an operation", &operation.url)?;
        let answer = self
            .transport()
            .exchange(Request {
                resource: "operations",
                method: Method::GET,
                url,
                auth: Auth::Audience(self.credential(), &self.transport().cloud().resource_manager_audience),
                headers: Vec::new(),
                body: Body::None,
                reads: true,
                priority: self.priority(),
            })
            .await?;
        let retry_after = answer.retry_after();
        match (answer.status.as_u16(), operation.style) {
            (404 | 410, _) => Ok(OperationState::Lost),
            (202, Style::Location) => Ok(OperationState::Running { retry_after }),
            (200..=299, Style::Location) => Ok(OperationState::Succeeded),
            (200..=299, Style::AsyncOperation) => {
                read(&answer.json()?, retry_after, &answer.operation).map(|state| named(state, answer.request_id()))
            }
            (_, style) => refused(answer.refusal(), style),
        }
    }
}

/// A `Location` tells of a failed operation by the status and the error of its own answer (ARM's rule): what is no
/// trouble of the request is the operation's end.
fn refused(error: Error, style: Style) -> Result<OperationState, Error> {
    match (style, error.class(), &error) {
        (Style::Location, Class::Person, Error::Answer { status, code, message, request_id, .. }) => {
            let code = if code.is_empty() { status.to_string() } else { code.clone() };
            Ok(named(OperationState::Failed { code, message: message.clone() }, request_id.as_deref()))
        }
        _ => Err(error),
    }
}

/// A failure with the id of the answer that told of it, by which Azure's support finds it.
fn named(state: OperationState, request_id: Option<&str>) -> OperationState {
    match (state, request_id) {
        (OperationState::Failed { code, message }, Some(id)) => {
            let message = format!("{} (request id {id})", message.trim_end_matches('.'));
            OperationState::Failed { code, message }
        }
        (state, _) => state,
    }
}

fn read(body: &Value, retry_after: Option<Duration>, operation: &str) -> Result<OperationState, Error> {
    let status = body.get("status").and_then(Value::as_str).ok_or_else(|| Error::Malformed {
        operation: operation.to_owned(),
        message: "an operation without a status".to_owned(),
    })?;
    let error =
        |name: &str| body.get("error").and_then(|error| error.get(name)).and_then(Value::as_str).map(str::to_owned);
    Ok(match status.to_lowercase().as_str() {
        "succeeded" => OperationState::Succeeded,
        "failed" | "canceled" | "cancelled" => OperationState::Failed {
            code: error("code").unwrap_or_else(|| status.to_owned()),
            message: error("message").unwrap_or_else(|| "Azure gives no reason".to_owned()),
        },
        // Anything else is under way (ARM's rule for asynchronous operations).
        _ => OperationState::Running { retry_after },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_three_words_end_an_operation() {
        for (status, running) in [
            ("InProgress", true),
            ("Accepted", true),
            ("Whatever", true),
            ("Succeeded", false),
            ("Failed", false),
            ("Canceled", false),
        ] {
            let state = read(&json!({"status": status}), None, "x").unwrap();
            assert_eq!(matches!(state, OperationState::Running { .. }), running, "{status}");
        }
        let failed =
            read(&json!({"status": "Failed", "error": {"code": "OutOfQuota", "message": "no"}}), None, "x").unwrap();
        assert_eq!(failed, OperationState::Failed { code: "OutOfQuota".into(), message: "no".into() });
        assert!(read(&json!({}), None, "x").is_err());
    }

    #[test]
    fn a_location_that_answers_with_an_error_tells_the_end_of_the_operation() {
        let answer = |status, code: &str| Error::Answer {
            operation: "GET x".into(),
            status,
            code: code.into(),
            message: "no".into(),
            request_id: None,
            retry_after: None,
        };
        let failed = OperationState::Failed { code: "BadStorage".into(), message: "no".into() };
        assert_eq!(refused(answer(400, "BadStorage"), Style::Location), Ok(failed));
        for (status, code, style) in [
            (400, "BadStorage", Style::AsyncOperation),
            (403, "AuthorizationFailed", Style::Location),
            (429, "", Style::Location),
            (500, "", Style::Location),
        ] {
            assert!(refused(answer(status, code), style).is_err(), "{status} {code}");
        }
    }
}
