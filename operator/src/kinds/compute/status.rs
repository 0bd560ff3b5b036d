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
        (status.compute_id, status.provisioning_state, status.node_summary) = (None, None, None);
        (status.allocation_state, status.nodes) = (None, None);
        return status;
    };
    status.compute_id = Some(observed.arm_id.clone());
    status.provisioning_state = found.properties.provisioning_state.clone();
    status.allocation_state = found.properties.properties.allocation_state.clone();
    let counts = found.properties.properties.node_state_counts.clone().unwrap_or_default();
    let some = |count: i32| (count > 0).then_some(count);
    let nodes = Nodes {
        idle: counts.idle_node_count,
        running: counts.running_node_count,
        preparing: counts.preparing_node_count,
        leaving: some(counts.leaving_node_count),
        unusable: some(counts.unusable_node_count),
        preempted: some(counts.preempted_node_count),
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

/// An error that Azure tells of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// Azure's code.
    pub(super) code: String,
    /// Code and message.
    pub(super) text: String,
}

/// What Azure tells of nodes that it can't give.
pub(super) fn of_nodes(found: &Compute) -> Vec<Trouble> {
    troubles(&found.properties.properties.errors)
}

/// Azure's errors as lines of text, of the cluster and of its nodes.
pub(super) fn errors(found: &Compute) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for trouble in troubles(&found.properties.provisioning_errors).into_iter().chain(of_nodes(found)) {
        if all.len() < ERRORS && !all.contains(&trouble.text) {
            all.push(trouble.text);
        }
    }
    all
}

/// What Azure tells of a cluster that it could not make.
pub(super) fn of_cluster(found: &Compute) -> Vec<Trouble> {
    troubles(&found.properties.provisioning_errors)
}

fn troubles(errors: &[serde_json::Value]) -> Vec<Trouble> {
    errors
        .iter()
        .take(ERRORS)
        .map(|error| {
            let error = error.get("error").unwrap_or(error);
            let text = |name: &str| error.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
            Trouble {
                code: text("code").to_owned(),
                text: clip(format!("{}: {}", text("code"), text("message")).trim_matches([':', ' ']), ERROR_LENGTH),
            }
        })
        .collect()
}
