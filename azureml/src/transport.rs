//! One HTTP client for everything: TLS, time-outs, request ids, metering, the pause that a 429 asks for, and the check
//! right before every write that this process may still write. Nothing is retried here.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use azure_core::credentials::TokenCredential;
use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;
use uuid::Uuid;

use crate::auth;
use crate::cloud::Cloud;
use crate::error::Error;

/// The largest answer that is read; Azure's own pages stay far below.
const MAX_ANSWER: usize = 32 * 1024 * 1024;

/// Told of every call.
pub trait Observer: Send + Sync + fmt::Debug {
    /// A call has ended.
    fn called(&self, call: &Call<'_>);
}

/// A call that has ended.
#[derive(Debug)]
pub struct Call<'a> {
    /// The resource type, e.g. `onlineEndpoints`.
    pub resource: &'static str,
    /// The method.
    pub verb: &'a str,
    /// The status code, or `error`.
    pub code: String,
    /// How long it took.
    pub duration: Duration,
}

/// Says right before a write whether it may be sent.
pub type WriteGuard = Arc<dyn Fn() -> bool + Send + Sync>;

/// The transport that can't be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The CA file can't be used.
    #[error("the certificate file {0} can't be used: {1}")]
    Ca(String, String),
    /// TLS can't be set up.
    #[error("the HTTP client can't be built: {0}")]
    Http(#[from] reqwest::Error),
}

/// The transport: cheap to clone.
#[derive(Clone)]
pub struct Transport {
    http: reqwest::Client,
    cloud: Arc<Cloud>,
    observer: Option<Arc<dyn Observer>>,
    may_write: WriteGuard,
    pauses: Arc<Mutex<HashMap<(String, bool), Instant>>>,
}

impl fmt::Debug for Transport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Transport").field("cloud", &self.cloud.name).finish_non_exhaustive()
    }
}

/// A request to be sent.
pub(crate) struct Request<'a> {
    pub(crate) resource: &'static str,
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) auth: Auth<'a>,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Body,
    /// POST that only reads (keys, queries).
    pub(crate) reads: bool,
}

/// How a request proves who sends it.
pub(crate) enum Auth<'a> {
    /// A token of the credential for an audience.
    Audience(&'a dyn TokenCredential, &'a str),
    /// A bearer token at hand (an endpoint's key).
    Bearer(&'a SecretString),
    /// The address carries a signature, or needs none.
    None,
}

/// What is sent.
pub(crate) enum Body {
    None,
    Json(Value),
    Bytes(Bytes),
    Stream(reqwest::Body, u64),
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) operation: String,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| Error::Malformed {
            operation: self.operation.clone(),
            message: format!("{error} (status {}, {} bytes)", self.status.as_u16(), self.body.len()),
        })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.header("retry-after").and_then(|text| text.parse().ok()).map(Duration::from_secs)
    }
}

