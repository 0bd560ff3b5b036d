//! What Azure Monitor holds about an endpoint: autoscale settings of a managed deployment, diagnostic settings, and
//! metrics (Microsoft.Insights).

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Extra, Map, nullable};
use crate::error::Error;
use crate::workspace::{Workspace, value};

/// The api-version of autoscale settings.
const AUTOSCALE_VERSION: &str = "2022-10-01";
/// The api-version of diagnostic settings.
const DIAGNOSTICS_VERSION: &str = "2021-05-01-preview";
/// The api-version of metrics.
const METRICS_VERSION: &str = "2023-10-01";

/// How a managed deployment's count follows its load: a resource of its own beside the workspace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AutoscaleSetting {
    /// The ARM id.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The region.
    pub location: String,
    /// Its tags.
    #[serde(deserialize_with = "nullable")]
    pub tags: Map,
    /// Its properties.
    pub properties: AutoscaleProperties,
}

/// An autoscale setting's properties.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AutoscaleProperties {
    /// It acts.
    pub enabled: bool,
    /// The ARM id of the deployment.
    pub target_resource_uri: String,
    /// Capacity and rules.
    #[serde(deserialize_with = "nullable")]
    pub profiles: Vec<Value>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Workspace {
    fn autoscale_path(&self, name: &str) -> String {
        let id = self.id();
        format!(
            "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.Insights/autoscaleSettings/{name}",
            id.subscription_id, id.resource_group
        )
    }

    /// An autoscale setting in the workspace's resource group.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn autoscale_setting(&self, name: &str) -> Result<Option<AutoscaleSetting>, Error> {
        self.client.get("autoscaleSettings", &self.autoscale_path(name), AUTOSCALE_VERSION, &[]).await
    }

    /// Makes or replaces an autoscale setting in the workspace's resource group.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn put_autoscale_setting(
        &self,
        name: &str,
        setting: &AutoscaleSetting,
    ) -> Result<AutoscaleSetting, Error> {
        let url = self.client.arm_url(&self.autoscale_path(name), AUTOSCALE_VERSION, &[])?;
        let body = value(setting, name)?;
        self.client.arm("autoscaleSettings", Method::PUT, url, Some(body), Vec::new(), false).await?.json()
    }

    /// Deletes an autoscale setting; it has to go before its deployment does.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn delete_autoscale_setting(&self, name: &str) -> Result<(), Error> {
        let url = self.client.arm_url(&self.autoscale_path(name), AUTOSCALE_VERSION, &[])?;
        match self.client.arm("autoscaleSettings", Method::DELETE, url, None, Vec::new(), false).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    /// Sends a resource's logs and metrics on, e.g. an endpoint's to a Log Analytics workspace.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn put_diagnostic_setting(
        &self,
        resource_id: &str,
        name: &str,
        properties: Value,
    ) -> Result<Value, Error> {
        let path = format!("{resource_id}/providers/Microsoft.Insights/diagnosticSettings/{name}");
        let url = self.client.arm_url(&path, DIAGNOSTICS_VERSION, &[])?;
        let body = serde_json::json!({"properties": properties});
        self.client.arm("diagnosticSettings", Method::PUT, url, Some(body), Vec::new(), false).await?.json()
    }

    /// The values of a metric of a resource: `query` holds metricnames, aggregation, interval, timespan and $filter.
    ///
    /// # Errors
    /// Azure's answer; 403 where the identity may not read metrics.
    pub async fn metrics(&self, resource_id: &str, query: &[(&str, &str)]) -> Result<Option<Value>, Error> {
        let path = format!("{resource_id}/providers/Microsoft.Insights/metrics");
        self.client.get("metrics", &path, METRICS_VERSION, query).await
    }
}
