//! Jobs, runs, endpoints and telemetry over HTTP: from a request to a [`Call`], from a [`Reply`] to a response.

use super::history::discovery;
use super::lists::Lists;
use super::{Begun, Call, Follow, Plane, Reply};
use crate::jobs::JobOrders;
use crate::online::rules::Refusal;
use crate::online::scoring::{Answered, Asked, Trouble};
use crate::online::{Fate, OperationEnd};
use axum::body::Body;
use axum::http::{HeaderMap, Response, StatusCode, header};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// Time that passes.
pub(crate) type Passing = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What the rest of the emulator decides for these routes.
pub(crate) trait Gate: Send + Sync + 'static {
    /// The object id of the principal of a token, if it may do the action in the workspace.
    fn admit(&self, headers: &HeaderMap, workspace: &str, action: &str) -> Result<String, Refusal>;
    /// An operation has begun.
    fn begin(&self, workspace: &str, operation: &str, incoming: &Incoming);
    /// An operation has ended.
    fn end(&self, operation: &str, end: OperationEnd);
    /// The path under which ARM tells about an operation; by its result for `Location`.
    fn operation_path(&self, workspace: &str, operation: &str, result: bool) -> String;
    /// The workspace of an Application Insights app or a Log Analytics workspace, by its id.
    fn workspace_of_logs(&self, id: &str) -> Option<String>;
    /// Ends when the operation that a request began has taken its time; the time begins with the call.
    fn pass(&self, _incoming: &Incoming) -> Passing {
        Box::pin(std::future::ready(()))
    }
    /// How lists are cut.
    fn lists(&self) -> Lists {
        Lists::default()
    }
    /// What `Retry-After` tells of an operation, in seconds.
    fn retry_after(&self) -> u64 {
        0
    }
    /// What is wrong with a deployment on purpose.
    fn trouble(&self, endpoint: &str, deployment: &str) -> Trouble;
}

/// An operation that a restart interrupted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Interrupted {
    pub(crate) operation: String,
    /// When it was to end.
    pub(crate) ends: jiff::Timestamp,
}

/// What somebody ordered to become of a request's work.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Orders {
    /// How long the operation that it begins takes.
    pub(crate) takes: Duration,
    /// How that operation ends.
    pub(crate) fate: Fate,
    /// The operation that it goes on with, which a restart interrupted.
    pub(crate) resumes: Option<Interrupted>,
    /// The address of that operation knows nothing of it.
    pub(crate) lost: bool,
    /// What becomes of the job that it puts.
    pub(crate) job: JobOrders,
    /// Seconds by which the clock is off that the token it is given was made by.
    pub(crate) token_skew: i64,
}

/// A request, taken apart.
#[derive(Debug, Clone, Default)]
pub(crate) struct Incoming {
    pub(crate) method: String,
    /// Path, still encoded.
    pub(crate) path: String,
    /// Query, still encoded.
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// `https://` and the authority the client used.
    pub(crate) base: String,
    /// Where an account's containers are, with `{account}` in it.
    pub(crate) blob_endpoint: String,
    pub(crate) orders: Orders,
    /// By which it can be found again.
    pub(crate) request_id: String,
}

/// These routes.
#[derive(Clone)]
pub(crate) struct Routes {
    pub(crate) plane: Plane,
    pub(crate) gate: Arc<dyn Gate>,
}

const WORKSPACE_SEGMENTS: usize = 8;

impl Routes {
    /// Answers a request that is of these routes, by its path; `None` when it is of others.
    pub(crate) async fn answer(&self, incoming: &Incoming) -> Option<Response<Body>> {
        let segments: Vec<String> = incoming.path.split('/').filter(|s| !s.is_empty()).map(decoded).collect();
        let keys: Vec<String> = segments.iter().map(|segment| segment.to_ascii_lowercase()).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        match keys.as_slice() {
            ["discovery"] => Some(response(200, &discovery(&incoming.base))),
            ["endpoints", region, name, "score"] => Some(self.score(incoming, region, name).await),
            ["endpoints", region, name, "swagger.json"] => Some(self.swagger(incoming, region, name)),
            ["applicationinsights", "v1", "apps", id, "query"] | ["loganalytics", "v1", "workspaces", id, "query"] => {
                Some(self.query(incoming, id))
            }
            ["history", _, "subscriptions", ..] => {
                Some(self.workspace_call(incoming, &segments, 1, "runs", Plane::history))
            }
            ["mlflow", _, "subscriptions", ..] => {
                Some(self.workspace_call(incoming, &segments, 1, "mlflow", Plane::mlflow))
            }
            [
                "subscriptions",
                _,
                "resourcegroups",
                _,
                "providers",
                _,
                "workspaces",
                _,
                kind @ ("jobs" | "onlineendpoints"),
                ..,
            ] => Some(
                self.workspace_call(incoming, &segments, 0, kind, |plane, call| plane.arm(call).unwrap_or_default()),
            ),
            _ => None,
        }
    }

