//! Reads a source into content.

use std::path::Path;

use azureml_crds::dataset::{AmlDatasetSpec, DatasetType, DatastoreSource, FilesSource, WebSource};
use azureml_crds::reasons;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::Api;
use serde_json::{Value, json};

use super::check;
use super::content::{Body, Content, Part, beside, digest, mltable, source_hash};
use crate::context::Context;
use crate::error::{Error, Halt};
use crate::fetch::{FetchError, Fetched, Fetcher};

/// A web file; `None` where it is as it was under `tag`.
pub(super) async fn web(
    fetcher: Fetcher,
    spec: AmlDatasetSpec,
    source: WebSource,
    tag: Option<String>,
) -> Result<Option<Content>, Halt> {
    let fetched = fetcher.fetch(&source.url, tag.as_deref()).await.map_err(|error| halt(&source.url, &error))?;
    let Fetched::Whole(download) = fetched else { return Ok(None) };
    let what = format!("spec.source.web.url {}", source.url);
    if download.size == 0 {
        return Err(invalid(&what, "is empty"));
    }
    // The file's name is no content: the same bytes under another address are the same version.
    let digest = digest(&spec, &[("", &download.sha256)]);
    let part =
        Part { name: download.name, size: download.size, sha256: download.sha256, body: Body::File(download.file) };
    let content = whole(&spec, vec![part], digest, download.tag, &what).await?;
    Ok(Some(content))
}

fn halt(url: &str, error: &FetchError) -> Halt {
    let message = format!("spec.source.web.url {url}: {error}.");
    match error {
        FetchError::Refused(_) | FetchError::Address(..) => {
            Halt::person(reasons::SOURCE_FORBIDDEN, format!("{message} Write another address."))
        }
        FetchError::Missing { .. } | FetchError::Redirects(_) => Halt::person(
            reasons::SOURCE_NOT_FOUND,
            format!("{message} Correct the address, or put the file there; it is looked at again by and by."),
        ),
        FetchError::TooLarge(_) => Halt::person(reasons::SOURCE_INVALID, message),
        FetchError::Trouble { .. } | FetchError::NoAnswer { .. } | FetchError::TooSlow(_) | FetchError::Disk(_) => {
            Halt::retry(reasons::SOURCE_UNAVAILABLE, format!("{message} It is tried again."))
        }
    }
}

fn invalid(what: &str, problem: &str) -> Halt {
    Halt::person(
        reasons::SOURCE_INVALID,
        format!("{what} {problem}. Mend the source or point to another; it is looked at again by and by."),
    )
}

/// Content of files that are copied: a table is checked and gets its MLTable file.
async fn whole(
    spec: &AmlDatasetSpec,
    mut parts: Vec<Part>,
    digest: String,
    tag: Option<String>,
    what: &str,
) -> Result<Content, Halt> {
    let mut columns = Vec::new();
    if spec.type_ == DatasetType::Table {
        for (at, part) in parts.iter().enumerate() {
            let found = match &part.body {
                Body::File(file) => look(file.path(), spec).await,
                Body::Bytes(bytes) => check::columns(&bytes[..], spec.table.as_ref()),
            };
            let found = found.map_err(|problem| invalid(&format!("{what}: {:?}", part.name), &problem))?;
            if at == 0 {
                columns = found;
            }
        }
        let paths: Vec<Value> = parts.iter().map(|part| beside(&part.name)).collect();
        let table = mltable(spec.table.as_ref(), &paths);
        // Last: where it is, everything is.
        parts.push(table);
    }
    Ok(Content {
        size: parts.iter().map(|part| part.size).sum(),
        parts,
        digest,
        tag,
        source_hash: source_hash(spec),
        columns,
        lies_at: None,
        copied_to: Default::default(),
    })
}

async fn look(path: &Path, spec: &AmlDatasetSpec) -> Result<Vec<String>, String> {
    let (path, options) = (path.to_owned(), spec.table.clone());
    let looked = tokio::task::spawn_blocking(move || {
        let file = std::fs::File::open(path).map_err(|error| format!("can't be read back: {error}"))?;
        check::columns(file, options.as_ref())
    });
    looked.await.unwrap_or_else(|error| Err(format!("can't be looked at: {error}")))
}

/// Files in a ConfigMap or Secret.
pub(super) async fn files(
    context: &Context,
    namespace: &str,
    spec: &AmlDatasetSpec,
    source: &FilesSource,
) -> Result<Content, Error> {
    let (what, mut files) = keys(context, namespace, source).await?;
    files.sort_by(|one, other| one.0.cmp(&other.0));
    if files.is_empty() || files.iter().all(|(_, bytes)| bytes.is_empty()) {
        return Err(invalid(&what, "holds no file").into());
    }
    if spec.type_ == DatasetType::File && files.len() != 1 {
        let problem = format!("holds {} files, and spec.type: File takes exactly one key", files.len());
        return Err(invalid(&what, &problem).into());
    }
    if spec.type_ == DatasetType::Table && files.iter().any(|(name, _)| name == "MLTable") {
        return Err(invalid(&what, "holds the key MLTable, which the operator writes itself from spec.table").into());
    }
    let parts: Vec<Part> = files.into_iter().map(|(name, bytes)| Part::of_bytes(name, bytes)).collect();
    let digest = {
        let sums: Vec<(&str, &str)> = parts.iter().map(|part| (part.name.as_str(), part.sha256.as_str())).collect();
        digest(spec, &sums)
    };
    Ok(whole(spec, parts, digest, None, &what).await?)
}

