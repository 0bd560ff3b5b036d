//! Versions of a model: where they come from, who approves them, and the way back.

use std::sync::Arc;
use std::time::Duration;

use azureml_operator_tests::api;
use azureml_operator_tests::azure_client::AzureClient;
use azureml_operator_tests::failure::{Failure, Result, While};
use azureml_operator_tests::scenario::{LIMIT, Scenario};
use azureml_operator_tests::world::World;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::small;
use crate::suite::Suite;

/// The api-version of Azure ML.
const VERSION: &str = "2025-12-01";
const POLL: Duration = Duration::from_millis(100);

/// Adds the tests.
pub fn tests(suite: &mut Suite) {
    suite.add("models::a_person_approves_goes_back_and_overrides_the_gate", by_hand);
    suite.add("models::runs_paths_and_existing_versions_are_versions_of_one_model", sources);
}

/// The flow up to the model, which has this gate.
async fn trained(world: &Arc<World>, name: &str, gate: Value) -> Result<Scenario> {
    let scenario = Scenario::start(world, name).await?;
    let mut objects = small::objects(&scenario);
    objects.retain(|object| object["kind"] != "AmlEndpoint");
    for object in objects.iter_mut().filter(|object| object["kind"] == "AmlModel") {
        object["spec"]["gate"] = gate.clone();
    }
    scenario.apply_all(&objects).await?;
    Ok(scenario)
}

/// Waits until the model says of its newest version what is wanted; the message.
async fn newest(scenario: &Scenario, version: &str, verdict: &str) -> Result<String> {
    let told = |model: &Value| {
        let told = api::condition(model, "LatestAccepted").and_then(|told| told["message"].as_str());
        told.filter(|told| told.starts_with(&format!("Version {version}: "))).map(str::to_owned)
    };
    let said = |model: &Value| model["status"]["latestVerdict"] == verdict && told(model).is_some();
    let what = format!("waiting for version {version} to be {verdict}");
    told(&scenario.wait("AmlModel", "model", &what, said).await?).doing("the condition LatestAccepted")
}

async fn approved(scenario: &Scenario, version: &str) -> Result<Value> {
    let is = |model: &Value| api::ready(model) && model["status"]["approved"]["version"] == version;
    scenario.wait("AmlModel", "model", &format!("waiting for version {version} to be approved"), is).await
}

async fn name_version(scenario: &Scenario, version: &str) -> Result {
    scenario.change("AmlModel", "model", json!({"approvedVersion": version})).await.map(drop)
}

async fn train_another(scenario: &Scenario) -> Result {
    let mut pipeline = scenario.get("AmlPipeline", "train").await?.doing("the pipeline")?;
    let mut step = pipeline["spec"]["steps"][0].take();
    step["automl"]["validation"] = json!({"crossValidations": 3});
    scenario.change("AmlPipeline", "train", json!({"steps": [step]})).await.map(drop)
}

fn says(message: &str, words: &[&str]) -> Result {
    match words.iter().find(|word| !message.contains(**word)) {
        None => Ok(()),
        Some(word) => Err(Failure::new(format!("does not say {word:?}: {message}"))),
    }
}

async fn by_hand(world: Arc<World>) -> Result {
    let gate = json!({"approval": "Manual", "metrics": [{"name": "AUC_weighted", "min": "0.5"}]});
    let scenario = trained(&world, "by-hand", gate).await?;
    says(&newest(&scenario, "1", "Pending").await?, &["AUC_weighted on validation is", "spec.approvedVersion"])?;
    scenario.condition("AmlModel", "model", ["Ready", "False", "WaitingForApproval"]).await?;
    name_version(&scenario, "1").await?;
    approved(&scenario, "1").await?;

    // Measured on other folds: worse or better can't be said, and a person may still want it.
    let gate =
        json!({"approval": "Manual", "metrics": [{"name": "AUC_weighted", "min": "0.5", "maxRegression": "0.2"}]});
    scenario.change("AmlModel", "model", json!({"gate": gate})).await?;
    train_another(&scenario).await?;
    says(&newest(&scenario, "2", "Inconclusive").await?, &["other data than that of the approved version 1"])?;
    let model = approved(&scenario, "1").await?;
    if !api::is(&model, "LatestAccepted", "False") {
        return Err(Failure::new(format!("conditions: {}", model["status"]["conditions"])));
    }
    name_version(&scenario, "2").await?;
    approved(&scenario, "2").await?;
    name_version(&scenario, "1").await?;
    approved(&scenario, "1").await?;

    // What never passed is refused, until somebody says that it is meant.
    let gate = json!({"metrics": [{"name": "AUC_weighted", "min": "1.1"}]});
    scenario.change("AmlModel", "model", json!({"gate": gate})).await?;
    says(&newest(&scenario, "2", "Rejected").await?, &["below the minimum 1.1"])?;
    name_version(&scenario, "2").await?;
    let refused = ["spec.approvedVersion names version \"2\"", "below the minimum 1.1", "azureml.dev/override-gate"];
    scenario.tells("AmlModel", "model", "GateFailed", &refused).await?;
    scenario.annotate("AmlModel", "model", "azureml.dev/override-gate", "2").await?;
    approved(&scenario, "2").await?;
    name_version(&scenario, "7").await?;
    scenario.tells("AmlModel", "model", "ModelVersionNotFound", &["version \"7\"", "does not exist"]).await?;
    name_version(&scenario, "1").await?;
    approved(&scenario, "1").await.map(drop)
}

