//! Deletion: the versions that we registered are archived or deleted; those of others are left.

use azureml::ArmId;
use azureml_crds::policies::DeletionPolicy;
use azureml_crds::{AmlDataset, AmlResource, reasons, tags};

use super::apply::archive;
use super::observe::kept;
use crate::context::Context;
use crate::error::Error;
use crate::events::Note;
use crate::ownership::Ownership;
use crate::shell::{After, Cleanup};

pub(super) async fn cleanup(context: &Context, object: &AmlDataset) -> Result<Cleanup, Error> {
    context.fetcher.work.forget(kept(object));
    let Some(recorded) = object.status.as_ref().and_then(|status| status.azure.as_ref()) else {
        return Ok(Cleanup::Done(None));
    };
    let policy = object.deletion_policy().unwrap_or(DeletionPolicy::Archive);
    if policy == DeletionPolicy::Retain {
        return Ok(Cleanup::Done(None));
    }
    let id = ArmId::new(&recorded.id);
    let name = id.name();
    let azure = context.workspace_for_cleanup(object, &object.spec.workspace_ref.name).await?.azure;
    let Some(container) = azure.data_container(name).await? else { return Ok(Cleanup::Done(None)) };
    let owner = context.owner(object);
    match owner.judge(&container.properties.tags, recorded.origin.is_some()) {
        Ownership::Ours(_) | Ownership::Reattach(_) => {}
        Ownership::Taken { .. } | Ownership::Foreign { .. } => {
            let message = format!("Data asset {name:?} is not ours and stays.");
            return Ok(Cleanup::Done(Some(Note::normal("Retained", message))));
        }
    }
    let id = owner.id.to_string();
    let all = azure.data_versions(name).await?;
    let ours = all.into_iter().filter(|version| version.properties.tags.get(tags::OWNER) == Some(&id));
    let left: Vec<String> = ours
        .filter(|version| policy == DeletionPolicy::Delete || !version.properties.is_archived)
        .map(|version| version.name)
        .collect();
    if left.is_empty() {
        let (reason, what) = match policy {
            DeletionPolicy::Delete => (reasons::DELETED, "deleted"),
            _ => (reasons::ARCHIVED, "archived"),
        };
        let message = format!("The versions of data asset {name:?} are {what}.");
        return Ok(Cleanup::Done(Some(Note::normal(reason, message))));
    }
    for version in &left {
        context.check_leads()?;
        match policy {
            DeletionPolicy::Delete => azure.delete_data_version(name, version).await?,
            _ => archive(&azure, name, version, true).await?,
        }
    }
    Ok(Cleanup::Waiting { message: format!("{} versions of {name:?} are seen to.", left.len()), after: After::Poll })
}
