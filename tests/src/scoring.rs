//! A user of an endpoint: knows what the output Secret says, and nothing else.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::Client;
use serde_json::Value;

use crate::failure::{Failure, Result, While};
use crate::scenario::Scenario;

/// Where predictions are asked for.
#[derive(Clone, Debug)]
pub struct Scoring {
    http: Client,
    uri: String,
    key: String,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Scored {
    /// A prediction a row.
    pub predictions: Vec<Value>,
    /// The deployment that answered.
    pub deployment: String,
}

impl Scoring {
    /// By an endpoint's output Secret.
    ///
    /// # Errors
    /// When there is none, or it lacks something.
    pub async fn by(scenario: &Scenario, secret: &str) -> Result<Self> {
        let object = scenario.get("Secret", secret).await?.doing(format_args!("Secret {secret}"))?;
        let read = |key: &str| {
            let encoded = object["data"][key].as_str().doing(format_args!("{key} in Secret {secret}"))?;
            let bytes = BASE64_STANDARD.decode(encoded).doing(format_args!("{key} in Secret {secret}"))?;
            Ok::<_, Failure>(String::from_utf8(bytes)?)
        };
        Ok(Self { http: scenario.emulator.http().clone(), uri: read("scoringUri")?, key: read("key")? })
    }

    /// Sends a request.
    ///
    /// # Errors
    /// When it is not answered with predictions.
    pub async fn ask(&self, request: &Value) -> Result<Scored> {
        let answer = self.http.post(&self.uri).bearer_auth(&self.key).json(request).send().await?;
        let (status, headers, text) = (answer.status(), answer.headers().clone(), answer.text().await?);
        if !status.is_success() {
            return Err(Failure::new(format!("POST {}: {status}: {text}", self.uri)));
        }
        let predictions = serde_json::from_str(&text).doing(format_args!("predictions in {text}"))?;
        let deployment = headers.get("azureml-model-deployment").and_then(|value| value.to_str().ok());
        Ok(Scored { predictions, deployment: deployment.unwrap_or_default().to_owned() })
    }
}
