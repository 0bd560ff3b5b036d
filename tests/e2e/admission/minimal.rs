//! The smallest object of each kind that is admitted.

use serde_json::{Value, json};

/// The seven kinds.
pub const EVERY_KIND: &[&str] =
    &["AmlWorkspace", "AmlCompute", "AmlDataset", "AmlPipeline", "AmlPipelineRun", "AmlModel", "AmlEndpoint"];

/// The smallest spec of a kind.
pub fn spec(kind: &str) -> Value {
    let workspace = json!({"name": "ml-ops"});
    match kind {
        "AmlWorkspace" => json!({
            "subscriptionId": "11111111-1111-1111-1111-111111111111",
            "resourceGroup": "rg-ml",
            "credentials": {"servicePrincipal": {"sdkAuthRef": {"name": "azure", "key": "principal.json"}}},
        }),
        "AmlCompute" => json!({"workspaceRef": workspace, "size": "Standard_DS12_v2", "scale": {"maxNodes": 4}}),
        "AmlDataset" => json!({
            "workspaceRef": workspace,
            "type": "Table",
            "source": {"web": {"url": "https://example.org/bank.csv"}},
        }),
        "AmlPipeline" => json!({
            "workspaceRef": workspace,
            "compute": {"ref": "cpu-cluster"},
            "inputs": [{"name": "training", "dataset": "bank"}],
            "steps": [{"name": "train", "automl": {"task": "Classification", "targetColumn": "y", "trainingData": "training"}}],
        }),
        "AmlPipelineRun" => json!({"pipelineRef": {"name": "bank"}}),
        "AmlModel" => {
            json!({"workspaceRef": workspace, "sources": [{"pipeline": "bank", "output": "train_best_model"}]})
        }
        "AmlEndpoint" => json!({
            "workspaceRef": workspace,
            "model": {"ref": "bank"},
            "deployment": {"instanceType": "Standard_DS3_v2"},
        }),
        other => unreachable!("no kind {other}"),
    }
}
