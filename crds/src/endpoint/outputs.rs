//! What is written into the cluster for an endpoint's users.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::Duration;
use crate::references::LocalRef;

/// What is written into the cluster for the endpoint's users.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Outputs {
    /// A Secret with scoringUri, primaryKey, secondaryKey, key (the one to use) and activeKey.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretOutput>,
    /// The endpoint's swagger.json.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swagger: Option<SwaggerOutput>,
}

/// The Secret with address and keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretOutput {
    /// The Secret's name. One of this name that the operator did not make is left alone.
    #[schemars(regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"), length(min = 1, max = 253))]
    pub name: String,
    /// How long the old key stays valid after a rotation; absent: 24h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation_grace: Option<Duration>,
}

/// Where the swagger document is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SwaggerOutput {
    /// The ConfigMap that gets it, under the key `swagger.json`.
    pub config_map: LocalRef,
}
