//! What an endpoint answers on its scoring route.

use super::container::ScriptError;
use super::endpoint::Endpoint;
use super::serving::Serving;
use super::{Online, request, swagger, traffic};
use crate::telemetry::metrics::Measured;
use crate::telemetry::{LineSeen, RequestSeen};
use azureml_emulator_learn::{Model, Task};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

/// A request on a data plane route.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    /// What follows `Bearer `.
    pub(crate) bearer: Option<String>,
    /// Header `azureml-model-deployment`.
    pub(crate) deployment: Option<String>,
    /// Header `x-request-id`, or one that was made.
    pub(crate) request_id: String,
    /// The body.
    pub(crate) body: Vec<u8>,
    /// Where it was asked, for the logs.
    pub(crate) url: String,
    /// Whether the bearer was found to be a token of Entra ID that may score here.
    pub(crate) entra_allows: bool,
}

/// An answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Value,
}

/// What is wrong with a deployment on purpose.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Trouble {
    /// Time each request takes longer.
    pub(crate) delay: Duration,
    /// The model's own status, in place of a prediction.
    pub(crate) status: Option<u16>,
    /// Predictions are those of other rows: wrong, but of the right form.
    pub(crate) wrong: bool,
    /// No instance is healthy.
    pub(crate) unhealthy: bool,
}

/// Where a request goes.
struct Route {
    deployment: String,
    key: String,
    serving: Option<Serving>,
    mirror: Option<String>,
    insights: bool,
    timeout: Duration,
}

fn refused(status: u16, code: &str, message: &str) -> Answered {
    Answered { status, headers: Vec::new(), body: json!({"error": {"code": code, "message": message}}) }
}

impl Online {
    /// Answers `POST score`.
    pub(crate) async fn score(
        &self,
        workspace: &str,
        endpoint: &str,
        asked: Asked,
        trouble: impl Fn(&str) -> Trouble,
    ) -> Answered {
        let begun = std::time::Instant::now();
        let now = self.jobs().ground().now();
        let mut answered = match self.enter(workspace, endpoint, &asked, now) {
            Err(refusal) => {
                self.measure(workspace, endpoint, "", &refusal, now, begun.elapsed(), false);
                refusal
            }
            Ok(route) => {
                let trouble = trouble(&route.deployment);
                let answered = self.predict(&route, &asked, &trouble).await;
                self.measure(workspace, endpoint, &route.deployment, &answered, now, begun.elapsed(), false);
                self.leave(workspace, endpoint, &route, &asked, &answered, now, begun.elapsed());
                if let Some(mirror) = &route.mirror {
                    self.mirror(workspace, endpoint, mirror, &asked, now).await;
                }
                with_header(answered, "azureml-model-deployment", &route.deployment)
            }
        };
        answered.headers.push(("x-request-id", asked.request_id.clone()));
        answered.headers.push(("x-ms-request-id", asked.request_id));
        answered
    }

    /// Writes down what Azure Monitor measures; nothing of endpoints that are not there.
    #[expect(clippy::too_many_arguments, reason = "what a measurement tells")]
    fn measure(
        &self,
        workspace: &str,
        endpoint: &str,
        deployment: &str,
        answered: &Answered,
        at: Timestamp,
        took: Duration,
        mirrored: bool,
    ) {
        let model = answered.headers.iter().find(|(name, _)| *name == "ms-azureml-model-error-statuscode");
        let model =
            model.and_then(|(_, status)| status.parse().ok()).or_else(|| (answered.status == 200).then_some(200));
        let measured = Measured {
            at,
            endpoint: endpoint.to_owned(),
            deployment: deployment.to_owned(),
            status: answered.status,
            model_status: model,
            milliseconds: took.as_secs_f64() * 1000.0,
            mirrored,
        };
        if self.look(workspace, endpoint, |_| ()).is_some() {
            self.telemetry().measure(workspace, measured);
        }
    }

    /// Checks the key, finds the deployment, and takes a place in it.
    fn enter(&self, workspace: &str, endpoint: &str, asked: &Asked, now: Timestamp) -> Result<Route, Answered> {
        let route = self.with(workspace, endpoint, |endpoint| {
            if !allowed(endpoint, asked, now) {
                return Err(refused(
                    401,
                    "Unauthorized",
                    "The key or token is missing or not valid for this endpoint.",
                ));
            }
            let (key, mirror) = choose(endpoint, asked)?;
            let Some(deployment) = endpoint.deployments.get_mut(&key) else {
                return Err(refused(404, "NotFound", &format!("The deployment {key} was not found.")));
            };
            if deployment.pending >= deployment.capacity() {
                return Err(refused(429, "TooManyRequests", "Too many requests are waiting in the deployment."));
            }
            deployment.pending += 1;
            Ok(Route {
                deployment: deployment.name.clone(),
                key,
                serving: deployment.serving.clone(),
                mirror,
                insights: deployment.insights(),
                timeout: deployment.timeout(),
            })
        });
        route.unwrap_or_else(|| Err(refused(404, "NotFound", "There is no such endpoint.")))
    }

