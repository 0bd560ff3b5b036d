//! How requests go out and how answers come back, over HTTPS.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::{Reply, Server, WORKSPACE, workspace};
use azureml::error::Class;
use azureml::resources::online::OnlineEndpoint;
use azureml::transport::{Call, Observer, Transport};
use azureml::{Error, Priority};
use serde_json::{Value, json};

#[tokio::test]
async fn a_request_carries_what_azure_asks_for() {
    let server = Server::with_tokens(|_, _| Reply::Json(200, json!({"id": "x", "properties": {}}))).await;
    server.workspace().job("j").await.unwrap().unwrap();
    let asked = server.asked().remove(0);
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("GET", format!("{WORKSPACE}/jobs/j").as_str()));
    assert_eq!(asked.query["api-version"], "2025-12-01");
    assert_eq!(asked.headers["authorization"], "Bearer token-for-https://management.azure.com/.default");
    assert!(asked.headers["user-agent"].starts_with("azureml-operator/"));
    assert_eq!(asked.headers["x-ms-client-request-id"].len(), 36);
}

#[tokio::test]
async fn tokens_are_asked_for_once_an_audience() {
    let server = Server::with_tokens(|_, _| Reply::Json(200, json!({"id": "x", "properties": {}}))).await;
    let workspace = server.workspace();
    for _ in 0..3 {
        workspace.job("j").await.unwrap();
    }
    workspace.submit_pipeline("j", &Default::default()).await.unwrap();
    let scopes: Vec<String> =
        server.tokens().iter().map(|asked| String::from_utf8(asked.body.clone()).unwrap()).collect();
    assert_eq!(scopes.len(), 2, "{scopes:?}");
    assert!(server.tokens().iter().all(|asked| asked.path == "/tenant/oauth2/v2.0/token"));
    let submitted = server.asked().pop().unwrap();
    assert_eq!(submitted.headers["x-azureml-token"], "token-for-https://ml.azure.com/.default");
}

#[tokio::test]
async fn an_unknown_certificate_authority_is_no_answer() {
    let server = Server::with_tokens(|_, _| Reply::Json(200, json!({}))).await;
    let mut cloud = (*server.cloud).clone();
    cloud.ca_file = None;
    let transport = Transport::new(Arc::new(cloud), Duration::from_secs(5)).unwrap();
    let error = workspace(&server.client_by(transport)).job("j").await.unwrap_err();
    assert!(matches!(error, Error::Token { transient: true, .. }), "{error}");
    assert!(error.to_string().to_lowercase().contains("certificate"), "{error}");
}

#[tokio::test]
async fn what_azure_says_is_told_with_code_message_and_request_id() {
    let server = Server::with_tokens(|_, _| {
        Reply::With(
            403,
            vec![],
            json!({"error": {"code": "AuthorizationFailed", "message": "The client has no role."}}),
        )
    })
    .await;
    let error = server.workspace().job("j").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "GET ws/jobs/j: Azure answered 403 AuthorizationFailed: The client has no role (request id azure-request-1)."
    );
    assert!(error.is_authorization_failed());
    assert_eq!(error.class(), Class::Forbidden);
}

#[tokio::test]
async fn entra_errors_keep_their_code() {
    let server = Server::start(|_, _| {
        Reply::Json(401, json!({"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided.", "error_codes": [7000215]}))
    })
    .await;
    let error = server.workspace().job("j").await.unwrap_err();
    assert_eq!(error.code(), Some("AADSTS7000215"));
    assert_eq!(error.class(), Class::Unauthenticated);
    assert!(!error.to_string().contains("hunter2") && !error.to_string().contains("troubleshoot"), "{error}");
}

#[tokio::test]
async fn a_token_endpoint_behind_a_broken_proxy_passes_by_itself() {
    let server = Server::start(|_, _| Reply::Text(502, "text/html", "<html>Bad Gateway</html>".into())).await;
    let error = server.workspace().job("j").await.unwrap_err();
    assert_eq!(error.class(), Class::Retry { after: None }, "{error}");
}

