//! What a pipeline's status says.

use azureml_crds::AmlPipeline;
use azureml_crds::pipeline::{AmlPipelineStatus, LastRun};
use azureml_crds::pipeline_run::Phase;

use super::Observed;

/// Unfinished runs that are named.
const ACTIVE: usize = 20;

pub fn status(object: &AmlPipeline, observed: &Observed) -> AmlPipelineStatus {
    let mut status = object.status.clone().unwrap_or_default();
    status.spec_hash = Some(observed.spec_hash.clone());
    status.last_cause = observed.last_cause.clone();
    status.handled = observed.handled.clone();
    status.last_run = observed
        .runs
        .first()
        .map(|run| LastRun { name: run.name.clone(), phase: run.phase.as_str().to_owned() })
        .or(status.last_run);
    status.active_runs =
        observed.runs.iter().filter(|run| run.is_active()).map(|run| run.name.clone()).take(ACTIVE).collect();
    status.best =
        observed.runs.iter().find(|run| run.phase == Phase::Succeeded).and_then(|run| run.best.clone()).or(status.best);
    status
}
