//! Managed online endpoints: what ARM does with them, by Azure's rules, and what they answer.

mod container;
mod deployments;
pub(crate) mod endpoint;
mod endpoints;
pub(crate) mod keep;
mod manage;
mod request;
pub(crate) mod rules;
pub(crate) mod scoring;
mod serving;
mod swagger;
pub(crate) mod traffic;

use crate::data_dir::Keep;
use crate::jobs::Jobs;
use crate::quota;
use crate::telemetry::Telemetry;
use endpoint::Endpoint;
use keep::Changing;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Endpoints of one workspace, by name in lower case.
type Named = BTreeMap<String, Endpoint>;

/// The online endpoints of all workspaces. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Online(Arc<Inner>);

struct Inner {
    jobs: Jobs,
    telemetry: Arc<Telemetry>,
    keep: Keep,
    /// By the workspace's ARM id in lower case.
    endpoints: Mutex<HashMap<String, Named>>,
}

/// [`Online`], as long as somebody holds it.
struct WeakOnline(Weak<Inner>);

impl WeakOnline {
    fn upgrade(&self) -> Option<Online> {
        self.0.upgrade().map(Online)
    }
}

/// How an operation ended: an error's code and message.
pub(crate) type OperationEnd = Result<(), (String, String)>;

/// What becomes of an operation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fate {
    /// What should.
    #[default]
    Proceed,
    /// It fails with this code and message, and the resource with it.
    Fail {
        /// Azure's code, such as `OutOfQuota`.
        code: String,
        /// In words.
        message: String,
    },
    /// It is said to have succeeded, and the resource is what it was before.
    Revert,
}

/// Work that ends an operation, to be run after the answer to the request that began it.
pub(crate) type Work = Box<dyn FnOnce(Fate) -> OperationEnd + Send>;

/// What a write began.
pub(crate) struct Begun {
    /// The resource as it is now: not at its end yet.
    pub(crate) shown: Value,
    /// Whether it is new.
    pub(crate) created: bool,
    /// Ends the operation.
    pub(crate) work: Work,
}

impl Online {
    /// No endpoints yet.
    pub(crate) fn new(jobs: Jobs, telemetry: Arc<Telemetry>) -> Self {
        let keep = jobs.ground().keep();
        Self(Arc::new(Inner { jobs, telemetry, keep, endpoints: Mutex::default() }))
    }

    /// What deployments write about.
    pub(crate) fn telemetry(&self) -> &Telemetry {
        &self.0.telemetry
    }

    /// The jobs whose models are served.
    pub(crate) fn jobs(&self) -> &Jobs {
        &self.0.jobs
    }

    /// All endpoints, to be changed.
    fn lock(&self) -> Changing<'_> {
        Changing { all: self.read(), keep: &self.0.keep }
    }

    /// All endpoints, to be read.
    fn read(&self) -> MutexGuard<'_, HashMap<String, Named>> {
        self.0.endpoints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works on an endpoint, if it is there.
    pub(crate) fn with<T>(&self, workspace: &str, name: &str, work: impl FnOnce(&mut Endpoint) -> T) -> Option<T> {
        let name = name.to_ascii_lowercase();
        let mut all = self.read();
        let endpoint = all.get_mut(workspace)?.get_mut(&name)?;
        let done = work(endpoint);
        self.note(workspace, &name, endpoint);
        Some(done)
    }

    /// The same, without keeping it: for what it holds and what would go round in circles.
    fn downgrade(&self) -> WeakOnline {
        WeakOnline(Arc::downgrade(&self.0))
    }

    /// Adds a line to a deployment's log. Lines are not kept over a restart.
    fn log(&self, workspace: &str, endpoint: &str, key: &str, now: jiff::Timestamp, line: &str) {
        let mut all = self.read();
        let endpoint = all.get_mut(workspace).and_then(|named| named.get_mut(&endpoint.to_ascii_lowercase()));
        if let Some(deployment) = endpoint.and_then(|endpoint| endpoint.deployments.get_mut(key)) {
            deployment.say(now, line);
        }
    }

    /// Reads an endpoint, if it is there.
    pub(crate) fn look<T>(&self, workspace: &str, name: &str, read: impl FnOnce(&Endpoint) -> T) -> Option<T> {
        self.read().get(workspace)?.get(&name.to_ascii_lowercase()).map(read)
    }

    /// All endpoints of a workspace.
    pub(crate) fn list(&self, workspace: &str) -> Vec<Endpoint> {
        self.read().get(workspace).map(|named| named.values().cloned().collect()).unwrap_or_default()
    }

    /// The workspace of the endpoint that has a name in a region.
    pub(crate) fn in_region(&self, location: &str, name: &str) -> Option<String> {
        let name = name.to_ascii_lowercase();
        let found = |named: &Named| named.get(&name).is_some_and(|endpoint| endpoint.location == location);
        self.read().iter().find(|(_, named)| found(named)).map(|(workspace, _)| workspace.clone())
    }

    /// Cores by family that the deployments of a subscription have in a region.
    pub(crate) fn cores(&self, subscription: &str, location: &str) -> BTreeMap<String, i64> {
        let prefix = format!("/subscriptions/{}/", subscription.to_ascii_lowercase());
        let mut used = BTreeMap::new();
        let all = self.lock();
        let of_subscription = all.iter().filter(|(workspace, _)| workspace.starts_with(&prefix));
        let endpoints = of_subscription.flat_map(|(_, named)| named.values());
        for endpoint in endpoints.filter(|endpoint| endpoint.location.eq_ignore_ascii_case(location)) {
            for deployment in endpoint.deployments.values().filter(|deployment| deployment.serving.is_some()) {
                let size = deployment.size();
                *used.entry(quota::family(size)).or_default() += quota::of_deployment(size, deployment.instances());
            }
        }
        used
    }

    /// Removes all endpoints of a workspace.
    pub(crate) fn forget(&self, workspace: &str) {
        self.lock().remove(workspace);
    }

    /// Work that ends an operation on an endpoint; `end` is told whether it failed.
    fn ending(
        &self,
        workspace: &str,
        name: &str,
        operation: &str,
        before: Option<Endpoint>,
        end: impl FnOnce(&mut Endpoint, bool) + Send + 'static,
    ) -> Work {
        let (online, workspace, name) = (self.clone(), workspace.to_owned(), name.to_owned());
        let operation = operation.to_owned();
        Box::new(move |fate| {
            online.with(&workspace, &name, |endpoint| {
                release(endpoint, &operation);
                match (&fate, before) {
                    (Fate::Revert, Some(before)) => restore(endpoint, before),
                    _ => end(endpoint, matches!(fate, Fate::Fail { .. })),
                }
            });
            end_of(fate)
        })
    }
}

/// Puts an endpoint back to what it was; what was counted and logged meanwhile may be lost.
fn restore(endpoint: &mut Endpoint, before: Endpoint) {
    let routed = endpoint.routed;
    *endpoint = Endpoint { busy: None, routed, ..before };
}

fn end_of(fate: Fate) -> OperationEnd {
    match fate {
        Fate::Fail { code, message } => Err((code, message)),
        Fate::Proceed | Fate::Revert => Ok(()),
    }
}

/// Ends an operation's hold on an endpoint.
fn release(endpoint: &mut Endpoint, operation: &str) {
    if endpoint.busy.as_deref() == Some(operation) {
        endpoint.busy = None;
    }
}

/// A key as Azure makes them: long, and never the same.
pub(crate) fn new_key() -> String {
    format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
}
