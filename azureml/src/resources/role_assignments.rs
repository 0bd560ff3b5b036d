//! Role assignments on a workspace (Microsoft.Authorization, api-version 2022-04-01).

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::Extra;
use crate::error::Error;
use crate::workspace::Workspace;

const API_VERSION: &str = "2022-04-01";

/// Built-in roles by name (Azure built-in roles, learn.microsoft.com).
const BUILT_IN: &[(&str, &str)] = &[
    ("Owner", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"),
    ("Contributor", "b24988ac-6180-42a0-ab88-20f7382dd24c"),
    ("Reader", "acdd72a7-3385-48ef-bd42-f606fba81ae7"),
    ("AzureML Data Scientist", "f6c7c914-8db3-469d-8ca1-694a8f32e121"),
    ("User Access Administrator", "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"),
    ("Storage Blob Data Contributor", "ba92f5b4-2d11-453d-a403-e96b0029c9fe"),
    ("AzureML Compute Operator", "e503ece1-11d0-4e8e-8e2c-7a6c3bf38815"),
];

/// The GUID of a role: a built-in one by name, or the GUID itself.
#[must_use]
pub fn role_guid(role: &str) -> Option<String> {
    let known = BUILT_IN.iter().find(|(name, _)| name.eq_ignore_ascii_case(role)).map(|(_, guid)| (*guid).to_owned());
    known.or_else(|| Uuid::parse_str(role.rsplit('/').next().unwrap_or_default()).ok().map(|guid| guid.to_string()))
}

/// A role assignment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RoleAssignment {
    /// Its ARM id.
    pub id: String,
    /// Its name, a GUID.
    pub name: String,
    /// Its properties.
    pub properties: RoleAssignmentProperties,
}

/// Who has which role where.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RoleAssignmentProperties {
    /// ARM id of the role definition.
    pub role_definition_id: String,
    /// The principal's object id.
    pub principal_id: String,
    /// On what.
    pub scope: String,
    /// `User`, `Group` or `ServicePrincipal`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal_type: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

impl RoleAssignment {
    /// The GUID of the role that it gives.
    #[must_use]
    pub fn role_guid(&self) -> Option<String> {
        role_guid(&self.properties.role_definition_id)
    }
}

impl Workspace {
    /// A principal's assignments that count on this workspace.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn role_assignments(&self, principal_id: &str) -> Result<Vec<RoleAssignment>, Error> {
        let path = format!("{}/providers/Microsoft.Authorization/roleAssignments", self.arm_id());
        let filter = format!("principalId eq '{principal_id}'");
        self.client.list("roleAssignments", &path, API_VERSION, &[("$filter", &filter)]).await
    }

    /// Gives a role. The name is chosen by the caller, so that a repeat finds its own earlier work.
    ///
    /// # Errors
    /// Azure's answer; `RoleAssignmentExists` where another assignment says the same.
    pub async fn assign_role(
        &self,
        name: Uuid,
        role_guid: &str,
        principal_id: &str,
        principal_type: &str,
    ) -> Result<RoleAssignment, Error> {
        let path = format!("{}/providers/Microsoft.Authorization/roleAssignments/{name}", self.arm_id());
        let definition = format!(
            "/subscriptions/{}/providers/Microsoft.Authorization/roleDefinitions/{role_guid}",
            self.id().subscription_id
        );
        let body = json!({"properties": {"roleDefinitionId": definition, "principalId": principal_id, "principalType": principal_type}});
        let url = self.client.arm_url(&path, API_VERSION, &[])?;
        self.client.arm("roleAssignments", Method::PUT, url, Some(body), Vec::new(), false).await?.json()
    }

    /// Takes a role back; one that is gone already is no error.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn remove_role_assignment(&self, id: &str) -> Result<(), Error> {
        let url = self.client.arm_url(id, API_VERSION, &[])?;
        match self.client.arm("roleAssignments", Method::DELETE, url, None, Vec::new(), false).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }
}
