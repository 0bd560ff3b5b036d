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

/// Whether Azure has the identity that the spec asks for, and no other.
#[must_use]
pub fn same(wanted: &Identity, is: Option<&Value>) -> bool {
    let kind = is.and_then(|is| is.get("type")).and_then(Value::as_str).unwrap_or_default().replace(' ', "");
    let mut wanted_ids: Vec<String> = wanted.user_assigned_identities.iter().map(|id| id.to_lowercase()).collect();
    let mut known: Vec<String> = assigned(is).map(|id| id.to_lowercase()).collect();
    wanted_ids.sort();
    known.sort();
    kind.eq_ignore_ascii_case(wanted.type_.as_str()) && known == wanted_ids
}

/// The body of a change to it: what is assigned and not wanted is taken away by `null`.
#[must_use]
pub fn change(wanted: Option<&Identity>, is: Option<&Value>) -> Value {
    let mut body = body(wanted);
    let stays = |id: &str| {
        wanted.is_some_and(|wanted| wanted.user_assigned_identities.iter().any(|own| own.eq_ignore_ascii_case(id)))
    };
    for id in assigned(is).filter(|id| !stays(id)) {
        body["userAssignedIdentities"][id] = Value::Null;
    }
    body
}

fn assigned(is: Option<&Value>) -> impl Iterator<Item = &String> {
    is.and_then(|is| is.get("userAssignedIdentities")).and_then(Value::as_object).into_iter().flat_map(Map::keys)
}
