//! AmlWorkspace: a connection to one Azure ML workspace.

mod credentials;
mod status;

use std::collections::BTreeMap;

use kube::core::Rule;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::credentials::{Credentials, ManagedIdentity, ServicePrincipal, WorkloadIdentity};
pub use self::status::{AccessStatus, AmlWorkspaceStatus};
use crate::identity::{Identity, PublicNetworkAccess};
use crate::policies::{AdoptionPolicy, DeletionPolicy};
use crate::resource::aml_resource;
use crate::rules;

/// A connection to one Azure ML workspace: where it is, as whom the operator acts in it, and who else may use it.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "azureml.dev",
    version = "v1alpha1",
    kind = "AmlWorkspace",
    namespaced,
    doc = "A connection to one Azure ML workspace: where it is, as whom the operator acts in it, and who else may use it.",
    status = "AmlWorkspaceStatus",
    shortname = "amlws",
    category = "azureml",
    printcolumn(name = "READY", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "REASON", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "AZURE", type_ = "string", json_path = ".status.azureName"),
    printcolumn(name = "LOCATION", type_ = "string", json_path = ".status.location"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = rules::workspace_metadata_name()
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::immutable("azureName", "make a new AmlWorkspace for another workspace"))]
#[x_kube(validation = rules::immutable("subscriptionId", "make a new AmlWorkspace for another workspace"))]
#[x_kube(validation = rules::immutable("resourceGroup", "make a new AmlWorkspace for another workspace"))]
#[x_kube(validation = Rule::new("has(self.template) == (has(self.managementPolicy) && self.managementPolicy == 'Manage')").message("spec.template is what managementPolicy: Manage creates and keeps: write both, or neither to connect to a workspace that exists"))]
#[x_kube(validation = Rule::new("!has(self.deletionPolicy) || self.deletionPolicy == 'Retain' || (has(self.managementPolicy) && self.managementPolicy == 'Manage')").message("deletionPolicy: Delete needs managementPolicy: Manage: a workspace that is only observed is never deleted"))]
#[x_kube(validation = Rule::new("!has(self.template) || !has(oldSelf.template) || self.template.location == oldSelf.template.location").message("spec.template.location is immutable: Azure can't move a workspace; make a new AmlWorkspace"))]
#[x_kube(validation = fixed("storageAccount"))]
#[x_kube(validation = fixed("keyVault"))]
#[x_kube(validation = fixed("applicationInsights"))]
pub struct AmlWorkspaceSpec {
    /// The Azure subscription's id (`az account show --query id`).
    #[schemars(length(max = 36))]
    #[x_kube(validation = Rule::new(format!("self.matches('{}')", rules::GUID)).message("write the subscription's id, a GUID (az account show --query id), not its name"))]
    pub subscription_id: String,
    /// The resource group's name.
    #[schemars(regex(pattern = r"^[-a-zA-Z0-9_.()]{0,89}[-a-zA-Z0-9_()]$"), length(max = 90))]
    pub resource_group: String,
    /// The workspace's name in Azure; absent: this object's name. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 33))]
    #[x_kube(validation = rules::workspace_name())]
    pub azure_name: Option<String>,
    /// Observe connects to a workspace that exists and changes nothing of it; Manage creates it from `template` and
    /// keeps it so. Absent: Observe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub management_policy: Option<ManagementPolicy>,
    /// What the workspace shall be, with managementPolicy: Manage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<WorkspaceTemplate>,
    /// As whom the operator acts in Azure: exactly one way.
    pub credentials: Credentials,
    /// Who else may use the workspace (`az ml workspace share`): role assignments on it, made, corrected, and removed
    /// with their entry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["principalId", "role"]), length(max = 50))]
    pub access: Vec<AccessEntry>,
    /// What happens to the workspace in Azure when this object is deleted: Retain or, with managementPolicy: Manage,
    /// Delete (Azure keeps it recoverable for a time; it is never purged). Absent: Retain. Role assignments that the
    /// operator made are removed in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<WorkspaceDeletionPolicy>,
    /// With managementPolicy: Manage, what happens when a workspace of this name exists and is not ours: Never touches
    /// nothing and says so, Adopt takes it over. Absent: Never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adoption_policy: Option<AdoptionPolicy>,
}

