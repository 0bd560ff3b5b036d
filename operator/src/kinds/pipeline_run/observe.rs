//! What is read of a run: its definition, what that stands for, its job.

use azureml::resources::jobs::{Job, JobState};
use azureml_crds::pipeline::AmlPipelineSpec;
use azureml_crds::pipeline_run::{AmlPipelineRunStatus, RunInput};
use azureml_crds::{AmlPipelineRun, AmlResource, annotations, conditions, reasons};
use jiff::{SignedDuration, Timestamp};

use super::naming::{is_operator_made, job_name};
use super::progress::{self, Progress};
use crate::context::{Context, Workspace};
use crate::error::{Error, Halt, Remedy};
use crate::kinds::pipeline::resolve::{Resolved, resolve};
use crate::kinds::pipeline::steps::{self, StepComponent};
use crate::kinds::pipeline::validate;
use crate::ownership::{Origin, Owner, Ownership};
use crate::shell::references::Key;
use crate::stores::find;

/// How long a run waits for what it needs before it can begin, where its definition does not say.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(1);
/// How long a job lives in Azure at most ("Manage and increase quotas and limits", learn.microsoft.com).
const LONGEST_JOB: SignedDuration = SignedDuration::from_hours(21 * 24);

/// What was read of a run that has not ended yet.
#[derive(Clone, Debug)]
pub struct Known {
    /// Under which the job is owned.
    pub owner: Owner,
    /// The definition that is run.
    pub spec: AmlPipelineSpec,
    /// What its names stand for, where the job is still to be made.
    pub resolved: Result<Resolved, Halt>,
    /// A command step whose component is still to be registered.
    pub unregistered: Option<String>,
    /// Until when it is borne that the job can't be made.
    pub until: Option<Timestamp>,
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
    /// Something was done in this pass: how the run ended, if it did, is judged by the next one, which looks again.
    pub acted: bool,
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

/// A run about whose job nothing can be found out.
#[derive(Clone, Debug)]
pub struct Halted {
    /// Why.
    pub halt: Halt,
    /// Nothing can ever change it: what the run itself says can't be read.
    pub hopeless: bool,
    /// It has a job.
    pub held: bool,
    /// The workspace is gone from Azure, and the job with it.
    pub workspace_gone: bool,
    /// Until when that is borne.
    pub until: Option<Timestamp>,
}

/// What was read.
#[derive(Clone, Debug)]
pub enum Observed {
    /// It has ended, and all is told: Azure is not asked any more.
    Finished,
    /// It has not, and nothing can be found out.
    Halted(Halted),
    /// It has not.
    Under(Box<Known>),
}

pub async fn observe(context: &Context, object: &AmlPipelineRun) -> Result<Observed, Error> {
    let status = object.status.clone().unwrap_or_default();
    if status.phase.is_finished() {
        forget(context, object);
        return Ok(Observed::Finished);
    }
    let (spec, remembered) = match definition(context, object) {
        Ok(found) => found,
        Err(Error::Halt(halt)) => return Ok(halted(context, object, &status, None, halt)),
        Err(error) => return Err(error),
    };
    let workspace = match context.workspace(object, &spec.workspace_ref.name).await {
        Ok(workspace) => workspace,
        Err(Error::Halt(halt)) if matches!(halt.remedy, Remedy::Await | Remedy::Person) => {
            return Ok(halted(context, object, &status, Some(&spec), halt));
        }
        Err(error) => return Err(error),
    };
    let attempt = status.attempt.unwrap_or(1);
    let job_name = job_name(object, attempt);
    let job_id = workspace.azure.id_of(&format!("jobs/{job_name}"));
    let held = status.azure.as_ref().is_some_and(|azure| azure.id == job_id && azure.origin.is_some())
        || (object.spec.import_job.is_some() && status.job.is_some());
    let job = workspace.azure.job(&job_name).await?;
    let resolved = match resolved(context, object, &workspace, &spec, job.as_ref()).await {
        Ok(resolved) => Ok(resolved),
        Err(Error::Halt(halt)) => Err(halt),
        Err(error) => return Err(error),
    };
    let unregistered = resolved.as_ref().ok().and_then(|resolved| unregistered(context, object, resolved));
    let mut known = Known {
        owner: context.owner(object),
        resolved,
        unregistered,
        until: until(object, &status, Some(&spec)),
        progress: before(&status),
        submitted: status.submitted_at.as_ref().map(|at| at.0),
        spec,
        attempt,
        job_name,
        job_id,
        remembered,
        held,
        job,
        acted: false,
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

/// A run that can't be looked at.
fn halted(
    context: &Context,
    object: &AmlPipelineRun,
    status: &AmlPipelineRunStatus,
    spec: Option<&AmlPipelineSpec>,
    halt: Halt,
) -> Observed {
    let workspace =
        spec.and_then(|spec| find(&context.stores.workspaces, object.namespace(), &spec.workspace_ref.name));
    let gone = workspace.and_then(|workspace| workspace.condition(conditions::READY).map(|ready| ready.reason.clone()));
    Observed::Halted(Halted {
        // Before the definition is known there is only the run itself to blame.
        hopeless: spec.is_none() && halt.remedy == Remedy::Person,
        halt,
        held: status.job.is_some(),
        workspace_gone: gone.as_deref() == Some(reasons::AZURE_NOT_FOUND),
        until: until(object, status, spec),
    })
}

/// Until when it is borne that nothing goes on. Before there is a job: as long as the run itself may take, or an hour.
/// With one, that nothing can be found out about: as long as the run may take, or as long as a job lives in Azure.
fn until(object: &AmlPipelineRun, status: &AmlPipelineRunStatus, spec: Option<&AmlPipelineSpec>) -> Option<Timestamp> {
    let limit = spec.and_then(|spec| spec.run.as_ref()?.timeout.as_ref());
    let limit = limit.and_then(|limit| SignedDuration::try_from(limit.std()).ok());
    let (since, otherwise) = match (&status.job, &status.submitted_at) {
        (Some(_), Some(submitted)) => (submitted.0, LONGEST_JOB),
        _ => (object.metadata.creation_timestamp.as_ref()?.0, LONGEST_WAIT),
    };
    let attempts = i32::max(status.attempt.unwrap_or(1), 1);
    since.checked_add(limit.unwrap_or(otherwise).checked_mul(attempts)?).ok()
}

/// The first command step whose component this process has not registered yet.
fn unregistered(context: &Context, object: &AmlPipelineRun, resolved: &Resolved) -> Option<String> {
    let work = &context.fetcher.work;
    let missing = |component: &StepComponent| {
        component.made_of.is_some() && work.kept::<()>(&registered(object, &component.id)).is_none()
    };
    resolved.steps.iter().find(|(_, component)| missing(component)).map(|(step, _)| step.clone())
}

/// Under which it is remembered that a component is registered.
pub fn registered(object: &AmlPipelineRun, component: &str) -> String {
    format!("component/{}/{component}", object.uid())
}

/// Drops what is remembered of a run between passes.
pub fn forget(context: &Context, object: &AmlPipelineRun) {
    context.fetcher.work.drop_kept_below(&registered(object, ""));
    steps::code::forget(context, object.uid());
}

/// Names are resolved only as long as the job is to be made: afterwards the job itself says what it reads.
async fn resolved(
    context: &Context,
    object: &AmlPipelineRun,
    workspace: &Workspace,
    spec: &AmlPipelineSpec,
    job: Option<&Job>,
) -> Result<Resolved, Error> {
    if job.is_some() || object.spec.import_job.is_some() {
        return Err(Halt::wait(reasons::RUNNING, "The job exists.").into());
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
        )
        .into());
    }
    let mut resolved = resolve(context, object.namespace(), workspace, spec, &versions(object))?;
    let waker = Key::new(AmlPipelineRun::KIND, object.namespace(), object.name());
    let place = steps::Place { waker: &waker, uid: object.uid() };
    resolved.steps = steps::look(context, place, workspace, spec, &resolved.types).await?;
    Ok(resolved)
}

/// The versions that the run asks for; when it is tried again, those of the attempt before.
fn versions(object: &AmlPipelineRun) -> Vec<RunInput> {
    let again = object.status.as_ref().filter(|status| status.attempt.unwrap_or(1) > 1);
    let before = again.into_iter().flat_map(|status| &status.inputs);
    let before: Vec<RunInput> =
        before.map(|input| RunInput { name: input.name.clone(), version: input.version.clone() }).collect();
    if before.is_empty() { object.spec.inputs.clone() } else { before }
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
    progress::read(&history, &known.job_name, &known.spec, state, &known.progress).await
}

/// The origin of a job that is ours, as status records it. A job that was only found again is not held yet: recorded as
/// held, its earlier uid would read as another cluster's.
pub fn origin(ownership: Option<&Ownership>) -> Option<Origin> {
    ownership.and_then(Ownership::ours)
}
