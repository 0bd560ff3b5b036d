//! What a run's status says.

use std::collections::BTreeMap;

use azureml::resources::jobs::{Job, JobState};
use azureml_crds::pipeline_run::{AmlPipelineRunStatus, JobRef, Phase, ResolvedInput};
use azureml_crds::status::{AzureObject, fit};
use azureml_crds::{AmlPipelineRun, AmlResource, annotations};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::Value;

use super::job::output_address;
use super::naming::is_operator_made;
use super::observe::origin;
use super::plan::{end, halted_end};
use super::{Halted, Known, Observed};
use crate::kinds::pipeline::cause::causes;

pub fn status(object: &AmlPipelineRun, observed: &Observed, now: Timestamp) -> AmlPipelineRunStatus {
    let before = object.status.clone().unwrap_or_default();
    let known = match observed {
        Observed::Under(known) => known,
        Observed::Finished => return before,
        Observed::Halted(halted) => return halted_status(object, before, halted, now),
    };
    let mut status = before;
    status.attempt = Some(known.attempt);
    status.cause = Some(object.annotation(annotations::CAUSE).unwrap_or(causes::MANUAL).to_owned());
    if is_operator_made(object) {
        status.cause_key = object.name().rsplit_once('-').map(|(_, key)| key.to_owned());
    }
    let ours = known.is_ours() || (object.spec.import_job.is_some() && known.job.is_some());
    if object.spec.import_job.is_none() {
        let origin = origin(known.ownership().as_ref()).map(|origin| origin.as_str().to_owned());
        status.azure = Some(AzureObject { id: known.job_id.clone(), origin });
        // A job that is gone was ours, and stays recorded.
        if known.job.is_none() && known.held {
            status.azure = object.status.as_ref().and_then(|status| status.azure.clone());
        }
    }
    status.phase = phase(object, known, ours, now);
    match (&known.job, ours) {
        (Some(job), true) => of_job(&mut status, known, job, now),
        _ => status.inputs = known.resolved.as_ref().map(|resolved| resolved.inputs.clone()).unwrap_or(status.inputs),
    }
    if status.phase.is_finished() && status.completion_time.is_none() {
        status.completion_time = Some(Time(known.progress.ended.unwrap_or(now)));
    }
    status.duration = duration(&status);
    fit(&mut status);
    status
}

/// Of a run about whose job nothing can be found out: what was known, and whether that is the end.
fn halted_status(
    object: &AmlPipelineRun,
    mut status: AmlPipelineRunStatus,
    halted: &Halted,
    now: Timestamp,
) -> AmlPipelineRunStatus {
    status.cause = Some(object.annotation(annotations::CAUSE).unwrap_or(causes::MANUAL).to_owned());
    if let Some(end) = halted_end(object, halted, now) {
        status.phase = end.phase();
        status.completion_time = status.completion_time.or(Some(Time(now)));
    }
    status
}

fn phase(object: &AmlPipelineRun, known: &Known, ours: bool, now: Timestamp) -> Phase {
    let retried = known.state() == Some(JobState::Failed)
        && known.spec.run.as_ref().and_then(|run| run.retry.as_ref()).is_some_and(|retry| known.attempt <= retry.limit)
        && object.spec.import_job.is_none();
    let reattached = object.spec.import_job.is_some() || !known.needs_reattach();
    match end(object, known, now) {
        Some(end) if !known.acted && (ours || known.job.is_none()) && !retried && reattached => end.phase(),
        _ => match known.state().filter(|_| ours) {
            None => Phase::Pending,
            Some(JobState::Waiting) => Phase::Submitted,
            Some(_) => Phase::Running,
        },
    }
}

/// What the job itself tells.
fn of_job(status: &mut AmlPipelineRunStatus, known: &Known, job: &Job, now: Timestamp) {
    let progress = &known.progress;
    status.job = Some(JobRef { name: known.job_name.clone(), id: known.job_id.clone(), studio_url: job.studio_url() });
    status.inputs = inputs(known, job);
    status.submitted_at = known.submitted.or(progress.started).or(Some(now)).map(Time);
    status.start_time = progress.started.map(Time);
    status.completion_time = progress.ended.map(Time);
    status.steps = progress.steps.clone();
    status.trials = progress.trials.clone();
    status.best = progress.best.clone();
    status.best_summary = progress.best.as_ref().map(|best| format!("{} {}", best.algorithm, best.score));
    status.outputs = if job.state() == JobState::Completed { outputs(known, job) } else { BTreeMap::new() };
}

/// What was submitted, from the job itself.
fn inputs(known: &Known, job: &Job) -> Vec<ResolvedInput> {
    let given = job.properties.extra.get("inputs").and_then(Value::as_object);
    let uri = |name: &str| given.and_then(|given| given.get(name)?.get("uri")?.as_str()).map(str::to_owned);
    known
        .spec
        .inputs
        .iter()
        .filter_map(|input| {
            let asset_id = uri(&input.name)?;
            Some(ResolvedInput {
                name: input.name.clone(),
                dataset: input.dataset.clone(),
                version: asset_id.rsplit('/').next().unwrap_or_default().to_owned(),
                asset_id,
            })
        })
        .collect()
}

fn outputs(known: &Known, job: &Job) -> BTreeMap<String, String> {
    let names = job.properties.extra.get("outputs").and_then(Value::as_object).into_iter().flatten();
    names.map(|(name, _)| (name.clone(), output_address(&known.job_name, name))).take(50).collect()
}

/// How long the job took, as people say it.
fn duration(status: &AmlPipelineRunStatus) -> Option<String> {
    let (from, to) = (status.start_time.as_ref()?, status.completion_time.as_ref()?);
    let seconds = to.0.duration_since(from.0).as_secs().max(0);
    Some(match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds}s"),
        (hours, minutes, _) => format!("{hours}h{minutes}m"),
    })
}
