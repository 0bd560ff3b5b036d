//! The log of all requests, without what is secret in them.

use crate::surface::http::pairs;
use serde_json::{Map, Value, json};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Requests that are kept: the oldest go first.
const KEPT: usize = 200_000;

/// Bodies longer than this are not kept.
const LONGEST: usize = 64 * 1024;

/// Stands for what nobody may read.
pub(super) const MASK: &str = "***";

/// Fields whose values nobody may read, in lower case.
const SECRET: [&str; 17] = [
    "access_token",
    "refresh_token",
    "id_token",
    "client_secret",
    "client_assertion",
    "clientsecret",
    "secret",
    "password",
    "primarykey",
    "secondarykey",
    "keyvalue",
    "accountkey",
    "key",
    "sastoken",
    "sasuri",
    "accesstoken",
    "token",
];

#[derive(Debug, Clone)]
struct Entry {
    seq: u64,
    time: jiff::Timestamp,
    method: String,
    path: String,
    query: String,
    principal: Option<String>,
    status: Option<u16>,
    body: Value,
}

/// What is asked for by POST though it changes nothing, by the last segment of the path in lower case.
const READS: [&str; 10] = [
    "token",
    "listkeys",
    "listsecrets",
    "liststorageaccountkeys",
    "getlogs",
    "listnodes",
    "score",
    "query",
    "search",
    "rundata",
];

impl Entry {
    /// Whether it may change something.
    fn writes(&self) -> bool {
        let last = self.path.rsplit('/').next().unwrap_or_default();
        match self.method.as_str() {
            "GET" | "HEAD" | "OPTIONS" => false,
            "POST" => !READS.iter().any(|read| read.eq_ignore_ascii_case(last)),
            _ => true,
        }
    }

    /// Path and query, in lower case.
    fn address(&self) -> String {
        format!("{}?{}", self.path, self.query).to_ascii_lowercase()
    }
}

#[derive(Debug, Default)]
struct Log {
    entries: VecDeque<Entry>,
    next: u64,
}

/// The log.
#[derive(Debug, Default)]
pub(crate) struct Requests(Mutex<Log>);

/// A request as it came.
pub(crate) struct Seen<'a> {
    pub(crate) time: jiff::Timestamp,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) principal: Option<String>,
    pub(crate) body: &'a [u8],
}

/// What of the log somebody wants.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) since: u64,
    /// Part of a path with its query, in lower case.
    pub(crate) contains: String,
    pub(crate) writes: bool,
}

impl Wanted {
    fn takes(&self, entry: &Entry) -> bool {
        entry.seq >= self.since
            && (!self.writes || entry.writes())
            && (self.contains.is_empty() || entry.address().contains(&self.contains))
    }
}

/// What a person sees of a request.
pub(crate) struct Glance {
    pub(crate) time: jiff::Timestamp,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) principal: Option<String>,
    pub(crate) status: Option<u16>,
}

impl Requests {
    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a request down that is not answered yet; gives its number.
    pub(crate) fn begin(&self, seen: Seen<'_>) -> u64 {
        let body = masked_body(seen.body);
        let query = masked_query(seen.query);
        let mut log = self.lock();
        let seq = log.next;
        log.next += 1;
        if log.entries.len() >= KEPT {
            log.entries.pop_front();
        }
        log.entries.push_back(Entry {
            seq,
            time: seen.time,
            method: seen.method.to_owned(),
            path: seen.path.to_owned(),
            query,
            principal: seen.principal,
            status: None,
            body,
        });
        seq
    }

    /// Writes down that it was answered.
    pub(crate) fn end(&self, seq: u64, status: u16) {
        let mut log = self.lock();
        let first = log.entries.front().map_or(0, |entry| entry.seq);
        let at = seq.checked_sub(first).and_then(|at| usize::try_from(at).ok());
        if let Some(entry) = at.and_then(|at| log.entries.get_mut(at)) {
            entry.status = Some(status);
        }
    }

    /// The newest requests of those that are wanted, newest first.
    pub(crate) fn newest(&self, wanted: &Wanted, most: usize) -> Vec<Glance> {
        let log = self.lock();
        let found = log.entries.iter().rev().filter(|entry| wanted.takes(entry)).take(most);
        let glance = |entry: &Entry| Glance {
            time: entry.time,
            method: entry.method.clone(),
            path: entry.path.clone(),
            query: entry.query.clone(),
            principal: entry.principal.clone(),
            status: entry.status,
        };
        found.map(glance).collect()
    }

