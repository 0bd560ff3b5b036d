//! The one HTTPS port: from a request, by what was ordered for it, to the surface that answers.

mod buckets;

use crate::control::exchanges::Underway;
use crate::control::faults::answer::{ordered, reset, spoilt};
use crate::control::faults::{Moment, Verdict};
use crate::control::requests::Seen;
use crate::data_dir::{DataDirError, Keep};
use crate::entra;
use crate::estate::Estate;
use crate::schedules::fire;
use crate::surface::Plane;
use crate::surface::http::{Incoming, Routes, pairs, response};
use crate::{arm, autoscale, batch, blob, client_settings, control};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Response, header};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Longest body of a request.
const LONGEST: usize = 512 * 1024 * 1024;

/// What every request sees.
pub struct App {
    pub(crate) estate: Arc<Estate>,
    pub(crate) routes: Routes,
    /// The authority that clients have to trust.
    pub(crate) ca_file: PathBuf,
    /// The name below which accounts have hosts of their own, with its port.
    storage_suffix: Option<String>,
    /// When schedules were last looked at.
    pub(crate) looked: Mutex<jiff::Timestamp>,
}

impl App {
    /// With what a data folder holds, or with nothing in it. With a storage suffix, it hands out addresses of blobs as
    /// `https://{account}.blob.{suffix}`, as Azure does, and not below its own.
    ///
    /// # Errors
    /// When the folder can't be used.
    pub async fn open(
        data_dir: Option<&Path>,
        ca_file: PathBuf,
        storage_suffix: Option<String>,
    ) -> Result<Arc<Self>, DataDirError> {
        let keep = data_dir.map(Keep::open).transpose()?.unwrap_or_default();
        let looked = keep.looked()?;
        let estate = Arc::new(Estate::new(keep)?);
        let plane = Plane::new(Arc::clone(&estate) as Arc<dyn crate::jobs::ground::Ground>);
        let routes = Routes { plane, gate: Arc::clone(&estate) as Arc<dyn crate::surface::http::Gate> };
        let looked = Mutex::new(looked.unwrap_or_else(|| estate.clock.now()));
        let app = Arc::new(Self { estate, routes, ca_file, storage_suffix, looked });
        app.resume().await?;
        Ok(app)
    }

    /// Where an account's containers are, to who reached this port by a base.
    pub(crate) fn blob_endpoint(&self, base: &str) -> String {
        match &self.storage_suffix {
            Some(suffix) => format!("https://{{account}}.blob.{suffix}"),
            None => format!("{base}/blob/{{account}}"),
        }
    }

    /// Changes which of Azure's manners it has.
    ///
    /// # Errors
    /// What is wrong with the change.
    pub fn change_manners(&self, patch: &Value) -> Result<(), String> {
        self.estate.manners.change(patch).map_err(|why| why.to_string())
    }

    /// Does what is due by the clock.
    pub(crate) fn tick(&self) {
        fire::tick(self);
        autoscale::tick(self);
    }

    /// Submits the jobs of schedules for as long as it is awaited.
    pub async fn keep_schedules(&self) {
        let mut beat = tokio::time::interval(std::time::Duration::from_secs(1));
        loop {
            beat.tick().await;
            self.tick();
        }
    }
}

/// All routes.
pub fn router(app: Arc<App>) -> Router {
    Router::new().fallback(answer).with_state(app)
}

async fn answer(State(app): State<Arc<App>>, request: Request) -> Response<Body> {
    let begun = std::time::Instant::now();
    let mut incoming = match taken_apart(request).await {
        Ok(incoming) => incoming,
        Err(message) => return error(400, "InvalidRequestContent", &message),
    };
    incoming.blob_endpoint = app.blob_endpoint(&incoming.base);
    if incoming.path.starts_with("/_emulator") {
        return control::answer(&app, &incoming);
    }
    let trace = Trace::of(&app, &incoming);
    let (method, path) = (incoming.method.clone(), incoming.path.clone());
    let seq = app.estate.requests.begin(Seen {
        time: app.estate.clock.now(),
        method: &method,
        path: &path,
        query: &incoming.query,
        principal: principal(&app, &incoming),
        body: &incoming.body,
    });
    app.estate.secrets.asked(&incoming);
    let verdict = app.estate.faults.judge(&method, &path, &incoming.body);
    let underway = Underway::begin(&app.estate, &incoming, writes_answer(&verdict));
    incoming.orders = verdict.orders.clone();
    let mut response = carried_out(&app, incoming, &verdict).await;
    stamp(&mut response, trace);
    let status = response.status().as_u16();
    app.estate.requests.end(seq, status);
    tracing::debug!(method, path, status, milliseconds = begun.elapsed().as_secs_f64() * 1000.0, "answered");
    underway.answered(response).await
}

/// Whether the answer is not, or not quite, what the emulator itself says.
fn writes_answer(verdict: &Verdict) -> bool {
    let Verdict { answer, reset, truncated, headers, date_skew, .. } = verdict;
    answer.is_some() || reset.is_some() || truncated.is_some() || date_skew.is_some() || !headers.is_empty()
}

