//! What happens on deletion, and to what exists already.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happens in Azure when the object is deleted in the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
pub enum AdoptionPolicy {
    /// Touch nothing and say so.
    #[default]
    Never,
    /// Take it over and keep it to the spec.
    Adopt,
}
