//! What a write on a deployment begins.

use super::endpoint::{Deployment, Endpoint};
use super::rules::{self, Refusal};
use super::serving::Serving;
use super::{Begun, Fate, Online, OperationEnd, Work, release, restore};
use crate::quota;
use crate::tags;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::VecDeque;

impl Online {
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
        let properties = body.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        let served = self.check_serving(workspace, &properties)?;
        let now = self.0.jobs.ground().now();
        let begun = self.with(workspace, endpoint, |endpoint| {
            rules::ready(endpoint)?;
            let put = rules::DeploymentBody::read(body, endpoint, name)?;
            let key = name.to_ascii_lowercase();
            let before = endpoint.clone();
            let created = !endpoint.deployments.contains_key(&key);
            let deployment = endpoint.deployments.entry(key).or_insert_with(|| Deployment {
                name: name.to_owned(),
                envelope: Map::new(),
                properties: Map::new(),
                state: "Creating",
                serving: None,
                folder: None,
                lines: VecDeque::new(),
                pending: 0,
                created: now,
                scaled: None,
            });
            if !created {
                deployment.state = "Updating";
            }
            deployment.envelope = put.envelope;
            deployment.properties = put.properties;
            deployment.say(now, &format!("Instance status: pulling {served}"));
            endpoint.busy = Some(operation.to_owned());
            let shown = endpoint.deployments.get(&name.to_ascii_lowercase()).map(|d| endpoint.show_deployment(d));
            Ok((shown.unwrap_or_default(), before))
        });
        let (shown, before) = begun.ok_or_else(|| Refusal::not_found("endpoint", endpoint))??;
        let created = !before.deployments.contains_key(&name.to_ascii_lowercase());
        let work = self.loading(workspace, name, operation, before, properties);
        Ok(Begun { shown, created, work })
    }

    /// Loads the model, and ends the operation with it.
    fn loading(
        &self,
        workspace: &str,
        name: &str,
        operation: &str,
        before: Endpoint,
        properties: Map<String, Value>,
    ) -> Work {
        let (online, workspace, endpoint) = (self.clone(), workspace.to_owned(), before.name.clone());
        let (key, operation) = (name.to_ascii_lowercase(), operation.to_owned());
        Box::new(move |fate| {
            let loaded = match &fate {
                Fate::Fail { code, message } => Err((code.clone(), message.clone())),
                _ => online.afford(&workspace, &endpoint, &key, &before).and_then(|()| {
                    online.load(&workspace, &endpoint, &key, &properties).map_err(|message| {
                        ("ResourceNotReady".to_owned(), format!("User container has crashed or terminated: {message}"))
                    })
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
                    Ok((serving, folder)) => {
                        deployment.folder = folder;
                        if let Serving::Model(model) = &serving {
                            let columns = model.input_columns().len();
                            deployment.say(now, &format!("Model loaded: {columns} input columns"));
                        }
                        deployment.say(now, "Listening at: http://0.0.0.0:31311");
                        deployment.serving = Some(serving);
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

    /// Whether there are the cores for a deployment, beside all others.
    fn afford(&self, workspace: &str, name: &str, key: &str, before: &Endpoint) -> OperationEnd {
        let wanted = self.look(workspace, name, |endpoint| {
            let deployment = endpoint.deployments.get(key)?;
            Some((
                endpoint.location.clone(),
                deployment.size().to_owned(),
                deployment.instances(),
                deployment.serving.is_some(),
            ))
        });
        let Some((location, size, instances, counted)) = wanted.flatten() else { return Ok(()) };
        let Some((clusters, limit)) = self.0.jobs.ground().cores(workspace, &location, &size) else { return Ok(()) };
        let (family, needed) = (quota::family(&size), quota::of_deployment(&size, instances));
        let subscription = workspace.split('/').nth(2).unwrap_or_default();
        let deployments = self.cores(subscription, &location).get(&family).copied().unwrap_or(0);
        // What it has already counts as it is wanted now.
        let used = clusters + deployments - if counted { needed } else { 0 };
        if used + needed <= limit {
            return Ok(());
        }
        let had = before.deployments.get(key).filter(|had| had.serving.is_some() && had.size() == size);
        let additional = needed - had.map_or(0, |had| quota::of_deployment(&size, had.instances()));
        Err((
            "OutOfQuota".to_owned(),
            format!(
                "Not enough quota available for {size} in SubscriptionId {subscription}. Current usage/limit: {used}/{limit}. Additional needed: {additional}. A fifth of the instances is reserved for upgrades."
            ),
        ))
    }

    /// How many instances a deployment has, and when that was changed by its load.
    pub(crate) fn size_of(&self, workspace: &str, endpoint: &str, name: &str) -> Option<(i64, Option<Timestamp>)> {
        let found = self.look(workspace, endpoint, |endpoint| {
            let deployment = endpoint.deployments.get(&name.to_ascii_lowercase())?;
            Some((deployment.instances(), deployment.scaled))
        });
        found.flatten()
    }

    /// Gives a deployment another number of instances, unless it is being changed.
    pub(crate) fn resize(&self, workspace: &str, endpoint: &str, name: &str, instances: i64, now: Timestamp) {
        self.with(workspace, endpoint, |endpoint| {
            if endpoint.busy.is_some() {
                return;
            }
            let Some(deployment) = endpoint.deployments.get_mut(&name.to_ascii_lowercase()) else { return };
            let sku = deployment.envelope.entry("sku").or_insert_with(|| json!({"name": "Default"}));
            sku["capacity"] = Value::from(instances);
            deployment.scaled = Some(now);
            deployment.say(now, &format!("Autoscale: {instances} instances"));
        });
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
            tags::tracked(body)?;
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
                deployment.state = if deployment.serving.is_some() && !failed { "Succeeded" } else { "Failed" };
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
}
