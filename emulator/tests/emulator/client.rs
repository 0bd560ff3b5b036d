//! A running emulator, and an HTTP client that knows nothing of it but Azure's REST API.

use reqwest::{Certificate, Method, Response};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub const OBJECT_ID: &str = "11111111-1111-1111-1111-111111111111";

/// Ends with the test.
pub struct Emulator {
    process: Child,
    pub url: String,
    pub http: reqwest::Client,
    ca: Vec<u8>,
    ca_file: String,
    _folder: tempfile::TempDir,
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

pub async fn answer(response: Response) -> Answer {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.unwrap();
    let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or(Value::from(text)) };
    Answer { status, headers, body }
}

fn trusting(pem: &[u8]) -> reqwest::ClientBuilder {
    reqwest::Client::builder().tls_certs_only(Certificate::from_pem_bundle(pem).unwrap())
}

impl Emulator {
    /// Starts the binary, with one principal and one workspace that it owns.
    pub async fn start() -> Self {
        let emulator = Self::launch(&[]).await;
        emulator.furnish().await;
        emulator
    }

    /// Makes one principal and one workspace that it owns.
    pub async fn furnish(&self) {
        let principal = json!({"clientId": "app", "objectId": OBJECT_ID, "clientSecret": "good"});
        self.control(Method::POST, "tenants/t1/principals", principal).await;
        let workspace = json!({"subscriptionId": "s1", "resourceGroup": "rg", "name": "ws1", "location": "westeurope"});
        let made = self.control(Method::POST, "workspaces", workspace).await;
        let role = json!({"scope": made["id"], "principalId": OBJECT_ID, "role": "Owner"});
        self.control(Method::POST, "roleassignments", role).await;
    }

    /// Starts the binary with more arguments, and nothing in it but what they say.
    pub async fn launch(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ready: PathBuf = folder.path().join("ready.json");
        let mut command = Command::new(env!("CARGO_BIN_EXE_azureml-emulator"));
        command.arg("serve").arg("--ready-file").arg(&ready).args(arguments).stderr(Stdio::inherit());
        if !arguments.contains(&"--data-dir") {
            command.arg("--tls-dir").arg(folder.path().join("tls"));
        }
        let process = command.spawn().unwrap();
        let limit = Instant::now() + Duration::from_secs(60);
        let text = loop {
            if let Ok(text) = std::fs::read_to_string(&ready) {
                break text;
            }
            assert!(Instant::now() < limit, "the emulator does not serve");
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        let told: Value = serde_json::from_str(&text).unwrap();
        let pem = std::fs::read(told["caFile"].as_str().unwrap()).unwrap();
        let http = trusting(&pem).build().unwrap();
        let url = told["url"].as_str().unwrap().to_owned();
        Self { process, url, http, ca: pem, ca_file: told["caFile"].as_str().unwrap().to_owned(), _folder: folder }
    }

    /// Kills the process, as a machine that has no more memory does.
    pub fn kill(&self) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    }

    /// The file with the authority to trust.
    pub fn ca_file(&self) -> &str {
        &self.ca_file
    }

    /// A builder of clients that trust the emulator's authority and no other.
    pub fn trusting(&self) -> reqwest::ClientBuilder {
        trusting(&self.ca)
    }

    pub async fn control(&self, method: Method, path: &str, body: Value) -> Value {
        let response = self.http.request(method, format!("{}/_emulator/{path}", self.url)).json(&body).send();
        let answer = answer(response.await.unwrap()).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    }

    pub async fn token(&self, audience: &str) -> Answer {
        self.sign_in("t1", "good", &format!("{audience}/.default")).await
    }

    pub async fn sign_in(&self, tenant: &str, secret: &str, scope: &str) -> Answer {
        let form =
            [("grant_type", "client_credentials"), ("client_id", "app"), ("client_secret", secret), ("scope", scope)];
        let response = self.http.post(format!("{}/{tenant}/oauth2/v2.0/token", self.url)).form(&form).send();
        answer(response.await.unwrap()).await
    }

    /// A client of the workspace.
    pub async fn workspace(&self) -> Workspace<'_> {
        let token = self.token("https://management.azure.com").await.body;
        Workspace { emulator: self, token: token["access_token"].as_str().unwrap().to_owned() }
    }
}

pub const WORKSPACE: &str =
    "/subscriptions/s1/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws1";

/// Calls with a token of Azure Resource Manager.
pub struct Workspace<'a> {
    pub emulator: &'a Emulator,
    pub token: String,
}

