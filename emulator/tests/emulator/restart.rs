//! The data folder: the binary is killed in the middle of things, starts again, and everything is there and goes on.

use crate::client::{Answer, Emulator, WORKSPACE, Workspace, compute, pipeline, rows};
use reqwest::Method;
use serde_json::{Value, json};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

async fn launch(folder: &tempfile::TempDir) -> Emulator {
    Emulator::launch(&["--data-dir", folder.path().to_str().unwrap()]).await
}

fn binary(folder: &std::path::Path) -> Output {
    let arguments = ["serve", "--data-dir", folder.to_str().unwrap()];
    Command::new(env!("CARGO_BIN_EXE_azureml-emulator")).args(arguments).output().unwrap()
}

/// What a deployment predicts for two rows.
async fn predictions(workspace: &Workspace<'_>) -> Value {
    let keys = workspace.arm(Method::POST, "onlineEndpoints/bank/listKeys", Value::Null).await.body;
    let shown = workspace.get("onlineEndpoints/bank").await;
    let body = json!({"input_data": {"columns": ["age", "job"], "index": [0, 1], "data": [[69, "admin"], [21, "smith"]]},
        "params": {"predict_method": "predict_proba"}});
    let url = shown["properties"]["scoringUri"].as_str().unwrap();
    let score = workspace.emulator.http.post(url).bearer_auth(keys["primaryKey"].as_str().unwrap()).json(&body);
    let response = score.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["azureml-model-deployment"], "blue");
    response.json().await.unwrap()
}

/// A trained model, registered and served.
async fn furnished(workspace: &Workspace<'_>) {
    assert_eq!(workspace.put("computes/cpu", compute()).await["status"], "Succeeded");
    workspace.register("bank", rows(150)).await;
    workspace.register("large", rows(20_000)).await;
    assert_eq!(workspace.arm(Method::PUT, "jobs/p1", pipeline("bank")).await.status, 201);
    assert_eq!(workspace.job("p1").await["properties"]["status"], "Completed");
    let model = json!({"properties": {"modelType": "mlflow_model", "modelUri": "azureml://jobs/p1/outputs/m", "tags": {"a": "b"}}});
    assert_eq!(workspace.arm(Method::PUT, "models/bank/versions/1", model).await.status, 201);
    let endpoint =
        |traffic: Value| json!({"location": "westeurope", "properties": {"authMode": "Key", "traffic": traffic}});
    workspace.put("onlineEndpoints/bank", endpoint(json!({}))).await;
    let deployment = json!({"location": "westeurope", "sku": {"name": "Default", "capacity": 1}, "properties": {
        "endpointComputeType": "Managed", "model": format!("{WORKSPACE}/models/bank/versions/1"),
        "instanceType": "Standard_DS3_v2",
    }});
    assert_eq!(workspace.put("onlineEndpoints/bank/deployments/blue", deployment).await["status"], "Succeeded");
    assert_eq!(workspace.put("onlineEndpoints/bank", endpoint(json!({"blue": 100}))).await["status"], "Succeeded");
}

