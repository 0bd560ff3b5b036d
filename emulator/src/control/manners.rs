//! What can be set of Azure's manners.

use super::{error, text};
use crate::arm::providers;
use crate::quota;
use crate::server::App;
use crate::surface::http::response;
use axum::body::Body;
use axum::http::Response;
use serde_json::{Value, json};

/// Key of the record of what was set.
pub(crate) const MANNERS: &str = "manners";

/// Answers what is about manners.
pub(super) fn answer(app: &App, method: &str, path: &[&str], body: &Value) -> Response<Body> {
    let estate = &app.estate;
    match (method, path) {
        ("GET", ["manners"]) => response(200, &estate.manners.show()),
        ("POST", ["manners"]) => match estate.manners.change(body) {
            Ok(()) => {
                estate.keep.put(|| MANNERS.to_owned(), &estate.manners.show());
                response(200, &estate.manners.show())
            }
            Err(why) => error(400, &why.to_string()),
        },
        ("POST", ["providers"]) => provider(app, body),
        ("POST", ["quotas"]) => limit(app, body),
        _ => error(404, "The emulator has no such control."),
    }
}

fn provider(app: &App, body: &Value) -> Response<Body> {
    let (subscription, state) = (text(body, "subscriptionId"), text(body, "state"));
    let namespace = match text(body, "namespace") {
        none if none.is_empty() => "Microsoft.MachineLearningServices".to_owned(),
        namespace => namespace,
    };
    if subscription.is_empty() || !["Registered", "NotRegistered", "Unregistered"].contains(&state.as_str()) {
        return error(400, "A provider has a subscriptionId and the state Registered, NotRegistered or Unregistered.");
    }
    providers::set(&mut app.estate.world(), &subscription, &namespace, &state, None);
    response(200, &json!({}))
}

fn limit(app: &App, body: &Value) -> Response<Body> {
    let (subscription, location) = (text(body, "subscriptionId"), text(body, "location"));
    let family = match text(body, "family") {
        none if none.is_empty() => quota::family(&text(body, "vmSize")),
        family => family,
    };
    let limit = body.get("limit").and_then(Value::as_i64);
    if subscription.is_empty() || location.is_empty() || (text(body, "family") + &text(body, "vmSize")).is_empty() {
        return error(400, "A quota has a subscriptionId, a location, a family or a vmSize, and a limit in cores.");
    }
    quota::set_limit(&mut app.estate.world(), &subscription, &location, &family, limit);
    response(200, &json!({"family": family, "limit": limit}))
}
