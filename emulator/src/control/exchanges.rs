//! Requests and answers in full, for whoever checks them: kept only when somebody asks for it, until they are fetched,
//! and never more than fits. Bodies are read when they are fetched, so that keeping them costs next to nothing.

use super::requests::{MASK, mask, masked_query};
use crate::estate::Estate;
use crate::surface::http::{Incoming, pairs};
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Response, header};
use serde_json::{Map, Value, json};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bodies longer than this are told by their length alone.
const LONGEST: usize = 4 * 1024 * 1024;

/// How many are fetched at once.
const PAGE: usize = 256;

/// How many bytes of bodies are fetched at once.
const PAGE_BYTES: usize = 8 * 1024 * 1024;

/// Headers that prove who sends something, or carry such a proof.
const SECRET_HEADERS: [&str; 4] = ["authorization", "x-azureml-token", "x-identity-header", "cookie"];

#[derive(Debug)]
struct Message {
    headers: HeaderMap,
    body: Bytes,
    /// How long the body was; it is kept where it is not too long.
    length: usize,
}

#[derive(Debug)]
struct Exchange {
    seq: u64,
    time: jiff::Timestamp,
    method: String,
    path: String,
    query: String,
    /// Whether a fault wrote the answer, or kept it away.
    ordered: bool,
    request: Message,
    answer: Option<(u16, Message)>,
}

#[derive(Debug, Default)]
struct Ring {
    kept: VecDeque<Exchange>,
    bytes: usize,
    next: u64,
    lost: u64,
}

/// The exchanges that nobody has fetched yet.
#[derive(Debug, Default)]
pub(crate) struct Exchanges {
    /// How many bytes may be kept; none: nothing is.
    room: AtomicUsize,
    ring: Mutex<Ring>,
}

impl Message {
    fn new(headers: HeaderMap, body: &[u8]) -> Self {
        let kept = if body.len() > LONGEST { Bytes::new() } else { Bytes::copy_from_slice(body) };
        Self { headers, body: kept, length: body.len() }
    }

    /// What it takes to keep it, about.
    fn weight(&self) -> usize {
        self.body.len() + 64 * self.headers.len()
    }

    fn is(&self, kind: &str) -> bool {
        let found = self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        found.to_ascii_lowercase().contains(kind)
    }

    fn headers(&self) -> Map<String, Value> {
        let shown = |(name, value): (&header::HeaderName, &header::HeaderValue)| {
            let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
            let text = match (SECRET_HEADERS.contains(&name.as_str()), text.split_once(' ')) {
                (true, Some((scheme, _))) => format!("{scheme} {MASK}"),
                (true, None) => MASK.to_owned(),
                (false, _) => match text.split_once('?') {
                    Some((address, query)) => format!("{address}?{}", masked_query(query)),
                    None => text,
                },
            };
            (name.to_string(), Value::from(text))
        };
        self.headers.iter().map(shown).collect()
    }

    fn show(&self) -> Value {
        let mut shown = json!({"headers": self.headers(), "length": self.length});
        let body = if self.is("json") {
            serde_json::from_slice::<Value>(&self.body).ok().map(|body| ("json", body))
        } else if self.is("x-www-form-urlencoded") {
            let form = pairs(&String::from_utf8_lossy(&self.body));
            Some(("form", form.into_iter().map(|(name, value)| (name, Value::from(value))).collect()))
        } else {
            None
        };
        if let Some((kind, mut body)) = body {
            mask(&mut body);
            shown[kind] = body;
        }
        shown
    }
}

impl Exchange {
    fn weight(&self) -> usize {
        512 + self.request.weight() + self.answer.as_ref().map_or(0, |(_, message)| message.weight())
    }

    fn show(&self) -> Value {
        let mut shown = json!({
            "seq": self.seq, "time": self.time.to_string(), "method": self.method, "path": self.path,
            "query": masked_query(&self.query), "ordered": self.ordered, "request": self.request.show(),
        });
        if let Some((status, message)) = &self.answer {
            shown["answer"] = message.show();
            shown["answer"]["status"] = Value::from(*status);
        }
        shown
    }
}

impl Exchanges {
    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps exchanges from now on, as many as fit into so many bytes.
    pub(crate) fn keep(&self, bytes: usize) {
        self.room.store(bytes, Ordering::Relaxed);
    }

    fn push(&self, mut exchange: Exchange) {
        let room = self.room.load(Ordering::Relaxed);
        let mut ring = self.lock();
        exchange.seq = ring.next;
        ring.next += 1;
        ring.bytes += exchange.weight();
        ring.kept.push_back(exchange);
        while ring.bytes > room {
            let Some(oldest) = ring.kept.pop_front() else { break };
            ring.bytes -= oldest.weight();
            ring.lost += 1;
        }
    }

