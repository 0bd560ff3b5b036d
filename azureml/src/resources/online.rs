//! Managed online endpoints and their deployments.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Extra, Map, nullable};
use crate::error::Error;
use crate::lro::Started;
use crate::workspace::Workspace;

/// An online endpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OnlineEndpoint {
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
    /// Its identity; always sent, for a PUT without one may be refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<Value>,
    /// `Managed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Its properties.
    pub properties: OnlineEndpointProperties,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// An online endpoint's properties.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OnlineEndpointProperties {
    /// `Key`, `AMLToken` or `AADToken`.
    pub auth_mode: String,
    /// A text for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Shares of the traffic by deployment, in percent; they sum to 0 or 100.
    #[serde(deserialize_with = "nullable")]
    pub traffic: BTreeMap<String, i32>,
    /// Shares of the traffic that are copied to a deployment, in percent.
    #[serde(deserialize_with = "nullable")]
    pub mirror_traffic: BTreeMap<String, i32>,
    /// `Enabled` or `Disabled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_network_access: Option<String>,
    /// Where requests go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scoring_uri: Option<String>,
    /// Where the endpoint describes itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swagger_uri: Option<String>,
    /// Creating, Deleting, Succeeded, Failed, Updating or Canceled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provisioning_state: Option<String>,
    /// Facts that can be added and never changed.
    #[serde(deserialize_with = "nullable")]
    pub properties: Map,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

impl OnlineEndpoint {
    /// When it was changed last, as Azure writes it.
    #[must_use]
    pub fn last_modified_at(&self) -> Option<&str> {
        self.extra.get("systemData")?.get("lastModifiedAt")?.as_str()
    }

    /// The body to put it back: what Azure alone says of it is left out.
    #[must_use]
    pub fn writable(&self) -> Self {
        let mut body = self.clone();
        body.id.clear();
        body.name.clear();
        for read_only in ["type", "systemData"] {
            body.extra.remove(read_only);
        }
        body.properties.scoring_uri = None;
        body.properties.swagger_uri = None;
        body.properties.provisioning_state = None;
        for read_only in ["keys", "compute"] {
            if body.properties.extra.get(read_only).is_some_and(Value::is_null) || read_only == "keys" {
                body.properties.extra.remove(read_only);
            }
        }
        body
    }
}

/// A deployment of an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OnlineDeployment {
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
    /// How many machines.
    pub sku: Sku,
    /// Its properties.
    pub properties: OnlineDeploymentProperties,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// How many machines.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Sku {
    /// `Default`.
    pub name: String,
    /// The number of machines.
    pub capacity: i32,
}

/// A deployment's properties.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OnlineDeploymentProperties {
    /// `Managed`.
    pub endpoint_compute_type: String,
    /// ARM id of the model version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The size of the machines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_type: Option<String>,
    /// Whether requests and console lines go to Application Insights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_insights_enabled: Option<bool>,
    /// Environment variables.
    #[serde(deserialize_with = "nullable")]
    pub environment_variables: Map,
    /// Creating, Deleting, Scaling, Updating, Succeeded, Failed or Canceled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provisioning_state: Option<String>,
    /// Everything else: request settings, probes, scale settings.
    #[serde(flatten)]
    pub extra: Extra,
}

/// The two keys of an endpoint.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointKeys {
    /// The primary key.
    #[serde(deserialize_with = "crate::secrets::secret")]
    pub primary_key: SecretString,
    /// The secondary key.
    #[serde(deserialize_with = "crate::secrets::secret")]
    pub secondary_key: SecretString,
}

/// Which of the two keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyName {
    /// The first.
    Primary,
    /// The second.
    Secondary,
}

