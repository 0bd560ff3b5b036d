//! Registries: data that an organisation, or Microsoft, shares beyond a workspace. As azure-ai-ml 1.35 does it: the
//! region's discovery service tells where a registry is, and its own management front end tells of its assets. A
//! registry of Microsoft's is in a subscription that nobody else can read, so Azure Resource Manager can't be asked.

use reqwest::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::data::{AssetContainer, DataVersion};
use crate::error::Error;
use crate::transport::{Auth, Body, Request};
use crate::workspace::{Workspace, absent};

/// The api-version of a registry's own front end.
const API_VERSION: &str = "2021-10-01-dataplanepreview";

/// A registry, as a workspace's identity sees it.
#[derive(Clone, Debug)]
pub struct Registry {
    workspace: Workspace,
    base: Url,
    id: String,
}

/// Where a registry is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Discovered {
    primary_region_resource_provider_uri: String,
    subscription_id: String,
    resource_group: String,
}

impl Workspace {
    /// A registry by its name, found by the workspace's region; `discovery_url` is the workspace's own. `None` where
    /// there is no such registry.
    ///
    /// # Errors
    /// Azure's answer, or that the registry is outside the cloud.
    pub async fn registry(&self, discovery_url: &str, name: &str) -> Result<Option<Registry>, Error> {
        const OPERATION: &str = "registry discovery";
        let malformed = |message: String| Error::Malformed { operation: OPERATION.to_owned(), message };
        let mut url = self.client.transport().trusted(OPERATION, discovery_url)?;
        url.path_segments_mut()
            .map_err(|()| malformed("no address can be made of the workspace's".to_owned()))?
            .clear()
            .extend(["registrymanagement", "v1.0", "registries", name, "discovery"]);
        url.set_query(None);
        let audience = self.client.cloud().ml_audience.clone();
        let Some(found) = self.ask::<Discovered>(url, &audience).await? else { return Ok(None) };
        // A token is sent there.
        let base = self.client.transport().trusted(OPERATION, &found.primary_region_resource_provider_uri)?;
        let id = format!(
            "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.MachineLearningServices/registries/{name}",
            found.subscription_id, found.resource_group
        );
        Ok(Some(Registry { workspace: self.clone(), base, id }))
    }

    async fn ask<T: DeserializeOwned>(&self, url: Url, audience: &str) -> Result<Option<T>, Error> {
        let client = &self.client;
        let request = Request {
            resource: "registries",
            method: Method::GET,
            url,
            auth: Auth::Audience(client.credential(), audience),
            headers: Vec::new(),
            body: Body::None,
            reads: true,
            priority: client.priority(),
        };
        match client.transport().send(request).await {
            Ok(answer) => answer.json().map(Some),
            Err(error) => absent(error),
        }
    }
}

impl Registry {
    /// A data asset's container, which tells its newest version.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn data_container(&self, name: &str) -> Result<Option<AssetContainer>, Error> {
        self.read(&["data", name]).await
    }

    /// A version of a data asset.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn data_version(&self, name: &str, version: &str) -> Result<Option<DataVersion>, Error> {
        self.read(&["data", name, "versions", version]).await
    }

    async fn read<T: DeserializeOwned>(&self, path: &[&str]) -> Result<Option<T>, Error> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["mferp", "managementfrontend"]);
            segments.extend(self.id.split('/').skip(1)).extend(path);
        }
        url.query_pairs_mut().append_pair("api-version", API_VERSION);
        let audience = self.workspace.client.cloud().resource_manager_audience.clone();
        self.workspace.ask(url, &audience).await
    }
}

/// The address of a version of a registry's data, as jobs name it.
#[must_use]
pub fn data_address(registry: &str, name: &str, version: &str) -> String {
    format!("azureml://registries/{registry}/data/{name}/versions/{version}")
}