    /// The exchanges from a number on, a page of them; those before it are forgotten. `next` is where to go on, `end`
    /// where it ends for now, `lost` how many had to go before anybody fetched them.
    pub(crate) fn fetch(&self, since: u64) -> Value {
        let mut ring = self.lock();
        while ring.kept.front().is_some_and(|oldest| oldest.seq < since) {
            let weight = ring.kept.pop_front().map_or(0, |oldest| oldest.weight());
            ring.bytes -= weight;
        }
        let mut bytes = 0;
        let page = ring.kept.iter().take(PAGE).take_while(|exchange| {
            let fits = bytes < PAGE_BYTES;
            bytes += exchange.weight();
            fits
        });
        let page: Vec<Value> = page.map(Exchange::show).collect();
        let first = ring.kept.front().map_or(ring.next, |oldest| oldest.seq);
        json!({"next": first + page.len() as u64, "end": ring.next, "lost": ring.lost, "exchanges": page})
    }
}

/// An exchange under way. It is kept when it is answered, or else when it is dropped.
pub(crate) struct Underway {
    estate: Arc<Estate>,
    exchange: Option<Exchange>,
}

impl Underway {
    /// Of a request as it came.
    pub(crate) fn begin(estate: &Arc<Estate>, incoming: &Incoming, ordered: bool) -> Self {
        let kept = estate.exchanges.room.load(Ordering::Relaxed) > 0;
        let exchange = kept.then(|| Exchange {
            seq: 0,
            time: estate.clock.now(),
            method: incoming.method.clone(),
            path: incoming.path.clone(),
            query: incoming.query.clone(),
            ordered,
            request: Message::new(incoming.headers.clone(), &incoming.body),
            answer: None,
        });
        Self { estate: Arc::clone(estate), exchange }
    }

    /// With its answer, which goes on unchanged.
    pub(crate) async fn answered(mut self, response: Response<Body>) -> Response<Body> {
        if self.exchange.is_none() {
            return response;
        }
        let (parts, body) = response.into_parts();
        // All bodies are in memory: this can't fail.
        let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
        if let Some(exchange) = &mut self.exchange {
            exchange.answer = Some((parts.status.as_u16(), Message::new(parts.headers.clone(), &body)));
        }
        Response::from_parts(parts, Body::from(body))
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        if let Some(exchange) = self.exchange.take() {
            self.estate.exchanges.push(exchange);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_dir::Keep;
    use crate::surface::http::response;

    fn estate() -> Arc<Estate> {
        Arc::new(Estate::new(Keep::default()).unwrap())
    }

    fn incoming(path: &str, body: &str) -> Incoming {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", "Bearer topsecret".parse().unwrap());
        headers.insert("content-type", "application/json".parse().unwrap());
        Incoming {
            method: "PUT".into(),
            path: path.into(),
            headers,
            body: body.as_bytes().to_vec(),
            ..Incoming::default()
        }
    }

    #[tokio::test]
    async fn nothing_is_kept_unless_it_is_asked_for() {
        let estate = estate();
        Underway::begin(&estate, &incoming("/a", "{}"), false).answered(response(200, &json!({}))).await;
        assert_eq!(estate.exchanges.fetch(0)["end"], 0);
    }

    #[tokio::test]
    async fn an_exchange_is_kept_whole_but_for_its_secrets() {
        let estate = estate();
        estate.exchanges.keep(1 << 20);
        let body = r#"{"properties": {"keys": {"primaryKey": "topsecret"}}, "location": "here"}"#;
        let answered = Underway::begin(&estate, &incoming("/a", body), false)
            .answered(response(201, &json!({"accessToken": "topsecret"})))
            .await;
        assert_eq!(answered.status(), 201);
        let page = estate.exchanges.fetch(0);
        assert!(!page.to_string().contains("topsecret"), "{page}");
        let exchange = &page["exchanges"][0];
        assert_eq!(exchange["request"]["headers"]["authorization"], "Bearer ***");
        assert_eq!(exchange["request"]["json"]["location"], "here");
        assert_eq!(exchange["answer"]["status"], 201);
        assert_eq!(exchange["answer"]["length"], 27);
    }

    #[tokio::test]
    async fn what_is_fetched_goes_and_what_does_not_fit_is_counted() {
        let estate = estate();
        estate.exchanges.keep(4096);
        for at in 0..20 {
            drop(Underway::begin(&estate, &incoming(&format!("/{at}"), "{}"), true));
        }
        let page = estate.exchanges.fetch(0);
        let (lost, held) = (page["lost"].as_u64().unwrap(), page["exchanges"].as_array().unwrap().len() as u64);
        assert!(lost > 0 && lost + held == 20, "{page}");
        assert_eq!((&page["next"], &page["end"]), (&json!(20), &json!(20)));
        assert_eq!(page["exchanges"][0]["answer"], Value::Null);
        assert_eq!(estate.exchanges.fetch(20)["exchanges"], json!([]));
        assert_eq!(estate.exchanges.lock().bytes, 0);
    }
}
