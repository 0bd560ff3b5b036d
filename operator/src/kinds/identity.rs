//! The managed identity of something in Azure, from the spec to ARM's words.

use azureml_crds::identity::Identity;
use serde_json::{Map, Value, json};

/// ARM's body; the system's own identity where the spec says nothing.
#[must_use]
pub fn body(identity: Option<&Identity>) -> Value {
    let Some(identity) = identity else { return json!({"type": "SystemAssigned"}) };
    let mut body = json!({"type": identity.type_.as_str()});
    if !identity.user_assigned_identities.is_empty() {
        let ids = identity.user_assigned_identities.iter();
        let all: Map<String, Value> = ids.map(|id| (id.clone(), json!({}))).collect();
        body["userAssignedIdentities"] = Value::Object(all);
    }
    body
}
