//! The schedule in Azure: what is wanted, and what is next for it. Pure.
//!
//! Azure keeps the job in the schedule, baked: the schedule is put again whenever the definition or an input's version
//! is another one.

use azureml::resources::schedules::{Schedule, ScheduleProperties, Trigger};
use azureml_crds::pipeline::Schedule as Spec;
use azureml_crds::{AmlPipeline, AmlResource, reasons, tags};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use super::cause::{causes, short_hash, value_hash};
use super::cron::Cron;
use super::footprint::{Footprint, Resource};
use super::resolve::Resolved;
use super::{Action, zones};
use crate::error::Halt;
use crate::kinds::operation::may_retry;
use crate::kinds::pipeline_run::job::{Wanted as Job, body};
use crate::ownership::{Origin, Owner};
use crate::shell::{After, Claim, Plan};

/// Letters of the owner's hash in the name.
const NAME_HASH: usize = 10;
/// The zone where the spec names none.
const UTC: &str = "UTC";

/// When runs start.
#[derive(Clone, Debug)]
pub struct Times {
    /// The times.
    pub cron: Cron,
    /// The zone, where this machine knows it.
    pub zone: Option<TimeZone>,
    /// The zone's Windows name.
    pub windows: &'static str,
}

/// The schedule's name: the pipeline's, told apart from that of another cluster or namespace on the same workspace.
#[must_use]
pub fn name(pipeline: &str, owner: &Owner) -> String {
    format!("{pipeline}-{}", short_hash(&[&owner.id.to_string()], NAME_HASH))
}

/// Reads the spec's schedule.
///
/// # Errors
/// A halt that only a person can end.
pub fn times(spec: &Spec) -> Result<Times, Halt> {
    let invalid = |message: String| Halt::person(reasons::INVALID_SPEC, message);
    let cron = Cron::parse(&spec.cron).map_err(|why| {
        invalid(format!("spec.run.schedule.cron {:?} {why}. Correct it, e.g. 0 3 * * 1 (Mondays at three).", spec.cron))
    })?;
    let zone = spec.time_zone.as_deref().unwrap_or(UTC);
    let windows = zones::windows(zone).ok_or_else(|| {
        invalid(format!(
            "spec.run.schedule.timeZone {zone:?} is no time zone that Azure has a name for. Write its IANA name, e.g. Europe/Berlin."
        ))
    })?;
    Ok(Times { cron, zone: TimeZone::get(zone).ok(), windows })
}

/// Tags of the jobs that Azure starts for a pipeline: by them they are found.
#[must_use]
pub fn job_tags(owner: &Owner, cause: &str) -> azureml::resources::Map {
    let mut all = azureml::resources::Map::new();
    all.insert(tags::PIPELINE.to_owned(), owner.id.to_string());
    all.insert(tags::STARTED_BY.to_owned(), cause.to_owned());
    all.insert(tags::REF.to_owned(), owner.reference.chars().take(256).collect());
    all
}

/// The schedule as it is wanted.
#[must_use]
pub fn wanted(
    object: &AmlPipeline,
    spec: &Spec,
    times: &Times,
    resolved: &Resolved,
    owner: &Owner,
    origin: Origin,
) -> Schedule {
    let job = body(&Job {
        spec: &object.spec,
        parameters: &[],
        resolved,
        experiment: object.spec.experiment.as_deref().unwrap_or(object.name()),
        display_name: object.name(),
        tags: &job_tags(owner, causes::SCHEDULE),
    });
    let mut trigger = Trigger {
        trigger_type: "Cron".to_owned(),
        expression: Some(spec.cron.clone()),
        time_zone: Some(times.windows.to_owned()),
        ..Trigger::default()
    };
    let mut properties = ScheduleProperties {
        display_name: Some(object.name().to_owned()),
        is_enabled: !spec.suspend.unwrap_or(false),
        action: json!({"actionType": "CreateJob", "jobDefinition": job.properties}),
        trigger: trigger.clone(),
        ..ScheduleProperties::default()
    };
    let hash = value_hash(&properties);
    // Without a start Azure starts the first run at once; one that has passed means the next time of the cron ("Schedule
    // machine learning pipeline jobs", learn.microsoft.com). It tells nothing, so it is not in the hash.
    trigger.start_time = Some(start(object, times));
    properties.trigger = trigger;
    properties.tags = owner.tags(origin);
    properties.tags.insert(tags::HASH.to_owned(), hash);
    Schedule { properties, ..Schedule::default() }
}