    /// A call on a workspace, whose id begins after `skip` and, for data planes, a version.
    fn workspace_call(
        &self,
        incoming: &Incoming,
        segments: &[String],
        skip: usize,
        kind: &str,
        answer: impl Fn(&Plane, &Call) -> Reply,
    ) -> Response<Body> {
        let start = if skip == 0 { 0 } else { skip + 1 };
        let workspace = segments.get(start..start + WORKSPACE_SEGMENTS).unwrap_or_default();
        let workspace = format!("/{}", workspace.join("/").to_ascii_lowercase());
        let mut path = segments.get(start + WORKSPACE_SEGMENTS..).unwrap_or_default().to_vec();
        if kind == "mlflow" {
            // api/2.0/mlflow
            path = path.split_off(path.len().min(3));
        }
        let verb = match incoming.method.as_str() {
            "GET" | "HEAD" => "read",
            "DELETE" => "delete",
            "POST" => path.last().map_or("action", |_| "action"),
            _ => "write",
        };
        let action = format!("Microsoft.MachineLearningServices/workspaces/{kind}/{verb}");
        let principal = match self.gate.admit(&incoming.headers, &workspace, &action) {
            Ok(principal) => principal,
            Err(refusal) => return self.reply(&workspace, incoming, Reply::refused(&refusal)),
        };
        if self.plane.jobs.ground().workspace(&workspace).is_none() {
            let below = segments.get(start + WORKSPACE_SEGMENTS - 1).map_or("", String::as_str);
            let refusal = Refusal::no_workspace(below, &workspace, &incoming.method);
            return self.reply(&workspace, incoming, Reply::refused(&refusal));
        }
        let query = pairs(&incoming.query);
        if skip == 0 && query.get("api-version").is_none_or(String::is_empty) {
            return self.reply(&workspace, incoming, Reply::refused(&Refusal::no_version()));
        }
        let body = if incoming.body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&incoming.body) };
        let body = match body {
            Ok(body) => body,
            Err(error) => {
                let refusal = Refusal {
                    status: 400,
                    code: "InvalidRequestContent",
                    message: format!("The body is not JSON: {error}"),
                };
                return self.reply(&workspace, incoming, Reply::refused(&refusal));
            }
        };
        let call = Call {
            lists: self.gate.lists(),
            method: incoming.method.clone(),
            workspace: workspace.clone(),
            path,
            query,
            body,
            principal,
            base: incoming.base.clone(),
            blob_endpoint: incoming.blob_endpoint.clone(),
            job: incoming.orders.job.clone(),
        };
        let reply = answer(&self.plane, &call);
        self.reply(&workspace, incoming, reply)
    }

    /// The response; an operation that has begun goes on by itself.
    pub(crate) fn reply(&self, workspace: &str, incoming: &Incoming, reply: Reply) -> Response<Body> {
        let mut body = reply.body;
        if reply.status >= 400 {
            self.trace(workspace, incoming, &mut body);
        }
        let mut response = response(reply.status, &body);
        let Some(Begun { operation, work, follow }) = reply.begun else { return response };
        if !incoming.orders.lost {
            self.gate.begin(workspace, &operation, incoming);
        }
        let mut put = |name: &'static str, result: bool| {
            let address = format!("{}{}", incoming.base, self.gate.operation_path(workspace, &operation, result));
            if let Ok(address) = address.parse() {
                response.headers_mut().insert(name, address);
            }
        };
        if follow != Follow::Location {
            put("azure-asyncoperation", false);
        }
        if follow != Follow::AsyncOperation {
            put("location", true);
        }
        // An update that answers 200 has no such header (OnlineEndpoints_CreateOrUpdate, api-version 2025-12-01).
        if reply.status != 200
            && ["oeidp", "odidp", "scidp", "beidp", "bdidp"].iter().any(|kind| operation.starts_with(kind))
        {
            response.headers_mut().insert("x-ms-async-operation-timeout", header::HeaderValue::from_static("PT2H"));
        }
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from(self.gate.retry_after()));
        let passing = self.gate.pass(incoming);
        let gate = Arc::clone(&self.gate);
        let Orders { takes, fate, .. } = incoming.orders.clone();
        tokio::spawn(async move {
            passing.await;
            if !takes.is_zero() {
                tokio::time::sleep(takes).await;
            }
            let ended = tokio::task::spawn_blocking(move || work(fate)).await;
            let lost = |error: tokio::task::JoinError| Err(("InternalServerError".to_owned(), error.to_string()));
            gate.end(&operation, ended.unwrap_or_else(lost));
        });
        response
    }

    /// Puts into an error of Azure Machine Learning's own by what it can be found again, and where and when it was.
    fn trace(&self, workspace: &str, incoming: &Incoming, body: &mut Value) {
        let ground = self.plane.jobs.ground();
        let Some(info) = body.pointer_mut("/error/additionalInfo").and_then(Value::as_array_mut) else { return };
        let region = ground.workspace(workspace).map_or_else(|| "global".to_owned(), |facts| facts.location);
        let operation = incoming.request_id.replace('-', "");
        let request = operation.get(..16).unwrap_or_default();
        for (kind, value) in [
            ("Correlation", json!({"operation": operation, "request": request})),
            ("Environment", json!(region)),
            ("Location", json!(region)),
            ("Time", json!(ground.now().to_string())),
        ] {
            info.push(json!({"type": kind, "info": {"value": value}}));
        }
    }

    async fn score(&self, incoming: &Incoming, region: &str, name: &str) -> Response<Body> {
        let Some(workspace) = self.plane.online.in_region(region, name) else {
            return response(404, &json!({"error": {"code": "NotFound", "message": "There is no such endpoint."}}));
        };
        if incoming.method != "POST" {
            return response(405, &Value::Null);
        }
        let asked = self.asked(incoming, &workspace);
        let trouble = |deployment: &str| self.gate.trouble(name, deployment);
        answered(self.plane.online.score(&workspace, name, asked, trouble).await)
    }

    fn swagger(&self, incoming: &Incoming, region: &str, name: &str) -> Response<Body> {
        let Some(workspace) = self.plane.online.in_region(region, name) else {
            return response(404, &json!({"error": {"code": "NotFound", "message": "There is no such endpoint."}}));
        };
        let host = incoming.base.trim_start_matches("https://");
        answered(self.plane.online.swagger(&workspace, name, &self.asked(incoming, &workspace), host))
    }

    fn asked(&self, incoming: &Incoming, workspace: &str) -> Asked {
        let text = |name: &str| incoming.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let bearer =
            text("authorization").and_then(|value| value.strip_prefix("Bearer ").map(|key| key.trim().to_owned()));
        let action = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/score/action";
        Asked {
            entra_allows: bearer.as_ref().is_some_and(|bearer| bearer.contains('.'))
                && self.gate.admit(&incoming.headers, workspace, action).is_ok(),
            bearer,
            deployment: text("azureml-model-deployment"),
            request_id: text("x-request-id").unwrap_or_else(|| uuid::Uuid::new_v4().to_string()),
            body: incoming.body.clone(),
            url: format!("{}{}", incoming.base, incoming.path),
        }
    }

    fn query(&self, incoming: &Incoming, id: &str) -> Response<Body> {
        let not_found = || Reply::refused(&Refusal::not_found("log store", id));
        let Some(workspace) = self.gate.workspace_of_logs(id) else { return plain(&not_found()) };
        let admitted = self.gate.admit(&incoming.headers, &workspace, "Microsoft.Insights/components/query/read");
        if let Err(refusal) = admitted {
            return plain(&Reply::refused(&refusal));
        }
        let mut body: Value = serde_json::from_slice(&incoming.body).unwrap_or_default();
        if incoming.method == "GET" {
            body = json!(pairs(&incoming.query));
        }
        plain(&self.plane.query(&workspace, &body))
    }
}

/// A reply without an operation.
pub(crate) fn plain(reply: &Reply) -> Response<Body> {
    response(reply.status, &reply.body)
}

fn answered(answered: Answered) -> Response<Body> {
    let mut response = response(answered.status, &answered.body);
    for (name, value) in answered.headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// A response; an empty one has no content type.
pub(crate) fn response(status: u16, body: &Value) -> Response<Body> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = match body {
        Value::Null => Response::new(Body::empty()),
        body => {
            let mut response = Response::new(Body::from(body.to_string()));
            let json = header::HeaderValue::from_static("application/json; charset=utf-8");
            response.headers_mut().insert(header::CONTENT_TYPE, json);
            response
        }
    };
    *response.status_mut() = status;
    response
}

pub(crate) fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Names in lower case and values of a query or a form.
pub(crate) fn pairs(query: &str) -> BTreeMap<String, String> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(key, value)| (decoded(key).to_ascii_lowercase(), decoded(&value.replace('+', " ")))).collect()
}
