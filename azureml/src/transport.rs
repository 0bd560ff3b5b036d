//! One HTTP client for everything: TLS, time-outs, request ids, metering, the pause that a 429 asks for, and the check
//! right before every write that this process may still write. Nothing is retried here.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;
use uuid::Uuid;

use crate::answer::{Answer, describe};
use crate::budget::{Budgets, Kind, Limits, Priority, Subject};
use crate::cloud::Cloud;
use crate::error::Error;
use crate::token::Credential;

/// The largest answer that is read; Azure's own pages stay far below.
const MAX_ANSWER: usize = 32 * 1024 * 1024;
/// How long a request waits for its turn before the caller is told to come back.
const MAX_WAIT: Duration = Duration::from_secs(2);
/// The least bytes a second that an upload has to make: its time-out grows by this.
const SLOWEST_UPLOAD: u64 = 256 * 1024;

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

/// Says right before a write how long it may take; `None`: it may not be sent.
pub type WriteGuard = Arc<dyn Fn() -> Option<Duration> + Send + Sync>;

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
    budgets: Arc<Budgets>,
    timeout: Duration,
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
    /// Who waits for it.
    pub(crate) priority: Priority,
}

/// How a request proves who sends it.
pub(crate) enum Auth<'a> {
    /// A token of the credential for an audience.
    Audience(&'a Credential, &'a str),
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

/// Whose limits a request is under.
struct Subjects {
    service: Subject,
    /// In Azure Resource Manager.
    principal: Option<Subject>,
    subscription: Option<Subject>,
}

impl Subjects {
    fn all(&self) -> impl Iterator<Item = &Subject> {
        std::iter::once(&self.service).chain(&self.subscription).chain(&self.principal)
    }

    /// Who refused: Azure Resource Manager says when to come back, the services behind it often do not.
    fn refusing(&self, retry_after: Option<Duration>) -> &Subject {
        self.principal.as_ref().filter(|_| retry_after.is_some()).unwrap_or(&self.service)
    }
}

