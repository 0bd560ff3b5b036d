use azureml_crds::pipeline_run::ResolvedInput;

use super::*;

fn spec() -> AmlPipelineSpec {
    serde_json::from_value(json!({
        "workspaceRef": {"name": "ws"}, "compute": {"azureName": "cpu"},
        "parameters": [{"name": "trials", "value": "8"}],
        "inputs": [{"name": "training", "dataset": "bank"}, {"name": "holdout", "dataset": "rest"}],
        "steps": [{"name": "train", "automl": {
            "task": "Classification", "targetColumn": "y", "trainingData": "training", "testData": "holdout",
            "primaryMetric": "AUCWeighted",
            "limits": {"maxTrials": 8, "timeout": "1h30m", "exitScore": "0.95"},
            "featurization": {"mode": "Custom", "blockedTransformers": ["LabelEncoder"]},
            "training": {"allowedAlgorithms": ["LightGBM", "LogisticRegression"], "enableVoteEnsemble": true},
            "validation": {"crossValidations": 3},
        }}],
    }))
    .unwrap()
}

fn resolved(compute: Compute) -> Resolved {
    let input = |name: &str, dataset: &str| ResolvedInput {
        name: name.into(),
        dataset: dataset.into(),
        version: "1".into(),
        asset_id: format!("/ws/data/{dataset}/versions/1"),
    };
    Resolved {
        compute,
        inputs: vec![input("training", "bank"), input("holdout", "rest")],
        types: [("training".to_owned(), "mltable".to_owned()), ("holdout".to_owned(), "mltable".to_owned())].into(),
    }
}

fn submitted(compute: Compute) -> Value {
    let (spec, resolved) = (spec(), resolved(compute));
    let tags = BTreeMap::from([("azureml-operator-owner".to_owned(), "o".to_owned())]);
    let parameters = [Parameter { name: "trials".into(), value: "2".into() }];
    let wanted = Wanted {
        spec: &spec,
        parameters: &parameters,
        resolved: &resolved,
        experiment: "exp",
        display_name: "bank-1",
        tags: &tags,
    };
    serde_json::to_value(body(&wanted)).unwrap()
}

/// Field by field what azure-ai-ml 1.35 sends for a pipeline with an AutoML node.
#[test]
fn a_pipeline_with_an_automl_node_has_the_shape_that_azure_s_own_client_sends() {
    assert_eq!(
        submitted(Compute::Cluster("/ws/computes/cpu".into())),
        json!({"properties": {
            "jobType": "Pipeline", "experimentName": "exp", "displayName": "bank-1", "isArchived": false,
            "tags": {"azureml-operator-owner": "o"}, "properties": {},
            "settings": {"default_compute": "/ws/computes/cpu", "continue_on_step_failure": false, "force_rerun": false},
            "inputs": {
                "training": {"jobInputType": "mltable", "uri": "/ws/data/bank/versions/1"},
                "holdout": {"jobInputType": "mltable", "uri": "/ws/data/rest/versions/1"},
                "trials": {"jobInputType": "literal", "value": "2"},
            },
            "outputs": {"train_best_model": {"jobOutputType": "mlflow_model"}},
            "jobs": {"train": {
                "name": "train", "type": "automl", "task": "classification", "primary_metric": "auc_weighted",
                "target_column_name": "y", "training_data": "${{parent.inputs.training}}",
                "test_data": "${{parent.inputs.holdout}}", "log_verbosity": "info",
                "limits": {"max_trials": 8, "timeout_minutes": 90, "exit_score": 0.95},
                "featurization": {"mode": "custom", "blocked_transformers": ["label_encoder"]},
                "training": {
                    "allowed_training_algorithms": ["light_gbm", "logistic_regression"], "enable_vote_ensemble": true,
                },
                "n_cross_validations": 3,
                "outputs": {"best_model": {"type": "literal", "value": "${{parent.outputs.train_best_model}}"}},
                "tags": {}, "properties": {},
            }},
        }})
    );
}

#[test]
fn lent_machines_are_asked_for_step_by_step() {
    let machines = serde_json::from_value(json!({"instanceType": "Standard_DS3_v2"})).unwrap();
    let job = submitted(Compute::Serverless(machines));
    assert_eq!(job["properties"]["settings"]["default_compute"], "serverless");
    let resources = &job["properties"]["jobs"]["train"]["resources"];
    assert_eq!(resources, &json!({"instance_type": "Standard_DS3_v2", "instance_count": 1}));
}