async fn sources(world: Arc<World>) -> Result {
    let scenario = trained(&world, "sources", json!({"metrics": []})).await?;
    let first = approved(&scenario, "1").await?;
    let run = first["status"]["approved"]["run"].as_str().doing("the version's run")?.to_owned();
    let run = scenario.get("AmlPipelineRun", &run).await?.doing("the run")?;
    let path = run["status"]["outputs"]["train_best_model"].as_str().doing("the run's output")?.to_owned();

    let of_pipeline = json!({"pipeline": "train", "output": "train_best_model"});
    let of_path = json!({"path": path, "type": "mlflow_model"});
    scenario.change("AmlModel", "model", json!({"sources": [of_pipeline, of_path]})).await?;
    approved(&scenario, "2").await?;

    // Somebody else's version counts where a source names it, and is left as it is.
    let azure = AzureClient::new(&scenario.emulator, &scenario.azure.principal).await?;
    let id = format!("{}/models/model/versions/3", scenario.azure.place.workspace_id());
    let body = json!({"properties": {"modelType": "mlflow_model", "modelUri": path, "tags": {"by": "hand"}}});
    azure.put(&id, VERSION, &body).await?;
    let foreign = azure.resource(&id, VERSION).await?;
    scenario.annotate("AmlModel", "model", "azureml.dev/reconcile-at", "1").await?;
    let listed = |model: &Value| {
        let all = model["status"]["versions"].as_array();
        all.is_some_and(|all| all.iter().any(|one| one["version"] == "3" && one["verdict"] == "Foreign"))
    };
    let model = scenario.wait("AmlModel", "model", "waiting for the version made by hand", listed).await?;
    if model["status"]["approved"]["version"] != "2" {
        return Err(Failure::new(format!("somebody else's version is approved: {}", model["status"])));
    }
    let existing = json!({"existing": {"version": "3"}});
    scenario.change("AmlModel", "model", json!({"sources": [of_pipeline, of_path, existing]})).await?;
    approved(&scenario, "3").await?;

    // Of the next run's version on two are kept in the lists: the oldest that nothing needs is hidden.
    let kept = json!({"sources": [of_pipeline, of_path], "versionHistory": {"keep": 1}});
    scenario.change("AmlModel", "model", kept).await?;
    train_another(&scenario).await?;
    approved(&scenario, "4").await?;
    hidden(&scenario, &["1", "2"]).await?;
    if azure.resource(&id, VERSION).await? == foreign {
        return Ok(());
    }
    Err(Failure::new("the version that was made by hand was changed"))
}

/// Waits until exactly these versions are hidden from lists.
async fn hidden(scenario: &Scenario, wanted: &[&str]) -> Result {
    let since = Instant::now();
    loop {
        let state = scenario.azure_state().await?;
        let of_model = format!("{}/models/model/versions/", scenario.azure.place.workspace_id());
        let all = state["resources"].as_object().doing("resources")?;
        let hidden: Vec<&str> = all
            .iter()
            .filter(|(_, resource)| resource["properties"]["isArchived"] == true)
            .filter_map(|(id, _)| id.strip_prefix(&of_model))
            .collect();
        if hidden == wanted {
            return Ok(());
        }
        if since.elapsed() > LIMIT {
            let failure = format!("hidden are the versions {hidden:?}, not {wanted:?}");
            return scenario.explained(Err(Failure::new(failure))).await;
        }
        tokio::time::sleep(POLL).await;
    }
}
