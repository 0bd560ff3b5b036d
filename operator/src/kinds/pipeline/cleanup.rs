//! Deletion of a pipeline: first the schedule, so that nothing starts any more, then the published address with all
//! behind it.
//!
//! The definition itself has nothing in Azure. Its runs are deleted by their owner reference, and each cancels its
//! unfinished job unless its policy, copied from the pipeline's, says otherwise; jobs that Azure started go on.

use azureml::ArmId;
use azureml_crds::policies::DeletionPolicy;
use azureml_crds::status::AzureObject;
use azureml_crds::{AmlPipeline, AmlResource, reasons};

use super::apply::disabled;
use crate::context::{Context, Workspace};
use crate::error::Error;
use crate::events::Note;
use crate::ownership::Origin;
use crate::shell::{After, Cleanup};

pub async fn cleanup(context: &Context, object: &AmlPipeline) -> Result<Cleanup, Error> {
    let Some(status) = &object.status else { return Ok(Cleanup::Done(None)) };
    let schedule = status.schedule.as_ref().and_then(|schedule| schedule.azure.as_ref());
    let endpoint = status.published.as_ref().and_then(|published| published.azure.as_ref());
    if schedule.is_none() && endpoint.is_none() {
        return Ok(Cleanup::Done(None));
    }
    if object.deletion_policy().is_some_and(|policy| policy != DeletionPolicy::Delete) {
        let message = "Its schedule and its published address stay in Azure (deletionPolicy Retain).";
        return Ok(Cleanup::Done(Some(Note::normal(reasons::RETAINED, message))));
    }
    let workspace = context.workspace_for_cleanup(object, &object.spec.workspace_ref.name).await?;
    if let Some(recorded) = schedule
        && let Some(waiting) = schedule_goes(context, object, &workspace, recorded).await?
    {
        return Ok(waiting);
    }
    if let Some(recorded) = endpoint
        && let Some(waiting) = endpoint_goes(context, object, &workspace, recorded).await?
    {
        return Ok(waiting);
    }
    Ok(Cleanup::Done(Some(Note::normal(reasons::DELETED, "What it had in Azure is gone, but for the jobs that ran."))))
}

/// `None` once there is none of ours.
async fn schedule_goes(
    context: &Context,
    object: &AmlPipeline,
    workspace: &Workspace,
    recorded: &AzureObject,
) -> Result<Option<Cleanup>, Error> {
    let name = ArmId::new(&recorded.id).name().to_owned();
    let Some(found) = workspace.azure.schedule(&name).await? else { return Ok(None) };
    if !is_ours(context, object, &found.properties.tags, recorded) {
        return Ok(None);
    }
    let what = format!("schedule {name:?}");
    if let Some(waiting) = context.deletions.poll(workspace.azure.client(), object.uid(), &what).await? {
        return Ok(Some(waiting));
    }
    if let Some(waiting) = moving(&what, found.properties.provisioning_state.as_deref()) {
        return Ok(Some(waiting));
    }
    context.check_leads()?;
    // Azure deletes none that is enabled.
    if found.properties.is_enabled {
        workspace.azure.put_schedule(&name, &disabled(&found)).await?;
        return Ok(Some(Cleanup::Waiting { message: format!("The {what} is being disabled."), after: After::Poll }));
    }
    let started = workspace.azure.delete_schedule(&name).await?;
    Ok(Some(context.deletions.begun(object.uid(), &what, started.operation)))
}

/// `None` once there is none of ours.
async fn endpoint_goes(
    context: &Context,
    object: &AmlPipeline,
    workspace: &Workspace,
    recorded: &AzureObject,
) -> Result<Option<Cleanup>, Error> {
    let name = ArmId::new(&recorded.id).name().to_owned();
    let Some(found) = workspace.azure.batch_endpoint(&name).await? else { return Ok(None) };
    let adopted = recorded.origin.as_deref() == Some(Origin::Adopted.as_str());
    let stays = adopted && object.deletion_policy().is_none();
    if stays || !is_ours(context, object, &found.tags, recorded) {
        return Ok(None);
    }
    let what = format!("batch endpoint {name:?}");
    if let Some(waiting) = context.deletions.poll(workspace.azure.client(), object.uid(), &what).await? {
        return Ok(Some(waiting));
    }
    if let Some(waiting) = moving(&what, found.properties.provisioning_state.as_deref()) {
        return Ok(Some(waiting));
    }
    context.check_leads()?;
    let started = workspace.azure.delete_batch_endpoint(&name).await?;
    Ok(Some(context.deletions.begun(object.uid(), &what, started.operation)))
}

fn is_ours(context: &Context, object: &AmlPipeline, tags: &azureml::resources::Map, recorded: &AzureObject) -> bool {
    use crate::ownership::Ownership;
    let ownership = context.owner(object).judge(tags, recorded.origin.is_some());
    matches!(ownership, Ownership::Ours(_) | Ownership::Reattach(_))
}

fn moving(what: &str, state: Option<&str>) -> Option<Cleanup> {
    let state = state.filter(|state| ["Creating", "Updating", "Deleting"].contains(state))?;
    Some(Cleanup::Waiting { message: format!("The {what} is {} in Azure.", state.to_lowercase()), after: After::Poll })
}
