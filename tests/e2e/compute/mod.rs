//! A training cluster: its scale, its nodes, and its end.

use std::path::Path;
use std::sync::Arc;

use azureml_operator_tests::azure_client::AzureClient;
use azureml_operator_tests::failure::{Failure, Result};
use azureml_operator_tests::scenario::{LIMIT, Scenario};
use azureml_operator_tests::world::World;
use serde_json::{Value, json};

use crate::suite::Suite;

const KIND: &str = "AmlCompute";
const NAME: &str = "cpu";
const API: &str = "2025-12-01";

/// Adds the tests.
pub fn tests(suite: &mut Suite) {
    suite.add("compute::its_scale_is_kept_and_what_differed_is_named", scale);
    suite.add("compute::its_nodes_follow_a_job_and_no_job_loses_its_node", nodes);
    suite.add("compute::low_priority_is_made_so_and_a_quota_is_told_in_azures_words", quota);
    suite.add("compute::nodes_that_azure_can_not_give_are_told", troubled);
    suite.add("compute::one_that_was_taken_over_stays", adopted);
    suite.add("compute::one_that_was_replaced_in_azure_says_what_can_not_be_changed", replaced);
}

fn spec(least: i32, most: i32, idle: &str) -> Value {
    json!({"size": "Standard_DS3_v2", "tier": "Dedicated",
           "scale": {"minNodes": least, "maxNodes": most, "idleTimeBeforeScaleDown": idle}})
}

fn id(scenario: &Scenario) -> String {
    format!("{}/computes/{NAME}", scenario.azure.place.workspace_id())
}

async fn hand(scenario: &Scenario) -> Result<AzureClient> {
    AzureClient::new(&scenario.emulator, &scenario.azure.principal).await
}

fn expect(holds: bool, what: &str, seen: &Value) -> Result {
    if holds { Ok(()) } else { Err(Failure::new(format!("expected {what}, seen: {seen}"))) }
}

async fn said(scenario: &Scenario, reason: &str, words: &[&str]) -> Result {
    let wanted = |event: &Value| {
        let note = event["note"].as_str().unwrap_or_default();
        event["regarding"]["kind"] == KIND && event["reason"] == reason && words.iter().all(|word| note.contains(word))
    };
    scenario.wait_any("Event", &format!("an event {reason} with {words:?}"), wanted).await.map(|_| ())
}

async fn scale(world: Arc<World>) -> Result {
    let scenario = Scenario::start(&world, "cpu-scale").await?;
    scenario.put(KIND, NAME, spec(0, 2, "2m")).await?;
    scenario.ready(KIND, NAME).await?;
    let row = scenario.cluster.kubectl().run(&["get", "-n", &scenario.namespace, KIND, NAME]).await?;
    let columns: Vec<&str> = row.split_whitespace().take(6).collect();
    expect(columns == ["NAME", "READY", "REASON", "NODES", "SIZE", "AGE"], "the columns", &json!(row))?;
    expect(row.contains("0/2") && row.contains("Standard_DS3_v2"), "nodes and size", &json!(row))?;

    let since = scenario.emulator.position().await?;
    scenario.change(KIND, NAME, json!({"scale": {"maxNodes": 4}})).await?;
    said(&scenario, "Updated", &["maxNodes (2 to 4)"]).await?;
    scenario.ready(KIND, NAME).await?;
    let mut writes = scenario.azure_writes_since(since).await?;
    // What the workspace asks for meanwhile is no write to the cluster.
    writes.retain(|write| write.path.eq_ignore_ascii_case(&id(&scenario)));
    expect(writes.len() == 1 && writes[0].method == "PATCH", "one PATCH", &json!(writes.len()))?;
    let sent = writes[0].body.pointer("/properties/properties").cloned().unwrap_or_default();
    let fields: Vec<&String> = sent.as_object().into_iter().flat_map(|all| all.keys()).collect();
    expect(fields == ["scaleSettings"], "the scale alone", &sent)?;

    // Until the new spec itself is what is Ready, what differs is told as a change.
    let settled = |object: &Value| {
        let ready = azureml_operator_tests::api::condition(object, "Ready");
        ready.is_some_and(|ready| ready["observedGeneration"] == object["metadata"]["generation"])
    };
    scenario.wait(KIND, NAME, "waiting for the new spec to be Ready", settled).await?;
    let by_hand = json!({"properties": {"properties": {"scaleSettings": {"minNodeCount": 1, "maxNodeCount": 9}}}});
    hand(&scenario).await?.patch(&id(&scenario), API, &by_hand).await?;
    scenario.annotate(KIND, NAME, "azureml.dev/reconcile-at", "drift").await?;
    said(&scenario, "DriftCorrected", &["minNodes (1 to 0)", "maxNodes (9 to 4)"]).await?;
    let cluster = hand(&scenario).await?.resource(&id(&scenario), API).await?;
    let settings = &cluster["properties"]["properties"]["scaleSettings"];
    expect(settings["maxNodeCount"] == 4 && settings["minNodeCount"] == 0, "it is put right", settings)
}

