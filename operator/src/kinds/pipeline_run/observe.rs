//! What is read of a run: its definition, what that stands for, its job.

use azureml::resources::jobs::{Job, JobState};
use azureml_crds::pipeline::AmlPipelineSpec;
use azureml_crds::pipeline_run::AmlPipelineRunStatus;
use azureml_crds::{AmlPipelineRun, AmlResource, annotations, reasons};
use jiff::Timestamp;

use super::naming::{is_operator_made, job_name};
use super::progress::{self, Progress};
use crate::context::{Context, Workspace};
use crate::error::{Error, Halt};
use crate::kinds::pipeline::resolve::{Resolved, resolve};
use crate::kinds::pipeline::validate;
use crate::ownership::{Origin, Owner, Ownership};
use crate::stores::find;

/// What was read of a run that has not ended yet.
#[derive(Clone, Debug)]
pub struct Known {
    /// Under which the job is owned.
    pub owner: Owner,
    /// The definition that is run.
    pub spec: AmlPipelineSpec,
    /// What its names stand for, where the job is still to be made.
    pub resolved: Result<Resolved, Halt>,
    /// Which attempt this is, from 1.
    pub attempt: i32,
    /// The job's name.
    pub job_name: String,
    /// The job's ARM id.
    pub job_id: String,
    /// Name and definition are written down, where the object does not imply them.
    pub remembered: bool,
    /// The job was seen to be ours before.
    pub held: bool,
    /// The job.
    pub job: Option<Job>,
    /// How far it has come.
    pub progress: Progress,
    /// When it was submitted, as far as is known.
    pub submitted: Option<Timestamp>,
}

impl Known {
    /// Where the job stands.
    #[must_use]
    pub fn state(&self) -> Option<JobState> {
        self.job.as_ref().map(Job::state)
    }

    /// Whose the job is.
    #[must_use]
    pub fn ownership(&self) -> Option<Ownership> {
        self.job.as_ref().map(|job| self.owner.judge(&job.properties.tags, self.held))
    }

    /// The job is ours by name, with the uid of an earlier object on it.
    #[must_use]
    pub fn needs_reattach(&self) -> bool {
        matches!(self.ownership(), Some(Ownership::Reattach(_)))
    }

    /// The job is ours, or about to be again.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        matches!(self.ownership(), Some(Ownership::Ours(_) | Ownership::Reattach(_)))
    }
}

/// What was read.
#[derive(Clone, Debug)]
pub enum Observed {
    /// It has ended, and all is told: Azure is not asked any more.
    Finished,
    /// It has not.
    Under(Box<Known>),
}

pub async fn observe(context: &Context, object: &AmlPipelineRun) -> Result<Observed, Error> {
    let status = object.status.clone().unwrap_or_default();
    if status.phase.is_finished() {
        return Ok(Observed::Finished);
    }
    let (spec, remembered) = definition(context, object)?;
    let workspace = context.workspace(object, &spec.workspace_ref.name).await?;
    let attempt = status.attempt.unwrap_or(1);
    let job_name = job_name(object, attempt);
    let job_id = workspace.azure.id_of(&format!("jobs/{job_name}"));
    let held = status.azure.as_ref().is_some_and(|azure| azure.id == job_id && azure.origin.is_some());
    let job = workspace.azure.job(&job_name).await?;
    let mut known = Known {
        owner: context.owner(object),
        resolved: resolved(context, object, &workspace, &spec, job.as_ref()),
        progress: before(&status),
        submitted: status.submitted_at.as_ref().map(|at| at.0),
        spec,
        attempt,
        job_name,
        job_id,
        remembered,
        held,
        job,
    };
    if known.is_ours() || (object.spec.import_job.is_some() && known.job.is_some()) {
        known.progress = progress(&workspace, &known, &status).await?;
    }
    Ok(Observed::Under(Box::new(known)))
}

