//! What fails in Azure: a job, a deployment, a request that should prove one.

use std::sync::Arc;

use azureml_operator_tests::api::{condition, is, ready};
use azureml_operator_tests::failure::Result;
use azureml_operator_tests::scenario::Scenario;
use azureml_operator_tests::world::World;
use serde_json::{Value, json};

use super::{Trouble, claim, told};
use crate::small;
use crate::suite::Suite;

pub(super) fn tests(suite: &mut Suite) {
    suite.add("bad_input::a_failed_job_says_azures_words_and_the_run_command_or_a_new_spec_heals", failed_job);
    suite.add("bad_input::a_failed_deployment_says_azures_words_and_the_retry_command_heals", failed_deployment);
    suite.add("bad_input::a_failed_new_deployment_leaves_the_old_one_serving_and_a_new_spec_heals", failed_revision);
    suite.add("bad_input::a_failed_smoke_request_is_quoted_and_the_retry_command_heals", failed_smoke);
    suite.add("bad_input::a_cluster_that_azure_can_not_make_says_why_and_is_tried_again", failed_cluster);
}

const ENDPOINT: &str = "AmlEndpoint";

/// A fault for requests of this method in the scenario's subscription whose path goes on so.
async fn fault(scenario: &Scenario, method: &str, below: &str, effect: Value) -> Result<String> {
    let path = format!("/subscriptions/{}/.*{below}", scenario.azure.place.subscription);
    scenario.emulator.fault(&json!({"method": method, "path": path, "effect": effect})).await
}

/// The flow with another name for the endpoint in Azure: what a model does wrong is ordered by that name.
fn objects(scenario: &Scenario, azure_name: &str) -> Vec<Value> {
    let mut all = small::objects(scenario);
    for object in all.iter_mut().filter(|object| object["kind"] == ENDPOINT) {
        object["spec"]["azureName"] = json!(azure_name);
    }
    all
}

/// The hash that a rolled-back endpoint refuses.
fn rejected(endpoint: &Value) -> String {
    endpoint["status"]["rejected"][0].as_str().unwrap_or_default().to_owned()
}

