//! Answers that are none of Azure's own: ordered ones, and ones that are spoilt on their way.

use super::Verdict;
use super::effect::{Effect, Truncated};
use crate::surface::http::response;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

/// Ends the connection without an answer: the unwinding ends hyper's task, which closes it. No panic hook is run.
pub(crate) fn reset() {
    std::panic::resume_unwind(Box::new("the connection is reset on purpose"));
}

/// The answer that a fault orders in place of Azure's.
pub(crate) fn ordered(effect: &Effect) -> Response<Body> {
    let status = effect.status.unwrap_or(500);
    match &effect.raw_body {
        Some(body) => {
            let mut response = Response::new(Body::from(body.clone()));
            *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
            response
        }
        None => {
            let code = effect.code.as_deref().unwrap_or(match status {
                401 => "InvalidAuthenticationToken",
                403 => "AuthorizationFailed",
                429 => "TooManyRequests",
                503 => "ServiceUnavailable",
                _ => "InternalServerError",
            });
            let message = effect.message.as_deref().unwrap_or("This was ordered.");
            response(status, &json!({"error": {"code": code, "message": message}}))
        }
    }
}

/// An answer, whoever gave it, as the faults leave it.
pub(crate) async fn spoilt(mut response: Response<Body>, verdict: &Verdict, now: Timestamp) -> Response<Body> {
    for (name, value) in &verdict.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    if let Some(date) = verdict.date_skew.and_then(|seconds| date(now, seconds)) {
        response.headers_mut().insert(header::DATE, date);
    }
    match verdict.truncated {
        Some(how) => halved(response, how).await,
        None => response,
    }
}

/// As RFC 9110 writes a time.
fn date(now: Timestamp, skew: i64) -> Option<HeaderValue> {
    let at = now.checked_add(SignedDuration::from_secs(skew)).ok()?;
    HeaderValue::from_str(&at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()).ok()
}

async fn halved(response: Response<Body>, how: Truncated) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    let Ok(whole) = to_bytes(body, usize::MAX).await else { return Response::from_parts(parts, Body::empty()) };
    let half = whole.slice(..whole.len() / 2);
    parts.headers.remove(header::CONTENT_LENGTH);
    if how == Truncated::Whole {
        return Response::from_parts(parts, Body::from(half));
    }
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(whole.len()));
    let broken = std::io::Error::other("the connection is cut on purpose");
    let pieces: [Result<Bytes, std::io::Error>; 2] = [Ok(half), Err(broken)];
    Response::from_parts(parts, Body::from_stream(futures::stream::iter(pieces)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_written_as_http_wants_it() {
        let now: Timestamp = "2026-11-25T00:30:05Z".parse().unwrap();
        assert_eq!(date(now, -3600 * 5).unwrap(), "Tue, 24 Nov 2026 19:30:05 GMT");
    }
}
