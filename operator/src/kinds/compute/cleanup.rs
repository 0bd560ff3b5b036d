//! Deletion, by the ARM id that was recorded.

use azureml::ArmId;
use azureml_crds::policies::DeletionPolicy;
use azureml_crds::{AmlCompute, AmlResource, reasons};

use crate::context::Context;
use crate::error::Error;
use crate::events::Note;
use crate::ownership::{Origin, Ownership};
use crate::shell::{After, Cleanup};

pub(super) async fn cleanup(context: &Context, object: &AmlCompute) -> Result<Cleanup, Error> {
    let Some(recorded) = object.status.as_ref().and_then(|status| status.azure.as_ref()) else {
        return Ok(Cleanup::Done(None));
    };
    if object.deletion_policy().is_some_and(|policy| policy != DeletionPolicy::Delete) {
        return Ok(Cleanup::Done(None));
    }
    let id = ArmId::new(&recorded.id);
    let name = id.name();
    let azure = context.workspace_for_cleanup(object.namespace(), &object.spec.workspace_ref.name).await?.azure;
    let Some(found) = azure.compute(name).await? else {
        return Ok(Cleanup::Done(Some(Note::normal(
            reasons::DELETED,
            format!("Cluster {name:?} is gone from Azure."),
        ))));
    };
    let held = recorded.origin.is_some();
    let origin = match context.owner(object).judge(&found.tags, held) {
        Ownership::Ours(origin) | Ownership::Reattach(origin) => origin,
        Ownership::Taken { .. } | Ownership::Foreign { .. } => {
            return Ok(Cleanup::Done(Some(Note::normal(
                "Retained",
                format!("Cluster {name:?} is not ours and stays."),
            ))));
        }
    };
    if object.deletion_policy().is_none() && origin == Origin::Adopted {
        return Ok(Cleanup::Done(Some(Note::normal(
            "Retained",
            format!("Cluster {name:?} was taken over and stays."),
        ))));
    }
    if found.properties.provisioning_state.as_deref() != Some("Deleting") {
        azure.delete_compute(name).await?;
    }
    Ok(Cleanup::Waiting { message: format!("Azure deletes cluster {name:?}."), after: After::Poll })
}