/// A command job on the cluster that runs until a file is there.
async fn job(scenario: &Scenario, name: &str, until: &Path) -> Result<String> {
    let id = format!("{}/jobs/{name}", scenario.azure.place.workspace_id());
    let command = format!("while [ ! -e {} ]; do sleep 0.1; done", until.display());
    let body = json!({"properties": {"jobType": "Command", "command": command, "computeId": self::id(scenario),
        "environmentId": "azureml://registries/azureml/environments/none/versions/1", "experimentName": "nodes"}});
    hand(scenario).await?.put(&id, API, &body).await?;
    Ok(id)
}

async fn nodes(world: Arc<World>) -> Result {
    let scenario = Scenario::start(&world, "cpu-nodes").await?;
    scenario.put(KIND, NAME, spec(0, 2, "2s")).await?;
    scenario.ready(KIND, NAME).await?;
    let folder = tempfile::tempdir()?;
    let done = folder.path().join("done");
    let id = job(&scenario, "long-job", &done).await?;
    scenario.annotate(KIND, NAME, "azureml.dev/reconcile-at", "a job runs").await?;
    let running =
        |object: &Value| object["status"]["nodes"]["running"] == 1 && object["status"]["nodeSummary"] == "1/2";
    scenario.wait(KIND, NAME, "waiting for a node at work", running).await?;

    // The cluster goes when the job has ended, not before.
    let since = scenario.emulator.position().await?;
    scenario.api().delete(KIND, &scenario.namespace, NAME).await?;
    scenario.condition(KIND, NAME, ["DeletionBlocked", "True", "InUse"]).await?;
    scenario.tells(KIND, NAME, "InUse", &["job long-job", "deleted when they have ended"]).await?;
    expect(
        scenario.azure_writes_since(since).await?.iter().all(|one| one.method != "DELETE"),
        "no deletion",
        &json!(0),
    )?;
    std::fs::write(&done, "")?;
    scenario.api().wait_gone(KIND, &scenario.namespace, NAME, LIMIT).await?;
    let ended = hand(&scenario).await?.resource(&id, API).await?;
    expect(ended["properties"]["status"] == "Completed", "the job ended well", &ended["properties"]["status"])?;
    let writes = scenario.azure_writes_since(since).await?;
    let deleted =
        writes.iter().find(|one| one.method == "DELETE").and_then(|one| one.query.clone()).unwrap_or_default();
    expect(deleted.contains("underlyingResourceAction=Delete"), "its machines are deleted", &json!(deleted))
}

async fn quota(world: Arc<World>) -> Result {
    let scenario = Scenario::start(&world, "cpu-quota").await?;
    let place = &scenario.azure.place;
    scenario.emulator.quota(&place.subscription, &place.location, "Standard_DS3_v2", Some(8)).await?;
    scenario.put(KIND, NAME, spec(0, 4, "2m")).await?;
    scenario.tells(KIND, NAME, "QuotaExceeded", &["OutOfQuota", "Maximum allowed: 8", "spec.scale"]).await?;
    let mut low = spec(0, 4, "2m");
    low["tier"] = json!("LowPriority");
    scenario.put(KIND, "spot", low).await?;
    scenario.ready(KIND, "spot").await?;
    let made = hand(&scenario).await?.resource(&format!("{}/computes/spot", place.workspace_id()), API).await?;
    expect(made["properties"]["properties"]["vmPriority"] == "LowPriority", "low priority", &made["properties"])?;
    scenario.change(KIND, NAME, json!({"scale": {"maxNodes": 2}})).await?;
    scenario.ready(KIND, NAME).await.map(|_| ())
}

