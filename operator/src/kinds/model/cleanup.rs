//! Deletion of a model: the versions that this object registered are archived, deleted or left, one a step.

use azureml::ArmId;
use azureml_crds::policies::DeletionPolicy;
use azureml_crds::{AmlModel, reasons};

use super::version::read;
use crate::context::Context;
use crate::error::Error;
use crate::events::Note;
use crate::ownership::Ownership;
use crate::shell::{After, Cleanup};

pub async fn cleanup(context: &Context, object: &AmlModel) -> Result<Cleanup, Error> {
    let policy = object.spec.deletion_policy.unwrap_or(DeletionPolicy::Archive);
    let recorded = object.status.as_ref().and_then(|status| status.azure.as_ref());
    let Some(recorded) = recorded.filter(|_| policy != DeletionPolicy::Retain) else {
        return Ok(Cleanup::Done(None));
    };
    let id = ArmId::new(&recorded.id);
    let name = id.name();
    let workspace = context.workspace_for_cleanup(object, &object.spec.workspace_ref.name).await?;
    let owner = context.owner(object);
    let Some(container) = workspace.azure.model_container(name).await? else { return Ok(Cleanup::Done(None)) };
    match owner.judge(&container.properties.tags, recorded.origin.is_some()) {
        Ownership::Ours(_) | Ownership::Reattach(_) => {}
        Ownership::Taken { .. } | Ownership::Foreign { .. } => return Ok(Cleanup::Done(None)),
    }
    let delete = policy == DeletionPolicy::Delete;
    let found = workspace.azure.model_versions(name).await?;
    let left =
        found.into_iter().find(|version| read(version, &owner).ours && (delete || !version.properties.is_archived));
    let Some(mut version) = left else {
        let (reason, what) = if delete { (reasons::DELETED, "deleted") } else { (reasons::ARCHIVED, "archived") };
        return Ok(Cleanup::Done(Some(Note::normal(reason, format!("The versions of model {name:?} are {what}.")))));
    };
    context.check_leads()?;
    let number = version.name.clone();
    if delete {
        workspace.azure.delete_model_version(name, &number).await?;
    } else {
        version.properties.is_archived = true;
        workspace.azure.put_model_version(name, &number, &version).await?;
    }
    let what = if delete { "deleted" } else { "archived" };
    Ok(Cleanup::Waiting {
        message: format!("Version {number} of model {name:?} is being {what}."),
        after: After::Asked(std::time::Duration::ZERO),
    })
}
