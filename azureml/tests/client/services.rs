//! What lies beside Azure Resource Manager: blobs, run history, scoring, logs, role assignments.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use azureml::automl;
use azureml::resources::datastores::Datastore;
use azureml::resources::role_assignments::role_guid;
use azureml::transport::Transport;
use bytes::Bytes;
use secrecy::SecretString;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Reply, SUBSCRIPTION, Server, WORKSPACE};

fn datastore() -> Value {
    json!({"value": [
        {"name": "other", "properties": {"datastoreType": "AzureFile", "isDefault": false}},
        {"name": "workspaceblobstore", "properties": {"datastoreType": "AzureBlob", "accountName": "acct", "containerName": "box", "isDefault": true}},
    ]})
}

#[tokio::test]
async fn a_file_is_uploaded_by_signature_and_seen_again() {
    let stored: Arc<Mutex<Option<Vec<u8>>>> = Arc::default();
    let blob = stored.clone();
    let server = Server::with_tokens(move |asked, _| match (asked.method.as_str(), asked.path.as_str()) {
        ("GET", path) if path.ends_with("/datastores") => Reply::Json(200, datastore()),
        ("POST", _) => Reply::Json(200, json!({"secretsType": "Sas", "sasToken": "sv=2024&sig=a%2Bb"})),
        ("PUT", _) => {
            *blob.lock().unwrap() = Some(asked.body.clone());
            Reply::With(201, vec![("etag", "0x1".into())], Value::Null)
        }
        ("HEAD" | "GET", "/blob/acct/box/a%20b/x.csv") => match blob.lock().unwrap().as_ref() {
            Some(bytes) => Reply::Text(200, "text/csv", String::from_utf8(bytes.clone()).unwrap()),
            None => Reply::With(404, vec![("x-ms-error-code", "BlobNotFound".into())], Value::Null),
        },
        other => panic!("{other:?}"),
    })
    .await;
    let workspace = server.workspace();
    let store = workspace.default_datastore().await.unwrap();
    assert_eq!(store.name, "workspaceblobstore");
    let container = workspace.container(&store).await.unwrap();
    assert_eq!(container.size("a b/x.csv").await.unwrap(), None);
    assert_eq!(container.get("a b/x.csv").await.unwrap(), None);
    container.put("a b/x.csv", Bytes::from_static(b"a,b\n1,2\n")).await.unwrap();
    assert_eq!(container.size("a b/x.csv").await.unwrap(), Some(8));
    assert_eq!(container.get("a b/x.csv").await.unwrap().as_deref(), Some(&b"a,b\n1,2\n"[..]));

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "c\n3\n").unwrap();
    container.put_file("a b/x.csv", file.path(), 4).await.unwrap();
    assert_eq!(stored.lock().unwrap().as_deref(), Some(&b"c\n3\n"[..]));

    let put = server.asked().pop().unwrap();
    assert_eq!(put.path, "/blob/acct/box/a%20b/x.csv");
    assert_eq!(put.headers["x-ms-blob-type"], "BlockBlob");
    assert_eq!(put.headers["content-length"], "4");
    assert_eq!(put.query["sig"], "a+b");
    assert!(!put.headers.contains_key("authorization"), "the signature is enough");
}

