//! A workspace that the operator makes, keeps to its template, and deletes.

use std::sync::Arc;
use std::time::Duration;

use azureml_operator_tests::api;
use azureml_operator_tests::azure_client::AzureClient;
use azureml_operator_tests::emulator::Answered;
use azureml_operator_tests::failure::{Failure, Result, While};
use azureml_operator_tests::operator::Options;
use azureml_operator_tests::scenario::{LIMIT, Scenario};
use azureml_operator_tests::world::World;
use serde_json::{Value, json};

use super::{KIND, expect};
use crate::suite::Suite;

/// The AmlWorkspace, and the workspace's name in Azure.
const NAME: &str = "ml-made";
const API: &str = "2025-12-01";

pub(super) fn tests(suite: &mut Suite) {
    suite.add("workspace::a_managed_one_is_made_changed_and_deleted_field_by_field", life);
    suite.add("workspace::the_making_of_one_goes_on_after_a_kill", killed);
    suite.add("workspace::one_that_azure_could_not_make_or_delete_says_why_and_is_tried_again", failed);
    suite.add("workspace::a_foreign_one_is_left_alone_or_taken_over_and_then_stays", adopted);
    suite.add("workspace::what_azure_can_not_change_is_refused_before_it_is_asked", fixed);
    suite.add("workspace::one_that_objects_need_is_not_deleted", in_use);
    suite.add("workspace::a_deleted_one_that_can_be_recovered_is_told_and_never_purged", soft_deleted);
    suite.add("workspace::a_managed_one_at_rest_is_only_looked_at", at_rest);
}

/// The ids of what the workspace stands on.
fn beside(scenario: &Scenario, kind: &str, name: &str) -> String {
    format!("{}/providers/{kind}/{name}", scenario.azure.place.group_id())
}

fn managed(scenario: &Scenario, more: &Value) -> Value {
    let mut object = scenario.azure.workspace(NAME);
    let template = json!({
        "location": scenario.azure.place.location,
        "storageAccount": beside(scenario, "Microsoft.Storage/storageAccounts", "mldata"),
        "keyVault": beside(scenario, "Microsoft.KeyVault/vaults", "mlvault"),
        "applicationInsights": beside(scenario, "Microsoft.Insights/components", "mllogs"),
        "containerRegistry": beside(scenario, "Microsoft.ContainerRegistry/registries", "mlimages"),
        "description": "made by Git", "publicNetworkAccess": "Enabled", "tags": {"team": "a"},
    });
    object["spec"]["azureName"] = json!(NAME);
    object["spec"]["managementPolicy"] = json!("Manage");
    object["spec"]["template"] = template;
    for (field, value) in more.as_object().into_iter().flatten() {
        object["spec"][field] = value.clone();
    }
    object
}

fn id(scenario: &Scenario) -> String {
    beside(scenario, "Microsoft.MachineLearningServices/workspaces", NAME)
}

/// The writes on the workspace itself.
async fn writes(scenario: &Scenario, since: u64) -> Result<Vec<Answered>> {
    let mut all = scenario.azure_writes_since(since).await?;
    all.retain(|write| write.path.eq_ignore_ascii_case(&id(scenario)));
    Ok(all)
}

async fn in_azure(scenario: &Scenario) -> Result<Value> {
    AzureClient::new(&scenario.emulator, &scenario.azure.principal).await?.resource(&id(scenario), API).await
}

/// Waits for an event with this reason that says these words.
async fn said(scenario: &Scenario, reason: &str, words: &[&str]) -> Result {
    let wanted = |event: &Value| {
        let note = event["note"].as_str().unwrap_or_default();
        event["reason"] == reason && words.iter().all(|word| note.contains(word))
    };
    scenario.wait_any("Event", &format!("an event {reason} with {words:?}"), wanted).await.map(|_| ())
}

