//! Reads the cluster.

use std::time::Duration;

use azureml::OperationState;
use azureml::resources::computes::{Compute, ScaleSettings};
use azureml_crds::status::OperationStatus;
use azureml_crds::{AmlCompute, AmlPipelineRun, AmlResource, conditions};

use crate::context::Context;
use crate::error::Error;
use crate::inventory::Look;
use crate::inventory::lists::Computes;
use crate::kinds::operation;
use crate::ownership::Owner;
use crate::stores::find;

/// How long an idle node stays where the spec says nothing.
const IDLE: &str = "PT2M";

/// What was read.
#[derive(Debug, Default)]
pub struct Observed {
    /// Azure, as the workspace's identity sees it.
    pub azure: Option<azureml::Workspace>,
    /// The region.
    pub location: String,
    /// The cluster's ARM id.
    pub arm_id: String,
    /// Under what identity it is owned.
    pub owner: Option<Owner>,
    /// The cluster; `None` where there is none.
    pub found: Option<Compute>,
    /// How the remembered operation stands.
    pub operation: Option<OperationState>,
    /// An operation that this pass started.
    pub started: Option<OperationStatus>,
    /// How often what failed is tried again.
    pub retry: Duration,
    /// How often nodes at work are looked at.
    pub busy: Duration,
}

pub(super) async fn observe(context: &Context, object: &AmlCompute, look: Look) -> Result<Observed, Error> {
    let workspace = context.workspace(object, &object.spec.workspace_ref.name).await?;
    let azure = workspace.azure.clone();
    let status = object.status.as_ref();
    let operation = operation::poll(azure.client(), status.and_then(|status| status.operation.as_ref())).await?;
    let name = object.azure_name();
    let found = context.inventory.look::<Computes>(context, &workspace, object, &name, look).await?;
    Ok(Observed {
        location: workspace.location(),
        arm_id: azure.id_of(&format!("computes/{name}")),
        owner: Some(context.owner(object)),
        found,
        azure: Some(azure),
        operation,
        started: None,
        retry: context.settings.stalled_retry,
        busy: context.settings.max_backoff,
    })
}

/// Its nodes come, go or work, or are about to: a list that others share is too old for them.
pub(super) fn moves(context: &Context, object: &AmlCompute) -> bool {
    nodes_move(object) || serves_a_run(context, object)
}

fn nodes_move(object: &AmlCompute) -> bool {
    let Some(status) = &object.status else { return true };
    let nodes = status.nodes.clone().unwrap_or_default();
    let least = object.spec.scale.min_nodes.unwrap_or(0);
    nodes.running + nodes.preparing + nodes.leaving.unwrap_or(0) > 0
        || nodes.idle > least
        || status.allocation_state.as_deref() == Some("Resizing")
        || object.condition(conditions::NODES_AVAILABLE).is_some_and(|told| told.status == "False")
}

fn serves_a_run(context: &Context, object: &AmlCompute) -> bool {
    let stores = &context.stores;
    let on_it = |run: &AmlPipelineRun| {
        run.namespace() == object.namespace()
            && run.condition(conditions::FINISHED).is_none_or(|finished| finished.status != "True")
            && find(&stores.pipelines, run.namespace(), &run.spec.pipeline_ref.name)
                .is_some_and(|pipeline| pipeline.spec.compute.ref_.as_deref() == Some(object.name()))
    };
    stores.runs.find(on_it).is_some()
}

/// What the spec says of nodes, as Azure wants it.
pub(super) fn scale(object: &AmlCompute) -> ScaleSettings {
    let scale = &object.spec.scale;
    ScaleSettings {
        min_node_count: scale.min_nodes.unwrap_or(0),
        max_node_count: scale.max_nodes,
        node_idle_time_before_scale_down: scale
            .idle_time_before_scale_down
            .as_ref()
            .map_or_else(|| IDLE.to_owned(), azureml_crds::Duration::iso8601),
    }
}
