//! Faults: what goes wrong on purpose, for the requests that match.
//!
//! A fault hits requests by `method`, `path` and `body` (patterns), after the first `skip`, `count` times at most and
//! with a `probability`, until it is removed. What it does is its `effect` ([`effect::EFFECTS`]).

pub(crate) mod answer;
mod effect;

use crate::online::Fate;
use crate::online::scoring::Trouble;
use crate::run_history::run::RunError;
use crate::surface::http::Orders;
pub(crate) use effect::Moment;
use effect::{EFFECTS, Effect, Reason, Truncated};
use regex::Regex;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// A fault as it is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wanted {
    method: Option<String>,
    path: Option<String>,
    body: Option<String>,
    #[serde(default)]
    skip: u64,
    count: Option<u64>,
    probability: Option<f64>,
    effect: Effect,
}

/// Why a fault is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FaultError {
    #[error("the fault can't be read: {0}. It has method, path and body (patterns), skip, count, probability, and an effect of: {effects}", effects = effects())]
    Form(#[from] serde_json::Error),
    #[error("the fault's pattern can't be read: {0}")]
    Pattern(#[from] regex::Error),
}

/// All effects in one line.
fn effects() -> String {
    EFFECTS.iter().map(|(name, what)| format!("{name} ({what})")).collect::<Vec<_>>().join("; ")
}

/// Requests held at a fault.
#[derive(Debug)]
struct Gatehouse {
    holding: AtomicU64,
    open: watch::Sender<bool>,
}

#[derive(Debug)]
struct Fault {
    method: Option<String>,
    path: Option<Regex>,
    body: Option<Regex>,
    skip: u64,
    count: Option<u64>,
    probability: Option<f64>,
    effect: Effect,
    /// The effect as it was asked for.
    told: Value,
    matched: u64,
    hits: u64,
    gatehouse: Arc<Gatehouse>,
}

impl Fault {
    fn matches(&self, method: &str, path: &str, body: &str) -> bool {
        self.method.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && self.path.as_ref().is_none_or(|pattern| pattern.is_match(path))
            && self.body.as_ref().is_none_or(|pattern| pattern.is_match(body))
    }

    fn shown(&self, id: &str) -> Value {
        json!({
            "id": id, "method": self.method, "path": self.path.as_ref().map(Regex::as_str), "effect": self.told,
            "hits": self.hits, "holding": self.gatehouse.holding.load(Ordering::SeqCst),
        })
    }

    /// Counts a request that matches; whether it is hit.
    fn hit(&mut self) -> bool {
        self.matched += 1;
        let spent = self.count.is_some_and(|count| self.hits >= count);
        let hit = self.matched > self.skip && !spent && self.probability.is_none_or(|share| chance() < share);
        self.hits += u64::from(hit);
        hit
    }
}

/// A number from 0 to 1.
fn chance() -> f64 {
    let (bits, _) = uuid::Uuid::new_v4().as_u64_pair();
    (bits >> 16) as f64 / (u64::MAX >> 16) as f64
}

/// Where a request is held.
#[derive(Debug, Clone)]
pub(crate) struct Held(Arc<Gatehouse>);

impl Held {
    /// Waits until the fault is removed.
    pub(crate) async fn wait(&self) {
        let _inside = Inside::enter(&self.0);
        let mut open = self.0.open.subscribe();
        // An error means that the sender is gone: nothing holds any more.
        let _ = open.wait_for(|open| *open).await;
    }
}

struct Inside<'a>(&'a Gatehouse);

impl<'a> Inside<'a> {
    fn enter(gatehouse: &'a Gatehouse) -> Self {
        gatehouse.holding.fetch_add(1, Ordering::SeqCst);
        Self(gatehouse)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.holding.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What becomes of a request by all faults that hit it.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) delay: Duration,
    pub(crate) reset: Option<Moment>,
    pub(crate) before: Option<Held>,
    pub(crate) after: Option<Held>,
    /// The effect with the answer, when it is answered at once.
    pub(crate) answer: Option<Effect>,
    /// Headers that the answer gets.
    pub(crate) headers: BTreeMap<String, String>,
    /// Seconds by which the answer's Date is off.
    pub(crate) date_skew: Option<i64>,
    pub(crate) truncated: Option<Truncated>,
    pub(crate) orders: Orders,
}

