//! Where a data asset's content comes from, and how a table's files are read.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::Duration;
use crate::references::LocalRef;
use crate::rules;

/// Where the data comes from.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one(&["web", "datastore", "files", "open"], "write exactly one source: web, datastore, files or open"))]
pub struct Source {
    /// A file on the web. It is copied to the workspace's blob store under its digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web: Option<WebSource>,
    /// A path in a datastore of the workspace; nothing is copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datastore: Option<DatastoreSource>,
    /// Files in a ConfigMap or Secret, uploaded to the workspace's blob store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<FilesSource>,
    /// A data asset that a registry shares, used where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<OpenSource>,
}

/// A file on the web.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebSource {
    /// The file's address. The operator fetches https only, and never from private addresses, unless its configuration
    /// allows more.
    #[schemars(length(max = 2048))]
    #[x_kube(validation = Rule::new("self.matches('^https?://[^ ]+$')").message("write the file's whole address: https://..."))]
    #[x_kube(validation = Rule::new("!self.matches('^[a-z]+://[^/?#]*@')").message("an address may hold no user name or password: everybody who may read this object would see it"))]
    pub url: String,
    /// How often the file is looked at again, e.g. `1h`; absent: at each resync of the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_interval: Option<Duration>,
}

/// A path in a datastore.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DatastoreSource {
    /// The datastore's name, e.g. `workspaceblobstore`.
    #[schemars(regex(pattern = rules::ASSET_NAME), length(max = 255))]
    pub name: String,
    /// The file or folder in it, without a leading slash.
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(validation = Rule::new("!self.startsWith('/') && !self.contains('://') && !self.split('/').exists(part, part == '..')").message("write a path inside the datastore, like bank/2026-11, without a leading slash and without .."))]
    pub path: String,
    /// How often names, sizes and ETags are looked at again, e.g. `1h`; absent: at each resync of the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_interval: Option<Duration>,
}

/// Files in a ConfigMap or Secret.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one(&["configMapRef", "secretRef"], "write one of configMapRef and secretRef"))]
pub struct FilesSource {
    /// A ConfigMap of this namespace, each key a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<LocalRef>,
    /// A Secret of this namespace, each key a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalRef>,
}

/// A data asset that a registry shares.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one(&["version", "label"], "write one of version (that one for ever) and label (latest: a newer one is followed)"))]
pub struct OpenSource {
    /// The registry's name, e.g. `azureml` for open data.
    #[schemars(regex(pattern = rules::ASSET_NAME), length(max = 255))]
    pub registry: String,
    /// The data asset's name in the registry.
    #[schemars(regex(pattern = rules::ASSET_NAME), length(max = 255))]
    pub name: String,
    /// The version that is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = rules::ASSET_NAME), length(max = 255))]
    pub version: Option<String>,
    /// The label that is followed: `latest`, the version that was made last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    #[x_kube(validation = Rule::new("self == 'latest'").message("data has one label in Azure ML: latest, the version that was made last"))]
    pub label: Option<String>,
    /// How often it is looked at which version the label names, e.g. `1h`; absent: at each resync of the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_interval: Option<Duration>,
}

/// How a table's files are read (the MLTable transformation `read_delimited`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TableOptions {
    /// What stands between columns, e.g. `";"` or `"\t"`; absent: a comma.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4))]
    pub delimiter: Option<String>,
    /// The text encoding of the files; absent: utf8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Encoding>,
    /// Where column names stand: AllFilesSame (every file begins with the same names), FromFirstFile (the first alone
    /// does) or NoHeader. Absent: AllFilesSame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<Header>,
}

/// Text encodings of MLTable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::described_by_field)]
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
#[schemars(transform = crate::schema::described_by_field)]
pub enum Header {
    /// Every file begins with the same names.
    AllFilesSame,
    /// The first file alone begins with names.
    FromFirstFile,
    /// No file has names.
    NoHeader,
}
