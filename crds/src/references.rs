//! References inside the namespace. Nothing crosses a namespace.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules;

/// An object of the same namespace, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocalRef {
    /// The object's name.
    #[schemars(regex(pattern = rules::OBJECT_NAME), length(min = 1, max = 253))]
    pub name: String,
}

/// A key of a Secret of the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// The Secret's name.
    #[schemars(regex(pattern = rules::OBJECT_NAME), length(min = 1, max = 253))]
    pub name: String,
    /// The key in the Secret's data.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// A key of a ConfigMap of the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapKeyRef {
    /// The ConfigMap's name.
    #[schemars(regex(pattern = rules::OBJECT_NAME), length(min = 1, max = 253))]
    pub name: String,
    /// The key in the ConfigMap's data.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// A certificate with its private key in a Secret of the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CertificateRef {
    /// The Secret's name.
    #[schemars(regex(pattern = rules::OBJECT_NAME), length(min = 1, max = 253))]
    pub name: String,
    /// The key that holds certificate and private key, PEM or PKCS#12.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
    /// The key that holds the password of a PKCS#12 file; absent: it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub password_key: Option<String>,
}
