//! AmlWorkspace and AmlCompute.

use serde_json::{Value, json};

use super::{Refused, refused_name, refused_spec};

const TENANT: &str = "22222222-2222-2222-2222-222222222222";

pub fn full() -> Vec<(&'static str, Value)> {
    vec![
        (
            "AmlWorkspace",
            json!({
                "subscriptionId": "11111111-1111-1111-1111-111111111111",
                "resourceGroup": "rg-ml",
                "azureName": "ws_ML-1",
                "managementPolicy": "Manage",
                "template": {
                    "location": "westeurope",
                    "storageAccount": "/subscriptions/1/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/st",
                    "identity": {"type": "SystemAssigned"},
                    "publicNetworkAccess": "Enabled",
                    "tags": {"team": "a"},
                },
                "credentials": {"workloadIdentity": {"tenantId": TENANT, "clientId": TENANT, "serviceAccountName": "ml"}},
                "access": [
                    {"principalId": TENANT, "principalType": "ServicePrincipal", "role": "Owner"},
                    {"principalId": TENANT, "principalType": "ServicePrincipal", "role": "AzureML Data Scientist"},
                ],
                "deletionPolicy": "Delete",
                "adoptionPolicy": "Adopt",
            }),
        ),
        (
            "AmlWorkspace",
            json!({
                "subscriptionId": "11111111-1111-1111-1111-111111111111",
                "resourceGroup": "rg-ml",
                "credentials": {"servicePrincipal": {
                    "tenantId": TENANT,
                    "clientId": TENANT,
                    "clientCertificateRef": {"name": "azure", "key": "sp.pfx", "passwordKey": "password"},
                }},
            }),
        ),
        (
            "AmlCompute",
            json!({
                "workspaceRef": {"name": "ml-ops"},
                "azureName": "cpu-cluster-a",
                "size": "Standard_DS12_v2",
                "tier": "LowPriority",
                "scale": {"minNodes": 0, "maxNodes": 4, "idleTimeBeforeScaleDown": "2m"},
                "deletionPolicy": "Delete",
                "adoptionPolicy": "Never",
            }),
        ),
    ]
}

pub fn refused() -> Vec<Refused> {
    let workspace = |what, change, message| refused_spec("AmlWorkspace", what, change, message);
    let compute = |what, change, message| refused_spec("AmlCompute", what, change, message);
    let one_way = "write exactly one of workloadIdentity, servicePrincipal and managedIdentity";
    let principal = "write tenantId, clientId and one of clientSecretRef and clientCertificateRef, or sdkAuthRef alone";
    let secret = || json!({"name": "azure", "key": "password"});
    vec![
        refused_name("AmlWorkspace", "ml.ops", "write that name in spec.azureName"),
        refused_name("AmlWorkspace", "ml", "write that name in spec.azureName"),
        refused_name("AmlCompute", "cpu.cluster", "write that name in spec.azureName"),
        refused_name("AmlCompute", "cpu-cluster-1", "not ending in - and digits: write that name in spec.azureName"),
        refused_name("AmlCompute", "a-cluster-with-a-long-name", "3 to 24 letters"),
        workspace(
            "a dot in azureName",
            json!({"azureName": "ws.ml"}),
            "the workspace's name in Azure has 3 to 33 letters",
        ),
        workspace("a subscription by name", json!({"subscriptionId": "Pay as you go"}), "az account show --query id"),
        workspace("no credentials", json!({"credentials": {"servicePrincipal": null}}), one_way),
        workspace("two credentials", json!({"credentials": {"managedIdentity": {}}}), one_way),
        workspace(
            "a whole principal and its parts",
            json!({"credentials": {"servicePrincipal": {"tenantId": TENANT, "clientId": TENANT, "clientSecretRef": secret()}}}),
            principal,
        ),
        workspace(
            "a secret and a certificate",
            json!({"credentials": {"servicePrincipal": {
                "sdkAuthRef": null, "tenantId": TENANT, "clientId": TENANT,
                "clientSecretRef": secret(), "clientCertificateRef": secret(),
            }}}),
            principal,
        ),
        workspace(
            "a principal without tenant",
            json!({"credentials": {"servicePrincipal": {"sdkAuthRef": null, "clientId": TENANT, "clientSecretRef": secret()}}}),
            principal,
        ),
        workspace(
            "a template that is only observed",
            json!({"template": {"location": "westeurope"}}),
            "write both, or neither",
        ),
        workspace("managed without a template", json!({"managementPolicy": "Manage"}), "write both, or neither"),
        workspace(
            "deletion of what is only observed",
            json!({"deletionPolicy": "Delete"}),
            "a workspace that is only observed is never deleted",
        ),
        workspace("an unknown policy", json!({"deletionPolicy": "Purge"}), "supported values: \"Retain\", \"Delete\""),
        workspace(
            "a client id's e-mail as principal",
            json!({"access": [{"principalId": "someone@example.org", "principalType": "User", "role": "Owner"}]}),
            "write the principal's object id, a GUID",
        ),
        workspace(
            "an unknown kind of principal",
            json!({"access": [{"principalId": TENANT, "principalType": "Robot", "role": "Owner"}]}),
            "supported values: \"User\", \"Group\", \"ServicePrincipal\"",
        ),
        workspace(
            "the same assignment twice",
            json!({"access": [
                {"principalId": TENANT, "principalType": "User", "role": "Owner"},
                {"principalId": TENANT, "principalType": "Group", "role": "Owner"},
            ]}),
            "Duplicate value",
        ),
        workspace(
            "identities of the wrong type",
            json!({"managementPolicy": "Manage", "template": {
                "location": "westeurope",
                "identity": {"type": "SystemAssigned", "userAssignedIdentities": ["/subscriptions/1/id"]},
            }}),
            "write userAssignedIdentities with type UserAssigned",
        ),
        compute("azureName ending in digits", json!({"azureName": "cpu-2"}), "not ending in - and digits"),
        compute(
            "more nodes at least than at most",
            json!({"scale": {"minNodes": 5}}),
            "minNodes must not be above maxNodes",
        ),
        compute("an unknown tier", json!({"tier": "Spot"}), "supported values: \"Dedicated\", \"LowPriority\""),
        compute(
            "an archived cluster",
            json!({"deletionPolicy": "Archive"}),
            "a cluster can't be archived: write Delete or Retain",
        ),
        compute(
            "a duration in words",
            json!({"scale": {"idleTimeBeforeScaleDown": "2 minutes"}}),
            "idleTimeBeforeScaleDown",
        ),
        compute(
            "a duration in ISO 8601",
            json!({"scale": {"idleTimeBeforeScaleDown": "PT2M"}}),
            "idleTimeBeforeScaleDown",
        ),
        compute("no size", json!({"size": null}), "spec.size: Required value"),
        compute("no workspace", json!({"workspaceRef": null}), "spec.workspaceRef: Required value"),
    ]
}
