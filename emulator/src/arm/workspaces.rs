//! Workspaces, and what comes with them: a storage account, a key vault, Application Insights, datastores.

use super::{Answer, Arm, envelope, names, soft_delete};
use crate::online::Fate;
use crate::online::rules::Refusal;
use crate::operations::OF_WORKSPACE;
use crate::surface::{Follow, Reply};
use crate::tags;
use crate::world::World;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Fields of `properties` that are the service's own.
const READ_ONLY: [&str; 8] = [
    "allowRecoverSoftDeletedWorkspace",
    "workspaceId",
    "discoveryUrl",
    "mlFlowTrackingUri",
    "provisioningState",
    "tenantId",
    "notebookInfo",
    "workspaceHubConfig",
];

impl Arm<'_> {
    pub(super) fn workspace(&self) -> Answer {
        self.allowed()?;
        match self.call.method.as_str() {
            "GET" => {
                let shown = self.estate.world().resource(&self.id()).map(|known| show(known, &self.call.base));
                shown.map(Reply::ok).ok_or_else(|| self.not_found(&self.id()))
            }
            "PUT" => self.put_workspace(),
            "PATCH" => self.patch_workspace(),
            "DELETE" => self.delete_workspace(),
            _ => Ok(Reply::not_allowed()),
        }
    }

    pub(super) fn list_workspaces(&self) -> Answer {
        let world = self.estate.world();
        let scope =
            self.id().to_ascii_lowercase().replace("/providers/microsoft.machinelearningservices/workspaces", "");
        let read = "Microsoft.MachineLearningServices/workspaces/read";
        let now = self.estate.clock.now();
        let seen = world
            .workspaces()
            .filter(|(id, _)| id.starts_with(&format!("{scope}/")) && world.may(&self.claims.oid, read, id, now));
        let kind = self.call.text("kind");
        let wanted = |known: &Value| {
            let own = known.get("kind").and_then(Value::as_str).unwrap_or("Default");
            kind.is_none_or(|kind| kind.split(',').any(|kind| kind.trim().eq_ignore_ascii_case(own)))
        };
        let shown = seen.filter(|(_, known)| wanted(known)).map(|(_, known)| show(known, &self.call.base)).collect();
        Ok(Reply::ok(self.call.page_at(&self.id(), shown, 100)))
    }

    fn put_workspace(&self) -> Answer {
        let id = self.id();
        let name = self.segments.last().map_or("", String::as_str);
        names::workspace(name)?;
        names::group(self.segments.get(3).map_or("", String::as_str))?;
        let body = self.call.fields();
        tags::tracked(&body)?;
        let location = body.get("location").and_then(Value::as_str).filter(|text| !text.is_empty());
        let location = location.ok_or_else(|| Refusal {
            status: 400,
            code: "LocationRequired",
            message: "The location property is required for this definition.".to_owned(),
        })?;
        let mut world = self.estate.world();
        if world.resource(&id).is_none() && soft_delete::kept(&world, &id, self.estate.clock.now()) {
            if !soft_delete::is_recovery(&body) {
                return Err(soft_delete::in_the_way());
            }
            soft_delete::recover(&mut world, &id);
        }
        let known = world.resource(&id).cloned();
        if let Some(before) = &known {
            self.free(before)?;
            same_location(before, location)?;
            unchanged(before, &body)?;
        }
        let mut made = furnish(&mut world, &id, location, &body, known.as_ref());
        made["systemData"] = self.system_data(known.as_ref());
        made["properties"]["tenantId"] = Value::from(self.claims.tid.as_str());
        made["properties"]["provisioningState"] = Value::from(if known.is_some() { "Updating" } else { "Creating" });
        world.put_resource(&id, made);
        drop(world);
        Ok(self.workspace_begun(known))
    }

    fn patch_workspace(&self) -> Answer {
        let id = self.id();
        let mut world = self.estate.world();
        let known = world.resource(&id).cloned().ok_or_else(|| self.not_found(&id))?;
        self.free(&known)?;
        let body = self.call.fields();
        tags::tracked(&body)?;
        unchanged(&known, &body)?;
        let mut made = known.clone();
        if let Some(fields) = made.as_object_mut() {
            fields.extend(envelope(&body, &["tags", "identity", "sku"]));
        }
        merge_properties(&mut made, &body);
        made["systemData"] = self.system_data(Some(&known));
        made["properties"]["provisioningState"] = Value::from("Updating");
        world.put_resource(&id, made);
        drop(world);
        Ok(self.workspace_begun(Some(known)))
    }

    fn workspace_begun(&self, before: Option<Value>) -> Reply {
        let id = self.id();
        let begun = self.begin(OF_WORKSPACE, Follow::Location, move |estate, fate| {
            let mut world = estate.world();
            match (fate, before) {
                (Fate::Revert, Some(before)) => world.put_resource(&id, before),
                (fate, _) => {
                    let state = if matches!(fate, Fate::Fail { .. }) { "Failed" } else { "Succeeded" };
                    if let Some(known) = world.resource_mut(&id) {
                        known["properties"]["provisioningState"] = Value::from(state);
                    }
                }
            }
        });
        // What has begun is shown by nobody until it is done (Workspaces_CreateOrUpdate, api-version 2025-12-01).
        Reply { status: 202, body: Value::Null, begun: Some(begun) }
    }

    fn delete_workspace(&self) -> Answer {
        let id = self.id();
        let mut world = self.estate.world();
        let purge = self.call.text("forcetopurge").is_some_and(|text| text.eq_ignore_ascii_case("true"));
        let plane = self.routes.plane.clone();
        let Some(known) = world.resource_mut(&id) else {
            let purged = purge && soft_delete::purge(&mut world, &id);
            drop(world);
            if purged {
                plane.forget(&id.to_ascii_lowercase());
            }
            return Ok(Reply::empty(if purged { 200 } else { 204 }));
        };
        self.free(known)?;
        known["properties"]["provisioningState"] = Value::from("Deleting");
        drop(world);
        let begun = self.begin(OF_WORKSPACE, Follow::Location, move |estate, fate| {
            let mut world = estate.world();
            if *fate == Fate::Proceed {
                if purge {
                    world.delete_resource(&id);
                    drop(world);
                    plane.forget(&id.to_ascii_lowercase());
                } else {
                    soft_delete::put_away(&mut world, &id, estate.clock.now());
                    drop(world);
                    plane.online.forget(&id.to_ascii_lowercase());
                }
            } else if let Some(known) = world.resource_mut(&id) {
                let failed = matches!(fate, Fate::Fail { .. });
                known["properties"]["provisioningState"] = Value::from(if failed { "Failed" } else { "Succeeded" });
            }
        });
        Ok(Reply { status: 202, body: Value::Null, begun: Some(begun) })
    }

    pub(super) fn workspace_action(&self, action: &str) -> Answer {
        self.allowed()?;
        match action {
            "listkeys" | "liststorageaccountkeys" => {
                let key = Uuid::new_v5(&Uuid::NAMESPACE_OID, self.call.workspace.as_bytes()).simple().to_string();
                Ok(Reply::ok(json!({"userStorageKey": key, "userStorageResourceId": null})))
            }
            "resynckeys" => Ok(Reply::empty(200)),
            "diagnose" => self.diagnose(),
            _ => Ok(Reply::not_allowed()),
        }
    }
}

