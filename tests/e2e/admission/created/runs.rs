//! AmlPipeline and AmlPipelineRun.

use serde_json::{Value, json};

use super::{Refused, refused_name, refused_spec};

pub fn full() -> Vec<(&'static str, Value)> {
    let pipeline = json!({
        "workspaceRef": {"name": "ml-ops"},
        "experiment": "bank-marketing",
        "compute": {"serverless": {"instanceType": "Standard_DS3_v2", "instanceCount": 1}},
        "parameters": [{"name": "rounds", "value": "8"}],
        "inputs": [{"name": "training", "dataset": "bank"}, {"name": "holdout", "dataset": "bank-holdout", "version": "2"}],
        "steps": [
            {"name": "prep", "command": {
                "command": "python prep.py --in ${{inputs.rows}} --out ${{outputs.table}}",
                "code": {"configMapRef": {"name": "prep"}},
                "inlineEnvironment": {"image": "example.org/python:3.12", "conda": {"name": "prep", "key": "conda.yaml"}},
                "inputs": [{"name": "rows", "from": "training"}, {"name": "rounds", "parameter": "rounds"}, {"name": "k", "value": ""}],
                "outputs": [{"name": "table", "type": "mltable"}],
                "environmentVariables": [{"name": "LEVEL", "value": "1"}],
                "timeout": "30m",
                "resources": {"instanceCount": 2, "instanceType": "Standard_DS3_v2", "shmSize": "2g"},
                "distribution": {"type": "PyTorch", "processCountPerInstance": 2},
            }},
            {"name": "train", "automl": {
                "task": "Classification",
                "targetColumn": "y",
                "trainingData": "prep.table",
                "testData": "holdout",
                "primaryMetric": "AUCWeighted",
                "limits": {"maxTrials": 8, "maxConcurrentTrials": 2, "timeout": "1h30m", "trialTimeout": "10m", "exitScore": "0.99"},
                "featurization": {"mode": "Custom", "columnTypes": {"age": "Numeric"}, "blockedTransformers": ["TfIdf"],
                    "transformers": [{"name": "Imputer", "columns": ["age"], "parameters": {"strategy": "median"}}]},
                "training": {"allowedAlgorithms": ["LightGBM", "LogisticRegression"], "enableVoteEnsemble": true,
                    "ensembleModelDownloadTimeout": "5m", "stackEnsemble": {"metaLearner": "LogisticRegression", "trainPercentage": "0.2"}},
                "validation": {"crossValidations": 5},
            }},
            {"name": "forecast", "automl": {
                "task": "Forecasting",
                "targetColumn": "sales",
                "trainingData": "training",
                "primaryMetric": "NormalizedRootMeanSquaredError",
                "testDataSize": "0.1",
                "training": {"enableDnnTraining": true},
                "validation": {"splitColumns": ["cv1", "cv2"]},
                "forecasting": {"timeColumn": "day", "horizon": 14, "targetLags": [1, 7], "countryForHolidays": "DE",
                    "useStl": "SeasonTrend", "featureLags": "Auto"},
            }},
            {"name": "report", "component": {
                "id": "azureml:report:3",
                "inputs": [{"name": "model", "from": "train.best_model"}],
                "outputs": [{"name": "page", "type": "uri_file"}],
            }},
        ],
        "run": {
            "triggers": ["SpecChange", "DatasetChange"],
            "schedule": {"cron": "0 3 * * 1", "timeZone": "Europe/Berlin", "suspend": false},
            "concurrencyPolicy": "Forbid",
            "timeout": "2h",
            "retry": {"limit": 1},
            "history": {"succeeded": 5, "failed": 3, "ttl": "720h"},
        },
        "publish": {"endpointName": "bank-train"},
    });
    vec![
        ("AmlPipeline", pipeline.clone()),
        (
            "AmlPipelineRun",
            json!({
                "pipelineRef": {"name": "bank"},
                "parameters": [{"name": "rounds", "value": "4"}],
                "inputs": [{"name": "training", "version": "3"}],
                "pipelineSpec": pipeline,
                "state": "Cancelled",
                "deletionPolicy": "Retain",
            }),
        ),
        ("AmlPipelineRun", json!({"pipelineRef": {"name": "bank"}, "importJob": "brave_sun_x1"})),
    ]
}

pub fn refused() -> Vec<Refused> {
    let mut cases = vec![
        refused_name("AmlPipeline", "bank.marketing", "metadata.name may have 40 characters at most"),
        refused_name(
            "AmlPipeline",
            "a-pipeline-with-a-name-of-forty-one-chars",
            "the names of jobs in Azure are made from it",
        ),
    ];
    cases.extend(pipelines());
    cases.extend(automl());
    cases.extend(schedules());
    cases.extend(executions());
    cases
}