impl Verdict {
    fn add(&mut self, effect: &Effect, gatehouse: &Arc<Gatehouse>) {
        self.delay += Duration::from_millis(effect.delay_milliseconds.unwrap_or_default());
        self.reset = effect.reset.or(self.reset);
        match effect.hold {
            Some(Moment::Before) => self.before = Some(Held(Arc::clone(gatehouse))),
            Some(Moment::After) => self.after = Some(Held(Arc::clone(gatehouse))),
            None => {}
        }
        self.headers.extend(effect.headers.clone());
        self.headers.extend(effect.retry_after_seconds.map(|seconds| ("retry-after".to_owned(), seconds.to_string())));
        self.date_skew = effect.date_skew_seconds.or(self.date_skew);
        self.truncated = effect.truncated.or(self.truncated);
        if effect.status.is_some() {
            self.answer = Some(effect.clone());
        }
        self.orders.takes += Duration::from_millis(effect.operation_takes_milliseconds.unwrap_or_default());
        if let Some(Reason { code, message }) = effect.operation_fails.clone() {
            self.orders.fate = Fate::Fail { code, message };
        } else if effect.operation_reverts {
            self.orders.fate = Fate::Revert;
        }
        self.orders.job.waits += Duration::from_millis(effect.job_takes_milliseconds.unwrap_or_default());
        self.orders.lost |= effect.operation_lost;
        self.orders.token_skew = effect.token_skew_seconds.unwrap_or(self.orders.token_skew);
        if let Some(Reason { code, message }) = effect.job_fails.clone() {
            self.orders.job.fails = Some(RunError { code, message });
        }
    }
}

/// All faults.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<BTreeMap<String, Fault>>);

impl Faults {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Fault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one; gives its id.
    pub(crate) fn add(&self, body: Value) -> Result<String, FaultError> {
        let told = body.get("effect").cloned().unwrap_or_default();
        let wanted: Wanted = serde_json::from_value(body)?;
        // Paths of ARM have no case.
        let pattern = |text: Option<String>| text.map(|text| Regex::new(&format!("(?is){text}"))).transpose();
        let fault = Fault {
            method: wanted.method,
            path: pattern(wanted.path)?,
            body: pattern(wanted.body)?,
            skip: wanted.skip,
            count: wanted.count,
            probability: wanted.probability,
            effect: wanted.effect,
            told,
            matched: 0,
            hits: 0,
            gatehouse: Arc::new(Gatehouse { holding: AtomicU64::new(0), open: watch::channel(false).0 }),
        };
        let id = uuid::Uuid::new_v4().to_string();
        self.lock().insert(id.clone(), fault);
        Ok(id)
    }

    /// One as it is shown.
    pub(crate) fn show(&self, id: &str) -> Option<Value> {
        self.lock().get(id).map(|fault| fault.shown(id))
    }

    /// All of them, and what each effect does.
    pub(crate) fn all(&self) -> Value {
        let faults: Vec<Value> = self.lock().iter().map(|(id, fault)| fault.shown(id)).collect();
        json!({"faults": faults, "effects": EFFECTS.iter().copied().collect::<BTreeMap<_, _>>()})
    }

    /// Removes one, and lets go what it holds.
    pub(crate) fn remove(&self, id: &str) -> bool {
        let removed = self.lock().remove(id);
        removed.map(|fault| fault.gatehouse.open.send_replace(true)).is_some()
    }

    /// Removes all.
    pub(crate) fn clear(&self) {
        let all = std::mem::take(&mut *self.lock());
        for fault in all.values() {
            fault.gatehouse.open.send_replace(true);
        }
    }

