//! What a write on an endpoint begins.

use super::endpoint::Endpoint;
use super::rules::{self, Refusal};
use super::{Begun, Fate, Online, Work, end_of, new_key};
use crate::tags;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

impl Online {
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
            tags::tracked(body)?;
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
}
