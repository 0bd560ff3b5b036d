//! Deletion of a run: an unfinished job is stopped, a finished one stays.

use azureml::ArmId;
use azureml::WorkspaceId;
use azureml::resources::jobs::JobState;
use azureml_crds::policies::DeletionPolicy;
use azureml_crds::{AmlPipelineRun, AmlResource, reasons};

use crate::context::{Context, Workspace};
use crate::error::{Error, Halt};
use crate::events::Note;
use crate::ownership::Ownership;
use crate::shell::{After, Cleanup};

pub async fn cleanup(context: &Context, object: &AmlPipelineRun) -> Result<Cleanup, Error> {
    let Some(status) = &object.status else { return Ok(Cleanup::Done(None)) };
    let Some(azure) = &status.azure else { return Ok(Cleanup::Done(None)) };
    let keeps = object.spec.import_job.is_some() || object.spec.deletion_policy == Some(DeletionPolicy::Retain);
    if status.phase.is_finished() || keeps {
        return Ok(Cleanup::Done(None));
    }
    let id = ArmId::new(&azure.id);
    let workspace = workspace_of(context, object, &id).await?;
    let Some(job) = workspace.azure.job(id.name()).await? else { return Ok(Cleanup::Done(None)) };
    let ours = matches!(
        context.owner(object).judge(&job.properties.tags, azure.origin.is_some()),
        Ownership::Ours(_) | Ownership::Reattach(_)
    );
    if !ours {
        return Ok(Cleanup::Done(None));
    }
    match job.state() {
        JobState::Canceled => Ok(Cleanup::Done(Some(Note::normal(
            reasons::RUN_CANCELLED,
            format!("The job {:?} was cancelled, for its AmlPipelineRun was deleted.", id.name()),
        )))),
        JobState::Completed | JobState::Failed => Ok(Cleanup::Done(None)),
        JobState::Waiting | JobState::Running => {
            if job.properties.status.as_deref() != Some("CancelRequested") {
                context.check_leads()?;
                workspace.azure.cancel_job(id.name()).await?;
            }
            Ok(Cleanup::Waiting { message: format!("The job {:?} is being cancelled.", id.name()), after: After::Poll })
        }
    }
}

/// The workspace that an ARM id lies in: found by the id, for the pipeline that named it may be gone.
async fn workspace_of(context: &Context, run: &AmlPipelineRun, id: &ArmId) -> Result<Workspace, Error> {
    let namespace = run.namespace();
    let lies_in = |object: &azureml_crds::AmlWorkspace| {
        let workspace = WorkspaceId {
            subscription_id: object.spec.subscription_id.clone(),
            resource_group: object.spec.resource_group.clone(),
            name: object.azure_name(),
        };
        let prefix = format!("{}/", workspace.arm_id().as_str()).to_lowercase();
        id.as_str().to_lowercase().starts_with(&prefix)
    };
    let found = context.stores.workspaces.find(|object| object.namespace() == namespace && lies_in(object));
    let object = found.ok_or_else(|| {
        Halt::wait(
            reasons::WORKSPACE_NOT_FOUND,
            format!("No AmlWorkspace of namespace {namespace:?} leads to {id}, so its job can't be cancelled. Apply the AmlWorkspace again."),
        )
    })?;
    context.workspace_for_cleanup(run, object.name()).await
}
