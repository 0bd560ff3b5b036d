//! Paths, headers and operations over HTTP, behind a gate that lets one principal in.

use super::bench::{Bench, WORKSPACE, rows};
use super::http::{Gate, Incoming, Routes};
use crate::online::OperationEnd;
use crate::online::rules::Refusal;
use crate::online::scoring::Trouble;
use axum::http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

#[derive(Default)]
struct Doorman(Mutex<BTreeMap<String, Option<OperationEnd>>>);

impl Gate for Doorman {
    fn admit(&self, headers: &HeaderMap, _: &str, _: &str) -> Result<String, Refusal> {
        match headers.get("authorization").is_some_and(|value| value == "Bearer good") {
            true => Ok("someone".into()),
            false => Err(Refusal { status: 401, code: "AuthenticationFailed", message: "no token".into() }),
        }
    }
    fn begin(&self, _: &str, operation: &str, _: &Incoming) {
        self.0.lock().unwrap().insert(operation.into(), None);
    }
    fn end(&self, operation: &str, end: OperationEnd) {
        self.0.lock().unwrap().insert(operation.into(), Some(end));
    }
    fn operation_path(&self, _: &str, operation: &str, result: bool) -> String {
        format!("/{}/{operation}", if result { "mfeOperationResults" } else { "mfeOperationsStatus" })
    }
    fn workspace_of_logs(&self, id: &str) -> Option<String> {
        (id == "app").then(|| WORKSPACE.into())
    }
    fn trouble(&self, _: &str, _: &str) -> Trouble {
        Trouble::default()
    }
}

struct Client {
    bench: Bench,
    gate: Arc<Doorman>,
    routes: Routes,
}

impl Client {
    fn new() -> Self {
        let (bench, gate) = (Bench::new(), Arc::new(Doorman::default()));
        let routes = Routes { plane: bench.plane.clone(), gate: Arc::clone(&gate) as Arc<dyn Gate> };
        Self { bench, gate, routes }
    }

    async fn send(&self, method: &str, path: &str, token: &str, body: &Value) -> (u16, HeaderMap, Value) {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let query = if query.contains("api-version") { query.to_owned() } else { format!("api-version=x&{query}") };
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
        let incoming = Incoming {
            method: method.into(),
            path: path.into(),
            query,
            headers,
            body: if body.is_null() { Vec::new() } else { body.to_string().into_bytes() },
            base: "https://127.0.0.1:1".into(),
            ..Incoming::default()
        };
        let response = self.routes.answer(&incoming).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        (parts.status.as_u16(), parts.headers, body)
    }
}

#[tokio::test]
async fn paths_of_any_case_lead_to_the_resources() {
    let client = Client::new();
    let arm = WORKSPACE.replace("resourcegroups", "resourceGroups").replace("microsoft", "Microsoft");
    let (status, _, body) = client.send("GET", &format!("{arm}/jobs?api-version=x"), "good", &Value::Null).await;
    assert_eq!((status, body), (200, json!({"value": []})));
    let (status, _, body) = client.send("GET", &format!("{arm}/onlineendpoints/none"), "good", &Value::Null).await;
    assert_eq!((status, &body["error"]["code"]), (404, &json!("ResourceNotFound")));
    let (status, _, _) = client.send("GET", &format!("{arm}/jobs"), "bad", &Value::Null).await;
    assert_eq!(status, 401);
    let mlflow = format!("/mlflow/v2.0{arm}/api/2.0/mlflow/runs/get?run_id=none");
    assert_eq!(client.send("GET", &mlflow, "good", &Value::Null).await.2["error_code"], "RESOURCE_DOES_NOT_EXIST");
    let (_, _, discovery) = client.send("GET", "/discovery", "", &Value::Null).await;
    assert_eq!(discovery["history"], "https://127.0.0.1:1");
    let (status, _, _) = client.send("POST", "/endpoints/westeurope/none/score", "good", &Value::Null).await;
    assert_eq!(status, 404);
    let (status, _, found) = client
        .send("POST", "/applicationinsights/v1/apps/app/query", "good", &json!({"query": "traces | count"}))
        .await;
    assert_eq!((status, &found["tables"][0]["rows"]), (200, &json!([[0]])));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_is_told_where_its_headers_point() {
    let client = Client::new();
    let path = format!("{WORKSPACE}/onlineEndpoints/bank");
    let body = json!({"location": "westeurope", "properties": {"authMode": "key"}});
    let (status, headers, body) = client.send("PUT", &path, "good", &body).await;
    assert_eq!((status, &body["properties"]["provisioningState"]), (201, &json!("Creating")));
    let address = headers["azure-asyncoperation"].to_str().unwrap().to_owned();
    let operation = address.rsplit('/').next().unwrap();
    assert!(operation.starts_with("oeidp:"));
    let limit = Instant::now() + Duration::from_secs(10);
    while client.gate.0.lock().unwrap()[operation].is_none() {
        assert!(Instant::now() < limit);
        tokio::task::yield_now().await;
    }
    let (_, _, body) = client.send("GET", &path, "good", &Value::Null).await;
    assert_eq!(body["properties"]["provisioningState"], "Succeeded");
    assert_eq!(body["properties"]["scoringUri"], "https://127.0.0.1:1/endpoints/westeurope/bank/score");
}

#[tokio::test]
async fn many_jobs_leave_the_runtime_free() {
    let client = Client::new();
    client.bench.table("bank", rows(60));
    let job = json!({"properties": {"jobType": "AutoML", "taskDetails": {
        "taskType": "Classification", "targetColumnName": "absent", "trainingData": {"jobInputType": "mltable", "uri": "azureml:bank:1"},
    }}});
    let begun = Instant::now();
    for n in 0..50 {
        assert_eq!(client.send("PUT", &format!("{WORKSPACE}/jobs/j{n}"), "good", &job).await.0, 201);
    }
    for n in 0..50 {
        client.bench.ended(&format!("j{n}")).await;
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    let (_, _, page) = client.send("GET", &format!("{WORKSPACE}/jobs?$top=20"), "good", &Value::Null).await;
    assert_eq!(page["value"].as_array().unwrap().len(), 20);
    let next = page["nextLink"].as_str().unwrap().trim_start_matches("https://127.0.0.1:1").to_owned();
    assert_eq!(client.send("GET", &next, "good", &Value::Null).await.2["value"][0]["name"], "j29");
}
