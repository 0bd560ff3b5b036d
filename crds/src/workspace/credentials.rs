//! As whom the operator acts in a workspace.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::references::{CertificateRef, SecretKeyRef};
use crate::rules;

/// As whom the operator acts in Azure.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one(&["workloadIdentity", "servicePrincipal", "managedIdentity"], "write exactly one of workloadIdentity, servicePrincipal and managedIdentity"))]
pub struct Credentials {
    /// A ServiceAccount of this namespace, whose token is exchanged for Azure's: no secret is stored anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_identity: Option<WorkloadIdentity>,
    /// A service principal, with its secret or certificate in a Secret of this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_principal: Option<ServicePrincipal>,
    /// The managed identity of the nodes, only for namespaces that the operator's configuration lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_identity: Option<ManagedIdentity>,
}

/// Workload identity by the namespace's own ServiceAccount.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadIdentity {
    /// The tenant's id.
    #[schemars(regex(pattern = rules::GUID), length(max = 36))]
    pub tenant_id: String,
    /// The application's (client) id.
    #[schemars(regex(pattern = rules::GUID), length(max = 36))]
    pub client_id: String,
    /// The ServiceAccount, named in the application's federated credential as
    /// `system:serviceaccount:<namespace>:<name>`.
    #[schemars(regex(pattern = rules::OBJECT_NAME), length(min = 1, max = 253))]
    pub service_account_name: String,
}

/// A service principal: by its fields with a client secret or a certificate, or by the whole JSON that
/// `az ad sp create-for-rbac` prints.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.sdkAuthRef) ? !has(self.tenantId) && !has(self.clientId) && !has(self.clientSecretRef) && !has(self.clientCertificateRef) : has(self.tenantId) && has(self.clientId) && has(self.clientSecretRef) != has(self.clientCertificateRef)").message("write tenantId, clientId and one of clientSecretRef and clientCertificateRef, or sdkAuthRef alone"))]
pub struct ServicePrincipal {
    /// The tenant's id (`tenant` in what `az ad sp create-for-rbac` prints).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = rules::GUID), length(max = 36))]
    pub tenant_id: Option<String>,
    /// The application's (client) id (`appId` in what `az ad sp create-for-rbac` prints).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = rules::GUID), length(max = 36))]
    pub client_id: Option<String>,
    /// The Secret's key that holds the client secret (`password` in what `az ad sp create-for-rbac` prints).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_ref: Option<SecretKeyRef>,
    /// The Secret's key that holds a certificate with its private key, PEM or PKCS#12.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate_ref: Option<CertificateRef>,
    /// The Secret's key that holds what `az ad sp create-for-rbac` printed, whole (with or without `--sdk-auth`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdk_auth_ref: Option<SecretKeyRef>,
}

/// The managed identity of the nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManagedIdentity {
    /// The client id of a user-assigned identity; absent: the system-assigned one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = rules::GUID), length(max = 36))]
    pub client_id: Option<String>,
}
