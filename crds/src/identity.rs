//! The managed identity of something in Azure.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules;

/// The managed identity under which something in Azure acts.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.type.contains('UserAssigned') == has(self.userAssignedIdentities)").message("write userAssignedIdentities with type UserAssigned or SystemAssignedUserAssigned, and only then"))]
pub struct Identity {
    /// SystemAssigned (Azure makes and deletes it with the object), UserAssigned (yours), or both.
    #[serde(rename = "type")]
    pub type_: IdentityType,
    /// ARM ids of the user-assigned identities.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"), length(min = 1, max = 10), inner(length(min = 1, max = 1024)))]
    pub user_assigned_identities: Vec<String>,
}

/// Kinds of managed identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::described_by_field)]
pub enum IdentityType {
    /// Made and deleted by Azure with the object.
    SystemAssigned,
    /// Made by you.
    UserAssigned,
    /// Both.
    SystemAssignedUserAssigned,
}

impl IdentityType {
    /// As ARM spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SystemAssigned => "SystemAssigned",
            Self::UserAssigned => "UserAssigned",
            Self::SystemAssignedUserAssigned => "SystemAssigned,UserAssigned",
        }
    }
}

/// Whether something can be reached from the internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::described_by_field)]
pub enum PublicNetworkAccess {
    /// It can.
    Enabled,
    /// It can't.
    Disabled,
}

impl PublicNetworkAccess {
    /// As ARM spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "Enabled",
            Self::Disabled => "Disabled",
        }
    }
}

/// An environment variable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentVariable {
    /// Its name.
    #[schemars(regex(pattern = rules::VARIABLE), length(min = 1, max = 128))]
    pub name: String,
    /// Its value. No secrets: Azure shows it to everybody who may read the object it stands on.
    #[schemars(length(max = 4096))]
    pub value: String,
}