fn pipelines() -> Vec<Refused> {
    let pipeline = |what, change, message| refused_spec("AmlPipeline", what, change, message);
    let steps = |step: Value| json!({"steps": [step]});
    let command = |command: Value| json!({"steps": [{"name": "a", "command": command}]});
    let many: Vec<Value> = (0..51).map(|index| json!({"name": format!("i{index}"), "dataset": "bank"})).collect();
    vec![
        pipeline("two computes", json!({"compute": {"azureName": "cpu"}}), "write one of ref (an AmlCompute)"),
        pipeline("no compute", json!({"compute": {"ref": null}}), "write one of ref (an AmlCompute)"),
        pipeline("no steps", json!({"steps": []}), "should have at least 1 items"),
        pipeline("too many inputs", json!({"inputs": many}), "must have at most 50 items"),
        pipeline(
            "two inputs of a name",
            json!({"inputs": [{"name": "a", "dataset": "x"}, {"name": "a", "dataset": "y"}]}),
            "Duplicate value",
        ),
        pipeline(
            "a step's name with a hyphen",
            steps(json!({"name": "train-it", "component": {"id": "azureml:a:1"}})),
            "write train_model rather than Train-Model",
        ),
        pipeline(
            "an input's name with a capital",
            json!({"inputs": [{"name": "Training", "dataset": "x"}]}),
            "write train_model rather than Train-Model",
        ),
        pipeline(
            "a step that does nothing",
            steps(json!({"name": "a"})),
            "write exactly one of automl, command and component in a step",
        ),
        pipeline(
            "a step that does two things",
            steps(
                json!({"name": "a", "component": {"id": "azureml:a:1"}, "command": {"command": "x", "environment": "azureml:e:1"}}),
            ),
            "write exactly one of automl, command and component in a step",
        ),
        pipeline(
            "a component without version",
            steps(json!({"name": "a", "component": {"id": "prep"}})),
            "spec.steps[0].component.id",
        ),
        pipeline("a command without environment", command(json!({"command": "x"})), "write one of environment"),
        pipeline(
            "an input from two places",
            command(
                json!({"command": "x", "environment": "azureml:e:1", "inputs": [{"name": "i", "from": "training", "value": "1"}]}),
            ),
            "write one of from (an input of the pipeline",
        ),
        pipeline(
            "an unknown type of output",
            command(json!({"command": "x", "environment": "azureml:e:1", "outputs": [{"name": "o", "type": "Table"}]})),
            "supported values: \"uri_file\"",
        ),
        pipeline(
            "workers of a distribution that has none",
            command(
                json!({"command": "x", "environment": "azureml:e:1", "distribution": {"type": "PyTorch", "workerCount": 2}}),
            ),
            "processCountPerInstance belongs to PyTorch and Mpi",
        ),
        pipeline("an archived pipeline", json!({"deletionPolicy": "Archive"}), "a pipeline can't be archived"),
        pipeline(
            "an endpoint's name that Azure refuses",
            json!({"publish": {"endpointName": "bank_train"}}),
            "the endpoint's name in Azure has 3 to 32",
        ),
    ]
}

