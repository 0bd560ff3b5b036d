//! What the objects of a namespace ask of their workspace: machines, actions, logs.

use std::collections::BTreeSet;

use azureml_crds::compute::Tier;
use azureml_crds::workspace::WorkspaceDeletionPolicy;
use azureml_crds::{
    AmlCompute, AmlDataset, AmlEndpoint, AmlModel, AmlPipeline, AmlPipelineRun, AmlResource, AmlWorkspace,
};

use super::super::observe::is_managed;
use crate::stores::Stores;

/// Machines that an object may come to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machines {
    /// Whose, for people: `AmlCompute cpu`.
    pub of: String,
    /// The size.
    pub size: String,
    /// Of tier LowPriority.
    pub low_priority: bool,
    /// How many at most.
    pub count: i64,
}

/// What is asked of the workspace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Machines.
    pub machines: Vec<Machines>,
    /// Kinds of the objects that live in it.
    pub kinds: BTreeSet<&'static str>,
    /// Endpoints whose deployments log to Application Insights.
    pub logging: Vec<String>,
}

impl Demand {
    /// What lives in the workspace asks for.
    #[must_use]
    pub fn of(stores: &Stores, object: &AmlWorkspace) -> Self {
        let (namespace, name) = (object.namespace(), object.name());
        let mut demand = Self {
            kinds: stores.children_of(namespace, name).into_iter().map(|(kind, _)| kind).collect(),
            ..Self::default()
        };
        let lives = |other: &str, workspace: &str, deleting: bool| other == namespace && workspace == name && !deleting;
        for cluster in
            stores.computes.state_filter(|one| lives(one.namespace(), &one.spec.workspace_ref.name, one.is_deleting()))
        {
            demand.machines.push(Machines {
                of: format!("AmlCompute {}", cluster.name()),
                size: cluster.spec.size.clone(),
                low_priority: cluster.spec.tier == Some(Tier::LowPriority),
                count: i64::from(cluster.spec.scale.max_nodes),
            });
        }
        for endpoint in
            stores.endpoints.state_filter(|one| lives(one.namespace(), &one.spec.workspace_ref.name, one.is_deleting()))
        {
            let template = &endpoint.spec.deployment;
            demand.machines.push(Machines {
                of: format!("AmlEndpoint {}", endpoint.name()),
                size: template.instance_type.clone(),
                low_priority: false,
                count: reserved(i64::from(template.instance_count.unwrap_or(1))),
            });
            if template.app_insights_enabled == Some(true) {
                demand.logging.push(endpoint.name().to_owned());
            }
        }
        demand.machines.sort_by(|one, other| one.of.cmp(&other.of));
        demand.logging.sort();
        demand
    }
}

/// Azure keeps a fifth more than a deployment's machines for upgrades ("Manage and increase quotas", learn.microsoft.com).
fn reserved(instances: i64) -> i64 {
    (instances * 12 + 9) / 10
}

/// An action that the identity needs, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needed {
    /// E.g. `Microsoft.MachineLearningServices/workspaces/jobs/write`.
    pub action: String,
    /// The field or the kind that asks for it.
    pub because: &'static str,
}

/// The actions on the workspace that the spec and the objects that live in it ask for.
#[must_use]
pub fn needed(object: &AmlWorkspace, demand: &Demand) -> Vec<Needed> {
    let mut all: Vec<(&'static str, &[&str])> = vec![("the connection", &["read"])];
    if is_managed(object) {
        all.push(("managementPolicy: Manage", &["write"]));
        if object.spec.deletion_policy == Some(WorkspaceDeletionPolicy::Delete) {
            all.push(("deletionPolicy: Delete", &["delete"]));
        }
    }
    for kind in &demand.kinds {
        let actions: &[&str] = match *kind {
            AmlCompute::KIND => &["computes/read", "computes/write", "computes/delete", "computes/listNodes/action"],
            AmlDataset::KIND => {
                &["data/versions/read", "data/versions/write", "datastores/read", "datastores/listSecrets/action"]
            }
            AmlPipeline::KIND | AmlPipelineRun::KIND => &["jobs/read", "jobs/write", "jobs/cancel/action"],
            AmlModel::KIND => &["models/versions/read", "models/versions/write"],
            AmlEndpoint::KIND => &[
                "onlineEndpoints/read",
                "onlineEndpoints/write",
                "onlineEndpoints/delete",
                "onlineEndpoints/deployments/read",
                "onlineEndpoints/deployments/write",
                "onlineEndpoints/deployments/delete",
                "onlineEndpoints/listKeys/action",
            ],
            _ => &[],
        };
        all.push((*kind, actions));
    }
    let of_workspace = |(because, actions): (&'static str, &[&str])| -> Vec<Needed> {
        let action = |rest: &&str| format!("Microsoft.MachineLearningServices/workspaces/{rest}");
        actions.iter().map(|rest| Needed { action: action(rest), because }).collect()
    };
    let mut needed: Vec<Needed> = all.into_iter().flat_map(of_workspace).collect();
    if !object.spec.access.is_empty() {
        for verb in ["read", "write", "delete"] {
            let action = format!("Microsoft.Authorization/roleAssignments/{verb}");
            needed.push(Needed { action, because: "spec.access" });
        }
    }
    let mut seen = BTreeSet::new();
    needed.retain(|one| seen.insert(one.action.clone()));
    needed
}
