//! Resources that are kept as they are put: Application Insights, storage accounts, autoscale and diagnostic settings.

use super::{Answer, Arm, resource_type};
use crate::online::rules::Refusal;
use crate::surface::Reply;
use serde_json::{Value, json};

/// Types that are kept.
const KEPT: [&str; 6] = [
    "microsoft.insights/",
    "microsoft.storage/storageaccounts",
    "microsoft.keyvault/vaults",
    "microsoft.containerregistry/registries",
    "microsoft.managedidentity/userassignedidentities",
    "microsoft.operationalinsights/workspaces",
];

impl Arm<'_> {
    pub(super) fn generic(&self) -> Answer {
        let id = self.id();
        let kind = resource_type(&id);
        if let ["subscriptions", subscription] | ["subscriptions", subscription, "resourcegroups", _] =
            self.keys.iter().map(String::as_str).collect::<Vec<_>>().as_slice()
        {
            return self.group(subscription);
        }
        if !KEPT.iter().any(|kept| kind.to_ascii_lowercase().starts_with(kept)) {
            return Err(Refusal {
                status: 404,
                code: "InvalidResourceType",
                message: format!("The resource type '{kind}' could not be found in this emulator."),
            });
        }
        self.allowed()?;
        let mut world = self.estate.world();
        match self.call.method.as_str() {
            "GET" => match world.resource(&id) {
                Some(known) => Ok(Reply::ok(known.clone())),
                None if self.segments.len() % 2 == 1
                    || kind.ends_with('s') && world.below(&format!("{id}/")).next().is_some() =>
                {
                    Ok(Reply::ok(json!({"value": world.members(&id)})))
                }
                None => Err(self.not_found(&id)),
            },
            "PUT" => {
                let known = world.resource(&id).cloned();
                let mut made = self.call.body.clone();
                if !made.is_object() {
                    return Err(Refusal::bad("The body is no resource."));
                }
                made["id"] = Value::from(id.as_str());
                made["name"] = json!(self.segments.last());
                made["type"] = Value::from(kind);
                world.put_resource(&id, made.clone());
                Ok(Reply { status: if known.is_some() { 200 } else { 201 }, body: made, begun: None })
            }
            "DELETE" => Ok(Reply::empty(if world.delete_resource(&id) { 200 } else { 204 })),
            _ => Ok(Reply::not_allowed()),
        }
    }

    /// A subscription or a resource group: there if something is in it.
    fn group(&self, subscription: &str) -> Answer {
        let id = self.id();
        let world = self.estate.world();
        let Some((_, within)) = world.below(&format!("{id}/")).next() else { return Err(self.not_found(&id)) };
        let name = self.segments.last().map_or("", String::as_str);
        Ok(Reply::ok(json!({
            "id": id, "name": name, "subscriptionId": subscription, "displayName": name, "state": "Enabled",
            "type": "Microsoft.Resources/resourceGroups", "location": within.body.get("location"),
            "properties": {"provisioningState": "Succeeded"},
        })))
    }
}
