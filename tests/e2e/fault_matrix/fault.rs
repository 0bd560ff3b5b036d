//! The rows: what goes wrong.

use serde_json::{Value, json};

use super::pace::Pace;

/// A row.
#[derive(Debug)]
pub struct Fault {
    /// As the table names it.
    pub name: &'static str,
    /// As names of objects and tests spell it.
    pub slug: &'static str,
    /// What the emulator does to the requests.
    pub effect: Value,
    /// It ends by itself after so many.
    pub count: Option<u64>,
    /// It is left until it has struck so often.
    pub hits: u64,
    /// How it is tried again.
    pub pace: Pace,
    /// What a condition says meanwhile: its reason, and words of its message. None where there is one answer alone, and
    /// the next look finds what it hid.
    pub told: Option<(&'static str, &'static [&'static str])>,
    /// It is of the operation that a write begins, not of the write.
    pub of_operation: bool,
}

impl Fault {
    fn new(name: &'static str, slug: &'static str, effect: Value) -> Self {
        Self { name, slug, effect, count: None, hits: 6, pace: Pace::Backoff, told: None, of_operation: false }
    }

    /// It lasts, and is told so.
    fn told(self, reason: &'static str, words: &'static [&'static str]) -> Self {
        Self { told: Some((reason, words)), ..self }
    }

    /// It strikes so often and no longer.
    fn until(self, hits: u64) -> Self {
        Self { hits, ..self }
    }

    fn at(self, pace: Pace) -> Self {
        Self { pace, ..self }
    }

    fn of_operation(self) -> Self {
        Self { of_operation: true, hits: 1, ..self }
    }
}

/// All rows.
pub fn rows() -> Vec<Fault> {
    let status = |status: u16, code: &str, message: &str| json!({"status": status, "code": code, "message": message});
    let mut throttled = status(429, "TooManyRequests", "The request is being throttled.");
    let unnamed = throttled.clone();
    throttled["retryAfterSeconds"] = json!(1);
    let html = json!({
        "status": 502, "headers": {"content-type": "text/html"},
        "rawBody": "<html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>",
    });
    let expired = status(
        401,
        "ExpiredAuthenticationToken",
        "The access token expiry UTC time '11/25/2026 12:00:00 AM' is earlier than current UTC time '11/25/2026 2:00:00 AM'.",
    );
    let forbidden = status(
        403,
        "AuthorizationFailed",
        "The client does not have authorization to perform this action over this scope, or the scope is invalid.",
    );
    let mut skewed = status(401, "InvalidAuthenticationToken", "The access token is not yet valid ('nbf').");
    skewed["dateSkewSeconds"] = json!(-7200);
    let fails = json!({
        "operationFails": {"code": "InternalServerError", "message": "Azure's own trouble in the middle of it."},
        "operationTakesMilliseconds": 1500,
    });
    vec![
        Fault::new("429 with Retry-After", "429-after", throttled)
            .told("Throttled", &["429 TooManyRequests", "request id"])
            .until(3)
            .at(Pace::Asked(1.0)),
        Fault::new("429 without Retry-After", "429-bare", unnamed)
            .told("Throttled", &["429 TooManyRequests", "request id"])
            .until(4),
        Fault::new("500", "500", status(500, "InternalServerError", "An internal server error occurred."))
            .told("AzureUnavailable", &["500 InternalServerError", "request id"]),
        Fault::new("502 with HTML", "502-html", html).told("AzureUnavailable", &["502", "Bad Gateway", "request id"]),
        Fault::new("503", "503", status(503, "ServerBusy", "The server is busy."))
            .told("AzureUnavailable", &["503 ServerBusy", "request id"]),
        Fault::new("time-out", "timeout-before", json!({"hold": "before"}))
            .told("AzureUnavailable", &["no answer from Azure", "time for an answer ran out"])
            .until(2),
        Fault::new("time-out after it was done", "timeout-done", json!({"hold": "after"})).until(1),
        Fault::new("reset", "reset-before", json!({"reset": "before"}))
            .told("AzureUnavailable", &["no answer from Azure"]),
        Fault::new("reset after it was done", "reset-done", json!({"reset": "after"})).until(1),
        Fault::new("truncated JSON", "truncated", json!({"truncated": "whole"})).until(1),
        Fault::new("answer cut off", "cut", json!({"truncated": "cut"})).until(1),
        Fault::new("expired token", "expired", expired)
            .told("AuthenticationFailed", &["401 ExpiredAuthenticationToken", "request id"]),
        Fault {
            count: Some(5),
            ..Fault::new("403 then 200", "403-then-200", forbidden)
                .told("RolePropagating", &["403 AuthorizationFailed", "up to ten minutes", "request id"])
                .until(5)
        },
        Fault::new("operation fails after minutes", "operation-fails", fails)
            .told("", &["InternalServerError", "Azure's own trouble in the middle of it"])
            .at(Pace::Stalled)
            .of_operation(),
        Fault::new(
            "operation lost",
            "operation-lost",
            json!({"operationLost": true, "operationTakesMilliseconds": 1000}),
        )
        .of_operation(),
        Fault::new("clock skew", "skew", skewed)
            .told("AuthenticationFailed", &["401 InvalidAuthenticationToken", "not yet valid", "request id"])
            .until(3)
            .at(Pace::Stalled),
    ]
}
