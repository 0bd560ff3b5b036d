//! What Azure refuses of endpoints and deployments.

use super::endpoint::Endpoint;
use super::traffic::{self, Shares};
use crate::tags;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Deployments that an endpoint has at most ("Manage resource quotas", learn.microsoft.com).
const MOST_DEPLOYMENTS: usize = 20;

/// A refusal: an HTTP status, Azure's code, and words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self { status: 400, code: "BadRequest", message: message.into() }
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self { status: 409, code: "Conflict", message: message.into() }
    }

    /// A request to Azure Resource Manager that says no version.
    pub(crate) fn no_version() -> Self {
        let message = "The api-version query parameter (?api-version=) is required for all requests.".to_owned();
        Self { status: 400, code: "MissingApiVersionParameter", message }
    }

    /// Something below a workspace that is not there.
    pub(crate) fn no_workspace(name: &str, id: &str, method: &str) -> Self {
        let group = id.split('/').nth(4).unwrap_or_default();
        let (code, message) = match method {
            "PUT" | "PATCH" => (
                "ParentResourceNotFound",
                format!("Failed to perform 'write' on resource(s): the parent resource '{id}' could not be found."),
            ),
            _ => (
                "ResourceNotFound",
                format!(
                    "The Resource 'Microsoft.MachineLearningServices/workspaces/{name}' under resource group '{group}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"
                ),
            ),
        };
        Self { status: 404, code, message }
    }

    /// Something that an operation is under way on, by its provisioning state.
    pub(crate) fn busy(known: &Value) -> Result<(), Self> {
        let state = known.pointer("/properties/provisioningState").and_then(Value::as_str).unwrap_or("Succeeded");
        if ["Succeeded", "Failed", "Canceled"].contains(&state) {
            return Ok(());
        }
        let id = known.get("id").and_then(Value::as_str).unwrap_or_default();
        Err(Self::conflict(format!("{id} is {state}: wait until the operation on it has ended.")))
    }

    pub(crate) fn not_found(what: &str, name: &str) -> Self {
        Self { status: 404, code: "ResourceNotFound", message: format!("The {what} {name} was not found.") }
    }
}

/// Endpoint and deployment names: 3 to 32 letters, digits and hyphens, a letter first, no hyphen last
/// (`^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$`, azure-ai-ml).
pub(crate) fn name(what: &str, name: &str) -> Result<(), Refusal> {
    let good = (3..=32).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    match good {
        true => Ok(()),
        false => Err(Refusal::bad(format!(
            "The {what} name '{name}' is not valid: 3 to 32 letters, digits and hyphens, beginning with a letter, ending with a letter or digit."
        ))),
    }
}

/// One operation at a time: an endpoint that is being changed, or has failed to be made, takes no other one.
pub(crate) fn free(endpoint: &Endpoint) -> Result<(), Refusal> {
    match &endpoint.busy {
        None => Ok(()),
        Some(_) => Err(Refusal::conflict(format!(
            "The endpoint {} or one of its deployments is being changed: wait until the operation has ended.",
            endpoint.name
        ))),
    }
}

/// Deployments are made on an endpoint that is there and well.
pub(crate) fn ready(endpoint: &Endpoint) -> Result<(), Refusal> {
    free(endpoint)?;
    match endpoint.state {
        "Succeeded" => Ok(()),
        state => Err(Refusal::conflict(format!("The endpoint {} is {state}: put it again first.", endpoint.name))),
    }
}

/// A deployment that takes traffic can't be deleted.
pub(crate) fn idle(endpoint: &Endpoint, deployment: &str) -> Result<(), Refusal> {
    let takes =
        |shares: &Shares| shares.iter().any(|(name, share)| name.eq_ignore_ascii_case(deployment) && *share > 0);
    match takes(&endpoint.traffic) || takes(&endpoint.mirror) {
        false => Ok(()),
        true => Err(Refusal::bad(format!(
            "The deployment {deployment} takes traffic of the endpoint {}: set its traffic to 0 first.",
            endpoint.name
        ))),
    }
}

/// An endpoint's body, checked.
#[derive(Debug)]
pub(crate) struct EndpointBody {
    pub(crate) envelope: Map<String, Value>,
    pub(crate) properties: Map<String, Value>,
    pub(crate) traffic: Shares,
    pub(crate) mirror: Shares,
}