async fn troubled(world: Arc<World>) -> Result {
    let scenario = Scenario::start(&world, "cpu-trouble").await?;
    scenario.put(KIND, NAME, spec(0, 2, "2m")).await?;
    scenario.ready(KIND, NAME).await?;
    let mut cluster = hand(&scenario).await?.resource(&id(&scenario), API).await?;
    let error = json!({"error": {"code": "ClusterCoreQuotaReached", "message": "8 of 8 cores are in use."}});
    cluster["properties"]["properties"]["errors"] = json!([error]);
    let effect =
        json!({"status": 200, "rawBody": cluster.to_string(), "headers": {"content-type": "application/json"}});
    let fault = json!({"method": "GET", "path": format!("{}$", id(&scenario)), "effect": effect});
    let fault = scenario.emulator.fault(&fault).await?;
    scenario.annotate(KIND, NAME, "azureml.dev/reconcile-at", "trouble").await?;
    let object = scenario.condition(KIND, NAME, ["NodesAvailable", "False", "QuotaExceeded"]).await?;
    let told = object["status"]["errors"][0].as_str().unwrap_or_default();
    expect(told.contains("8 of 8 cores"), "Azure's words in status", &object["status"])?;
    expect(azureml_operator_tests::api::ready(&object), "Ready all the same", &object["status"]["conditions"])?;
    scenario.emulator.clear_fault(&fault).await?;
    scenario.condition(KIND, NAME, ["NodesAvailable", "True", "Succeeded"]).await.map(|_| ())
}

/// A cluster that somebody made by hand.
async fn by_hand(scenario: &Scenario, size: &str) -> Result {
    let scale = json!({"minNodeCount": 0, "maxNodeCount": 2, "nodeIdleTimeBeforeScaleDown": "PT2M"});
    let body = json!({"location": scenario.azure.place.location, "properties": {"computeType": "AmlCompute",
        "properties": {"vmSize": size, "vmPriority": "Dedicated", "scaleSettings": scale}}});
    hand(scenario).await?.put(&id(scenario), API, &body).await.map(|_| ())
}

async fn adopted(world: Arc<World>) -> Result {
    let scenario = Scenario::start(&world, "cpu-theirs").await?;
    by_hand(&scenario, "Standard_DS3_v2").await?;
    scenario.put(KIND, NAME, spec(0, 2, "2m")).await?;
    scenario.tells(KIND, NAME, "NotOwned", &["adoptionPolicy: Adopt"]).await?;
    scenario.change(KIND, NAME, json!({"adoptionPolicy": "Adopt"})).await?;
    scenario.ready(KIND, NAME).await?;
    let since = scenario.emulator.position().await?;
    scenario.delete(KIND, NAME).await?;
    scenario.event(KIND, "Retained").await?;
    let deletes = scenario.azure_writes_since(since).await?.iter().filter(|one| one.method == "DELETE").count();
    expect(deletes == 0, "it is neither deleted nor detached", &json!(deletes))
}

async fn replaced(world: Arc<World>) -> Result {
    let scenario = Scenario::start(&world, "cpu-other").await?;
    scenario.put(KIND, NAME, spec(0, 2, "2m")).await?;
    scenario.ready(KIND, NAME).await?;
    let mut cluster = hand(&scenario).await?.resource(&id(&scenario), API).await?;
    cluster["properties"]["properties"]["vmSize"] = json!("STANDARD_NC6");
    let effect =
        json!({"status": 200, "rawBody": cluster.to_string(), "headers": {"content-type": "application/json"}});
    let fault = json!({"method": "GET", "path": format!("{}$", id(&scenario)), "effect": effect});
    let fault = scenario.emulator.fault(&fault).await?;
    scenario.annotate(KIND, NAME, "azureml.dev/reconcile-at", "replaced").await?;
    let words = ["its size is STANDARD_NC6", "Azure can't change that", "make a new AmlCompute"];
    scenario.tells(KIND, NAME, "InvalidSpec", &words).await?;
    scenario.emulator.clear_fault(&fault).await?;
    scenario.ready(KIND, NAME).await.map(|_| ())
}