/// When the object was made, in the schedule's zone.
fn start(object: &AmlPipeline, times: &Times) -> String {
    let made = object.metadata.creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |at| at.0);
    let zone = times.zone.clone().unwrap_or(TimeZone::UTC);
    made.to_zoned(zone).strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// What a schedule was put with.
#[must_use]
pub fn hash(schedule: &Schedule) -> Option<&str> {
    schedule.properties.tags.get(tags::HASH).map(String::as_str)
}

/// What is next for the schedule; at rest where it is as wanted.
#[must_use]
pub fn plan(
    object: &AmlPipeline,
    footprint: &Footprint,
    resolved: Result<&Resolved, &Halt>,
    now: Timestamp,
) -> Plan<Action> {
    let spec = object.spec.run.as_ref().and_then(|run| run.schedule.as_ref());
    let seen = &footprint.schedule;
    let Some(spec) = spec else { return unwanted(footprint) };
    let what = format!("Schedule {:?}", seen.name());
    let times = match times(spec) {
        Ok(times) => times,
        Err(halt) => return Plan::halted(&halt),
    };
    if !seen.recorded {
        return record(&what);
    }
    let resolved = match resolved {
        Ok(resolved) => resolved,
        // Whoever suspends it need not wait for a dataset.
        Err(halt) => return suspended_anyway(footprint, spec).unwrap_or_else(|| Plan::halted(halt)),
    };
    let Some(found) = &seen.found else {
        return Plan::act(
            Action::PutSchedule { reason: reasons::CREATED },
            reasons::PROGRESSING,
            format!("{what} is being made in Azure."),
        );
    };
    let claim = Claim {
        owner: &footprint.owner,
        what: &what,
        adopts: false,
        help: "Delete it in Azure, or give this object another name.",
    };
    let ownership = claim.owner.judge(&found.properties.tags, seen.held);
    let origin = ownership.ours().unwrap_or(Origin::Created);
    if let Some(plan) = claim.plan(ownership, |_, reason| Action::PutSchedule { reason }) {
        return plan;
    }
    if let Some(plan) = moving(&what, found.properties.provisioning_state.as_deref(), object, footprint, now) {
        return plan;
    }
    let wanted = wanted(object, spec, &times, resolved, &footprint.owner, origin);
    match differs(found, &wanted) {
        Some(message) => Plan::act(
            Action::PutSchedule { reason: reasons::UPDATED },
            reasons::PROGRESSING,
            format!("{what} is put again, for {message}."),
        ),
        None => Plan::ready(format!("{what} is in place.")),
    }
}

/// Work on it is under way, or has failed.
fn moving(
    what: &str,
    state: Option<&str>,
    object: &AmlPipeline,
    footprint: &Footprint,
    now: Timestamp,
) -> Option<Plan<Action>> {
    match state.unwrap_or("Succeeded") {
        "Succeeded" => None,
        "Failed" | "Canceled" if may_retry(object, footprint.retry, now) => Some(Plan::act(
            Action::PutSchedule { reason: reasons::UPDATED },
            reasons::PROGRESSING,
            format!("{what} is put again."),
        )),
        state @ ("Failed" | "Canceled") => Some(Plan::stalled(
            reasons::OPERATION_FAILED,
            format!(
                "{what} is {state} in Azure. Correct spec.run.schedule if Azure can't do what it says; it is tried again by and by."
            ),
        )),
        state => Some(Plan::wait(After::Poll, reasons::PROGRESSING, format!("{what} is {state} in Azure."))),
    }
}

