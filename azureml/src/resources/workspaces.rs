//! Workspaces.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Extra, Map, nullable};
use crate::error::Error;
use crate::lro::Started;
use crate::transport::{Auth, Body, Request};
use crate::workspace::{Workspace, value};

/// A workspace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkspaceResource {
    /// The ARM id.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The region.
    pub location: String,
    /// Its tags.
    #[serde(deserialize_with = "nullable")]
    pub tags: Map,
    /// Its properties.
    pub properties: WorkspaceProperties,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A workspace's properties.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkspaceProperties {
    /// Its GUID.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub workspace_id: String,
    /// Where the region's other services are found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discovery_url: Option<String>,
    /// For MLflow.
    #[serde(rename = "mlFlowTrackingUri")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mlflow_tracking_uri: Option<String>,
    /// Unknown, Updating, Creating, Deleting, Succeeded, Failed, Canceled or SoftDeleted.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub provisioning_state: String,
    /// ARM id of the Application Insights component.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application_insights: Option<String>,
    /// ARM id of the storage account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_account: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Workspace {
    /// The workspace itself.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn get(&self) -> Result<Option<WorkspaceResource>, Error> {
        self.client.get("workspaces", self.arm_id().as_str(), self.client.api_version(), &[]).await
    }

    /// Makes or replaces the workspace.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn put_workspace(&self, body: &WorkspaceResource) -> Result<Started<WorkspaceResource>, Error> {
        let url = self.client.arm_url(self.arm_id().as_str(), self.client.api_version(), &[])?;
        self.client.write("workspaces", Method::PUT, url, Some(value(body, "workspace")?), Vec::new()).await
    }

    /// Changes what can be changed of the workspace: `{"tags": ..., "identity": ..., "properties": ...}`.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn patch_workspace(&self, change: Value) -> Result<Started<WorkspaceResource>, Error> {
        let url = self.client.arm_url(self.arm_id().as_str(), self.client.api_version(), &[])?;
        self.client.write("workspaces", Method::PATCH, url, Some(change), Vec::new()).await
    }

    /// Deletes the workspace; it can be recovered for a while (soft delete), for it is never purged.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn delete_workspace(&self) -> Result<Started<Value>, Error> {
        let url = self.client.arm_url(self.arm_id().as_str(), self.client.api_version(), &[])?;
        match self.client.write("workspaces", Method::DELETE, url, None, Vec::new()).await {
            Err(error) if error.is_not_found() => Ok(Started { body: None, operation: None }),
            other => other,
        }
    }

    /// The base address of the region's run history and MLflow, from the discovery document.
    ///
    /// # Errors
    /// Azure's answer, or an address outside the cloud.
    pub async fn history_host(&self, discovery_url: &str) -> Result<String, Error> {
        let transport = self.client.transport();
        let url = transport.trusted("discovery", discovery_url)?;
        let request = Request {
            resource: "discovery",
            method: reqwest::Method::GET,
            url,
            auth: Auth::None,
            headers: Vec::new(),
            body: Body::None,
            reads: true,
            priority: self.client.priority(),
        };
        let answer = transport.send(request).await?;
        let document: Value = answer.json()?;
        let host =
            document.get("history").or_else(|| document.get("api")).and_then(Value::as_str).ok_or_else(|| {
                Error::Malformed {
                    operation: answer.operation.clone(),
                    message: "the discovery document names no history service".to_owned(),
                }
            })?;
        transport.trusted("discovery", host)?;
        Ok(host.trim_end_matches('/').to_owned())
    }
}
