//! The whole flow on data so small that a run takes seconds.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use azureml_operator_tests::failure::Result;
use azureml_operator_tests::scenario::Scenario;
use serde_json::{Value, json};

/// The kinds of the flow with the name of the object of each.
pub const OBJECTS: [(&str, &str); 6] = [
    ("AmlWorkspace", "ml-ops"),
    ("AmlCompute", "cpu"),
    ("AmlDataset", "rows"),
    ("AmlPipeline", "train"),
    ("AmlModel", "model"),
    ("AmlEndpoint", "serve"),
];

/// 120 rows of two classes that two numbers and a word tell apart, mostly.
#[must_use]
pub fn rows() -> String {
    let mut text = "width,height,colour,y\n".to_owned();
    for row in 0..120_u32 {
        let (width, height) = (row * 37 % 50, row * 53 % 41);
        let colour = ["red", "green", "blue"][(row % 3) as usize];
        let class = if (width + height + row % 7) > 45 { "yes" } else { "no" };
        let _ = writeln!(text, "{width},{height},{colour},{class}");
    }
    text
}

/// A request with one row of it.
#[must_use]
pub fn request() -> Value {
    json!({"input_data": {"columns": ["width", "height", "colour"], "index": [0], "data": [[20, 30, "red"]]}})
}

/// All objects of the flow in the order of the flow; the rows are put on the site.
#[must_use]
pub fn objects(scenario: &Scenario) -> Vec<Value> {
    let url = scenario.site.set(&format!("{}/rows.csv", scenario.namespace), rows());
    let mut workspace = scenario.azure.workspace("ml-ops");
    workspace["spec"]["access"] = json!([{
        "principalId": "44444444-4444-4444-4444-444444444444", "principalType": "ServicePrincipal", "role": "Reader"}]);
    let at = json!({"name": "ml-ops"});
    let smoke =
        json!({"requestFrom": {"configMapRef": {"name": "smoke", "key": "request.json"}}, "expect": {"status": 200}});
    vec![
        workspace,
        object(
            "AmlCompute",
            "cpu",
            json!({"workspaceRef": at, "size": "Standard_DS3_v2",
                "scale": {"minNodes": 0, "maxNodes": 1, "idleTimeBeforeScaleDown": "1s"}}),
        ),
        object("AmlDataset", "rows", json!({"workspaceRef": at, "type": "Table", "source": {"web": {"url": url}}})),
        object(
            "AmlPipeline",
            "train",
            json!({
            "workspaceRef": at,
            "experiment": "small",
            "compute": {"ref": "cpu"},
            "inputs": [{"name": "training", "dataset": "rows"}],
            "steps": [{"name": "train", "automl": {
                "task": "Classification", "targetColumn": "y", "trainingData": "training", "primaryMetric": "AUCWeighted",
                "limits": {"maxTrials": 1, "maxConcurrentTrials": 1, "timeout": "10m", "trialTimeout": "5m"},
                "training": {"allowedAlgorithms": ["LogisticRegression"], "enableVoteEnsemble": false, "enableStackEnsemble": false},
                "validation": {"crossValidations": 2}}}],
            "run": {"triggers": ["SpecChange", "DatasetChange"]}}),
        ),
        object(
            "AmlModel",
            "model",
            json!({"workspaceRef": at, "sources": [{"pipeline": "train", "output": "train_best_model"}]}),
        ),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "smoke"}, "data": {"request.json": request().to_string()}}),
        object(
            "AmlEndpoint",
            "serve",
            json!({
            "workspaceRef": at,
            "model": {"ref": "model"},
            "deployment": {"instanceType": "Standard_DS3_v2", "instanceCount": 1, "appInsightsEnabled": true},
            "rollout": {"smokeTest": smoke},
            "outputs": {"secret": {"name": "serve-out"}, "swagger": {"configMap": {"name": "serve-swagger"}}}}),
        ),
    ]
}

fn object(kind: &str, name: &str, spec: Value) -> Value {
    let mut object = json!({"apiVersion": "azureml.dev/v1alpha1", "kind": kind, "metadata": {"name": name}});
    object["spec"] = spec;
    object
}

/// Waits until each object of the flow is Ready.
///
/// # Errors
/// When one is not within the limit.
pub async fn all_ready(scenario: &Scenario) -> Result {
    for (kind, name) in OBJECTS {
        scenario.ready(kind, name).await?;
    }
    Ok(())
}

/// Waits until the cluster has let its nodes go: as long as they are there, it is no object at rest.
///
/// # Errors
/// When it has not within the limit.
pub async fn cluster_rests(scenario: &Scenario) -> Result {
    let empty = |object: &Value| {
        let nodes = &object["status"]["nodes"];
        object["status"]["allocationState"] == "Steady"
            && ["idle", "running", "preparing", "leaving"].iter().all(|state| nodes[state].as_u64().unwrap_or(0) == 0)
    };
    scenario.wait("AmlCompute", "cpu", "waiting for its nodes to go", empty).await.map(drop)
}

/// How many things of each sort the workspace holds in Azure: what must be one after a flow is one.
///
/// # Errors
/// When the emulator does not answer.
pub async fn census(scenario: &Scenario) -> Result<BTreeMap<&'static str, usize>> {
    let state = scenario.azure_state().await?;
    let mut counts: BTreeMap<&'static str, usize> = SORTS.iter().map(|(sort, _)| (*sort, 0)).collect();
    for (id, resource) in state["resources"].as_object().into_iter().flatten() {
        let kind = kind(id);
        let sort = SORTS.iter().find(|(_, of)| *of == kind).map(|(sort, _)| *sort);
        // The steps of a pipeline job are jobs too, and AutoML registers models of its own.
        let counts_here = match kind.as_str() {
            "jobs" => resource["properties"]["jobType"] == "Pipeline",
            "models/versions" => id.to_lowercase().contains("/models/model/"),
            _ => true,
        };
        if let Some(count) = sort.filter(|_| counts_here).and_then(|sort| counts.get_mut(sort)) {
            *count += 1;
        }
    }
    Ok(counts)
}

/// The sorts of things that a flow makes one of each, and their types below the workspace.
const SORTS: [(&str, &str); 6] = [
    ("clusters", "computes"),
    ("data versions", "data/versions"),
    ("jobs", "jobs"),
    ("model versions", "models/versions"),
    ("endpoints", "onlineendpoints"),
    ("deployments", "onlineendpoints/deployments"),
];

/// One of each.
#[must_use]
pub fn one_of_each() -> BTreeMap<&'static str, usize> {
    SORTS.iter().map(|(sort, _)| (*sort, 1)).collect()
}

/// The type of a resource below its workspace: every other segment of its id.
fn kind(id: &str) -> String {
    let lower = id.to_lowercase();
    let below = lower.split_once("/workspaces/").map_or("", |(_, below)| below);
    below.split('/').skip(1).step_by(2).collect::<Vec<_>>().join("/")
}
