//! What a workspace lacks is told on it, before it is needed, and goes away with its cause.

use std::sync::Arc;

use azureml_operator_tests::azure_client::AzureClient;
use azureml_operator_tests::failure::Result;
use azureml_operator_tests::scenario::Scenario;
use azureml_operator_tests::world::World;
use serde_json::{Value, json};

use super::{KIND, NAME, expect};
use crate::suite::Suite;

pub(super) fn tests(suite: &mut Suite) {
    suite.add("workspace::a_subscription_that_is_not_registered_is_told_before_a_workspace_is_made", provider);
    suite.add("workspace::a_role_that_is_missing_is_told_with_the_one_that_helps", roles);
    suite.add("workspace::quota_that_objects_will_not_get_is_told", quota);
    suite.add("workspace::storage_that_does_not_answer_is_told", storage);
    suite.add("workspace::logs_without_a_place_to_go_are_told", logs);
}

/// The scenario's principal may look at the subscription too.
async fn reader(scenario: &Scenario) -> Result {
    let scope = format!("/subscriptions/{}", scenario.azure.place.subscription);
    scenario.emulator.assign(&scope, &scenario.azure.principal.object_id, "Reader").await.map(|_| ())
}

/// A condition of the workspace with a reason, that `kubectl describe` tells with these words; Ready as it says.
async fn told(scenario: &Scenario, of: [&str; 3], words: &[&str], ready: &str) -> Result {
    let object = scenario.condition(KIND, NAME, of).await?;
    let is_ready = azureml_operator_tests::api::condition(&object, "Ready").map(|one| one["status"].clone());
    expect(is_ready == Some(json!(ready)), "Ready beside it", &json!(is_ready))?;
    let text = scenario.cluster.kubectl().describe(&scenario.namespace, KIND, NAME).await?;
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let missing: Vec<&&str> = words.iter().filter(|word| !flat.contains(**word)).collect();
    expect(missing.is_empty(), &format!("describe to tell {missing:?}"), &json!(text))
}

async fn provider(world: Arc<World>) -> Result {
    let scenario = Scenario::bare(&world, "ws-unregistered").await?;
    reader(&scenario).await?;
    let place = &scenario.azure.place;
    scenario.emulator.provider(&place.subscription, "NotRegistered").await?;
    let mut workspace = scenario.azure.workspace(NAME);
    workspace["spec"]["azureName"] = json!("ws-new");
    workspace["spec"]["managementPolicy"] = json!("Manage");
    workspace["spec"]["template"] = json!({"location": place.location});
    scenario.apply(&workspace).await?;
    scenario.tells(KIND, NAME, "ProviderNotRegistered", &["az provider register", &place.subscription]).await?;
    let words = ["ProviderRegistered", "az provider register --namespace Microsoft.MachineLearningServices"];
    told(&scenario, ["ProviderRegistered", "False", "ProviderNotRegistered"], &words, "False").await?;
    expect(scenario.azure_writes().await?.is_empty(), "Azure was not asked to make it", &json!(null))?;
    scenario.event(KIND, "ProviderNotRegistered").await?;
    scenario.emulator.provider(&place.subscription, "Registered").await?;
    scenario.ready(KIND, NAME).await?;
    scenario.condition(KIND, NAME, ["ProviderRegistered", "True", "Succeeded"]).await.map(|_| ())
}

async fn roles(world: Arc<World>) -> Result {
    let scenario = Scenario::bare(&world, "ws-roles").await?;
    let (place, principal) = (&scenario.azure.place, &scenario.azure.principal);
    scenario.emulator.unassign(&scenario.azure.assignment).await?;
    scenario.emulator.assign(&place.group_id(), &principal.object_id, "AzureML Data Scientist").await?;
    scenario.apply(&scenario.azure.workspace(NAME)).await?;
    scenario.ready(KIND, NAME).await?;
    scenario.condition(KIND, NAME, ["RolesSufficient", "True", "Succeeded"]).await?;
    // A cluster needs more than that, and the workspace says so while it serves all else.
    let cluster = json!({"size": "Standard_DS3_v2", "scale": {"maxNodes": 1}});
    scenario.put("AmlCompute", "cpu", cluster).await?;
    let words =
        ["workspaces/computes/write (AmlCompute)", "role Contributor on the workspace", "az role assignment create"];
    told(&scenario, ["RolesSufficient", "False", "RoleMissing"], &words, "True").await?;
    scenario.emulator.assign(&place.group_id(), &principal.object_id, "Contributor").await?;
    scenario.condition(KIND, NAME, ["RolesSufficient", "True", "Succeeded"]).await?;
    scenario.ready("AmlCompute", "cpu").await.map(|_| ())
}