#[tokio::test]
async fn a_long_file_goes_block_by_block_and_what_fails_goes_again_alone() {
    let failed = Arc::new(Mutex::new(false));
    let server = Server::with_tokens(move |asked, _| match (asked.method.as_str(), asked.path.as_str()) {
        ("GET", path) if path.ends_with("/datastores") => Reply::Json(200, datastore()),
        ("POST", _) => Reply::Json(200, json!({"secretsType": "Sas", "sasToken": "sig=s"})),
        _ if asked.query["comp"] == "block" && !std::mem::replace(&mut *failed.lock().unwrap(), true) => {
            Reply::With(500, vec![("x-ms-error-code", "InternalError".into())], Value::Null)
        }
        _ => Reply::With(201, vec![], Value::Null),
    })
    .await;
    let workspace = server.workspace();
    let container = workspace.container(&workspace.default_datastore().await.unwrap()).await.unwrap();
    let content: Vec<u8> =
        (0..16 * 1024 * 1024 + 5).map(|byte: u32| byte.to_le_bytes()[0] ^ byte.to_le_bytes()[2]).collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &content).unwrap();
    container.put_file("x", file.path(), content.len() as u64).await.unwrap();
    let puts: Vec<_> = server.asked().into_iter().filter(|asked| asked.method == "PUT").collect();
    let sent: Vec<(&str, &str, usize)> = puts
        .iter()
        .map(|put| (put.query["comp"].as_str(), put.query.get("blockid").map_or("", String::as_str), put.body.len()))
        .collect();
    let (first, second) = ("MDAwMDAw", "MDAwMDAx");
    let block = 16 * 1024 * 1024;
    let list = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList><Latest>{first}</Latest><Latest>{second}</Latest></BlockList>"
    );
    assert_eq!(
        sent,
        [("block", first, block), ("block", first, block), ("block", second, 5), ("blocklist", "", list.len())]
    );
    assert!(puts[1].body == content[..block] && puts[2].body == content[block..]);
    assert_eq!(puts[3].body, list.as_bytes());
    let other = container.put_file("x", std::path::Path::new("/nowhere"), 4).await.unwrap_err();
    assert!(other.to_string().contains("can't be read back"), "{other}");
}

#[tokio::test]
async fn a_datastore_without_signatures_is_written_by_identity() {
    let server = Server::with_tokens(|asked, _| match (asked.method.as_str(), asked.path.as_str()) {
        ("GET", path) if path.ends_with("/datastores") => Reply::Json(200, datastore()),
        ("POST", _) => Reply::Json(200, json!({"secretsType": "None"})),
        _ => Reply::With(201, vec![], Value::Null),
    })
    .await;
    let workspace = server.workspace();
    let container = workspace.container(&workspace.default_datastore().await.unwrap()).await.unwrap();
    container.put("x", Bytes::from_static(b"1")).await.unwrap();
    assert_eq!(
        server.asked().pop().unwrap().headers["authorization"],
        "Bearer token-for-https://storage.azure.com/.default"
    );
}

#[tokio::test]
async fn a_datastore_leads_to_no_account_outside_the_cloud() {
    let server = Server::with_tokens(|_, _| Reply::Json(200, json!({"secretsType": "None"}))).await;
    let mut cloud = (*server.cloud).clone();
    cloud.blob_endpoint = "https://{account}.blob.core.windows.net".into();
    cloud.hosts.push(".core.windows.net".into());
    let transport = Transport::new(Arc::new(cloud), Duration::from_secs(5)).unwrap();
    let workspace = crate::support::workspace(&server.client_by(transport));
    let mut store = Datastore { name: "d".into(), ..Default::default() };
    store.properties.container_name = Some("box".into());
    for (account, trusted) in
        [("acct", true), ("evil.example/", false), ("evil.example#", false), ("user@evil.example:1/", false)]
    {
        store.properties.account_name = Some(account.into());
        let result = workspace.container(&store).await;
        assert_eq!(result.is_ok(), trusted, "{account}: {result:?}");
    }
}

#[tokio::test]
async fn blobs_are_listed_page_by_page() {
    let server = Server::with_tokens(|asked, _| match (asked.method.as_str(), asked.path.as_str()) {
        ("GET", path) if path.ends_with("/datastores") => Reply::Json(200, datastore()),
        ("POST", _) => Reply::Json(200, json!({"secretsType": "Sas", "sasToken": "?sig=s"})),
        _ if asked.query.contains_key("marker") => Reply::Text(
            200,
            "application/xml",
            "<R><Blobs><Blob><Name>p/2</Name></Blob></Blobs><NextMarker/></R>".into(),
        ),
        _ => Reply::Text(
            200,
            "application/xml",
            "<R><Blobs><Blob><Name>p/1</Name></Blob></Blobs><NextMarker>m</NextMarker></R>".into(),
        ),
    })
    .await;
    let workspace = server.workspace();
    let container = workspace.container(&workspace.default_datastore().await.unwrap()).await.unwrap();
    let names: Vec<String> = container.list("p/").await.unwrap().into_iter().map(|blob| blob.name).collect();
    assert_eq!(names, ["p/1", "p/2"]);
    let asked = server.asked().pop().unwrap();
    assert_eq!(
        ["comp", "restype", "prefix", "marker", "sig"].map(|name| asked.query[name].as_str()),
        ["list", "container", "p/", "m", "s"]
    );
}