#[tokio::test]
async fn absence_is_only_believed_of_azure_itself() {
    let azure =
        Server::with_tokens(|_, _| Reply::Json(404, json!({"error": {"code": "ResourceNotFound", "message": "gone"}})))
            .await;
    assert_eq!(azure.workspace().job("j").await.unwrap(), None);
    let proxy = Server::with_tokens(|_, _| Reply::Text(404, "text/html", "<html>not found</html>".into())).await;
    let error = proxy.workspace().job("j").await.unwrap_err();
    assert!(matches!(error, Error::Malformed { .. }), "{error}");
    assert_eq!(error.class(), Class::Retry { after: None });
}

#[tokio::test]
async fn broken_answers_are_errors_that_pass_by_themselves() {
    for (name, reply) in [
        ("html", (|| Reply::Text(200, "text/html", "<html>".into())) as fn() -> Reply),
        ("half of the JSON", || Reply::Text(200, "application/json", r#"{"id": "x", "prop"#.into())),
        ("a body shorter than promised", || Reply::Truncated(r#"{"id": "x"#)),
        ("a proxy's 502", || Reply::Text(502, "text/html", "<html><b>Bad Gateway</b></html>".into())),
        ("a redirect", || Reply::With(302, vec![("location", "https://evil.example/".into())], Value::Null)),
    ] {
        let server = Server::with_tokens(move |_, _| reply()).await;
        let error = server.workspace().job("j").await.unwrap_err();
        let retried = matches!(error.class(), Class::Retry { .. });
        assert!(retried || name == "a redirect", "{name}: {error}");
        assert_eq!(server.asked().len(), 1, "{name}: nothing is retried in here");
    }
}

#[tokio::test]
async fn a_hanging_answer_ends_with_the_time_out() {
    let server = Server::with_tokens(|_, _| Reply::Hang).await;
    let transport = Transport::new(server.cloud.clone(), Duration::from_millis(300)).unwrap();
    let began = Instant::now();
    let error = workspace(&server.client_by(transport)).job("j").await.unwrap_err();
    assert!(matches!(&error, Error::NoAnswer { message, .. } if message.contains("ran out")), "{error}");
    assert!(began.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn after_a_429_nothing_is_sent_until_azure_s_time_is_over() {
    let server = Server::with_tokens(|asked, _| match asked.method.as_str() {
        "PUT" => Reply::With(
            429,
            vec![("retry-after", "60".into())],
            json!({"error": {"code": "TooManyRequests", "message": "slow"}}),
        ),
        _ => Reply::Json(200, json!({"id": "x", "properties": {}})),
    })
    .await;
    let workspace = server.workspace();
    let first = workspace.put_online_endpoint("e", &OnlineEndpoint::default()).await.unwrap_err();
    assert_eq!(first.class(), Class::Throttled { after: Some(Duration::from_secs(60)) });
    let second = workspace.put_online_endpoint("e", &OnlineEndpoint::default()).await.unwrap_err();
    assert!(matches!(second, Error::Budget { after, .. } if after > Duration::from_secs(50)), "{second}");
    assert_eq!(server.asked().len(), 1, "the second was not sent");
    workspace.job("j").await.unwrap();
    assert_eq!(server.asked().len(), 2, "reads are counted apart");
}

#[tokio::test]
async fn a_subscription_s_requests_are_counted_by_principal() {
    let server = Server::with_tokens(|asked, _| match asked.method.as_str() {
        "PUT" => Reply::With(
            429,
            vec![("retry-after", "60".into())],
            json!({"error": {"code": "TooManyRequests", "message": "slow"}}),
        ),
        _ => Reply::With(
            200,
            vec![("x-ms-ratelimit-remaining-subscription-reads", "0".into())],
            json!({"id": "x", "properties": {}}),
        ),
    })
    .await;
    let transport = server.transport();
    let client = |application: &str| workspace(&server.client_of(application, transport.clone()));
    let (first, same, other) = (client("App"), client("app"), client("other"));
    let endpoint = OnlineEndpoint::default();
    first.put_online_endpoint("e", &endpoint).await.unwrap_err();
    let waits = same.put_online_endpoint("e", &endpoint).await.unwrap_err();
    assert!(matches!(waits, Error::Budget { .. }), "another workspace of the same principal: {waits}");
    let sent = other.put_online_endpoint("e", &endpoint).await.unwrap_err();
    assert!(matches!(sent, Error::Answer { status: 429, .. }), "another principal: {sent}");
    // What is left to one is not what is left to another.
    first.job("j").await.unwrap();
    let same = same.at(Priority::Drift).job("j").await.unwrap_err();
    assert!(matches!(same, Error::Budget { .. }), "{same}");
    other.at(Priority::Drift).job("j").await.unwrap();
    assert_eq!(server.asked().len(), 4);
}

#[tokio::test]
async fn a_replica_that_no_longer_leads_writes_nothing_but_may_read() {
    let server =
        Server::with_tokens(|_, _| Reply::Json(200, json!({"id": "x", "primaryKey": "p", "secondaryKey": "s"}))).await;
    let leads = Arc::new(AtomicBool::new(false));
    let seen = leads.clone();
    let client = server.client_by(
        server.transport().guarded_by(Arc::new(move || seen.load(Ordering::SeqCst).then_some(Duration::MAX))),
    );
    let workspace = workspace(&client);
    let error = workspace.put_online_endpoint("e", &OnlineEndpoint::default()).await.unwrap_err();
    assert!(matches!(error, Error::NotLeader { .. }), "{error}");
    assert!(workspace.delete_online_endpoint("e").await.is_err());
    assert!(workspace.cancel_job("j").await.is_err());
    assert!(server.asked().is_empty());
    workspace.online_endpoint_keys("e").await.unwrap();
    leads.store(true, Ordering::SeqCst);
    workspace.put_online_endpoint("e", &OnlineEndpoint::default()).await.unwrap();
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn a_write_takes_no_longer_than_the_time_that_is_left_to_write() {
    let server = Server::with_tokens(|_, _| Reply::Hang).await;
    let patient = Transport::new(server.cloud.clone(), Duration::from_secs(3600)).unwrap();
    let client = server.client_by(patient.guarded_by(Arc::new(|| Some(Duration::from_millis(100)))));
    let workspace = workspace(&client);
    let endpoint = OnlineEndpoint::default();
    let put = workspace.put_online_endpoint("e", &endpoint);
    let error = tokio::time::timeout(Duration::from_secs(60), put).await.expect("it is given up").unwrap_err();
    assert!(error.to_string().contains("the time for an answer ran out"), "{error}");
}

#[derive(Debug, Default)]
struct Calls(Mutex<Vec<(String, String, String)>>);

impl Observer for Calls {
    fn called(&self, call: &Call<'_>) {
        self.0.lock().unwrap().push((call.resource.to_owned(), call.verb.to_owned(), call.code.clone()));
    }
}

#[tokio::test]
async fn every_call_is_told_to_the_observer() {
    let server = Server::with_tokens(|asked, _| {
        if asked.method == "GET" { Reply::Json(200, json!({"id": "x"})) } else { Reply::Truncated("{") }
    })
    .await;
    let calls = Arc::new(Calls::default());
    let workspace = workspace(&server.client_by(server.transport().observed_by(calls.clone())));
    workspace.job("j").await.unwrap();
    workspace.put_online_endpoint("e", &OnlineEndpoint::default()).await.unwrap_err();
    let seen = calls.0.lock().unwrap().clone();
    let expected = [("jobs", "GET", "200"), ("onlineEndpoints", "PUT", "error")];
    assert_eq!(
        seen.iter().map(|(resource, verb, code)| (resource.as_str(), verb.as_str(), code.as_str())).collect::<Vec<_>>(),
        expected
    );
}

#[tokio::test]
async fn lists_are_followed_to_their_last_page() {
    let server = Server::with_tokens(|asked, url| {
        let page: usize = asked.query.get("$skip").map_or(0, |text| text.parse().unwrap());
        let next = (page < 2).then(|| format!("{url}{}?api-version=2025-12-01&$skip={}", asked.path, page + 1));
        Reply::Json(200, json!({"value": [{"name": format!("v{page}"), "properties": {}}], "nextLink": next}))
    })
    .await;
    let names: Vec<String> =
        server.workspace().data_versions("d").await.unwrap().into_iter().map(|version| version.name).collect();
    assert_eq!(names, ["v0", "v1", "v2"]);
    assert_eq!(server.asked()[0].query["listViewType"], "All");
}

#[tokio::test]
async fn a_list_without_an_end_is_an_error_and_not_half_a_list() {
    let server = Server::with_tokens(|asked, url| {
        Reply::Json(200, json!({"value": [], "nextLink": format!("{url}{}?again=1", asked.path)}))
    })
    .await;
    let client = server.client_by(server.transport().limited_to(azureml::budget::Limits {
        reads: azureml::budget::Limit { size: 10_000.0, refill_per_second: 10_000.0 },
        ..Default::default()
    }));
    let error = workspace(&client).data_versions("d").await.unwrap_err();
    assert!(matches!(error, Error::Malformed { .. }), "{error}");
}

#[tokio::test]
async fn addresses_outside_the_cloud_are_never_followed() {
    let strangers = Arc::new(AtomicUsize::new(0));
    let count = strangers.clone();
    let stranger = Server::start(move |_, _| {
        count.fetch_add(1, Ordering::SeqCst);
        Reply::Json(200, json!({"status": "Succeeded", "value": []}))
    })
    .await;
    let outside = stranger.cloud.resource_manager.clone();
    let link = outside.clone();
    let server = Server::with_tokens(move |asked, _| match asked.method.as_str() {
        "GET" => Reply::Json(200, json!({"value": [], "nextLink": format!("{link}/steal")})),
        _ => Reply::With(201, vec![("azure-asyncoperation", format!("{link}/steal"))], json!({"id": "x"})),
    })
    .await;
    let workspace = server.workspace();
    assert!(matches!(workspace.data_versions("d").await.unwrap_err(), Error::Untrusted { .. }));
    assert!(matches!(
        workspace.put_online_endpoint("e", &OnlineEndpoint::default()).await.unwrap_err(),
        Error::Untrusted { .. }
    ));
    assert!(matches!(
        workspace.history_host(&format!("{outside}/discovery")).await.unwrap_err(),
        Error::Untrusted { .. }
    ));
    let key = secrecy::SecretString::from("key");
    assert!(matches!(
        workspace.client().swagger(&format!("{outside}/swagger.json"), &key).await.unwrap_err(),
        Error::Untrusted { .. }
    ));
    let operation = azureml::Operation::resume(format!("{outside}/op"), "Location");
    assert!(matches!(workspace.client().poll(&operation).await.unwrap_err(), Error::Untrusted { .. }));
    assert_eq!(strangers.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_token_that_a_service_refuses_is_not_used_again() {
    let refusals = Arc::new(AtomicUsize::new(0));
    let count = refusals.clone();
    let server = Server::with_tokens(move |_, _| match count.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::Json(
            401,
            json!({"error": {"code": "ExpiredAuthenticationToken", "message": "The access token expired."}}),
        ),
        _ => Reply::Json(200, json!({"id": "x"})),
    })
    .await;
    let workspace = server.workspace();
    let error = workspace.job("j").await.unwrap_err();
    assert_eq!(error.class(), Class::Retry { after: None });
    workspace.job("j").await.unwrap();
    workspace.job("j").await.unwrap();
    assert_eq!(server.tokens().len(), 2, "one anew after the refusal, then out of the cache");
}

#[tokio::test]
async fn a_storm_of_401_asks_for_no_storm_of_tokens() {
    let server = Server::with_tokens(|_, _| {
        Reply::Json(401, json!({"error": {"code": "InvalidAuthenticationToken", "message": "?"}}))
    })
    .await;
    let workspace = server.workspace();
    for _ in 0..10 {
        assert_eq!(workspace.job("j").await.unwrap_err().class(), Class::Unauthenticated);
    }
    assert_eq!(server.tokens().len(), 2);
}

#[tokio::test]
async fn a_name_never_leads_to_another_resource() {
    let server = Server::with_tokens(|_, _| Reply::Json(200, json!({"id": "x"}))).await;
    let workspace = server.workspace();
    for name in ["../models/m", "a?x=y", "a#b", "a/../../b", "", ".", "a%2Fb"] {
        assert!(matches!(workspace.job(name).await, Err(Error::Malformed { .. })), "{name:?}");
    }
    assert!(server.asked().is_empty());
}
