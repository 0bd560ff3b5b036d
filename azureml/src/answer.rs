//! Azure's answers, and the errors read out of them.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::error::Error;

/// How much of Azure's message is kept; conditions are read by people.
const MAX_MESSAGE: usize = 1000;

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) operation: String,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| Error::Malformed {
            operation: self.operation.clone(),
            message: format!(
                "{error} (status {}, {} bytes of {}{})",
                self.status.as_u16(),
                self.body.len(),
                self.header("content-type").unwrap_or("no content type"),
                self.request_id().map(|id| format!(", request id {id}")).unwrap_or_default()
            ),
        })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// `Retry-After` in seconds; Azure sends no dates there.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.header("retry-after").and_then(|text| text.trim().parse().ok()).map(Duration::from_secs)
    }

    pub(crate) fn request_id(&self) -> Option<&str> {
        self.header("x-ms-request-id").or_else(|| self.header("x-request-id"))
    }

    /// The smallest number that Azure says is left of the budget for this kind of request.
    pub(crate) fn remaining(&self) -> Option<u32> {
        self.headers
            .iter()
            .filter(|(name, _)| name.as_str().starts_with("x-ms-ratelimit-remaining-subscription-"))
            .filter_map(|(_, value)| value.to_str().ok()?.trim().parse().ok())
            .min()
    }

    /// Azure's error body, in any of its forms.
    pub(crate) fn refusal(&self) -> Error {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or(Value::Null);
        let error = body.get("error").filter(|error| error.is_object()).unwrap_or(&body);
        let text = |name: &str| error.get(name).and_then(Value::as_str).map(str::to_owned);
        let code = text("code").or_else(|| self.header("x-ms-error-code").map(str::to_owned)).unwrap_or_default();
        let mut message = text("message").unwrap_or_else(|| self.plain_text());
        for detail in details(error) {
            if !message.contains(&detail) {
                message = format!("{} ({detail})", message.trim_end_matches('.'));
            }
        }
        Error::Answer {
            operation: self.operation.clone(),
            status: self.status.as_u16(),
            code,
            message: message.trim().trim_end_matches('.').chars().take(MAX_MESSAGE).collect(),
            request_id: self.request_id().map(str::to_owned),
            retry_after: self.retry_after(),
        }
    }

    /// The start of a body that is no JSON: a proxy's page without its markup.
    fn plain_text(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let mut plain = String::new();
        let mut in_tag = false;
        for character in text.chars() {
            match character {
                '<' => in_tag = true,
                '>' => {
                    in_tag = false;
                    plain.push(' ');
                }
                _ if in_tag || character.is_control() => {}
                _ => plain.push(character),
            }
        }
        plain.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect()
    }
}

/// The messages of `details`, which often say what the outer message does not.
fn details(error: &Value) -> Vec<String> {
    let list = error.get("details").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter()
        .filter_map(|detail| detail.get("message").and_then(Value::as_str))
        .take(3)
        .map(|text| text.trim().trim_end_matches('.').to_owned())
        .collect()
}

/// The method and the telling end of the path; never the query, which may hold a signature.
pub(crate) fn describe(method: &Method, url: &Url) -> String {
    let path = url.path();
    let lower = path.to_ascii_lowercase();
    let tail = ["/workspaces/", "/providers/"].iter().find_map(|marker| {
        let at = lower.rfind(marker)?;
        path.get(at + marker.len()..)
    });
    format!("{method} {}", tail.unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, content_type: &str, body: &str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", content_type.parse().unwrap());
        headers.insert("x-ms-request-id", "r-1".parse().unwrap());
        headers.insert("retry-after", "7".parse().unwrap());
        Answer {
            operation: "PUT models/m".into(),
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            body: body.to_owned().into(),
        }
    }

    #[test]
    fn every_form_of_an_error_body_is_read() {
        let nested =
            r#"{"error":{"code":"UserError","message":"No.","details":[{"code":"x","message":"The name is taken."}]}}"#;
        for (content_type, body, text) in [
            (
                "application/json",
                nested,
                "PUT models/m: Azure answered 400 UserError: No (The name is taken) (request id r-1).",
            ),
            (
                "application/json",
                r#"{"code":"BadArgument","message":"m"}"#,
                "PUT models/m: Azure answered 400 BadArgument: m (request id r-1).",
            ),
            (
                "text/html",
                "<html><h1>Bad\n Gateway</h1></html>",
                "PUT models/m: Azure answered 400: Bad Gateway (request id r-1).",
            ),
            ("text/plain", "", "PUT models/m: Azure answered 400 (request id r-1)."),
        ] {
            assert_eq!(answer(400, content_type, body).refusal().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_json_is_an_error_that_says_what_it_is() {
        let error = answer(200, "text/html", "<html>").json::<Value>().unwrap_err().to_string();
        assert!(error.contains("text/html") && error.contains("request id r-1"), "{error}");
    }

    #[test]
    fn operations_are_named_without_their_query() {
        for (url, text) in [
            (
                "https://m/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w/data/d/versions/1?sig=secret",
                "GET w/data/d/versions/1",
            ),
            (
                "https://m/subscriptions/s/providers/Microsoft.Authorization/roleAssignments/x?a=b",
                "GET Microsoft.Authorization/roleAssignments/x",
            ),
            ("https://a.blob/c/x?sig=secret", "GET /c/x"),
        ] {
            assert_eq!(describe(&Method::GET, &Url::parse(url).unwrap()), text);
        }
    }
}