impl Transport {
    /// A transport for a cloud.
    ///
    /// # Errors
    /// When the cloud's CA file can't be used.
    pub fn new(cloud: Arc<Cloud>, timeout: Duration) -> Result<Self, BuildError> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("azureml-operator/", env!("CARGO_PKG_VERSION")))
            .timeout(timeout)
            .connect_timeout(timeout.min(Duration::from_secs(20)))
            // Addresses are judged before they are followed.
            .redirect(reqwest::redirect::Policy::none());
        if let Some(path) = &cloud.ca_file {
            let wrong = |error: String| BuildError::Ca(path.display().to_string(), error);
            let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| wrong(error.to_string()))?;
            builder = builder.tls_certs_merge(certificates);
        }
        Ok(Self { http: builder.build()?, cloud, observer: None, may_write: Arc::new(|| true), pauses: Arc::default() })
    }

    /// With somebody who is told of every call.
    #[must_use]
    pub fn observed_by(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// With a check right before every write.
    #[must_use]
    pub fn guarded_by(mut self, may_write: WriteGuard) -> Self {
        self.may_write = may_write;
        self
    }

    /// The HTTP client.
    #[must_use]
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// The cloud.
    #[must_use]
    pub fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    /// An address out of an answer, where it may be followed.
    pub(crate) fn trusted(&self, operation: &str, text: &str) -> Result<Url, Error> {
        match Url::parse(text) {
            Ok(url) if self.cloud.trusts(&url) => Ok(url),
            _ => Err(Error::Untrusted { operation: operation.to_owned(), url: text.chars().take(200).collect() }),
        }
    }

    /// Sends, and returns whatever answer comes.
    pub(crate) async fn exchange(&self, request: Request<'_>) -> Result<Answer, Error> {
        let operation = describe(&request.method, &request.url);
        let writes = request.method != Method::GET && request.method != Method::HEAD && !request.reads;
        let subject = subscription(&request.url);
        if let Some(left) = self.pause_left(&subject, writes) {
            return Err(Error::Answer {
                operation,
                status: 429,
                code: "TooManyRequests".to_owned(),
                message: "Azure asked for a pause, which is not over; the request was not sent".to_owned(),
                request_id: None,
                retry_after: Some(left),
            });
        }
        let mut builder = self
            .http
            .request(request.method.clone(), request.url)
            .header("x-ms-client-request-id", Uuid::new_v4().to_string());
        match &request.auth {
            Auth::Audience(credential, audience) => {
                let token = auth::token(*credential, audience).await?;
                builder = builder.header("authorization", bearer(&token, &operation)?);
            }
            Auth::Bearer(token) => builder = builder.header("authorization", bearer(token, &operation)?),
            Auth::None => {}
        }
        for (name, value) in &request.headers {
            if let (Ok(name), Ok(mut value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
                value.set_sensitive(name == "x-azureml-token");
                builder = builder.header(name, value);
            }
        }
        builder = match request.body {
            Body::None if writes || request.reads => builder.header("content-length", "0"),
            Body::None => builder,
            Body::Json(value) => builder.json(&value),
            Body::Bytes(bytes) => builder.body(bytes),
            Body::Stream(stream, length) => builder.header("content-length", length).body(stream),
        };
        if writes && !(self.may_write)() {
            return Err(Error::NotLeader { operation });
        }
        let started = Instant::now();
        let result = self.receive(builder, &operation).await;
        let code = result.as_ref().map_or_else(|_| "error".to_owned(), |answer| answer.status.as_u16().to_string());
        if let Some(observer) = &self.observer {
            let call =
                Call { resource: request.resource, verb: request.method.as_str(), code, duration: started.elapsed() };
            observer.called(&call);
        }
        let answer = result?;
        if answer.status == StatusCode::TOO_MANY_REQUESTS
            && let Some(after) = answer.retry_after()
            && let Ok(mut pauses) = self.pauses.lock()
        {
            // Asking again early renews the wait (ARM's throttling documentation).
            pauses.insert((subject, writes), Instant::now() + after);
        }
        Ok(answer)
    }

    /// Sends, and makes every status of 400 and above an error.
    pub(crate) async fn send(&self, request: Request<'_>) -> Result<Answer, Error> {
        let answer = self.exchange(request).await?;
        if answer.status.as_u16() < 300 { Ok(answer) } else { Err(refusal(&answer)) }
    }

    async fn receive(&self, builder: reqwest::RequestBuilder, operation: &str) -> Result<Answer, Error> {
        let broken =
            |error: reqwest::Error| Error::NoAnswer { operation: operation.to_owned(), message: cause(&error) };
        let mut response = builder.send().await.map_err(broken)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(Error::Malformed {
                    operation: operation.to_owned(),
                    message: format!("it is longer than {MAX_ANSWER} bytes"),
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { operation: operation.to_owned(), status, headers, body: body.into() })
    }

    fn pause_left(&self, subject: &str, writes: bool) -> Option<Duration> {
        let pauses = self.pauses.lock().ok()?;
        pauses.get(&(subject.to_owned(), writes))?.checked_duration_since(Instant::now())
    }
}

fn bearer(token: &SecretString, operation: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())).map_err(|_| Error::Token {
        message: format!("the token for {operation} has characters that no header may have"),
        transient: false,
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Azure's error body, in any of its forms.
pub(crate) fn refusal(answer: &Answer) -> Error {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
    let error = body.get("error").filter(|error| error.is_object()).unwrap_or(&body);
    let text = |name: &str| error.get(name).and_then(Value::as_str).map(str::to_owned);
    let code = text("code").or_else(|| answer.header("x-ms-error-code").map(str::to_owned)).unwrap_or_default();
    let message = text("message").unwrap_or_else(|| {
        let text = String::from_utf8_lossy(&answer.body);
        text.chars().filter(|character| !character.is_control()).take(200).collect()
    });
    Error::Answer {
        operation: answer.operation.clone(),
        status: answer.status.as_u16(),
        code,
        message: message.trim_end_matches('.').chars().take(1000).collect(),
        request_id: answer.header("x-ms-request-id").map(str::to_owned),
        retry_after: answer.retry_after(),
    }
}

/// The method and the telling end of the path; never the query, which may hold a signature.
fn describe(method: &Method, url: &Url) -> String {
    let path = url.path();
    let tail = ["/workspaces/", "/providers/"].iter().find_map(|marker| {
        let lower = path.to_lowercase();
        lower.rfind(marker).map(|at| path[at + marker.len()..].to_owned())
    });
    format!("{method} {}", tail.unwrap_or_else(|| path.to_owned()))
}

fn subscription(url: &Url) -> String {
    let mut segments = url.path().split('/').skip(1);
    match (segments.next(), segments.next()) {
        (Some(first), Some(id)) if first.eq_ignore_ascii_case("subscriptions") => id.to_lowercase(),
        _ => url.host_str().unwrap_or_default().to_owned(),
    }
}

fn cause(error: &reqwest::Error) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut source: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(inner) = source {
        words.push(inner.to_string());
        source = inner.source();
    }
    if error.is_timeout() {
        return "the time for an answer ran out".to_owned();
    }
    words.pop().unwrap_or_else(|| "the connection failed".to_owned())
}