/// Answers a request as its verdict says.
async fn carried_out(app: &Arc<App>, incoming: Incoming, verdict: &Verdict) -> Response<Body> {
    let delay = verdict.delay + app.estate.manners.latency(&incoming.method, &incoming.path);
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    // A client that goes away while it waits here ends this function: what it asked for is never done.
    if let Some(held) = &verdict.before {
        held.wait().await;
    }
    if verdict.reset == Some(Moment::Before) {
        reset();
    }
    if let Some(effect) = &verdict.answer {
        return spoilt(ordered(effect), verdict, app.estate.clock.now()).await;
    }
    let executor = Arc::clone(app);
    // A task of its own: what has begun is done whole, whether the client waits for the answer or not.
    let executed = tokio::spawn(async move { executor.route(&incoming).await }).await;
    let response = executed.unwrap_or_else(|why| error(500, "InternalServerError", &why.to_string()));
    let response = app.estate.secrets.answered(response).await;
    if let Some(held) = &verdict.after {
        held.wait().await;
    }
    if verdict.reset == Some(Moment::After) {
        reset();
    }
    spoilt(response, verdict, app.estate.clock.now()).await
}

impl App {
    /// Answers a request, unless its subscription is asked too much.
    pub(crate) async fn route(self: Arc<Self>, incoming: &Incoming) -> Response<Body> {
        let Some(admitted) = self.admission(incoming) else { return self.surface(incoming).await };
        if let Some(refusal) = admitted.refusal() {
            return refusal;
        }
        let mut response = self.surface(incoming).await;
        admitted.tell(&mut response);
        response
    }

    /// The surface that a request is for.
    async fn surface(self: Arc<Self>, incoming: &Incoming) -> Response<Body> {
        if let Some((account, path)) = blob::http::account_of(incoming) {
            return blob::http::answer(&self.estate, incoming, &account, &path);
        }
        let lower = incoming.path.to_ascii_lowercase();
        let keys: Vec<&str> = lower.split('/').filter(|key| !key.is_empty()).collect();
        match (incoming.method.as_str(), keys.as_slice()) {
            ("POST", [tenant, "oauth2", "v2.0", "token"]) => return self.token(tenant, incoming),
            ("GET", ["metadata", "identity", "oauth2", "token"]) => return self.metadata(incoming),
            ("GET", [tenant, "v2.0", ".well-known", "openid-configuration"]) => {
                return response(200, &entra::configuration(&incoming.base, tenant));
            }
            ("GET", ["registrymanagement", "v1.0", "registries", _, "discovery"]) => {
                let name = incoming.path.split('/').nth(4).map(crate::surface::http::decoded).unwrap_or_default();
                return arm::registries::discovery(&self.estate, incoming, &name);
            }
            ("GET", ["metadata", "endpoints"]) => return response(200, &self.endpoints(&incoming.base)),
            ("GET", [_, "discovery", "instance"]) => {
                let address = format!("{}/common/v2.0/.well-known/openid-configuration", incoming.base);
                return response(
                    200,
                    &json!({"tenant_discovery_endpoint": address, "api-version": "1.1", "metadata": []}),
                );
            }
            (_, ["endpoints", region, name, "jobs"]) => return batch::answer(&self, incoming, region, name, None),
            (_, ["endpoints", region, name, "jobs", _]) => {
                let job = incoming.path.trim_end_matches('/').rsplit('/').next();
                return batch::answer(&self, incoming, region, name, job);
            }
            ("GET", ["mferp", "managementfrontend", workspace @ .., "batchendpoints", name, "jobs"]) => {
                return batch::listed(&self, incoming, &format!("/{}", workspace.join("/")), name);
            }
            _ => {}
        }
        // A resource of another provider on a job or an endpoint is none of theirs.
        let extension = lower.matches("/providers/").count() > 1;
        if (!extension || keys.first() != Some(&"subscriptions"))
            && let Some(response) = self.routes.answer(incoming).await
        {
            return response;
        }
        if let Some(response) = arm::registries::front_end(&self.estate, &self.routes, incoming) {
            return response;
        }
        match keys.first() {
            Some(&"subscriptions") => arm::answer(&self.estate, &self.routes, incoming),
            _ => error(404, "NotFound", &format!("There is nothing at {}.", incoming.path)),
        }
    }

    /// What Azure Resource Manager tells of its cloud. The suffix of storage hosts is where this port is by a name of
    /// its own: `{account}.blob.localhost:8443`.
    fn endpoints(&self, base: &str) -> Value {
        let port = base.rsplit_once(':').map_or("", |(_, port)| port);
        let suffix = if port.contains('/') { "localhost".to_owned() } else { format!("localhost:{port}") };
        client_settings::endpoints(base, self.storage_suffix.as_ref().unwrap_or(&suffix))
    }

