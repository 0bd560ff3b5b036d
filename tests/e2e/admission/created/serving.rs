//! AmlEndpoint.

use serde_json::{Value, json};

use super::{Refused, refused_name, refused_spec};

pub fn full() -> Vec<(&'static str, Value)> {
    vec![
        (
            "AmlEndpoint",
            json!({
                "workspaceRef": {"name": "ml-ops"},
                "azureName": "bank-prod",
                "authMode": "Key",
                "publicNetworkAccess": "Enabled",
                "identity": {"type": "UserAssigned", "userAssignedIdentities": ["/subscriptions/1/id"]},
                "model": {"ref": "bank"},
                "deployment": {
                    "instanceType": "Standard_DS3_v2",
                    "autoscale": {
                        "minInstances": 1, "maxInstances": 4, "defaultInstances": 2,
                        "rules": [{
                            "metric": "CpuUtilizationPercentage", "operator": "GreaterThan", "threshold": "70",
                            "window": "5m", "change": 1, "cooldown": "5m",
                        }],
                    },
                    "appInsightsEnabled": true,
                    "dataCollector": {
                        "collections": [{"name": "model_inputs", "samplingRate": "0.1"}, {"name": "model_outputs"}],
                        "rollingRate": "Hour",
                        "captureHeaders": ["x-request-id"],
                    },
                    "requestSettings": {"requestTimeout": "30s", "maxConcurrentRequestsPerInstance": 4},
                    "livenessProbe": {"initialDelay": "10s", "period": "10s", "timeout": "2s", "failureThreshold": 30, "successThreshold": 1},
                    "environmentVariables": [{"name": "LEVEL", "value": "info"}],
                    "environment": "azureml:scoring@latest",
                    "code": {"configMapRef": {"name": "score"}, "scoringScript": "score.py"},
                },
                "rollout": {
                    "steps": [
                        {"mirror": 10, "hold": "10m"},
                        {"weight": 10, "hold": "10m", "analysis": ["errors", "latency"]},
                        {"weight": 50, "hold": "10m", "analysis": ["errors", "latency"]},
                        {"approval": true},
                    ],
                    "smokeTest": {
                        "requestFrom": {"configMapRef": {"name": "smoke", "key": "request.json"}},
                        "expect": {"status": 200, "jsonPath": "$[0]", "value": "no"},
                    },
                    "benchmark": {
                        "dataset": "bank-holdout", "targetColumn": "y", "sample": 500,
                        "metrics": [{"name": "accuracy", "maxRegression": "0.01"}],
                    },
                    "analysis": [
                        {"name": "errors", "azureMonitor": {"errorRatio": "5xx"}, "max": "0.01", "window": "1m", "minRequests": 100, "initialDelay": "3m"},
                        {"name": "latency", "azureMonitor": {"metric": "RequestLatency_P95"}, "max": "500", "maxRegressionPercent": "20"},
                        {"name": "custom", "prometheus": {"address": "https://prometheus.example.org", "query": "up"}, "min": "1"},
                    ],
                    "onFailure": "RollBack",
                    "progressDeadline": "1h",
                    "bake": "24h",
                    "revisionHistory": 3,
                },
                "outputs": {
                    "secret": {"name": "bank-prod", "rotationGrace": "24h"},
                    "swagger": {"configMap": {"name": "bank-prod-swagger"}},
                },
            }),
        ),
        (
            "AmlEndpoint",
            json!({
                "workspaceRef": {"name": "ml-ops"},
                "authMode": "AADToken",
                "model": {"id": "azureml:bank:3"},
                "deployment": {"instanceType": "Standard_DS3_v2", "instanceCount": 3},
            }),
        ),
    ]
}

pub fn refused() -> Vec<Refused> {
    let mut cases = vec![
        refused_name("AmlEndpoint", "bank.prod", "metadata.name can't be the endpoint's name in Azure"),
        refused_name("AmlEndpoint", "1bank", "a letter first and no - last: write that name in spec.azureName"),
        refused_name("AmlEndpoint", "an-endpoint-with-a-name-that-is-too-long", "3 to 32 letters"),
    ];
    cases.extend(endpoints());
    cases.extend(rollouts());
    cases.extend(analyses());
    cases
}

