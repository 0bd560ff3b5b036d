//! Run history and MLflow: children of a job, tags, metrics.

use std::collections::BTreeMap;

use jiff::Timestamp;
use reqwest::Method;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::{Extra, Map, nullable, strings};
use crate::answer::Answer;
use crate::error::Error;
use crate::transport::{Auth, Body, Request};
use crate::workspace::Workspace;

/// A run, as run history tells it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Run {
    /// Its id: the job's name.
    pub run_id: String,
    /// The run it belongs to.
    pub parent_run_id: Option<String>,
    /// Where it stands, in words of JobStatus.
    pub status: String,
    /// Its display name; of a pipeline's child, the step's.
    pub display_name: Option<String>,
    /// When it started.
    #[serde(alias = "startTimeUtc")]
    pub start_time_utc: Option<Timestamp>,
    /// When it ended.
    pub end_time_utc: Option<Timestamp>,
    /// Its tags.
    #[serde(deserialize_with = "strings")]
    pub tags: Map,
    /// Its properties.
    #[serde(deserialize_with = "strings")]
    pub properties: Map,
    /// Its outputs, by name.
    #[serde(deserialize_with = "nullable")]
    pub outputs: Extra,
    /// Why it failed.
    pub error: Option<Value>,
}

impl Run {
    /// The step this run is of.
    #[must_use]
    pub fn step(&self) -> Option<&str> {
        self.properties.get("azureml.moduleName").map(String::as_str).or(self.display_name.as_deref())
    }

    /// The asset that is an output of this name.
    #[must_use]
    pub fn output(&self, name: &str) -> Option<&str> {
        self.outputs.get(name)?.get("assetId")?.as_str()
    }

    /// Why it failed, in words.
    #[must_use]
    pub fn error_text(&self) -> Option<String> {
        let error = self.error.as_ref()?;
        let inner = error.get("error").unwrap_or(error);
        let message = inner.get("message").and_then(Value::as_str)?;
        let code = inner.get("code").and_then(Value::as_str).unwrap_or_default();
        Some(if code.is_empty() { message.to_owned() } else { format!("{code}: {message}") })
    }
}

/// The run history of a workspace at its region's host.
#[derive(Clone, Debug)]
pub struct History {
    workspace: Workspace,
    host: String,
}

impl Workspace {
    /// Run history at a host from [`Workspace::history_host`].
    #[must_use]
    pub fn history(&self, host: String) -> History {
        History { workspace: self.clone(), host }
    }
}

/// Of a run's log files the one in which what the user's program wrote stands: of several processes that of the first
/// (`user_logs/std_log.txt`, `user_logs/std_log_process_0.txt`, and `azureml-logs/70_driver_log.txt` before those).
fn user_log<'a>(names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let rank = |name: &str| {
        let within = |folder: &str| name.starts_with(folder) && name.ends_with(".txt");
        match name {
            "user_logs/std_log.txt" => Some(0),
            _ if within("user_logs/std_log") => Some(1),
            _ if within("user_logs/") => Some(2),
            "azureml-logs/70_driver_log.txt" => Some(3),
            _ if within("logs/azureml/") => Some(4),
            _ => None,
        }
    };
    names.filter_map(|name| Some((rank(name)?, name))).min().map(|(_, name)| name)
}

impl History {
    /// A run with its error.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn run(&self, id: &str) -> Result<Option<Run>, Error> {
        match self.get(&format!("history/v1.0{}/runs/{id}", self.workspace.arm_id()), &[]).await {
            Ok(answer) => answer.json().map(Some),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The children of a run.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn children(&self, id: &str) -> Result<Vec<Run>, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Page {
            value: Vec<Run>,
            #[serde(default)]
            continuation_token: Option<String>,
        }
        let path = format!("history/v1.0{}/runs/{id}/children", self.workspace.arm_id());
        let mut all = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let mut query = vec![("api-version", "v1.0")];
            if let Some(token) = &token {
                query.push(("continuationToken", token));
            }
            let page: Page = self.get(&path, &query).await?.json()?;
            all.extend(page.value);
            token = page.continuation_token.filter(|token| !token.is_empty());
            if token.is_none() || all.len() > 20_000 {
                return Ok(all);
            }
        }
    }

    /// The details of a run: with its log files' addresses, warnings and error.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn details(&self, id: &str) -> Result<Option<Value>, Error> {
        match self.get(&format!("history/v1.0{}/runs/{id}/details", self.workspace.arm_id()), &[]).await {
            Ok(answer) => answer.json().map(Some),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The end of the log that a run's user wrote: its name, and at most this many bytes of it. `None` where the run
    /// has no log.
    ///
    /// # Errors
    /// Azure's answer, the blob store's, or an address outside the cloud.
    pub async fn log_tail(&self, id: &str, bytes: u64) -> Result<Option<(String, String)>, Error> {
        let Some(details) = self.details(id).await? else { return Ok(None) };
        let files = details.get("logFiles").and_then(Value::as_object).cloned().unwrap_or_default();
        let Some(name) = user_log(files.keys().map(String::as_str)).map(str::to_owned) else { return Ok(None) };
        let address = files.get(&name).and_then(Value::as_str).unwrap_or_default();
        let blob = self.workspace.signed_container(&format!("logs of {id}"), &SecretString::from(address))?;
        let text = blob.tail("", bytes).await?;
        Ok(text.map(|text| (name, String::from_utf8_lossy(&text).into_owned())))
    }

    /// The last value of each metric of a run.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn metrics(&self, id: &str) -> Result<BTreeMap<String, f64>, Error> {
        let path = format!("mlflow/v2.0{}/api/2.0/mlflow/runs/get", self.workspace.arm_id());
        let body: Value = self.get(&path, &[("run_id", id), ("run_uuid", id)]).await?.json()?;
        let metrics = body.pointer("/run/data/metrics").and_then(Value::as_array).cloned().unwrap_or_default();
        Ok(metrics
            .iter()
            .filter_map(|metric| Some((metric.get("key")?.as_str()?.to_owned(), metric.get("value")?.as_f64()?)))
            .collect())
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Answer, Error> {
        let malformed =
            |error: url::ParseError| Error::Malformed { operation: path.to_owned(), message: error.to_string() };
        let mut url = Url::parse(&format!("{}/{path}", self.host)).map_err(malformed)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let client = self.workspace.client();
        let audience = client.cloud().resource_manager_audience.clone();
        client
            .transport()
            .send(Request {
                resource: "runs",
                method: Method::GET,
                url,
                auth: Auth::Audience(client.credential(), &audience),
                headers: Vec::new(),
                body: Body::None,
                reads: true,
                priority: client.priority(),
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::user_log;

    #[test]
    fn the_user_s_log_is_told_from_the_system_s() {
        let of = |names: &[&'static str]| user_log(names.iter().copied());
        let system = ["system_logs/lifecycler/execution-wrapper.log", "logs/azureml/executionlogs.txt"];
        assert_eq!(of(&system), Some("logs/azureml/executionlogs.txt"));
        assert_eq!(of(&[system[1], "user_logs/std_log.txt"]), Some("user_logs/std_log.txt"));
        let many = ["user_logs/std_log_process_1.txt", "user_logs/std_log_process_0.txt"];
        assert_eq!(of(&many), Some("user_logs/std_log_process_0.txt"));
        assert_eq!(of(&["azureml-logs/70_driver_log.txt"]), Some("azureml-logs/70_driver_log.txt"));
        assert_eq!(of(&[]), None);
    }
}