impl Workspace {
    /// An endpoint.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn online_endpoint(&self, name: &str) -> Result<Option<OnlineEndpoint>, Error> {
        self.read("onlineEndpoints", &format!("onlineEndpoints/{name}"), &[]).await
    }

    /// Makes or replaces an endpoint; traffic is changed by this too.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn put_online_endpoint(
        &self,
        name: &str,
        body: &OnlineEndpoint,
    ) -> Result<Started<OnlineEndpoint>, Error> {
        self.put("onlineEndpoints", &format!("onlineEndpoints/{name}"), body, Vec::new()).await
    }

    /// All endpoints.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn online_endpoints(&self) -> Result<Vec<OnlineEndpoint>, Error> {
        self.read_list("onlineEndpoints", "onlineEndpoints", &[]).await
    }

    /// Makes a new key in place of one of the two.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn regenerate_online_endpoint_key(&self, name: &str, key: KeyName) -> Result<Started<Value>, Error> {
        let path = self.id_of(&format!("onlineEndpoints/{name}/regenerateKeys"));
        let url = self.client.arm_url(&path, self.client.api_version(), &[])?;
        self.client
            .write("onlineEndpoints", reqwest::Method::POST, url, Some(json!({"keyType": key})), Vec::new())
            .await
    }

    /// Deletes an endpoint with its deployments.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn delete_online_endpoint(&self, name: &str) -> Result<Started<Value>, Error> {
        self.delete("onlineEndpoints", &format!("onlineEndpoints/{name}"), &[]).await
    }

    /// The endpoint's keys.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn online_endpoint_keys(&self, name: &str) -> Result<EndpointKeys, Error> {
        self.post("onlineEndpoints", &format!("onlineEndpoints/{name}/listKeys"), None, true).await?.json()
    }

    /// A token for an endpoint with authMode AMLToken.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn online_endpoint_token(&self, name: &str) -> Result<SecretString, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Token {
            #[serde(deserialize_with = "crate::secrets::secret")]
            access_token: SecretString,
        }
        let token: Token =
            self.post("onlineEndpoints", &format!("onlineEndpoints/{name}/token"), None, true).await?.json()?;
        Ok(token.access_token)
    }

    /// A deployment.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn online_deployment(&self, endpoint: &str, name: &str) -> Result<Option<OnlineDeployment>, Error> {
        self.read("deployments", &format!("onlineEndpoints/{endpoint}/deployments/{name}"), &[]).await
    }

    /// The deployments of an endpoint.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn online_deployments(&self, endpoint: &str) -> Result<Vec<OnlineDeployment>, Error> {
        self.read_list("deployments", &format!("onlineEndpoints/{endpoint}/deployments"), &[]).await
    }

    /// Makes or replaces a deployment.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn put_online_deployment(
        &self,
        endpoint: &str,
        name: &str,
        body: &OnlineDeployment,
    ) -> Result<Started<OnlineDeployment>, Error> {
        self.put("deployments", &format!("onlineEndpoints/{endpoint}/deployments/{name}"), body, Vec::new()).await
    }

    /// Changes how many machines a deployment has.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn scale_online_deployment(
        &self,
        endpoint: &str,
        name: &str,
        capacity: i32,
    ) -> Result<Started<OnlineDeployment>, Error> {
        let path = self.id_of(&format!("onlineEndpoints/{endpoint}/deployments/{name}"));
        let url = self.client.arm_url(&path, self.client.api_version(), &[])?;
        let body = json!({"sku": {"name": "Default", "capacity": capacity}});
        self.client.write("deployments", reqwest::Method::PATCH, url, Some(body), Vec::new()).await
    }

    /// Deletes a deployment.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn delete_online_deployment(&self, endpoint: &str, name: &str) -> Result<Started<Value>, Error> {
        self.delete("deployments", &format!("onlineEndpoints/{endpoint}/deployments/{name}"), &[]).await
    }

    /// The last lines of a deployment's container.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn online_deployment_logs(&self, endpoint: &str, name: &str, tail: u32) -> Result<String, Error> {
        #[derive(Deserialize)]
        struct Logs {
            #[serde(default)]
            content: String,
        }
        let body = json!({"tail": tail});
        let path = format!("onlineEndpoints/{endpoint}/deployments/{name}/getLogs");
        let logs: Logs = self.post("deployments", &path, Some(body), true).await?.json()?;
        Ok(logs.content)
    }
}
