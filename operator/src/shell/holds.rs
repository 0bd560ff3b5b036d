//! The finalizer on Secrets and ServiceAccounts that a workspace acts by: they stay until the last workspace that
//! needs them is gone, for without them nothing could be deleted in Azure.

use std::collections::HashSet;
use std::sync::Mutex;

use azureml_crds::{AmlResource, AmlWorkspace, IN_USE_FINALIZER};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::api::{Api, ObjectMeta, Patch, PatchParams};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::references::{Key, References};
use crate::context::Context;
use crate::error::Error;

/// What carries the finalizer, as the watches saw it, and who let go.
#[derive(Debug, Default)]
pub struct Holds {
    held: Mutex<HashSet<Key>>,
    /// The uids of workspaces that let go: of two that go together, the last one removes the finalizer.
    released: tokio::sync::Mutex<HashSet<String>>,
}

impl Holds {
    /// A Secret or ServiceAccount was seen.
    pub fn seen(&self, kind: &'static str, metadata: &ObjectMeta) {
        let held = metadata.finalizers.as_ref().is_some_and(|all| all.iter().any(|name| name == IN_USE_FINALIZER));
        self.note(kind, metadata, held);
    }

    /// It is gone.
    pub fn gone(&self, kind: &'static str, metadata: &ObjectMeta) {
        self.note(kind, metadata, false);
    }

    fn note(&self, kind: &'static str, metadata: &ObjectMeta, held: bool) {
        let (Some(namespace), Some(name)) = (&metadata.namespace, &metadata.name) else { return };
        let key = Key::new(kind, namespace, name);
        if let Ok(mut all) = self.held.lock() {
            if held {
                all.insert(key)
            } else {
                all.remove(&key)
            };
        }
    }

    fn of(&self, namespace: &str) -> Vec<Key> {
        let held = self.held.lock();
        held.map(|all| all.iter().filter(|key| key.namespace == namespace).cloned().collect()).unwrap_or_default()
    }
}

/// What a workspace acts by.
#[must_use]
pub fn needed(object: &AmlWorkspace) -> Vec<Key> {
    let all = object.references().into_iter();
    all.map(|(kind, name)| Key::new(kind, object.namespace(), &name)).collect()
}

/// What the workspace acts by and does not hold yet.
///
/// # Errors
/// The Kubernetes API's answer.
pub async fn missing(context: &Context, object: &AmlWorkspace) -> Result<Option<Key>, Error> {
    for key in needed(object) {
        let metadata = metadata(context, &key).await?;
        if metadata.is_some_and(|metadata| metadata.deletion_timestamp.is_none() && !is_held(&metadata)) {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

/// What is held in the workspace's namespace and needed by no workspace: the spec names another one now.
#[must_use]
pub fn surplus(context: &Context, object: &AmlWorkspace) -> Option<Key> {
    let used = users(context, object.namespace());
    let own = needed(object);
    context.holds.of(object.namespace()).into_iter().find(|key| !used.contains(key) && !own.contains(key))
}

/// Puts the finalizer.
///
/// # Errors
/// The Kubernetes API's answer.
pub async fn hold(context: &Context, key: &Key) -> Result<(), Error> {
    set(context, key, true).await
}

/// Takes the finalizer off.
///
/// # Errors
/// The Kubernetes API's answer.
pub async fn let_go(context: &Context, key: &Key) -> Result<(), Error> {
    set(context, key, false).await
}

/// A workspace goes: what it alone needs is let go of.
///
/// # Errors
/// The Kubernetes API's answer.
pub async fn release(context: &Context, object: &AmlWorkspace) -> Result<(), Error> {
    let mut released = context.holds.released.lock().await;
    released.insert(object.uid().to_owned());
    let all = context
        .stores
        .workspaces
        .state_filter(|other| other.namespace() == object.namespace() && !released.contains(other.uid()));
    let used: HashSet<Key> = all.iter().flat_map(|other| needed(other)).collect();
    let mut keys = needed(object);
    if all.is_empty() {
        keys.extend(context.holds.of(object.namespace()));
    }
    for key in keys.iter().filter(|key| !used.contains(key)) {
        set(context, key, false).await?;
    }
    Ok(())
}

fn users(context: &Context, namespace: &str) -> HashSet<Key> {
    let all = context.stores.workspaces.state_filter(|other| other.namespace() == namespace);
    all.iter().flat_map(|other| needed(other)).collect()
}

fn is_held(metadata: &ObjectMeta) -> bool {
    metadata.finalizers.as_ref().is_some_and(|all| all.iter().any(|name| name == IN_USE_FINALIZER))
}

async fn metadata(context: &Context, key: &Key) -> Result<Option<ObjectMeta>, Error> {
    let client = context.client.clone();
    Ok(if key.kind == "Secret" {
        let api: Api<Secret> = Api::namespaced(client, &key.namespace);
        api.get_metadata_opt(&key.name).await?.map(|found| found.metadata)
    } else {
        let api: Api<ServiceAccount> = Api::namespaced(client, &key.namespace);
        api.get_metadata_opt(&key.name).await?.map(|found| found.metadata)
    })
}

async fn set(context: &Context, key: &Key, present: bool) -> Result<(), Error> {
    let Some(found) = metadata(context, key).await? else { return Ok(()) };
    if is_held(&found) == present {
        return Ok(());
    }
    let mut all = found.finalizers.unwrap_or_default();
    all.retain(|name| name != IN_USE_FINALIZER);
    if present {
        all.push(IN_USE_FINALIZER.to_owned());
    }
    context.check_leads()?;
    // With the version, so that a finalizer of somebody else is never lost.
    let patch = json!({"metadata": {"finalizers": all, "resourceVersion": found.resource_version}});
    if key.kind == "Secret" {
        patch_metadata(Api::<Secret>::namespaced(context.client.clone(), &key.namespace), key, &patch).await
    } else {
        patch_metadata(Api::<ServiceAccount>::namespaced(context.client.clone(), &key.namespace), key, &patch).await
    }
}

async fn patch_metadata<K>(api: Api<K>, key: &Key, patch: &serde_json::Value) -> Result<(), Error>
where
    K: kube::Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    match api.patch_metadata(&key.name, &PatchParams::default(), &Patch::Merge(patch)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error.into()),
    }
}
