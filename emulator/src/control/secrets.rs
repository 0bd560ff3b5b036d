//! What was given to the emulator or by it that nobody may read: tests look for it where it must not be.
//!
//! It is noted by what requests and answers say, not where it is made: a new surface is covered the day it comes.

use crate::surface::http::{Incoming, pairs};
use axum::body::{Body, to_bytes};
use axum::http::{Response, header};
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many are kept: the oldest go first.
const KEPT: usize = 50_000;

/// The longest body that is looked at.
const LONGEST: usize = 4 * 1024 * 1024;

/// Shorter texts are no secrets: they would be found by chance.
const SHORTEST: usize = 8;

/// Fields of bodies that hold secrets, in lower case, and what they hold.
const FIELDS: [(&str, &str); 12] = [
    ("client_secret", "client secret"),
    ("clientsecret", "client secret"),
    ("client_assertion", "client assertion"),
    ("password", "client secret"),
    ("access_token", "access token"),
    ("accesstoken", "endpoint token"),
    ("primarykey", "endpoint key"),
    ("secondarykey", "endpoint key"),
    ("keyvalue", "endpoint key"),
    ("accountkey", "account key"),
    ("sastoken", "SAS"),
    ("connectionstring", "connection string"),
];

#[derive(Debug, Default)]
struct Notes {
    what: HashMap<String, &'static str>,
    order: VecDeque<String>,
}

/// The secrets.
#[derive(Debug, Default)]
pub(crate) struct Secrets(Mutex<Notes>);

impl Secrets {
    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, what: &'static str, value: &str) {
        if value.len() < SHORTEST {
            return;
        }
        let mut notes = self.lock();
        if notes.what.insert(value.to_owned(), what).is_none() {
            notes.order.push_back(value.to_owned());
        }
        if notes.order.len() > KEPT
            && let Some(oldest) = notes.order.pop_front()
        {
            notes.what.remove(&oldest);
        }
    }

    /// Notes what a request brings.
    pub(crate) fn asked(&self, incoming: &Incoming) {
        let bearer = incoming.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        if let Some(token) = bearer.and_then(|value| value.strip_prefix("Bearer ")) {
            self.note("bearer", token);
        }
        self.signature(&incoming.query);
        if incoming.body.len() > LONGEST {
            return;
        }
        match serde_json::from_slice::<Value>(&incoming.body) {
            Ok(body) => self.body(&body),
            Err(_) => {
                if let Ok(form) = std::str::from_utf8(&incoming.body)
                    && form.contains("grant_type=")
                {
                    pairs(form).iter().for_each(|(name, value)| self.field(name, value));
                }
            }
        }
    }

    /// Notes what an answer gives away.
    pub(crate) async fn answered(&self, response: Response<Body>) -> Response<Body> {
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if !kind.is_some_and(|kind| kind.contains("json")) {
            return response;
        }
        let (parts, body) = response.into_parts();
        // All JSON is made whole in memory: it can be taken again.
        let Ok(bytes) = to_bytes(body, usize::MAX).await else { return Response::from_parts(parts, Body::empty()) };
        if bytes.len() <= LONGEST
            && let Ok(body) = serde_json::from_slice::<Value>(&bytes)
        {
            self.body(&body);
        }
        Response::from_parts(parts, Body::from(bytes))
    }

    /// Notes what a body holds, at any depth.
    pub(crate) fn body(&self, body: &Value) {
        match body {
            Value::Object(fields) => {
                // `key` alone is a word of many bodies.
                if let (true, Some(Value::String(key))) = (fields.contains_key("secretsType"), fields.get("key")) {
                    self.note("account key", key);
                }
                for (name, value) in fields {
                    match value {
                        Value::String(text) => self.field(name, text),
                        value => self.body(value),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.body(item)),
            Value::String(text) => self.signature(text),
            _ => {}
        }
    }

    fn field(&self, name: &str, value: &str) {
        let lower = name.to_ascii_lowercase();
        match FIELDS.iter().find(|(field, _)| *field == lower) {
            Some((_, what)) => self.note(what, value),
            None => self.signature(value),
        }
    }

    /// The signature of an address or a query, as it is written there.
    fn signature(&self, text: &str) {
        let signatures = text.split(['?', '&']).filter_map(|part| part.strip_prefix("sig="));
        signatures.for_each(|signature| self.note("SAS signature", signature));
    }

    /// All of them.
    pub(crate) fn show(&self) -> Value {
        let notes = self.lock();
        let all = notes.order.iter().map(|value| json!({"what": notes.what.get(value), "value": value}));
        json!({"secrets": all.collect::<Vec<_>>()})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(secrets: &Secrets) -> Vec<String> {
        let shown = secrets.show();
        let all = shown["secrets"].as_array().unwrap().iter();
        all.map(|secret| format!("{}: {}", secret["what"].as_str().unwrap(), secret["value"].as_str().unwrap()))
            .collect()
    }

    #[tokio::test]
    async fn what_goes_in_and_out_is_noted() {
        let secrets = Secrets::default();
        let mut incoming = Incoming {
            query: "sp=r&sig=signature%3D".into(),
            body: b"grant_type=client_credentials&client_secret=secret-of-app&client_id=application".to_vec(),
            ..Incoming::default()
        };
        incoming.headers.insert(header::AUTHORIZATION, "Bearer key-of-endpoint".parse().unwrap());
        secrets.asked(&incoming);
        let body = json!({"keys": [{"primaryKey": "key-number-one", "name": "not-a-secret"}],
            "uri": "https://h/c?sp=r&sig=another-signature&x=y", "key": "short"});
        let answer = crate::surface::http::response(200, &body);
        let answer = secrets.answered(answer).await;
        let bytes = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), body, "the answer is as it was");
        let expected = [
            "bearer: key-of-endpoint",
            "SAS signature: signature%3D",
            "client secret: secret-of-app",
            "endpoint key: key-number-one",
            "SAS signature: another-signature",
        ];
        let mut found = values(&secrets);
        found.sort();
        let mut expected = expected.map(str::to_owned).to_vec();
        expected.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_oldest_go_first() {
        let secrets = Secrets::default();
        (0..=KEPT).for_each(|number| secrets.note("bearer", &format!("token-{number:06}")));
        let found = values(&secrets);
        assert_eq!((found.len(), found[0].as_str()), (KEPT, "bearer: token-000001"));
    }
}
