//! Jobs as ARM shows them.

use super::Jobs;
use crate::run_history::run::{Run, RunKind};
use serde_json::{Map, Value, json};

/// Where a workspace's services and pages are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Addresses {
    /// The base of run history and MLflow, such as `https://127.0.0.1:8443`.
    pub(crate) api: String,
    /// The base of the studio.
    pub(crate) studio: String,
}

impl Jobs {
    /// A job as `GET jobs/{name}` shows it.
    pub(crate) fn show(&self, workspace_arm_id: &str, run: &Run, addresses: &Addresses) -> Value {
        let mut properties = run.job.clone().unwrap_or_else(|| child(run));
        properties.insert("status".to_owned(), Value::from(run.status.name()));
        properties.insert("tags".to_owned(), json!(run.tags));
        properties.insert("properties".to_owned(), json!(run.properties));
        properties.insert("displayName".to_owned(), json!(run.display_name));
        properties.insert("experimentName".to_owned(), json!(run.experiment));
        properties.insert("isArchived".to_owned(), json!(run.archived));
        if let Some(description) = &run.description {
            properties.insert("description".to_owned(), json!(description));
        }
        properties.insert("services".to_owned(), services(workspace_arm_id, run, addresses));
        show_outputs(&mut properties, run);
        let by = |at: &jiff::Timestamp| at.to_string();
        json!({
            "id": format!("{workspace_arm_id}/jobs/{}", run.id),
            "name": run.id,
            "type": "Microsoft.MachineLearningServices/workspaces/jobs",
            "properties": properties,
            "systemData": {
                "createdAt": by(&run.created), "createdBy": run.created_by, "createdByType": "Application",
            },
        })
    }
}

fn child(run: &Run) -> Map<String, Value> {
    let body = match run.kind {
        RunKind::Pipeline => json!({"jobType": "Pipeline"}),
        _ => {
            json!({"jobType": "Command", "command": "automl", "environmentId": "azureml://registries/azureml/environments/AzureML-AutoML/versions/1"})
        }
    };
    body.as_object().cloned().unwrap_or_default()
}

fn services(workspace: &str, run: &Run, addresses: &Addresses) -> Value {
    let tracking = addresses.api.replacen("https://", "azureml://", 1);
    json!({
        "Tracking": {"jobServiceType": "Tracking", "endpoint": format!("{tracking}/mlflow/v1.0{workspace}?"), "port": null, "properties": null, "status": null, "errorMessage": null},
        "Studio": {"jobServiceType": "Studio", "endpoint": format!("{}/runs/{}?wsid={workspace}", addresses.studio, run.id), "port": null, "properties": null, "status": null, "errorMessage": null},
    })
}

/// A job's outputs carry their address once it is known.
fn show_outputs(properties: &mut Map<String, Value>, run: &Run) {
    let Some(outputs) = properties.get_mut("outputs").and_then(Value::as_object_mut) else { return };
    for (name, output) in outputs {
        if let (true, Some(output)) = (run.outputs.contains_key(name), output.as_object_mut()) {
            output.entry("uri").or_insert_with(|| Value::from(format!("azureml://jobs/{}/outputs/{name}", run.id)));
        }
    }
}
