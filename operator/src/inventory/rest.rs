//! Whether an object is at rest, and how often it is looked at then. Pure.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use azureml_crds::{AmlResource, StatusCore, annotations, conditions};

/// Nothing is to be done as far as the object itself tells: what was wanted was reached and nobody asked for anything
/// since. Only then may lists speak for Azure. An object with an interval of its own is watched for itself.
#[must_use]
pub fn is_at_rest<K: AmlResource>(object: &K) -> bool {
    let holds = |kind: &str| object.condition(kind).is_some_and(|condition| condition.status == "True");
    object.is_ready()
        && !holds(conditions::RECONCILING)
        && !holds(conditions::STALLED)
        && !object.is_deleting()
        && !is_asked(object)
        && own_interval(object).is_none()
}

/// A person asks for a look, and there was none since.
#[must_use]
pub fn is_asked<K: AmlResource>(object: &K) -> bool {
    let asked = object.annotation(annotations::RECONCILE_AT);
    let answered = object.status().and_then(|status| status.handled().get("reconcile-at")).map(String::as_str);
    asked.is_some() && asked != answered
}

/// How often the object itself asks to be looked at.
#[must_use]
pub fn own_interval<K: AmlResource>(object: &K) -> Option<Duration> {
    let text = object.annotation(annotations::RESYNC_INTERVAL)?;
    text.parse::<azureml_crds::Duration>().ok().map(|own| own.std())
}

/// The time to the next look: never longer than the interval, and up to a twentieth shorter, so that objects made
/// together are not looked at together.
#[must_use]
pub fn spread(interval: Duration, uid: &str) -> Duration {
    let mut hasher = DefaultHasher::new();
    uid.hash(&mut hasher);
    let part = u32::try_from(hasher.finish() % 1000).unwrap_or_default();
    interval.mul_f64(0.95 + f64::from(part) / 20_000.0)
}

/// How old a list may be for those who are looked at in this interval: whoever comes back finds it too old, so that
/// nothing goes unseen for longer than the interval.
#[must_use]
pub fn list_age(interval: Duration) -> Duration {
    interval.mul_f64(0.95)
}

#[cfg(test)]
mod tests {
    use azureml_crds::AmlDataset;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn object(metadata: &Value, status: &Value) -> AmlDataset {
        let mut meta = json!({"name": "a", "namespace": "team-a", "uid": "uid-1", "generation": 2});
        for (name, value) in metadata.as_object().unwrap() {
            meta[name] = value.clone();
        }
        serde_json::from_value(json!({
            "apiVersion": "azureml.dev/v1alpha1", "kind": "AmlDataset", "metadata": meta, "status": status,
            "spec": {"workspaceRef": {"name": "w"}, "type": "Table", "source": {"web": {"url": "https://e.org/a.csv"}}},
        }))
        .unwrap()
    }

    fn condition(kind: &str, status: &str, generation: i64) -> Value {
        json!({"type": kind, "status": status, "reason": "Succeeded", "message": "", "observedGeneration": generation,
               "lastTransitionTime": "2026-01-01T00:00:00Z"})
    }

    #[test]
    fn only_what_is_ready_as_it_is_wanted_now_is_at_rest() {
        let ready = condition("Ready", "True", 2);
        let annotated = |name: &str, value: &str| json!({"annotations": {name: value}});
        let table = [
            ("ready", json!({}), json!({"conditions": [ready]}), true),
            ("new", json!({}), json!({}), false),
            ("its spec was edited", json!({}), json!({"conditions": [condition("Ready", "True", 1)]}), false),
            ("not ready", json!({}), json!({"conditions": [condition("Ready", "False", 2)]}), false),
            (
                "ready with something under way",
                json!({}),
                json!({"conditions": [ready, condition("Reconciling", "True", 2)]}),
                false,
            ),
            (
                "a person asks",
                annotated("azureml.dev/reconcile-at", "2"),
                json!({"conditions": [ready], "handled": {"reconcile-at": "1"}}),
                false,
            ),
            (
                "a person asked",
                annotated("azureml.dev/reconcile-at", "2"),
                json!({"conditions": [ready], "handled": {"reconcile-at": "2"}}),
                true,
            ),
            (
                "an interval of its own",
                annotated("azureml.dev/resync-interval", "1m"),
                json!({"conditions": [ready]}),
                false,
            ),
            (
                "being deleted",
                json!({"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["azureml.dev/finalizer"]}),
                json!({"conditions": [ready]}),
                false,
            ),
        ];
        for (case, metadata, status, expected) in table {
            assert_eq!(is_at_rest(&object(&metadata, &status)), expected, "{case}");
        }
    }

    proptest! {
        #[test]
        fn who_comes_back_finds_the_list_too_old_and_never_later_than_the_interval(uid: u128, seconds in 1_u64..1_000_000) {
            let interval = Duration::from_secs(seconds);
            let next = spread(interval, &uuid::Uuid::from_u128(uid).to_string());
            prop_assert!(next <= interval && next >= list_age(interval));
        }
    }
}
