//! The names of jobs: derived, so that whoever looks again finds the job that was already paid for.

use azureml_crds::{AmlPipeline, AmlPipelineRun, AmlResource};

use crate::kinds::pipeline::cause::short_hash;

/// Letters of a hash in a name.
const NAME_HASH: usize = 10;

/// The run was made by the operator for its pipeline: its name follows from what it was made for.
#[must_use]
pub fn is_operator_made(run: &AmlPipelineRun) -> bool {
    let mut owners = run.metadata.owner_references.iter().flatten();
    run.spec.pipeline_spec.is_some()
        && owners.any(|owner| {
            owner.controller == Some(true)
                && owner.kind == AmlPipeline::KIND
                && owner.name == run.spec.pipeline_ref.name
        })
}

/// The job of an attempt. A person's run is told apart by its uid, the operator's by its name.
#[must_use]
pub fn job_name(run: &AmlPipelineRun, attempt: i32) -> String {
    if let Some(job) = &run.spec.import_job {
        return job.clone();
    }
    if is_operator_made(run) {
        return format!("{}-{attempt}", run.name());
    }
    format!("{}-{}-{attempt}", run.spec.pipeline_ref.name, short_hash(&[run.uid()], NAME_HASH))
}