    /// The instance metadata service of the machine.
    fn metadata(&self, incoming: &Incoming) -> Response<Body> {
        let refused = |why: &str| response(400, &json!({"error": "invalid_request", "error_description": why}));
        if !incoming.headers.get("metadata").is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true")) {
            return refused("Required metadata header not specified");
        }
        let query = pairs(&incoming.query);
        let text = |key: &str| query.get(key).map(String::as_str).filter(|text| !text.is_empty());
        let now = self.estate.clock.now().as_second();
        let resource = entra::scope_at(text("resource").unwrap_or_default(), &incoming.base);
        let claims = entra::managed(&self.estate.world(), text("client_id"), &resource, now);
        match claims.map(|claims| entra::metadata(&self.estate.signer, &claims)) {
            Ok(Ok(body)) => response(200, &body),
            Ok(Err(why)) => error(500, "InternalServerError", &why.to_string()),
            Err(entra::SignInError::Application(..)) => refused("Identity not found"),
            Err(why) => refused(&why.to_string()),
        }
    }

    fn token(&self, tenant: &str, incoming: &Incoming) -> Response<Body> {
        let mut form = pairs(&String::from_utf8_lossy(&incoming.body));
        if let Some(scope) = form.get_mut("scope") {
            *scope = entra::scope_at(scope, &incoming.base);
        }
        let now = self.estate.clock.now();
        let machine = jiff::Timestamp::now().as_second();
        let signed_in = entra::sign_in(&self.estate.world(), tenant, &form, now.as_second(), machine);
        let skewed = signed_in.map(|claims| claims.moved(incoming.orders.token_skew));
        match skewed.map(|claims| entra::grant(&self.estate.signer, &claims)) {
            Ok(Ok(body)) => response(200, &body),
            Ok(Err(why)) => error(500, "InternalServerError", &why.to_string()),
            Err(why) => {
                let (status, body) = why.answer(now);
                response(status, &body)
            }
        }
    }
}

async fn taken_apart(request: Request) -> Result<Incoming, String> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, LONGEST).await.map_err(|error| format!("The body can't be read: {error}"))?;
    let host = parts.headers.get(header::HOST).and_then(|value| value.to_str().ok().map(str::to_owned));
    let host = parts.uri.authority().map(|authority| authority.to_string()).or(host);
    Ok(Incoming {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body: body.into(),
        base: format!("https://{}", host.unwrap_or_else(|| "localhost".to_owned())),
        request_id: uuid::Uuid::new_v4().to_string(),
        ..Incoming::default()
    })
}

/// The object id of who asks, as it says itself: for the log alone.
fn principal(app: &App, incoming: &Incoming) -> Option<String> {
    let bearer = incoming.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if let Some(token) = bearer.and_then(|value| value.strip_prefix("Bearer ")) {
        return entra::payload(token)?.get("oid")?.as_str().map(str::to_owned);
    }
    if !incoming.path.ends_with("/oauth2/v2.0/token") {
        return None;
    }
    let form = pairs(&String::from_utf8_lossy(&incoming.body));
    let world = app.estate.world();
    form.get("client_id").and_then(|client| world.principal(client)).map(|known| known.object_id.clone())
}

/// By what a request can be found again.
struct Trace {
    request: String,
    correlation: String,
    routing: String,
    client: Option<HeaderValue>,
}

impl Trace {
    /// A client may bring its own correlation id.
    fn of(app: &App, incoming: &Incoming) -> Self {
        let request = incoming.request_id.clone();
        let given = incoming.headers.get("x-ms-correlation-request-id").and_then(|value| value.to_str().ok());
        let correlation = given.map_or_else(|| request.clone(), str::to_owned);
        let routing = format!("EMULATOR:{}:{request}", app.estate.clock.now().strftime("%Y%m%dT%H%M%SZ"));
        Self { request, correlation, routing, client: incoming.headers.get("x-ms-client-request-id").cloned() }
    }
}

/// Headers that every answer has.
fn stamp(response: &mut Response<Body>, trace: Trace) {
    let challenge = response.status() == axum::http::StatusCode::UNAUTHORIZED;
    let headers = response.headers_mut();
    for (name, value) in [
        ("x-ms-request-id", &trace.request),
        ("x-ms-correlation-request-id", &trace.correlation),
        ("x-ms-routing-request-id", &trace.routing),
    ] {
        if let (false, Ok(value)) = (headers.contains_key(name), HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    }
    if let Some(value) = trace.client {
        headers.insert("x-ms-client-request-id", value);
    }
    if challenge && !headers.contains_key(header::WWW_AUTHENTICATE) {
        let value = HeaderValue::from_static("Bearer error=\"invalid_token\"");
        headers.insert(header::WWW_AUTHENTICATE, value);
    }
}

fn error(status: u16, code: &str, message: &str) -> Response<Body> {
    let body: Value = json!({"error": {"code": code, "message": message}});
    response(status, &body)
}
