//! What a workspace lacks, as its own `diagnose` tells.

use super::{Answer, Arm, providers};
use crate::operations::{self, OF_WORKSPACE};
use crate::surface::{Begun, Follow, Reply};
use crate::world::World;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

impl Arm<'_> {
    /// `POST diagnose`: an operation whose result is the findings.
    pub(super) fn diagnose(&self) -> Answer {
        let (estate, workspace) = (Arc::clone(self.estate), self.call.workspace.clone());
        let operation = operations::new_id(OF_WORKSPACE);
        let id = operation.clone();
        let work = Box::new(move |fate| {
            let found = findings(&estate.world(), &workspace, estate.clock.now());
            estate.operations.found(&id, found);
            match fate {
                crate::online::Fate::Fail { code, message } => Err((code, message)),
                _ => Ok(()),
            }
        });
        let begun = Some(Begun { operation, work, follow: Follow::Location });
        Ok(Reply { status: 202, body: Value::Null, begun })
    }
}

fn findings(world: &World, workspace: &str, now: Timestamp) -> Value {
    let mut value = json!({});
    for kind in [
        "userDefinedRouteResults",
        "networkSecurityRuleResults",
        "resourceLockResults",
        "dnsResolutionResults",
        "storageAccountResults",
        "keyVaultResults",
        "containerRegistryResults",
        "applicationInsightsResults",
        "otherResults",
    ] {
        value[kind] = json!([]);
    }
    let known = world.resource(workspace);
    for (field, results, code) in [
        ("storageAccount", "storageAccountResults", "StorageAccountNotFound"),
        ("keyVault", "keyVaultResults", "KeyVaultNotFound"),
        ("containerRegistry", "containerRegistryResults", "ContainerRegistryNotFound"),
        ("applicationInsights", "applicationInsightsResults", "ApplicationInsightsNotFound"),
    ] {
        let id = known.and_then(|known| known.pointer(&format!("/properties/{field}"))?.as_str());
        if let Some(id) = id.filter(|id| !id.is_empty() && world.resource(id).is_none()) {
            let message = format!("The resource {id} that the workspace stands on was not found.");
            value[results] = json!([{"code": code, "level": "Error", "message": message}]);
        }
    }
    let subscription = workspace.split('/').nth(2).unwrap_or_default();
    let unregistered: Vec<Value> = providers::NEEDED
        .into_iter()
        .filter(|name| providers::state(world, subscription, name, now) != "Registered")
        .map(|name| {
            json!({"code": "ResourceProviderNotRegistered", "level": "Error", "message": providers::missing(name).message})
        })
        .collect();
    value["otherResults"] = Value::Array(unregistered);
    json!({"value": value})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::workspaces;

    #[test]
    fn what_a_workspace_lacks_is_found() {
        let mut world = World::default();
        let id = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws1";
        let made = workspaces::ready(&mut world, id, "westeurope");
        let now = Timestamp::UNIX_EPOCH;
        let clean = findings(&world, id, now);
        assert!(clean["value"].as_object().unwrap().values().all(|found| found == &json!([])), "{clean}");
        world.delete_resource(made["properties"]["keyVault"].as_str().unwrap());
        providers::set(&mut world, "s", "Microsoft.Insights", "NotRegistered", None);
        let found = findings(&world, id, now);
        assert_eq!(found["value"]["keyVaultResults"][0]["level"], "Error");
        assert!(found["value"]["otherResults"][0]["message"].as_str().unwrap().contains("Microsoft.Insights"));
        assert_eq!(found["value"]["storageAccountResults"], json!([]));
    }
}
