//! What happens on deletion, and to what exists already.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happens in Azure when the object is deleted in the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::described_by_field)]
pub enum DeletionPolicy {
    /// Delete it in Azure too.
    Delete,
    /// Archive it: hidden from lists, still usable by what refers to it.
    Archive,
    /// Leave it as it is.
    Retain,
}

/// What happens when an object of this name exists in Azure and is not ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::described_by_field)]
pub enum AdoptionPolicy {
    /// Touch nothing and say so.
    #[default]
    Never,
    /// Take it over and keep it to the spec.
    Adopt,
}

/// What is kept of older versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VersionHistory {
    /// How many versions stay; older ones are archived, never one that is in use.
    #[schemars(range(min = 1, max = 1000))]
    pub keep: i32,
}