impl Workspace<'_> {
    pub async fn send(&self, method: Method, url: &str, body: Value) -> Answer {
        let request = self.emulator.http.request(method, url).bearer_auth(&self.token);
        let request = if body.is_null() { request } else { request.json(&body) };
        answer(request.send().await.unwrap()).await
    }

    /// A call on ARM below the workspace.
    pub async fn arm(&self, method: Method, path: &str, body: Value) -> Answer {
        let mark = if path.contains('?') { '&' } else { '?' };
        let slash = if path.is_empty() { "" } else { "/" };
        let url = format!("{}{WORKSPACE}{slash}{path}{mark}api-version=2025-12-01", self.emulator.url);
        self.send(method, &url, body).await
    }

    pub async fn get(&self, path: &str) -> Value {
        let answer = self.arm(Method::GET, path, Value::Null).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    }

    /// Puts, waits for the operation that this begins, and gives how it ended.
    pub async fn put(&self, path: &str, body: Value) -> Value {
        let begun = self.arm(Method::PUT, path, body).await;
        assert!(begun.status < 300, "{path}: {} {}", begun.status, begun.body);
        assert_ne!(begun.body["properties"]["provisioningState"], "Succeeded", "{path}");
        self.ended(&begun).await
    }

    /// Waits for the operation of an answer.
    pub async fn ended(&self, begun: &Answer) -> Value {
        let address = begun.headers["azure-asyncoperation"].to_str().unwrap();
        let limit = Instant::now() + Duration::from_secs(60);
        loop {
            let told = self.send(Method::GET, address, Value::Null).await;
            if told.body["status"] != "InProgress" {
                return told.body;
            }
            assert!(Instant::now() < limit, "{}", told.body);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until a job has ended.
    pub async fn job(&self, name: &str) -> Value {
        let limit = Instant::now() + Duration::from_secs(120);
        loop {
            let job = self.get(&format!("jobs/{name}")).await;
            if ["Completed", "Failed", "Canceled"].map(Value::from).contains(&job["properties"]["status"]) {
                return job;
            }
            assert!(Instant::now() < limit, "{job}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Uploads a table with its `MLTable` file and registers it.
    pub async fn register(&self, name: &str, csv: String) {
        let store = self.get("datastores/workspaceblobstore").await["properties"].clone();
        let secrets = self.arm(Method::POST, "datastores/workspaceblobstore/listSecrets", json!({})).await.body;
        let part = |value: &Value| value.as_str().unwrap().to_owned();
        let base = format!(
            "{}/blob/{}/{}/{name}",
            self.emulator.url,
            part(&store["accountName"]),
            part(&store["containerName"])
        );
        let table = "type: mltable\npaths:\n- file: ./rows.csv\ntransformations:\n- read_delimited:\n    delimiter: ','\n    encoding: utf8\n    header: all_files_same_headers\n";
        for (file, content) in [("MLTable", table.to_owned()), ("rows.csv", csv)] {
            let url = format!("{base}/{file}?{}", part(&secrets["sasToken"]));
            let put = self.emulator.http.put(url).header("x-ms-blob-type", "BlockBlob").body(content).send();
            assert_eq!(put.await.unwrap().status().as_u16(), 201);
        }
        let body = json!({"properties": {
            "dataType": "mltable", "dataUri": format!("azureml://datastores/workspaceblobstore/paths/{name}/"),
        }});
        let put = self.arm(Method::PUT, &format!("data/{name}/versions/1"), body).await;
        assert_eq!(put.status, 201, "{}", put.body);
    }
}

/// Rows whose label follows from their columns.
pub fn rows(count: usize) -> String {
    let mut csv = "age,job,y\n".to_owned();
    for n in 0..count {
        let age = 20 + (n * 7) % 50;
        let job = ["admin", "nurse", "smith"][n % 3];
        let yes = age > 45 || (job == "nurse" && age > 30);
        csv += &format!("{age},{job},{}\n", if yes { "yes" } else { "no" });
    }
    csv
}

/// A pipeline job with one AutoML step.
pub fn pipeline(data: &str) -> Value {
    json!({"properties": {
        "jobType": "Pipeline", "experimentName": "exp", "tags": {"owner": "test"},
        "settings": {"default_compute": format!("{WORKSPACE}/computes/cpu")},
        "inputs": {"train": {"jobInputType": "mltable", "uri": format!("{WORKSPACE}/data/{data}/versions/1")}},
        "outputs": {"m": {"jobOutputType": "mlflow_model"}},
        "jobs": {"n": {
            "type": "automl", "task": "classification", "primary_metric": "auc_weighted", "target_column_name": "y",
            "training_data": "${{parent.inputs.train}}", "limits": {"max_trials": 4, "timeout_minutes": 5},
            "training": {"allowed_training_algorithms": ["logistic_regression", "decision_tree"]},
            "outputs": {"best_model": {"type": "literal", "value": "${{parent.outputs.m}}"}},
        }},
    }})
}

/// A training cluster.
pub fn compute() -> Value {
    json!({"location": "westeurope", "properties": {"computeType": "AmlCompute", "properties": {
        "vmSize": "Standard_DS3_v2", "vmPriority": "Dedicated",
        "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 2, "nodeIdleTimeBeforeScaleDown": "PT2M"},
    }}})
}
