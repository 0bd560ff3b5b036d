//! The Blob service: paths and hosts, signatures and tokens.

use crate::client::{Emulator, OBJECT_ID, answer};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

/// The default container, and a signature for it.
async fn container(emulator: &Emulator) -> (String, String, String) {
    let workspace = emulator.workspace().await;
    let store = workspace.get("datastores/workspaceblobstore").await["properties"].clone();
    let secrets = workspace.arm(Method::POST, "datastores/workspaceblobstore/listSecrets", json!({})).await.body;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&store["accountName"]), text(&store["containerName"]), text(&secrets["sasToken"]))
}

fn put(emulator: &Emulator, url: &str) -> RequestBuilder {
    emulator.http.put(url).header("x-ms-blob-type", "BlockBlob").body("0123456789")
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_are_written_read_listed_and_removed() {
    let emulator = Emulator::start().await;
    let (account, container, signature) = container(&emulator).await;
    let base = format!("{}/blob/{account}/{container}", emulator.url);
    let blob = |name: &str| format!("{base}/{name}?{signature}");
    for name in ["d/a%20b.csv", "d/c%26d.csv", "e/x.csv"] {
        let made = put(&emulator, &blob(name)).header("if-none-match", "*").send().await.unwrap();
        assert_eq!(made.status(), 201);
        assert!(made.headers().contains_key("etag") && !made.headers().contains_key("content-type"));
    }
    let again = put(&emulator, &blob("e/x.csv")).header("if-none-match", "*").send().await.unwrap();
    assert_eq!(
        (again.status().as_u16(), again.headers()["x-ms-error-code"].to_str().unwrap()),
        (409, "BlobAlreadyExists")
    );
    let described = emulator.http.put(format!("{}&comp=metadata", blob("e/x.csv"))).header("x-ms-meta-name", "x");
    assert_eq!(described.send().await.unwrap().status(), 200);
    let head = emulator.http.head(blob("e/x.csv")).send().await.unwrap();
    assert_eq!((head.status().as_u16(), head.headers()["content-length"].to_str().unwrap()), (200, "10"));
    assert_eq!(head.headers()["x-ms-meta-name"], "x");
    let part = emulator.http.get(blob("e/x.csv")).header("range", "bytes=2-4").send().await.unwrap();
    assert_eq!((part.status().as_u16(), part.text().await.unwrap()), (206, "234".to_owned()));
    let list = format!("{base}?restype=container&comp=list&prefix=d/&maxresults=1&{signature}");
    let first = emulator.http.get(&list).send().await.unwrap().text().await.unwrap();
    assert!(
        first.contains("<Name>d/a b.csv</Name>") && first.contains("<NextMarker>d/a b.csv</NextMarker>"),
        "{first}"
    );
    let second = emulator.http.get(format!("{list}&marker=d/a%20b.csv")).send().await.unwrap().text().await.unwrap();
    assert!(second.contains("<Name>d/c&amp;d.csv</Name>") && second.contains("<NextMarker></NextMarker>"), "{second}");
    assert_eq!(emulator.http.delete(blob("e/x.csv")).send().await.unwrap().status(), 202);
    assert_eq!(emulator.http.head(blob("e/x.csv")).send().await.unwrap().status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn access_needs_a_signature_or_a_token_with_a_role() {
    let emulator = Emulator::start().await;
    let (account, container, signature) = container(&emulator).await;
    let port = emulator.url.rsplit(':').next().unwrap().to_owned();
    let url = format!("https://{account}.blob.localhost:{port}/{container}/x");
    let address = format!("127.0.0.1:{port}").parse().unwrap();
    let http = emulator.trusting().resolve(&format!("{account}.blob.localhost"), address).build().unwrap();
    let send = async |url: String, token: Option<&str>| {
        let request = http.put(url).header("x-ms-blob-type", "BlockBlob").body("x");
        let request = token.iter().fold(request, |request, token| request.bearer_auth(token));
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(send(format!("{url}?{signature}"), None).await, 201);
    assert_eq!(send(url.clone(), None).await, 401);
    assert_eq!(send(format!("{url}?{}", signature.replace("sp=racwdl", "sp=racwdlx")), None).await, 403);
    let token = emulator.token("https://storage.azure.com").await.body["access_token"].as_str().unwrap().to_owned();
    assert_eq!(send(url.clone(), Some(&token)).await, 403);
    let role = json!({"scope": "/subscriptions/s1/resourceGroups/rg", "principalId": OBJECT_ID, "role": "Storage Blob Data Contributor"});
    emulator.control(Method::POST, "roleassignments", role).await;
    assert_eq!(send(url.clone(), Some(&token)).await, 201);
    let arm = emulator.token("https://management.azure.com").await.body["access_token"].as_str().unwrap().to_owned();
    assert_eq!(send(url, Some(&arm)).await, 401);
    let shown =
        answer(emulator.http.get(format!("{}/blob/{account}/{container}/x", emulator.url)).send().await.unwrap()).await;
    assert_eq!(shown.status, 401);
}
