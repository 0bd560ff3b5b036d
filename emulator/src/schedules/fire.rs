//! Submits the jobs of schedules when they are due.

use super::trigger::Trigger;
use crate::server::App;
use jiff::Timestamp;
use serde_json::Value;
use std::sync::PoisonError;

/// Jobs of one schedule that one look at the clock submits: a clock that was stepped by a year must not make a flood.
const MOST: usize = 100;

/// A job that is due.
struct Due {
    workspace: String,
    name: String,
    job: serde_json::Map<String, Value>,
    by: String,
}

/// Submits what became due since the last look.
pub(crate) fn tick(app: &App) {
    let now = app.estate.clock.now();
    let before = {
        let mut looked = app.looked.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *looked, now)
    };
    let due = due(app, before, now);
    let kept = app.estate.keep.is_on() && (!due.is_empty() || before.as_second() / 60 != now.as_second() / 60);
    for due in due {
        let submitted = app.routes.plane.jobs.put(&due.workspace, &due.name, due.job, &due.by, Default::default());
        if let Err(error) = submitted {
            tracing::warn!(job = due.name, %error, "a schedule's job is refused");
        }
    }
    // From when to look after a restart, once the jobs are kept: once a minute is enough, for each is submitted once.
    if kept {
        app.estate.keep.note_looked(now);
    }
}

fn due(app: &App, after: Timestamp, now: Timestamp) -> Vec<Due> {
    let world = app.estate.world();
    let mut all = Vec::new();
    for (workspace, _) in world.workspaces() {
        for schedule in world.members(&format!("{workspace}/schedules")) {
            let text = |pointer: &str| schedule.pointer(pointer).and_then(Value::as_str);
            if schedule.pointer("/properties/isEnabled") != Some(&Value::Bool(true)) {
                continue;
            }
            let job = schedule.pointer("/properties/action/jobDefinition").and_then(Value::as_object);
            let (Some(name), Some(job)) = (text("/name"), job) else { continue };
            for at in times(schedule, after, now) {
                all.push(Due {
                    workspace: workspace.to_owned(),
                    name: format!("{name}-{}", at.strftime("%Y%m%dT%H%M%SZ")),
                    job: named(job, name),
                    by: text("/systemData/createdBy").unwrap_or_default().to_owned(),
                });
            }
        }
    }
    all
}

/// When a schedule fired between two instants.
fn times(schedule: &Value, after: Timestamp, now: Timestamp) -> Vec<Timestamp> {
    let trigger = schedule.pointer("/properties/trigger").and_then(|trigger| Trigger::parse(trigger).ok());
    let created = schedule.pointer("/systemData/createdAt").and_then(Value::as_str);
    let created = created.and_then(|text| text.parse::<Timestamp>().ok()).unwrap_or(after);
    let Some(trigger) = trigger else { return Vec::new() };
    let next = |from: &Timestamp| trigger.next(*from, created).filter(|at| *at <= now);
    std::iter::successors(next(&after.max(created)), next).take(MOST).collect()
}

/// The job, with the schedule it is of.
pub(crate) fn named(job: &serde_json::Map<String, Value>, schedule: &str) -> serde_json::Map<String, Value> {
    let mut job = job.clone();
    let properties = job.entry("properties").or_insert_with(|| serde_json::json!({}));
    if let Some(properties) = properties.as_object_mut() {
        properties.insert("azureml.scheduleName".to_owned(), Value::from(schedule));
    }
    job
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_schedule_fires_once_for_each_time_that_passed() {
        let schedule = json!({
            "properties": {"trigger": {"triggerType": "Cron", "expression": "0 6 * * *"}},
            "systemData": {"createdAt": "2026-01-01T12:00:00Z"},
        });
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let fired = times(&schedule, at("2026-01-01T00:00:00Z"), at("2026-01-03T06:00:00Z"));
        assert_eq!(fired, [at("2026-01-02T06:00:00Z"), at("2026-01-03T06:00:00Z")]);
        assert!(times(&schedule, at("2026-01-03T06:00:00Z"), at("2026-01-03T07:00:00Z")).is_empty());
    }
}
