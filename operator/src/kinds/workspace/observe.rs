//! Reads: the workspace in Azure, who may use it, what it acts by, and how many objects live in it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use azureml::OperationState;
use azureml::resources::role_assignments::RoleAssignment;
use azureml::resources::workspaces::WorkspaceResource;
use azureml_crds::status::OperationStatus;
use azureml_crds::workspace::ManagementPolicy;
use azureml_crds::{AmlResource, AmlWorkspace, conditions};

use super::diagnosis::{Diagnosis, diagnose};
use crate::context::Context;
use crate::error::Error;
use crate::inventory::Look;
use crate::kinds::operation;
use crate::ownership::Owner;
use crate::shell::holds;
use crate::shell::references::Key;
use crate::shell::urgency::priority;

/// What was read.
#[derive(Debug, Default)]
pub struct Observed {
    /// Azure, as the workspace's identity sees it.
    pub azure: Option<azureml::Workspace>,
    /// The ARM id.
    pub arm_id: String,
    /// Under what identity it is owned.
    pub owner: Option<Owner>,
    /// The workspace; `None` where there is none.
    pub found: Option<WorkspaceResource>,
    /// The role assignments of the principals that matter.
    pub assignments: Vec<RoleAssignment>,
    /// How the remembered operation stands.
    pub operation: Option<OperationState>,
    /// An operation that this pass started.
    pub started: Option<OperationStatus>,
    /// A Secret or ServiceAccount that has to be held.
    pub to_hold: Option<Key>,
    /// One that is held for nothing.
    pub to_let_go: Option<Key>,
    /// Ids of assignments that this pass took back.
    pub revoked: Vec<String>,
    /// What the workspace lacks, as far as it was found out.
    pub diagnosis: Diagnosis,
    /// It is found out once the workspace is told to be Ready: nobody waits for that.
    pub undiagnosed: bool,
    /// How many objects live in the workspace.
    pub objects: BTreeMap<String, i32>,
    /// How often what failed is tried again.
    pub retry: Duration,
}

pub(super) async fn observe(context: &Context, object: &AmlWorkspace, look: Look) -> Result<Observed, Error> {
    let azure = context.azure.workspace(context, object, false).await?.at(priority(object));
    let status = object.status.as_ref();
    let operation = operation::poll(azure.client(), status.and_then(|status| status.operation.as_ref())).await?;
    let inventory = &context.inventory;
    let found = inventory.workspace(context, &azure, object, look).await?;
    let mut assignments = Vec::new();
    if found.is_some() {
        for principal in principals(object) {
            assignments.extend(inventory.roles(&azure, object, &principal, look).await?);
        }
        // Of two that say the same it is always the same one that counts.
        assignments.sort_by_cached_key(|assignment| assignment.id.to_lowercase());
    }
    let children = context.stores.children_of(object.namespace(), object.name());
    let at_work = matches!(operation, Some(OperationState::Running { .. }));
    let looked_at = found.is_none() || object.condition(conditions::STALLED).is_some() || serves(object);
    let diagnosis = if looked_at && !at_work {
        diagnose(context, object, &azure, found.as_ref()).await
    } else {
        Diagnosis::default()
    };
    Ok(Observed {
        undiagnosed: !looked_at,
        diagnosis,
        arm_id: azure.arm_id().as_str().to_owned(),
        azure: Some(azure),
        owner: Some(context.owner(object)),
        found,
        assignments,
        operation,
        started: None,
        revoked: Vec::new(),
        to_hold: holds::missing(context, object).await?,
        to_let_go: holds::surplus(context, object),
        objects: children
            .into_iter()
            .map(|(kind, number)| (plural(kind), i32::try_from(number).unwrap_or(i32::MAX)))
            .collect(),
        retry: context.settings.stalled_retry,
    })
}

/// It was Ready at the last look, of whatever generation.
fn serves(object: &AmlWorkspace) -> bool {
    object.condition(conditions::READY).is_some_and(|ready| ready.status == "True")
}

/// Those whose roles are looked at.
fn principals(object: &AmlWorkspace) -> BTreeSet<String> {
    object.spec.access.iter().map(|entry| entry.principal_id.to_lowercase()).collect()
}

/// `AmlDataset` -> `datasets`.
fn plural(kind: &str) -> String {
    format!("{}s", kind.trim_start_matches("Aml").to_lowercase().replace("pipelinerun", "run"))
}

/// Whether the operator keeps the workspace itself.
pub(super) fn is_managed(object: &AmlWorkspace) -> bool {
    object.spec.management_policy == Some(ManagementPolicy::Manage)
}