fn automl() -> Vec<Refused> {
    let automl = |what, change: Value, message| {
        let mut settings = json!({"task": "Classification", "targetColumn": "y", "trainingData": "training"});
        super::super::merge(&mut settings, &change);
        refused_spec("AmlPipeline", what, json!({"steps": [{"name": "train", "automl": settings}]}), message)
    };
    let minutes = "AutoML's limits are whole minutes, at least one: write it like 30m or 1h30m";
    vec![
        automl("an unknown task", json!({"task": "Clustering"}), "supported values: \"Classification\""),
        automl("an unknown metric", json!({"primaryMetric": "AUC"}), "supported values: \"AUCWeighted\""),
        automl(
            "a metric of another task",
            json!({"primaryMetric": "R2Score"}),
            "primaryMetric does not fit the task: Classification has",
        ),
        automl(
            "a classification's metric for a number",
            json!({"task": "Regression", "primaryMetric": "Accuracy"}),
            "primaryMetric does not fit the task",
        ),
        automl(
            "forecasting without its settings",
            json!({"task": "Forecasting"}),
            "write it with that task, and only then",
        ),
        automl(
            "a horizon of a classification",
            json!({"forecasting": {"timeColumn": "day"}}),
            "write it with that task, and only then",
        ),
        automl("a limit in seconds", json!({"limits": {"timeout": "90s"}}), minutes),
        automl("a limit with seconds", json!({"limits": {"trialTimeout": "1m30s"}}), minutes),
        automl("a limit of nothing", json!({"limits": {"timeout": "0m"}}), minutes),
        automl("no trials", json!({"limits": {"maxTrials": 0}}), "should be greater than or equal to 1"),
        automl(
            "algorithms allowed and blocked",
            json!({"training": {"allowedAlgorithms": ["SVM"], "blockedAlgorithms": ["KNN"]}}),
            "write allowedAlgorithms or blockedAlgorithms, not both",
        ),
        automl(
            "an unknown algorithm",
            json!({"training": {"allowedAlgorithms": ["CatBoost"]}}),
            "supported values: \"LogisticRegression\"",
        ),
        automl("one fold", json!({"validation": {"crossValidations": 1}}), "should be greater than or equal to 2"),
        automl(
            "folds and a share",
            json!({"validation": {"crossValidations": 3, "validationDataSize": "0.2"}}),
            "write one of crossValidations",
        ),
        automl("all rows held out", json!({"validation": {"validationDataSize": "1.0"}}), "validationDataSize"),
        automl(
            "two benchmarks",
            json!({"testData": "training", "testDataSize": "0.2"}),
            "write testData (rows of their own) or testDataSize",
        ),
        automl(
            "a transformer that does not exist",
            json!({"featurization": {"mode": "Custom", "blockedTransformers": ["Imputer"]}}),
            "supported values: \"TextTargetEncoder\"",
        ),
        automl(
            "two ways to validate",
            json!({"validationData": "training", "validation": {"crossValidations": 3}}),
            "not both",
        ),
        automl(
            "settings of a mode that has none",
            json!({"featurization": {"mode": "Auto", "columnTypes": {"a": "Text"}}}),
            "need mode: Custom",
        ),
        automl(
            "a column of no type",
            json!({"featurization": {"mode": "Custom", "columnTypes": {"a": "Money"}}}),
            "supported values: \"Categorical\"",
        ),
    ]
}

fn schedules() -> Vec<Refused> {
    let schedule = |what, schedule: Value, message| {
        refused_spec("AmlPipeline", what, json!({"run": {"schedule": schedule}}), message)
    };
    let cron = "write five fields of numbers (minute 0-59, hour 0-23, *, *, day of the week 0-7), e.g. 0 3 * * 1";
    vec![
        schedule("a day of the month", json!({"cron": "0 3 1 * *"}), cron),
        schedule("a month", json!({"cron": "0 3 * 6 1"}), cron),
        schedule("six fields", json!({"cron": "0 0 3 * * 1"}), cron),
        schedule("a macro", json!({"cron": "@midnight"}), cron),
        schedule("four fields", json!({"cron": "0 3 * * "}), cron),
        schedule("the name of a day", json!({"cron": "0 3 * * mon"}), cron),
        schedule("a minute of 61", json!({"cron": "61 3 * * 1"}), cron),
        schedule("a step of 0", json!({"cron": "*/0 3 * * 1"}), cron),
        schedule(
            "a zone with a space",
            json!({"cron": "0 3 * * 1", "timeZone": "W. Europe Standard Time"}),
            "write the time zone's IANA name",
        ),
        refused_spec(
            "AmlPipeline",
            "an unknown trigger",
            json!({"run": {"triggers": ["Push"]}}),
            "supported values: \"SpecChange\"",
        ),
        refused_spec(
            "AmlPipeline",
            "a trigger twice",
            json!({"run": {"triggers": ["SpecChange", "SpecChange"]}}),
            "Duplicate value",
        ),
        refused_spec(
            "AmlPipeline",
            "an unknown concurrency",
            json!({"run": {"concurrencyPolicy": "Allow"}}),
            "supported values: \"Forbid\"",
        ),
        refused_spec(
            "AmlPipeline",
            "days as a duration",
            json!({"run": {"history": {"ttl": "30d"}}}),
            "spec.run.history.ttl",
        ),
    ]
}

fn executions() -> Vec<Refused> {
    let run = |what, change, message| refused_spec("AmlPipelineRun", what, change, message);
    let imported = "importJob only shows a job that exists in Azure";
    vec![
        run("no pipeline", json!({"pipelineRef": null}), "spec.pipelineRef: Required value"),
        run("a state of another kind", json!({"state": "Paused"}), "supported values: \"Cancelled\""),
        run(
            "an imported run with inputs",
            json!({"importJob": "a", "inputs": [{"name": "t", "version": "1"}]}),
            imported,
        ),
        run("an imported run that is cancelled", json!({"importJob": "a", "state": "Cancelled"}), imported),
        run("an archived run", json!({"deletionPolicy": "Archive"}), "a run can't be archived"),
    ]
}
