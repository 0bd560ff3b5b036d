//! What a pipeline's status says.

use azureml_crds::AmlPipeline;
use azureml_crds::pipeline::{AmlPipelineStatus, LastRun, PublishedStatus, ScheduleStatus};
use azureml_crds::pipeline_run::Phase;
use azureml_crds::status::AzureObject;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::Observed;
use super::cause::causes;
use super::footprint::{Footprint, Resource};
use super::{publication, schedule};
use crate::ownership::Origin;

/// Unfinished runs that are named.
const ACTIVE: usize = 20;
/// The field that says for which runs concurrencyPolicy holds.
const CONCURRENCY: &str = "run.concurrencyPolicy";

pub fn status(object: &AmlPipeline, observed: &Observed, now: Timestamp) -> AmlPipelineStatus {
    let mut status = object.status.clone().unwrap_or_default();
    status.spec_hash = Some(observed.spec_hash.clone());
    status.last_cause = observed.last_cause.clone();
    status.handled = observed.handled.clone();
    status.last_run = observed
        .runs
        .first()
        .map(|run| LastRun { name: run.name.clone(), phase: run.phase.as_str().to_owned() })
        .or(status.last_run);
    status.active_runs =
        observed.runs.iter().filter(|run| run.is_active()).map(|run| run.name.clone()).take(ACTIVE).collect();
    status.best =
        observed.runs.iter().find(|run| run.phase == Phase::Succeeded).and_then(|run| run.best.clone()).or(status.best);
    if let Some(footprint) = &observed.footprint {
        in_azure(&mut status, object, footprint, now);
    }
    status
}

/// What the pipeline has in Azure by itself.
fn in_azure(status: &mut AmlPipelineStatus, object: &AmlPipeline, footprint: &Footprint, now: Timestamp) {
    status.operation = match (&footprint.started, &footprint.operation) {
        (Some(started), _) => Some(started.clone()),
        (None, Some(azureml::OperationState::Running { .. })) => status.operation.take(),
        (None, _) => None,
    };
    status.discovery = footprint.mark.clone();
    let before = status.schedule.take().and_then(|known| known.azure);
    status.schedule = scheduled(object, footprint, before, now);
    let before = status.published.take();
    status.published = published(object, footprint, before.unwrap_or_default());
    let of = |azure: Option<&AzureObject>| azure.cloned();
    status.azure = of(status.published.as_ref().and_then(|known| known.azure.as_ref()))
        .or_else(|| of(status.schedule.as_ref().and_then(|known| known.azure.as_ref())));
    status.effective.remove(CONCURRENCY);
    if status.azure.is_some() {
        let policy = object.spec.run.as_ref().and_then(|run| run.concurrency_policy).unwrap_or_default();
        let text = format!(
            "{policy:?}, for runs that the operator submits; what the schedule or the published address starts, Azure starts at once"
        );
        status.effective.insert(CONCURRENCY.to_owned(), text);
    }
}

fn azure_object<T>(seen: &Resource<T>, origin: Option<Origin>, before: Option<AzureObject>) -> AzureObject {
    let before = before.and_then(|azure| azure.origin);
    AzureObject { id: seen.id.clone(), origin: origin.map(|origin| origin.as_str().to_owned()).or(before) }
}

fn scheduled(
    object: &AmlPipeline,
    footprint: &Footprint,
    before: Option<AzureObject>,
    now: Timestamp,
) -> Option<ScheduleStatus> {
    let seen = &footprint.schedule;
    let spec = object.spec.run.as_ref().and_then(|run| run.schedule.as_ref());
    let ours = |found: &azureml::resources::schedules::Schedule| {
        footprint.owner.judge(&found.properties.tags, seen.held).ours()
    };
    let origin = seen.found.as_ref().and_then(ours);
    if spec.is_none() && origin.is_none() {
        return None;
    }
    let found = seen.found.as_ref().filter(|_| origin.is_some()).map(|found| &found.properties);
    let times = spec.and_then(|spec| schedule::times(spec).ok());
    let enabled = found.is_some_and(|found| found.is_enabled);
    let next = times.as_ref().filter(|_| enabled).and_then(|times| times.cron.next(now, times.zone.as_ref()?));
    let second = SignedDuration::from_secs(1);
    let ran_since = |at: &Timestamp| {
        footprint
            .jobs
            .iter()
            .any(|job| job.cause == causes::SCHEDULE && job.created >= at.checked_sub(second).unwrap_or(*at))
    };
    Some(ScheduleStatus {
        name: seen.name(),
        windows_time_zone: found.and_then(|found| found.trigger.time_zone.clone()),
        job_hash: seen.found.as_ref().and_then(schedule::hash).map(str::to_owned),
        next: next.map(Time),
        suspended: found.is_some() && !enabled,
        missed: footprint.missed.filter(|at| !ran_since(at)).map(Time),
        azure: Some(azure_object(seen, origin, before)),
    })
}

fn published(object: &AmlPipeline, footprint: &Footprint, before: PublishedStatus) -> Option<PublishedStatus> {
    let seen = &footprint.endpoint;
    let origin = publication::origin(footprint);
    let wanted = object.spec.publish.is_some() && publication::is_wanted(object, footprint);
    let goes = seen.recorded && origin == Some(Origin::Created);
    if !wanted && !goes {
        return None;
    }
    let mut status = PublishedStatus { azure: Some(azure_object(seen, origin, before.azure.clone())), ..before };
    let found = seen.found.as_ref().filter(|_| origin.is_some());
    status.invoke_uri = found.and_then(|found| found.properties.scoring_uri.clone()).unwrap_or_default();
    if let (true, Some(publication)) = (publication::serves(footprint), &footprint.publication) {
        status.inputs.clone_from(&publication.inputs);
        status.version.clone_from(&publication.version);
        status.deployment = Some(publication.deployment.clone());
    }
    Some(status)
}
