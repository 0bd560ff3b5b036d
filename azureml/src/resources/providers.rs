//! Whether a subscription is registered for a resource provider (Microsoft.Resources, api-version 2021-04-01).

use serde::Deserialize;

use crate::error::Error;
use crate::workspace::Workspace;

const API_VERSION: &str = "2021-04-01";

/// A resource provider, as a subscription has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Provider {
    /// The namespace, e.g. `Microsoft.MachineLearningServices`.
    pub namespace: String,
    /// `Registered`, `Registering`, `NotRegistered`, `Unregistering` or `Unregistered`.
    pub registration_state: String,
}

impl Workspace {
    /// Azure ML's provider in the workspace's subscription; `None` where Azure knows none.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn provider(&self) -> Result<Option<Provider>, Error> {
        let path = format!("/subscriptions/{}/providers/Microsoft.MachineLearningServices", self.id().subscription_id);
        self.client.get("providers", &path, API_VERSION, &[]).await
    }
}