#[tokio::test]
async fn the_best_trial_is_found_by_run_history_and_its_metrics_by_mlflow() {
    let server = Server::with_tokens(|asked, url| match asked.path.strip_prefix("/history/v1.0").unwrap_or(&asked.path) {
        "/discovery" => Reply::Json(200, json!({"api": url, "history": format!("{url}/")})),
        path if path == format!("{WORKSPACE}/runs/p/children") => match asked.query.get("continuationToken") {
            None => Reply::Json(200, json!({"value": [{"runId": "n1", "status": "Completed", "properties": {"azureml.moduleName": "train", "n": 3, "x": null}}], "continuationToken": "c"})),
            Some(_) => Reply::Json(200, json!({"value": [{"runId": "n2", "status": "Failed", "displayName": "other", "error": {"error": {"code": "UserError", "message": "no column"}}}]})),
        },
        path if path == format!("{WORKSPACE}/runs/n1") => Reply::Json(200, json!({"runId": "n1", "status": "Completed", "tags": {
            "iteration_000": "0;1", "score_000": "0.91;0.94", "run_algorithm_000": "KNN;VotingEnsemble", "automl_best_child_run_id": "n1_1"}})),
        path if path.ends_with("/runs/gone") => Reply::Json(404, json!({"error": {"code": "UserError", "message": "no such run"}})),
        path if path == format!("/mlflow/v2.0{WORKSPACE}/api/2.0/mlflow/runs/get") => {
            assert_eq!(asked.query["run_id"], "n1_1");
            Reply::Json(200, json!({"run": {"data": {"metrics": [{"key": "AUC_weighted", "value": 0.94, "step": 0}, {"key": "log_loss", "value": "NaN"}]}}}))
        }
        other => panic!("{other}"),
    })
    .await;
    let workspace = server.workspace();
    let host = workspace.history_host(&format!("{}/discovery", server.cloud.resource_manager)).await.unwrap();
    assert!(!server.asked()[0].headers.contains_key("authorization"), "discovery is asked without a token");
    let history = workspace.history(host);
    let children = history.children("p").await.unwrap();
    assert_eq!(children.iter().map(|run| run.step().unwrap()).collect::<Vec<_>>(), ["train", "other"]);
    assert_eq!(children[0].properties["n"], "3");
    assert_eq!(children[1].error_text().as_deref(), Some("UserError: no column"));
    assert_eq!(history.run("gone").await.unwrap(), None);

    let node = history.run("n1").await.unwrap().unwrap();
    let trials = automl::trials("n1", &node.tags);
    assert_eq!(trials.iter().map(|trial| trial.score).collect::<Vec<_>>(), [Some(0.91), Some(0.94)]);
    let metrics = history.metrics(automl::best_child(&node.tags).unwrap()).await.unwrap();
    assert_eq!(metrics.into_iter().collect::<Vec<_>>(), [("AUC_weighted".to_owned(), 0.94)]);
}

#[tokio::test]
async fn scoring_is_by_key_and_past_the_traffic_when_a_deployment_is_named() {
    let server = Server::with_tokens(|asked, _| match asked.path.as_str() {
        "/score" if asked.headers.get("azureml-model-deployment").is_some_and(|name| name == "broken") => {
            Reply::Text(424, "text/plain", "model failed".into())
        }
        "/score" => Reply::Json(200, json!([1])),
        _ => Reply::Text(200, "application/json", "{\"swagger\": \"2.0\"}".into()),
    })
    .await;
    let (client, key) = (server.client_by(server.transport()), SecretString::from("endpoint-key"));
    let uri = format!("{}/score", server.cloud.resource_manager);
    let scored = client.score(&uri, &key, None, &json!({"input_data": []})).await.unwrap();
    assert_eq!((scored.status, scored.body), (200, Some(json!([1]))));
    assert_eq!(server.asked()[0].headers["authorization"], "Bearer endpoint-key");
    let scored = client.score(&uri, &key, Some("broken"), &json!({})).await.unwrap();
    assert_eq!((scored.status, scored.text.as_str()), (424, "model failed"));
    let swagger = client.swagger(&format!("{}/swagger.json", server.cloud.resource_manager), &key).await.unwrap();
    assert_eq!(swagger, "{\"swagger\": \"2.0\"}");
    assert!(server.tokens().is_empty());
}

