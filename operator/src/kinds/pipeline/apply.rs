//! The actions of a pipeline: on its runs, and on what it has in Azure by itself.

use std::collections::BTreeMap;

use azureml::Started;
use azureml::resources::batch::{BatchDefaults, BatchEndpoint};
use azureml::resources::schedules::Schedule;
use azureml_crds::pipeline_run::{AmlPipelineRunSpec, DesiredState};
use azureml_crds::references::LocalRef;
use azureml_crds::{AmlPipeline, AmlPipelineRun, AmlResource, annotations, reasons};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use serde_json::json;

use super::cause::shown_name;
use super::discovery::Found;
use super::footprint::Footprint;
use super::observe::summary;
use super::plan::RUN_COMMAND;
use super::resolve::Resolved;
use super::{Action, Observed, publication, schedule};
use crate::context::Context;
use crate::error::{Error, Halt};
use crate::events::Note;
use crate::kinds::operation;
use crate::ownership::Origin;
use crate::shell::children;

pub async fn apply(
    context: &Context,
    object: &AmlPipeline,
    observed: &mut Observed,
    action: Action,
) -> Result<Vec<Note>, Error> {
    let api: Api<AmlPipelineRun> = Api::namespaced(context.client.clone(), object.namespace());
    match action {
        Action::CreateRun { name, cause, key, token } => {
            let run = match api.create(&PostParams::default(), &child(object, &name, cause)).await {
                Ok(run) => run,
                // Made before the last crash, or not in the cache yet.
                Err(kube::Error::Api(status)) if status.code == 409 => api.get(&name).await?,
                Err(error) => return Err(error.into()),
            };
            observed.runs.insert(0, summary(object, &run));
            settle(observed, key, token);
            Ok(vec![Note::normal(reasons::CREATED, format!("AmlPipelineRun {name} was made ({cause})."))])
        }
        Action::Settle { key, token, skipped_for } => {
            match (&skipped_for, token) {
                // Only the person's wish is skipped: what the triggers want is looked at for itself.
                (Some(_), Some(token)) => {
                    observed.handled.insert(RUN_COMMAND.to_owned(), token);
                }
                (_, token) => settle(observed, key, token),
            }
            Ok(skipped_for
                .map(|other| {
                    Note::warning(
                        reasons::RUN_SKIPPED,
                        format!("A run is due and left out, for AmlPipelineRun {other} is unfinished and spec.run.concurrencyPolicy is Forbid. Set the annotation {} to start one later.", annotations::RUN),
                    )
                })
                .into_iter()
                .collect())
        }
        Action::CancelRun(name) => {
            let patch = json!({"spec": {"state": DesiredState::Cancelled}});
            api.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await?;
            if let Some(run) = observed.runs.iter_mut().find(|run| run.name == name) {
                run.leaving = true;
            }
            Ok(vec![Note::normal(
                reasons::SUPERSEDED,
                format!("AmlPipelineRun {name} is cancelled, for a newer one takes its place."),
            )])
        }
        Action::DeleteRuns(names) => {
            for name in names {
                prune(&api, &name).await?;
                observed.runs.retain(|run| run.name != name);
            }
            Ok(vec![])
        }
        Action::ShowRuns(all) => {
            let mut notes = Vec::new();
            for found in all {
                notes.push(show_run(&api, object, observed, &found).await?);
            }
            Ok(notes)
        }
        other => in_azure(context, object, observed, other).await,
    }
}

/// Shows a run that Azure started. Its name follows from the job's, so that it is shown once.
async fn show_run(
    api: &Api<AmlPipelineRun>,
    object: &AmlPipeline,
    observed: &mut Observed,
    found: &Found,
) -> Result<Note, Error> {
    let name = shown_name(object.name(), &observed.owner, &found.name);
    let mut run = child(object, &name, found.cause);
    let spec = serde_json::to_string(&object.spec).unwrap_or_default();
    let annotations = run.metadata.annotations.get_or_insert_with(BTreeMap::new);
    annotations.insert(annotations::PIPELINE_SPEC.to_owned(), spec);
    (run.spec.pipeline_spec, run.spec.deletion_policy) = (None, None);
    run.spec.import_job = Some(found.name.clone());
    let run = match api.create(&PostParams::default(), &run).await {
        Ok(run) => run,
        Err(kube::Error::Api(status)) if status.code == 409 => api.get(&name).await?,
        Err(error) => return Err(error.into()),
    };
    observed.runs.insert(0, summary(object, &run));
    let message =
        format!("AmlPipelineRun {name} shows the job {:?}, which Azure started ({}).", found.name, found.cause);
    Ok(Note::normal(reasons::RUN_FOUND, message))
}

