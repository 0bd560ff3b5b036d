//! A request and its answer, as the emulator tells them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How the operator names itself to Azure; where it asks for tokens, it is Azure's SDK that asks.
const OPERATOR: [&str; 2] = ["azureml-operator/", "azsdk-rust-"];

/// A request and its answer. Secrets are masked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Exchange {
    /// Its number.
    pub seq: u64,
    /// The method.
    pub method: String,
    /// The path, still encoded.
    pub path: String,
    /// The query, still encoded.
    #[serde(default)]
    pub query: String,
    /// Whether a fault wrote the answer, or kept it away.
    #[serde(default)]
    pub ordered: bool,
    /// What was sent.
    pub request: Message,
    /// What came back; none where the client went away before, or the connection was reset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
}

/// Headers and body.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Message {
    /// The headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The length of the body.
    pub length: u64,
    /// A body of JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<Value>,
    /// A body that is a form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<Value>,
}

/// What came back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Headers and body.
    #[serde(flatten)]
    pub message: Message,
}

impl Exchange {
    /// Whether the operator sent it.
    #[must_use]
    pub fn is_of_the_operator(&self) -> bool {
        let agent = self.request.headers.get("user-agent").map_or("", String::as_str);
        OPERATOR.iter().any(|name| agent.starts_with(name))
    }

    /// The pairs of the query, decoded.
    #[must_use]
    pub fn query_pairs(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(self.query.as_bytes()).into_owned().collect()
    }

    /// In few words, for a person who looks for it in the log.
    #[must_use]
    pub fn words(&self) -> String {
        let status = self.answer.as_ref().map_or_else(|| "no answer".to_owned(), |answer| answer.status.to_string());
        let query = if self.query.is_empty() { String::new() } else { format!("?{}", self.query) };
        format!("{} {}{query} -> {status}", self.method, self.path)
    }
}

impl Message {
    /// The media type of the body, without its parameters.
    #[must_use]
    pub fn media_type(&self) -> &str {
        let whole = self.headers.get("content-type").map_or("", String::as_str);
        whole.split(';').next().unwrap_or_default().trim()
    }

    /// The body as a value, where it is one.
    #[must_use]
    pub fn value(&self) -> Option<&Value> {
        self.json.as_ref().or(self.form.as_ref())
    }

    /// The same, to be changed.
    pub fn value_mut(&mut self) -> Option<&mut Value> {
        self.json.as_mut().or(self.form.as_mut())
    }
}