#[tokio::test]
async fn log_lines_are_queried_with_monitor_s_own_audience() {
    let server = Server::with_tokens(|asked, _| match asked.method.as_str() {
        "GET" => Reply::Json(200, json!({"properties": {"AppId": "app-1"}})),
        _ => Reply::Json(200, json!({"tables": [{"name": "PrimaryResult", "columns": [{"name": "timestamp", "type": "datetime"}, {"name": "message", "type": "string"}], "rows": [["t", "hello"]]}]})),
    })
    .await;
    let client = server.client_by(server.transport());
    let component =
        format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Insights/components/ai");
    let app = client.application_insights_app_id(&component).await.unwrap().unwrap();
    let table = client.query_application_insights(&app, "traces | take 1", Some("PT1H")).await.unwrap();
    assert_eq!(table.column("message"), Some(vec![&json!("hello")]));
    let asked = server.asked().pop().unwrap();
    assert_eq!(asked.path, "/applicationinsights/v1/apps/app-1/query");
    assert_eq!(asked.json(), json!({"query": "traces | take 1", "timespan": "PT1H"}));
    assert_eq!(asked.headers["authorization"], "Bearer token-for-https://api.applicationinsights.io/.default");
}

#[tokio::test]
async fn roles_are_given_under_the_name_that_the_caller_chose() {
    let server = Server::with_tokens(|asked, _| match asked.method.as_str() {
        "GET" => Reply::Json(200, json!({"value": [{"id": "a", "name": "n", "properties": {"roleDefinitionId": "/x/roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "principalId": "p", "scope": WORKSPACE}}]})),
        "PUT" => Reply::Json(201, json!({"id": "a", "name": "n"})),
        _ => Reply::Json(404, json!({"error": {"code": "RoleAssignmentNotFound", "message": "gone"}})),
    })
    .await;
    let workspace = server.workspace();
    let owner = role_guid("owner").unwrap();
    assert_eq!(workspace.role_assignments("p").await.unwrap()[0].role_guid(), Some(owner.clone()));
    assert_eq!(server.asked()[0].query["$filter"], "principalId eq 'p'");
    workspace.assign_role(Uuid::nil(), &owner, "p", "ServicePrincipal").await.unwrap();
    let put = server.asked().pop().unwrap();
    assert_eq!(put.path, format!("{WORKSPACE}/providers/Microsoft.Authorization/roleAssignments/{}", Uuid::nil()));
    assert_eq!(put.query["api-version"], "2022-04-01");
    assert_eq!(
        put.json(),
        json!({"properties": {
            "roleDefinitionId": format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{owner}"),
            "principalId": "p", "principalType": "ServicePrincipal"}})
    );
    workspace
        .remove_role_assignment(&format!("{WORKSPACE}/providers/Microsoft.Authorization/roleAssignments/x"))
        .await
        .unwrap();
    assert_eq!(role_guid("No such role"), None);
}

#[tokio::test]
async fn autoscale_stands_beside_the_workspace() {
    let server = Server::with_tokens(|asked, _| match asked.method.as_str() {
        "DELETE" => Reply::Json(404, json!({"error": {"code": "ResourceNotFound", "message": "gone"}})),
        _ => Reply::Json(200, json!({"id": "x", "properties": {"enabled": true, "profiles": null}})),
    })
    .await;
    let workspace = server.workspace();
    let setting = workspace.autoscale_setting("bank-blue").await.unwrap().unwrap();
    assert!(setting.properties.enabled && setting.properties.profiles.is_empty());
    assert_eq!(
        server.asked()[0].path,
        format!(
            "/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Insights/autoscaleSettings/bank-blue"
        )
    );
    workspace.put_autoscale_setting("bank-blue", &setting).await.unwrap();
    workspace.delete_autoscale_setting("bank-blue").await.unwrap();
    let endpoint = workspace.id_of("onlineEndpoints/bank");
    workspace.metrics(&endpoint, &[("metricnames", "RequestsPerMinute")]).await.unwrap();
    let asked = server.asked().pop().unwrap();
    assert_eq!(asked.path, format!("{endpoint}/providers/Microsoft.Insights/metrics"));
    assert_eq!(asked.query["metricnames"], "RequestsPerMinute");
}
