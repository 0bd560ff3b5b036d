//! An endpoint's own addresses: score and swagger.

use reqwest::Method;
use secrecy::SecretString;
use serde_json::Value;

use crate::answer::Answer;
use crate::error::Error;
use crate::transport::{Auth, Body, Request};
use crate::workspace::Client;

/// An answer of a scoring request, whatever its status.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// The HTTP status.
    pub status: u16,
    /// The body, where it is JSON.
    pub body: Option<Value>,
    /// The start of the body as text.
    pub text: String,
}

impl Client {
    /// Sends a scoring request, past the traffic rules where a deployment is named.
    ///
    /// # Errors
    /// When no answer comes, or the address lies outside the cloud.
    pub async fn score(
        &self,
        uri: &str,
        key: &SecretString,
        deployment: Option<&str>,
        body: &Value,
    ) -> Result<Scored, Error> {
        let answer = self.endpoint_call(Method::POST, uri, key, deployment, Body::Json(body.clone())).await?;
        Ok(Scored {
            status: answer.status.as_u16(),
            body: serde_json::from_slice(&answer.body).ok(),
            text: String::from_utf8_lossy(&answer.body).chars().take(500).collect(),
        })
    }

    /// The endpoint's description of itself.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn swagger(&self, uri: &str, key: &SecretString) -> Result<String, Error> {
        let answer = self.endpoint_call(Method::GET, uri, key, None, Body::None).await?;
        if !answer.status.is_success() {
            return Err(answer.refusal());
        }
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }

    async fn endpoint_call(
        &self,
        method: Method,
        uri: &str,
        key: &SecretString,
        deployment: Option<&str>,
        body: Body,
    ) -> Result<Answer, Error> {
        let url = self.transport().trusted("scoring", uri)?;
        let headers = deployment.map(|name| ("azureml-model-deployment", name.to_owned())).into_iter().collect();
        self.transport()
            .exchange(Request {
                resource: "score",
                method,
                url,
                auth: Auth::Bearer(key),
                headers,
                body,
                reads: true,
                priority: self.priority(),
            })
            .await
    }
}
