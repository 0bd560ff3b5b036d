//! The actions of a pipeline: all on its runs.

use std::collections::BTreeMap;

use azureml_crds::pipeline_run::{AmlPipelineRunSpec, DesiredState};
use azureml_crds::references::LocalRef;
use azureml_crds::{AmlPipeline, AmlPipelineRun, AmlResource, annotations, reasons};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use serde_json::json;

use super::observe::summary;
use super::plan::RUN_COMMAND;
use super::{Action, Observed};
use crate::context::Context;
use crate::error::Error;
use crate::events::Note;
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
        Action::DeleteRun(name) => {
            prune(&api, &name).await?;
            observed.runs.retain(|run| run.name != name);
            Ok(vec![])
        }
    }
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
