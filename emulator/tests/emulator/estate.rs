//! The file that says what exists at the start, and what the binary says on its command line.

use crate::client::{Answer, Emulator, answer};
use reqwest::Method;
use serde_json::{Value, json};
use std::process::{Command, Output};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/emulator/estate.yaml");

fn binary(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_azureml-emulator")).args(arguments).output().unwrap()
}

/// The variables that `env` prints for the example.
fn variables(emulator: &Emulator, ca: &str) -> Value {
    let printed = binary(&["env", "--url", &emulator.url, "--ca-file", ca, "--estate", EXAMPLE, "--format", "json"]);
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    serde_json::from_slice(&printed.stdout).unwrap()
}

/// Signs in with the variables, as an SDK does.
async fn token(emulator: &Emulator, variables: &Value) -> String {
    let text = |name: &str| variables[name].as_str().unwrap();
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", text("AZURE_CLIENT_ID")),
        ("client_secret", text("AZURE_CLIENT_SECRET")),
        ("scope", "https://management.azure.com/.default"),
    ];
    let url = format!("{}/{}/oauth2/v2.0/token", text("AZURE_AUTHORITY_HOST"), text("AZURE_TENANT_ID"));
    let signed_in = answer(emulator.http.post(url).form(&form).send().await.unwrap()).await;
    assert_eq!(signed_in.status, 200, "{}", signed_in.body);
    signed_in.body["access_token"].as_str().unwrap().to_owned()
}

async fn get(emulator: &Emulator, token: &str, path: &str) -> Answer {
    let mark = if path.contains('?') { '&' } else { '?' };
    let url = format!("{}{path}{mark}api-version=2025-12-01", emulator.url);
    answer(emulator.http.get(url).bearer_auth(token).send().await.unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_is_there_at_the_start_and_its_principal_can_sign_in() {
    let emulator = Emulator::launch(&["--estate", EXAMPLE]).await;
    let variables = variables(&emulator, emulator.ca_file());
    let token = token(&emulator, &variables).await;
    let (_, workspace) = variables["MLFLOW_TRACKING_URI"].as_str().unwrap().split_once("/mlflow/v1.0").unwrap();
    let read = async |path: &str| get(&emulator, &token, &format!("{workspace}{path}")).await.body;
    let found = read("").await;
    assert_eq!(found["properties"]["provisioningState"], "Succeeded");
    assert!(found["properties"]["storageAccount"].as_str().unwrap().ends_with("/storageAccounts/stwsml"), "{found}");
    assert_eq!(found["tags"], json!({"team": "credit"}));
    let cluster = read("/computes/cpu-cluster").await;
    assert_eq!(cluster["properties"]["properties"]["scaleSettings"]["maxNodeCount"], 4, "{cluster}");
    assert_eq!(read("/datastores/landing").await["properties"]["accountName"], "stwsml");
    let data = read("/data/loans/versions/1").await;
    assert_eq!(data["properties"]["dataType"], "mltable");
    let roles = read("/providers/Microsoft.Authorization/roleAssignments").await;
    assert_eq!(roles["value"].as_array().unwrap().len(), 2, "{roles}");
    // The files are in the store: a signature of the datastore reads them.
    let secrets = format!("{}{workspace}/datastores/landing/listSecrets?api-version=2025-12-01", emulator.url);
    let secrets = answer(emulator.http.post(secrets).bearer_auth(&token).json(&json!({})).send().await.unwrap()).await;
    let url = format!(
        "{}/blob/stwsml/landing/estate/loans-csv/1/loans.csv?{}",
        emulator.url,
        secrets.body["sasToken"].as_str().unwrap()
    );
    let csv = emulator.http.get(url).send().await.unwrap().text().await.unwrap();
    assert!(csv.starts_with("age,income,job,debt,repaid\n"), "{csv}");
    // Azure's SDK learns of the cloud here.
    let clouds =
        answer(emulator.http.get(variables["ARM_CLOUD_METADATA_URL"].as_str().unwrap()).send().await.unwrap()).await;
    assert_eq!(clouds.body[0]["name"], variables["AZUREML_CURRENT_CLOUD"]);
    assert_eq!(clouds.body[0]["resourceManager"], emulator.url);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_cloud_file_is_printed() {
    let emulator = Emulator::launch(&[]).await;
    let printed = binary(&["env", "--url", &emulator.url, "--ca-file", emulator.ca_file(), "--format", "cloud-file"]);
    let printed: Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert_eq!(printed, emulator.control(Method::GET, "cloud", Value::Null).await);
}

#[test]
fn what_is_wrong_on_the_command_line_is_told_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("estate.yaml");
    std::fs::write(&file, "subscriptions:\n- id: s\n  roleAssignments:\n  - {principal: nobody, role: Owner}\n")
        .unwrap();
    let estate = file.to_str().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let tls = folder.path().join("tls");
    let tls = tls.to_str().unwrap();
    let rows = [
        (vec!["serve", "--tls-dir", tls, "--estate", estate], "line 4: subscriptions[0].roleAssignments[0].principal"),
        (vec!["serve", "--tls-dir", tls, "--estate", "nowhere.yaml"], "--estate takes the path of a YAML file"),
        (vec!["serve", "--tls-dir", tls, "--listen", &address], "Choose another address by --listen"),
        (vec!["env", "--ca-file", "nowhere.pem"], "Give --ready-file, or --ca-file"),
        (vec!["env", "--ready-file", "nowhere.json"], "Is it serving? Give the file that `serve --ready-file` wrote"),
    ];
    for (arguments, words) in rows {
        let ended = binary(&arguments);
        let told = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(!ended.status.success() && told.contains(words), "{arguments:?}: {told}");
    }
    let help = String::from_utf8_lossy(&binary(&["--help"]).stdout).into_owned();
    for word in ["serve", "env", "--estate", "/_emulator/", "Quick start"] {
        assert!(help.contains(word), "{word}: {help}");
    }
}