/// Written down before Azure hears of it.
pub fn record(what: &str) -> Plan<Action> {
    let plan = Plan::wait(After::Poll, reasons::PROGRESSING, format!("{what} is written down before it is made."));
    Plan { next: crate::shell::Next::Record, ..plan }
}

fn differs(found: &Schedule, wanted: &Schedule) -> Option<&'static str> {
    let (is, should) = (&found.properties, &wanted.properties);
    if hash(found) != hash(wanted) {
        return Some("the definition, its inputs' versions or its times are other ones");
    }
    if is.is_enabled != should.is_enabled {
        return Some(if is.is_enabled { "somebody enabled it" } else { "somebody disabled it" });
    }
    let same = is.trigger.expression == should.trigger.expression && is.trigger.time_zone == should.trigger.time_zone;
    (!same).then_some("somebody changed its times")
}

/// A suspended schedule is disabled as it is where what it would be put with is not known.
fn suspended_anyway(footprint: &Footprint, spec: &Spec) -> Option<Plan<Action>> {
    let seen = &footprint.schedule;
    let runs = seen.found.as_ref().is_some_and(|found| found.properties.is_enabled) && is_ours(footprint);
    (spec.suspend == Some(true) && runs).then(|| disable(seen))
}

fn disable(seen: &Resource<Schedule>) -> Plan<Action> {
    Plan::act(Action::DisableSchedule, reasons::PROGRESSING, format!("Schedule {:?} is being disabled.", seen.name()))
}

fn is_ours(footprint: &Footprint) -> bool {
    let seen = &footprint.schedule;
    seen.found.as_ref().is_some_and(|found| footprint.owner.judge(&found.properties.tags, seen.held).ours().is_some())
}

/// What the spec has no more goes, disabled first: Azure deletes no schedule that is enabled.
fn unwanted(footprint: &Footprint) -> Plan<Action> {
    let seen = &footprint.schedule;
    let (true, Some(found)) = (seen.recorded, &seen.found) else { return Plan::ready("There is no schedule.") };
    if !is_ours(footprint) {
        return Plan::ready("There is no schedule.");
    }
    match found.properties.provisioning_state.as_deref() {
        Some(state @ ("Creating" | "Updating" | "Deleting")) => {
            Plan::wait(After::Poll, reasons::PROGRESSING, format!("Schedule {:?} is {state} in Azure.", seen.name()))
        }
        _ if found.properties.is_enabled => disable(seen),
        _ => Plan::act(
            Action::DeleteSchedule,
            reasons::PROGRESSING,
            format!("Schedule {:?} is being deleted.", seen.name()),
        ),
    }
}

/// The last time at which it should have started a run and none was found, so long after that Azure had the time.
#[must_use]
pub fn missed(object: &AmlPipeline, footprint: &Footprint, now: Timestamp) -> Option<Timestamp> {
    let spec = object.spec.run.as_ref()?.schedule.as_ref().filter(|spec| spec.suspend != Some(true))?;
    let times = times(spec).ok()?;
    let found = footprint.schedule.found.as_ref().filter(|found| found.properties.is_enabled)?;
    let since = found.system_data.modified().or_else(|| found.system_data.created())?;
    let grace = jiff::SignedDuration::try_from(footprint.retry).ok()?;
    let due = times.cron.last(now.checked_sub(grace).ok()?, times.zone.as_ref()?)?;
    let second = jiff::SignedDuration::from_secs(1);
    let ran = footprint
        .jobs
        .iter()
        .any(|job| job.cause == causes::SCHEDULE && job.created >= due.checked_sub(second).unwrap_or(due));
    (due > since && footprint.listed && !ran).then_some(due)
}
