use azureml_crds::pipeline::ComponentType;
use azureml_crds::pipeline_run::ResolvedInput;

use super::*;
use crate::kinds::pipeline::steps::StepComponent;

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
        steps: BTreeMap::new(),
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

/// A pipeline of these steps, with components that exist.
fn nodes_of(steps: &Value) -> Value {
    let spec: AmlPipelineSpec = serde_json::from_value(json!({
        "workspaceRef": {"name": "ws"}, "compute": {"azureName": "cpu"},
        "parameters": [{"name": "rate", "value": "0.1"}],
        "inputs": [{"name": "training", "dataset": "bank"}], "steps": steps,
    }))
    .unwrap();
    let component = |step: &azureml_crds::pipeline::Step| StepComponent {
        id: format!("/ws/components/{}/versions/1", step.name),
        kind: ComponentType::Command,
        made_of: None,
    };
    let mut resolved = resolved(Compute::Cluster("/ws/computes/cpu".into()));
    resolved.steps = spec.steps.iter().map(|step| (step.name.clone(), component(step))).collect();
    let tags = BTreeMap::new();
    let wanted = Wanted {
        spec: &spec,
        parameters: &[],
        resolved: &resolved,
        experiment: "exp",
        display_name: "bank-1",
        tags: &tags,
    };
    serde_json::to_value(body(&wanted)).unwrap()["properties"].clone()
}

/// Field by field what azure-ai-ml 1.35 sends for a command node, but for `_source`.
#[test]
fn command_nodes_have_the_shape_that_azure_s_own_client_sends() {
    let job = nodes_of(&json!([
        {"name": "prep", "command": {
            "command": "prep ${{inputs.rows}} ${{inputs.rate}} ${{inputs.mode}} ${{outputs.clean}}",
            "environment": "azureml:e:1",
            "inputs": [
                {"name": "rows", "from": "training"}, {"name": "rate", "parameter": "rate"}, {"name": "mode", "value": "fast"},
            ],
            "outputs": [{"name": "clean", "type": "mltable"}],
            "environmentVariables": [{"name": "LEVEL", "value": "1"}],
            "timeout": "5m",
            "resources": {"instanceCount": 2, "shmSize": "2g"},
            "distribution": {"type": "PyTorch", "processCountPerInstance": 2},
        }},
        {"name": "check", "component": {
            "id": "azureml:check:3", "inputs": [{"name": "table", "from": "prep.clean"}],
            "outputs": [{"name": "report", "type": "uri_file"}],
        }},
    ]));
    assert_eq!(
        job["outputs"],
        json!({
            "prep_clean": {"jobOutputType": "mltable"}, "check_report": {"jobOutputType": "uri_file"},
        })
    );
    let literal = |value: &str| json!({"job_input_type": "literal", "value": value});
    assert_eq!(
        job["jobs"]["prep"],
        json!({
            "name": "prep", "type": "command", "componentId": "/ws/components/prep/versions/1",
            "inputs": {
                "rows": literal("${{parent.inputs.training}}"), "rate": literal("${{parent.inputs.rate}}"), "mode": literal("fast"),
            },
            "outputs": {"clean": {"type": "literal", "value": "${{parent.outputs.prep_clean}}"}},
            "environment_variables": {"LEVEL": "1"},
            "limits": {"job_limits_type": "Command", "timeout": "PT300S"},
            "distribution": {"distribution_type": "PyTorch", "process_count_per_instance": 2},
            "resources": {"instance_count": 2, "shm_size": "2g"},
        })
    );
    assert_eq!(
        job["jobs"]["check"],
        json!({
            "name": "check", "type": "command", "componentId": "/ws/components/check/versions/1",
            "inputs": {"table": literal("${{parent.jobs.prep.outputs.clean}}")},
            "outputs": {"report": {"type": "literal", "value": "${{parent.outputs.check_report}}"}},
        })
    );
}

/// As azure-ai-ml 1.35 sends forecasting, but for `time_series_id_column_names`, which it writes as a Python list's
/// text where ARM has a list.
#[test]
fn all_settings_of_forecasting_are_sent_as_azure_s_own_client_sends_them() {
    let job = nodes_of(&json!([{"name": "sales", "automl": {
        "task": "Forecasting", "targetColumn": "y", "trainingData": "training", "testDataSize": "0.1",
        "limits": {"maxTrials": 3, "maxConcurrentTrials": 2, "maxCoresPerTrial": -1, "timeout": "10m", "trialTimeout": "5m",
            "enableEarlyTermination": true, "exitScore": "0.3"},
        "featurization": {"mode": "Custom", "blockedTransformers": ["WoETargetEncoder"], "columnTypes": {"a": "Categorical"},
            "transformers": [{"name": "Imputer", "columns": ["a"], "parameters": {"strategy": "constant", "fill_value": "0"}}]},
        "training": {"allowedAlgorithms": ["Prophet", "AutoArima", "TCNForecaster"], "enableDnnTraining": true,
            "enableModelExplainability": true, "enableOnnxCompatibleModels": false, "ensembleModelDownloadTimeout": "5m",
            "stackEnsemble": {"metaLearner": "ElasticNetCV", "trainPercentage": "0.2"}},
        "validation": {"splitColumns": ["cv1"]},
        "forecasting": {"timeColumn": "t", "timeSeriesIdColumns": ["s"], "horizon": 3, "frequency": "D", "seasonality": 7,
            "targetLags": [1, 2], "targetRollingWindowSize": 5, "useStl": "SeasonTrend", "featureLags": "Auto",
            "shortSeriesHandling": "Auto", "targetAggregation": "Sum", "countryForHolidays": "US", "cvStepSize": 2},
    }}]));
    assert_eq!(
        job["jobs"]["sales"],
        json!({
            "name": "sales", "type": "automl", "task": "forecasting", "primary_metric": "normalized_root_mean_squared_error",
            "target_column_name": "y", "training_data": "${{parent.inputs.training}}", "test_data_size": 0.1,
            "log_verbosity": "info",
            "limits": {"max_trials": 3, "max_concurrent_trials": 2, "max_cores_per_trial": -1, "timeout_minutes": 10,
                "trial_timeout_minutes": 5, "enable_early_termination": true, "exit_score": 0.3},
            "featurization": {"mode": "custom", "blocked_transformers": ["wo_e_target_encoder"],
                "column_name_and_types": {"a": "Categorical"},
                "transformer_params": {"imputer": [{"fields": ["a"], "parameters": {"strategy": "constant", "fill_value": 0}}]}},
            "training": {"allowed_training_algorithms": ["prophet", "auto_arima", "tcn_forecaster"],
                "enable_model_explainability": true, "enable_onnx_compatible_models": false, "enable_dnn_training": true,
                "ensemble_model_download_timeout_minutes": 5,
                "stack_ensemble_settings": {"stack_meta_learner_type": "elastic_net_cv", "stack_meta_learner_train_percentage": 0.2}},
            "forecasting": {"time_column_name": "t", "time_series_id_column_names": ["s"], "forecast_horizon": 3, "frequency": "D",
                "seasonality": 7, "target_lags": [1, 2], "target_rolling_window_size": 5, "use_stl": "season_trend",
                "feature_lags": "auto", "short_series_handling_config": "auto", "target_aggregate_function": "sum",
                "country_or_region_for_holidays": "US", "cv_step_size": 2},
            "cv_split_column_names": ["cv1"],
            "outputs": {"best_model": {"type": "literal", "value": "${{parent.outputs.sales_best_model}}"}},
            "tags": {}, "properties": {},
        })
    );
}
