//! What a model's status says.

use std::collections::BTreeMap;

use azureml::automl::mlflow_metric;
use azureml_crds::AmlModel;
use azureml_crds::model::{AmlModelStatus, ApprovedVersion, MeasuredOn, ModelVersion, Verdict};
use azureml_crds::status::{AzureObject, clip, fit};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::Observed;
use super::plan::question;
use super::version::Version;
use crate::ownership::Ownership;

/// Versions that are listed.
const VERSIONS: usize = 20;
/// Letters of a reason.
const REASON: usize = 512;
/// Metrics of a version.
const METRICS: usize = 20;

pub fn status(object: &AmlModel, observed: &Observed) -> AmlModelStatus {
    let before = object.status.clone().unwrap_or_default();
    let mut status = before.clone();
    let question = question(object, observed);
    let answer = question.decide();
    let registers = object.spec.sources.iter().any(|source| source.existing.is_none());
    let ownership = observed.ownership();
    // A model that was only found again is not held yet: recorded as held, its earlier uid would read as another
    // cluster's.
    let origin = ownership.as_ref().and_then(Ownership::ours).map(|origin| origin.as_str().to_owned());
    let about_to = observed.container.is_none() && !observed.candidates.is_empty();
    let found_again = matches!(ownership, Some(Ownership::Reattach(_)));
    // What others own is not recorded as ours to delete.
    if registers && (origin.is_some() || about_to || found_again) {
        status.azure = Some(AzureObject { id: observed.id.clone(), origin });
    }
    let find = |name: &String| observed.versions.iter().find(|version| version.version == *name);
    status.approved = answer.approved.as_ref().and_then(find).map(|version| ApprovedVersion {
        version: version.version.clone(),
        id: version.id.clone(),
        run: version.run.clone(),
        metrics: metrics(object, version),
    });
    status.latest = answer.latest.clone();
    status.latest_verdict = answer.verdict.as_ref().map(|(verdict, _)| *verdict);
    let mut versions: Vec<&Version> = observed.versions.iter().collect();
    versions.sort_by_key(|version| std::cmp::Reverse(version.number()));
    let approved = answer.approved.as_deref();
    let listed = versions
        .iter()
        .enumerate()
        .filter(|(index, version)| *index < VERSIONS - 1 || Some(version.version.as_str()) == approved);
    status.versions = listed
        .take(VERSIONS)
        .map(|(_, version)| {
            let (verdict, reason) = if version.ours || question.existing.contains(&version.version.as_str()) {
                let (verdict, reason) = question.verdict(version);
                (verdict, Some(clip(&reason, REASON)))
            } else {
                (Verdict::Foreign, None)
            };
            ModelVersion {
                version: version.version.clone(),
                source: version.source.clone(),
                run: version.run.clone(),
                metrics: metrics(object, version),
                verdict,
                reason,
                at: version.created.map(seconds).or_else(|| {
                    before.versions.iter().find(|old| old.version == version.version).and_then(|old| old.at.clone())
                }),
            }
        })
        .collect();
    fit(&mut status);
    status
}

/// As the Kubernetes API keeps times: what was written reads as it was said.
fn seconds(at: Timestamp) -> Time {
    Time(Timestamp::from_second(at.as_second()).unwrap_or(at))
}

/// The metrics that the gate names, and the one that the model was chosen by.
fn metrics(object: &AmlModel, version: &Version) -> BTreeMap<String, String> {
    let bounds = object.spec.gate.iter().flat_map(|gate| &gate.metrics);
    let mut wanted: Vec<(String, MeasuredOn)> =
        bounds.map(|bound| (mlflow_metric(&bound.name), bound.on.unwrap_or_default())).collect();
    wanted.extend(version.primary.iter().map(|name| (name.clone(), MeasuredOn::Validation)));
    let mut told = BTreeMap::new();
    for (name, on) in wanted.into_iter().take(METRICS) {
        let table = match on {
            MeasuredOn::Validation => &version.metrics.validation,
            MeasuredOn::Test => &version.metrics.test,
        };
        if let Some(value) = table.get(&name) {
            told.entry(name).or_insert_with(|| value.clone());
        }
    }
    told
}
