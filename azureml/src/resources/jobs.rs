//! Jobs.

use reqwest::Method;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Extra, Map, SystemData, nullable};
use crate::error::Error;
use crate::lro::Started;
use crate::workspace::{Workspace, value};

/// A job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Job {
    /// The ARM id.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its properties.
    pub properties: JobProperties,
    /// When it was made.
    #[serde(skip_serializing)]
    pub system_data: SystemData,
}

/// What all jobs have.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JobProperties {
    /// `Pipeline`, `AutoML`, `Command`.
    pub job_type: String,
    /// Where it stands; see [`JobState`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Its experiment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experiment_name: Option<String>,
    /// Its tags.
    #[serde(deserialize_with = "nullable")]
    pub tags: Map,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Where a job stands, in three words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// Not started yet.
    Waiting,
    /// Under way.
    Running,
    /// It ended well.
    Completed,
    /// It failed.
    Failed,
    /// It was stopped.
    Canceled,
}

impl Job {
    /// Where it stands. NotResponding and Paused are not the end (JobStatus, api-version 2025-12-01).
    #[must_use]
    pub fn state(&self) -> JobState {
        match self.properties.status.as_deref().unwrap_or_default() {
            "Completed" => JobState::Completed,
            "Failed" => JobState::Failed,
            "Canceled" => JobState::Canceled,
            "Running" | "Finalizing" | "CancelRequested" | "NotResponding" | "Paused" => JobState::Running,
            _ => JobState::Waiting,
        }
    }

    /// The job's page in the studio.
    #[must_use]
    pub fn studio_url(&self) -> Option<String> {
        let services = self.properties.extra.get("services")?;
        services.get("Studio")?.get("endpoint")?.as_str().map(str::to_owned)
    }
}

impl Workspace {
    /// A job.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn job(&self, name: &str) -> Result<Option<Job>, Error> {
        self.read("jobs", &format!("jobs/{name}"), &[]).await
    }

    /// Submits a pipeline job. It carries a token for Azure ML's data plane beside the usual one, as Azure's own
    /// clients do (azure-ai-ml, `x-azureml-token`).
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn submit_pipeline(&self, name: &str, job: &Job) -> Result<Option<Job>, Error> {
        let audience = self.client.cloud().ml_audience.clone();
        let token = self.client.token(&audience).await?;
        let headers = vec![("x-azureml-token", token.expose_secret().to_owned())];
        let url = self.client.arm_url(&self.id_of(&format!("jobs/{name}")), self.client.api_version(), &[])?;
        let body = value(job, name)?;
        Ok(self.client.write("jobs", Method::PUT, url, Some(body), headers).await?.body)
    }

    /// Submits a job that is no pipeline, or changes what can be changed of one (tags, archived).
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn put_job(&self, name: &str, job: &Job) -> Result<Option<Job>, Error> {
        Ok(self.put("jobs", &format!("jobs/{name}"), job, Vec::new()).await?.body)
    }

    /// The jobs that have a tag (`name` or `name=value`), archived ones too; all jobs where none is asked for.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn jobs(&self, tag: Option<&str>) -> Result<Vec<Job>, Error> {
        let mut query = vec![("listViewType", "All")];
        query.extend(tag.map(|tag| ("tag", tag)));
        self.read_list("jobs", "jobs", &query).await
    }

    /// Deletes a finished job.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn delete_job(&self, name: &str) -> Result<Started<Value>, Error> {
        self.delete("jobs", &format!("jobs/{name}"), &[]).await
    }

    /// Asks for a job to be stopped.
    ///
    /// # Errors
    /// Azure's answer; a job that is gone is no error.
    pub async fn cancel_job(&self, name: &str) -> Result<(), Error> {
        match self.post("jobs", &format!("jobs/{name}/cancel"), None, false).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }
}
