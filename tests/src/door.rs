//! A door in front of the API server: it tells which writes went through, and can hold one of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kube::config::Kubeconfig;
use reqwest::{Certificate, Client};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::failure::{Failure, Result, While};
use crate::tls;

/// A write by what it is on, so that it can be told again in another namespace: the method, the kind of resource, and
/// which one of these it was, from 0.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Write {
    /// The method.
    pub method: String,
    /// The plural of the kind, and the subresource: `amlmodels/status`.
    pub resource: String,
    /// Which of the writes with this method and resource.
    pub nth: usize,
}

impl std::fmt::Display for Write {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} {} #{}", self.method, self.resource, self.nth)
    }
}

/// When a write is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// It does not reach the API server.
    Before,
    /// The API server has carried it out; its answer is withheld.
    Done,
    /// Its answer has gone through; nothing after it reaches the API server.
    Answered,
}

#[derive(Debug)]
struct Trap {
    write: Write,
    moment: Moment,
}

#[derive(Debug, Default)]
struct Ledger {
    seen: BTreeMap<(String, String), usize>,
    writes: Vec<Write>,
    trap: Option<Trap>,
    /// After an answered write was caught, no other gets through.
    shut: bool,
}

#[derive(Debug)]
struct Inner {
    server: String,
    client: Client,
    ledger: Mutex<Ledger>,
    caught: watch::Sender<bool>,
}

/// The door.
#[derive(Debug)]
pub struct Door {
    inner: Arc<Inner>,
    kubeconfig: PathBuf,
    task: JoinHandle<()>,
}

impl Door {
    /// Opens a door to the API server of a kubeconfig (with its token). `folder` gets the kubeconfig that leads through
    /// the door.
    ///
    /// # Errors
    /// When the kubeconfig can't be read or there is nowhere to listen.
    pub async fn open(kubeconfig: &Path, folder: &Path) -> Result<Self> {
        tls::install_provider();
        let (server, ca) = server(kubeconfig)?;
        let client = Client::builder().tls_certs_only([Certificate::from_pem(&ca)?]).build()?;
        let (caught, _) = watch::channel(false);
        let inner = Arc::new(Inner { server, client, ledger: Mutex::default(), caught });
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let router = Router::new().fallback(cross).with_state(inner.clone());
        let task = tokio::spawn(async move {
            // It ends with the door.
            let _ = axum::serve(listener, router).await;
        });
        let through = folder.join("through-the-door.kubeconfig");
        tls::write(&through, &led_through(kubeconfig, &format!("http://{address}"))?)?;
        Ok(Self { inner, kubeconfig: through, task })
    }

    /// The kubeconfig that leads through it.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The writes that came to it, in their order.
    #[must_use]
    pub fn writes(&self) -> Vec<Write> {
        self.inner.ledger().writes.clone()
    }

    /// Holds this write at this moment.
    pub fn hold(&self, write: Write, moment: Moment) {
        self.inner.caught.send_replace(false);
        self.inner.ledger().trap = Some(Trap { write, moment });
    }

    /// Waits until the write that is to be held has come.
    ///
    /// # Errors
    /// When it has not within the limit.
    pub async fn caught(&self, limit: Duration) -> Result {
        let mut caught = self.inner.caught.subscribe();
        match tokio::time::timeout(limit, caught.wait_for(|caught| *caught)).await {
            Ok(_) => Ok(()),
            Err(_) => {
                let came: Vec<String> = self.writes().iter().map(Write::to_string).collect();
                Err(Failure::new(format!(
                    "the write to be held did not come within {limit:?}; these came:\n{}",
                    came.join("\n")
                )))
            }
        }
    }