async fn life(world: Arc<World>) -> Result {
    let scenario = Scenario::bare(&world, "ws-life").await?;
    let start = scenario.emulator.position().await?;
    scenario.apply(&managed(&scenario, &json!({"deletionPolicy": "Delete"}))).await?;
    let object = scenario.ready(KIND, NAME).await?;
    let row = scenario.cluster.kubectl().run(&["get", "-n", &scenario.namespace, KIND, NAME]).await?;
    let columns: Vec<&str> = row.lines().next().unwrap_or_default().split_whitespace().collect();
    expect(columns == ["NAME", "READY", "REASON", "AZURE", "LOCATION", "AGE"], "the columns", &json!(row))?;
    expect(row.contains(&scenario.azure.place.location), "the location in the row", &json!(row))?;
    let made = in_azure(&scenario).await?;
    let own = &made["properties"];
    for (field, kind, name) in [
        ("storageAccount", "Microsoft.Storage/storageAccounts", "mldata"),
        ("keyVault", "Microsoft.KeyVault/vaults", "mlvault"),
        ("applicationInsights", "Microsoft.Insights/components", "mllogs"),
        ("containerRegistry", "Microsoft.ContainerRegistry/registries", "mlimages"),
    ] {
        expect(own[field] == beside(&scenario, kind, name).as_str(), field, own)?;
    }
    expect(made["tags"]["azureml-operator-origin"] == "created" && made["tags"]["team"] == "a", "tags", &made["tags"])?;
    expect(object["status"]["azure"]["origin"] == "created", "the origin in status", &object["status"])?;
    expect(writes(&scenario, start).await?.len() == 1, "one write", &json!("more"))?;

    // A new spec: one PATCH of what differs.
    let since = scenario.emulator.position().await?;
    scenario.change(KIND, NAME, json!({"template": {"description": "changed", "tags": {"team": "b"}}})).await?;
    said(&scenario, "Updated", &["description", "tags"]).await?;
    scenario.ready(KIND, NAME).await?;
    let changes = writes(&scenario, since).await?;
    expect(changes.len() == 1 && changes[0].method == "PATCH", "one PATCH", &json!(changes.len()))?;
    let body = &changes[0].body;
    expect(body["properties"] == json!({"description": "changed"}), "only what differs", body)?;
    expect(body["tags"]["team"] == "b" && body["tags"]["azureml-operator-uid"].is_string(), "tags kept", body)?;

    // Somebody changes it by hand: put right, and said.
    let hand = AzureClient::new(&scenario.emulator, &scenario.azure.principal).await?;
    hand.patch(&id(&scenario), API, &json!({"properties": {"publicNetworkAccess": "Disabled"}})).await?;
    scenario.annotate(KIND, NAME, "azureml.dev/reconcile-at", "drift").await?;
    said(&scenario, "DriftCorrected", &["publicNetworkAccess"]).await?;
    scenario.ready(KIND, NAME).await?;
    expect(in_azure(&scenario).await?["properties"]["publicNetworkAccess"] == "Enabled", "it is back", &json!(null))?;

    let since = scenario.emulator.position().await?;
    scenario.delete(KIND, NAME).await?;
    let deleted = writes(&scenario, since).await?;
    let query = deleted.iter().filter_map(|write| write.query.as_deref()).collect::<Vec<_>>().join(" ");
    expect(deleted.iter().any(|write| write.method == "DELETE"), "it is deleted", &json!(deleted.len()))?;
    expect(!query.to_lowercase().contains("purge"), "never purged", &json!(query))
}

async fn killed(world: Arc<World>) -> Result {
    let scenario = Scenario::lone(&world, "ws-kill").await?;
    let path = format!("{}$", id(&scenario));
    let slow = json!({"method": "PUT", "path": path, "effect": {"operationTakesMilliseconds": 4000}});
    scenario.emulator.fault(&slow).await?;
    let mut operator = scenario.operator().await?;
    let start = scenario.emulator.position().await?;
    scenario.apply(&managed(&scenario, &json!({}))).await?;
    let under_way = |object: &Value| object["status"]["operation"]["kind"] == "CreateWorkspace";
    let object = scenario.wait(KIND, NAME, "waiting for the operation", under_way).await?;
    expect(object["status"]["operation"]["style"] == "Location", "followed by Location", &object["status"])?;
    operator.restart().await?;
    operator.explained(scenario.ready(KIND, NAME).await)?;
    let puts = writes(&scenario, start).await?;
    expect(puts.len() == 1, "one PUT over the kill", &json!(puts.len()))?;
    // Nothing says what happens on deletion: it stays.
    scenario.delete(KIND, NAME).await?;
    expect(in_azure(&scenario).await?["name"] == NAME, "it stays in Azure", &json!(null))?;
    operator.stop().await
}