/// Everything that is held, with the port taken out of all addresses.
async fn state(emulator: &Emulator) -> Value {
    let state = emulator.control(Method::GET, &format!("state?workspace={WORKSPACE}"), Value::Null).await;
    serde_json::from_str(&state.to_string().replace(emulator.url.trim_start_matches("https://"), "host")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_there_after_the_process_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    let first = launch(&folder).await;
    first.furnish().await;
    let token = first.token("https://management.azure.com").await.body["access_token"].as_str().unwrap().to_owned();
    let before = {
        let workspace = first.workspace().await;
        furnished(&workspace).await;
        let other = json!({"location": "westeurope", "properties": {"authMode": "Key"}});
        workspace.put("onlineEndpoints/other", other).await;
        (state(&first).await, predictions(&workspace).await)
    };
    let clock = first.control(Method::POST, "clock", json!({"advanceSeconds": 600})).await["now"].clone();
    let ca = std::fs::read(first.ca_file()).unwrap();
    drop(first);

    let journal = || std::fs::read_to_string(folder.path().join("journal")).unwrap();
    let written = journal();
    let second = launch(&folder).await;
    // Where nothing was under way, a start changes nothing: killed in its middle, it can lose nothing.
    let new = journal()[written.len()..].to_owned();
    assert!(!new.contains("endpoint\\t") && !new.contains(":null"), "{new}");
    assert_eq!(std::fs::read(second.ca_file()).unwrap(), ca);
    // The token of before is good still.
    let workspace = Workspace { emulator: &second, token };
    let after = (state(&second).await, predictions(&workspace).await);
    assert_eq!(after.0, before.0);
    assert_eq!(after.1, before.1);
    let now = second.control(Method::GET, "clock", Value::Null).await["now"].clone();
    assert!(now.as_str() > clock.as_str(), "{clock} {now}");
    // Run history and its artifacts too: a second model of the job can be made.
    let model = json!({"properties": {"modelType": "mlflow_model", "modelUri": "azureml://jobs/p1/outputs/m"}});
    assert_eq!(workspace.arm(Method::PUT, "models/bank/versions/2", model).await.status, 201);
    // What is deleted stays deleted.
    assert_eq!(workspace.arm(Method::DELETE, "models/bank/versions/1", Value::Null).await.status, 200);
    drop(second);
    let third = launch(&folder).await;
    let workspace = third.workspace().await;
    assert_eq!(workspace.arm(Method::GET, "models/bank/versions/1", Value::Null).await.status, 404);
    assert_eq!(workspace.get("models/bank/versions/2").await["name"], "2");
    // The deployment of the version that was deleted serves on, as in Azure.
    assert_eq!(predictions(&workspace).await, before.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_under_way_goes_on_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let first = launch(&folder).await;
    first.furnish().await;
    let workspace = first.workspace().await;
    furnished(&workspace).await;
    let slow = json!({"effect": {"operationTakesMilliseconds": 3000}});
    let fault = first.control(Method::POST, "faults", slow).await["id"].as_str().unwrap().to_owned();
    let failing =
        json!({"path": "/computes/bad", "effect": {"operationFails": {"code": "OutOfQuota", "message": "no cores"}}});
    first.control(Method::POST, "faults", failing).await;
    let mut operations = Vec::new();
    for (method, path, body, expected) in [
        (Method::PUT, "computes/slow", compute(), "Succeeded"),
        (Method::PUT, "computes/bad", compute(), "Failed"),
        (Method::DELETE, "computes/cpu?underlyingResourceAction=Delete", Value::Null, "Succeeded"),
        (Method::PATCH, "onlineEndpoints/bank/deployments/blue", json!({"tags": {"x": "y"}}), "Succeeded"),
    ] {
        // The trained model needs no cluster any more; a job that runs below has another one.
        let begun = workspace.arm(method, path, body).await;
        assert!(begun.status < 300, "{path}: {}", begun.body);
        let address = begun.headers.get("azure-asyncoperation").unwrap_or_else(|| &begun.headers["location"]);
        let address = address.to_str().unwrap().replace(&first.url, "");
        operations.push((path, address, expected));
    }
    first.control(Method::DELETE, &format!("faults/{fault}"), Value::Null).await;
    let (blob, blocks) = blocks(&workspace).await;
    let mut job = pipeline("large");
    job["properties"]["settings"] = json!({"default_compute": "serverless"});
    assert_eq!(workspace.arm(Method::PUT, "jobs/p2", job).await.status, 201);
    let limit = Instant::now() + Duration::from_secs(60);
    while workspace.get("jobs/p2").await["properties"]["status"] != "Running" {
        assert!(Instant::now() < limit, "the job does not run");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for (path, address, _) in &operations {
        let told = workspace.send(Method::GET, &format!("{}{address}", first.url), Value::Null).await;
        assert_eq!(standing(&told), "InProgress", "{path}");
    }
    drop(first);
    // A line that was being written when the process was killed.
    let journal = folder.path().join("journal");
    let mut content = std::fs::read(&journal).unwrap();
    content.extend_from_slice(b"0123456789abcdef {\"resource\\tx\":");
    std::fs::write(&journal, content).unwrap();

    let second = launch(&folder).await;
    let workspace = second.workspace().await;
    let put = second.http.put(format!("{}{blob}&comp=blocklist", second.url)).body(blocks).send().await.unwrap();
    assert_eq!(put.status(), 201);
    assert_eq!(second.http.get(format!("{}{blob}", second.url)).send().await.unwrap().text().await.unwrap(), "onetwo");
    for (path, address, expected) in operations {
        let limit = Instant::now() + Duration::from_secs(60);
        let ended = loop {
            let told = workspace.send(Method::GET, &format!("{}{address}", second.url), Value::Null).await;
            if standing(&told) != "InProgress" {
                break told;
            }
            assert!(Instant::now() < limit, "{path} does not end");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert_eq!(standing(&ended), expected, "{path}: {}", ended.body);
    }
    assert_eq!(workspace.get("computes/slow").await["properties"]["provisioningState"], "Succeeded");
    assert_eq!(workspace.get("computes/bad").await["properties"]["provisioningState"], "Failed");
    assert_eq!(workspace.arm(Method::GET, "computes/cpu", Value::Null).await.status, 404);
    let deployment = workspace.get("onlineEndpoints/bank/deployments/blue").await;
    assert_eq!(
        (&deployment["tags"]["x"], &deployment["properties"]["provisioningState"]),
        (&json!("y"), &json!("Succeeded"))
    );
    let job = workspace.job("p2").await;
    assert_eq!(job["properties"]["status"], "Completed", "{job}");
    predictions(&workspace).await;
}

/// How an operation stands by what its address answers: a status, or at a `Location` 202 and then the resource.
fn standing(told: &Answer) -> &str {
    match told.status {
        200 => told.body["status"].as_str().unwrap_or("Succeeded"),
        202 => "InProgress",
        _ => "lost",
    }
}

/// Begins an upload of two blocks; gives where the blob will be, and the list of blocks that ends the upload.
async fn blocks(workspace: &Workspace<'_>) -> (String, &'static str) {
    let store = workspace.get("datastores/workspaceblobstore").await["properties"].clone();
    let secrets = workspace.arm(Method::POST, "datastores/workspaceblobstore/listSecrets", json!({})).await.body;
    let [account, container, signature] =
        [&store["accountName"], &store["containerName"], &secrets["sasToken"]].map(|value| value.as_str().unwrap());
    let blob = format!("/blob/{account}/{container}/upload?{signature}");
    for (block, content) in [("MQ%3D%3D", "one"), ("Mg%3D%3D", "two")] {
        let url = format!("{}{blob}&comp=block&blockid={block}", workspace.emulator.url);
        assert_eq!(workspace.emulator.http.put(url).body(content).send().await.unwrap().status(), 201);
    }
    (blob, "<BlockList><Latest>MQ==</Latest><Latest>Mg==</Latest></BlockList>")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_fires_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let first = launch(&folder).await;
    first.furnish().await;
    let workspace = first.workspace().await;
    workspace.put("computes/cpu", compute()).await;
    workspace.register("bank", rows(60)).await;
    let job = pipeline("bank")["properties"].clone();
    let schedule = json!({"properties": {
        "trigger": {"triggerType": "Cron", "expression": "0 6 * * *"},
        "action": {"actionType": "CreateJob", "jobDefinition": job},
    }});
    assert_eq!(workspace.put("schedules/daily", schedule).await["status"], "Succeeded");
    drop(first);
    let second = launch(&folder).await;
    second.control(Method::POST, "clock", json!({"advanceSeconds": 24 * 3600})).await;
    let workspace = second.workspace().await;
    let jobs = workspace.get("jobs?listViewType=All").await;
    let fired = jobs["value"].as_array().unwrap();
    assert_eq!(fired.len(), 1, "{jobs}");
    assert_eq!(workspace.job(fired[0]["name"].as_str().unwrap()).await["properties"]["status"], "Completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_answered_is_lost_whenever_the_process_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let first = launch(&folder).await;
    first.furnish().await;
    drop(first);
    let mut answered: Vec<String> = Vec::new();
    for round in 0..5_u64 {
        let emulator = launch(&folder).await;
        let workspace = emulator.workspace().await;
        for name in &answered {
            assert_eq!(workspace.get(&format!("data/{name}/versions/1")).await["properties"]["tags"]["name"], **name);
        }
        let writes = async {
            let mut written = Vec::new();
            loop {
                let name = format!("d{round}-{}", written.len());
                let body = json!({"properties": {"dataType": "uri_file", "dataUri": "azureml://datastores/workspaceblobstore/paths/a", "tags": {"name": name}}});
                let url = format!("{}{WORKSPACE}/data/{name}/versions/1?api-version=2025-12-01", emulator.url);
                match emulator.http.put(url).bearer_auth(&workspace.token).json(&body).send().await {
                    Ok(response) if response.status() == 201 => written.push(name),
                    _ => return written,
                }
            }
        };
        // Another moment in each round: the writes go on until nobody answers.
        let kill = async {
            tokio::time::sleep(Duration::from_millis(150 + 70 * round)).await;
            emulator.kill();
        };
        let (written, ()) = tokio::join!(writes, kill);
        assert!(!written.is_empty(), "nothing was written in round {round}");
        answered.extend(written);
    }
    let emulator = launch(&folder).await;
    let workspace = emulator.workspace().await;
    for name in &answered {
        assert_eq!(workspace.get(&format!("data/{name}/versions/1")).await["name"], "1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_estate_s_file_stays_in_use_with_a_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    let estate = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/emulator/estate.yaml");
    let arguments = ["--data-dir", folder.path().to_str().unwrap(), "--estate", estate];
    let workspace = "/subscriptions/5ab00000-0000-4000-8000-000000000001/resourceGroups/rg-ml/providers/Microsoft.MachineLearningServices/workspaces/ws-ml";
    let state = async |emulator: &Emulator| {
        emulator.control(Method::GET, &format!("state?workspace={workspace}"), Value::Null).await["resources"].clone()
    };
    let address = async || {
        let emulator = Emulator::launch(&arguments).await;
        let text = state(&emulator).await.to_string();
        text.replace(emulator.url.trim_start_matches("https://"), "host")
    };
    let first = address().await;
    assert!(first.contains("/data/loans/versions/1"), "{first}");
    assert_eq!(address().await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_can_t_be_used_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = launch(&folder).await;
    let told = |path: &std::path::Path| {
        let ended = binary(path);
        assert!(!ended.status.success());
        String::from_utf8_lossy(&ended.stderr).into_owned()
    };
    let second = told(folder.path());
    assert!(second.contains("is in use by another azureml-emulator (process "), "{second}");
    drop(emulator);
    std::fs::write(folder.path().join("format"), "99\n").unwrap();
    let newer = told(folder.path());
    assert!(newer.contains("was written by a newer azureml-emulator (format 99"), "{newer}");
    let foreign = tempfile::tempdir().unwrap();
    std::fs::write(foreign.path().join("thesis.txt"), "x").unwrap();
    let foreign = told(foreign.path());
    assert!(foreign.contains("is not empty and no data folder"), "{foreign}");
}