    /// Lets everything through again.
    pub fn release(&self) {
        let mut ledger = self.inner.ledger();
        ledger.trap = None;
        ledger.shut = false;
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Inner {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a write; when it is to be held, if it is.
    fn note(&self, method: &Method, path: &str) -> Option<Moment> {
        let mut ledger = self.ledger();
        let resource = resource(path);
        let count = ledger.seen.entry((method.to_string(), resource.clone())).or_default();
        let write = Write { method: method.to_string(), resource, nth: *count };
        *count += 1;
        let moment = ledger.trap.as_ref().filter(|trap| trap.write == write).map(|trap| trap.moment);
        ledger.writes.push(write);
        if moment.is_some() {
            ledger.trap = None;
        }
        if moment == Some(Moment::Answered) {
            ledger.shut = true;
            return moment;
        }
        if ledger.shut { Some(Moment::Before) } else { moment }
    }

    async fn forward(&self, request: Request) -> std::result::Result<Response, reqwest::Error> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut headers = parts.headers;
        for hop in [header::HOST, header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING] {
            headers.remove(hop);
        }
        let answer = self
            .client
            .request(parts.method, format!("{}{path}", self.server))
            .headers(headers)
            .body(reqwest::Body::wrap_stream(body.into_data_stream()))
            .send()
            .await?;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = answer.status();
        for (name, value) in answer.headers() {
            if ![header::CONNECTION, header::TRANSFER_ENCODING, header::CONTENT_LENGTH].contains(name) {
                response.headers_mut().append(name, value.clone());
            }
        }
        *response.body_mut() = Body::from_stream(answer.bytes_stream());
        Ok(response)
    }
}

async fn cross(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let moment = if reads { None } else { inner.note(request.method(), request.uri().path()) };
    if moment == Some(Moment::Before) {
        inner.caught.send_replace(true);
        return std::future::pending().await;
    }
    let answer = inner.forward(request).await;
    if moment.is_some() {
        inner.caught.send_replace(true);
    }
    if moment == Some(Moment::Done) {
        return std::future::pending().await;
    }
    answer.unwrap_or_else(|error| (StatusCode::BAD_GATEWAY, error.to_string()).into_response())
}

/// Plural and subresource of the object that a path is of.
fn resource(path: &str) -> String {
    let mut segments = path.split('/').skip_while(|segment| *segment != "namespaces").skip(2);
    let plural = segments.next().unwrap_or(path);
    segments.nth(1).map_or_else(|| plural.to_owned(), |subresource| format!("{plural}/{subresource}"))
}

/// The server of a kubeconfig and the certificate authority to trust.
fn server(kubeconfig: &Path) -> Result<(String, Vec<u8>)> {
    let file = Kubeconfig::read_from(kubeconfig).doing(kubeconfig.display())?;
    let cluster = file.clusters.into_iter().next().and_then(|named| named.cluster).doing("the kubeconfig's cluster")?;
    let data = cluster.certificate_authority_data.doing("certificate-authority-data")?;
    let ca = data_encoding::BASE64.decode(data.as_bytes()).doing("certificate-authority-data")?;
    Ok((cluster.server.doing("the kubeconfig's server")?, ca))
}

/// The same kubeconfig with another server, over plain HTTP.
fn led_through(kubeconfig: &Path, server: &str) -> Result<String> {
    let text = std::fs::read_to_string(kubeconfig).doing(kubeconfig.display())?;
    let mut config: Value = serde_saphyr::from_str(&text).doing(kubeconfig.display())?;
    config["clusters"][0]["cluster"] = json!({"server": server});
    Ok(config.to_string())
}

#[cfg(test)]
mod tests {
    use super::resource;

    #[test]
    fn a_write_is_told_by_its_kind_of_resource() {
        for (path, expected) in [
            ("/apis/azureml.dev/v1alpha1/namespaces/a/amlmodels/bank/status", "amlmodels/status"),
            ("/apis/azureml.dev/v1alpha1/namespaces/a/amlmodels/bank", "amlmodels"),
            ("/apis/events.k8s.io/v1/namespaces/a/events", "events"),
        ] {
            assert_eq!(resource(path), expected);
        }
    }
}
