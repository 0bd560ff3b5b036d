//! From a token to predictions and their log lines.

use crate::client::{Emulator, WORKSPACE, Workspace, compute, pipeline, rows};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn from_a_token_to_a_prediction_and_its_log_lines() {
    let emulator = Emulator::start().await;
    let workspace = emulator.workspace().await;
    assert_eq!(workspace.put("computes/cpu", compute()).await["status"], "Succeeded");
    workspace.register("bank", rows(150)).await;
    trained(&workspace).await;
    let best = best_child(&workspace).await;
    registered(&workspace, &best).await;
    served(&workspace).await;
}

async fn trained(workspace: &Workspace<'_>) {
    let put = workspace.arm(Method::PUT, "jobs/p1", pipeline("bank")).await;
    assert_eq!((put.status, &put.body["properties"]["status"]), (201, &json!("NotStarted")), "{}", put.body);
    let job = workspace.job("p1").await;
    assert_eq!(job["properties"]["status"], "Completed", "{job}");
    let listed = workspace.get("jobs?tag=owner%3Dtest&listViewType=All").await;
    assert_eq!(listed["value"][0]["name"], "p1");
    assert_eq!(workspace.get("jobs?tag=owner%3Dother").await["value"], json!([]));
}

/// The best trial of the step, by run history and MLflow.
async fn best_child(workspace: &Workspace<'_>) -> String {
    let shown = workspace.get("").await;
    let discovery = shown["properties"]["discoveryUrl"].as_str().unwrap();
    let history = workspace.send(Method::GET, discovery, Value::Null).await.body["history"].clone();
    let runs = format!("{}/history/v1.0{WORKSPACE}/runs", history.as_str().unwrap());
    let steps = workspace.send(Method::GET, &format!("{runs}/p1/children"), Value::Null).await.body;
    let step = &steps["value"][0];
    assert_eq!(step["properties"]["azureml.moduleName"], "n");
    let id = step["runId"].as_str().unwrap();
    let trials = workspace.send(Method::GET, &format!("{runs}/{id}/children"), Value::Null).await.body;
    assert!(trials["value"].as_array().unwrap().len() >= 3, "{trials}");
    let best = step["tags"]["automl_best_child_run_id"].as_str().unwrap().to_owned();
    let url = format!("{}/mlflow/v2.0{WORKSPACE}/api/2.0/mlflow/runs/get?run_id={best}", workspace.emulator.url);
    let run = workspace.send(Method::GET, &url, Value::Null).await.body;
    let metrics = run["run"]["data"]["metrics"].as_array().unwrap();
    let auc = metrics.iter().find(|metric| metric["key"] == "AUC_weighted").unwrap()["value"].as_f64().unwrap();
    assert!(auc > 0.9 && auc <= 1.0, "{auc}");
    best
}

async fn registered(workspace: &Workspace<'_>, best: &str) {
    let model = |uri: String| json!({"properties": {"modelType": "mlflow_model", "modelUri": uri, "jobName": "p1"}});
    let uri = format!("azureml://jobs/{best}/outputs/artifacts/paths/outputs/mlflow-model/");
    let put = workspace.arm(Method::PUT, "models/bank/versions/1", model(uri)).await;
    let file = &put.body["properties"]["flavors"]["python_function"]["data"]["data"];
    assert_eq!((put.status, file), (201, &json!("model.json")), "{}", put.body);
    let output = model("azureml://jobs/p1/outputs/m".to_owned());
    assert_eq!(workspace.arm(Method::PUT, "models/bank/versions/2", output).await.status, 201);
    let nowhere = model("azureml://jobs/p1/outputs/none".to_owned());
    let refused = workspace.arm(Method::PUT, "models/bank/versions/3", nowhere).await;
    assert_eq!((refused.status, &refused.body["error"]["code"]), (400, &json!("UserError")));
    let container = workspace.get("models/bank").await;
    assert_eq!(container["properties"]["latestVersion"], "2");
    assert_eq!(container["properties"]["nextVersion"], "3");
    let newest = workspace.get("models/bank/versions?$orderBy=createdtime%20desc&$top=1").await;
    assert_eq!(newest["value"][0]["name"], "2");
    let next = workspace.send(Method::GET, newest["nextLink"].as_str().unwrap(), Value::Null).await;
    assert_eq!(next.body["value"][0]["name"], "1", "{}", next.body);
}