    /// What becomes of a request; counts as a hit.
    pub(crate) fn judge(&self, method: &str, path: &str, body: &[u8]) -> Verdict {
        let mut verdict = Verdict::default();
        let mut faults = self.lock();
        if faults.is_empty() {
            return verdict;
        }
        let body = String::from_utf8_lossy(body);
        for fault in faults.values_mut().filter(|fault| fault.effect.model.is_none()) {
            if fault.matches(method, path, &body) && fault.hit() {
                verdict.add(&fault.effect, &fault.gatehouse);
            }
        }
        verdict
    }

    /// What is wrong with a deployment's model.
    pub(crate) fn trouble(&self, path: &str) -> Trouble {
        let mut trouble = Trouble::default();
        for fault in self.lock().values_mut() {
            let Some(model) = fault.effect.model.clone() else { continue };
            if fault.path.as_ref().is_none_or(|pattern| pattern.is_match(path)) && fault.hit() {
                trouble.delay += Duration::from_millis(model.delay_milliseconds);
                trouble.status = model.status.or(trouble.status);
                trouble.wrong |= model.wrong;
                trouble.unhealthy |= model.unhealthy;
            }
        }
        trouble
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_hits_after_some_and_as_often_as_asked() {
        let faults = Faults::default();
        let wanted = json!({"method": "put", "path": "/jobs/", "body": "\"y\"", "skip": 1, "count": 2, "effect": {"status": 503}});
        let id = faults.add(wanted).unwrap();
        let hits = |method: &str, path: &str, body: &str| faults.judge(method, path, body.as_bytes()).answer.is_some();
        assert!(!hits("GET", "/jobs/a", "\"y\""));
        assert!(!hits("PUT", "/models/a", "\"y\""));
        assert!(!hits("PUT", "/JOBS/a", "\"x\""));
        let four: Vec<bool> = (0..4).map(|_| hits("PUT", "/JOBS/a", "\"y\"")).collect();
        assert_eq!(four, [false, true, true, false]);
        assert_eq!(faults.show(&id).unwrap()["hits"], 2);
        let wrong = faults.add(json!({"effect": {"statu": 1}})).unwrap_err().to_string();
        assert!(wrong.contains("statu") && wrong.contains("operationLost (the operation"), "{wrong}");
        assert!(faults.add(json!({"path": "(", "effect": {}})).is_err());
    }

    #[tokio::test]
    async fn what_is_held_goes_on_when_the_fault_is_removed() {
        let faults = Faults::default();
        let id = faults.add(json!({"effect": {"hold": "after"}})).unwrap();
        let held = faults.judge("GET", "/", b"").after.unwrap();
        let waiting = tokio::spawn(async move { held.wait().await });
        while faults.show(&id).unwrap()["holding"] == 0 {
            tokio::task::yield_now().await;
        }
        assert!(faults.remove(&id));
        waiting.await.unwrap();
    }

    #[test]
    fn orders_are_for_the_work_that_a_request_begins() {
        let faults = Faults::default();
        faults.add(json!({"effect": {"operationFails": {"code": "OutOfQuota", "message": "no"}, "operationTakesMilliseconds": 5}})).unwrap();
        faults
            .add(json!({"path": "/onlineEndpoints/bank/", "effect": {"model": {"status": 500, "unhealthy": true}}}))
            .unwrap();
        let orders = faults.judge("PUT", "/x", b"").orders;
        assert_eq!(orders.fate, Fate::Fail { code: "OutOfQuota".into(), message: "no".into() });
        assert_eq!(orders.takes, Duration::from_millis(5));
        let trouble = faults.trouble("/onlineEndpoints/bank/deployments/blue");
        assert_eq!((trouble.status, trouble.unhealthy), (Some(500), true));
        assert_eq!(faults.trouble("/onlineEndpoints/other/deployments/blue").status, None);
    }
}
