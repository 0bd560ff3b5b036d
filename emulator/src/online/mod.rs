//! Managed online endpoints: what ARM does with them, by Azure's rules, and what they answer.

pub(crate) mod endpoint;
mod manage;
mod request;
pub(crate) mod rules;
pub(crate) mod scoring;
mod swagger;
pub(crate) mod traffic;

use crate::automl::mlflow_model;
use crate::jobs::Jobs;
use crate::telemetry::Telemetry;
use azureml_emulator_learn::Model;
use endpoint::{Deployment, Endpoint};
use rules::Refusal;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Endpoints of one workspace, by name in lower case.
type Named = BTreeMap<String, Endpoint>;

/// The online endpoints of all workspaces. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Online(Arc<Inner>);

struct Inner {
    jobs: Jobs,
    telemetry: Arc<Telemetry>,
    /// By the workspace's ARM id in lower case.
    endpoints: Mutex<HashMap<String, Named>>,
}

/// How an operation ended: an error's code and message.
pub(crate) type OperationEnd = Result<(), (String, String)>;

/// What becomes of an operation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
        Self(Arc::new(Inner { jobs, telemetry, endpoints: Mutex::default() }))
    }

    /// What deployments write about.
    pub(crate) fn telemetry(&self) -> &Telemetry {
        &self.0.telemetry
    }

    /// The jobs whose models are served.
    pub(crate) fn jobs(&self) -> &Jobs {
        &self.0.jobs
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Named>> {
        self.0.endpoints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works on an endpoint, if it is there.
    pub(crate) fn with<T>(&self, workspace: &str, name: &str, work: impl FnOnce(&mut Endpoint) -> T) -> Option<T> {
        self.lock().get_mut(workspace)?.get_mut(&name.to_ascii_lowercase()).map(work)
    }

    /// All endpoints of a workspace.
    pub(crate) fn list(&self, workspace: &str) -> Vec<Endpoint> {
        self.lock().get(workspace).map(|named| named.values().cloned().collect()).unwrap_or_default()
    }

    /// The workspace of the endpoint that has a name in a region.
    pub(crate) fn in_region(&self, location: &str, name: &str) -> Option<String> {
        let name = name.to_ascii_lowercase();
        let found = |named: &Named| named.get(&name).is_some_and(|endpoint| endpoint.location == location);
        self.lock().iter().find(|(_, named)| found(named)).map(|(workspace, _)| workspace.clone())
    }

    /// Removes all endpoints of a workspace.
    pub(crate) fn forget(&self, workspace: &str) {
        self.lock().remove(workspace);
    }

    /// Makes or replaces an endpoint.
    pub(crate) fn put(
        &self,
        workspace: &str,
        name: &str,
        body: &Map<String, Value>,
        operation: &str,
        base: &str,
    ) -> Result<Begun, Refusal> {
        rules::name("endpoint", name)?;
        let facts =
            self.0.jobs.ground().workspace(workspace).ok_or_else(|| Refusal::not_found("workspace", workspace))?;
        let location = body
            .get("location")
            .and_then(Value::as_str)
            .unwrap_or(&facts.location)
            .to_ascii_lowercase()
            .replace(' ', "");
        if self.in_region(&location, name).is_some_and(|owner| owner != workspace) {
            return Err(Refusal::conflict(format!(
                "The endpoint name {name} is taken in the region {location}: choose another one."
            )));
        }
        let now = self.0.jobs.ground().now();
        let mut all = self.lock();
        let named = all.entry(workspace.to_owned()).or_default();
        let key = name.to_ascii_lowercase();
        let put = rules::EndpointBody::read(body, named.get(&key))?;
        let before = named.get(&key).cloned();
        let created = before.is_none();
        let endpoint = named.entry(key).or_insert_with(|| Endpoint {
            name: name.to_owned(),
            workspace_id: facts.arm_id,
            location,
            envelope: Map::new(),
            properties: Map::new(),
            traffic: BTreeMap::new(),
            mirror: BTreeMap::new(),
            state: "Creating",
            busy: None,
            primary_key: new_key(),
            secondary_key: new_key(),
            tokens: BTreeMap::new(),
            deployments: BTreeMap::new(),
            created: now,
            modified: now,
            routed: 0,
        });
        if !created {
            endpoint.state = "Updating";
        }
        endpoint.busy = Some(operation.to_owned());
        endpoint.modified = now;
        if let (true, Some(keys)) = (created, body.get("properties").and_then(|p| p.get("keys"))) {
            for (slot, field) in
                [(&mut endpoint.primary_key, "primaryKey"), (&mut endpoint.secondary_key, "secondaryKey")]
            {
                if let Some(key) = keys.get(field).and_then(Value::as_str).filter(|key| !key.is_empty()) {
                    *slot = key.to_owned();
                }
            }
        }
        endpoint.envelope = put.envelope;
        endpoint.properties = put.properties;
        // Traffic takes effect with the operation's end; until then requests go where they went.
        let (traffic, mirror) = (put.traffic, put.mirror);
        let shown = endpoint.show(base);
        let work = self.ending(workspace, name, operation, before, move |endpoint, failed| {
            if failed {
                endpoint.state = "Failed";
                return;
            }
            endpoint.traffic = traffic;
            endpoint.mirror = mirror;
            endpoint.state = "Succeeded";
        });
        Ok(Begun { shown, created, work })
    }

    /// Changes an endpoint's tags and identity.
    pub(crate) fn patch(
        &self,
        workspace: &str,
        name: &str,
        body: &Map<String, Value>,
        operation: &str,
        base: &str,
    ) -> Result<Begun, Refusal> {
        let shown = self.with(workspace, name, |endpoint| {
            rules::free(endpoint)?;
            let before = endpoint.clone();
            for key in ["tags", "identity"] {
                if let Some(value) = body.get(key) {
                    endpoint.envelope.insert(key.to_owned(), value.clone());
                }
            }
            endpoint.state = "Updating";
            endpoint.busy = Some(operation.to_owned());
            Ok((endpoint.show(base), before))
        });
        let (shown, before) = shown.ok_or_else(|| Refusal::not_found("endpoint", name))??;
        let work = self.ending(workspace, name, operation, Some(before), |endpoint, failed| {
            endpoint.state = if failed { "Failed" } else { "Succeeded" };
        });
        Ok(Begun { shown, created: false, work })
    }

    /// Deletes an endpoint with its deployments; `None` when there is none.
    pub(crate) fn delete(&self, workspace: &str, name: &str, operation: &str) -> Result<Option<Work>, Refusal> {
        let begun = self.with(workspace, name, |endpoint| {
            rules::free(endpoint)?;
            endpoint.state = "Deleting";
            endpoint.busy = Some(operation.to_owned());
            Ok(())
        });
        let Some(begun) = begun else { return Ok(None) };
        begun?;
        let (online, workspace, key) = (self.clone(), workspace.to_owned(), name.to_ascii_lowercase());
        Ok(Some(Box::new(move |fate| {
            if let Some(named) = online.lock().get_mut(&workspace) {
                match (&fate, named.get_mut(&key)) {
                    (Fate::Proceed, _) => drop(named.remove(&key)),
                    (Fate::Fail { .. }, Some(endpoint)) => (endpoint.state, endpoint.busy) = ("Failed", None),
                    (Fate::Revert, Some(endpoint)) => (endpoint.state, endpoint.busy) = ("Succeeded", None),
                    (_, None) => {}
                }
            }
            end_of(fate)
        })))
    }

    /// Makes or replaces a deployment.
    pub(crate) fn put_deployment(
        &self,
        workspace: &str,
        endpoint: &str,
        name: &str,
        body: &Map<String, Value>,
        operation: &str,
    ) -> Result<Begun, Refusal> {
        rules::name("deployment", name)?;
        let model = self.check_model(workspace, body)?;
        let now = self.0.jobs.ground().now();
        let begun = self.with(workspace, endpoint, |endpoint| {
            rules::ready(endpoint)?;
            let put = rules::DeploymentBody::read(body)?;
            let key = name.to_ascii_lowercase();
            let before = endpoint.clone();
            let created = !endpoint.deployments.contains_key(&key);
            let deployment = endpoint.deployments.entry(key).or_insert_with(|| Deployment {
                name: name.to_owned(),
                envelope: Map::new(),
                properties: Map::new(),
                state: "Creating",
                model: None,
                lines: VecDeque::new(),
                pending: 0,
                created: now,
            });
            if !created {
                deployment.state = "Updating";
            }
            deployment.envelope = put.envelope;
            deployment.properties = put.properties;
            deployment.say(now, &format!("Instance status: pulling the model {model}"));
            endpoint.busy = Some(operation.to_owned());
            let shown = endpoint.deployments.get(&name.to_ascii_lowercase()).map(|d| endpoint.show_deployment(d));
            Ok((shown.unwrap_or_default(), before))
        });
        let (shown, before) = begun.ok_or_else(|| Refusal::not_found("endpoint", endpoint))??;
        let created = !before.deployments.contains_key(&name.to_ascii_lowercase());
        let work = self.loading(workspace, name, operation, before, model);
        Ok(Begun { shown, created, work })
    }

    /// The model a deployment names has to be there before it is made.
    fn check_model(&self, workspace: &str, body: &Map<String, Value>) -> Result<String, Refusal> {
        let model = body.get("properties").and_then(|properties| properties.get("model")).and_then(Value::as_str);
        let model = model.ok_or_else(|| Refusal::bad("The deployment names no model: give properties.model."))?;
        let known = self.0.jobs.resolve(workspace, model);
        known.map_err(|error| Refusal { status: 404, code: "ResourceNotFound", message: error.to_string() })?;
        Ok(model.to_owned())
    }

    /// Loads the model, and ends the operation with it.
    fn loading(&self, workspace: &str, name: &str, operation: &str, before: Endpoint, model: String) -> Work {
        let (online, workspace, endpoint) = (self.clone(), workspace.to_owned(), before.name.clone());
        let (key, operation) = (name.to_ascii_lowercase(), operation.to_owned());
        Box::new(move |fate| {
            let loaded = match &fate {
                Fate::Fail { code, message } => Err((code.clone(), message.clone())),
                _ => online.load(&workspace, &model).map_err(|message| {
                    ("ResourceNotReady".to_owned(), format!("User container has crashed or terminated: {message}"))
                }),
            };
            let now = online.0.jobs.ground().now();
            let end = online.with(&workspace, &endpoint, |endpoint| {
                release(endpoint, &operation);
                if fate == Fate::Revert && before.deployments.contains_key(&key) {
                    restore(endpoint, before);
                    return Ok(());
                }
                let Some(deployment) = endpoint.deployments.get_mut(&key) else { return Ok(()) };
                match loaded {
                    Ok(model) => {
                        deployment.say(now, &format!("Model loaded: {} input columns", model.input_columns().len()));
                        deployment.say(now, "Listening at: http://0.0.0.0:31311");
                        deployment.model = Some(Arc::new(model));
                        deployment.state = "Succeeded";
                        Ok(())
                    }
                    Err((code, message)) => {
                        deployment.say(now, &message);
                        deployment.state = "Failed";
                        Err((code, message))
                    }
                }
            });
            end.unwrap_or(Ok(()))
        })
    }

    fn load(&self, workspace: &str, model: &str) -> Result<Model, String> {
        let folder = self.0.jobs.resolve(workspace, model).map_err(|error| error.to_string())?;
        mlflow_model::load(self.0.jobs.ground(), &folder.place).map_err(|error| error.to_string())
    }

    /// Changes a deployment's tags and capacity.
    pub(crate) fn patch_deployment(
        &self,
        workspace: &str,
        endpoint: &str,
        name: &str,
        body: &Map<String, Value>,
        operation: &str,
    ) -> Result<Begun, Refusal> {
        let key = name.to_ascii_lowercase();
        let begun = self.with(workspace, endpoint, |endpoint| {
            rules::free(endpoint)?;
            let before = endpoint.clone();
            let Some(deployment) = endpoint.deployments.get_mut(&key) else {
                return Err(Refusal::not_found("deployment", name));
            };
            for field in ["tags", "sku"] {
                if let Some(value) = body.get(field) {
                    deployment.envelope.insert(field.to_owned(), value.clone());
                }
            }
            deployment.state = "Updating";
            endpoint.busy = Some(operation.to_owned());
            Ok((endpoint.deployments.get(&key).map(|d| endpoint.show_deployment(d)).unwrap_or_default(), before))
        });
        let (shown, before) = begun.ok_or_else(|| Refusal::not_found("endpoint", endpoint))??;
        let work = self.ending(workspace, endpoint, operation, Some(before), move |endpoint, failed| {
            if let Some(deployment) = endpoint.deployments.get_mut(&key) {
                deployment.state = if deployment.model.is_some() && !failed { "Succeeded" } else { "Failed" };
            }
        });
        Ok(Begun { shown, created: false, work })
    }

    /// Deletes a deployment; `None` when there is none.
    pub(crate) fn delete_deployment(
        &self,
        workspace: &str,
        endpoint: &str,
        name: &str,
        operation: &str,
    ) -> Result<Option<Work>, Refusal> {
        let key = name.to_ascii_lowercase();
        let begun = self.with(workspace, endpoint, |endpoint| {
            if !endpoint.deployments.contains_key(&key) {
                return Ok(false);
            }
            rules::free(endpoint)?;
            rules::idle(endpoint, &key)?;
            if let Some(deployment) = endpoint.deployments.get_mut(&key) {
                deployment.state = "Deleting";
            }
            endpoint.busy = Some(operation.to_owned());
            Ok(true)
        });
        match begun {
            None | Some(Ok(false)) => Ok(None),
            Some(Err(refusal)) => Err(refusal),
            Some(Ok(true)) => Ok(Some(self.ending(workspace, endpoint, operation, None, move |endpoint, failed| {
                if failed {
                    if let Some(deployment) = endpoint.deployments.get_mut(&key) {
                        deployment.state = "Failed";
                    }
                    return;
                }
                endpoint.deployments.remove(&key);
                endpoint.traffic.retain(|name, _| name.to_ascii_lowercase() != key);
                endpoint.mirror.retain(|name, _| name.to_ascii_lowercase() != key);
            }))),
        }
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
