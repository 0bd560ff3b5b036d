//! Deletion: after all that lives in the workspace, the roles that we gave, and by policy the workspace itself.

use azureml_crds::policies::DeletionPolicy;
use azureml_crds::{AmlResource, AmlWorkspace, reasons};

use super::observe::is_managed;
use crate::context::Context;
use crate::error::Error;
use crate::events::Note;
use crate::ownership::{Origin, Ownership};
use crate::shell::urgency::priority;
use crate::shell::{After, Cleanup};

pub(super) async fn cleanup(context: &Context, object: &AmlWorkspace) -> Result<Cleanup, Error> {
    if let Some(waits) = children(context, object) {
        return Ok(waits);
    }
    let given: Vec<&str> = object
        .status
        .iter()
        .flat_map(|status| &status.access)
        .filter(|entry| entry.owned)
        .map(|entry| entry.id.as_str())
        .collect();
    let delete = is_managed(object) && object.deletion_policy() == Some(DeletionPolicy::Delete);
    if given.is_empty() && !delete {
        return Ok(Cleanup::Done(None));
    }
    let azure = context.azure.workspace(context, object, true).await?.at(priority(object));
    for id in given {
        azure.remove_role_assignment(id).await?;
    }
    if delete { workspace(context, object, &azure).await } else { Ok(Cleanup::Done(None)) }
}

fn children(context: &Context, object: &AmlWorkspace) -> Option<Cleanup> {
    let children = context.stores.children_of(object.namespace(), object.name());
    if children.is_empty() {
        return None;
    }
    let all: Vec<String> = children.iter().map(|(kind, number)| format!("{number} {kind}")).collect();
    let all = all.join(", ");
    Some(if context.stores.has_live_children(object.namespace(), object.name()) {
        Cleanup::Blocked {
            reason: reasons::IN_USE,
            message: format!(
                "Objects of this namespace still refer to this workspace ({all}). Delete them first, or point them elsewhere."
            ),
        }
    } else {
        Cleanup::Waiting { message: format!("Waits until what lives in it is deleted: {all}."), after: After::Poll }
    })
}

async fn workspace(context: &Context, object: &AmlWorkspace, azure: &azureml::Workspace) -> Result<Cleanup, Error> {
    let name = object.azure_name();
    let Some(found) = azure.get().await? else {
        return Ok(Cleanup::Done(Some(Note::normal(reasons::DELETED, format!("Workspace {name:?} is deleted.")))));
    };
    match context.owner(object).judge(&found.tags, false) {
        Ownership::Ours(Origin::Created | Origin::Adopted) => {}
        _ => {
            let message = format!("Workspace {name:?} is not ours and stays.");
            return Ok(Cleanup::Done(Some(Note::normal(reasons::NOT_OWNED, message))));
        }
    }
    let (deletions, what) = (&context.deletions, format!("workspace {name:?}"));
    if let Some(waiting) = deletions.poll(azure.client(), object.uid(), &what).await? {
        return Ok(waiting);
    }
    if ["Deleting", "SoftDeleted"].contains(&found.properties.provisioning_state.as_str()) {
        return Ok(deletions.begun(object.uid(), &what, None));
    }
    let started = azure.delete_workspace().await?;
    Ok(deletions.begun(object.uid(), &what, started.operation))
}
