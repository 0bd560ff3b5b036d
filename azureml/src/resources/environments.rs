//! Environments: a container by name, versions in it.

use serde::{Deserialize, Serialize};

use super::data::AssetContainer;
use super::{Extra, Map, nullable};
use crate::error::Error;
use crate::workspace::Workspace;

/// A version of an environment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvironmentVersion {
    /// The ARM id.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its properties.
    pub properties: EnvironmentVersionProperties,
}

/// An environment version's properties. Image and conda file never change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvironmentVersionProperties {
    /// The container image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// A conda file's YAML text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conda_file: Option<String>,
    /// `Linux` or `Windows`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_type: Option<String>,
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

impl Workspace {
    /// An environment's container.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn environment_container(&self, name: &str) -> Result<Option<AssetContainer>, Error> {
        self.read("environments", &format!("environments/{name}"), &[]).await
    }

    /// A version.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn environment_version(&self, name: &str, version: &str) -> Result<Option<EnvironmentVersion>, Error> {
        self.read("environments", &format!("environments/{name}/versions/{version}"), &[]).await
    }

    /// Makes a version, or changes what can be changed of it (tags, description, archived).
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn put_environment_version(
        &self,
        name: &str,
        version: &str,
        body: &EnvironmentVersion,
    ) -> Result<Option<EnvironmentVersion>, Error> {
        Ok(self.put("environments", &format!("environments/{name}/versions/{version}"), body, Vec::new()).await?.body)
    }
}
