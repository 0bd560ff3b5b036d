//! The one HTTPS port: from a request to its principal, to what it may do, to an answer.

use crate::access::refusal;
use crate::tokens::Signer;
use crate::world::{Principal, World};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Json, Response};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Audience of tokens for Azure Resource Manager.
pub const ARM_AUDIENCE: &str = "https://management.azure.com";

/// What every request sees.
pub struct App {
    world: Mutex<World>,
    signer: Signer,
}

impl App {
    /// With nothing in it.
    pub fn new(signer: Signer) -> Self {
        Self { world: Mutex::default(), signer }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All routes.
pub fn router(app: Arc<App>) -> Router {
    Router::new().fallback(answer).with_state(app)
}

async fn answer(State(app): State<Arc<App>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let path = percent_decode_str(uri.path()).decode_utf8_lossy().into_owned();
    let lower = path.to_ascii_lowercase();
    let segments: Vec<&str> = lower.split('/').filter(|segment| !segment.is_empty()).collect();
    let mut response = match (method.as_str(), segments.as_slice()) {
        ("POST", [tenant, "oauth2", "v2.0", "token"]) => token(&app, tenant, &body),
        ("POST", ["_emulator", rest @ ..]) => control(&app, rest, &body),
        (_, ["subscriptions", ..]) => arm(&app, &method, &path, uri.query().unwrap_or_default(), &headers),
        _ => error(404, "NotFound", &format!("There is nothing at {path}.")),
    };
    if let Ok(id) = uuid::Uuid::new_v4().to_string().parse() {
        response.headers_mut().insert("x-ms-request-id", id);
    }
    response
}

fn error(status: u16, code: &str, message: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(json!({"error": {"code": code, "message": message}}))).into_response()
}

fn form(text: &str) -> HashMap<String, String> {
    let decoded = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (decoded(key).to_ascii_lowercase(), decoded(value))).collect()
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

fn token(app: &App, tenant: &str, body: &Bytes) -> Response {
    let form = form(&String::from_utf8_lossy(body));
    let text = |key: &str| form.get(key).map_or("", String::as_str);
    let audience = text("scope").trim_end_matches("/.default");
    let signed_in = app.world().sign_in(tenant, text("client_id"), text("client_secret"), audience, now());
    let refused = |status: StatusCode, why: String| {
        (status, Json(json!({"error": "invalid_client", "error_description": why}))).into_response()
    };
    match signed_in.map(|claims| app.signer.sign(&claims)) {
        Ok(Ok(token)) => {
            let seconds = crate::tokens::LIFETIME;
            let body = json!({"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": token});
            Json(body).into_response()
        }
        Ok(Err(why)) => refused(StatusCode::INTERNAL_SERVER_ERROR, why.to_string()),
        Err(why) => refused(StatusCode::UNAUTHORIZED, why.to_string()),
    }
}

/// `/_emulator/`: principals, workspaces and role assignments, without authentication.
fn control(app: &App, path: &[&str], body: &Bytes) -> Response {
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return error(400, "InvalidRequestContent", "The body is not JSON.");
    };
    let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    match path {
        ["tenants", tenant, "principals"] => {
            let secret = body.get("clientSecret").and_then(Value::as_str).map(str::to_owned);
            app.world().put_principal(Principal {
                tenant: (*tenant).to_owned(),
                client_id: text("clientId"),
                object_id: text("objectId"),
                secret,
            });
            Json(json!({})).into_response()
        }
        ["workspaces"] => {
            let (subscription, group) = (text("subscriptionId"), text("resourceGroup"));
            Json(app.world().put_workspace(&subscription, &group, &text("name"), &text("location"))).into_response()
        }
        ["roleassignments"] => {
            let id = uuid::Uuid::new_v4().to_string();
            app.world().assign(&id, &text("scope"), &text("principalId"), &text("role"));
            Json(json!({"id": id})).into_response()
        }
        _ => error(404, "NotFound", "The emulator has no such control."),
    }
}

/// Reads a resource, or removes it, if the principal may.
fn arm(app: &App, method: &Method, path: &str, query: &str, headers: &HeaderMap) -> Response {
    let bearer = headers.get("authorization").and_then(|value| value.to_str().ok());
    let bearer = bearer.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    let claims = match app.signer.check(bearer, ARM_AUDIENCE, now()) {
        Ok(claims) => claims,
        Err(why) => {
            let mut response =
                error(401, "InvalidAuthenticationToken", &format!("The access token is invalid: {why}."));
            let challenge = axum::http::HeaderValue::from_static("Bearer error=\"invalid_token\"");
            response.headers_mut().insert("www-authenticate", challenge);
            return response;
        }
    };
    if !form(query).contains_key("api-version") {
        return error(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter is required for all requests.",
        );
    }
    let verb = if method == Method::GET { "read" } else { "delete" };
    let action = format!("{}/{verb}", resource_type(path));
    let mut world = app.world();
    if !world.may(&claims.oid, &action, path) {
        return error(403, "AuthorizationFailed", &refusal(&claims.appid, &claims.oid, &action, path));
    }
    match *method {
        Method::GET => match world.resource(path) {
            Some(resource) => Json(resource).into_response(),
            None => error(404, "ResourceNotFound", &format!("The Resource '{path}' was not found.")),
        },
        Method::DELETE => {
            let status = if world.delete_resource(path) { StatusCode::OK } else { StatusCode::NO_CONTENT };
            status.into_response()
        }
        _ => error(405, "MethodNotAllowed", "The resource does not take this method."),
    }
}

/// `Microsoft.MachineLearningServices/workspaces/jobs` of a job's id.
fn resource_type(path: &str) -> String {
    let mut segments = path.rsplit_once("/providers/").map_or("", |(_, rest)| rest).split('/');
    let mut kind = segments.next().unwrap_or_default().to_owned();
    for name in segments.step_by(2) {
        kind = format!("{kind}/{name}");
    }
    kind
}

#[cfg(test)]
mod tests {
    use super::resource_type;

    #[test]
    fn the_type_of_a_resource_is_in_its_id() {
        let id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.X/workspaces/w/jobs/j";
        assert_eq!(resource_type(id), "Microsoft.X/workspaces/jobs");
    }
}