impl EndpointBody {
    /// Checks a body against the endpoint there is.
    pub(crate) fn read(body: &Map<String, Value>, known: Option<&Endpoint>) -> Result<Self, Refusal> {
        if let Some(endpoint) = known {
            free(endpoint)?;
        }
        tags::tracked(body)?;
        let mut properties = body.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        tags::own(&properties).map_err(Refusal::bad)?;
        if let Some(endpoint) = known {
            same_location(body, &endpoint.location)?;
            let own = tags::added(endpoint.properties.get("properties"), properties.get("properties"));
            properties.insert("properties".to_owned(), Value::Object(own));
        }
        let mode = properties.get("authMode").and_then(Value::as_str).unwrap_or("Key").to_owned();
        let modes = ["Key", "AMLToken", "AADToken"];
        let mode = modes
            .into_iter()
            .find(|known| known.eq_ignore_ascii_case(&mode))
            .ok_or_else(|| Refusal::bad(format!("authMode {mode} is not known: it is Key, AMLToken or AADToken.")))?;
        properties.insert("authMode".to_owned(), Value::from(mode));
        let traffic = shares(&mut properties, "traffic")?;
        let mirror = shares(&mut properties, "mirrorTraffic")?;
        let deployments: BTreeSet<String> =
            known.map(|endpoint| endpoint.deployments.values().map(|d| d.name.clone()).collect()).unwrap_or_default();
        traffic::check(&traffic, &mirror, &deployments).map_err(|error| Refusal::bad(error.to_string()))?;
        for own in ["provisioningState", "scoringUri", "swaggerUri", "compute"] {
            properties.remove(own);
        }
        let envelope = body.iter().filter(|(key, _)| ["tags", "identity", "kind", "sku"].contains(&key.as_str()));
        let envelope = envelope.map(|(key, value)| (key.clone(), value.clone())).collect();
        Ok(Self { envelope, properties, traffic, mirror })
    }
}

/// Nothing moves to another region.
fn same_location(body: &Map<String, Value>, location: &str) -> Result<(), Refusal> {
    let given = body.get("location").and_then(Value::as_str).unwrap_or(location);
    if given.to_ascii_lowercase().replace(' ', "") == location {
        return Ok(());
    }
    Err(Refusal {
        status: 409,
        code: "InvalidResourceLocation",
        message: format!(
            "The resource already exists in location '{location}'. A resource with the same name cannot be created in location '{given}'."
        ),
    })
}

fn shares(properties: &mut Map<String, Value>, field: &str) -> Result<Shares, Refusal> {
    let Some(Value::Object(map)) = properties.remove(field) else { return Ok(BTreeMap::new()) };
    map.into_iter()
        .map(|(name, share)| {
            let share = share.as_i64().or_else(|| share.as_f64().map(|share| share as i64));
            share
                .map(|share| (name.clone(), share))
                .ok_or_else(|| Refusal::bad(format!("{field} of {name} is not a number.")))
        })
        .collect()
}

/// A deployment's body, checked.
#[derive(Debug)]
pub(crate) struct DeploymentBody {
    pub(crate) envelope: Map<String, Value>,
    pub(crate) properties: Map<String, Value>,
}

impl DeploymentBody {
    /// Checks a body.
    pub(crate) fn read(body: &Map<String, Value>, endpoint: &Endpoint, name: &str) -> Result<Self, Refusal> {
        tags::tracked(body)?;
        same_location(body, &endpoint.location)?;
        let known = endpoint.deployments.get(&name.to_ascii_lowercase());
        if known.is_none() && endpoint.deployments.len() >= MOST_DEPLOYMENTS {
            return Err(Refusal::bad(format!(
                "The endpoint {} has {MOST_DEPLOYMENTS} deployments: it can't have more.",
                endpoint.name
            )));
        }
        let mut properties = body.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        properties.remove("provisioningState");
        tags::own(&properties).map_err(Refusal::bad)?;
        if let Some(known) = known {
            let own = tags::added(known.properties.get("properties"), properties.get("properties"));
            properties.insert("properties".to_owned(), Value::Object(own));
        }
        if properties.get("instanceType").and_then(Value::as_str).is_none_or(str::is_empty) {
            return Err(Refusal::bad("A managed deployment needs properties.instanceType, such as Standard_DS3_v2."));
        }
        let capacity = body.get("sku").and_then(|sku| sku.get("capacity")).and_then(Value::as_i64).unwrap_or(1);
        if !(1..=50).contains(&capacity) {
            return Err(Refusal::bad(format!("sku.capacity is {capacity}: a deployment has 1 to 50 instances.")));
        }
        let envelope = body.iter().filter(|(key, _)| ["tags", "identity", "kind", "sku"].contains(&key.as_str()));
        let envelope = envelope.map(|(key, value)| (key.clone(), value.clone())).collect();
        Ok(Self { envelope, properties })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_azures_rule() {
        for good in ["bank", "Bank-2", "abc"] {
            assert!(name("endpoint", good).is_ok(), "{good}");
        }
        for bad in ["ab", "1bank", "bank-", "bank_1", &"a".repeat(33)] {
            assert!(name("endpoint", bad).is_err(), "{bad}");
        }
    }
}