async fn in_azure(
    context: &Context,
    object: &AmlPipeline,
    observed: &mut Observed,
    action: Action,
) -> Result<Vec<Note>, Error> {
    let (Some(footprint), Some(azure)) = (&mut observed.footprint, &observed.azure) else { return Ok(Vec::new()) };
    match action {
        Action::Remember(mark) => {
            footprint.mark = Some(mark);
            Ok(Vec::new())
        }
        Action::TellMissed(at) => {
            footprint.missed = Some(at);
            let message = format!(
                "Schedule {:?} should have started a run at {at}, and Azure has none: the studio's page of the schedule says why (a cluster that was deleted, a quota, a role).",
                footprint.schedule.name()
            );
            Ok(vec![Note::warning(reasons::SCHEDULE_MISSED, message)])
        }
        Action::PutSchedule { .. } | Action::DisableSchedule | Action::DeleteSchedule => {
            let resolved = observed.resolved.as_ref();
            on_schedule(context, object, azure, footprint, resolved, &action).await
        }
        other => on_address(context, azure, footprint, other).await,
    }
}

/// Notes an operation that was started.
fn started<T>(context: &Context, footprint: &mut Footprint, kind: &str, target: &str, answer: Started<T>) -> Option<T> {
    footprint.operation = None;
    footprint.started = answer.operation.map(|started| operation::remember(&started, kind, target, context.now()));
    answer.body
}

/// The schedule as it is, disabled, to be put back.
#[must_use]
pub fn disabled(found: &Schedule) -> Schedule {
    let mut body = found.clone();
    (body.id, body.name) = (String::new(), String::new());
    body.properties.provisioning_state = None;
    body.properties.is_enabled = false;
    body
}

async fn on_schedule(
    context: &Context,
    object: &AmlPipeline,
    azure: &azureml::Workspace,
    footprint: &mut Footprint,
    resolved: Result<&Resolved, &Halt>,
    action: &Action,
) -> Result<Vec<Note>, Error> {
    let name = footprint.schedule.name();
    let found = footprint.schedule.found.clone();
    match (action, found) {
        (Action::PutSchedule { reason }, found) => {
            let Some(spec) = object.spec.run.as_ref().and_then(|run| run.schedule.as_ref()) else {
                return Ok(Vec::new());
            };
            let (times, resolved) = (schedule::times(spec)?, resolved.map_err(Clone::clone)?);
            let known = found.map(|found| found.properties.tags).unwrap_or_default();
            let origin = footprint.owner.judge(&known, footprint.schedule.held).ours().unwrap_or(Origin::Created);
            let mut body = schedule::wanted(object, spec, &times, resolved, &footprint.owner, origin);
            // What others wrote into its tags stays.
            let own = std::mem::take(&mut body.properties.tags);
            body.properties.tags = known.into_iter().chain(own).collect();
            let answer = azure.put_schedule(&name, &body).await?;
            if let Some(body) = started(context, footprint, "PutSchedule", &name, answer) {
                footprint.schedule.found = Some(body);
            }
            let enabled = if body.properties.is_enabled { "" } else { ", disabled" };
            Ok(vec![Note::normal(
                *reason,
                format!("Schedule {name:?} was put in Azure{enabled}: {:?}, {}.", spec.cron, times.windows),
            )])
        }
        (Action::DisableSchedule, Some(found)) => {
            let answer = azure.put_schedule(&name, &disabled(&found)).await?;
            if let Some(body) = started(context, footprint, "DisableSchedule", &name, answer) {
                footprint.schedule.found = Some(body);
            }
            Ok(Vec::new())
        }
        (Action::DeleteSchedule, _) => {
            let answer = azure.delete_schedule(&name).await?;
            started(context, footprint, "DeleteSchedule", &name, answer);
            Ok(vec![Note::normal(reasons::DELETED, format!("Schedule {name:?} is deleted in Azure."))])
        }
        _ => Ok(Vec::new()),
    }
}

