//! What an object names and what is not there yet.

use std::sync::Arc;

use azureml_operator_tests::failure::Result;
use azureml_operator_tests::scenario::Scenario;
use azureml_operator_tests::world::World;
use serde_json::json;

use super::{Trouble, part, told};
use crate::small;
use crate::suite::Suite;

pub(super) fn tests(suite: &mut Suite) {
    suite.add("bad_input::every_kind_waits_for_a_workspace_that_is_not_there_yet", no_workspace);
    suite.add("bad_input::a_pipeline_waits_for_a_dataset_and_a_cluster_that_are_not_there_yet", no_dataset);
    suite.add("bad_input::a_run_a_model_and_an_endpoint_wait_for_what_is_not_there_yet", no_pipeline);
    suite.add("bad_input::an_endpoint_waits_for_the_config_map_of_its_smoke_request", no_request);
}

async fn no_workspace(world: Arc<World>) -> Result {
    let scenario = Scenario::bare(&world, "no-amlws").await?;
    let kinds = ["AmlCompute", "AmlDataset", "AmlPipeline", "AmlModel", "AmlEndpoint"];
    scenario.apply_all(&part(&scenario, &kinds)).await?;
    let words =
        ["spec.workspaceRef", "AmlWorkspace \"ml-ops\"", "does not exist", scenario.namespace.as_str(), "Apply it"];
    for (kind, name) in small::OBJECTS.into_iter().filter(|(kind, _)| kinds.contains(kind)) {
        told(&scenario, &Trouble { kind, name, reason: "WorkspaceNotFound", words: &words }).await?;
    }
    scenario.apply(&scenario.azure.workspace("ml-ops")).await?;
    for (kind, name) in [("AmlCompute", "cpu"), ("AmlDataset", "rows"), ("AmlPipeline", "train")] {
        scenario.ready(kind, name).await?;
    }
    Ok(())
}

async fn no_dataset(world: Arc<World>) -> Result {
    let scenario = Scenario::start(&world, "no-dataset").await?;
    for mut object in part(&scenario, &["AmlPipeline"]) {
        // What it waits for is the matter here, not what it runs.
        object["spec"]["run"] = json!({"triggers": []});
        scenario.apply(&object).await?;
    }
    let pipeline = |reason, words| Trouble { kind: "AmlPipeline", name: "train", reason, words };
    let words = ["spec.compute.ref", "AmlCompute \"cpu\"", "does not exist", "Apply it"];
    told(&scenario, &pipeline("ComputeNotFound", &words)).await?;
    scenario.apply_all(&part(&scenario, &["AmlCompute"])).await?;
    let words = ["spec.inputs[training].dataset", "AmlDataset \"rows\"", "does not exist", "Apply it"];
    told(&scenario, &pipeline("DatasetNotFound", &words)).await?;
    // It is there and has nothing to offer yet.
    let datasets = part(&scenario, &["AmlDataset"]);
    let path = format!("{}/rows.csv", scenario.namespace);
    scenario.site.remove(&path);
    scenario.apply_all(&datasets).await?;
    let words = ["AmlDataset \"rows\" is not ready", "SourceNotFound", "404"];
    told(&scenario, &pipeline("WaitingForDataset", &words)).await?;
    scenario.site.set(&path, small::rows());
    scenario.ready("AmlPipeline", "train").await.map(|_| ())
}

async fn no_pipeline(world: Arc<World>) -> Result {
    let scenario = Scenario::start(&world, "no-pipeline").await?;
    scenario.apply_all(&part(&scenario, &["AmlEndpoint", "ConfigMap"])).await?;
    let model = |words| Trouble { kind: "AmlEndpoint", name: "serve", reason: "WaitingForModel", words };
    told(&scenario, &model(&["spec.model.ref", "AmlModel \"model\"", "does not exist", "Apply it"])).await?;
    scenario.apply_all(&part(&scenario, &["AmlModel"])).await?;
    told(&scenario, &model(&["AmlModel \"model\"", "no approved version yet"])).await?;
    scenario.put("AmlPipelineRun", "by-hand", json!({"pipelineRef": {"name": "train"}})).await?;
    let run = ["spec.pipelineRef", "AmlPipeline \"train\"", "does not exist", "Apply it"];
    told(&scenario, &Trouble { kind: "AmlPipelineRun", name: "by-hand", reason: "PipelineNotFound", words: &run })
        .await?;
    let source = ["spec.sources", "AmlPipeline \"train\"", "does not exist", "Apply it"];
    told(&scenario, &Trouble { kind: "AmlModel", name: "model", reason: "PipelineNotFound", words: &source }).await?;
    for mut object in part(&scenario, &["AmlPipeline", "AmlDataset", "AmlCompute"]) {
        if object["kind"] == "AmlPipeline" {
            // The run by hand is the one.
            object["spec"]["run"] = json!({"triggers": []});
        }
        scenario.apply(&object).await?;
    }
    scenario.ready("AmlPipelineRun", "by-hand").await?;
    small::all_ready(&scenario).await
}

async fn no_request(world: Arc<World>) -> Result {
    let scenario = Scenario::start(&world, "no-request").await?;
    let all = small::objects(&scenario);
    let (maps, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|object| object["kind"] == "ConfigMap");
    scenario.apply_all(&others).await?;
    let words = ["spec.rollout.smokeTest.requestFrom", "ConfigMap \"smoke\"", "does not exist", "Apply it"];
    told(&scenario, &Trouble { kind: "AmlEndpoint", name: "serve", reason: "ConfigMapNotFound", words: &words })
        .await?;
    scenario.apply_all(&maps).await?;
    small::all_ready(&scenario).await
}