/// The definition, and whether it can't change any more: the operator's snapshot, what was written down of the
/// pipeline, or the pipeline as it is now.
fn definition(context: &Context, object: &AmlPipelineRun) -> Result<(AmlPipelineSpec, bool), Error> {
    let recorded = object.recorded_spec().map_err(|error| {
        Halt::person(
            reasons::INVALID_SPEC,
            format!("The annotation {} can't be read: {error}. Make a new AmlPipelineRun.", annotations::PIPELINE_SPEC),
        )
    })?;
    if let Some(spec) = recorded {
        // The operator's own run implies the job's name, a person's says it in an annotation.
        let remembered = object.spec.pipeline_spec.is_none()
            || is_operator_made(object)
            || object.annotation(annotations::JOB).is_some();
        return Ok((spec, remembered));
    }
    let name = &object.spec.pipeline_ref.name;
    let pipeline = find(&context.stores.pipelines, object.namespace(), name).ok_or_else(|| {
        Halt::wait(
            reasons::PIPELINE_NOT_FOUND,
            format!(
                "spec.pipelineRef names AmlPipeline {name:?}, which does not exist in namespace {:?}. Apply it, or make an AmlPipelineRun with the right name.",
                object.namespace()
            ),
        )
    })?;
    Ok((pipeline.spec.clone(), false))
}

/// Names are resolved only as long as the job is to be made: afterwards the job itself says what it reads.
fn resolved(
    context: &Context,
    object: &AmlPipelineRun,
    workspace: &Workspace,
    spec: &AmlPipelineSpec,
    job: Option<&Job>,
) -> Result<Resolved, Halt> {
    if job.is_some() {
        return Err(Halt::wait(reasons::RUNNING, "The job exists."));
    }
    let mut checked = spec.clone();
    // When a pipeline runs does not concern a run.
    checked.publish = None;
    if let Some(run) = &mut checked.run {
        run.schedule = None;
    }
    validate::validate(&checked)?;
    let parameters = object.spec.parameters.iter();
    let unknown = parameters.into_iter().find(|own| !spec.parameters.iter().any(|known| known.name == own.name));
    if let Some(unknown) = unknown {
        return Err(Halt::person(
            reasons::DANGLING_REFERENCE,
            format!(
                "spec.parameters names {:?}, which is no parameter of the pipeline. Make a new AmlPipelineRun.",
                unknown.name
            ),
        ));
    }
    resolve(context, object.namespace(), workspace, spec, &object.spec.inputs)
}

/// What status tells of the job already.
fn before(status: &AmlPipelineRunStatus) -> Progress {
    Progress {
        started: status.start_time.as_ref().map(|at| at.0),
        ended: status.completion_time.as_ref().map(|at| at.0),
        steps: status.steps.clone(),
        trials: status.trials.clone(),
        best: status.best.clone(),
        ..Progress::default()
    }
}

async fn progress(workspace: &Workspace, known: &Known, status: &AmlPipelineRunStatus) -> Result<Progress, Error> {
    let state = known.state().unwrap_or(JobState::Waiting);
    if state == JobState::Waiting {
        return Ok(before(status));
    }
    let discovery = workspace.object.status.as_ref().and_then(|status| status.discovery_url.clone());
    let discovery = discovery.ok_or_else(|| {
        Halt::wait(
            reasons::WORKSPACE_NOT_READY,
            format!(
                "AmlWorkspace {:?} does not tell where run history is yet (status.discoveryUrl).",
                workspace.object.name()
            ),
        )
    })?;
    let host = workspace.azure.history_host(&discovery).await?;
    let history = workspace.azure.history(host);
    progress::read(&history, &known.job_name, &known.spec, state, known.progress.best.as_ref()).await
}

/// The origin of a job that is ours, as status records it. A job that was only found again is not held yet: recorded as
/// held, its earlier uid would read as another cluster's.
pub fn origin(ownership: Option<&Ownership>) -> Option<Origin> {
    ownership.and_then(Ownership::ours)
}
