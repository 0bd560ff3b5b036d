//! Models: a container by name, versions in it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::data::AssetContainer;
use super::{Extra, Map, SystemData, nullable};
use crate::error::Error;
use crate::workspace::Workspace;

/// A version of a model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ModelVersion {
    /// The ARM id.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its properties.
    pub properties: ModelVersionProperties,
    /// When it was made.
    #[serde(skip_serializing)]
    pub system_data: SystemData,
}

/// A model version's properties.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ModelVersionProperties {
    /// `mlflow_model`, `custom_model` or `triton_model`.
    pub model_type: String,
    /// Where the model's files are.
    pub model_uri: String,
    /// The job it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_name: Option<String>,
    /// A text for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Hidden from lists.
    pub is_archived: bool,
    /// Its tags.
    #[serde(deserialize_with = "nullable")]
    pub tags: Map,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Workspace {
    /// A model's container.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn model_container(&self, name: &str) -> Result<Option<AssetContainer>, Error> {
        self.read("models", &format!("models/{name}"), &[]).await
    }

    /// All containers, archived ones too.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn model_containers(&self) -> Result<Vec<AssetContainer>, Error> {
        self.read_list("models", "models", &[("listViewType", "All")]).await
    }

    /// Deletes a version.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn delete_model_version(&self, name: &str, version: &str) -> Result<(), Error> {
        self.delete("models", &format!("models/{name}/versions/{version}"), &[]).await.map(drop)
    }

    /// Makes or changes a model's container.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn put_model_container(&self, name: &str, container: &AssetContainer) -> Result<(), Error> {
        self.put::<_, Value>("models", &format!("models/{name}"), container, Vec::new()).await.map(drop)
    }

    /// A version.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn model_version(&self, name: &str, version: &str) -> Result<Option<ModelVersion>, Error> {
        self.read("models", &format!("models/{name}/versions/{version}"), &[]).await
    }

    /// All versions, archived ones too.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn model_versions(&self, name: &str) -> Result<Vec<ModelVersion>, Error> {
        self.read_list("models", &format!("models/{name}/versions"), &[("listViewType", "All")]).await
    }

    /// Makes a version, or changes what can be changed of it.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn put_model_version(
        &self,
        name: &str,
        version: &str,
        body: &ModelVersion,
    ) -> Result<Option<ModelVersion>, Error> {
        Ok(self.put("models", &format!("models/{name}/versions/{version}"), body, Vec::new()).await?.body)
    }
}
