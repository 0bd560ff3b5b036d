//! The flow from a pipeline job to a prediction, and what is refused on the way.

use super::bench::{Bench, WORKSPACE, call, rows};
use crate::online::Fate;
use crate::online::scoring::{Asked, Trouble};
use serde_json::{Value, json};

fn pipeline(target: &str) -> Value {
    json!({"properties": {
        "jobType": "Pipeline", "experimentName": "exp",
        "settings": {"default_compute": format!("{WORKSPACE}/computes/cpu")},
        "inputs": {"train": {"jobInputType": "mltable", "uri": format!("{WORKSPACE}/data/bank/versions/1")}},
        "outputs": {"m": {"jobOutputType": "mlflow_model"}},
        "jobs": {"n": {
            "type": "automl", "task": "classification", "primary_metric": "auc_weighted", "target_column_name": target,
            "training_data": "${{parent.inputs.train}}", "limits": {"max_trials": 3, "timeout_minutes": 5},
            "training": {"allowed_training_algorithms": ["logistic_regression", "decision_tree"]},
            "outputs": {"best_model": {"type": "literal", "value": "${{parent.outputs.m}}"}},
        }},
    }})
}

fn deployment(model: &str) -> Value {
    json!({"location": "westeurope", "sku": {"name": "Default", "capacity": 1}, "properties": {
        "endpointComputeType": "Managed", "model": format!("{WORKSPACE}/models/{model}"),
        "instanceType": "Standard_DS3_v2", "appInsightsEnabled": true,
    }})
}

fn endpoint(traffic: &Value) -> Value {
    json!({"location": "westeurope", "properties": {"authMode": "Key", "traffic": traffic}})
}

/// A workspace with a pipeline that ran; gives the run of the AutoML step's best trial.
async fn trained(bench: &Bench) -> String {
    bench.table("bank", rows(120));
    let reply = bench.arm("PUT", "jobs/p1", pipeline("y"));
    assert_eq!((reply.status, &reply.body["properties"]["status"]), (201, &json!("NotStarted")), "{}", reply.body);
    let job = bench.ended("p1").await;
    assert_eq!(job["properties"]["status"], "Completed", "{job}");
    let mut back = job;
    back["properties"]["tags"]["owner"] = json!("someone");
    let put = bench.arm("PUT", "jobs/p1", back);
    assert_eq!((put.status, &put.body["properties"]["tags"]["owner"]), (200, &json!("someone")), "{}", put.body);
    let children = bench.plane.history(&call("GET", "runs/p1/children", Value::Null)).body;
    let step = &children["value"][0];
    assert_eq!(step["properties"]["azureml.moduleName"], "n");
    step["tags"]["automl_best_child_run_id"].as_str().unwrap().to_owned()
}

