//! `/_emulator/`: what tests and people set and see, without authentication.

pub(crate) mod exchanges;
pub(crate) mod faults;
pub(crate) mod manners;
mod page;
pub(crate) mod requests;
pub(crate) mod secrets;
mod state;

use crate::arm::workspaces;
use crate::client_settings::cloud_file;
use crate::server::App;
use crate::surface::http::{Incoming, pairs, response};
use crate::world::{FederatedCredential, Principal};
use axum::body::Body;
use axum::http::Response;
use requests::Wanted;
use serde_json::{Value, json};

fn error(status: u16, message: &str) -> Response<Body> {
    response(status, &json!({"error": {"code": "EmulatorControl", "message": message}}))
}

/// Answers a request below `/_emulator/`.
pub(crate) fn answer(app: &App, incoming: &Incoming) -> Response<Body> {
    let path = incoming.path.trim_start_matches("/_emulator");
    let decoded: Vec<String> =
        path.split('/').filter(|part| !part.is_empty()).map(crate::surface::http::decoded).collect();
    let path: Vec<&str> = decoded.iter().map(String::as_str).collect();
    if let Some(response) = page::answer(app, incoming, &path) {
        return response;
    }
    let body = if incoming.body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&incoming.body) };
    let Ok(body) = body else { return error(400, "The body is not JSON.") };
    let query = pairs(&incoming.query);
    let estate = &app.estate;
    match (incoming.method.as_str(), path.as_slice()) {
        ("GET", ["cloud"]) => response(200, &cloud_file(&incoming.base, &app.ca_file)),
        ("POST", ["tenants", tenant, "principals"]) => put_principal(app, tenant, &body),
        ("POST", ["issuers"]) => {
            let issuer = text(&body, "issuer");
            let keys = body.get("jwks").cloned().unwrap_or_default();
            if issuer.is_empty() || keys.get("keys").is_none_or(|keys| !keys.is_array()) {
                return error(400, "An issuer has an issuer and a jwks with keys.");
            }
            estate.world().put_issuer(&issuer, keys);
            response(200, &json!({}))
        }
        ("POST", ["workspaces"]) => put_workspace(app, &body, &incoming.base),
        ("POST", ["roleassignments"]) => {
            let id = uuid::Uuid::new_v4().to_string();
            let scope = text(&body, "scope");
            if !scope.starts_with('/') {
                return error(400, "The scope is no ARM id.");
            }
            estate.world().assign(&id, &scope, &text(&body, "principalId"), &text(&body, "role"));
            response(200, &json!({"id": id}))
        }
        ("DELETE", ["roleassignments", rest @ ..]) => {
            let id = rest.last().copied().unwrap_or_default();
            let removed = estate.world().remove_assignment(id).is_some();
            response(if removed { 200 } else { 404 }, &json!({}))
        }
        ("GET", ["requests"]) => {
            let text = |key: &str| query.get(key).map_or("", String::as_str);
            let wanted = Wanted {
                since: text("since").parse().unwrap_or(0),
                contains: text("contains").to_ascii_lowercase(),
                writes: text("writes") == "true",
            };
            response(200, &estate.requests.show(&wanted))
        }
        ("POST", ["exchanges"]) => {
            let bytes = body.get("keepBytes").and_then(Value::as_u64).and_then(|bytes| usize::try_from(bytes).ok());
            let Some(bytes) = bytes else { return error(400, "keepBytes is how many bytes may be kept.") };
            estate.exchanges.keep(bytes);
            response(200, &json!({}))
        }
        ("GET", ["exchanges"]) => {
            let since = query.get("since").and_then(|since| since.parse().ok()).unwrap_or(0);
            response(200, &estate.exchanges.fetch(since))
        }
        ("GET", ["secrets"]) => response(200, &estate.secrets.show()),
        ("POST", ["faults"]) => match estate.faults.add(body) {
            Ok(id) => response(200, &json!({"id": id})),
            Err(why) => error(400, &why.to_string()),
        },
        ("GET", ["faults"]) => response(200, &estate.faults.all()),
        ("GET", ["faults", id]) => {
            estate.faults.show(id).map_or_else(|| error(404, "There is no such fault."), |shown| response(200, &shown))
        }
        ("DELETE", ["faults", id]) => response(if estate.faults.remove(id) { 200 } else { 404 }, &json!({})),
        ("DELETE", ["faults"]) => {
            estate.faults.clear();
            response(200, &json!({}))
        }
        ("POST", ["clock"]) => {
            let number = |key: &str| body.get(key).and_then(Value::as_f64);
            let now = estate.clock.set(number("advanceSeconds").unwrap_or(0.0), number("speed"));
            app.tick();
            response(200, &json!({"now": now.to_string()}))
        }
        ("GET", ["clock"]) => response(200, &json!({"now": estate.clock.now().to_string()})),
        ("GET", ["state"]) => {
            response(200, &state::of(app, query.get("workspace").map_or("", String::as_str), &incoming.base))
        }
        (method, path) => manners::answer(app, method, path, &body),
    }
}

fn text(body: &Value, key: &str) -> String {
    body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn put_principal(app: &App, tenant: &str, body: &Value) -> Response<Body> {
    let federated = body.get("federatedCredentials").filter(|value| !value.is_null()).cloned();
    let federated = serde_json::from_value::<Vec<FederatedCredential>>(federated.unwrap_or_else(|| json!([])));
    let Ok(federated) = federated else {
        return error(400, "federatedCredentials is a list of issuer, subject and audience.");
    };
    if text(body, "clientId").is_empty() || text(body, "objectId").is_empty() {
        return error(400, "A principal has a clientId and an objectId.");
    }
    let certificates = body.get("certificates").and_then(Value::as_array).into_iter().flatten();
    let certificates = certificates.filter_map(Value::as_str);
    app.estate.secrets.body(body);
    app.estate.world().put_principal(Principal {
        tenant: tenant.to_owned(),
        client_id: text(body, "clientId"),
        object_id: text(body, "objectId"),
        secret: body.get("clientSecret").and_then(Value::as_str).map(str::to_owned),
        federated,
        certificates: certificates.map(str::to_owned).collect(),
        managed: body.get("managedIdentity").and_then(Value::as_bool).unwrap_or(false),
    });
    response(200, &json!({}))
}

fn put_workspace(app: &App, body: &Value, base: &str) -> Response<Body> {
    let given = ["subscriptionId", "resourceGroup", "name", "location"].map(|key| text(body, key));
    if given.iter().any(String::is_empty) {
        return error(400, "A workspace has a subscriptionId, a resourceGroup, a name and a location.");
    }
    let [subscription, group, name, location] = given;
    let id = format!(
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.MachineLearningServices/workspaces/{name}"
    );
    let made = workspaces::ready(&mut app.estate.world(), &id, &location);
    response(200, &workspaces::show(&made, base))
}