async fn quota(world: Arc<World>) -> Result {
    let scenario = Scenario::bare(&world, "ws-quota").await?;
    reader(&scenario).await?;
    let place = &scenario.azure.place;
    scenario.emulator.quota(&place.subscription, &place.location, "Standard_DS3_v2", Some(8)).await?;
    scenario.apply(&scenario.azure.workspace(NAME)).await?;
    scenario.ready(KIND, NAME).await?;
    let cluster = json!({"size": "Standard_DS3_v2", "scale": {"maxNodes": 4}});
    scenario.put("AmlCompute", "cpu", cluster).await?;
    let words = ["DSv2", "16 cores are asked for at most (AmlCompute cpu 16), 8 are allowed"];
    told(&scenario, ["QuotaSufficient", "False", "QuotaExceeded"], &words, "True").await?;
    let huge = json!({"size": "Standard_Huge_v9", "scale": {"maxNodes": 1}});
    scenario.put("AmlCompute", "huge", huge).await?;
    told(&scenario, ["QuotaSufficient", "False", "SizeNotOffered"], &["Standard_Huge_v9", "does not offer"], "True")
        .await?;
    scenario.delete("AmlCompute", "huge").await?;
    scenario.emulator.quota(&place.subscription, &place.location, "Standard_DS3_v2", None).await?;
    scenario.condition(KIND, NAME, ["QuotaSufficient", "True", "Succeeded"]).await.map(|_| ())
}

async fn storage(world: Arc<World>) -> Result {
    let scenario = Scenario::bare(&world, "ws-storage").await?;
    let state = scenario.azure_state().await?;
    let account = &state["resources"][scenario.azure.place.workspace_id()]["properties"]["storageAccount"];
    let account = account.as_str().and_then(|id| id.rsplit('/').next()).unwrap_or_default().to_lowercase();
    let effect = json!({"status": 403, "rawBody": "", "headers": {"x-ms-error-code": "AuthorizationFailure"}});
    let fault = json!({"path": format!("^/blob/{account}/"), "effect": effect});
    let fault = scenario.emulator.fault(&fault).await?;
    scenario.apply(&scenario.azure.workspace(NAME)).await?;
    let words = ["does not answer", "AuthorizationFailure", "firewall"];
    told(&scenario, ["StorageReachable", "False", "StorageUnreachable"], &words, "True").await?;
    scenario.emulator.clear_fault(&fault).await?;
    scenario.condition(KIND, NAME, ["StorageReachable", "True", "Succeeded"]).await.map(|_| ())
}

async fn logs(world: Arc<World>) -> Result {
    let scenario = Scenario::bare(&world, "ws-logs").await?;
    let hand = AzureClient::new(&scenario.emulator, &scenario.azure.principal).await?;
    let workspace = hand.resource(&scenario.azure.place.workspace_id(), "2025-12-01").await?;
    let component = workspace["properties"]["applicationInsights"].as_str().unwrap_or_default().to_owned();
    let known: Value = hand.resource(&component, "2020-02-02").await?;
    hand.delete(&component, "2020-02-02", "").await?;
    scenario.apply(&scenario.azure.workspace(NAME)).await?;
    scenario.ready(KIND, NAME).await?;
    let spec = json!({"authMode": "Key", "model": {"ref": "model"},
        "deployment": {"instanceType": "Standard_DS3_v2", "instanceCount": 1, "appInsightsEnabled": true}});
    scenario.put("AmlEndpoint", "serve", spec).await?;
    let words = ["AmlEndpoint serve wants its requests logged", "is gone", &component];
    told(&scenario, ["LogsKept", "False", "ApplicationInsightsMissing"], &words, "True").await?;
    hand.put(&component, "2020-02-02", &known).await?;
    scenario.condition(KIND, NAME, ["LogsKept", "True", "Succeeded"]).await.map(|_| ())
}