/// A field of the template that Azure can't change: it may be added and taken out, for Azure's own choice then stays.
fn fixed(field: &str) -> Rule {
    let has = |whose: &str| format!("has({whose}.template) && has({whose}.template.{field})");
    let changed = format!("self.template.{field} != oldSelf.template.{field}");
    Rule::new(format!("!({} && {} && {changed})", has("self"), has("oldSelf"))).message(
        format!("spec.template.{field} is immutable: Azure can't change it of a workspace; make a new AmlWorkspace")
            .as_str(),
    )
}

/// Whether the operator keeps the workspace itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::described_by_field)]
pub enum ManagementPolicy {
    /// It only connects to it.
    #[default]
    Observe,
    /// It creates it and keeps it to the template.
    Manage,
}

/// What happens in Azure when an AmlWorkspace is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::described_by_field)]
pub enum WorkspaceDeletionPolicy {
    /// The workspace stays.
    Retain,
    /// The workspace is deleted, recoverable, never purged.
    Delete,
}

/// What a managed workspace shall be. Absent fields are Azure's own choice.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkspaceTemplate {
    /// The region, e.g. `westeurope`. Immutable.
    #[schemars(regex(pattern = r"^[a-z][a-z0-9]*$"), length(max = 64))]
    pub location: String,
    /// The name that the studio shows; absent: the workspace's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub friendly_name: Option<String>,
    /// A text for people, shown in the studio.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 5000))]
    pub description: Option<String>,
    /// ARM id of the storage account for data, code and models. Azure ML can't change it later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^/subscriptions/[^ ]+$"), length(max = 1024))]
    pub storage_account: Option<String>,
    /// ARM id of the key vault. Azure ML can't change it later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^/subscriptions/[^ ]+$"), length(max = 1024))]
    pub key_vault: Option<String>,
    /// ARM id of the Application Insights component that endpoints log to. It can be added later, not changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^/subscriptions/[^ ]+$"), length(max = 1024))]
    pub application_insights: Option<String>,
    /// ARM id of the container registry that images are built into; absent: Azure ML makes one when it first needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^/subscriptions/[^ ]+$"), length(max = 1024))]
    pub container_registry: Option<String>,
    /// The workspace's own identity; absent: SystemAssigned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// Whether the workspace can be reached from the internet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_network_access: Option<PublicNetworkAccess>,
    /// Tags of the workspace in Azure, beside those that mark it as ours.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 40, "additionalProperties" = {"type": "string", "maxLength": 256}))]
    pub tags: BTreeMap<String, String>,
}

/// One who may use the workspace.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessEntry {
    /// The object id in Entra ID (`az ad sp show --query id`), not the client id.
    #[schemars(length(max = 36))]
    #[x_kube(validation = Rule::new(format!("self.matches('{}')", rules::GUID)).message("write the principal's object id, a GUID (az ad sp show --id <client id> --query id)"))]
    pub principal_id: String,
    /// What the principal is: User, Group or ServicePrincipal (managed identities too).
    pub principal_type: PrincipalType,
    /// A built-in role's name (Owner, Contributor, Reader, AzureML Data Scientist, AzureML Compute Operator) or a role
    /// definition's id.
    #[schemars(length(min = 1, max = 256))]
    pub role: String,
}

/// What a principal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::described_by_field)]
pub enum PrincipalType {
    /// A person.
    User,
    /// A group.
    Group,
    /// An application or a managed identity.
    ServicePrincipal,
}

aml_resource!(@impl AmlWorkspace, AmlWorkspaceStatus, |_spec| None,
    azure_name: |spec, name| spec.azure_name.clone().unwrap_or(name),
    deletion: |spec| spec.deletion_policy.map(|policy| match policy {
        WorkspaceDeletionPolicy::Retain => DeletionPolicy::Retain,
        WorkspaceDeletionPolicy::Delete => DeletionPolicy::Delete,
    }),
    adoption: |spec| spec.adoption_policy.unwrap_or_default());
