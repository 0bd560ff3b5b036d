//! Deletion, by the ARM id that was recorded.

use azureml::ArmId;
use azureml::resources::computes::{Compute, Node};
use azureml_crds::policies::DeletionPolicy;
use azureml_crds::{AmlCompute, AmlPipelineRun, AmlResource, reasons};

use crate::context::Context;
use crate::error::Error;
use crate::events::Note;
use crate::ownership::{Origin, Ownership};
use crate::shell::Cleanup;

/// How many jobs are named.
const NAMED: usize = 5;

pub(super) async fn cleanup(context: &Context, object: &AmlCompute) -> Result<Cleanup, Error> {
    let Some(recorded) = object.status.as_ref().and_then(|status| status.azure.as_ref()) else {
        return Ok(Cleanup::Done(None));
    };
    if object.deletion_policy().is_some_and(|policy| policy != DeletionPolicy::Delete) {
        return Ok(Cleanup::Done(None));
    }
    let id = ArmId::new(&recorded.id);
    let name = id.name();
    let azure = context.workspace_for_cleanup(object, &object.spec.workspace_ref.name).await?.azure;
    let Some(found) = azure.compute(name).await? else {
        return Ok(Cleanup::Done(Some(Note::normal(
            reasons::DELETED,
            format!("Cluster {name:?} is gone from Azure."),
        ))));
    };
    let held = recorded.origin.is_some();
    let origin = match context.owner(object).judge(&found.tags, held) {
        Ownership::Ours(origin) | Ownership::Reattach(origin) => origin,
        Ownership::Taken { .. } | Ownership::Foreign { .. } => {
            return Ok(Cleanup::Done(Some(Note::normal(
                reasons::RETAINED,
                format!("Cluster {name:?} is not ours and stays."),
            ))));
        }
    };
    if object.deletion_policy().is_none() && origin == Origin::Adopted {
        return Ok(Cleanup::Done(Some(Note::normal(
            reasons::RETAINED,
            format!("Cluster {name:?} was taken over and stays."),
        ))));
    }
    let what = format!("cluster {name:?}");
    if let Some(waiting) = context.deletions.poll(azure.client(), object.uid(), &what).await? {
        return Ok(waiting);
    }
    if found.properties.provisioning_state.as_deref() == Some("Deleting") {
        return Ok(context.deletions.begun(object.uid(), &what, None));
    }
    if works(&found) {
        let nodes = azure.compute_nodes(name).await?;
        let runs = |id: &str| run_of(context, object.namespace(), id);
        return Ok(Cleanup::Blocked { reason: reasons::IN_USE, message: in_use(name, &found, &nodes, runs) });
    }
    let started = azure.delete_compute(name).await?;
    Ok(context.deletions.begun(object.uid(), &what, started.operation))
}

/// Whether nodes work on jobs, or come up for jobs that wait: Azure would delete them all the same.
fn works(found: &Compute) -> bool {
    let own = &found.properties.properties;
    let counts = own.node_state_counts.clone().unwrap_or_default();
    let least = own.scale_settings.as_ref().map_or(0, |scale| scale.min_node_count);
    let all = counts.idle_node_count + counts.running_node_count + counts.preparing_node_count;
    counts.running_node_count > 0 || counts.preparing_node_count > 0 && all > least
}

/// Who uses the cluster, and what to do.
fn in_use(name: &str, found: &Compute, nodes: &[Node], run_of: impl Fn(&str) -> Option<String>) -> String {
    let mut jobs: Vec<String> = Vec::new();
    for id in nodes.iter().filter_map(|node| node.run_id.as_deref()).filter(|id| !id.is_empty()) {
        let job = run_of(id).unwrap_or_else(|| format!("job {id}"));
        if !jobs.contains(&job) {
            jobs.push(job);
        }
    }
    let more = jobs.len().saturating_sub(NAMED);
    jobs.truncate(NAMED);
    if more > 0 {
        jobs.push(format!("and {more} more"));
    }
    let counts = found.properties.properties.node_state_counts.clone().unwrap_or_default();
    let (running, preparing) = (counts.running_node_count, counts.preparing_node_count);
    let who = match (jobs.is_empty(), running) {
        (false, _) => format!("its nodes run {}", jobs.join(", ")),
        (true, 0) => format!("{preparing} of its nodes come up for jobs that wait"),
        (true, _) => format!("{running} of its nodes run jobs"),
    };
    format!(
        "Cluster {name:?} is in use: {who}. It is deleted when they have ended; cancel them to have it deleted sooner, or write deletionPolicy: Retain to leave it in Azure."
    )
}

/// The AmlPipelineRun that an Azure job is, or is a step of.
fn run_of(context: &Context, namespace: &str, job: &str) -> Option<String> {
    let is_it = |run: &AmlPipelineRun| {
        run.namespace() == namespace
            && run.status.as_ref().is_some_and(|status| {
                status.job.as_ref().is_some_and(|own| own.name == job)
                    || status.steps.iter().any(|step| step.job_name.as_deref() == Some(job))
            })
    };
    let found = context.stores.runs.find(is_it)?;
    Some(format!("AmlPipelineRun {}", found.name()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cluster(running: i32, preparing: i32, idle: i32, least: i32) -> Compute {
        serde_json::from_value(json!({"properties": {"properties": {
            "scaleSettings": {"minNodeCount": least, "maxNodeCount": 4},
            "nodeStateCounts": {"runningNodeCount": running, "preparingNodeCount": preparing, "idleNodeCount": idle},
        }}}))
        .unwrap()
    }

    #[test]
    fn a_cluster_works_while_nodes_run_or_come_up_for_jobs() {
        for (running, preparing, idle, least, expected) in [
            (0, 0, 0, 0, false),
            (0, 0, 2, 0, false),
            (1, 0, 0, 0, true),
            (0, 1, 0, 0, true),
            (0, 2, 0, 2, false),
            (0, 1, 2, 2, true),
        ] {
            let found = cluster(running, preparing, idle, least);
            assert_eq!(works(&found), expected, "{running} {preparing} {idle} {least}");
        }
    }

    #[test]
    fn who_uses_it_is_named() {
        let node = |run: &str| Node { run_id: Some(run.into()), ..Node::default() };
        let known = |id: &str| (id == "a").then(|| "AmlPipelineRun train".to_owned());
        let message = in_use("cpu", &cluster(2, 0, 0, 0), &[node("a"), node("a"), node("b")], known);
        assert!(message.contains("AmlPipelineRun train, job b."), "{message}");
        let many: Vec<Node> = (0..9).map(|number| node(&number.to_string())).collect();
        assert!(in_use("cpu", &cluster(9, 0, 0, 0), &many, known).contains("and 4 more"));
        assert!(in_use("cpu", &cluster(0, 3, 0, 0), &[], known).contains("3 of its nodes come up"));
    }
}