async fn served(workspace: &Workspace<'_>) {
    let endpoint = |traffic: Value| json!({"location": "westeurope", "identity": {"type": "SystemAssigned"}, "properties": {"authMode": "Key", "traffic": traffic}});
    assert_eq!(workspace.put("onlineEndpoints/bank", endpoint(json!({}))).await["status"], "Succeeded");
    let deployment = json!({"location": "westeurope", "sku": {"name": "Default", "capacity": 1}, "properties": {
        "endpointComputeType": "Managed", "model": format!("{WORKSPACE}/models/bank/versions/2"),
        "instanceType": "Standard_DS3_v2", "appInsightsEnabled": true,
    }});
    let ended = workspace.put("onlineEndpoints/bank/deployments/blue", deployment).await;
    assert_eq!(ended["status"], "Succeeded", "{ended}");
    assert_eq!(workspace.put("onlineEndpoints/bank", endpoint(json!({"blue": 100}))).await["status"], "Succeeded");

    let shown = workspace.get("onlineEndpoints/bank").await;
    let keys = workspace.arm(Method::POST, "onlineEndpoints/bank/listKeys", Value::Null).await.body;
    let key = keys["primaryKey"].as_str().unwrap();
    let body =
        json!({"input_data": {"columns": ["age", "job"], "index": [0, 1], "data": [[69, "admin"], [21, "smith"]]}});
    let http = &workspace.emulator.http;
    let score = http.post(shown["properties"]["scoringUri"].as_str().unwrap()).bearer_auth(key).json(&body);
    let response = score.send().await.unwrap();
    assert_eq!(response.headers()["azureml-model-deployment"], "blue");
    assert_eq!(response.json::<Value>().await.unwrap(), json!(["yes", "no"]));
    let swagger = http.get(shown["properties"]["swaggerUri"].as_str().unwrap()).bearer_auth(key).send().await.unwrap();
    let swagger: Value = swagger.json().await.unwrap();
    assert_eq!(swagger["definitions"]["Row"]["required"], json!(["age", "job"]));
    let logs = workspace.arm(Method::POST, "onlineEndpoints/bank/deployments/blue/getLogs", json!({"tail": 5})).await;
    assert!(logs.body["content"].as_str().unwrap().contains("POST /score"), "{}", logs.body);
    assert_eq!(queried(workspace).await, json!([["blue", "200", 1]]));
    let refused =
        http.post(shown["properties"]["scoringUri"].as_str().unwrap()).bearer_auth("wrong").json(&body).send();
    assert_eq!(refused.await.unwrap().status().as_u16(), 401);
    monitored(workspace).await;
    scaled(workspace).await;
}

/// What Application Insights knows of the requests.
async fn queried(workspace: &Workspace<'_>) -> Value {
    let shown = workspace.get("").await;
    let component = shown["properties"]["applicationInsights"].as_str().unwrap();
    let emulator = workspace.emulator;
    let role = json!({"scope": "/subscriptions/s1/resourceGroups/rg", "principalId": crate::client::OBJECT_ID, "role": "Reader"});
    emulator.control(Method::POST, "roleassignments", role).await;
    let url = format!("{}{component}?api-version=2020-02-02", emulator.url);
    let app = workspace.send(Method::GET, &url, Value::Null).await.body["properties"]["AppId"].clone();
    let url = format!("{}/applicationinsights/v1/apps/{}/query", emulator.url, app.as_str().unwrap());
    let query = json!({"query": "requests | summarize count() by cloud_RoleName, resultCode", "timespan": "PT1H"});
    let token = emulator.token("https://api.applicationinsights.io").await.body;
    let token = token["access_token"].as_str().unwrap();
    let found = emulator.http.post(url).bearer_auth(token).json(&query).send().await.unwrap();
    let found: Value = found.json().await.unwrap();
    found["tables"][0]["rows"].clone()
}

