//! Datastores and their secrets.

use super::{Answer, Arm, names};
use crate::online::rules::Refusal;
use crate::surface::Reply;
use crate::tags;
use jiff::SignedDuration;
use serde_json::{Value, json};

/// The datastore of a container.
pub(super) fn blob_store(id: &str, account: &str, container: &str, default: bool) -> Value {
    json!({
        "id": id,
        "name": id.rsplit('/').next(),
        "type": "Microsoft.MachineLearningServices/workspaces/datastores",
        "properties": {
            "datastoreType": "AzureBlob", "accountName": account, "containerName": container,
            "endpoint": "core.windows.net", "protocol": "https", "credentials": {"credentialsType": "Sas"},
            "serviceDataAccessAuthIdentity": "None", "isDefault": default, "description": null, "tags": {},
            "properties": {}, "subscriptionId": null, "resourceGroup": null,
        },
    })
}

impl Arm<'_> {
    pub(super) fn datastores(&self) -> Answer {
        self.allowed()?;
        match (self.call.method.as_str(), self.call.segment(1), self.call.segment(2).to_ascii_lowercase().as_str()) {
            ("GET", "", _) => self.list_datastores(),
            ("GET", _, "") => {
                let known = self.estate.world().resource(&self.id()).cloned();
                known.map(Reply::ok).ok_or_else(|| self.not_found(&self.id()))
            }
            ("PUT", name, "") => self.put_datastore(name),
            ("DELETE", _, "") => {
                let removed = self.estate.world().delete_resource(&self.id());
                Ok(Reply::empty(if removed { 200 } else { 204 }))
            }
            ("POST", name, "listsecrets") => self.secrets(name),
            _ => Ok(Reply::not_allowed()),
        }
    }

    fn list_datastores(&self) -> Answer {
        let world = self.estate.world();
        let default = self.call.text("isdefault").and_then(|text| text.to_ascii_lowercase().parse::<bool>().ok());
        let wanted = |store: &&Value| {
            let is_default = store.pointer("/properties/isDefault").and_then(Value::as_bool);
            let name = store.get("name").and_then(Value::as_str).unwrap_or_default();
            let named = |names: &str| names.split(',').any(|one| one.trim().eq_ignore_ascii_case(name));
            default.is_none_or(|default| is_default == Some(default))
                && self.call.text("names").is_none_or(named)
                && self.call.text("searchtext").is_none_or(|part| name.contains(part))
        };
        let mut found: Vec<Value> = world.members(&self.id()).into_iter().filter(wanted).cloned().collect();
        if self.call.text("orderbyasc").is_some_and(|ascending| ascending.eq_ignore_ascii_case("false")) {
            found.reverse();
        }
        Ok(Reply::ok(self.call.page(found, 100)))
    }

    fn put_datastore(&self, name: &str) -> Answer {
        names::asset("datastore", name)?;
        let properties = self.call.body.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        let kind = properties.get("datastoreType").and_then(Value::as_str).unwrap_or_default();
        if !kind.eq_ignore_ascii_case("AzureBlob") {
            return Err(Refusal::bad(format!("The datastoreType {kind} is not held here: AzureBlob is.")));
        }
        tags::own(&properties).map_err(Refusal::bad)?;
        let mut world = self.estate.world();
        let known = world.resource(&self.id()).cloned();
        let text = |field: &str| properties.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut made = blob_store(&self.id(), &text("accountName"), &text("containerName"), false);
        for (field, value) in properties.iter().filter(|(field, _)| *field != "credentials" && *field != "isDefault") {
            made["properties"][field.as_str()] = value.clone();
        }
        let credentials = properties.get("credentials").and_then(|given| given.get("credentialsType"));
        made["properties"]["credentials"] = json!({"credentialsType": credentials});
        made["systemData"] = self.system_data(known.as_ref());
        world.put_resource(&self.id(), made.clone());
        Ok(Reply { status: if known.is_some() { 200 } else { 201 }, body: made, begun: None })
    }

    fn secrets(&self, name: &str) -> Answer {
        let id = format!("{}/datastores/{name}", self.call.workspace);
        let store = self.estate.world().resource(&id).cloned().ok_or_else(|| self.not_found(&id))?;
        let text = |field: &str| store.pointer(&format!("/properties/{field}")).and_then(Value::as_str);
        if text("credentials/credentialsType").is_some_and(|kind| kind.eq_ignore_ascii_case("None")) {
            return Ok(Reply::ok(json!({"secretsType": "None"})));
        }
        let hours = self.call.body.get("expireAfterHours").and_then(Value::as_i64).unwrap_or(1).clamp(1, 24 * 7);
        let now = self.estate.clock.now();
        let until = now.checked_add(SignedDuration::from_hours(hours)).unwrap_or(now);
        let (account, container) = (text("accountName").unwrap_or_default(), text("containerName").unwrap_or_default());
        let signature = self.estate.account_key.signature(account, container, "racwdl", until);
        Ok(Reply::ok(json!({"secretsType": "Sas", "sasToken": signature})))
    }
}