async fn failed_job(world: Arc<World>) -> Result {
    let scenario = Scenario::start(&world, "job-fails").await?;
    let reason = json!({"code": "ComputeQuotaExceeded", "message": "No cores of family DSv2 are left."});
    let fault = fault(&scenario, "PUT", "/jobs/[^/]+$", json!({"jobFails": reason})).await?;
    scenario.apply_all(&small::objects(&scenario)).await?;
    let failed = |run: &Value| is(run, "Finished", "True") && is(run, "Succeeded", "False");
    let run = scenario.wait_any("AmlPipelineRun", "waiting for the failed run", failed).await?;
    let name = run["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let words = ["failed", "ComputeQuotaExceeded", "No cores of family DSv2 are left", "run again", "azureml.dev/run"];
    told(&scenario, &Trouble { kind: "AmlPipelineRun", name: &name, reason: "RunFailed", words: &words }).await?;
    scenario.condition("AmlPipeline", "train", ["LastRunSucceeded", "False", "RunFailed"]).await?;
    // The model does not take what failed.
    let words = ["No run of AmlPipeline \"train\" has succeeded yet", "train_best_model"];
    told(&scenario, &Trouble { kind: "AmlModel", name: "model", reason: "WaitingForRun", words: &words }).await?;
    // A new spec is a new run, which fails as well while the cause is there.
    scenario.change("AmlPipeline", "train", json!({"experiment": "again"})).await?;
    let second = |run: &Value| failed(run) && run["metadata"]["name"] != name.as_str();
    scenario.wait_any("AmlPipelineRun", "waiting for the second failed run", second).await?;
    scenario.emulator.clear_fault(&fault).await?;
    scenario.annotate("AmlPipeline", "train", "azureml.dev/run", "after-the-quota").await?;
    scenario.wait_any("AmlPipelineRun", "waiting for the run by command", ready).await?;
    scenario.condition("AmlPipeline", "train", ["LastRunSucceeded", "True", "RunSucceeded"]).await?;
    small::all_ready(&scenario).await?;
    let kept = scenario.get("AmlPipelineRun", &name).await?;
    claim(kept.is_some(), || format!("the failed run {name} is lost"))
}

/// An order that deployments fail.
async fn no_quota(scenario: &Scenario) -> Result<String> {
    let reason = json!({"code": "OutOfQuota", "message": "Not enough cores for Standard_DS3_v2."});
    fault(scenario, "PUT", "/onlineEndpoints/[^/]+/deployments/[^/]+$", json!({"operationFails": reason})).await
}

const NO_QUOTA: [&str; 5] =
    ["OutOfQuota", "Not enough cores for Standard_DS3_v2", "given up", "Change the spec", "azureml.dev/retry"];

async fn failed_deployment(world: Arc<World>) -> Result {
    let scenario = Scenario::start(&world, "deploy-fails").await?;
    let fault = no_quota(&scenario).await?;
    scenario.apply_all(&small::objects(&scenario)).await?;
    let trouble = Trouble { kind: ENDPOINT, name: "serve", reason: "RolledBack", words: &NO_QUOTA };
    let endpoint = told(&scenario, &trouble).await?;
    // What came before stays.
    scenario.ready("AmlModel", "model").await?;
    scenario.emulator.clear_fault(&fault).await?;
    scenario.annotate(ENDPOINT, "serve", "azureml.dev/retry", &rejected(&endpoint)).await?;
    small::all_ready(&scenario).await?;
    let census = small::census(&scenario).await?;
    claim(census == small::one_of_each(), || format!("in Azure there are {census:?}"))
}

async fn failed_revision(world: Arc<World>) -> Result {
    let scenario = Scenario::start(&world, "next-fails").await?;
    scenario.apply_all(&small::objects(&scenario)).await?;
    small::all_ready(&scenario).await?;
    let first = scenario.ready(ENDPOINT, "serve").await?;
    let fault = no_quota(&scenario).await?;
    let environment =
        |value: &str| json!({"deployment": {"environmentVariables": [{"name": "LEVEL", "value": value}]}});
    scenario.change(ENDPOINT, "serve", environment("one")).await?;
    let trouble = Trouble { kind: ENDPOINT, name: "serve", reason: "RolledBack", words: &NO_QUOTA };
    let endpoint = told(&scenario, &trouble).await?;
    let same = endpoint["status"]["stable"] == first["status"]["stable"];
    claim(same && is(&endpoint, "Available", "True"), || {
        format!("the old one serves no more: {}", endpoint["status"])
    })?;
    let deployment = first["status"]["stable"]["deployment"].as_str().unwrap_or_default().to_owned();
    let id = format!("{}/onlineEndpoints/serve", scenario.azure.place.workspace_id());
    let state = scenario.azure_state().await?;
    let traffic = &state["resources"][&id]["properties"]["traffic"];
    claim(traffic[&deployment] == 100, || format!("the traffic in Azure is {traffic}"))?;
    scenario.emulator.clear_fault(&fault).await?;
    scenario.change(ENDPOINT, "serve", environment("two")).await?;
    let changed = |endpoint: &Value| ready(endpoint) && endpoint["status"]["stable"] != first["status"]["stable"];
    scenario.wait(ENDPOINT, "serve", "waiting for the new revision", changed).await?;
    let census = small::census(&scenario).await?;
    claim(census == small::one_of_each(), || format!("in Azure there are {census:?}"))
}

async fn failed_smoke(world: Arc<World>) -> Result {
    let scenario = Scenario::start(&world, "smoke-fails").await?;
    let azure_name = format!("smoke-{}", &scenario.azure.place.location["region".len()..]);
    let path = format!("/onlineEndpoints/{azure_name}/");
    let fault = scenario.emulator.fault(&json!({"path": path, "effect": {"model": {"status": 500}}})).await?;
    scenario.apply_all(&objects(&scenario, &azure_name)).await?;
    let words = ["smoke request", "424", "given up", "Change the spec", "azureml.dev/retry"];
    let endpoint =
        told(&scenario, &Trouble { kind: ENDPOINT, name: "serve", reason: "RolledBack", words: &words }).await?;
    let available = condition(&endpoint, "Available").is_some_and(|available| available["status"] == "True");
    claim(!available, || "an endpoint whose model answers 500 is called available".to_owned())?;
    scenario.emulator.clear_fault(&fault).await?;
    scenario.annotate(ENDPOINT, "serve", "azureml.dev/retry", &rejected(&endpoint)).await?;
    small::all_ready(&scenario).await
}

async fn failed_cluster(world: Arc<World>) -> Result {
    let scenario = Scenario::start(&world, "cpu-fails").await?;
    let reason = json!({"code": "ClusterCoreQuotaReached", "message": "The cluster's cores exceed the quota."});
    let fault = fault(&scenario, "PUT", "/computes/[^/]+$", json!({"operationFails": reason})).await?;
    scenario.apply_all(&super::part(&scenario, &["AmlCompute"])).await?;
    let words = ["\"cpu\"", "ClusterCoreQuotaReached", "exceed the quota", "spec.scale", "raise the quota"];
    told(&scenario, &Trouble { kind: "AmlCompute", name: "cpu", reason: "QuotaExceeded", words: &words }).await?;
    scenario.emulator.clear_fault(&fault).await?;
    scenario.ready("AmlCompute", "cpu").await.map(|_| ())
}
