//! Reads: the data asset in Azure, and the source when it is due.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use azureml::resources::Map;
use azureml::resources::data::{AssetContainer, DataVersion, DataVersionProperties};
use azureml_crds::dataset::Source;
use azureml_crds::{AmlDataset, AmlResource, StatusCore, annotations, reasons, tags};
use jiff::Timestamp;

use super::content::{Content, source_hash};
use super::in_use::Users;
use super::open::{self, Shared};
use super::plan::is_of;
use super::{source, upload};
use crate::context::Context;
use crate::error::{Error, Halt};
use crate::fetch::work::Progress;
use crate::inventory::Look;
use crate::inventory::lists::DataAssets;
use crate::ownership::{Origin, Owner};
use crate::shell::references::Key;

/// What was read.
#[derive(Debug, Default)]
pub struct Observed {
    /// Azure, as the workspace's identity sees it.
    pub azure: Option<azureml::Workspace>,
    /// The data asset's ARM id.
    pub arm_id: String,
    /// Under what identity it is owned.
    pub owner: Option<Owner>,
    /// The data asset; `None` where there is none.
    pub container: Option<AssetContainer>,
    /// The version of shared data that is used.
    pub shared: Option<Shared>,
    /// What is known of the source.
    pub sight: Sight,
    /// The content is being copied.
    pub uploading: bool,
    /// The version that the content is or shall be.
    pub target: Option<DataVersion>,
    /// The version that status names, where the source brought nothing new.
    pub current: Option<DataVersion>,
    /// All versions, where old ones are to be archived.
    pub all: Vec<DataVersion>,
    /// The versions that somebody works with, where old ones are to be archived.
    pub in_use: BTreeSet<String>,
    /// Versions that this pass archived.
    pub archived: Vec<String>,
    /// When the source is to be looked at again, where that is before the next resync.
    pub next_look: Option<Timestamp>,
}

/// What is known of the source.
#[derive(Clone, Debug, Default)]
pub enum Sight {
    /// It is being read.
    #[default]
    Reading,
    /// It is as it was, or it is not due.
    Unchanged,
    /// This is in it.
    Content(Arc<Content>),
}

pub(super) async fn observe(context: &Context, object: &AmlDataset, look: Look) -> Result<Observed, Error> {
    if let Some(open) = &object.spec.source.open {
        return open::observe(context, object, open).await;
    }
    let workspace = context.workspace(object, &object.spec.workspace_ref.name).await?;
    let azure = workspace.azure.clone();
    let name = object.azure_name();
    let container = context.inventory.look::<DataAssets>(context, &workspace, object, &name, look).await?;
    let mut observed = Observed {
        arm_id: azure.id_of(&format!("data/{name}")),
        owner: Some(context.owner(object)),
        container,
        ..Observed::default()
    };
    let known = object.status.as_ref().and_then(|status| status.version.clone());
    if let (Some(version), Some(container)) = (&known, &observed.container) {
        observed.current = current(context, object, &azure, version, container, look).await?;
    }
    observed.sight = source_of(context, object, &azure, observed.current.is_some()).await?;
    if let Sight::Content(content) = observed.sight.clone() {
        let version = version(object, &content);
        observed.target = match observed.current.take() {
            Some(current) if known.as_deref() == Some(&version) => Some(current),
            // What is new in the source is looked at by itself.
            _ if observed.container.is_some() && look == Look::Itself => azure.data_version(&name, &version).await?,
            _ => None,
        };
        observed.uploading = uploading(context, object, &content)?;
        if is_told(object, &observed, &content) {
            // From here on the source is looked at again when it is due.
            context.fetcher.work.drop_kept(kept(object));
        }
    }
    if observed.container.is_some() && object.spec.version_history.is_some() && look == Look::Itself {
        observed.all = azure.data_versions(&name).await?;
    }
    if object.spec.version_history.is_some() {
        observed.in_use = users(context, object).versions(object.name());
    }
    observed.next_look = next_look(context, object);
    observed.azure = Some(azure);
    Ok(observed)
}

