//! Open data: a version of a registry's data asset is used where it is. Nothing is made, copied or owned in Azure.

use std::sync::Arc;

use azureml::resources::registries::data_address;
use azureml_crds::dataset::{AmlDatasetStatus, OpenSource};
use azureml_crds::{AmlDataset, AmlResource, reasons};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::content::source_hash;
use super::observe::{Observed, is_due, next_look};
use super::plan::Action;
use crate::context::{Context, Workspace};
use crate::error::{Error, Halt};
use crate::shell::{After, Next, Plan};

/// The version that the source names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// The version.
    pub version: String,
    /// Its address, as jobs name it.
    pub address: String,
}

pub(super) async fn observe(context: &Context, object: &AmlDataset, source: &OpenSource) -> Result<Observed, Error> {
    let workspace = context.workspace(object, &object.spec.workspace_ref.name).await?;
    let hash = source_hash(&object.spec);
    let (work, recorded) = (&context.fetcher.work, recorded(object, source, &hash));
    // What a glance found is kept for the pass that does something about it.
    let kept = work.kept::<(String, Shared)>(object.uid()).filter(|kept| kept.0 == hash);
    let shared = match (kept, recorded) {
        (Some(kept), recorded) => {
            if recorded.as_ref() == Some(&kept.1) {
                work.drop_kept(object.uid());
            }
            kept.1.clone()
        }
        (None, Some(recorded)) if !is_due(context, object, &hash) => recorded,
        _ => {
            let shared = found(object, source, &workspace).await?;
            work.check(object.uid(), context.now(), hash.clone());
            work.keep(object.uid(), Arc::new((hash, shared.clone())));
            shared
        }
    };
    Ok(Observed {
        owner: Some(context.owner(object)),
        azure: Some(workspace.azure),
        shared: Some(shared),
        next_look: next_look(context, object),
        ..Observed::default()
    })
}

/// What status says of this source.
fn recorded(object: &AmlDataset, source: &OpenSource, hash: &str) -> Option<Shared> {
    let status = object.status.as_ref().filter(|status| status.source_hash.as_deref() == Some(hash))?;
    let version = status.version.clone()?;
    let address = data_address(&source.registry, &source.name, &version);
    Some(Shared { version, address })
}

async fn found(object: &AmlDataset, source: &OpenSource, workspace: &Workspace) -> Result<Shared, Error> {
    let OpenSource { registry, name, .. } = source;
    let discovery = workspace.object.status.as_ref().and_then(|status| status.discovery_url.clone());
    let discovery = discovery.ok_or_else(|| {
        let of = workspace.object.name();
        let message =
            format!("AmlWorkspace {of:?} does not tell yet where registries are looked up (status.discoveryUrl).");
        Halt::wait(reasons::WORKSPACE_NOT_READY, message)
    })?;
    let missing = |field: &str, what: String| {
        let message = format!("spec.source.open.{field}: {what}. Correct it; it is looked up again by and by.");
        Error::from(Halt::person(reasons::SOURCE_NOT_FOUND, message))
    };
    let Some(place) = workspace.azure.registry(&discovery, registry).await? else {
        return Err(missing("registry", format!("there is no registry {registry:?}")));
    };
    let version = match &source.version {
        Some(version) => version.clone(),
        None => {
            let container = place.data_container(name).await?;
            let container = container
                .ok_or_else(|| missing("name", format!("registry {registry:?} has no data asset {name:?}")))?;
            let latest = container.properties.latest_version;
            latest.ok_or_else(|| {
                missing("label", format!("data asset {name:?} in registry {registry:?} has no version"))
            })?
        }
    };
    let Some(found) = place.data_version(name, &version).await? else {
        let what = format!("registry {registry:?} has no version {version:?} of a data asset {name:?}");
        return Err(missing(if source.version.is_some() { "version" } else { "label" }, what));
    };
    let (is, wanted) = (&found.properties.data_type, object.spec.type_.azure());
    if !is.eq_ignore_ascii_case(wanted) {
        let message = format!(
            "spec.type: {:?} is {wanted} in Azure ML, and version {version:?} of data asset {name:?} in registry {registry:?} is {is}. Make a new AmlDataset of that type.",
            object.spec.type_
        );
        return Err(Halt::person(reasons::SOURCE_INVALID, message).into());
    }
    let address = data_address(registry, name, &version);
    Ok(Shared { version, address })
}

pub(super) fn plan(object: &AmlDataset, source: &OpenSource, shared: &Shared, observed: &Observed) -> Plan<Action> {
    let Shared { version, address } = shared;
    let OpenSource { registry, name, .. } = source;
    let message = format!("Version {version:?} of data asset {name:?} in registry {registry:?} is used where it is.");
    if object.status.as_ref().and_then(|status| status.asset_id.as_ref()) != Some(address) {
        return Plan::act(Action::Follow(version.clone()), reasons::PROGRESSING, message);
    }
    let mut plan = Plan::ready(message);
    if let Some(next) = observed.next_look {
        plan.next = Next::Wait(After::Until(next));
    }
    plan
}

/// What status says. What was registered under an earlier source stays in it: it is seen to at deletion.
pub(super) fn status(object: &AmlDataset, shared: &Shared) -> AmlDatasetStatus {
    let Shared { version, address } = shared;
    let content = json!({"type": object.spec.type_.azure(), "address": address}).to_string();
    AmlDatasetStatus {
        version: Some(version.clone()),
        asset_id: Some(address.clone()),
        uri: Some(address.clone()),
        content_digest: Some(data_encoding::HEXLOWER.encode(&Sha256::digest(content.as_bytes()))),
        size_bytes: None,
        registered_at: None,
        source_tag: None,
        source_hash: Some(source_hash(&object.spec)),
        columns: Vec::new(),
        ..object.status.clone().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::Standing;

    fn object(status: &serde_json::Value) -> AmlDataset {
        serde_json::from_value(json!({
            "apiVersion": "azureml.dev/v1alpha1", "kind": "AmlDataset", "status": status,
            "metadata": {"name": "trips", "namespace": "team-a", "uid": "uid-1", "generation": 1},
            "spec": {"workspaceRef": {"name": "w"}, "type": "Table",
                "source": {"open": {"registry": "azureml", "name": "trips", "label": "latest"}}},
        }))
        .unwrap()
    }

    fn shared(version: &str) -> Shared {
        Shared { version: version.to_owned(), address: data_address("azureml", "trips", version) }
    }

    fn next(object: &AmlDataset, version: &str) -> Plan<Action> {
        plan(object, object.spec.source.open.as_ref().unwrap(), &shared(version), &Observed::default())
    }

    #[test]
    fn the_version_that_a_label_names_is_used_once_and_a_newer_one_is_followed() {
        let new = object(&json!({}));
        assert_eq!(next(&new, "1").next, Next::Act(Action::Follow("1".to_owned())));
        let used = object(&json!(status(&new, &shared("1"))));
        let settled = next(&used, "1");
        assert_eq!(settled.next, Next::Rest);
        assert!(matches!(settled.standing, Standing::Ready { .. }));
        assert_eq!(next(&used, "2").next, Next::Act(Action::Follow("2".to_owned())));
        let told = used.status.unwrap();
        assert_eq!(told.asset_id.as_deref(), Some("azureml://registries/azureml/data/trips/versions/1"));
        assert_eq!(told.azure, None, "nothing is there that deletion would have to see to");
    }
}