type Files = Vec<(String, Vec<u8>)>;

async fn keys(context: &Context, namespace: &str, source: &FilesSource) -> Result<(String, Files), Error> {
    if let Some(reference) = &source.config_map_ref {
        let api: Api<ConfigMap> = Api::namespaced(context.client.clone(), namespace);
        let what = format!("spec.source.files.configMapRef: ConfigMap {:?}", reference.name);
        let Some(map) = api.get_opt(&reference.name).await? else {
            return Err(missing(reasons::CONFIG_MAP_NOT_FOUND, &what, namespace));
        };
        let texts = map.data.unwrap_or_default().into_iter().map(|(name, text)| (name, text.into_bytes()));
        let bytes = map.binary_data.unwrap_or_default().into_iter().map(|(name, bytes)| (name, bytes.0));
        return Ok((what, texts.chain(bytes).collect()));
    }
    let name = source.secret_ref.as_ref().map(|reference| reference.name.clone()).unwrap_or_default();
    let api: Api<Secret> = Api::namespaced(context.client.clone(), namespace);
    let what = format!("spec.source.files.secretRef: Secret {name:?}");
    let Some(secret) = api.get_opt(&name).await? else {
        return Err(missing(reasons::SECRET_NOT_FOUND, &what, namespace));
    };
    Ok((what, secret.data.unwrap_or_default().into_iter().map(|(name, bytes)| (name, bytes.0)).collect()))
}

fn missing(reason: &'static str, what: &str, namespace: &str) -> Error {
    Halt::wait(reason, format!("{what} does not exist in namespace {namespace:?}. Create it.")).into()
}

/// A path in a datastore: nothing is copied; names, sizes and ETags are the content. A table without an MLTable file gets
/// one of the operator's, which names the path.
pub(super) async fn datastore(
    azure: &azureml::Workspace,
    spec: &AmlDatasetSpec,
    source: &DatastoreSource,
) -> Result<Content, Error> {
    let what = format!("spec.source.datastore: {:?} in datastore {:?}", source.path, source.name);
    let Some(store) = azure.datastore(&source.name).await? else {
        let message = format!("spec.source.datastore.name: there is no datastore {:?} in the workspace.", source.name);
        return Err(Halt::person(reasons::SOURCE_NOT_FOUND, message).into());
    };
    let path = source.path.trim_end_matches('/');
    let mut blobs = azure.container(&store).await?.list(path).await?;
    blobs.retain(|blob| blob.name == path || blob.name.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')));
    if blobs.is_empty() {
        let message = format!("{what} does not exist or is empty. Correct the path; it is looked at again by and by.");
        return Err(Halt::person(reasons::SOURCE_NOT_FOUND, message).into());
    }
    let is_file = blobs.iter().any(|blob| blob.name == path);
    let has_mltable = blobs.iter().any(|blob| blob.name == format!("{path}/MLTable"));
    let problem = match spec.type_ {
        DatasetType::File if !is_file => Some("is a folder, and spec.type is File"),
        DatasetType::Folder if is_file => Some("is a file, and spec.type is Folder"),
        DatasetType::Table if has_mltable && spec.table.is_some() => {
            Some("holds an MLTable file, which says how the table is read, and so does spec.table: remove one of them")
        }
        _ => None,
    };
    if let Some(problem) = problem {
        return Err(invalid(&what, problem).into());
    }
    let facts: Vec<(String, String)> =
        blobs.iter().map(|blob| (blob.name.clone(), format!("{}/{}", blob.size, blob.etag))).collect();
    let facts: Vec<(&str, &str)> = facts.iter().map(|(name, fact)| (name.as_str(), fact.as_str())).collect();
    let slash = if is_file { "" } else { "/" };
    let below = format!("datastores/{}/paths/{path}{slash}", source.name);
    let parts = match spec.type_ {
        DatasetType::Table if !has_mltable => {
            // In full: the file lies in another place than what it names, and may be read from another workspace.
            let id = azure.id();
            let address = format!(
                "azureml://subscriptions/{}/resourcegroups/{}/workspaces/{}/{below}",
                id.subscription_id, id.resource_group, id.name
            );
            let path = if is_file { json!({"file": address}) } else { json!({"folder": address}) };
            vec![mltable(spec.table.as_ref(), &[path])]
        }
        _ => Vec::new(),
    };
    Ok(Content {
        digest: digest(spec, &facts),
        size: blobs.iter().map(|blob| blob.size).sum(),
        tag: None,
        source_hash: source_hash(spec),
        columns: Vec::new(),
        lies_at: parts.is_empty().then(|| format!("azureml://{below}")),
        copied_to: Default::default(),
        parts,
    })
}