async fn on_address(
    context: &Context,
    azure: &azureml::Workspace,
    footprint: &mut Footprint,
    action: Action,
) -> Result<Vec<Note>, Error> {
    let (name, owner) = (footprint.endpoint.name(), footprint.owner.clone());
    let (found, publication) = (footprint.endpoint.found.clone(), footprint.publication.clone());
    match (action, publication) {
        (Action::PutEndpoint { origin, reason }, _) => {
            let body = match &found {
                Some(live) => BatchEndpoint { tags: owner.tagged(&live.tags, origin), ..publication::writable(live) },
                None => publication::endpoint(&footprint.location, owner.tags(origin)),
            };
            let answer = azure.put_batch_endpoint(&name, &body).await;
            let answer = answer.map_err(|error| if found.is_none() { not_made(&name, error) } else { error.into() })?;
            if let Some(body) = started(context, footprint, "PutBatchEndpoint", &name, answer) {
                footprint.endpoint.found = Some(body);
            }
            Ok(vec![Note::normal(reason, format!("Batch endpoint {name:?} was put in Azure."))])
        }
        (Action::PutComponent, Some(publication)) => {
            let body = publication::component(&publication, owner.tags(Origin::Created));
            azure.put_component_version(&publication.component, &publication.version, &body).await?;
            footprint.component = true;
            Ok(Vec::new())
        }
        (Action::PutDeployment, Some(publication)) => {
            let component = format!("components/{}/versions/{}", publication.component, publication.version);
            let body = publication::deployment(&publication, &azure.id_of(&component), &footprint.location, &owner);
            let answer = azure.put_batch_deployment(&name, &publication.deployment, &body).await?;
            started(context, footprint, "PutBatchDeployment", &publication.deployment, answer);
            Ok(Vec::new())
        }
        (Action::SetDefault, Some(publication)) => {
            let Some(live) = found else { return Ok(Vec::new()) };
            let mut body = publication::writable(&live);
            body.properties.defaults = Some(BatchDefaults { deployment_name: Some(publication.deployment.clone()) });
            let answer = azure.put_batch_endpoint(&name, &body).await?;
            if let Some(body) = started(context, footprint, "SetDefaultDeployment", &name, answer) {
                footprint.endpoint.found = Some(body);
            }
            let message = format!("Batch endpoint {name:?} runs version {:?} from now on.", publication.version);
            Ok(vec![Note::normal(reasons::PUBLISHED, message)])
        }
        (Action::DeleteDeployment(deployment), _) => {
            let answer = azure.delete_batch_deployment(&name, &deployment).await?;
            started(context, footprint, "DeleteBatchDeployment", &deployment, answer);
            Ok(Vec::new())
        }
        (Action::DeleteEndpoint, _) => {
            let answer = azure.delete_batch_endpoint(&name).await?;
            started(context, footprint, "DeleteBatchEndpoint", &name, answer);
            Ok(vec![Note::normal(reasons::DELETED, format!("Batch endpoint {name:?} is deleted in Azure."))])
        }
        _ => Ok(Vec::new()),
    }
}

/// There is none of this name in the workspace: what is in the way is somebody else's in the region.
fn not_made(name: &str, error: azureml::Error) -> Error {
    if error.status() != Some(409) || !error.has_code("Conflict") {
        return error.into();
    }
    let message = format!("The name {name:?} is taken in the region: {error} Write another spec.publish.endpointName.");
    Halt::person(reasons::NAME_TAKEN, message).into()
}

fn settle(observed: &mut Observed, key: azureml_crds::pipeline::CauseKey, token: Option<String>) {
    // What a person asked for counts for the triggers too: it runs what they would run.
    observed.last_cause = Some(key);
    if let Some(token) = token {
        observed.handled.insert(RUN_COMMAND.to_owned(), token);
    }
}

/// Deletes a run that is finished at this very version of it.
async fn prune(api: &Api<AmlPipelineRun>, name: &str) -> Result<(), Error> {
    let Some(run) = api.get_opt(name).await? else { return Ok(()) };
    let phase = run.status.as_ref().map(|status| status.phase).unwrap_or_default();
    if !phase.is_finished() {
        return Ok(());
    }
    let preconditions =
        Preconditions { uid: run.metadata.uid.clone(), resource_version: run.metadata.resource_version.clone() };
    let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::background() };
    match api.delete(name, &parameters).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The run with the definition as it is now.
fn child(object: &AmlPipeline, name: &str, cause: &str) -> AmlPipelineRun {
    let mut metadata = children::metadata(object, name);
    metadata.annotations.get_or_insert_with(BTreeMap::new).insert(annotations::CAUSE.to_owned(), cause.to_owned());
    AmlPipelineRun {
        metadata,
        spec: AmlPipelineRunSpec {
            pipeline_ref: LocalRef { name: object.name().to_owned() },
            parameters: Vec::new(),
            inputs: Vec::new(),
            pipeline_spec: Some(object.spec.clone()),
            import_job: None,
            state: None,
            deletion_policy: object.spec.deletion_policy,
        },
        status: None,
    }
}
