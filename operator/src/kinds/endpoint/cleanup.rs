//! Deletion: the endpoint with all its deployments, by the recorded ARM id, until Azure says that it is gone.

use azureml::arm::ArmId;
use azureml_crds::policies::DeletionPolicy;
use azureml_crds::{AmlEndpoint, AmlResource, reasons};

use crate::context::Context;
use crate::error::Error;
use crate::events::Note;
use crate::ownership::Ownership;
use crate::rollout::Provisioning;
use crate::shell::{After, Cleanup};

pub async fn cleanup(context: &Context, object: &AmlEndpoint) -> Result<Cleanup, Error> {
    let Some(azure) = object.status.as_ref().and_then(|status| status.azure.as_ref()) else {
        return Ok(Cleanup::Done(None));
    };
    let adopted = azure.origin.as_deref() == Some("adopted");
    let policy =
        object.deletion_policy().unwrap_or(if adopted { DeletionPolicy::Retain } else { DeletionPolicy::Delete });
    let name = ArmId::new(azure.id.as_str()).name().to_owned();
    if policy != DeletionPolicy::Delete {
        let message = format!("Endpoint {name:?} stays in Azure (deletionPolicy Retain).");
        return Ok(Cleanup::Done(Some(Note::normal(reasons::DELETED, message))));
    }
    let workspace = context.workspace_for_cleanup(object, &object.spec.workspace_ref.name).await?;
    // A workspace that is gone took its endpoints with it: that reads as absent too.
    let Some(live) = workspace.azure.online_endpoint(&name).await? else {
        let message = format!("Endpoint {name:?} is gone from Azure.");
        return Ok(Cleanup::Done(Some(Note::normal(reasons::DELETED, message))));
    };
    match context.owner(object).judge(&live.tags, azure.origin.is_some()) {
        Ownership::Ours(_) | Ownership::Reattach(_) => {}
        Ownership::Taken { .. } | Ownership::Foreign { .. } => {
            let message = format!("Endpoint {name:?} is not ours (any more) and stays in Azure.");
            return Ok(Cleanup::Done(Some(Note::warning(reasons::NOT_OWNED, message))));
        }
    }
    let what = format!("endpoint {name:?}");
    if let Some(waiting) = context.deletions.poll(workspace.azure.client(), object.uid(), &what).await? {
        return Ok(waiting);
    }
    let word = live.properties.provisioning_state.as_deref();
    if Provisioning::parse(word) == Provisioning::Moving {
        let message = format!("Endpoint {name:?} is {} in Azure.", word.unwrap_or_default().to_lowercase());
        return Ok(Cleanup::Waiting { message, after: After::Poll });
    }
    context.check_leads()?;
    let started = workspace.azure.delete_online_endpoint(&name).await?;
    Ok(context.deletions.begun(object.uid(), &what, started.operation))
}
