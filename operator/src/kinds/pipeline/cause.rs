//! What a run is made for, as a key: the same definition on the same data gives the same run, in any cluster.

use std::collections::BTreeMap;

use azureml_crds::pipeline::{AmlPipelineSpec, CauseKey};
use azureml_crds::pipeline_run::ResolvedInput;
use data_encoding::BASE32_NOPAD;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::ownership::Owner;

/// Letters of a hash in a name: 50 bits.
const NAME_HASH: usize = 10;
/// Letters of a definition's hash.
const SPEC_HASH: usize = 16;

/// How a run is named as the reason for its being.
pub mod causes {
    /// A new or changed definition.
    pub const SPEC_CHANGE: &str = "SpecChange";
    /// A new version of a dataset.
    pub const DATASET_CHANGE: &str = "DatasetChange";
    /// A person asked.
    pub const MANUAL: &str = "Manual";
    /// The schedule in Azure came to its time.
    pub const SCHEDULE: &str = "Schedule";
    /// Somebody sent a request to the published address.
    pub const PUBLISHED: &str = "Published";
}

/// The hash of what is run: when it runs, and what is kept, does not matter. `digests` are of what the definition takes
/// from ConfigMaps (code, conda files): other content is another definition.
#[must_use]
pub fn spec_hash(spec: &AmlPipelineSpec, digests: &BTreeMap<String, String>) -> String {
    let mut value = serde_json::to_value(spec).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        for name in ["run", "publish", "deletionPolicy", "adoptionPolicy"] {
            fields.remove(name);
        }
        if !digests.is_empty() {
            fields.insert("digests".to_owned(), serde_json::to_value(digests).unwrap_or_default());
        }
    }
    short_hash(&[&sorted(value).to_string()], SPEC_HASH)
}

/// The key of a run on these inputs.
#[must_use]
pub fn key(spec_hash: &str, inputs: &[ResolvedInput]) -> CauseKey {
    let mut inputs: Vec<String> = inputs.iter().map(|input| format!("{}={}", input.name, input.version)).collect();
    inputs.sort();
    CauseKey { spec_hash: spec_hash.to_owned(), inputs }
}

/// The name of the run for a key; `token` tells runs apart that a person asked for. The pipeline's owner is in it, so
/// that two clusters on one workspace don't meet in a name.
#[must_use]
pub fn run_name(pipeline: &str, owner: &Owner, key: &CauseKey, token: Option<&str>) -> String {
    let (id, inputs) = (owner.id.to_string(), key.inputs.join(","));
    let parts = [id.as_str(), &key.spec_hash, &inputs, token.unwrap_or_default()];
    format!("{pipeline}-{}", short_hash(&parts, NAME_HASH))
}

/// The name of the run that shows a job which Azure started.
#[must_use]
pub fn shown_name(pipeline: &str, owner: &Owner, job: &str) -> String {
    format!("{pipeline}-{}", short_hash(&[&owner.id.to_string(), "job", job], NAME_HASH))
}

/// A hash of texts, in the letters that names in Kubernetes and Azure both may have.
#[must_use]
pub fn short_hash(parts: &[&str], letters: usize) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.as_bytes());
        hasher.update([0]);
    }
    BASE32_NOPAD.encode(&hasher.finalize()).to_lowercase().chars().take(letters).collect()
}

/// The hash of any value, whatever the order of its fields.
#[must_use]
pub fn value_hash<T: serde::Serialize>(value: &T) -> String {
    short_hash(&[&sorted(serde_json::to_value(value).unwrap_or_default()).to_string()], SPEC_HASH)
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<(String, Value)> = fields.into_iter().collect();
            fields.sort_by(|left, right| left.0.cmp(&right.0));
            Value::Object(fields.into_iter().map(|(name, value)| (name, sorted(value))).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::pipeline::validate::tests::spec;

    fn owner(namespace: &str) -> Owner {
        Owner::new("prod", namespace, "AmlPipeline", "bank", "u")
    }

    #[test]
    fn only_what_is_run_counts_for_the_hash() {
        let one = spec(&[("train", "training")]);
        let mut other = one.clone();
        other.run = Some(azureml_crds::pipeline::RunPolicy::default());
        let none = BTreeMap::new();
        let hash = spec_hash(&one, &none);
        assert_eq!(hash, spec_hash(&other, &none));
        other.experiment = Some("x".into());
        assert_ne!(hash, spec_hash(&other, &none));
        assert_ne!(hash, spec_hash(&one, &[("prep/code".to_owned(), "aa".to_owned())].into()));
    }

    #[test]
    fn a_run_s_name_follows_from_owner_definition_inputs_and_token() {
        let input = |version: &str| ResolvedInput { name: "a".into(), version: version.into(), ..Default::default() };
        let name = |namespace: &str, version: &str, token| {
            run_name("bank", &owner(namespace), &key("s", &[input(version)]), token)
        };
        let first = name("a", "1", None);
        assert_eq!(first, name("a", "1", None));
        for other in [name("b", "1", None), name("a", "2", None), name("a", "1", Some("now"))] {
            assert_ne!(first, other);
        }
        assert_eq!(first.len(), "bank-".len() + NAME_HASH);
    }
}
