//! AmlDataset: a versioned data asset.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::Duration;
use crate::policies::{AdoptionPolicy, DeletionPolicy};
use crate::references::LocalRef;
use crate::resource::aml_resource;
use crate::status::AzureObject;

/// A versioned data asset: changed content becomes a new version.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "azureml.dev",
    version = "v1alpha1",
    kind = "AmlDataset",
    namespaced,
    status = "AmlDatasetStatus",
    shortname = "amlds",
    category = "azureml",
    printcolumn(name = "READY", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "REASON", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "VERSION", type_ = "string", json_path = ".status.version"),
    printcolumn(name = "TYPE", type_ = "string", json_path = ".spec.type"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("has(self.spec.azureName) || self.metadata.name.matches('^[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}$')").message("metadata.name is no valid asset name (1 to 255 letters, digits, - and _, no dot): write the name in Azure in spec.azureName"),
    validation = Rule::new("self.spec.type == oldSelf.spec.type").message("spec.type is immutable: a data asset keeps one type for all its versions; make a new AmlDataset"),
    validation = Rule::new("!has(self.spec.table) || self.spec.type == 'Table'").message("spec.table belongs to type Table: remove it, or set spec.type to Table"),
    validation = Rule::new("has(self.spec.azureName) == has(oldSelf.spec.azureName) && (!has(self.spec.azureName) || self.spec.azureName == oldSelf.spec.azureName)").message("spec.azureName is immutable: make a new AmlDataset"),
    validation = Rule::new("self.spec.workspaceRef.name == oldSelf.spec.workspaceRef.name").message("spec.workspaceRef is immutable: make a new AmlDataset in the other workspace")
)]
#[serde(rename_all = "camelCase")]
pub struct AmlDatasetSpec {
    /// The AmlWorkspace it is registered in.
    pub workspace_ref: LocalRef,
    /// The data asset's name in Azure; absent: this object's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}$"), length(max = 255))]
    pub azure_name: Option<String>,
    /// File (uri_file), Folder (uri_folder) or Table (mltable: what AutoML reads).
    #[serde(rename = "type")]
    pub type_: DatasetType,
    /// Where the data comes from: exactly one source.
    pub source: Source,
    /// How a Table's files are read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<TableOptions>,
    /// A fixed version; absent: derived from the content, so that new content makes a new version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}$"), length(max = 255))]
    pub version: Option<String>,
    /// A text for people, kept with the data asset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 5000))]
    pub description: Option<String>,
    /// What happens in Azure on deletion; absent: Archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// What happens when a data asset of this name exists and is not ours; absent: Never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adoption_policy: Option<AdoptionPolicy>,
}

/// The type of a data asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

/// Where the data comes from.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.web) ? 1 : 0) + (has(self.datastore) ? 1 : 0) + (has(self.files) ? 1 : 0) == 1").message("write exactly one source: web, datastore or files"))]
pub struct Source {
    /// A file on the web, copied to the workspace's blob store under its digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web: Option<WebSource>,
    /// A path in a datastore of the workspace; nothing is copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datastore: Option<DatastoreSource>,
    /// Files in a ConfigMap or Secret, uploaded to the workspace's blob store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<FilesSource>,
}

/// A file on the web.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebSource {
    /// The file's address; https only.
    #[schemars(regex(pattern = r"^https://[^ ]+$"), length(max = 2048))]
    pub url: String,
    /// How often the file is looked at again; absent: at each resync of the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_interval: Option<Duration>,
}

/// A path in a datastore.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatastoreSource {
    /// The datastore's name, e.g. `workspaceblobstore`.
    #[schemars(regex(pattern = r"^[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}$"), length(max = 255))]
    pub name: String,
    /// The path in it.
    #[schemars(length(min = 1, max = 1024))]
    pub path: String,
}

/// Files in a ConfigMap or Secret.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.configMapRef) != has(self.secretRef)").message("write one of configMapRef and secretRef"))]
pub struct FilesSource {
    /// A ConfigMap, each key a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<LocalRef>,
    /// A Secret, each key a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalRef>,
}

/// How a table's files are read (the MLTable transformation `read_delimited`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TableOptions {
    /// What stands between columns; absent: a comma.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4))]
    pub delimiter: Option<String>,
    /// The text encoding; absent: utf8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Encoding>,
    /// Where column names stand; absent: AllFilesSame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<Header>,
}

/// Text encodings of MLTable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// UTF-8.
    Utf8,
    /// ASCII.
    Ascii,
    /// ISO 8859-1.
    Iso88591,
    /// ISO 8859-1.
    Latin1,
    /// UTF-16.
    Utf16,
    /// Windows-1252.
    Windows1252,
}

/// Where column names stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Header {
    /// Every file begins with the same names.
    AllFilesSame,
    /// The first file alone begins with names.
    FromFirstFile,
    /// No file has names.
    NoHeader,
}

/// What is known of the data asset.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AmlDatasetStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready, Reconciling, Stalled and others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]), length(max = 20))]
    pub conditions: Vec<Condition>,
    /// Commands by annotation that were carried out.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 20))]
    pub handled: BTreeMap<String, String>,
    /// The object in Azure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub azure: Option<AzureObject>,
    /// The current version: use this one, not Azure's `latest`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// ARM id of the current version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asset_id: Option<String>,
    /// What the current version points to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// SHA-256 over bytes, type and table options.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_digest: Option<String>,
    /// The content's size in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<i64>,
    /// When the current version was registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registered_at: Option<Time>,
    /// What the source said of itself when it was last read: an ETag or Last-Modified.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub source_tag: Option<String>,
    /// What was read, by which `sourceTag` counts: hash of source and table options.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_hash: Option<String>,
    /// The columns' names, of a table.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub columns: Vec<String>,
    /// Versions that this object registered, newest first; at most 10.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub versions: Vec<DatasetVersion>,
}

/// A version that was registered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DatasetVersion {
    /// The version.
    pub version: String,
    /// Its content.
    pub content_digest: String,
}

aml_resource!(AmlDataset, AmlDatasetStatus, workspace: |spec| Some(&spec.workspace_ref.name));