    async fn predict(&self, route: &Route, asked: &Asked, trouble: &Trouble) -> Answered {
        if trouble.delay > route.timeout {
            tokio::time::sleep(route.timeout).await;
            return refused(408, "RequestTimeout", "The model took longer than the deployment's request timeout.");
        }
        if !trouble.delay.is_zero() {
            tokio::time::sleep(trouble.delay).await;
        }
        if let Some(status) = trouble.status {
            return model_error(status, "Internal Server Error", "The model failed.");
        }
        let Some(serving) = route.serving.clone().filter(|_| !trouble.unhealthy) else {
            return refused(502, "BadGateway", "The deployment has no instance that is healthy.");
        };
        let (body, wrong) = (asked.body.clone(), trouble.wrong);
        let model = match serving {
            Serving::Model(model) => model,
            Serving::Code(container) => {
                let timeout = route.timeout;
                let done = tokio::task::spawn_blocking(move || scripted(container.run(&body, timeout), wrong)).await;
                return done.unwrap_or_else(|error| refused(500, "InternalServerError", &error.to_string()));
            }
        };
        // A large request computes for long: not on a thread that serves others.
        if body.len() > 32 * 1024 {
            let done = tokio::task::spawn_blocking(move || predictions(&model, &body, wrong)).await;
            return done.unwrap_or_else(|error| refused(500, "InternalServerError", &error.to_string()));
        }
        predictions(&model, &body, wrong)
    }

    /// Gives the place back, and writes down what was answered.
    #[expect(clippy::too_many_arguments, reason = "what a log entry tells")]
    fn leave(
        &self,
        workspace: &str,
        endpoint: &str,
        route: &Route,
        asked: &Asked,
        answered: &Answered,
        at: Timestamp,
        took: Duration,
    ) {
        let milliseconds = took.as_secs_f64() * 1000.0;
        let line = format!("POST /score HTTP/1.1 {} {milliseconds:.1}ms request {}", answered.status, asked.request_id);
        self.with(workspace, endpoint, |endpoint| {
            if let Some(deployment) = endpoint.deployments.get_mut(&route.key) {
                deployment.pending = deployment.pending.saturating_sub(1);
                deployment.say(at, &line);
            }
        });
        if !route.insights {
            return;
        }
        let (endpoint, deployment) = (endpoint.to_owned(), route.deployment.clone());
        self.telemetry().line(
            workspace,
            LineSeen {
                at,
                endpoint: endpoint.clone(),
                deployment: deployment.clone(),
                request: Some(asked.request_id.clone()),
                message: line,
            },
        );
        self.telemetry().request(
            workspace,
            RequestSeen {
                at,
                id: asked.request_id.clone(),
                endpoint,
                deployment,
                url: asked.url.clone(),
                status: answered.status,
                milliseconds,
            },
        );
    }

    /// Scores a copy of the request; nobody gets the answer, the logs tell of it.
    async fn mirror(&self, workspace: &str, endpoint: &str, deployment: &str, asked: &Asked, now: Timestamp) {
        let copy = Asked { deployment: Some(deployment.to_owned()), ..asked.clone() };
        if let Ok(route) = self.enter(workspace, endpoint, &copy, now) {
            let begun = std::time::Instant::now();
            let answered = self.predict(&route, &copy, &Trouble::default()).await;
            self.measure(workspace, endpoint, &route.deployment, &answered, now, begun.elapsed(), true);
            self.leave(workspace, endpoint, &route, &copy, &answered, now, begun.elapsed());
        }
    }

