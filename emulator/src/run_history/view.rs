//! Runs as run history shows them.

use super::run::{Run, RunKind};
use serde_json::{Map, Value, json};

/// A run as `GET runs/{id}` shows it.
pub(crate) fn run(run: &Run) -> Value {
    let inputs: Map<String, Value> =
        run.inputs.iter().map(|(name, id)| (name.clone(), json!({"assetId": id, "type": "MLTable"}))).collect();
    let outputs: Map<String, Value> = run
        .outputs
        .iter()
        .map(|(name, place)| {
            let uri = format!("https://{}/{}/{}", place.account, place.container, place.path);
            (name.clone(), json!({"assetId": uri, "type": "MLFlowModel"}))
        })
        .collect();
    json!({
        "runId": run.id,
        "runUuid": uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, run.id.as_bytes()),
        "parentRunId": run.parent,
        "rootRunId": run.root,
        "runNumber": run.number,
        "experimentId": run.experiment_id(),
        "experimentName": run.experiment,
        "dataContainerId": format!("dcid.{}", run.id),
        "displayName": run.display_name.as_deref().unwrap_or(&run.id),
        "name": run.display_name,
        "description": run.description,
        "status": run.status.name(),
        "createdTimeUtc": run.created.to_string(),
        "startTimeUtc": run.started.map(|at| at.to_string()),
        "endTimeUtc": run.ended.map(|at| at.to_string()),
        "duration": run.started.zip(run.ended).map(|(from, to)| clock(to.duration_since(from).as_millis())),
        "createdBy": {"userObjectId": run.created_by},
        "error": error(run),
        "warnings": null,
        "tags": run.tags,
        "properties": run.properties,
        "parameters": run.params,
        "inputs": inputs,
        "outputs": outputs,
        "runType": run_type(run.kind),
        "runTypeV2": {"orchestrator": run_type(run.kind), "traits": [], "attribution": null, "computeType": null},
        "hidden": run.archived,
    })
}

/// A run as `GET runs/{id}/details` shows it, with the addresses of its logs.
pub(crate) fn details(given: &Run, logs: &Map<String, Value>) -> Value {
    json!({
        "runId": given.id,
        "target": given.properties.get("target"),
        "status": given.status.name(),
        "startTimeUtc": given.started.map(|at| at.to_string()),
        "endTimeUtc": given.ended.map(|at| at.to_string()),
        "error": error(given),
        "properties": given.properties,
        "inputDatasets": [],
        "outputDatasets": [],
        "runDefinition": given.job,
        "logFiles": logs,
    })
}

fn error(run: &Run) -> Value {
    run.error.as_ref().map_or(Value::Null, |error| {
        json!({
            "error": {
                "code": error.code,
                "message": error.message,
                "messageParameters": {},
                "details": [],
            },
            "time": run.ended.map(|at| at.to_string()),
            "componentName": "AutoML",
        })
    })
}

fn run_type(kind: RunKind) -> &'static str {
    match kind {
        RunKind::AutoMl => "automl",
        RunKind::Trial => "azureml.scriptrun",
        RunKind::ModelTest => "automl.model_test",
        RunKind::Pipeline => "azureml.PipelineRun",
        RunKind::Command => "azureml.StepRun",
    }
}

/// Milliseconds as `hh:mm:ss.fffffff`.
fn clock(milliseconds: i128) -> String {
    let (seconds, rest) = (milliseconds / 1000, milliseconds % 1000);
    format!("{:02}:{:02}:{:02}.{rest:03}0000", seconds / 3600, seconds / 60 % 60, seconds % 60)
}
