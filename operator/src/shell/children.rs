//! Objects in the cluster that the operator writes for a custom resource: owned, marked, and never with labels that a
//! GitOps tool would take for its own.

use std::collections::BTreeMap;

use azureml_crds::{AmlResource, GROUP, annotations};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, ObjectMeta, Patch, PatchParams};

use crate::context::Context;
use crate::error::Error;

/// The name under which the operator applies fields.
pub const FIELD_MANAGER: &str = "azureml-operator";

/// Metadata of a child: an owner reference, `azureml.dev/<kind>: <name>`, and the mark for Argo CD.
pub fn metadata<K: AmlResource>(owner: &K, name: &str) -> ObjectMeta {
    let kind = K::KIND.to_lowercase();
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(owner.namespace().to_owned()),
        owner_references: owner.controller_owner_ref(&()).map(|reference| vec![reference]),
        labels: Some(BTreeMap::from([(format!("{GROUP}/{kind}"), owner.name().chars().take(63).collect())])),
        annotations: Some(BTreeMap::from([(
            annotations::ARGOCD_COMPARE.0.to_owned(),
            annotations::ARGOCD_COMPARE.1.to_owned(),
        )])),
        ..ObjectMeta::default()
    }
}

/// Applies a Secret, with an annotation of its own.
///
/// # Errors
/// When the API refuses it.
pub async fn apply_secret<K: AmlResource>(
    context: &Context,
    owner: &K,
    name: &str,
    data: BTreeMap<String, String>,
    (annotation, value): (&str, &str),
) -> Result<(), Error> {
    context.check_leads()?;
    let api: Api<Secret> = Api::namespaced(context.client.clone(), owner.namespace());
    let mut metadata = metadata(owner, name);
    metadata.annotations.get_or_insert_default().insert(annotation.to_owned(), value.to_owned());
    let secret = Secret { metadata, string_data: Some(data), type_: Some("Opaque".into()), ..Secret::default() };
    api.patch(name, &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(&secret)).await?;
    Ok(())
}

/// Applies a ConfigMap.
///
/// # Errors
/// When the API refuses it.
pub async fn apply_config_map<K: AmlResource>(
    context: &Context,
    owner: &K,
    name: &str,
    data: BTreeMap<String, String>,
) -> Result<(), Error> {
    context.check_leads()?;
    let api: Api<ConfigMap> = Api::namespaced(context.client.clone(), owner.namespace());
    let map = ConfigMap { metadata: metadata(owner, name), data: Some(data), ..ConfigMap::default() };
    api.patch(name, &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(&map)).await?;
    Ok(())
}
