//! Every text that a cluster ever showed in an event, a status or an annotation, also what was overwritten since.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::StreamExt;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::Value;

use crate::api::OURS;
use crate::failure::{Result, While};

/// Shorter texts hold no secret.
const SHORTEST: usize = 8;

/// The texts, each with where it was seen first.
static SEEN: Mutex<Option<HashMap<String, String>>> = Mutex::new(None);

fn seen() -> MutexGuard<'static, Option<HashMap<String, String>>> {
    SEEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps what the cluster shows from now on.
pub fn follow(client: &Client) {
    for (kind, api) in apis(client) {
        // Before the server ends it by itself: the client's patience is a minute.
        let config = watcher::Config::default().timeout(45);
        let watch = watcher(api, config).default_backoff();
        tokio::spawn(watch.for_each(move |event| {
            if let Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) = event {
                keep(&kind, &object);
            }
            futures::future::ready(())
        }));
    }
}

/// Looks once more: a watch may be behind.
///
/// # Errors
/// When the API server can't be asked.
pub async fn catch_up(client: &Client) -> Result {
    for (kind, api) in apis(client) {
        let all = api.list(&ListParams::default()).await.doing(&kind)?;
        all.items.iter().for_each(|object| keep(&kind, object));
    }
    Ok(())
}

/// All texts, each with where it was seen first.
#[must_use]
pub fn texts() -> Vec<(String, String)> {
    let all = seen().clone().unwrap_or_default();
    all.into_iter().collect()
}

fn apis(client: &Client) -> Vec<(String, Api<DynamicObject>)> {
    let ours = OURS.map(|kind| ("azureml.dev", "v1alpha1", kind));
    let all = ours.into_iter().chain([("events.k8s.io", "v1", "Event")]);
    all.map(|(group, version, kind)| {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        (kind.to_owned(), Api::all_with(client.clone(), &resource))
    })
    .collect()
}

fn keep(kind: &str, object: &DynamicObject) {
    let name = object.metadata.name.as_deref().unwrap_or_default();
    let place = format!("{kind} {}/{name}", object.metadata.namespace.as_deref().unwrap_or_default());
    let mut data = object.data.clone();
    if let Some(fields) = data.as_object_mut() {
        fields.remove("spec");
    }
    let annotations = serde_json::to_value(&object.metadata.annotations).unwrap_or_default();
    let mut seen = seen();
    let texts = seen.get_or_insert_default();
    for part in [&data, &annotations] {
        leaves(part, &mut |text| {
            if text.len() >= SHORTEST && !texts.contains_key(text) {
                texts.insert(text.to_owned(), place.clone());
            }
        });
    }
}

/// The names of fields and the texts in them, at any depth.
fn leaves(value: &Value, keep: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => keep(text),
        Value::Array(items) => items.iter().for_each(|item| leaves(item, keep)),
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            keep(name);
            leaves(value, keep);
        }),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn status_and_annotations_are_kept_and_the_spec_is_not() {
        let object: DynamicObject = serde_json::from_value(json!({
            "apiVersion": "azureml.dev/v1alpha1", "kind": "AmlModel",
            "metadata": {"name": "m", "namespace": "n", "annotations": {"example.org/key": "an annotation"}},
            "spec": {"description": "a long description"},
            "status": {"conditions": [{"message": "a long message"}], "objects": {"a-long-key": 1}},
        }))
        .unwrap();
        keep("AmlModel", &object);
        let all = texts();
        let has = |text: &str| all.iter().any(|(found, place)| found == text && place == "AmlModel n/m");
        assert!(has("a long message") && has("a-long-key") && has("an annotation") && !has("a long description"));
    }
}
