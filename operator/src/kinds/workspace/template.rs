//! From `spec.template` to what Azure wants, and what differs. Pure.

use azureml::resources::workspaces::{WorkspaceProperties, WorkspaceResource};
use azureml_crds::identity::IdentityType;
use azureml_crds::workspace::WorkspaceTemplate;
use serde_json::{Map, Value, json};

use crate::kinds::identity;
use crate::ownership::{Origin, Owner};

/// The body of a new workspace.
#[must_use]
pub fn body(template: &WorkspaceTemplate, name: &str, owner: &Owner) -> WorkspaceResource {
    let mut properties = Map::new();
    let friendly = template.friendly_name.clone().unwrap_or_else(|| name.to_owned());
    properties.insert("friendlyName".into(), Value::from(friendly));
    for (field, value) in [
        ("description", &template.description),
        ("keyVault", &template.key_vault),
        ("containerRegistry", &template.container_registry),
    ] {
        if let Some(value) = value {
            properties.insert(field.into(), Value::from(value.clone()));
        }
    }
    if let Some(access) = template.public_network_access {
        properties.insert("publicNetworkAccess".into(), Value::from(access.as_str()));
    }
    if let Some(primary) = primary(template) {
        properties.insert("primaryUserAssignedIdentity".into(), Value::from(primary));
    }
    let mut extra = Map::new();
    extra.insert("identity".into(), identity::body(template.identity.as_ref()));
    extra.insert("sku".into(), json!({"name": "Basic", "tier": "Basic"}));
    extra.insert("kind".into(), Value::from("Default"));
    WorkspaceResource {
        location: template.location.clone(),
        tags: owner.tagged(&template.tags, Origin::Created),
        properties: WorkspaceProperties {
            application_insights: template.application_insights.clone(),
            storage_account: template.storage_account.clone(),
            extra: properties,
            ..WorkspaceProperties::default()
        },
        extra,
        ..WorkspaceResource::default()
    }
}

/// What differs and can't be changed: field, what the template says, what Azure has.
#[must_use]
pub fn fixed(template: &WorkspaceTemplate, found: &WorkspaceResource) -> Vec<(&'static str, String, String)> {
    let plain = |text: &str| text.to_ascii_lowercase().replace(' ', "");
    let key_vault = found.properties.extra.get("keyVault").and_then(Value::as_str);
    let fields = [
        ("location", Some(template.location.as_str()), Some(found.location.as_str())),
        ("storageAccount", template.storage_account.as_deref(), found.properties.storage_account.as_deref()),
        ("keyVault", template.key_vault.as_deref(), key_vault),
        (
            "applicationInsights",
            template.application_insights.as_deref(),
            found.properties.application_insights.as_deref(),
        ),
    ];
    fields
        .into_iter()
        .filter_map(|(field, wanted, is)| Some((field, wanted?, is.filter(|is| !is.is_empty())?)))
        .filter(|(_, wanted, is)| plain(wanted) != plain(is))
        .map(|(field, wanted, is)| (field, wanted.to_owned(), is.to_owned()))
        .collect()
}

/// The fields that can be changed and differ.
#[must_use]
pub fn differs(template: &WorkspaceTemplate, found: &WorkspaceResource) -> Vec<&'static str> {
    let text = |field: &str| found.properties.extra.get(field).and_then(Value::as_str).unwrap_or_default();
    let same = |wanted: &Option<String>, is: &str| wanted.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(is));
    let exactly = |wanted: &Option<String>, is: &str| wanted.as_ref().is_none_or(|wanted| wanted == is);
    let checks = [
        ("friendlyName", exactly(&template.friendly_name, text("friendlyName"))),
        ("description", exactly(&template.description, text("description"))),
        ("containerRegistry", same(&template.container_registry, text("containerRegistry"))),
        (
            "applicationInsights",
            same(&template.application_insights, found.properties.application_insights.as_deref().unwrap_or_default()),
        ),
        (
            "publicNetworkAccess",
            template.public_network_access.is_none_or(|wanted| wanted.as_str() == text("publicNetworkAccess")),
        ),
        (
            "identity",
            template.identity.as_ref().is_none_or(|wanted| identity::same(wanted, found.extra.get("identity"))),
        ),
        ("tags", template.tags.iter().all(|(name, value)| found.tags.get(name) == Some(value))),
    ];
    checks.into_iter().filter(|(_, same)| !same).map(|(field, _)| field).collect()
}