async fn failed(world: Arc<World>) -> Result {
    let scenario = Scenario::bare(&world, "ws-fails").await?;
    let reason = json!({"code": "BadStorage", "message": "The storage account has a hierarchical namespace."});
    let path = format!("{}$", id(&scenario));
    let fault = json!({"method": "PUT", "path": path, "effect": {"operationFails": reason}});
    let fault = scenario.emulator.fault(&fault).await?;
    scenario.apply(&managed(&scenario, &json!({"deletionPolicy": "Delete"}))).await?;
    let words = ["BadStorage", "hierarchical namespace", "request id", "spec.template"];
    scenario.tells(KIND, NAME, "OperationFailed", &words).await?;
    scenario.emulator.clear_fault(&fault).await?;
    scenario.ready(KIND, NAME).await?;

    let reason = json!({"code": "NestedResources", "message": "The workspace has private endpoints."});
    let fault = json!({"method": "DELETE", "path": path, "effect": {"operationFails": reason}});
    let fault = scenario.emulator.fault(&fault).await?;
    scenario.api().delete(KIND, &scenario.namespace, NAME).await?;
    let tells = |object: &Value, reason: &str, words: &[&str]| {
        let told = api::condition(object, "Ready").filter(|ready| ready["reason"] == reason);
        let message = told.and_then(|ready| ready["message"].as_str()).unwrap_or_default();
        words.iter().all(|word| message.contains(word))
    };
    let words = ["NestedResources", "private endpoints", "request id", "tried again", "azureml.dev/force-abandon"];
    let failed = |object: &Value| tells(object, "OperationFailed", &words);
    scenario.wait(KIND, NAME, "waiting for Azure's words", failed).await?;
    // The words stay while it is tried again.
    let again = |object: &Value| tells(object, "Deleting", &words[..3]);
    scenario.wait(KIND, NAME, "waiting for another try", again).await?;
    scenario.emulator.clear_fault(&fault).await?;
    scenario.api().wait_gone(KIND, &scenario.namespace, NAME, LIMIT).await
}

async fn adopted(world: Arc<World>) -> Result {
    let scenario = Scenario::bare(&world, "ws-theirs").await?;
    let place = &scenario.azure.place;
    scenario.emulator.workspace(&place.subscription, &place.group, NAME, &place.location).await?;
    let start = scenario.emulator.position().await?;
    let template = json!({"location": place.location, "tags": {"team": "a"}});
    scenario.apply(&managed(&scenario, &json!({"template": template}))).await?;
    scenario.tells(KIND, NAME, "NotOwned", &["was not made by this object", "adoptionPolicy: Adopt"]).await?;
    expect(writes(&scenario, start).await?.is_empty(), "it is not touched", &json!(null))?;
    scenario.change(KIND, NAME, json!({"adoptionPolicy": "Adopt"})).await?;
    scenario.ready(KIND, NAME).await?;
    let tags = in_azure(&scenario).await?["tags"].clone();
    expect(tags["azureml-operator-origin"] == "adopted" && tags["team"] == "a", "it is marked", &tags)?;
    let since = scenario.emulator.position().await?;
    scenario.delete(KIND, NAME).await?;
    expect(writes(&scenario, since).await?.is_empty(), "it stays as it is", &json!(null))
}

async fn fixed(world: Arc<World>) -> Result {
    let scenario = Scenario::bare(&world, "ws-fixed").await?;
    let template = json!({"location": scenario.azure.place.location});
    scenario.apply(&managed(&scenario, &json!({"template": template}))).await?;
    scenario.ready(KIND, NAME).await?;
    let since = scenario.emulator.position().await?;
    let other = beside(&scenario, "Microsoft.Storage/storageAccounts", "other");
    scenario.change(KIND, NAME, json!({"template": {"storageAccount": other}})).await?;
    let words = ["spec.template.storageAccount is", &other, "Azure can't change that"];
    scenario.tells(KIND, NAME, "InvalidSpec", &words).await?;
    expect(writes(&scenario, since).await?.is_empty(), "Azure was not asked", &json!(null))?;
    scenario.change(KIND, NAME, json!({"template": {"storageAccount": null}})).await?;
    scenario.ready(KIND, NAME).await.map(|_| ())
}