fn endpoints() -> Vec<Refused> {
    let endpoint = |what, change, message| refused_spec("AmlEndpoint", what, change, message);
    let deployment =
        |what, change: Value, message| refused_spec("AmlEndpoint", what, json!({"deployment": change}), message);
    vec![
        endpoint(
            "an underscore in azureName",
            json!({"azureName": "bank_prod"}),
            "the endpoint's name in Azure has 3 to 32 letters",
        ),
        endpoint("two models", json!({"model": {"id": "azureml:bank:3"}}), "write one of ref (an AmlModel) and id"),
        endpoint("no model", json!({"model": {"ref": null}}), "write one of ref (an AmlModel) and id"),
        endpoint(
            "a model without version",
            json!({"model": {"ref": null, "id": "azureml:bank"}}),
            "e.g. azureml:bank:3",
        ),
        endpoint("an unknown authentication", json!({"authMode": "key"}), "supported values: \"Key\""),
        endpoint(
            "keys of an endpoint that has none",
            json!({"authMode": "AADToken", "outputs": {"secret": {"name": "a"}}}),
            "which only authMode: Key has",
        ),
        endpoint("an archived endpoint", json!({"deletionPolicy": "Archive"}), "an endpoint can't be archived"),
        deployment(
            "a count and a range",
            json!({"instanceCount": 2, "autoscale": autoscale(1, 2)}),
            "write instanceCount or autoscale, not both",
        ),
        deployment("a range upside down", json!({"autoscale": autoscale(4, 2)}), "must be in this order"),
        deployment("no machines", json!({"instanceCount": 0}), "should be greater than or equal to 1"),
        deployment(
            "more machines than Azure gives",
            json!({"instanceCount": 51}),
            "should be less than or equal to 50",
        ),
        deployment(
            "code without environment",
            json!({"code": {"url": "https://example.org/a.zip", "scoringScript": "score.py"}}),
            "scoring code needs the environment",
        ),
        deployment("an environment by its bare name", json!({"environment": "sklearn"}), "spec.deployment.environment"),
        deployment(
            "a variable twice",
            json!({"environmentVariables": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}),
            "Duplicate value",
        ),
        deployment(
            "a time-out as a number",
            json!({"requestSettings": {"requestTimeout": 30}}),
            "must be of type string",
        ),
        deployment(
            "a sample of more than all",
            json!({"dataCollector": {"collections": [{"name": "request", "samplingRate": "1.5"}]}}),
            "samplingRate",
        ),
    ]
}

fn autoscale(least: i32, most: i32) -> Value {
    let rule = json!({"metric": "Cpu", "operator": "GreaterThan", "threshold": "70", "window": "5m", "change": 1});
    json!({"minInstances": least, "maxInstances": most, "rules": [rule]})
}

fn rollouts() -> Vec<Refused> {
    let steps =
        |what, steps: Value, message| refused_spec("AmlEndpoint", what, json!({"rollout": {"steps": steps}}), message);
    let one = "write exactly one of mirror, weight and approval in a step";
    let many: Vec<Value> = (1..22).map(|weight| json!({"weight": weight})).collect();
    vec![
        steps("a step that does nothing", json!([{"hold": "1m"}]), one),
        steps("a step that does two things", json!([{"mirror": 10, "weight": 10}]), one),
        steps("weights that fall", json!([{"weight": 50}, {"weight": 10}]), "weights must rise from step to step"),
        steps("weights that stay", json!([{"weight": 50}, {"weight": 50}]), "weights must rise from step to step"),
        steps(
            "a mirror after live traffic",
            json!([{"weight": 10}, {"approval": true}, {"mirror": 10}]),
            "mirror steps come before any weight",
        ),
        steps("more mirrored than Azure mirrors", json!([{"mirror": 60}]), "should be less than or equal to 50"),
        steps("more than all traffic", json!([{"weight": 101}]), "should be less than or equal to 100"),
        steps(
            "an approval that holds",
            json!([{"approval": true, "hold": "1m"}]),
            "an approval step waits for a person",
        ),
        steps("an approval that is none", json!([{"approval": false}]), "write approval: true, or leave the step out"),
        steps(
            "an analysis that is not there",
            json!([{"weight": 10, "analysis": ["errors"]}]),
            "a step names an analysis that is not in rollout.analysis",
        ),
        steps("too many steps", json!(many), "must have at most 20 items"),
        refused_spec(
            "AmlEndpoint",
            "an unknown answer to failure",
            json!({"rollout": {"onFailure": "Ignore"}}),
            "supported values: \"RollBack\", \"Pause\"",
        ),
        refused_spec("AmlEndpoint", "a bake of a day in days", json!({"rollout": {"bake": "1d"}}), "spec.rollout.bake"),
        refused_spec(
            "AmlEndpoint",
            "a value without a path",
            json!({"rollout": {"smokeTest": {"requestFrom": {"configMapRef": {"name": "a", "key": "b"}}, "expect": {"value": "no"}}}}),
            "write jsonPath too",
        ),
    ]
}

fn analyses() -> Vec<Refused> {
    let analysis = |what, analysis: Value, message| {
        refused_spec("AmlEndpoint", what, json!({"rollout": {"analysis": [analysis]}}), message)
    };
    let one = "write exactly one of azureMonitor, appInsights and prometheus in an analysis";
    vec![
        analysis("an analysis of nothing", json!({"name": "a", "max": "1"}), one),
        analysis(
            "an analysis of two things",
            json!({"name": "a", "max": "1", "azureMonitor": {"metric": "X"}, "appInsights": {"query": "y"}}),
            one,
        ),
        analysis(
            "an analysis without bound",
            json!({"name": "a", "azureMonitor": {"errorRatio": "5xx"}}),
            "write at least one of min, max",
        ),
        analysis(
            "a metric and a ratio",
            json!({"name": "a", "max": "1", "azureMonitor": {"metric": "X", "errorRatio": "5xx"}}),
            "write one of metric and errorRatio",
        ),
        analysis(
            "an unknown class of errors",
            json!({"name": "a", "max": "1", "azureMonitor": {"errorRatio": "500"}}),
            "supported values: \"5xx\"",
        ),
        analysis(
            "a regression that helps",
            json!({"name": "a", "maxRegression": "-1", "azureMonitor": {"errorRatio": "5xx"}}),
            "maxRegression",
        ),
        analysis(
            "an analysis with a capital",
            json!({"name": "Errors", "max": "1", "azureMonitor": {"errorRatio": "5xx"}}),
            "spec.rollout.analysis[0].name",
        ),
    ]
}
