//! The actions of a run.

use std::sync::Arc;

use azureml_crds::{AmlPipelineRun, AmlResource, annotations, reasons};
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

use super::job::{Wanted, body};
use super::naming::job_name;
use super::observe::{forget, registered};
use super::progress::Progress;
use super::{Action, Known, Observed, words};
use crate::context::Context;
use crate::error::{Error, Halt};
use crate::events::Note;
use crate::kinds::pipeline::steps;
use crate::ownership::{Origin, Ownership};

pub async fn apply(
    context: &Context,
    object: &AmlPipelineRun,
    observed: &mut Observed,
    action: Action,
) -> Result<Vec<Note>, Error> {
    let Observed::Under(known) = observed else { return Ok(Vec::new()) };
    known.acted = true;
    match action {
        Action::Remember => remember(context, object, known).await,
        Action::Register(step) => register(context, object, known, &step).await,
        Action::Submit => submit(context, object, known).await,
        Action::Reattach => reattach(context, object, known).await,
        Action::Cancel => {
            let workspace = context.workspace(object, &known.spec.workspace_ref.name).await?;
            workspace.azure.cancel_job(&known.job_name).await?;
            known.job = workspace.azure.job(&known.job_name).await?;
            Ok(vec![Note::normal(reasons::RUN_CANCELLED, format!("The job {:?} is being stopped.", known.job_name))])
        }
        Action::NextAttempt => {
            let note = Note::warning(
                reasons::RUN_FAILED,
                format!("Attempt {} failed and is tried again. {}", known.attempt, words::failure(known)),
            );
            let id = known.job_id.strip_suffix(&known.job_name).unwrap_or_default().to_owned();
            known.attempt += 1;
            known.job_name = job_name(object, known.attempt);
            known.job_id = format!("{id}{}", known.job_name);
            known.job = None;
            known.held = false;
            known.submitted = None;
            known.progress = Progress::default();
            Ok(vec![note])
        }
    }
}

/// Writes the job's name and the definition into annotations: what a later pass reads is what is submitted.
async fn remember(context: &Context, object: &AmlPipelineRun, known: &mut Known) -> Result<Vec<Note>, Error> {
    let spec = serde_json::to_string(&known.spec).map_err(|error| {
        Halt::person(reasons::INVALID_SPEC, format!("The pipeline's definition can't be written as JSON: {error}"))
    })?;
    let annotations = if object.spec.pipeline_spec.is_some() {
        json!({annotations::JOB: known.job_name})
    } else {
        json!({annotations::JOB: known.job_name, annotations::PIPELINE_SPEC: spec})
    };
    let patch = json!({"metadata": {"annotations": annotations, "resourceVersion": object.metadata.resource_version}});
    let api: Api<AmlPipelineRun> = Api::namespaced(context.client.clone(), object.namespace());
    let written = api.patch(object.name(), &PatchParams::default(), &Patch::Merge(patch)).await?;
    context.fresh.wrote(object.uid(), written.metadata.resource_version.as_deref());
    known.remembered = true;
    Ok(Vec::new())
}

/// Registers what a command step is made of.
async fn register(context: &Context, object: &AmlPipelineRun, known: &Known, step: &str) -> Result<Vec<Note>, Error> {
    let resolved = known.resolved.clone()?;
    let Some(component) = resolved.steps.get(step) else { return Ok(Vec::new()) };
    if let Some(parts) = &component.made_of {
        let workspace = context.workspace(object, &known.spec.workspace_ref.name).await?;
        steps::register::register(&workspace.azure, parts).await?;
    }
    context.fetcher.work.keep(&registered(object, &component.id), Arc::new(()));
    Ok(Vec::new())
}

async fn submit(context: &Context, object: &AmlPipelineRun, known: &mut Known) -> Result<Vec<Note>, Error> {
    let resolved = known.resolved.clone()?;
    let workspace = context.workspace(object, &known.spec.workspace_ref.name).await?;
    let wanted = Wanted {
        spec: &known.spec,
        parameters: &object.spec.parameters,
        resolved: &resolved,
        experiment: known.spec.experiment.as_deref().unwrap_or(&object.spec.pipeline_ref.name),
        display_name: object.name(),
        tags: &known.owner.tags(Origin::Created),
    };
    let answer = workspace.azure.submit_pipeline(&known.job_name, &body(&wanted)).await?;
    known.submitted = Some(context.now());
    known.job = match answer {
        Some(job) => Some(job),
        None => workspace.azure.job(&known.job_name).await?,
    };
    forget(context, object);
    Ok(vec![Note::normal(
        reasons::RUN_SUBMITTED,
        format!("The job {:?} was submitted to experiment {:?}.", known.job_name, wanted.experiment),
    )])
}

async fn reattach(context: &Context, object: &AmlPipelineRun, known: &mut Known) -> Result<Vec<Note>, Error> {
    let (Some(Ownership::Reattach(origin)), Some(mut job)) = (known.ownership(), known.job.clone()) else {
        return Ok(Vec::new());
    };
    let workspace = context.workspace(object, &known.spec.workspace_ref.name).await?;
    job.properties.tags = known.owner.tagged(&job.properties.tags, origin);
    workspace.azure.put_job(&known.job_name, &job).await?;
    known.job = Some(job);
    Ok(vec![Note::normal(
        reasons::REATTACHED,
        format!(
            "The job {:?} of an earlier object of this name was found again; nothing is run twice.",
            known.job_name
        ),
    )])
}
