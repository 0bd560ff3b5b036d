//! Components: a container by name, versions in it. What runs as a pipeline's step, and what a batch deployment runs.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::data::AssetContainer;
use super::{Extra, Map, nullable};
use crate::error::Error;
use crate::workspace::Workspace;

/// A version of a component.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ComponentVersion {
    /// The ARM id.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its properties.
    pub properties: ComponentVersionProperties,
}

/// A component version's properties. `componentSpec` never changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ComponentVersionProperties {
    /// The component's YAML as JSON, with its own snake case.
    pub component_spec: Value,
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

impl Workspace {
    /// A component's container.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn component_container(&self, name: &str) -> Result<Option<AssetContainer>, Error> {
        self.read("components", &format!("components/{name}"), &[]).await
    }

    /// A version.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn component_version(&self, name: &str, version: &str) -> Result<Option<ComponentVersion>, Error> {
        self.read("components", &format!("components/{name}/versions/{version}"), &[]).await
    }

    /// All versions, archived ones too.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn component_versions(&self, name: &str) -> Result<Vec<ComponentVersion>, Error> {
        self.read_list("components", &format!("components/{name}/versions"), &[("listViewType", "All")]).await
    }

    /// Makes a version, or changes what can be changed of it (tags, description, archived).
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn put_component_version(
        &self,
        name: &str,
        version: &str,
        body: &ComponentVersion,
    ) -> Result<Option<ComponentVersion>, Error> {
        Ok(self.put("components", &format!("components/{name}/versions/{version}"), body, Vec::new()).await?.body)
    }
}
