//! What status says of what was observed. Pure.

use azureml_crds::endpoint::AmlEndpointStatus;
use azureml_crds::status::{AzureObject, fit};
use azureml_crds::{AmlEndpoint, AmlResource};
use jiff::Timestamp;

use super::observe::Facts;
use super::outputs::OutputSeen;
use super::plan::think;
use crate::rollout::traffic;
use crate::shell::Next;

/// The status.
#[must_use]
pub fn status(object: &AmlEndpoint, facts: &Facts, now: Timestamp) -> AmlEndpointStatus {
    let thought = think(object, facts, now);
    let mut status = object.status.clone().unwrap_or_default();
    // The id is recorded with the first step towards Azure; what never got there needs no deletion.
    let acts = matches!(thought.plan.next, Next::Act(_) | Next::Record);
    let origin = facts.endpoint.as_ref().and_then(|endpoint| {
        let ours = facts.owner.judge(&endpoint.tags, object.is_held()).ours()?;
        Some(ours.as_str().to_owned())
    });
    if status.azure.is_some() || origin.is_some() || acts {
        let before = status.azure.take().and_then(|azure| azure.origin);
        status.azure = Some(AzureObject { id: facts.id.clone(), origin: origin.or(before) });
    }
    match &facts.endpoint {
        Some(endpoint) if status.azure.as_ref().is_some_and(|azure| azure.origin.is_some()) => {
            status.scoring_uri = endpoint.properties.scoring_uri.clone();
            status.swagger_uri = endpoint.properties.swagger_uri.clone();
            status.traffic_summary = Some(traffic::summary(&endpoint.properties.traffic));
        }
        _ => {
            (status.scoring_uri, status.swagger_uri, status.traffic_summary) = (None, None, None);
        }
    }
    if let Some(written) = &facts.outputs.written {
        status.outputs_hash = Some(written.clone());
        status.swagger_digest = facts.outputs.swagger_digest.clone().or(status.swagger_digest);
    }
    if facts.outputs.swagger == OutputSeen::NotWanted {
        status.swagger_digest = None;
    }
    thought.state.write(&mut status);
    let _ = fit(&mut status);
    status
}