/// The change that puts these fields right.
#[must_use]
pub fn change(template: &WorkspaceTemplate, found: &WorkspaceResource, fields: &[&str]) -> Value {
    let mut properties = Map::new();
    let mut put = |field: &str, value: Option<&str>| {
        if let (true, Some(value)) = (fields.contains(&field), value) {
            properties.insert(field.to_owned(), Value::from(value));
        }
    };
    put("friendlyName", template.friendly_name.as_deref());
    put("description", template.description.as_deref());
    put("containerRegistry", template.container_registry.as_deref());
    put("applicationInsights", template.application_insights.as_deref());
    put("publicNetworkAccess", template.public_network_access.map(|access| access.as_str()));
    let mut body = Map::new();
    if fields.contains(&"identity") {
        if let Some(primary) = primary(template) {
            properties.insert("primaryUserAssignedIdentity".to_owned(), Value::from(primary));
        }
        body.insert("identity".into(), identity::change(template.identity.as_ref(), found.extra.get("identity")));
    }
    if fields.contains(&"tags") {
        let mut tags = found.tags.clone();
        tags.extend(template.tags.clone());
        body.insert("tags".into(), json!(tags));
    }
    if !properties.is_empty() {
        body.insert("properties".into(), Value::Object(properties));
    }
    Value::Object(body)
}

/// Without an identity of its own the workspace acts as the first of yours.
fn primary(template: &WorkspaceTemplate) -> Option<&str> {
    let identity = template.identity.as_ref().filter(|identity| identity.type_ == IdentityType::UserAssigned)?;
    identity.user_assigned_identities.first().map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(more: &Value) -> WorkspaceTemplate {
        let mut whole = json!({"location": "westeurope"});
        for (name, value) in more.as_object().unwrap() {
            whole[name] = value.clone();
        }
        serde_json::from_value(whole).unwrap()
    }

    #[test]
    fn absent_fields_are_azures_own_choice() {
        let owner = Owner::new("prod", "team-a", "AmlWorkspace", "ml-ops", "uid-1");
        let found = body(&template(&json!({"description": "d"})), "ws", &owner);
        assert!(differs(&template(&json!({})), &found).is_empty());
        assert_eq!(
            differs(&template(&json!({"description": "other", "tags": {"a": "b"}})), &found),
            ["description", "tags"]
        );
        let change = change(&template(&json!({"tags": {"a": "b"}})), &found, &["tags"]);
        assert_eq!(change.get("properties"), None, "only what differs is sent");
        assert_eq!(change["tags"]["a"], "b");
        assert_eq!(change["tags"]["azureml-operator-uid"], "uid-1", "our own tags stay");
    }

    #[test]
    fn what_azure_cannot_change_is_told_apart() {
        let owner = Owner::new("prod", "team-a", "AmlWorkspace", "ml-ops", "uid-1");
        let found = body(
            &template(
                &json!({"location": "westeurope", "storageAccount": "/subscriptions/s/A", "keyVault": "/subscriptions/s/K"}),
            ),
            "ws",
            &owner,
        );
        let fields = |more: Value| -> Vec<&'static str> {
            fixed(&template(&more), &found).into_iter().map(|(field, ..)| field).collect()
        };
        assert!(fields(json!({"storageAccount": "/subscriptions/s/a"})).is_empty(), "case does not count");
        assert!(fields(json!({"applicationInsights": "/subscriptions/s/i"})).is_empty(), "it has none yet");
        assert_eq!(
            fields(
                json!({"location": "northeurope", "storageAccount": "/subscriptions/s/b", "keyVault": "/subscriptions/s/l"})
            ),
            ["location", "storageAccount", "keyVault"]
        );
    }

    #[test]
    fn identities_are_compared_and_changed_as_a_set() {
        let owner = Owner::new("prod", "team-a", "AmlWorkspace", "ml-ops", "uid-1");
        let both = json!({"identity": {"type": "SystemAssignedUserAssigned", "userAssignedIdentities": ["/subscriptions/s/U"]}});
        let mut found = body(&template(&json!({})), "ws", &owner);
        assert!(differs(&template(&json!({})), &found).is_empty());
        assert_eq!(differs(&template(&both), &found), ["identity"]);
        found.extra.insert("identity".into(), json!({"type": "systemAssigned, userAssigned", "principalId": "p", "userAssignedIdentities": {"/subscriptions/s/u": {"clientId": "c"}}}));
        assert!(differs(&template(&both), &found).is_empty());
        let other = json!({"identity": {"type": "UserAssigned", "userAssignedIdentities": ["/subscriptions/s/V"]}});
        let change = change(&template(&other), &found, &differs(&template(&other), &found));
        assert_eq!(
            change["identity"],
            json!({"type": "UserAssigned", "userAssignedIdentities": {"/subscriptions/s/V": {}, "/subscriptions/s/u": null}})
        );
        assert_eq!(change["properties"], json!({"primaryUserAssignedIdentity": "/subscriptions/s/V"}));
    }
}