async fn score(bench: &Bench, key: &str, deployment: Option<&str>) -> crate::online::scoring::Answered {
    let body =
        json!({"input_data": {"columns": ["age", "job"], "index": [0, 1], "data": [[69, "admin"], [21, "smith"]]}});
    let asked = Asked {
        bearer: Some(key.into()),
        deployment: deployment.map(str::to_owned),
        request_id: "r1".into(),
        body: body.to_string().into_bytes(),
        ..Asked::default()
    };
    bench.plane.online.score(WORKSPACE, "bank", asked, |_| Trouble::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_pipeline_to_a_prediction() {
    let bench = Bench::new();
    let best = trained(&bench).await;
    let run = bench.plane.mlflow(&call("GET", &format!("runs/get?run_id={best}"), Value::Null)).body;
    let metrics = run["run"]["data"]["metrics"].as_array().unwrap();
    let auc = metrics.iter().find(|metric| metric["key"] == "AUC_weighted").unwrap()["value"].as_f64().unwrap();
    assert!(auc > 0.8 && auc <= 1.0, "{auc}");

    bench.model("bank", "1", &format!("azureml://jobs/{best}/outputs/artifacts/paths/outputs/mlflow-model/"));
    assert_eq!(bench.arm("PUT", "onlineEndpoints/bank", endpoint(&json!({}))).status, 201);
    let made = bench.held("PUT", "onlineEndpoints/bank/deployments/blue", deployment("bank/versions/1"));
    assert_eq!((made.status, &made.body["properties"]["provisioningState"]), (201, &json!("Creating")));
    let busy = bench.held("PUT", "onlineEndpoints/bank/deployments/green", deployment("bank/versions/1"));
    assert_eq!(busy.status, 409);
    assert_eq!((made.begun.unwrap().work)(Fate::Proceed), Ok(()));

    let key =
        bench.arm("POST", "onlineEndpoints/bank/listKeys", Value::Null).body["primaryKey"].as_str().unwrap().to_owned();
    assert_eq!(score(&bench, "wrong", None).await.status, 401);
    assert_eq!(score(&bench, &key, None).await.status, 404);
    assert_eq!(score(&bench, &key, Some("blue")).await.status, 200);
    assert_eq!(bench.arm("PUT", "onlineEndpoints/bank", endpoint(&json!({"blue": 90}))).status, 400);
    assert_eq!(bench.arm("PUT", "onlineEndpoints/bank", endpoint(&json!({"blue": 100}))).status, 200);
    let answered = score(&bench, &key, None).await;
    assert_eq!(answered.body, json!(["yes", "no"]));
    assert!(answered.headers.contains(&("azureml-model-deployment", "blue".into())));
    assert_eq!(bench.arm("DELETE", "onlineEndpoints/bank/deployments/blue", Value::Null).status, 400);

    let asked = Asked { bearer: Some(key), ..Asked::default() };
    let swagger = bench.plane.online.swagger(WORKSPACE, "bank", &asked, "127.0.0.1:1").body;
    assert_eq!(swagger["definitions"]["Row"]["required"], json!(["age", "job"]));
    let logs = bench.arm("POST", "onlineEndpoints/bank/deployments/blue/getLogs", json!({"tail": 1})).body;
    assert!(logs["content"].as_str().unwrap().contains("POST /score HTTP/1.1 200"), "{logs}");
    let query = json!({"query": "requests | where resultCode == '200' | summarize n = count() by cloud_RoleName", "timespan": "PT1H"});
    let found = bench.plane.query(WORKSPACE, &query).body;
    assert_eq!(found["tables"][0]["rows"], json!([["blue", 2]]));
    assert_eq!(bench.arm("DELETE", "onlineEndpoints/bank", Value::Null).status, 202);
    assert_eq!(bench.arm("GET", "onlineEndpoints/bank", Value::Null).status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_fails_says_why_where_clients_look() {
    let bench = Bench::new();
    bench.table("bank", rows(60));
    assert_eq!(bench.arm("PUT", "jobs/p1", pipeline("nothing")).status, 201);
    assert_eq!(bench.ended("p1").await["properties"]["status"], "Failed");
    let run = bench.plane.history(&call("GET", "runs/p1/details", Value::Null)).body;
    let message = run["error"]["error"]["message"].as_str().unwrap();
    assert!(message.contains("nothing") && message.contains("/n"), "{message}");
    let missing = json!({"properties": {"jobType": "AutoML", "taskDetails": {
        "taskType": "Classification", "targetColumnName": "y", "trainingData": {"jobInputType": "mltable", "uri": "azureml:none:1"},
    }}});
    assert_eq!(bench.arm("PUT", "jobs/a1", missing).status, 201);
    bench.ended("a1").await;
    let run = bench.plane.history(&call("GET", "runs/a1", Value::Null)).body;
    assert_eq!(run["error"]["error"]["code"], "UserError");
    assert!(run["error"]["error"]["message"].as_str().unwrap().contains("none:1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_azure_refuses_is_refused() {
    let bench = Bench::new();
    bench.table("bank", rows(60));
    let mut job = pipeline("y");
    job["properties"]["settings"]["default_compute"] = json!(format!("{WORKSPACE}/computes/none"));
    assert_eq!(bench.arm("PUT", "jobs/p1", job).status, 400);
    assert_eq!(bench.arm("PUT", "jobs/p2", pipeline("y")).status, 201);
    assert_eq!(bench.arm("PUT", "jobs/p2", pipeline("y")).status, 200);
    assert_eq!(bench.arm("PUT", "jobs/p2", pipeline("age")).status, 409);
    bench.ended("p2").await;
    assert_eq!(bench.arm("PUT", "onlineEndpoints/x", endpoint(&json!({}))).status, 400);
    assert_eq!(bench.arm("PUT", "onlineEndpoints/bank", endpoint(&json!({"blue": 100}))).status, 400);
    assert_eq!(bench.arm("PUT", "onlineEndpoints/bank", endpoint(&json!({}))).status, 201);
    let without = bench.arm("PUT", "onlineEndpoints/bank/deployments/blue", deployment("none/versions/1"));
    assert_eq!(without.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_run_and_can_be_canceled() {
    let bench = Bench::new();
    let job = |command: &str| {
        json!({"properties": {"jobType": "Command", "command": command, "environmentId": "azureml:e:1",
            "inputs": {"word": {"jobInputType": "literal", "value": "hello"}}, "outputs": {"out": {"jobOutputType": "uri_folder"}}}})
    };
    bench.arm("PUT", "jobs/c1", job("echo ${{inputs.word}} > ${{outputs.out}}/x.txt"));
    assert_eq!(bench.ended("c1").await["properties"]["status"], "Completed");
    let place = bench.plane.jobs.resolve(WORKSPACE, "azureml://jobs/c1/outputs/out/paths/x.txt").unwrap().place;
    assert_eq!(bench.plane.jobs.ground().read(&place).unwrap(), b"hello\n");
    bench.arm("PUT", "jobs/c2", job("echo first; echo broken >&2; exit 3"));
    assert_eq!(bench.ended("c2").await["properties"]["status"], "Failed");
    let details = bench.plane.history(&call("GET", "runs/c2/details", Value::Null)).body;
    let message = details["error"]["error"]["message"].as_str().unwrap();
    assert!(message.contains("status code 3") && message.ends_with("first\nbroken"), "{message}");
    assert!(details["logFiles"]["user_logs/std_log.txt"].is_string(), "{details}");
    let log = bench.plane.jobs.resolve(WORKSPACE, "azureml://jobs/c2/outputs/artifacts/user_logs/std_log.txt").unwrap();
    assert_eq!(bench.plane.jobs.ground().read(&log.place).unwrap(), b"first\nbroken\n");
    // Code lies in the folder in which the command runs; without its environment nothing does.
    bench.code("lib/x.sh", "echo from code > $1/y");
    let mut coded = job("sh lib/x.sh ${{outputs.out}}");
    coded["properties"]["codeId"] = json!(format!("{WORKSPACE}/codes/code/versions/1"));
    bench.arm("PUT", "jobs/c4", coded);
    assert_eq!(bench.ended("c4").await["properties"]["status"], "Completed");
    let mut without = job("true");
    without["properties"]["environmentId"] = json!(format!("{WORKSPACE}/environments/none/versions/1"));
    bench.arm("PUT", "jobs/c5", without);
    assert_eq!(bench.ended("c5").await["properties"]["status"], "Failed");
    bench.arm("PUT", "jobs/c3", job("sleep 60"));
    assert_eq!(bench.arm("POST", "jobs/c3/cancel", Value::Null).status, 200);
    assert_eq!(bench.ended("c3").await["properties"]["status"], "Canceled");
}

#[test]
fn operations_fail_and_are_reverted_on_purpose() {
    let bench = Bench::new();
    let fail = || Fate::Fail { code: "OutOfQuota".into(), message: "no cores left".into() };
    let made = bench.held("PUT", "onlineEndpoints/bank", endpoint(&json!({})));
    assert_eq!((made.begun.unwrap().work)(fail()), Err(("OutOfQuota".into(), "no cores left".into())));
    let shown = bench.arm("GET", "onlineEndpoints/bank", Value::Null).body;
    assert_eq!(shown["properties"]["provisioningState"], "Failed");
    bench.model("bank", "1", "azureml://datastores/workspaceblobstore/paths/none");
    assert_eq!(bench.held("PUT", "onlineEndpoints/bank/deployments/blue", deployment("bank/versions/1")).status, 409);
    assert_eq!(bench.arm("PUT", "onlineEndpoints/bank", endpoint(&json!({}))).status, 200);

    let broken = bench.arm("PUT", "onlineEndpoints/bank/deployments/blue", deployment("bank/versions/1"));
    assert_eq!(broken.body["operation"]["code"], "ResourceNotReady");
    let traffic = bench.held("PUT", "onlineEndpoints/bank", endpoint(&json!({"blue": 100})));
    assert_eq!((traffic.begun.unwrap().work)(Fate::Revert), Ok(()));
    let shown = bench.arm("GET", "onlineEndpoints/bank", Value::Null).body;
    assert_eq!(
        (&shown["properties"]["traffic"], &shown["properties"]["provisioningState"]),
        (&json!({}), &json!("Succeeded"))
    );
    assert_eq!(bench.arm("DELETE", "onlineEndpoints/bank/deployments/blue", Value::Null).status, 202);
    assert_eq!(bench.arm("GET", "onlineEndpoints/bank/deployments/blue", Value::Null).status, 404);
}
