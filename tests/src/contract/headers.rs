//! The headers of requests and answers.

use super::document::{Operation, Response};
use super::exchange::{Answer, Exchange};

/// What any HTTP client sends.
const SENT: [&str; 10] = [
    "accept",
    "accept-encoding",
    "authorization",
    "content-length",
    "content-type",
    "host",
    "transfer-encoding",
    "user-agent",
    "x-ms-client-request-id",
    "client-request-id",
];

/// What any of Azure's services answers.
const ANSWERED: [&str; 9] = [
    "content-length",
    "content-type",
    "date",
    "retry-after",
    "transfer-encoding",
    "x-ms-client-request-id",
    "x-ms-correlation-request-id",
    "x-ms-request-id",
    "x-ms-routing-request-id",
];

/// What Azure Resource Manager may add to any answer: how many requests are left ("Understand how Azure Resource Manager
/// throttles requests", learn.microsoft.com). No service's document repeats it.
const REMAINING: [&str; 6] = [
    "x-ms-ratelimit-remaining-subscription-deletes",
    "x-ms-ratelimit-remaining-subscription-global-deletes",
    "x-ms-ratelimit-remaining-subscription-global-reads",
    "x-ms-ratelimit-remaining-subscription-global-writes",
    "x-ms-ratelimit-remaining-subscription-reads",
    "x-ms-ratelimit-remaining-subscription-writes",
];

/// By which a client follows an operation.
const FOLLOWED: [&str; 2] = ["azure-asyncoperation", "location"];

type Faults = Vec<(String, String)>;

/// What is wrong with the headers of a request.
pub(super) fn of_request(operation: &Operation, exchange: &Exchange) -> Faults {
    let headers = &exchange.request.headers;
    let mut faults = Faults::new();
    let mut wrong = |name: &str, what: &str| faults.push((format!("header {name}"), what.to_owned()));
    let known = |name: &str| operation.parameters.iter().any(|known| known.header && known.name == name);
    for name in headers.keys().filter(|name| !SENT.contains(&name.as_str()) && !known(name)) {
        wrong(name, "no such header is known");
    }
    for needed in operation.parameters.iter().filter(|known| known.header && known.required) {
        match (headers.get(&needed.name), needed.schema["enum"].as_array()) {
            (None, _) => wrong(&needed.name, "it is missing"),
            (Some(value), Some(values)) if !values.iter().any(|known| known == value) => {
                wrong(&needed.name, &format!("{value:?} is none of {values:?}"));
            }
            _ => {}
        }
    }
    let authorized = headers.get("authorization").is_some_and(|value| value.starts_with("Bearer "));
    if !operation.open && !authorized {
        wrong("authorization", "it is missing, or no bearer token");
    }
    faults
}

/// What is wrong with the headers of an answer.
pub(super) fn of_answer(operation: &Operation, response: &Response, exchange: &Exchange, answer: &Answer) -> Faults {
    let headers = &answer.message.headers;
    let mut faults = Faults::new();
    let mut wrong = |name: &str, what: &str| faults.push((format!("header {name}"), what.to_owned()));
    let declared = |name: &str| response.headers.iter().any(|known| known == name);
    let challenge = |name: &str| name == "www-authenticate" && answer.status == 401;
    let of_manager = exchange.path.to_ascii_lowercase().starts_with("/subscriptions/");
    let remaining = |name: &str| of_manager && REMAINING.contains(&name);
    let known = |name: &str| ANSWERED.contains(&name) || declared(name) || challenge(name) || remaining(name);
    for name in headers.keys().filter(|name| !known(name)) {
        wrong(name, &format!("{} has no such header", answer.status));
    }
    for name in REMAINING {
        if headers.get(name).is_some_and(|value| value.parse::<u64>().is_err()) {
            wrong(name, "it is no number of requests");
        }
    }
    for name in ["x-ms-request-id", "x-ms-correlation-request-id"] {
        if of_manager && !headers.contains_key(name) {
            wrong(name, "it is missing");
        }
    }
    if let Some(id) = exchange.request.headers.get("x-ms-client-request-id")
        && headers.get("x-ms-client-request-id") != Some(id)
    {
        wrong("x-ms-client-request-id", "it is not the request's");
    }
    if headers.get("retry-after").is_some_and(|value| value.parse::<u64>().is_err()) {
        wrong("retry-after", "it is no number of seconds");
    }
    let by: Vec<&str> = FOLLOWED.into_iter().filter(|name| declared(name)).collect();
    if !by.is_empty() && begins(operation, answer) && !by.iter().any(|name| headers.contains_key(*name)) {
        wrong(by[0], "what has begun can't be followed without it");
    }
    for name in by {
        if headers.get(name).is_some_and(|value| !value.starts_with("https://")) {
            wrong(name, "it is no absolute address");
        }
    }
    faults
}

/// Whether an answer says that something has begun that is not done yet.
fn begins(operation: &Operation, answer: &Answer) -> bool {
    let body = answer.message.json.as_ref();
    let state = body.and_then(|body| body.pointer("/properties/provisioningState")?.as_str());
    let done = state.is_some_and(|state| ["Succeeded", "Failed", "Canceled"].contains(&state));
    match answer.status {
        202 => true,
        201 => operation.method == "PUT" && !done,
        _ => false,
    }
}
