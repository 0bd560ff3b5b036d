//! What is read of a model: its container and versions, and what its sources have to offer.

use std::sync::Arc;

use azureml::resources::data::AssetContainer;
use azureml::resources::models::ModelVersion;
use azureml_crds::{AmlModel, AmlResource};

use super::candidate::{Candidate, candidates};
use super::version::{Version, read};
use crate::context::{Context, Workspace};
use crate::error::{Error, Halt};
use crate::inventory::Look;
use crate::inventory::lists::Models;
use crate::ownership::{Owner, Ownership};

/// What was read.
#[derive(Clone, Debug)]
pub struct Observed {
    /// Under which the container is owned.
    pub owner: Owner,
    /// The container's ARM id.
    pub id: String,
    /// The container.
    pub container: Option<AssetContainer>,
    /// Status says already that it is ours.
    pub held: bool,
    /// The versions.
    pub versions: Vec<Version>,
    /// What the sources have to offer.
    pub candidates: Vec<Candidate>,
    /// Why sources have nothing to offer.
    pub waits: Vec<Halt>,
    /// Versions that endpoints serve.
    pub in_use: Vec<String>,
}

impl Observed {
    /// Whose the container is.
    #[must_use]
    pub fn ownership(&self) -> Option<Ownership> {
        self.container.as_ref().map(|container| self.owner.judge(&container.properties.tags, self.held))
    }

    /// The version that was made from a source.
    #[must_use]
    pub fn of_source(&self, source: &str) -> Option<&Version> {
        self.versions
            .iter()
            .filter(|version| version.ours && version.source == source)
            .min_by_key(|version| version.number())
    }
}

pub async fn observe(context: &Context, object: &AmlModel, look: Look) -> Result<Observed, Error> {
    let workspace = context.workspace(object, &object.spec.workspace_ref.name).await?;
    let name = object.azure_name();
    let owner = context.owner(object);
    let container = context.inventory.look::<Models>(context, &workspace, object, &name, look).await?;
    let found = match &container {
        Some(container) => versions(context, object, &workspace, container, look).await?,
        None => Arc::default(),
    };
    let versions: Vec<Version> =
        found.iter().map(|version| with_id(read(version, &owner), &workspace, &name)).collect();
    let id = workspace.azure.id_of(&format!("models/{name}"));
    let recorded = object.status.as_ref().and_then(|status| status.azure.as_ref());
    let (candidates, waits) = candidates(context, object, &versions);
    Ok(Observed {
        held: recorded.is_some_and(|azure| azure.id == id && azure.origin.is_some()),
        in_use: in_use(context, object),
        owner,
        id,
        container,
        versions,
        candidates,
        waits,
    })
}

/// The versions. At rest they are what they were at the last look, until the container has a newer one or it is time
/// for a look.
async fn versions(
    context: &Context,
    object: &AmlModel,
    workspace: &Workspace,
    container: &AssetContainer,
    look: Look,
) -> Result<Arc<Vec<ModelVersion>>, Error> {
    let (looks, uid, now) = (&context.inventory.model_versions, object.uid(), context.now());
    let latest = container.properties.latest_version.as_deref();
    if look == Look::Lists
        && !looks.is_due(uid, latest, None, now)
        && let Some(known) = looks.seen(uid)
    {
        return Ok(known);
    }
    let found = Arc::new(workspace.azure.model_versions(&object.azure_name()).await?);
    looks.looked(uid, latest, found.clone(), now);
    Ok(found)
}

fn with_id(version: Version, workspace: &Workspace, name: &str) -> Version {
    if !version.id.is_empty() {
        return version;
    }
    Version { id: workspace.azure.id_of(&format!("models/{name}/versions/{}", version.version)), ..version }
}

/// Versions that endpoints of the namespace serve, or are about to.
fn in_use(context: &Context, object: &AmlModel) -> Vec<String> {
    let endpoints = context.stores.endpoints.state_filter(|endpoint| {
        endpoint.namespace() == object.namespace() && endpoint.spec.model.ref_.as_deref() == Some(object.name())
    });
    endpoints
        .iter()
        .filter_map(|endpoint| endpoint.status.as_ref())
        .flat_map(|status| [&status.stable, &status.candidate, &status.previous].into_iter().flatten())
        .map(|revision| revision.model_version.rsplit(['/', ':']).next().unwrap_or_default().to_owned())
        .collect()
}