    /// Answers `GET swagger.json`.
    pub(crate) fn swagger(&self, workspace: &str, endpoint: &str, asked: &Asked, host: &str) -> Answered {
        let now = self.jobs().ground().now();
        let found = self.with(workspace, endpoint, |endpoint| {
            if !allowed(endpoint, asked, now) {
                return Err(refused(
                    401,
                    "Unauthorized",
                    "The key or token is missing or not valid for this endpoint.",
                ));
            }
            let (key, _) = choose(endpoint, asked)?;
            let model = match endpoint.deployments.get(&key).and_then(|deployment| deployment.serving.clone()) {
                Some(Serving::Model(model)) => model,
                Some(Serving::Code(_)) => {
                    return Err(refused(404, "NotFound", "Swagger is not supported for the scoring script."));
                }
                None => return Err(refused(404, "NotFound", &format!("The deployment {key} serves no model."))),
            };
            Ok((endpoint.name.clone(), format!("/endpoints/{}/{}", endpoint.location, endpoint.name), model))
        });
        let (name, path, model) = match found {
            None => return refused(404, "NotFound", "There is no such endpoint."),
            Some(Err(refusal)) => return refusal,
            Some(Ok(found)) => found,
        };
        let output = match model.task() {
            Task::Classification => json!({"type": "string"}),
            Task::Regression | Task::Forecasting => json!({"type": "number", "format": "double"}),
        };
        let body = swagger::document(&name, host, &path, &model.input_columns(), &output);
        Answered { status: 200, headers: Vec::new(), body }
    }
}

fn with_header(mut answered: Answered, name: &'static str, value: &str) -> Answered {
    answered.headers.push((name, value.to_owned()));
    answered
}

fn allowed(endpoint: &Endpoint, asked: &Asked, now: Timestamp) -> bool {
    let Some(bearer) = &asked.bearer else { return false };
    match endpoint.auth_mode() {
        "Key" => *bearer == endpoint.primary_key || *bearer == endpoint.secondary_key,
        "AMLToken" => endpoint.tokens.get(bearer).is_some_and(|end| *end > now),
        _ => asked.entra_allows || endpoint.tokens.get(bearer).is_some_and(|end| *end > now),
    }
}

/// The deployment by header, or by weight; and the one that gets a copy.
fn choose(endpoint: &mut Endpoint, asked: &Asked) -> Result<(String, Option<String>), Answered> {
    if let Some(named) = &asked.deployment {
        let key = named.to_ascii_lowercase();
        return match endpoint.deployments.contains_key(&key) {
            true => Ok((key, None)),
            false => Err(refused(404, "NotFound", &format!("The deployment {named} was not found."))),
        };
    }
    let n = endpoint.routed;
    endpoint.routed += 1;
    let chosen = traffic::choose(&endpoint.traffic, n).map(str::to_ascii_lowercase);
    let chosen = chosen
        .ok_or_else(|| refused(404, "NotFound", "No deployment of the endpoint has a positive traffic weight."))?;
    Ok((chosen, traffic::mirrored(&endpoint.mirror, n).map(str::to_owned)))
}

/// The model's server answered with a status of its own: the endpoint tells it by 424 and headers ("Troubleshoot online
/// endpoints", learn.microsoft.com).
fn model_error(status: u16, reason: &str, message: &str) -> Answered {
    Answered {
        status: 424,
        headers: vec![
            ("ms-azureml-model-error-statuscode", status.to_string()),
            ("ms-azureml-model-error-reason", reason.to_owned()),
        ],
        body: json!({"error_code": "BAD_REQUEST", "message": message}),
    }
}

/// What a scoring script said, or why it said nothing.
fn scripted(said: Result<Value, ScriptError>, wrong: bool) -> Answered {
    match said {
        Ok(mut body) => {
            if let (true, Value::Array(values)) = (wrong, &mut body) {
                distort(values);
            }
            Answered { status: 200, headers: Vec::new(), body }
        }
        Err(ScriptError::TimedOut(_)) => {
            refused(408, "RequestTimeout", "The model took longer than the deployment's request timeout.")
        }
        Err(error) => model_error(500, "Internal Server Error", &error.to_string()),
    }
}

fn predictions(model: &Model, body: &[u8], wrong: bool) -> Answered {
    let rows = match request::rows(body, &model.input_columns()) {
        Ok(rows) => rows,
        Err(error) => return model_error(400, "Bad Request", &error.to_string()),
    };
    match model.predict(&rows) {
        Ok(mut values) => {
            if wrong {
                distort(&mut values);
            }
            Answered { status: 200, headers: Vec::new(), body: Value::Array(values) }
        }
        Err(error) => model_error(400, "Bad Request", &error.to_string()),
    }
}

/// Makes predictions wrong while they keep their form.
fn distort(values: &mut [Value]) {
    for value in values {
        *value = match value.take() {
            Value::Number(number) => Value::from(number.as_f64().unwrap_or_default() * -2.0 - 1.0),
            Value::Bool(flag) => Value::from(!flag),
            Value::String(text) => Value::from(text.chars().rev().collect::<String>()),
            other => other,
        };
    }
}
