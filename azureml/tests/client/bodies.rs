//! What is sent, beside what Azure's own client sends for the same (recordings/).

use crate::support::{Reply, Server, token_or};
use azureml::resources::batch::{BatchDeployment, BatchEndpoint};
use azureml::resources::components::ComponentVersion;
use azureml::resources::computes::{AmlComputeProperties, Compute, ComputeProperties, ScaleSettings};
use azureml::resources::data::DataVersion;
use azureml::resources::environments::EnvironmentVersion;
use azureml::resources::jobs::Job;
use azureml::resources::models::ModelVersion;
use azureml::resources::online::{KeyName, OnlineDeployment, OnlineEndpoint};
use azureml::resources::schedules::Schedule;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

struct Recorded {
    method: String,
    path: String,
    query: Value,
    body: Value,
}

fn recorded(name: &str) -> Vec<Recorded> {
    let path = format!("{}/tests/recordings/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let requests = file["requests"].as_array().unwrap().iter();
    requests
        .map(|request| Recorded {
            method: request["method"].as_str().unwrap().into(),
            path: request["path"].as_str().unwrap().into(),
            query: request["query"].clone(),
            body: request["body"].clone(),
        })
        .collect()
}

fn body_of(name: &str, kind: &str) -> Value {
    recorded(name).into_iter().find(|request| request.method == "PUT" && request.path.contains(kind)).unwrap().body
}

/// Every field of `part` is in `whole`, with the same value.
fn assert_within(part: &Value, whole: &Value, at: &str) {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => {
            for (name, value) in part {
                assert_within(value, whole.get(name).unwrap_or(&Value::Null), &format!("{at}.{name}"));
            }
        }
        (part, whole) => assert_eq!(part, whole, "{at}"),
    }
}

fn survives<T: Serialize + DeserializeOwned>(name: &str, kind: &str) {
    let body = body_of(name, kind);
    let typed: T = serde_json::from_value(body.clone()).unwrap();
    assert_within(&body, &serde_json::to_value(&typed).unwrap(), name);
    let mut with_news = body;
    with_news["properties"]["fieldOfTomorrow"] = json!({"a": [1, 2]});
    let typed: T = serde_json::from_value(with_news.clone()).unwrap();
    assert_within(&with_news, &serde_json::to_value(&typed).unwrap(), name);
}

#[test]
fn reading_and_writing_back_loses_nothing() {
    survives::<Compute>("compute-create", "/computes/");
    survives::<DataVersion>("data-mltable-datastore-path", "/data/");
    survives::<DataVersion>("data-get-list-archive", "/data/");
    survives::<ModelVersion>("model-register-from-job", "/models/");
    survives::<OnlineEndpoint>("online-endpoint-create", "/onlineEndpoints/");
    survives::<OnlineEndpoint>("online-endpoint-traffic", "/onlineEndpoints/");
    survives::<OnlineDeployment>("online-deployment-create", "/deployments/");
    survives::<Job>("pipeline-automl-node", "/jobs/");
    survives::<ComponentVersion>("pipeline-automl-node", "/components/");
    survives::<Schedule>("schedule-cron", "/schedules/");
    survives::<Schedule>("schedule-recurrence", "/schedules/");
    survives::<BatchEndpoint>("batch-endpoint-create", "/batchEndpoints/");
    survives::<BatchDeployment>("batch-deployment-pipeline-component", "/deployments/");
    survives::<EnvironmentVersion>("environment", "/environments/");
}

#[test]
fn nulls_are_read_as_absent() {
    let endpoint: OnlineEndpoint = serde_json::from_value(json!({
        "location": "eastus", "tags": null,
        "properties": {"authMode": "Key", "traffic": null, "mirrorTraffic": null, "description": null, "keys": null, "properties": null},
    }))
    .unwrap();
    assert!(endpoint.tags.is_empty() && endpoint.properties.traffic.is_empty());
    let written = serde_json::to_value(endpoint.writable()).unwrap();
    assert_eq!(written["properties"].get("keys"), None, "keys are never sent");
    assert_eq!(written["properties"].get("description"), None);
}

#[test]
fn what_is_read_only_is_not_written_back() {
    let endpoint: OnlineEndpoint = serde_json::from_value(json!({
        "id": "i", "name": "e", "type": "t", "systemData": {"createdBy": "x"}, "location": "eastus", "kind": "Managed",
        "identity": {"type": "SystemAssigned"}, "sku": {"name": "Default"},
        "properties": {"authMode": "Key", "scoringUri": "https://s", "swaggerUri": "https://w", "provisioningState": "Succeeded",
                       "properties": {"createdBy": "x"}, "traffic": {"blue": 100}},
    }))
    .unwrap();
    assert_eq!(
        serde_json::to_value(endpoint.writable()).unwrap(),
        json!({
            "location": "eastus", "tags": {}, "identity": {"type": "SystemAssigned"}, "kind": "Managed", "sku": {"name": "Default"},
            "properties": {"authMode": "Key", "traffic": {"blue": 100}, "mirrorTraffic": {}, "properties": {"createdBy": "x"}},
        })
    );
}

