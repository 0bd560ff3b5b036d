//! Changes of objects that are there: what may change, and what says why not.

use serde_json::{Value, json};

/// A change of an object's spec.
pub struct Change {
    /// What the case is about.
    pub what: &'static str,
    /// The kind.
    pub kind: &'static str,
    /// What differs from the smallest spec before the change, as a merge patch.
    pub before: Value,
    /// The change, as a merge patch.
    pub change: Value,
    /// What the refusal says; `None` where the change is admitted.
    pub message: Option<&'static str>,
}

fn refused(what: &'static str, kind: &'static str, before: Value, change: Value, message: &'static str) -> Change {
    Change { what, kind, before, change, message: Some(message) }
}

fn admitted(what: &'static str, kind: &'static str, before: Value, change: Value) -> Change {
    Change { what, kind, before, change, message: None }
}

/// Every field that can't change: changed, and where it is optional added and removed too.
pub fn cases() -> Vec<Change> {
    let mut cases = Vec::new();
    for kind in ["AmlWorkspace", "AmlCompute", "AmlDataset", "AmlModel", "AmlEndpoint"] {
        let named = || json!({"azureName": "abc"});
        let message = "spec.azureName is immutable: make a new";
        cases.push(refused("azureName changed", kind, named(), json!({"azureName": "xyz"}), message));
        cases.push(refused("azureName added", kind, json!({}), named(), message));
        cases.push(refused("azureName removed", kind, named(), json!({"azureName": null}), message));
    }
    for kind in ["AmlCompute", "AmlDataset", "AmlPipeline", "AmlModel", "AmlEndpoint"] {
        cases.push(refused(
            "workspaceRef changed",
            kind,
            json!({}),
            json!({"workspaceRef": {"name": "other"}}),
            "spec.workspaceRef is immutable: make a new",
        ));
    }
    cases.extend(workspace());
    cases.extend(compute());
    cases.extend(data());
    cases.extend(runs());
    cases.extend(serving());
    cases
}

fn workspace() -> Vec<Change> {
    let managed = || json!({"managementPolicy": "Manage", "template": {"location": "westeurope"}});
    let kept = |field: &str, name: &str| {
        let mut before = managed();
        before["template"][field] = json!(format!("/subscriptions/s/{name}"));
        before
    };
    vec![
        refused(
            "subscription changed",
            "AmlWorkspace",
            json!({}),
            json!({"subscriptionId": "22222222-2222-2222-2222-222222222222"}),
            "spec.subscriptionId is immutable: make a new AmlWorkspace",
        ),
        refused(
            "resource group changed",
            "AmlWorkspace",
            json!({}),
            json!({"resourceGroup": "rg-other"}),
            "spec.resourceGroup is immutable: make a new AmlWorkspace",
        ),
        refused(
            "location of a managed workspace changed",
            "AmlWorkspace",
            managed(),
            json!({"template": {"location": "northeurope"}}),
            "Azure can't move a workspace",
        ),
        refused(
            "storage account of a managed workspace changed",
            "AmlWorkspace",
            kept("storageAccount", "one"),
            json!({"template": {"storageAccount": "/subscriptions/s/two"}}),
            "spec.template.storageAccount is immutable",
        ),
        refused(
            "key vault of a managed workspace changed",
            "AmlWorkspace",
            kept("keyVault", "one"),
            json!({"template": {"keyVault": "/subscriptions/s/two"}}),
            "spec.template.keyVault is immutable",
        ),
        refused(
            "Application Insights of a managed workspace changed",
            "AmlWorkspace",
            kept("applicationInsights", "one"),
            json!({"template": {"applicationInsights": "/subscriptions/s/two"}}),
            "spec.template.applicationInsights is immutable",
        ),
        admitted(
            "Application Insights of a managed workspace added",
            "AmlWorkspace",
            managed(),
            json!({"template": {"applicationInsights": "/subscriptions/s/one"}}),
        ),
        admitted(
            "storage account of a managed workspace left to Azure",
            "AmlWorkspace",
            kept("storageAccount", "one"),
            json!({"template": {"storageAccount": null}}),
        ),
        admitted(
            "access changed",
            "AmlWorkspace",
            json!({}),
            json!({"access": [{"principalId": "22222222-2222-2222-2222-222222222222", "principalType": "User", "role": "Reader"}]}),
        ),
        admitted(
            "credentials changed",
            "AmlWorkspace",
            json!({}),
            json!({"credentials": {"servicePrincipal": null, "managedIdentity": {}}}),
        ),
    ]
}

