//! Every way to authenticate, as the token endpoint sees it.

use std::collections::BTreeMap;
use std::sync::Arc;

use azureml::auth::{ClientAssertion, CredentialSource, ServicePrincipalJson, credential};
use azureml::certificate::Certificate;
use azureml::{Client, Error};
use secrecy::SecretString;
use serde_json::json;

use crate::support::{Asked, Reply, Server, workspace};

#[derive(Debug)]
struct Fixed(Result<&'static str, &'static str>);

#[async_trait::async_trait]
impl ClientAssertion for Fixed {
    async fn assertion(&self) -> Result<SecretString, String> {
        self.0.map(SecretString::from).map_err(str::to_owned)
    }
}

fn client(server: &Server, source: CredentialSource) -> Client {
    let transport = server.transport();
    let credential = credential(source, &server.cloud, &transport).unwrap();
    Client::new(transport, server.cloud.clone(), credential)
}

fn form(asked: &Asked) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(&asked.body).into_owned().collect()
}

async fn server() -> Server {
    Server::with_tokens(|_, _| Reply::Json(200, json!({"id": "x"}))).await
}

#[tokio::test]
async fn a_service_principal_from_its_json_sends_its_secret() {
    let server = server().await;
    let text =
        SecretString::from(r#"{"clientId": "app", "clientSecret": "hunter2", "tenantId": "t", "subscriptionId": "s"}"#);
    let client = client(&server, ServicePrincipalJson::parse(&text).unwrap().source(&server.cloud).unwrap());
    workspace(&client).job("j").await.unwrap();
    let asked = server.tokens().remove(0);
    assert_eq!(asked.path, "/t/oauth2/v2.0/token");
    let form = form(&asked);
    assert_eq!(
        ["client_id", "client_secret", "grant_type", "scope"].map(|name| form[name].as_str()),
        ["app", "hunter2", "client_credentials", "https://management.azure.com/.default"]
    );
}

#[tokio::test]
async fn workload_identity_exchanges_the_token_it_is_given() {
    let server = server().await;
    let assertion = Arc::new(Fixed(Ok("kubernetes-token")));
    let client =
        client(&server, CredentialSource::Assertion { tenant_id: "t".into(), client_id: "app".into(), assertion });
    workspace(&client).job("j").await.unwrap();
    let form = form(&server.tokens()[0]);
    assert_eq!(form["client_assertion"], "kubernetes-token");
    assert_eq!(form["client_assertion_type"], "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    assert!(!form.contains_key("client_secret"));
}

#[tokio::test]
async fn without_a_token_to_exchange_nothing_is_asked_for() {
    let server = server().await;
    let assertion = Arc::new(Fixed(Err("no ServiceAccount ml")));
    let client =
        client(&server, CredentialSource::Assertion { tenant_id: "t".into(), client_id: "app".into(), assertion });
    let error = workspace(&client).job("j").await.unwrap_err();
    assert!(
        matches!(&error, Error::Token { transient: false, message, .. } if message.contains("no ServiceAccount ml")),
        "{error}"
    );
    assert!(server.tokens().is_empty() && server.asked().is_empty());
}

#[tokio::test]
async fn a_certificate_signs_for_the_token_endpoint() {
    let server = server().await;
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let certificate = rcgen::CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap();
    let pem = format!("{}{}", key.serialize_pem(), certificate.pem());
    let certificate = Arc::new(Certificate::read(pem.as_bytes(), None).unwrap());
    let source = CredentialSource::Certificate { tenant_id: "t".into(), client_id: "app".into(), certificate };
    let client = client(&server, source);
    workspace(&client).job("j").await.unwrap();
    let form = form(&server.tokens()[0]);
    let claims = form["client_assertion"].split('.').nth(1).unwrap();
    let claims: serde_json::Value =
        serde_json::from_slice(&data_encoding::BASE64URL_NOPAD.decode(claims.as_bytes()).unwrap()).unwrap();
    assert_eq!(claims["aud"], format!("{}/t/oauth2/v2.0/token", server.cloud.authority));
}

#[tokio::test]
async fn a_managed_identity_asks_instance_metadata() {
    let server = Server::start(|asked, _| match asked.path.as_str() {
        "/metadata/identity/oauth2/token" => {
            let token = json!({"access_token": "vm-token", "expires_on": "4102444800", "resource": "r", "token_type": "Bearer"});
            Reply::Json(200, token)
        }
        _ => Reply::Json(200, json!({"id": "x"})),
    })
    .await;
    let mut cloud = (*server.cloud).clone();
    cloud.imds = Some(cloud.resource_manager.parse().unwrap());
    let transport = server.transport();
    let identity =
        credential(CredentialSource::ManagedIdentity { client_id: Some("app".into()) }, &cloud, &transport).unwrap();
    workspace(&Client::new(transport, server.cloud.clone(), identity)).job("j").await.unwrap();
    let asked = server.tokens().remove(0);
    assert_eq!(asked.query["client_id"], "app");
    assert_eq!(asked.headers["metadata"], "true");
    assert_eq!(server.asked()[0].headers["authorization"], "Bearer vm-token");
}

#[tokio::test]
async fn no_secret_is_printed() {
    let server = server().await;
    let source = CredentialSource::ClientSecret {
        tenant_id: "t".into(),
        client_id: "app".into(),
        secret: SecretString::from("hunter2"),
    };
    assert!(!format!("{source:?}").contains("hunter2"));
    let client = client(&server, source);
    assert!(!format!("{client:?} {:?}", workspace(&client)).contains("hunter2"));
}
