//! How many machines a subscription may have in a region, and what a machine of a size counts for.

use serde::Deserialize;

use super::nullable;
use crate::error::Error;
use crate::workspace::Workspace;

/// What is used of a limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Usage {
    /// What is counted.
    #[serde(deserialize_with = "nullable")]
    pub name: UsageName,
    /// How many are in use.
    pub current_value: i64,
    /// How many there may be; -1: no limit of its own.
    pub limit: i64,
}

/// What is counted, e.g. `Standard DSv2 Family Cluster Dedicated vCPUs`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UsageName {
    /// For programs.
    pub value: String,
    /// For people.
    pub localized_value: Option<String>,
}

/// A size of machines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VmSize {
    /// E.g. `Standard_DS3_v2`.
    pub name: String,
    /// E.g. `standardDSv2Family`.
    pub family: String,
    /// How many cores one has.
    #[serde(rename = "vCPUs")]
    pub vcpus: i64,
}

#[derive(Deserialize)]
struct VmSizes {
    #[serde(default)]
    value: Vec<VmSize>,
}

impl Workspace {
    /// The limits of the subscription in a region.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn usages(&self, location: &str) -> Result<Vec<Usage>, Error> {
        self.client.list("usages", &self.in_region(location, "usages"), self.client.api_version(), &[]).await
    }

    /// The sizes of machines that a region has.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn vm_sizes(&self, location: &str) -> Result<Vec<VmSize>, Error> {
        let path = self.in_region(location, "vmSizes");
        let sizes: Option<VmSizes> = self.client.get("vmSizes", &path, self.client.api_version(), &[]).await?;
        Ok(sizes.map(|sizes| sizes.value).unwrap_or_default())
    }

    fn in_region(&self, location: &str, what: &str) -> String {
        format!(
            "/subscriptions/{}/providers/Microsoft.MachineLearningServices/locations/{location}/{what}",
            self.id().subscription_id
        )
    }
}