async fn in_use(world: Arc<World>) -> Result {
    let scenario = Scenario::bare(&world, "ws-used").await?;
    scenario.apply(&managed(&scenario, &json!({"deletionPolicy": "Delete"}))).await?;
    scenario.ready(KIND, NAME).await?;
    let spec = json!({"workspaceRef": {"name": NAME}, "size": "Standard_DS3_v2", "scale": {"maxNodes": 1}});
    scenario.put("AmlCompute", "cpu", spec).await?;
    scenario.ready("AmlCompute", "cpu").await?;
    scenario.api().delete(KIND, &scenario.namespace, NAME).await?;
    scenario.condition(KIND, NAME, ["DeletionBlocked", "True", "InUse"]).await?;
    scenario.tells(KIND, NAME, "InUse", &["1 AmlCompute", "Delete them first"]).await?;
    scenario.delete("AmlCompute", "cpu").await?;
    scenario.api().wait_gone(KIND, &scenario.namespace, NAME, LIMIT).await
}

async fn soft_deleted(world: Arc<World>) -> Result {
    let scenario = Scenario::bare(&world, "ws-soft").await?;
    let object = managed(&scenario, &json!({"deletionPolicy": "Delete"}));
    scenario.apply(&object).await?;
    scenario.ready(KIND, NAME).await?;
    scenario.delete(KIND, NAME).await?;
    scenario.apply(&object).await?;
    let words = ["was deleted and can still be recovered", "Recently deleted", "the operator never purges"];
    scenario.tells(KIND, NAME, "SoftDeleted", &words).await?;
    // A person decides: here to have it gone for good.
    let hand = AzureClient::new(&scenario.emulator, &scenario.azure.principal).await?;
    hand.delete(&id(&scenario), API, "&forceToPurge=true").await?;
    scenario.ready(KIND, NAME).await.map(|_| ())
}

async fn at_rest(world: Arc<World>) -> Result {
    let scenario = Scenario::lone(&world, "ws-rest").await?;
    let options = Options { resync: "1s", ..Options::only(&scenario.namespace) };
    let mut operator = scenario.operator_with(options).await?;
    let shared =
        json!([{"principalId": "44444444-4444-4444-4444-444444444444", "principalType": "User", "role": "Reader"}]);
    scenario.apply(&managed(&scenario, &json!({"access": shared}))).await?;
    operator.explained(scenario.ready(KIND, NAME).await)?;
    // The last that is found out, once the workspace is there.
    scenario.condition(KIND, NAME, ["StorageReachable", "True", "Succeeded"]).await?;
    let (since, audited) = (scenario.emulator.position().await?, scenario.kubernetes_writes()?.len());
    let looks = async || -> Result<usize> {
        let seen = scenario.emulator.requests(since, &scenario.azure.place.subscription, false).await?.requests;
        Ok(seen.iter().filter(|one| one.method == "GET" && one.path.eq_ignore_ascii_case(&id(&scenario))).count())
    };
    let deadline = tokio::time::Instant::now() + LIMIT;
    while looks().await? < 5 {
        if tokio::time::Instant::now() > deadline {
            return scenario.explained(Err(Failure::new("it is not looked at"))).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let azure = scenario.azure_writes_since(since).await?;
    expect(azure.is_empty(), "no write to Azure", &json!(azure.iter().map(|one| &one.path).collect::<Vec<_>>()))?;
    let all = scenario.kubernetes_writes()?;
    let late: Vec<_> = all.get(audited..).doing("later writes")?.iter().map(|one| one.resource.clone()).collect();
    let late: Vec<_> = late.into_iter().filter(|resource| !["events", "leases"].contains(&resource.as_str())).collect();
    expect(late.is_empty(), "no write to Kubernetes", &json!(late))?;
    let asked = scenario.emulator.requests(since, &scenario.azure.place.subscription, false).await?.requests;
    let diagnosed = asked.iter().filter(|one| one.path.to_lowercase().ends_with("/permissions")).count();
    expect(diagnosed == 0, "what is known is not asked at each look", &json!(diagnosed))?;
    operator.stop().await
}