fn compute() -> Vec<Change> {
    let tier = "spec.tier is immutable: Azure can't change the tier of a cluster";
    vec![
        refused(
            "size changed",
            "AmlCompute",
            json!({}),
            json!({"size": "Standard_D2_v2"}),
            "spec.size is immutable: Azure can't",
        ),
        refused("tier changed", "AmlCompute", json!({"tier": "Dedicated"}), json!({"tier": "LowPriority"}), tier),
        refused("tier added", "AmlCompute", json!({}), json!({"tier": "LowPriority"}), tier),
        refused("tier removed", "AmlCompute", json!({"tier": "LowPriority"}), json!({"tier": null}), tier),
        admitted("scale changed", "AmlCompute", json!({}), json!({"scale": {"maxNodes": 8, "minNodes": 1}})),
        admitted("policy added", "AmlCompute", json!({}), json!({"deletionPolicy": "Retain"})),
    ]
}

fn data() -> Vec<Change> {
    vec![
        refused(
            "type changed",
            "AmlDataset",
            json!({}),
            json!({"type": "Folder"}),
            "spec.type is immutable: a data asset keeps one type for all its versions",
        ),
        admitted(
            "source changed",
            "AmlDataset",
            json!({}),
            json!({"source": {"web": {"url": "https://example.org/new.csv"}}}),
        ),
        admitted(
            "kind of source changed",
            "AmlDataset",
            json!({}),
            json!({"source": {"web": null, "datastore": {"name": "workspaceblobstore", "path": "bank/2026"}}}),
        ),
    ]
}

fn runs() -> Vec<Change> {
    let immutable = "(spec.state: Cancelled stops this one)";
    let inputs = || json!({"inputs": [{"name": "training", "version": "1"}]});
    let parameters = || json!({"parameters": [{"name": "rounds", "value": "8"}]});
    let snapshot = || json!({"pipelineSpec": super::minimal::spec("AmlPipeline")});
    vec![
        refused(
            "pipeline of a run changed",
            "AmlPipelineRun",
            json!({}),
            json!({"pipelineRef": {"name": "other"}}),
            "spec.pipelineRef is immutable: make a new AmlPipelineRun",
        ),
        refused("inputs of a run added", "AmlPipelineRun", json!({}), inputs(), immutable),
        refused("inputs of a run removed", "AmlPipelineRun", inputs(), json!({"inputs": null}), immutable),
        refused("parameters of a run added", "AmlPipelineRun", json!({}), parameters(), immutable),
        refused(
            "parameters of a run changed",
            "AmlPipelineRun",
            parameters(),
            json!({"parameters": [{"name": "rounds", "value": "9"}]}),
            immutable,
        ),
        refused("snapshot of a run added", "AmlPipelineRun", json!({}), snapshot(), immutable),
        refused(
            "snapshot of a run changed",
            "AmlPipelineRun",
            snapshot(),
            json!({"pipelineSpec": {"experiment": "other"}}),
            immutable,
        ),
        refused(
            "deletion policy of a run added",
            "AmlPipelineRun",
            json!({}),
            json!({"deletionPolicy": "Retain"}),
            "spec.deletionPolicy is immutable",
        ),
        refused(
            "job of a run added",
            "AmlPipelineRun",
            json!({}),
            json!({"importJob": "brave_sun"}),
            "spec.importJob is immutable",
        ),
        admitted("run cancelled", "AmlPipelineRun", json!({}), json!({"state": "Cancelled"})),
        admitted("run with snapshot cancelled", "AmlPipelineRun", snapshot(), json!({"state": "Cancelled"})),
        refused(
            "cancelled run revived",
            "AmlPipelineRun",
            json!({"state": "Cancelled"}),
            json!({"state": null}),
            "a cancelled run stays cancelled: make a new AmlPipelineRun",
        ),
        admitted(
            "definition changed",
            "AmlPipeline",
            json!({}),
            json!({"experiment": "other", "run": {"triggers": ["SpecChange"]}}),
        ),
    ]
}

fn serving() -> Vec<Change> {
    vec![
        admitted("version approved", "AmlModel", json!({}), json!({"approvedVersion": "3"})),
        admitted(
            "gate added",
            "AmlModel",
            json!({}),
            json!({"gate": {"metrics": [{"name": "AUC_weighted", "min": "0.9"}]}}),
        ),
        admitted(
            "template changed",
            "AmlEndpoint",
            json!({}),
            json!({"deployment": {"instanceType": "Standard_F4s_v2"}}),
        ),
        admitted("model pinned", "AmlEndpoint", json!({}), json!({"model": {"ref": null, "id": "azureml:bank:3"}})),
    ]
}
