//! A model version as Azure keeps it: what it is, where it came from, what was measured of it. Everything that a later
//! decision needs stands on the version itself, so that a cluster rebuilt from Git decides the same.

use std::collections::BTreeMap;

use azureml::resources::Map;
use azureml::resources::models::{ModelVersion, ModelVersionProperties};
use azureml_crds::model::Verdict;
use azureml_crds::pipeline_run::Metrics;
use azureml_crds::tags;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::candidate::Candidate;
use crate::ownership::{Origin, Owner};

/// Properties: Azure lets them be added and never changed, which is what measurements are.
const RUN: &str = "azureml-operator-run";
const PRIMARY: &str = "azureml-operator-primary";
const METRIC: &str = "metric";
const DATA: &str = "azureml-operator-data";
/// Azure's limit is 50 properties.
const PROPERTIES: usize = 40;
/// Why a verdict was given; Azure's limit on a tag's value is 1000.
const REASON: &str = "azureml-operator-verdict-reason";
const REASON_LIMIT: usize = 512;

/// On which data something was measured; figures of different data can't be compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MeasuredData {
    /// While training.
    pub validation: String,
    /// On test data.
    pub test: String,
}

/// A version, as far as decisions need it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Version {
    /// Its name.
    pub version: String,
    /// Its ARM id.
    pub id: String,
    /// This object registered it.
    pub ours: bool,
    /// `<job>/<output>`, or what else it was made from.
    pub source: String,
    /// The AmlPipelineRun.
    pub run: Option<String>,
    /// What was measured.
    pub metrics: Metrics,
    /// On which data.
    pub data: MeasuredData,
    /// The metric that the best model was chosen by.
    pub primary: Option<String>,
    /// What the gate said, where it was asked.
    pub verdict: Option<Verdict>,
    /// Why.
    pub reason: Option<String>,
    /// By which gate.
    pub gate_hash: Option<String>,
    /// Hidden from lists.
    pub archived: bool,
    /// When it was registered.
    pub created: Option<Timestamp>,
}

impl Version {
    /// The version's number; what is no number comes first.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.version.parse().unwrap_or_default()
    }
}

/// Reads a version.
#[must_use]
pub fn read(found: &ModelVersion, owner: &Owner) -> Version {
    let tags = &found.properties.tags;
    let ours = tags.get(tags::OWNER) == Some(&owner.id.to_string()) && tags.contains_key(tags::SOURCE);
    let properties = found.properties.extra.get("properties").and_then(Value::as_object);
    let property = |name: &str| properties.and_then(|all| all.get(name)?.as_str()).map(str::to_owned);
    let metrics = |on: &str| -> BTreeMap<String, String> {
        let prefix = format!("{METRIC}.{on}.");
        let all = properties.into_iter().flatten();
        all.filter_map(|(name, value)| Some((name.strip_prefix(&prefix)?.to_owned(), value.as_str()?.to_owned())))
            .collect()
    };
    Version {
        version: found.name.clone(),
        id: found.id.clone(),
        ours,
        source: tags.get(tags::SOURCE).cloned().unwrap_or_default(),
        run: property(RUN),
        metrics: Metrics { validation: metrics("validation"), test: metrics("test") },
        data: MeasuredData {
            validation: property(&format!("{DATA}.validation")).unwrap_or_default(),
            test: property(&format!("{DATA}.test")).unwrap_or_default(),
        },
        primary: property(PRIMARY),
        verdict: ours.then(|| tags.get(tags::VERDICT).and_then(|text| verdict(text))).flatten(),
        reason: tags.get(REASON).cloned(),
        gate_hash: tags.get(tags::HASH).cloned(),
        archived: found.properties.is_archived,
        created: found.system_data.created(),
    }
}

fn verdict(text: &str) -> Option<Verdict> {
    [Verdict::Approved, Verdict::Rejected, Verdict::Pending, Verdict::Inconclusive]
        .into_iter()
        .find(|verdict| verdict.as_str() == text)
}

/// The body of a version that is registered; metrics in `first` are kept before others.
#[must_use]
pub fn body(
    candidate: &Candidate,
    owner: &Owner,
    verdict: Verdict,
    gate_hash: &str,
    reason: &str,
    first: &[String],
) -> ModelVersion {
    let mut tags: Map = owner.tags(Origin::Created);
    tags.insert(tags::SOURCE.to_owned(), candidate.source.clone());
    mark(&mut tags, verdict, gate_hash, reason);
    ModelVersion {
        properties: ModelVersionProperties {
            model_type: candidate.model_type.to_owned(),
            model_uri: candidate.uri.clone(),
            job_name: candidate.job.clone(),
            tags,
            extra: [("properties".to_owned(), json!(properties(candidate, first)))].into_iter().collect(),
            ..ModelVersionProperties::default()
        },
        ..ModelVersion::default()
    }
}

/// Writes a verdict into a version's tags.
pub fn mark(tags: &mut Map, verdict: Verdict, gate_hash: &str, reason: &str) {
    tags.insert(tags::VERDICT.to_owned(), verdict.as_str().to_owned());
    tags.insert(tags::HASH.to_owned(), gate_hash.to_owned());
    tags.insert(REASON.to_owned(), azureml_crds::status::clip(reason, REASON_LIMIT));
}

fn properties(candidate: &Candidate, first: &[String]) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    if let Some(run) = &candidate.run {
        all.insert(RUN.to_owned(), run.clone());
    }
    if let Some(primary) = &candidate.primary {
        all.insert(PRIMARY.to_owned(), primary.clone());
    }
    for (on, data) in [("validation", &candidate.data.validation), ("test", &candidate.data.test)] {
        if !data.is_empty() {
            all.insert(format!("{DATA}.{on}"), data.clone());
        }
    }
    let listed = |important: bool| {
        let tables = [("validation", &candidate.metrics.validation), ("test", &candidate.metrics.test)];
        tables.into_iter().flat_map(move |(on, metrics)| {
            metrics
                .iter()
                .filter(move |(name, _)| first.contains(name) == important)
                .map(move |(name, value)| (format!("{METRIC}.{on}.{name}"), value.clone()))
        })
    };
    for (name, value) in listed(true).chain(listed(false)) {
        if all.len() < PROPERTIES {
            all.insert(name, value);
        }
    }
    all
}