async fn server() -> Server {
    Server::start(|asked, _| {
        token_or(asked, || match asked.path.rsplit('/').next().unwrap() {
            "listKeys" => Reply::Json(200, json!({"primaryKey": "p", "secondaryKey": "s"})),
            "getLogs" => Reply::Json(200, json!({"content": "line"})),
            "jobs" => Reply::Json(201, json!({"id": "i", "name": "batch-job"})),
            _ => Reply::Json(200, json!({"id": "i", "properties": {}})),
        })
    })
    .await
}

/// The last request is the recorded one: same method, path and body (the api-version is ours).
fn assert_same(server: &Server, recorded: &Recorded) {
    let asked = server.asked().pop().unwrap();
    assert_eq!(
        (asked.method.as_str(), asked.path.to_lowercase()),
        (recorded.method.as_str(), recorded.path.to_lowercase())
    );
    if recorded.body.is_null() {
        assert!(asked.body.is_empty());
    } else {
        assert_within(&recorded.body, &asked.json(), &recorded.path);
    }
    let others = recorded.query.as_object().unwrap().iter().filter(|(name, _)| *name != "api-version");
    for (name, value) in others {
        assert_eq!(asked.query.get(name).map(String::as_str), value.as_str(), "{name}");
    }
}

#[tokio::test]
async fn calls_are_the_ones_that_azure_s_own_client_makes() {
    let server = server().await;
    let workspace = server.workspace();

    let compute = &recorded("compute-create")[0];
    let body = Compute {
        location: "eastus".into(),
        properties: ComputeProperties {
            compute_type: "AmlCompute".into(),
            properties: AmlComputeProperties {
                vm_size: "STANDARD_DS3_v2".into(),
                vm_priority: "Dedicated".into(),
                scale_settings: Some(ScaleSettings { min_node_count: 0, max_node_count: 2, node_idle_time_before_scale_down: "PT2M".into() }),
                extra: json!({"osType": "Linux", "remoteLoginPortPublicAccess": "NotSpecified", "enableNodePublicIp": true}).as_object().unwrap().clone(),
                ..Default::default()
            },
            extra: json!({"disableLocalAuth": true}).as_object().unwrap().clone(),
            ..Default::default()
        },
        ..Default::default()
    };
    workspace.put_compute("cpu2", &body).await.unwrap();
    assert_same(&server, compute);

    let traffic = recorded("online-endpoint-traffic").into_iter().find(|request| request.method == "PUT").unwrap();
    let endpoint: OnlineEndpoint = serde_json::from_value(traffic.body.clone()).unwrap();
    workspace.put_online_endpoint("ep1", &endpoint.writable()).await.unwrap();
    assert_same(&server, &traffic);

    let deployment = &recorded("online-deployment-create")[0];
    let body: OnlineDeployment = serde_json::from_value(deployment.body.clone()).unwrap();
    workspace.put_online_deployment("ep1", "blue", &body).await.unwrap();
    assert_same(&server, deployment);

    workspace.online_endpoint_keys("ep1").await.unwrap();
    assert_same(&server, &recorded("online-endpoint-keys")[0]);
    workspace.regenerate_online_endpoint_key("ep1", KeyName::Primary).await.unwrap();
    assert_eq!(server.asked().pop().unwrap().json(), json!({"keyType": "Primary"}));

    assert_eq!(workspace.online_deployment_logs("ep1", "blue", 50).await.unwrap(), "line");
    assert_same(&server, &recorded("online-deployment-logs")[0]);

    let pipeline =
        recorded("pipeline-automl-node").into_iter().find(|request| request.path.contains("/jobs/")).unwrap();
    let job: Job = serde_json::from_value(pipeline.body.clone()).unwrap();
    workspace.submit_pipeline("pipe1", &job).await.unwrap();
    assert_same(&server, &pipeline);

    let invoke = &recorded("batch-endpoint-invoke").into_iter().find(|request| request.method == "POST").unwrap();
    let uri = format!("{}{}", server.cloud.resource_manager, invoke.path);
    let invoked = workspace.invoke_batch(&uri, Some("pd"), invoke.body.clone()).await.unwrap();
    assert_eq!(invoked.name, "batch-job");
    assert_same(&server, invoke);
    let asked = server.asked().pop().unwrap();
    assert_eq!(asked.headers["authorization"], "Bearer token-for-https://ml.azure.com/.default");
    assert_eq!(asked.headers["azureml-model-deployment"], "pd");
}

#[tokio::test]
async fn a_compute_is_deleted_with_its_machines() {
    let server = server().await;
    server.workspace().delete_compute("cpu").await.unwrap();
    assert_eq!(server.asked()[0].query["underlyingResourceAction"], "Delete");
}
