//! Batch endpoints, their deployments, and their invocation.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Extra, Map, nullable};
use crate::error::Error;
use crate::lro::Started;
use crate::transport::{Auth, Body, Request};
use crate::workspace::Workspace;

/// A batch endpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BatchEndpoint {
    /// The ARM id.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The region.
    pub location: String,
    /// Its tags.
    #[serde(deserialize_with = "nullable")]
    pub tags: Map,
    /// Its properties.
    pub properties: BatchEndpointProperties,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A batch endpoint's properties.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BatchEndpointProperties {
    /// `AADToken`, the only mode there is.
    pub auth_mode: String,
    /// The deployment that requests go to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub defaults: Option<BatchDefaults>,
    /// Where it is invoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scoring_uri: Option<String>,
    /// Creating, Deleting, Succeeded, Failed, Updating or Canceled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provisioning_state: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Where requests go that name no deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BatchDefaults {
    /// The deployment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployment_name: Option<String>,
}

/// A deployment of a batch endpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BatchDeployment {
    /// The ARM id.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The region.
    pub location: String,
    /// Its tags.
    #[serde(deserialize_with = "nullable")]
    pub tags: Map,
    /// Its properties.
    pub properties: BatchDeploymentProperties,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A batch deployment's properties.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BatchDeploymentProperties {
    /// The pipeline component that it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployment_configuration: Option<PipelineComponentDeployment>,
    /// Creating, Deleting, Scaling, Succeeded, Failed, Updating or Canceled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provisioning_state: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A pipeline component as what a batch deployment runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PipelineComponentDeployment {
    /// `PipelineComponent`.
    pub deployment_configuration_type: String,
    /// The component's version.
    pub component_id: AssetReference,
    /// `default_compute`, `continue_on_step_failure`.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub settings: Value,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

impl PipelineComponentDeployment {
    /// Runs this version of a component.
    #[must_use]
    pub fn of(component_version_id: &str, settings: Value) -> Self {
        Self {
            deployment_configuration_type: "PipelineComponent".to_owned(),
            component_id: AssetReference { reference_type: "Id".to_owned(), asset_id: component_version_id.to_owned() },
            settings,
            extra: Extra::new(),
        }
    }
}

/// A reference by ARM id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssetReference {
    /// `Id`.
    pub reference_type: String,
    /// The ARM id.
    pub asset_id: String,
}

/// The job that an invocation started.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Invoked {
    /// The ARM id of the job.
    pub id: String,
    /// The job's name.
    pub name: String,
}

impl Workspace {
    /// A batch endpoint.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn batch_endpoint(&self, name: &str) -> Result<Option<BatchEndpoint>, Error> {
        self.read("batchEndpoints", &format!("batchEndpoints/{name}"), &[]).await
    }

    /// All batch endpoints.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn batch_endpoints(&self) -> Result<Vec<BatchEndpoint>, Error> {
        self.read_list("batchEndpoints", "batchEndpoints", &[]).await
    }

    /// Makes or replaces a batch endpoint.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn put_batch_endpoint(&self, name: &str, body: &BatchEndpoint) -> Result<Started<BatchEndpoint>, Error> {
        self.put("batchEndpoints", &format!("batchEndpoints/{name}"), body, Vec::new()).await
    }

    /// Deletes a batch endpoint with its deployments.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn delete_batch_endpoint(&self, name: &str) -> Result<Started<Value>, Error> {
        self.delete("batchEndpoints", &format!("batchEndpoints/{name}"), &[]).await
    }

    /// The deployments of a batch endpoint.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn batch_deployments(&self, endpoint: &str) -> Result<Vec<BatchDeployment>, Error> {
        self.read_list("batchDeployments", &format!("batchEndpoints/{endpoint}/deployments"), &[]).await
    }

    /// A deployment of a batch endpoint.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn batch_deployment(&self, endpoint: &str, name: &str) -> Result<Option<BatchDeployment>, Error> {
        self.read("batchDeployments", &format!("batchEndpoints/{endpoint}/deployments/{name}"), &[]).await
    }

    /// Makes or replaces a deployment of a batch endpoint.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn put_batch_deployment(
        &self,
        endpoint: &str,
        name: &str,
        body: &BatchDeployment,
    ) -> Result<Started<BatchDeployment>, Error> {
        self.put("batchDeployments", &format!("batchEndpoints/{endpoint}/deployments/{name}"), body, Vec::new()).await
    }

    /// Deletes a deployment of a batch endpoint.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn delete_batch_deployment(&self, endpoint: &str, name: &str) -> Result<Started<Value>, Error> {
        self.delete("batchDeployments", &format!("batchEndpoints/{endpoint}/deployments/{name}"), &[]).await
    }

    /// Invokes a batch endpoint at its own address, by a token for Azure ML's data plane.
    ///
    /// # Errors
    /// Azure's answer, or an address outside the cloud.
    pub async fn invoke_batch(
        &self,
        scoring_uri: &str,
        deployment: Option<&str>,
        body: Value,
    ) -> Result<Invoked, Error> {
        let transport = self.client().transport();
        let url = transport.trusted("invoking a batch endpoint", scoring_uri)?;
        let headers = deployment.map(|name| ("azureml-model-deployment", name.to_owned())).into_iter().collect();
        let request = Request {
            resource: "batchInvoke",
            method: Method::POST,
            url,
            auth: Auth::Audience(self.client().credential(), &self.client().cloud().ml_audience),
            headers,
            body: Body::Json(body),
            reads: false,
            priority: self.client().priority(),
        };
        transport.send(request).await?.json()
    }
}
