//! Data assets: a container by name, versions in it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Extra, Map, SystemData, nullable};
use crate::error::Error;
use crate::workspace::Workspace;

/// A version of a data asset.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DataVersion {
    /// The ARM id.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its properties.
    pub properties: DataVersionProperties,
    /// When it was made.
    #[serde(skip_serializing)]
    pub system_data: SystemData,
}

/// A data version's properties. `dataUri` and `dataType` never change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DataVersionProperties {
    /// `uri_file`, `uri_folder` or `mltable`.
    pub data_type: String,
    /// Where the data is.
    pub data_uri: String,
    /// A text for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Hidden from lists.
    pub is_archived: bool,
    /// Made without a name of its own.
    pub is_anonymous: bool,
    /// Its tags.
    #[serde(deserialize_with = "nullable")]
    pub tags: Map,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// The container of an asset's versions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AssetContainer {
    /// The ARM id.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its properties.
    pub properties: AssetContainerProperties,
}

/// A container's properties.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AssetContainerProperties {
    /// The type of a data asset, the same for all its versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_type: Option<String>,
    /// Hidden from lists.
    pub is_archived: bool,
    /// The newest version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest_version: Option<String>,
    /// What Azure would call the next version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_version: Option<String>,
    /// Its tags.
    #[serde(deserialize_with = "nullable")]
    pub tags: Map,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Workspace {
    /// A data asset's container.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn data_container(&self, name: &str) -> Result<Option<AssetContainer>, Error> {
        self.read("data", &format!("data/{name}"), &[]).await
    }

    /// All containers, archived ones too.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn data_containers(&self) -> Result<Vec<AssetContainer>, Error> {
        self.read_list("data", "data", &[("listViewType", "All")]).await
    }

    /// Deletes a version.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn delete_data_version(&self, name: &str, version: &str) -> Result<(), Error> {
        self.delete("data", &format!("data/{name}/versions/{version}"), &[]).await.map(drop)
    }

    /// Makes or changes a data asset's container.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn put_data_container(&self, name: &str, container: &AssetContainer) -> Result<(), Error> {
        self.put::<_, Value>("data", &format!("data/{name}"), container, Vec::new()).await.map(drop)
    }

    /// A version.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn data_version(&self, name: &str, version: &str) -> Result<Option<DataVersion>, Error> {
        self.read("data", &format!("data/{name}/versions/{version}"), &[]).await
    }

    /// All versions, archived ones too.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn data_versions(&self, name: &str) -> Result<Vec<DataVersion>, Error> {
        self.read_list("data", &format!("data/{name}/versions"), &[("listViewType", "All")]).await
    }

    /// Makes a version, or changes what can be changed of it (tags, description, archived).
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn put_data_version(
        &self,
        name: &str,
        version: &str,
        body: &DataVersion,
    ) -> Result<Option<DataVersion>, Error> {
        Ok(self.put("data", &format!("data/{name}/versions/{version}"), body, Vec::new()).await?.body)
    }
}