/// The version that status names. No list tells of versions: at rest it is taken to be what was recorded of it, until
/// its container has a newer one or it is time for a look.
async fn current(
    context: &Context,
    object: &AmlDataset,
    azure: &azureml::Workspace,
    version: &str,
    container: &AssetContainer,
    look: Look,
) -> Result<Option<DataVersion>, Error> {
    let (looks, uid) = (&context.inventory.data_versions, object.uid());
    let latest = container.properties.latest_version.as_deref();
    let now = context.now();
    if look == Look::Lists && !looks.is_due(uid, latest, Some(version), now) {
        return Ok(Some(recorded(object, &context.owner(object), version)));
    }
    let found = azure.data_version(&object.azure_name(), version).await?;
    looks.looked(uid, latest, (), now);
    Ok(found)
}

/// The version as it was when it was registered.
fn recorded(object: &AmlDataset, owner: &Owner, version: &str) -> DataVersion {
    let status = object.status.as_ref();
    let digest = status.and_then(|status| status.content_digest.clone()).unwrap_or_default();
    DataVersion {
        name: version.to_owned(),
        properties: DataVersionProperties {
            data_uri: status.and_then(|status| status.uri.clone()).unwrap_or_default(),
            tags: version_tags(owner, &digest),
            ..DataVersionProperties::default()
        },
        ..DataVersion::default()
    }
}

/// The tags of a version that this object registers.
pub(super) fn version_tags(owner: &Owner, digest: &str) -> Map {
    let mut all = owner.tags(Origin::Created);
    all.insert(tags::DIGEST.to_owned(), digest.to_owned());
    all
}

/// The objects of the namespace that may work with the dataset's versions.
fn users(context: &Context, object: &AmlDataset) -> Users {
    fn of<K: AmlResource>(store: &kube::runtime::reflector::Store<K>, namespace: &str) -> Vec<Arc<K>> {
        store.state().into_iter().filter(|known| known.namespace() == namespace).collect()
    }
    let (stores, namespace) = (&context.stores, object.namespace());
    Users {
        runs: of(&stores.runs, namespace),
        pipelines: of(&stores.pipelines, namespace),
        models: of(&stores.models, namespace),
        endpoints: of(&stores.endpoints, namespace),
    }
}

/// Nothing is left to be done with content: its version is in status, or it can't be registered as it is.
pub(super) fn is_told(object: &AmlDataset, observed: &Observed, content: &Content) -> bool {
    let Some(found) = &observed.target else { return false };
    if !is_of(found, content) {
        return true;
    }
    let Some(status) = &object.status else { return false };
    !found.properties.is_archived
        && status.version.as_ref() == Some(&found.name)
        && status.source_tag == content.tag
        && status.source_hash.as_ref() == Some(&content.source_hash)
}

/// The version that content is registered as.
pub(super) fn version(object: &AmlDataset, content: &Content) -> String {
    object.spec.version.clone().unwrap_or_else(|| content.version())
}

/// The name under which content is kept between passes.
pub(super) fn kept(object: &AmlDataset) -> &str {
    object.uid()
}

/// The name of the copying.
pub(super) fn upload_name(object: &AmlDataset, content: &Content) -> String {
    format!("upload/{}/{}", object.uid(), content.digest)
}

fn uploading(context: &Context, object: &AmlDataset, content: &Content) -> Result<bool, Error> {
    let name = upload_name(object, content);
    match context.fetcher.work.progress::<Result<String, upload::UploadError>>(&name) {
        Progress::None => Ok(false),
        Progress::Running => Ok(true),
        Progress::Done(Ok(datastore)) => {
            let _ = content.copied_to.set(datastore);
            Ok(false)
        }
        Progress::Done(Err(upload::UploadError::Azure(error))) => Err(error.into()),
        Progress::Done(Err(error)) => {
            // It is fetched again.
            context.fetcher.work.forget(kept(object));
            Err(Halt::retry(reasons::SOURCE_UNAVAILABLE, error.to_string()).into())
        }
    }
}