impl Request<'_> {
    fn kind(&self) -> Kind {
        match self.method {
            Method::GET | Method::HEAD => Kind::Read,
            _ if self.reads => Kind::Read,
            Method::DELETE => Kind::Delete,
            _ => Kind::Write,
        }
    }

    /// Whose limits it is under: the service's that answers it and, in Azure Resource Manager, those of who asks and of
    /// all who ask in the subscription.
    fn subjects(&self) -> Subjects {
        let Some(id) = subscription(&self.url) else {
            let service = Subject::Service(format!("{} {}", self.url.authority(), self.resource));
            return Subjects { service, principal: None, subscription: None };
        };
        let principal = match &self.auth {
            Auth::Audience(credential, _) => Some(credential.principal().to_owned()),
            Auth::Bearer(_) | Auth::None => None,
        };
        Subjects {
            service: Subject::Service(format!("{id} {}", self.resource)),
            principal: principal.map(|principal| Subject::Principal { subscription: id.clone(), principal }),
            subscription: Some(Subject::Subscription(id)),
        }
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
        Ok(Self {
            http: builder.build()?,
            cloud,
            observer: None,
            may_write: Arc::new(|| Some(Duration::MAX)),
            budgets: Arc::default(),
            timeout,
        })
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

    /// With other sizes of the buckets of a principal in a subscription.
    #[must_use]
    pub fn limited_to(mut self, limits: Limits) -> Self {
        self.budgets = Arc::new(Budgets::new(limits));
        self
    }

    /// With another longest pause after refusals that name no time.
    #[must_use]
    pub fn pausing_at_most(mut self, longest: Duration) -> Self {
        self.budgets = Arc::new(Budgets::default().pausing_at_most(longest));
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
            // Without the query, which may hold a signature.
            _ => {
                let url = text.split(['?', '#']).next().unwrap_or_default().chars().take(200).collect();
                Err(Error::Untrusted { operation: operation.to_owned(), url })
            }
        }
    }

    /// Sends, and returns whatever answer comes.
    pub(crate) async fn exchange(&self, request: Request<'_>) -> Result<Answer, Error> {
        let operation = describe(&request.method, &request.url);
        let kind = request.kind();
        let subjects = request.subjects();
        for subject in subjects.all() {
            self.wait_for_turn(subject, kind, request.priority, &operation).await?;
        }
        let (resource, verb) = (request.resource, request.method.clone());
        let credential = match request.auth {
            Auth::Audience(credential, _) => Some(credential),
            _ => None,
        };
        let uploads = matches!(request.body, Body::Bytes(_) | Body::Stream(..));
        let builder = self.build(request, &operation).await?;
        let builder = match kind {
            Kind::Read => builder,
            _ => self.bounded(builder, uploads, &operation)?,
        };
        let started = Instant::now();
        let result = self.receive(builder, &operation).await;
        self.tell(resource, verb.as_str(), &operation, &result, started.elapsed());
        let answer = result?;
        let now = Instant::now();
        if let (401, Some(credential)) = (answer.status.as_u16(), credential) {
            credential.rejected(now);
        }
        if answer.status.as_u16() == 429 {
            let after = answer.retry_after();
            self.budgets.refused(subjects.refusing(after), kind, after, &answer.refusal().to_string(), now);
        } else {
            for subject in subjects.all() {
                // What is said to be left is left to who asked.
                let remaining = answer.remaining().filter(|_| subjects.principal.as_ref() == Some(subject));
                self.budgets.answered(subject, kind, remaining, now);
            }
        }
        Ok(answer)
    }

    async fn wait_for_turn(
        &self,
        subject: &Subject,
        kind: Kind,
        priority: Priority,
        operation: &str,
    ) -> Result<(), Error> {
        let began = Instant::now();
        // Who only keeps watch holds up nobody who is behind it in a queue.
        let patience = if priority == Priority::Drift { MAX_WAIT / 8 } else { MAX_WAIT };
        loop {
            let Err(after) = self.budgets.take(subject, kind, priority, Instant::now()) else { return Ok(()) };
            if began.elapsed() + after > patience {
                let said = self.budgets.said(subject, kind, Instant::now());
                return Err(Error::Budget { operation: operation.to_owned(), after, said });
            }
            tokio::time::sleep(after).await;
        }
    }

    async fn build(&self, request: Request<'_>, operation: &str) -> Result<reqwest::RequestBuilder, Error> {
        let sends = !matches!(request.method, Method::GET | Method::HEAD);
        let mut builder = self
            .http
            .request(request.method, request.url)
            .header("x-ms-client-request-id", Uuid::new_v4().to_string())
            .header("accept", "application/json");
        match &request.auth {
            Auth::Audience(credential, audience) => {
                let token = credential.token(audience).await?;
                builder = builder.header("authorization", bearer(&token, operation)?);
            }
            Auth::Bearer(token) => builder = builder.header("authorization", bearer(token, operation)?),
            Auth::None => {}
        }
        for (name, value) in &request.headers {
            if let (Ok(name), Ok(mut value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
                value.set_sensitive(name == "x-azureml-token");
                builder = builder.header(name, value);
            }
        }
        Ok(match request.body {
            Body::None if sends => builder.header("content-length", "0"),
            Body::None => builder,
            Body::Json(value) => builder.json(&value),
            Body::Bytes(bytes) => builder.timeout(self.upload_time(bytes.len() as u64)).body(bytes),
            Body::Stream(stream, length) => {
                builder.timeout(self.upload_time(length)).header("content-length", length).body(stream)
            }
        })
    }

    /// The check right before a write: it must be over before another process may write. An upload keeps its own time:
    /// its name follows from its bytes, so that two who upload it do the same.
    fn bounded(
        &self,
        builder: reqwest::RequestBuilder,
        uploads: bool,
        operation: &str,
    ) -> Result<reqwest::RequestBuilder, Error> {
        let left = (self.may_write)().ok_or_else(|| Error::NotLeader { operation: operation.to_owned() })?;
        Ok(if uploads { builder } else { builder.timeout(left.min(self.timeout)) })
    }

    fn upload_time(&self, length: u64) -> Duration {
        self.timeout + Duration::from_secs(length / SLOWEST_UPLOAD)
    }

    fn tell(
        &self,
        resource: &'static str,
        verb: &str,
        operation: &str,
        result: &Result<Answer, Error>,
        duration: Duration,
    ) {
        let code = result.as_ref().map_or_else(|_| "error".to_owned(), |answer| answer.status.as_u16().to_string());
        let request_id = result.as_ref().ok().and_then(Answer::request_id);
        tracing::debug!(operation, code, request_id, milliseconds = duration.as_millis() as u64, "called Azure");
        if let Some(observer) = &self.observer {
            observer.called(&Call { resource, verb, code, duration });
        }
    }

    /// Sends, and makes every status but 2xx an error.
    pub(crate) async fn send(&self, request: Request<'_>) -> Result<Answer, Error> {
        let answer = self.exchange(request).await?;
        if answer.status.is_success() { Ok(answer) } else { Err(answer.refusal()) }
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
}

fn bearer(token: &SecretString, operation: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())).map_err(|_| Error::Token {
        code: None,
        message: format!("the token for {operation} has characters that no header may have"),
        transient: false,
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// The subscription that an ARM address lies in.
fn subscription(url: &Url) -> Option<String> {
    let mut segments = url.path_segments()?;
    let first = segments.next()?;
    first.eq_ignore_ascii_case("subscriptions").then(|| segments.next().map(str::to_lowercase))?
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
