//! AmlDataset: a versioned data asset.

mod source;
mod status;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::source::{DatastoreSource, Encoding, FilesSource, Header, OpenSource, Source, TableOptions, WebSource};
pub use self::status::{AmlDatasetStatus, DatasetVersion};
use crate::policies::{AdoptionPolicy, DeletionPolicy, VersionHistory};
use crate::references::LocalRef;
use crate::resource::aml_resource;
use crate::rules;

/// A versioned data asset: changed content becomes a new version.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "azureml.dev",
    version = "v1alpha1",
    kind = "AmlDataset",
    namespaced,
    doc = "A versioned data asset: changed content becomes a new version.",
    status = "AmlDatasetStatus",
    shortname = "amlds",
    category = "azureml",
    selectable = ".spec.workspaceRef.name",
    printcolumn(name = "READY", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "REASON", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "VERSION", type_ = "string", json_path = ".status.version"),
    printcolumn(name = "TYPE", type_ = "string", json_path = ".spec.type"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = rules::asset_metadata_name("data asset")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::immutable("azureName", "make a new AmlDataset for another data asset"))]
#[x_kube(validation = rules::immutable("workspaceRef", "make a new AmlDataset in the other workspace"))]
#[x_kube(validation = rules::immutable("type", "a data asset keeps one type for all its versions; make a new AmlDataset"))]
#[x_kube(validation = Rule::new("!has(self.table) || self.type == 'Table'").message("spec.table belongs to type Table: remove it, or make a Table"))]
#[x_kube(validation = Rule::new("!has(self.source.open) || (!has(self.table) && !has(self.version))").message("open data is used as it is: remove spec.table and spec.version, and name the version in spec.source.open"))]
pub struct AmlDatasetSpec {
    /// The AmlWorkspace it is registered in. Immutable.
    pub workspace_ref: LocalRef,
    /// The data asset's name in Azure; absent: this object's name. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    #[x_kube(validation = rules::asset_name("data asset"))]
    pub azure_name: Option<String>,
    /// File (`uri_file`), Folder (`uri_folder`) or Table (`mltable`: what AutoML reads). Immutable.
    #[serde(rename = "type")]
    pub type_: DatasetType,
    /// Where the data comes from: exactly one source.
    pub source: Source,
    /// How a Table's files are read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<TableOptions>,
    /// A fixed version; absent: derived from the content, so that new content makes a new version. A version can't
    /// change in Azure ML: other content under the same version is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    #[x_kube(validation = rules::version())]
    pub version: Option<String>,
    /// A text for people, kept with the data asset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 5000))]
    pub description: Option<String>,
    /// What is kept of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_history: Option<VersionHistory>,
    /// What happens to the versions in Azure when this object is deleted; absent: Archive (hidden from lists, still
    /// usable by what refers to them).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// What happens when a data asset of this name exists and is not ours: Never touches nothing and says so, Adopt
    /// adds versions to it. Absent: Never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adoption_policy: Option<AdoptionPolicy>,
}

/// The type of a data asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::described_by_field)]
pub enum DatasetType {
    /// A single file (`uri_file`).
    File,
    /// A folder (`uri_folder`).
    Folder,
    /// A table (`mltable`): what AutoML reads.
    Table,
}

impl DatasetType {
    /// Azure ML's word for it.
    #[must_use]
    pub fn azure(self) -> &'static str {
        match self {
            Self::File => "uri_file",
            Self::Folder => "uri_folder",
            Self::Table => "mltable",
        }
    }
}

aml_resource!(AmlDataset, AmlDatasetStatus, workspace: |spec| Some(&spec.workspace_ref.name));