fn same_location(known: &Value, location: &str) -> Result<(), Refusal> {
    let plain = |text: &str| text.to_ascii_lowercase().replace(' ', "");
    let before = known.get("location").and_then(Value::as_str).unwrap_or_default();
    if plain(before) == plain(location) {
        return Ok(());
    }
    Err(Refusal {
        status: 409,
        code: "InvalidResourceLocation",
        message: format!(
            "The resource already exists in location '{before}'. A resource with the same name cannot be created in location '{location}'."
        ),
    })
}

/// What can't be changed of a workspace.
fn unchanged(known: &Value, body: &Map<String, Value>) -> Result<(), Refusal> {
    for field in ["storageAccount", "keyVault", "applicationInsights"] {
        let given = body.get("properties").and_then(|given| given.get(field)).and_then(Value::as_str);
        let before = known.pointer(&format!("/properties/{field}")).and_then(Value::as_str);
        // Application Insights is the one of the three that can be replaced.
        if let (Some(given), Some(before)) = (given, before)
            && field != "applicationInsights"
            && !given.eq_ignore_ascii_case(before)
        {
            return Err(Refusal::bad(format!("The {field} of a workspace can't be changed: it is {before}.")));
        }
    }
    Ok(())
}

fn merge_properties(made: &mut Value, body: &Map<String, Value>) {
    let given = body.get("properties").and_then(Value::as_object).into_iter().flatten();
    for (name, value) in given.filter(|(name, value)| !READ_ONLY.contains(&name.as_str()) && !value.is_null()) {
        made["properties"][name.as_str()] = value.clone();
    }
}

/// Makes a workspace that is ready, or gives the one that is there.
pub(crate) fn ready(world: &mut World, id: &str, location: &str) -> Value {
    if let Some(known) = world.resource(id) {
        return known.clone();
    }
    let mut made = furnish(world, id, location, &Map::new(), None);
    made["properties"]["provisioningState"] = Value::from("Succeeded");
    world.put_resource(id, made.clone());
    made
}

