//! Does one thing.

use azureml::resources::data::{AssetContainer, DataVersion, DataVersionProperties};
use azureml_crds::dataset::DatasetType;
use azureml_crds::{AmlDataset, AmlResource, reasons};
use serde_json::json;

use super::content::Content;
use super::observe::{Observed, Sight, upload_name, version_tags};
use super::plan::Action;
use super::upload;
use crate::context::Context;
use crate::error::{Error, Halt};
use crate::events::Note;
use crate::ownership::{Origin, Owner};
use crate::shell::references::Key;

pub(super) async fn apply(
    context: &Context,
    object: &AmlDataset,
    observed: &mut Observed,
    action: Action,
) -> Result<Vec<Note>, Error> {
    let name = object.azure_name();
    let (Some(azure), Some(owner)) = (observed.azure.clone(), observed.owner.clone()) else { return Ok(Vec::new()) };
    match action {
        Action::Claim(origin, reason) => claim(object, observed, &azure, &owner, origin, reason).await,
        Action::Upload => {
            if let Sight::Content(content) = &observed.sight {
                let (wakers, key) =
                    (context.wakers.clone(), Key::new(AmlDataset::KIND, object.namespace(), object.name()));
                let copying = upload::upload(azure, content.clone());
                context.fetcher.work.start(&upload_name(object, content), copying, move || wakers.wake(key));
            }
            observed.uploading = true;
            Ok(Vec::new())
        }
        Action::Register(version) => {
            let Sight::Content(content) = observed.sight.clone() else { return Ok(Vec::new()) };
            let body = body(object, &content, &owner)?;
            let made = azure.put_data_version(&name, &version, &body).await?;
            observed.target = Some(named(made.unwrap_or(body), &version));
            let message = format!("Version {version:?} was registered ({} bytes).", content.size);
            Ok(vec![Note::normal(reasons::VERSION_REGISTERED, message)])
        }
        Action::Use(version) => {
            if observed.target.as_ref().is_some_and(|found| found.properties.is_archived) {
                archive(&azure, &name, &version, false).await?;
            }
            if let Some(found) = &mut observed.target {
                found.properties.is_archived = false;
            }
            let before = object.status.as_ref().and_then(|status| status.version.as_ref());
            let came_back = before.is_some_and(|before| *before != version);
            let message = format!("The content is that of version {version:?} again.");
            Ok(if came_back { vec![Note::normal(reasons::REVERTED, message)] } else { Vec::new() })
        }
        Action::Archive(version) => {
            archive(&azure, &name, &version, true).await?;
            let message = format!("Version {version:?} was archived (spec.versionHistory.keep).");
            observed.archived.push(version);
            Ok(vec![Note::normal(reasons::ARCHIVED, message)])
        }
        Action::Restore(version) => {
            archive(&azure, &name, &version, false).await?;
            let message = format!("Version {version:?} had been archived and was brought back.");
            Ok(vec![Note::normal(reasons::DRIFT_CORRECTED, message)])
        }
        Action::Follow(version) => {
            let before = object.status.as_ref().and_then(|status| status.version.as_ref());
            let before = before.map(|before| format!(" Before, it was {before:?}.")).unwrap_or_default();
            let message = format!("Version {version:?} of the registry's data asset is used now.{before}");
            Ok(vec![Note::normal(reasons::VERSION_FOLLOWED, message)])
        }
        Action::Retag(version, tags) => {
            let names: Vec<&str> = tags.keys().map(String::as_str).collect();
            let message = format!("Version {version:?} had other tags and was put right: {}.", names.join(", "));
            change(&azure, &name, &version, |found| {
                let before = found.tags.clone();
                found.tags.extend(tags);
                found.tags != before
            })
            .await?;
            Ok(vec![Note::normal(reasons::DRIFT_CORRECTED, message)])
        }
    }
}

async fn claim(
    object: &AmlDataset,
    observed: &mut Observed,
    azure: &azureml::Workspace,
    owner: &Owner,
    origin: Origin,
    reason: Option<&'static str>,
) -> Result<Vec<Note>, Error> {
    let name = object.azure_name();
    let mut container = observed.container.clone().unwrap_or_default();
    container = AssetContainer { properties: container.properties, ..AssetContainer::default() };
    let properties = &mut container.properties;
    properties.tags = owner.tagged(&properties.tags, origin);
    properties.data_type.get_or_insert_with(|| object.spec.type_.azure().to_owned());
    (properties.latest_version, properties.next_version) = (None, None);
    properties.extra.remove("provisioningState");
    azure.put_data_container(&name, &container).await?;
    observed.container = Some(container);
    let what = match reason {
        None => return Ok(vec![Note::normal(reasons::CREATED, format!("Data asset {name:?} was made in Azure."))]),
        Some(reasons::ADOPTED) => "taken over",
        Some(_) => "found again",
    };
    Ok(reason.map(|reason| Note::normal(reason, format!("Data asset {name:?} was {what}."))).into_iter().collect())
}

fn body(object: &AmlDataset, content: &Content, owner: &Owner) -> Result<DataVersion, Error> {
    let type_ = object.spec.type_;
    let copied = content.copied_to.get().map(|datastore| content.address(type_, datastore));
    let data_uri = copied
        .or_else(|| content.lies_at.clone())
        .ok_or_else(|| Halt::retry(reasons::PROGRESSING, "The content is not in the workspace's blob store yet."))?;
    let mut extra = serde_json::Map::new();
    if type_ == DatasetType::Table {
        extra.insert("referencedUris".into(), json!([]));
    }
    Ok(DataVersion {
        properties: DataVersionProperties {
            data_type: type_.azure().to_owned(),
            data_uri,
            description: object.spec.description.clone(),
            tags: version_tags(owner, &content.digest),
            extra,
            ..DataVersionProperties::default()
        },
        ..DataVersion::default()
    })
}

fn named(mut found: DataVersion, version: &str) -> DataVersion {
    found.name = version.to_owned();
    found
}

/// Archives a version, or brings it back; one that is gone is no error.
pub(super) async fn archive(
    azure: &azureml::Workspace,
    name: &str,
    version: &str,
    archived: bool,
) -> Result<(), Error> {
    change(azure, name, version, |found| std::mem::replace(&mut found.is_archived, archived) != archived).await
}

/// Reads a version, and puts it back where that changed it; one that is gone is no error.
async fn change(
    azure: &azureml::Workspace,
    name: &str,
    version: &str,
    change: impl FnOnce(&mut DataVersionProperties) -> bool,
) -> Result<(), Error> {
    let Some(found) = azure.data_version(name, version).await? else { return Ok(()) };
    let mut properties = found.properties;
    if !change(&mut properties) {
        return Ok(());
    }
    properties.extra.remove("provisioningState");
    azure.put_data_version(name, version, &DataVersion { properties, ..DataVersion::default() }).await?;
    Ok(())
}
