//! An HTTPS server in the test's own process that answers as the test says, and keeps what it was asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use azureml::auth::{CredentialSource, credential};
use azureml::transport::Transport;
use azureml::{Client, Cloud, Workspace, WorkspaceId};
use secrecy::SecretString;
use serde_json::{Value, json};

pub const SUBSCRIPTION: &str = "11111111-1111-1111-1111-111111111111";
pub const WORKSPACE: &str = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws";

/// A request that came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What is answered.
pub enum Reply {
    Json(u16, Value),
    With(u16, Vec<(&'static str, String)>, Value),
    Text(u16, &'static str, String),
    /// Promises more than it sends.
    Truncated(&'static str),
    /// Never.
    Hang,
}

type Answer = dyn Fn(&Asked, &str) -> Reply + Send + Sync;

struct Inner {
    url: String,
    asked: Mutex<Vec<Asked>>,
    answer: Box<Answer>,
}

/// The server. It ends with the test.
pub struct Server {
    inner: Arc<Inner>,
    pub cloud: Arc<Cloud>,
    _directory: tempfile::TempDir,
}

impl Server {
    /// As [`Server::start`], and tokens are given to everybody.
    pub async fn with_tokens(answer: impl Fn(&Asked, &str) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(move |asked, url| token_or(asked, || answer(asked, url))).await
    }

    /// `answer` is given the request and the server's own address.
    pub async fn start(answer: impl Fn(&Asked, &str) -> Reply + Send + Sync + 'static) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let directory = tempfile::tempdir().unwrap();
        let mut authority = rcgen::CertificateParams::new(vec![]).unwrap();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority = rcgen::CertifiedIssuer::self_signed(authority, rcgen::KeyPair::generate().unwrap()).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let leaf = rcgen::CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
        let ca_file = directory.path().join("ca.pem");
        std::fs::write(&ca_file, authority.pem()).unwrap();

        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let url = format!("https://{host}");
        let inner = Arc::new(Inner { url: url.clone(), asked: Mutex::default(), answer: Box::new(answer) });
        let tls = axum_server::tls_rustls::RustlsConfig::from_pem(leaf.pem().into(), key.serialize_pem().into())
            .await
            .unwrap();
        let router = Router::new().fallback(serve).with_state(inner.clone());
        tokio::spawn(axum_server::from_tcp_rustls(listener, tls).unwrap().serve(router.into_make_service()));

        let mut cloud = Cloud::public();
        cloud.resource_manager = url.clone();
        cloud.authority = url.clone();
        cloud.blob_endpoint = format!("{url}/blob/{{account}}");
        cloud.application_insights = format!("{url}/applicationinsights");
        cloud.hosts = vec![host];
        cloud.ca_file = Some(ca_file);
        Self { inner, cloud: Arc::new(cloud), _directory: directory }
    }

    pub fn transport(&self) -> Transport {
        Transport::new(self.cloud.clone(), Duration::from_secs(5)).unwrap()
    }

    pub fn client_by(&self, transport: Transport) -> Client {
        self.client_of("app", transport)
    }

    /// With a credential of its own for this application.
    pub fn client_of(&self, application: &str, transport: Transport) -> Client {
        let source = CredentialSource::ClientSecret {
            tenant_id: "tenant".into(),
            client_id: application.into(),
            secret: SecretString::from("hunter2"),
        };
        let credential = credential(source, transport.cloud(), &transport).unwrap();
        let cloud = Arc::new(transport.cloud().clone());
        Client::new(transport, cloud, credential)
    }

    pub fn workspace(&self) -> Workspace {
        workspace(&self.client_by(self.transport()))
    }

    /// The requests that came, but for tokens.
    pub fn asked(&self) -> Vec<Asked> {
        self.inner.asked.lock().unwrap().iter().filter(|asked| !asked.path.contains("/oauth2/")).cloned().collect()
    }

    /// The requests for tokens that came.
    pub fn tokens(&self) -> Vec<Asked> {
        self.inner.asked.lock().unwrap().iter().filter(|asked| asked.path.contains("/oauth2/")).cloned().collect()
    }
}

pub fn workspace(client: &Client) -> Workspace {
    client.workspace(WorkspaceId {
        subscription_id: SUBSCRIPTION.into(),
        resource_group: "rg".into(),
        name: "ws".into(),
    })
}

async fn serve(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let asked = Asked {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect(),
        headers: parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect(),
        body: to_bytes(body, usize::MAX).await.unwrap().to_vec(),
    };
    inner.asked.lock().unwrap().push(asked.clone());
    let reply = (inner.answer)(&asked, &inner.url);
    let (status, headers, body) = match reply {
        Reply::Json(404, Value::Null) if asked.path.contains("/oauth2/") => {
            let scope: String =
                url::form_urlencoded::parse(&asked.body).find(|(name, _)| name == "scope").unwrap().1.into();
            let token = json!({"token_type": "Bearer", "expires_in": 3599, "access_token": format!("token for {scope}").replace(' ', "-")});
            (200, vec![], Body::from(token.to_string()))
        }
        Reply::Json(status, body) => {
            (status, vec![("content-type", "application/json".into())], Body::from(body.to_string()))
        }
        Reply::With(status, headers, body) => {
            (status, headers, if body.is_null() { Body::empty() } else { Body::from(body.to_string()) })
        }
        Reply::Text(status, kind, text) => (status, vec![("content-type", kind.to_owned())], Body::from(text)),
        Reply::Truncated(text) => {
            (200, vec![("content-length", (text.len() + 10).to_string())], Body::from_stream(once(text)))
        }
        Reply::Hang => std::future::pending().await,
    };
    let mut response = Response::builder().status(status).header("x-ms-request-id", "azure-request-1");
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(body).unwrap()
}

fn once(text: &'static str) -> impl futures::Stream<Item = Result<&'static str, std::convert::Infallible>> {
    futures::stream::iter([Ok(text)])
}

/// A token request is answered by the server itself: the test has nothing to say about it.
pub fn token_or(asked: &Asked, otherwise: impl FnOnce() -> Reply) -> Reply {
    if asked.path.contains("/oauth2/") { Reply::Json(404, Value::Null) } else { otherwise() }
}
