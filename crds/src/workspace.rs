//! AmlWorkspace: a connection to one Azure ML workspace.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policies::{AdoptionPolicy, DeletionPolicy};
use crate::references::SecretKeyRef;
use crate::resource::aml_resource;
use crate::status::AzureObject;

/// A connection to one Azure ML workspace: where it is, as whom the operator acts in it, and who else may use it.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "azureml.dev",
    version = "v1alpha1",
    kind = "AmlWorkspace",
    namespaced,
    status = "AmlWorkspaceStatus",
    shortname = "amlws",
    category = "azureml",
    printcolumn(name = "READY", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "REASON", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "AZURE", type_ = "string", json_path = ".status.azureName"),
    printcolumn(name = "LOCATION", type_ = "string", json_path = ".status.location"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("has(self.spec.azureName) || self.metadata.name.matches('^[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}$')").message("metadata.name is no valid Azure ML workspace name (3 to 33 letters, digits, - and _, no dot): write the workspace's name in spec.azureName"),
    validation = Rule::new("has(self.spec.azureName) == has(oldSelf.spec.azureName) && (!has(self.spec.azureName) || self.spec.azureName == oldSelf.spec.azureName)").message("spec.azureName is immutable: make a new AmlWorkspace for another workspace"),
    validation = Rule::new("self.spec.subscriptionId == oldSelf.spec.subscriptionId && self.spec.resourceGroup == oldSelf.spec.resourceGroup").message("spec.subscriptionId and spec.resourceGroup are immutable: make a new AmlWorkspace for another workspace")
)]
#[serde(rename_all = "camelCase")]
pub struct AmlWorkspaceSpec {
    /// The Azure subscription's id.
    #[schemars(regex(pattern = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"), length(max = 36))]
    pub subscription_id: String,
    /// The resource group's name.
    #[schemars(regex(pattern = r"^[-a-zA-Z0-9_.()]{0,89}[-a-zA-Z0-9_()]$"), length(max = 90))]
    pub resource_group: String,
    /// The workspace's name in Azure; absent: this object's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}$"), length(max = 33))]
    pub azure_name: Option<String>,
    /// As whom the operator acts: exactly one way.
    pub credentials: Credentials,
    /// Who else may use the workspace (`az ml workspace share`): role assignments on it, kept and removed with their entry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub access: Vec<AccessEntry>,
    /// What happens in Azure on deletion; absent: Retain. A workspace is never purged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<WorkspaceDeletionPolicy>,
}

/// What happens in Azure when an AmlWorkspace is deleted. The workspace itself always stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WorkspaceDeletionPolicy {
    /// The workspace stays; the role assignments that this object made are removed.
    Retain,
}

/// As whom the operator acts in Azure.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.workloadIdentity) ? 1 : 0) + (has(self.servicePrincipal) ? 1 : 0) + (has(self.managedIdentity) ? 1 : 0) == 1").message("write exactly one of workloadIdentity, servicePrincipal and managedIdentity"))]
pub struct Credentials {
    /// A ServiceAccount of this namespace, whose token is exchanged for Azure's: no secret is stored anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_identity: Option<WorkloadIdentity>,
    /// A service principal with a client secret in a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_principal: Option<ServicePrincipal>,
    /// The operator's own managed identity, for namespaces that its configuration lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_identity: Option<ManagedIdentity>,
}

/// Workload identity by the namespace's own ServiceAccount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadIdentity {
    /// The tenant's id.
    #[schemars(regex(pattern = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"), length(max = 36))]
    pub tenant_id: String,
    /// The application's (client) id.
    #[schemars(regex(pattern = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"), length(max = 36))]
    pub client_id: String,
    /// The ServiceAccount, named in the application's federated credential as
    /// `system:serviceaccount:<namespace>:<name>`.
    #[schemars(length(min = 1, max = 253))]
    pub service_account_name: String,
}

/// A service principal: by its fields, or by the whole JSON that `az ad sp create-for-rbac` prints.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.sdkAuthRef) ? !has(self.tenantId) && !has(self.clientId) && !has(self.clientSecretRef) : has(self.tenantId) && has(self.clientId) && has(self.clientSecretRef)").message("write tenantId, clientId and clientSecretRef, or sdkAuthRef alone"))]
pub struct ServicePrincipal {
    /// The tenant's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"), length(max = 36))]
    pub tenant_id: Option<String>,
    /// The application's (client) id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"), length(max = 36))]
    pub client_id: Option<String>,
    /// The Secret's key that holds the client secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_ref: Option<SecretKeyRef>,
    /// The Secret's key that holds what `az ad sp create-for-rbac` printed, whole (with or without `--sdk-auth`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdk_auth_ref: Option<SecretKeyRef>,
}

/// The operator's own managed identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManagedIdentity {
    /// The client id of a user-assigned identity; absent: the system-assigned one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 36))]
    pub client_id: Option<String>,
}

/// One who may use the workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessEntry {
    /// The object id in Entra ID (not the client id).
    #[schemars(regex(pattern = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"), length(max = 36))]
    pub principal_id: String,
    /// What the principal is.
    pub principal_type: PrincipalType,
    /// A built-in role's name (`Owner`, `Contributor`, `Reader`, `AzureML Data Scientist`, `AzureML Compute Operator`) or a role definition's GUID.
    #[schemars(length(min = 1, max = 128))]
    pub role: String,
}

/// What a principal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PrincipalType {
    /// A person.
    User,
    /// A group.
    Group,
    /// An application or a managed identity.
    ServicePrincipal,
}

/// What is known of the workspace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AmlWorkspaceStatus {
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
    /// The workspace in Azure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub azure: Option<AzureObject>,
    /// The workspace's name in Azure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub azure_name: Option<String>,
    /// The workspace's GUID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace_id: Option<String>,
    /// The region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Where the region's other services are found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discovery_url: Option<String>,
    /// For `MLFLOW_TRACKING_URI`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mlflow_tracking_uri: Option<String>,
    /// ARM id of the Application Insights component.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application_insights_id: Option<String>,
    /// ARM id of the storage account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<String>,
    /// The role assignments of `spec.access`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub access: Vec<AccessStatus>,
}

/// A role assignment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AccessStatus {
    /// The principal's object id.
    pub principal_id: String,
    /// The role, as the spec names it.
    pub role: String,
    /// The assignment's ARM id.
    pub id: String,
    /// False where others made the assignment: it counts, and it is never deleted.
    pub owned: bool,
}

crate::resource::status_core!(AmlWorkspaceStatus);
aml_resource!(@impl AmlWorkspace, AmlWorkspaceStatus, |_spec| None,
    azure_name: |spec, name| spec.azure_name.clone().unwrap_or(name),
    deletion: |spec| spec.deletion_policy.map(|_| DeletionPolicy::Retain),
    adoption: |_spec| AdoptionPolicy::Never);