/// The requests as Azure Monitor counts them, late.
async fn monitored(workspace: &Workspace<'_>) {
    let ask = async |of: &str, query: &str| {
        let path = format!("{of}/providers/Microsoft.Insights/metrics?interval=FULL&aggregation=total,maximum&{query}");
        workspace.arm(Method::GET, &path, Value::Null).await
    };
    let emulator = workspace.emulator;
    emulator.control(Method::POST, "manners", json!({"metricsLagSeconds": 180})).await;
    let early = ask("onlineEndpoints/bank", "metricnames=RequestsPerMinute").await.body;
    assert_eq!(early["value"][0]["timeseries"][0]["data"][0].get("total"), None, "{early}");
    emulator.control(Method::POST, "clock", json!({"advanceSeconds": 180})).await;
    let filter = "$filter=deployment%20eq%20'*'%20and%20statusCodeClass%20eq%20'*'&metricnames=RequestsPerMinute";
    let told = ask("onlineEndpoints/bank", filter).await.body;
    let series = told["value"][0]["timeseries"].as_array().unwrap();
    let shown: Vec<Value> = series
        .iter()
        .map(|series| {
            json!([
                series["metadatavalues"][0]["value"],
                series["metadatavalues"][1]["value"],
                series["data"][0]["total"]
            ])
        })
        .collect();
    assert_eq!(shown, [json!(["", "4xx", 1.0]), json!(["blue", "2xx", 1.0])], "{told}");
    let told =
        ask("onlineEndpoints/bank/deployments/blue", "metricnames=RequestLatency_P50,RequestLatency_P99").await.body;
    for metric in told["value"].as_array().unwrap() {
        assert!(metric["timeseries"][0]["data"][0]["maximum"].as_f64().unwrap() > 0.0, "{told}");
    }
    assert_eq!(ask("onlineEndpoints/bank", "metricnames=Happiness").await.status, 400);
    assert_eq!(ask("onlineEndpoints/none", "metricnames=RequestsPerMinute").await.status, 404);
}

/// Settings of Azure Monitor beside a deployment and on its endpoint.
async fn scaled(workspace: &Workspace<'_>) {
    let emulator = workspace.emulator;
    let group = "/subscriptions/s1/resourceGroups/rg";
    let at = async |method: Method, path: &str, body: Value| {
        let url = format!("{}{path}?api-version=2022-10-01", emulator.url);
        workspace.send(method, &url, body).await
    };
    let role = json!({"scope": group, "principalId": crate::client::OBJECT_ID, "role": "Owner"});
    emulator.control(Method::POST, "roleassignments", role).await;
    let setting = |deployment: &str, least: &str| {
        json!({"location": "westeurope", "properties": {
            "enabled": true, "targetResourceUri": format!("{WORKSPACE}/onlineEndpoints/bank/deployments/{deployment}"),
            "profiles": [{"name": "usual", "capacity": {"minimum": least, "maximum": "3", "default": "2"}, "rules": []}]}})
    };
    let path = |name: &str| format!("{group}/providers/Microsoft.Insights/autoscaleSettings/{name}");
    assert_eq!(workspace.get("onlineEndpoints/bank/deployments/blue").await["sku"]["capacity"], 1);
    assert_eq!(at(Method::PUT, &path("a"), setting("none", "2")).await.status, 400);
    assert_eq!(at(Method::PUT, &path("a"), setting("blue", "9")).await.status, 400);
    assert_eq!(at(Method::PUT, &path("a"), setting("blue", "2")).await.status, 201);
    assert_eq!(at(Method::PUT, &path("a"), setting("blue", "2")).await.status, 200);
    assert_eq!(at(Method::PUT, &path("b"), setting("blue", "2")).await.status, 409);
    assert_eq!(at(Method::GET, &path("a"), Value::Null).await.body["name"], "a");
    emulator.control(Method::POST, "clock", json!({"advanceSeconds": 1})).await;
    assert_eq!(workspace.get("onlineEndpoints/bank/deployments/blue").await["sku"]["capacity"], 2);
    assert_eq!(at(Method::DELETE, &path("a"), Value::Null).await.status, 200);
    assert_eq!(at(Method::DELETE, &path("a"), Value::Null).await.status, 204);

    let logs = |category: &str| {
        json!({"properties": {"workspaceId": format!("{group}/providers/Microsoft.OperationalInsights/workspaces/l"),
            "logs": [{"category": category, "enabled": true}], "metrics": [{"category": "AllMetrics", "enabled": true}]}})
    };
    let path = format!("{WORKSPACE}/onlineEndpoints/bank/providers/Microsoft.Insights/diagnosticSettings/d");
    assert_eq!(at(Method::PUT, &path, logs("AmlComputeJobEvent")).await.status, 400);
    assert_eq!(at(Method::PUT, &path, json!({"properties": {"logs": []}})).await.status, 400);
    assert_eq!(at(Method::PUT, &path, logs("AmlOnlineEndpointConsoleLog")).await.status, 200);
    let shown = at(Method::GET, &path, Value::Null).await.body;
    assert_eq!(shown["properties"]["logs"][0]["category"], "AmlOnlineEndpointConsoleLog");
    assert_eq!(at(Method::DELETE, &path, Value::Null).await.status, 200);
    assert_eq!(at(Method::GET, &path, Value::Null).await.status, 404);
}