    /// A part of the log, and the number of the request that comes next.
    pub(crate) fn show(&self, wanted: &Wanted) -> Value {
        let log = self.lock();
        // Whoever asks again and again asks for what is new: the rest is passed over without a look.
        let first = log.entries.front().map_or(0, |entry| entry.seq);
        let from = usize::try_from(wanted.since.saturating_sub(first)).unwrap_or(usize::MAX).min(log.entries.len());
        let found = log.entries.range(from..).filter(|entry| wanted.takes(entry));
        let shown = found.map(|entry| {
            json!({
                "seq": entry.seq, "time": entry.time.to_string(), "method": entry.method, "path": entry.path,
                "query": entry.query, "principal": entry.principal, "status": entry.status, "body": entry.body,
            })
        });
        json!({"next": log.next, "requests": shown.collect::<Vec<_>>()})
    }
}

pub(super) fn masked_query(query: &str) -> String {
    let part = |part: &str| match part.split_once('=') {
        Some((name, _)) if ["sig", "code"].contains(&name.to_ascii_lowercase().as_str()) => format!("{name}={MASK}"),
        _ => part.to_owned(),
    };
    query.split('&').map(part).collect::<Vec<_>>().join("&")
}

/// A body of JSON, or of a form; others are not kept.
fn masked_body(body: &[u8]) -> Value {
    if body.is_empty() || body.len() > LONGEST {
        return Value::Null;
    }
    if let Ok(mut value) = serde_json::from_slice::<Value>(body) {
        mask(&mut value);
        return value;
    }
    match std::str::from_utf8(body) {
        Ok(text) if text.contains("grant_type=") => {
            let mut value =
                Value::Object(pairs(text).into_iter().map(|(k, v)| (k, Value::from(v))).collect::<Map<_, _>>());
            mask(&mut value);
            value
        }
        _ => Value::Null,
    }
}

pub(super) fn mask(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if SECRET.contains(&name.to_ascii_lowercase().as_str()) => {
                        MASK.clone_into(text)
                    }
                    value => mask(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask),
        Value::String(text) if text.contains("sig=") => {
            let masked = text.split('?').next().unwrap_or_default().to_owned();
            *text = format!("{masked}?{MASK}");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen<'a>(method: &'a str, path: &'a str, query: &'a str, body: &'a [u8]) -> Seen<'a> {
        Seen { time: jiff::Timestamp::UNIX_EPOCH, method, path, query, principal: None, body }
    }

    #[test]
    fn secrets_never_reach_the_log() {
        let requests = Requests::default();
        requests.begin(seen("PUT", "/blob/a/c/x", "sp=r&sig=topsecret", b"raw"));
        requests.begin(seen(
            "POST",
            "/t/oauth2/v2.0/token",
            "",
            b"grant_type=client_credentials&client_id=a&client_secret=topsecret",
        ));
        requests.begin(seen(
            "PUT",
            "/x",
            "",
            br#"{"properties": {"keys": {"primaryKey": "topsecret"}, "uri": "https://h/c?sig=topsecret"}}"#,
        ));
        let shown = requests.show(&Wanted::default());
        assert!(!shown.to_string().contains("topsecret"), "{shown}");
        assert_eq!(shown["requests"][1]["body"]["client_id"], "a");
    }

    #[test]
    fn a_part_of_the_log_is_shown() {
        let requests = Requests::default();
        let first = requests.begin(seen("PUT", "/A/jobs/1", "", b"{}"));
        requests.begin(seen("GET", "/a/jobs/1", "", b""));
        requests.begin(seen("PUT", "/a/models/1", "", b"{}"));
        requests.begin(seen("POST", "/a/jobs/listKeys", "", b""));
        requests.end(first, 201);
        let shown = requests.show(&Wanted { contains: "/jobs/".into(), writes: true, since: 0 });
        assert_eq!((&shown["next"], shown["requests"].as_array().unwrap().len()), (&json!(4), 1));
        assert_eq!(shown["requests"][0]["status"], 201);
        assert_eq!(requests.show(&Wanted { since: 2, ..Wanted::default() })["requests"][0]["status"], Value::Null);
    }
}