/// Looks at the source where it is due.
async fn source_of(
    context: &Context,
    object: &AmlDataset,
    azure: &azureml::Workspace,
    is_there: bool,
) -> Result<Sight, Error> {
    let spec = &object.spec;
    let hash = source_hash(spec);
    let work = &context.fetcher.work;
    if let Some(content) = work.kept::<Content>(kept(object)).filter(|content| content.source_hash == hash) {
        return Ok(Sight::Content(content));
    }
    let keep = |content: Content| {
        let content = Arc::new(content);
        work.keep(kept(object), content.clone());
        work.check(object.uid(), context.now(), hash.clone());
        Sight::Content(content)
    };
    match &spec.source {
        Source { web: Some(web), .. } => {
            let name = format!("fetch/{}/{hash}", object.uid());
            match work.progress::<Result<Option<Content>, Halt>>(&name) {
                Progress::Running => return Ok(Sight::Reading),
                Progress::Done(Err(halt)) => return Err(halt.into()),
                Progress::Done(Ok(Some(content))) => return Ok(keep(content)),
                Progress::Done(Ok(None)) => {
                    work.check(object.uid(), context.now(), hash.clone());
                    return Ok(Sight::Unchanged);
                }
                Progress::None => {}
            }
            if is_there && !is_due(context, object, &hash) {
                return Ok(Sight::Unchanged);
            }
            let same = object.status.as_ref().filter(|status| is_there && status.source_hash.as_ref() == Some(&hash));
            let tag = same.and_then(|status| status.source_tag.clone());
            let fetch = source::web(context.fetcher.clone(), spec.clone(), web.clone(), tag);
            let (wakers, key) = (context.wakers.clone(), Key::new(AmlDataset::KIND, object.namespace(), object.name()));
            work.start(&name, fetch, move || wakers.wake(key));
            Ok(Sight::Reading)
        }
        Source { files: Some(files), .. } => Ok(keep(source::files(context, object.namespace(), spec, files).await?)),
        Source { datastore: Some(datastore), .. } => {
            if is_there && !is_due(context, object, &hash) {
                return Ok(Sight::Unchanged);
            }
            Ok(keep(source::datastore(azure, spec, datastore).await?))
        }
        // The API server takes exactly one source, and shared data is seen to by itself.
        _ => Err(Halt::person(
            reasons::INVALID_SPEC,
            "spec.source: write exactly one source: web, datastore, files or open.",
        )
        .into()),
    }
}

/// Whether the source is to be looked at now.
pub(super) fn is_due(context: &Context, object: &AmlDataset, hash: &str) -> bool {
    let Some(status) = &object.status else { return true };
    let asked = object.annotation(annotations::RECONCILE_AT);
    if status.source_hash.as_deref() != Some(hash)
        || (asked.is_some() && status.handled().get("reconcile-at").map(String::as_str) != asked)
    {
        return true;
    }
    match context.fetcher.work.checked(object.uid()) {
        Some((at, as_what)) if as_what == hash => {
            let passed: Duration = context.now().duration_since(at).try_into().unwrap_or(Duration::ZERO);
            passed >= interval(object).unwrap_or(context.settings.resync / 2)
        }
        _ => true,
    }
}

/// How often the spec wants the source looked at.
fn interval(object: &AmlDataset) -> Option<Duration> {
    let source = &object.spec.source;
    let web = source.web.as_ref().and_then(|web| web.refresh_interval.as_ref());
    let datastore = source.datastore.as_ref().and_then(|datastore| datastore.refresh_interval.as_ref());
    let open = source.open.as_ref().and_then(|open| open.refresh_interval.as_ref());
    let own = web.or(datastore).or(open);
    own.map(|interval| interval.std().max(Duration::from_secs(1)))
}

pub(super) fn next_look(context: &Context, object: &AmlDataset) -> Option<Timestamp> {
    let interval = interval(object).filter(|interval| *interval < context.settings.resync)?;
    let (at, _) = context.fetcher.work.checked(object.uid())?;
    Some(at + jiff::SignedDuration::try_from(interval).ok()?)
}
