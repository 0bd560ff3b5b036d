//! What is written into an object: its finalizer, and its status where that differs.

use azureml_crds::{AmlResource, FINALIZER, StatusCore, annotations, conditions};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Resource as _;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::json;

use super::Kind;
use super::standing::{self, Extra, Standing};
use crate::context::Context;
use crate::error::Error;
use crate::events::{self, Note};

/// Puts the finalizer, or takes it away.
pub(super) async fn set_finalizer<K: Kind>(
    context: &Context,
    object: &K::Resource,
    present: bool,
) -> Result<(), Error> {
    context.check_leads()?;
    let mut all: Vec<String> = object.meta().finalizers.clone().unwrap_or_default();
    all.retain(|name| name != FINALIZER);
    if present {
        all.push(FINALIZER.to_owned());
    }
    let patch = json!({"metadata": {"finalizers": all, "resourceVersion": object.meta().resource_version}});
    let api: Api<K::Resource> = Api::namespaced(context.client.clone(), object.namespace());
    match api.patch(object.name(), &PatchParams::default(), &Patch::Merge(patch)).await {
        Ok(written) => {
            if present {
                context.fresh.wrote(written.uid(), written.meta().resource_version.as_deref());
            }
            Ok(())
        }
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Writes the status when it differs, and tells of transitions.
pub(super) async fn write_status<K: Kind>(
    context: &Context,
    object: &K::Resource,
    mut status: <K::Resource as AmlResource>::Status,
    standing: &Standing,
    extras: &[Extra],
    now: Timestamp,
    notes: &[Note],
) -> Result<(), Error> {
    let transition = say::<K>(object, &mut status, standing, extras, now);
    if object.status() != Some(&status) {
        context.check_leads()?;
        let mut wanted = object.clone();
        wanted.set_status(status);
        let api: Api<K::Resource> = Api::namespaced(context.client.clone(), object.namespace());
        let written = api.replace_status(object.name(), &PostParams::default(), &wanted).await?;
        context.fresh.wrote(written.uid(), written.meta().resource_version.as_deref());
    }
    let all: Vec<Note> = notes.iter().cloned().chain(transition).collect();
    if !all.is_empty() {
        events::publish(&context.recorder, &object.object_ref(&()), &all).await;
    }
    Ok(())
}

/// Puts into the status how the object stands; the transition to be told of.
pub(super) fn say<K: Kind>(
    object: &K::Resource,
    status: &mut <K::Resource as AmlResource>::Status,
    standing: &Standing,
    extras: &[Extra],
    now: Timestamp,
) -> Option<Note> {
    let before = object.status().map(|status| status.conditions().to_vec()).unwrap_or_default();
    // A pause is taken back only where there was one.
    let extras: Vec<Extra> = extras
        .iter()
        .filter(|extra| {
            extra.kind != conditions::PAUSED
                || extra.status == Some(true)
                || before.iter().any(|old| old.type_ == conditions::PAUSED)
        })
        .cloned()
        .collect();
    let merged = standing::merge(&before, standing, &extras, object.generation(), now);
    let transition = transition_note(&before, &merged);
    status.set_conditions(merged);
    status.set_observed_generation(object.meta().generation);
    if let Some(value) = object.annotation(annotations::RECONCILE_AT)
        && status.handled().get("reconcile-at").map(String::as_str) != Some(value)
    {
        status.handled_mut().insert("reconcile-at".to_owned(), value.to_owned());
    }
    if !azureml_crds::status::fit(status) {
        tracing::warn!(kind = K::Resource::KIND, name = object.name(), "the status is longer than it may be");
    }
    transition
}

/// An event when Ready changes its status, or its reason for not being True.
fn transition_note(before: &[Condition], after: &[Condition]) -> Option<Note> {
    let find = |all: &'_ [Condition], kind: &str| all.iter().find(|condition| condition.type_ == kind).cloned();
    let new = find(after, conditions::READY)?;
    let old = find(before, conditions::READY);
    if old.as_ref().is_some_and(|old| old.status == new.status && old.reason == new.reason) {
        return None;
    }
    if old.is_none() && new.status == "Unknown" {
        return None;
    }
    let stalled = find(after, conditions::STALLED).is_some();
    Some(Note { warning: stalled, reason: new.reason, message: new.message })
}
