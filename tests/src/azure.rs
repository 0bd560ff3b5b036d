//! A workspace in the emulator, and the principal by which the operator acts in it.

use serde_json::{Value, json};

use crate::emulator::{Emulator, Principal};
use crate::failure::Result;

/// The Secret's name and key, as the examples have them.
pub const SECRET: (&str, &str) = ("azure-ml-ops", "principal.json");

/// Where a workspace is.
#[derive(Clone, Debug)]
pub struct Place {
    /// The subscription.
    pub subscription: String,
    /// The resource group.
    pub group: String,
    /// The workspace's name.
    pub name: String,
    /// The region: endpoints' names are unique in it.
    pub location: String,
}

impl Place {
    /// One that no other test uses.
    #[must_use]
    pub fn unique(name: &str) -> Self {
        let id = uuid::Uuid::new_v4();
        let short = &id.simple().to_string()[..8];
        Self {
            subscription: id.to_string(),
            group: format!("rg-{name}"),
            name: format!("ws-{name}"),
            location: format!("region{short}"),
        }
    }

    /// The ARM id of the resource group.
    #[must_use]
    pub fn group_id(&self) -> String {
        format!("/subscriptions/{}/resourceGroups/{}", self.subscription, self.group)
    }

    /// The ARM id of the workspace.
    #[must_use]
    pub fn workspace_id(&self) -> String {
        format!("{}/providers/Microsoft.MachineLearningServices/workspaces/{}", self.group_id(), self.name)
    }
}

/// A workspace in the emulator, with a principal that owns its resource group.
#[derive(Clone, Debug)]
pub struct Azure {
    /// Where.
    pub place: Place,
    /// As whom.
    pub principal: Principal,
    /// The id of the principal's role assignment.
    pub assignment: String,
}

impl Azure {
    /// Makes both.
    ///
    /// # Errors
    /// When the emulator refuses.
    pub async fn new(emulator: &Emulator, place: Place) -> Result<Self> {
        emulator.workspace(&place.subscription, &place.group, &place.name, &place.location).await?;
        let principal = emulator.principal(&uuid::Uuid::new_v4().to_string()).await?;
        // Owner, as the operator is to share the workspace; Contributor would do for the rest.
        let assignment = emulator.assign(&place.group_id(), &principal.object_id, "Owner").await?;
        Ok(Self { place, principal, assignment })
    }

    /// What `az ad sp create-for-rbac` prints.
    #[must_use]
    pub fn printed(&self) -> Value {
        json!({
            "appId": self.principal.client_id,
            "displayName": "ml-ops",
            "password": self.principal.secret,
            "tenant": self.principal.tenant,
        })
    }

    /// The Secret that the examples refer to.
    #[must_use]
    pub fn secret(&self) -> Value {
        let (name, key) = SECRET;
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name},
            "type": "Opaque",
            "stringData": {key: self.printed().to_string()},
        })
    }

    /// An AmlWorkspace for it.
    #[must_use]
    pub fn workspace(&self, name: &str) -> Value {
        let (secret, key) = SECRET;
        self.workspace_by(name, &json!({"servicePrincipal": {"sdkAuthRef": {"name": secret, "key": key}}}))
    }

    /// An AmlWorkspace for it that acts by these credentials.
    #[must_use]
    pub fn workspace_by(&self, name: &str, credentials: &Value) -> Value {
        json!({
            "apiVersion": "azureml.dev/v1alpha1",
            "kind": "AmlWorkspace",
            "metadata": {"name": name},
            "spec": {
                "subscriptionId": self.place.subscription,
                "resourceGroup": self.place.group,
                "azureName": self.place.name,
                "credentials": credentials,
            },
        })
    }
}