/// A workspace's resource, after making all that it stands on and that is not there yet.
fn furnish(world: &mut World, id: &str, location: &str, body: &Map<String, Value>, known: Option<&Value>) -> Value {
    let name = id.rsplit('/').next().unwrap_or_default();
    let made_of =
        |what: &str| Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("{what} {}", id.to_ascii_lowercase()).as_bytes());
    let guid = made_of("workspace").to_string();
    let short: String = name.to_ascii_lowercase().chars().filter(char::is_ascii_alphanumeric).take(14).collect();
    let unique = made_of("storage").simple().to_string();
    let unique = unique.get(..8).unwrap_or_default();
    let given = |field: &str, otherwise: String| {
        let text = |value: &Value| value.get("properties")?.get(field)?.as_str().map(str::to_owned);
        let from_body = body.get("properties").and_then(|given| given.get(field)).and_then(Value::as_str);
        from_body.map(str::to_owned).or_else(|| known.and_then(text)).unwrap_or(otherwise)
    };
    let group = id.split("/providers/").next().unwrap_or_default();
    let storage =
        given("storageAccount", format!("{group}/providers/Microsoft.Storage/storageAccounts/{short}{unique}"));
    let vault = given("keyVault", format!("{group}/providers/Microsoft.KeyVault/vaults/{short}{unique}"));
    let insights =
        given("applicationInsights", format!("{group}/providers/Microsoft.Insights/components/{short}{unique}"));
    let mut made = json!({
        "id": known.and_then(|known| known.get("id")).cloned().unwrap_or_else(|| Value::from(id)),
        "name": name,
        "type": "Microsoft.MachineLearningServices/workspaces",
        "location": location.to_ascii_lowercase().replace(' ', ""),
        "kind": "Default",
        "sku": {"name": "Basic", "tier": "Basic"},
        "identity": {"type": "SystemAssigned", "principalId": made_of("identity"), "tenantId": null},
        "tags": {},
        "properties": {
            "friendlyName": name, "description": "", "publicNetworkAccess": "Enabled", "hbiWorkspace": false,
            "v1LegacyMode": false, "managedNetwork": {"isolationMode": "Disabled"},
        },
    });
    if let Some(fields) = made.as_object_mut() {
        fields.extend(envelope(body, &["tags", "sku", "kind"]));
    }
    merge_properties(&mut made, body);
    for (field, value) in [
        ("workspaceId", Value::from(guid.as_str())),
        ("storageAccount", Value::from(storage.as_str())),
        ("keyVault", Value::from(vault.as_str())),
        ("applicationInsights", Value::from(insights.as_str())),
    ] {
        made["properties"][field] = value;
    }
    beside(world, &storage, location, json!({"properties": {"primaryEndpoints": {}}}));
    beside(world, &vault, location, json!({"properties": {}}));
    let app = Uuid::new_v5(&Uuid::NAMESPACE_URL, insights.to_ascii_lowercase().as_bytes());
    let own = insights.rsplit('/').next().unwrap_or_default();
    let properties = json!({
        "AppId": app, "ApplicationId": own, "Application_Type": "web", "IngestionMode": "LogAnalytics",
        "WorkspaceResourceId": format!("{group}/providers/Microsoft.OperationalInsights/workspaces/{own}"),
    });
    beside(world, &insights, location, json!({"kind": "web", "properties": properties}));
    let account = storage.rsplit('/').next().unwrap_or_default();
    for (store, container, default) in [
        ("workspaceblobstore", format!("azureml-blobstore-{guid}"), true),
        ("workspaceartifactstore", "azureml".to_owned(), false),
    ] {
        let store_id = format!("{id}/datastores/{store}");
        if world.resource(&store_id).is_none() {
            world.put_resource(&store_id, super::datastores::blob_store(&store_id, account, &container, default));
        }
    }
    made
}

/// A resource that a workspace stands on.
fn beside(world: &mut World, id: &str, location: &str, own: Value) {
    if world.resource(id).is_some() {
        return;
    }
    let mut resource = json!({
        "id": id, "name": id.rsplit('/').next(), "type": super::resource_type(id), "location": location, "tags": {},
    });
    if let (Some(resource), Value::Object(own)) = (resource.as_object_mut(), own) {
        resource.extend(own);
    }
    resource["properties"]["provisioningState"] = Value::from("Succeeded");
    world.put_resource(id, resource);
}

/// The id by which the Log Analytics workspace of an Application Insights component is asked.
pub(crate) fn logs_of(component: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, component.to_ascii_lowercase().as_bytes())
}

/// A workspace as it is shown at an address.
pub(crate) fn show(known: &Value, base: &str) -> Value {
    let mut shown = known.clone();
    let id = known.get("id").and_then(Value::as_str).unwrap_or_default();
    shown["properties"]["discoveryUrl"] = Value::from(format!("{base}/discovery"));
    let tracking = base.replacen("https://", "azureml://", 1);
    shown["properties"]["mlFlowTrackingUri"] = Value::from(format!("{tracking}/mlflow/v1.0{id}"));
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workspace_is_made_once_with_what_it_stands_on() {
        let mut world = World::default();
        let id = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws1";
        let made = ready(&mut world, id, "West Europe");
        assert_eq!(ready(&mut world, &id.to_uppercase(), "westeurope"), made);
        assert_eq!(made["location"], "westeurope");
        let account = made["properties"]["storageAccount"].as_str().unwrap();
        assert!(world.resource(account).is_some());
        let store = world.resource(&format!("{id}/datastores/workspaceblobstore")).unwrap();
        assert_eq!(store["properties"]["isDefault"], true);
        let guid = made["properties"]["workspaceId"].as_str().unwrap();
        assert_eq!(store["properties"]["containerName"], format!("azureml-blobstore-{guid}"));
    }
}
