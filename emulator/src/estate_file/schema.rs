//! What the file says.

use serde::Deserialize;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

/// All of it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Estate {
    pub(super) tenants: Vec<Tenant>,
    pub(super) issuers: Vec<Issuer>,
    pub(super) subscriptions: Vec<Subscription>,
}

/// A tenant of Entra ID.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Tenant {
    pub(super) id: String,
    #[serde(default)]
    pub(super) principals: Vec<Principal>,
}

/// An application of a tenant. Ids that are not given are made of its name: they are the same at each start.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Principal {
    /// Under which name role assignments of this file refer to it.
    pub(super) name: Spanned<String>,
    pub(super) client_id: Option<String>,
    pub(super) object_id: Option<String>,
    pub(super) client_secret: Option<String>,
    #[serde(default)]
    pub(super) federated_credentials: Vec<FederatedCredential>,
    /// Files with PEM.
    #[serde(default)]
    pub(super) certificate_files: Vec<Spanned<String>>,
    /// Whether it is the identity of this machine, which needs no secret.
    #[serde(default)]
    pub(super) managed_identity: bool,
}

/// Whose tokens an application may sign in with.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct FederatedCredential {
    pub(super) issuer: String,
    pub(super) subject: String,
    #[serde(default = "token_exchange")]
    pub(super) audience: String,
}

fn token_exchange() -> String {
    "api://AzureADTokenExchange".to_owned()
}

/// An issuer of tokens that applications sign in with.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Issuer {
    pub(super) issuer: String,
    /// File with its keys: a JSON Web Key Set.
    pub(super) jwks_file: Spanned<String>,
}

/// A subscription.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Subscription {
    pub(super) id: String,
    #[serde(default)]
    pub(super) role_assignments: Vec<RoleAssignment>,
    #[serde(default)]
    pub(super) resource_groups: Vec<ResourceGroup>,
}

/// A resource group.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ResourceGroup {
    pub(super) name: String,
    #[serde(default)]
    pub(super) role_assignments: Vec<RoleAssignment>,
    #[serde(default)]
    pub(super) workspaces: Vec<Workspace>,
    #[serde(default)]
    pub(super) registries: Vec<Registry>,
}

/// A registry, whose data every workspace may refer to.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Registry {
    pub(super) name: Spanned<String>,
    pub(super) location: String,
    #[serde(default)]
    pub(super) role_assignments: Vec<RoleAssignment>,
    #[serde(default)]
    pub(super) data: Vec<SharedData>,
}

/// A version of a registry's data asset.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SharedData {
    pub(super) name: Spanned<String>,
    #[serde(default = "first")]
    pub(super) version: String,
    #[serde(rename = "type")]
    pub(super) kind: DataType,
    /// A file or a folder on this machine, seen from the file's own folder; it is uploaded.
    pub(super) path: Spanned<String>,
    #[serde(default)]
    pub(super) tags: BTreeMap<String, String>,
}

/// A role of a principal in the scope it is written in.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RoleAssignment {
    /// A principal of this file, or an object id.
    pub(super) principal: Spanned<String>,
    /// A built-in role's name, or a GUID.
    pub(super) role: Spanned<String>,
}

/// A workspace.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Workspace {
    pub(super) name: Spanned<String>,
    pub(super) location: String,
    /// Name of a storage account of the resource group, or the ARM id of one.
    pub(super) storage_account: Option<String>,
    #[serde(default)]
    pub(super) tags: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) role_assignments: Vec<RoleAssignment>,
    #[serde(default)]
    pub(super) computes: Vec<Compute>,
    #[serde(default)]
    pub(super) datastores: Vec<Datastore>,
    #[serde(default)]
    pub(super) data: Vec<Data>,
}

/// A training cluster.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Compute {
    pub(super) name: Spanned<String>,
    pub(super) vm_size: String,
    #[serde(default)]
    pub(super) low_priority: bool,
    #[serde(default)]
    pub(super) min_nodes: u32,
    #[serde(default = "one")]
    pub(super) max_nodes: u32,
}

fn one() -> u32 {
    1
}

/// A datastore: a container of a storage account.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Datastore {
    pub(super) name: Spanned<String>,
    pub(super) container: String,
    /// The workspace's own when none is given.
    pub(super) storage_account: Option<String>,
}

/// A version of a data asset.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Data {
    pub(super) name: Spanned<String>,
    #[serde(default = "first")]
    pub(super) version: String,
    #[serde(rename = "type")]
    pub(super) kind: DataType,
    /// A file or a folder on this machine, seen from the file's own folder; it is uploaded.
    pub(super) path: Option<Spanned<String>>,
    /// Or where the data lies already.
    pub(super) uri: Option<String>,
    /// Where a path is uploaded to.
    #[serde(default = "default_datastore")]
    pub(super) datastore: Spanned<String>,
    #[serde(default)]
    pub(super) tags: BTreeMap<String, String>,
}

fn first() -> String {
    "1".to_owned()
}

fn default_datastore() -> Spanned<String> {
    let nowhere = serde_saphyr::Location::UNKNOWN;
    Spanned { value: "workspaceblobstore".to_owned(), referenced: nowhere, defined: nowhere }
}

/// Azure's types of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum DataType {
    UriFile,
    UriFolder,
    Mltable,
}

impl DataType {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::UriFile => "uri_file",
            Self::UriFolder => "uri_folder",
            Self::Mltable => "mltable",
        }
    }
}
