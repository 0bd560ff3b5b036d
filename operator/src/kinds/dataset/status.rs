//! What status says. Pure.

use azureml::resources::data::DataVersion;
use azureml_crds::AmlDataset;
use azureml_crds::dataset::{AmlDatasetStatus, DatasetVersion};
use azureml_crds::status::AzureObject;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::content::Content;
use super::observe::{Observed, Sight};
use super::open;
use super::plan::is_of;

/// How many versions are told of.
const VERSIONS: usize = 10;

pub(super) fn status(object: &AmlDataset, observed: &Observed, now: Timestamp) -> AmlDatasetStatus {
    if let Some(shared) = &observed.shared {
        return open::status(object, shared);
    }
    let mut status = object.status.clone().unwrap_or_default();
    let known = status.azure.take().and_then(|azure| azure.origin);
    status.azure = Some(AzureObject { id: observed.arm_id.clone(), origin: origin(observed).or(known) });
    if let (Sight::Content(content), Some(found)) = (&observed.sight, &observed.target)
        && is_of(found, content)
        && (!found.properties.is_archived)
        && origin(observed).is_some()
    {
        settle(&mut status, found, content, &observed.arm_id, now);
    }
    for version in &mut status.versions {
        version.archived |= observed.archived.contains(&version.version);
    }
    status
}

fn settle(status: &mut AmlDatasetStatus, found: &DataVersion, content: &Content, arm_id: &str, now: Timestamp) {
    let version = found.name.clone();
    if status.version.as_ref() != Some(&version) {
        let before = status.versions.iter().position(|known| known.version == version);
        let registered_at = before.and_then(|at| status.versions.remove(at).registered_at).unwrap_or(Time(now));
        status.registered_at = Some(registered_at.clone());
        status.versions.insert(
            0,
            DatasetVersion {
                version: version.clone(),
                content_digest: content.digest.clone(),
                registered_at: Some(registered_at),
                archived: false,
            },
        );
        status.versions.truncate(VERSIONS);
    }
    status.asset_id = Some(format!("{arm_id}/versions/{version}"));
    status.version = Some(version);
    status.uri = Some(found.properties.data_uri.clone()).filter(|uri| !uri.is_empty());
    status.content_digest = Some(content.digest.clone());
    status.size_bytes = i64::try_from(content.size).ok();
    status.source_tag = content.tag.clone();
    status.source_hash = Some(content.source_hash.clone());
    status.columns = content.columns.clone();
}

fn origin(observed: &Observed) -> Option<String> {
    let tags = &observed.container.as_ref()?.properties.tags;
    // Held or not: only our own uid counts as seen to be ours.
    let ownership = observed.owner.as_ref()?.judge(tags, true);
    ownership.ours().map(|origin| origin.as_str().to_owned())
}
