//! What status says. Pure.

use azureml::resources::computes::Compute;
use azureml_crds::AmlCompute;
use azureml_crds::compute::{AmlComputeStatus, Nodes};
use azureml_crds::status::{AzureObject, clip};

use super::observe::Observed;

/// How many of Azure's errors are kept, and how long.
const ERRORS: usize = 5;
const ERROR_LENGTH: usize = 500;

pub(super) fn status(object: &AmlCompute, observed: &Observed) -> AmlComputeStatus {
    let mut status = object.status.clone().unwrap_or_default();
    let known = status.azure.take().and_then(|azure| azure.origin);
    status.azure = Some(AzureObject { id: observed.arm_id.clone(), origin: origin(observed).or(known) });
    status.operation = match (&observed.started, &observed.operation) {
        (Some(started), _) => Some(started.clone()),
        (None, Some(azureml::OperationState::Running { .. })) => status.operation,
        (None, _) => None,
    };
    let Some(found) = &observed.found else {
        (status.compute_id, status.provisioning_state, status.nodes, status.node_summary) = (None, None, None, None);
        return status;
    };
    status.compute_id = Some(observed.arm_id.clone());
    status.provisioning_state = found.properties.provisioning_state.clone();
    let counts = found.properties.properties.node_state_counts.clone().unwrap_or_default();
    let nodes = Nodes {
        idle: counts.idle_node_count,
        running: counts.running_node_count,
        preparing: counts.preparing_node_count,
    };
    let most = found.properties.properties.scale_settings.as_ref().map_or(0, |scale| scale.max_node_count);
    status.node_summary = Some(format!("{}/{most}", nodes.idle + nodes.running + nodes.preparing));
    status.nodes = Some(nodes);
    status.errors = errors(found);
    status
}

fn origin(observed: &Observed) -> Option<String> {
    // Held or not: only our own uid counts as seen to be ours.
    let ownership = observed.owner.as_ref()?.judge(&observed.found.as_ref()?.tags, true);
    ownership.ours().map(|origin| origin.as_str().to_owned())
}

/// Azure's errors as lines of text.
pub(super) fn errors(found: &Compute) -> Vec<String> {
    let all = found.properties.provisioning_errors.iter().take(ERRORS);
    all.map(|error| {
        let error = error.get("error").unwrap_or(error);
        let text = |name: &str| error.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
        clip(format!("{}: {}", text("code"), text("message")).trim_matches([':', ' ']), ERROR_LENGTH)
    })
    .collect()
}
