//! Autoscale settings act: within their capacity, by their rules, on the emulator's clock.

use crate::automl::request::iso_duration;
use crate::server::App;
use crate::telemetry::metrics::{Question, Scope};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;

/// Where a deployment's setting is and what it says.
struct Setting {
    workspace: String,
    endpoint: String,
    deployment: String,
    profile: Value,
}

/// Brings every deployment that has a setting to the size that the setting wants.
pub(crate) fn tick(app: &App) {
    let now = app.estate.clock.now();
    for setting in settings(app) {
        let Setting { workspace, endpoint, deployment, profile } = &setting;
        let online = &app.routes.plane.online;
        let Some((current, scaled)) = online.size_of(workspace, endpoint, deployment) else { continue };
        let idle = scaled.map(|at| now.duration_since(at));
        let wanted = desired(profile, current, idle, |trigger| measured(app, workspace, trigger, now));
        if wanted != current {
            online.resize(workspace, endpoint, deployment, wanted, now);
        }
    }
}

fn settings(app: &App) -> Vec<Setting> {
    let world = app.estate.world();
    let all = world.of_type("Microsoft.Insights/autoscaleSettings");
    all.filter_map(|(_, setting)| {
        let properties = setting.get("properties")?;
        if properties.get("enabled") == Some(&Value::Bool(false)) {
            return None;
        }
        let target: Vec<&str> = properties.get("targetResourceUri")?.as_str()?.split('/').collect();
        let [endpoint, deployment] = [target.get(10)?, target.get(12)?].map(|name| (*name).to_owned());
        let workspace = target.get(..9)?.join("/").to_ascii_lowercase();
        let profile = properties.get("profiles")?.get(0)?.clone();
        Some(Setting { workspace, endpoint, deployment, profile })
    })
    .collect()
}

/// The value of a rule's metric over its window; nothing where nothing is measured.
fn measured(app: &App, workspace: &str, trigger: &Value, now: Timestamp) -> Option<f64> {
    let text = |field: &str| trigger.get(field).and_then(Value::as_str);
    let resource: Vec<&str> = text("metricResourceUri")?.split('/').collect();
    let scope = Scope { endpoint: resource.get(10)?, deployment: resource.get(12).copied() };
    let aggregation = text("timeAggregation").unwrap_or("Average").to_ascii_lowercase();
    let aggregation = if aggregation == "last" { "average".to_owned() } else { aggregation };
    let query: BTreeMap<String, String> = [
        ("metricnames", text("metricName")?),
        ("timespan", text("timeWindow").unwrap_or("PT5M")),
        ("interval", "FULL"),
        ("aggregation", aggregation.as_str()),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into();
    let seen_until = now.checked_sub(app.estate.manners.metrics_lag()).unwrap_or(now);
    let question = Question::read(&query, &scope, seen_until).ok()?;
    let metric = question.metrics.first()?;
    let series = app.routes.plane.telemetry.measured(workspace, |all| question.series(metric, &scope, all.iter()));
    let value = series.first()?.pointer("/data/0")?.get(&aggregation).and_then(Value::as_f64);
    // No request is a rate of nothing; it has no latency.
    value.or((*metric == "RequestsPerMinute").then_some(0.0))
}

/// How many instances a profile wants: more if any rule says so, fewer only if all that could say so do.
fn desired(profile: &Value, current: i64, idle: Option<SignedDuration>, value: impl Fn(&Value) -> Option<f64>) -> i64 {
    let number = |field: &str| {
        let value = profile.get("capacity")?.get(field)?;
        value.as_str().and_then(|text| text.parse::<i64>().ok()).or_else(|| value.as_i64())
    };
    let (least, most) = (number("minimum").unwrap_or(1).max(1), number("maximum").unwrap_or(current));
    let rules = profile.get("rules").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let is = |rule: &Value, direction: &str| {
        let given = rule.pointer("/scaleAction/direction").and_then(Value::as_str).unwrap_or_default();
        given.eq_ignore_ascii_case(direction)
    };
    let holds = |rule: &Value| rule.get("metricTrigger").is_some_and(|trigger| met(trigger, value(trigger)));
    let cool = |rule: &Value| {
        let wait = rule.pointer("/scaleAction/cooldown").and_then(Value::as_str).and_then(iso_duration);
        let wait = wait.and_then(|wait| SignedDuration::try_from(wait).ok()).unwrap_or(SignedDuration::ZERO);
        idle.is_none_or(|idle| idle >= wait)
    };
    let (outs, ins): (Vec<&Value>, Vec<&Value>) = rules.iter().partition(|rule| is(rule, "Increase"));
    let out = outs.iter().filter(|rule| holds(rule) && cool(rule)).map(|rule| changed(rule, current)).max();
    let inward = (!ins.is_empty() && ins.iter().all(|rule| holds(rule) && cool(rule)))
        .then(|| ins.iter().map(|rule| changed(rule, current)).max());
    out.or(inward.flatten()).unwrap_or(current).clamp(least, most.max(least))
}

fn met(trigger: &Value, value: Option<f64>) -> bool {
    let (Some(value), Some(threshold)) = (value, trigger.get("threshold").and_then(Value::as_f64)) else {
        return false;
    };
    match trigger.get("operator").and_then(Value::as_str).unwrap_or_default() {
        "GreaterThan" => value > threshold,
        "GreaterThanOrEqual" => value >= threshold,
        "LessThan" => value < threshold,
        "LessThanOrEqual" => value <= threshold,
        "Equals" => value == threshold,
        "NotEquals" => value != threshold,
        _ => false,
    }
}

/// How many instances a rule makes of so many.
fn changed(rule: &Value, current: i64) -> i64 {
    let action = rule.get("scaleAction").cloned().unwrap_or_default();
    let text = |field: &str| action.get(field).and_then(Value::as_str).unwrap_or_default();
    let number = action.get("value").and_then(Value::as_i64).or_else(|| text("value").parse().ok()).unwrap_or(1);
    let step = if text("type") == "PercentChangeCount" { (current * number / 100).max(1) } else { number };
    match text("type") {
        "ExactCount" => number,
        _ if text("direction").eq_ignore_ascii_case("Increase") => current + step,
        _ => current - step,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rule(operator: &str, threshold: f64, direction: &str) -> Value {
        json!({
            "metricTrigger": {"metricName": "RequestsPerMinute", "operator": operator, "threshold": threshold},
            "scaleAction": {"direction": direction, "type": "ChangeCount", "value": "1", "cooldown": "PT5M"},
        })
    }

    #[test]
    fn a_deployment_follows_its_load_within_its_capacity_after_its_cooldown() {
        let rules = [rule("GreaterThan", 100.0, "Increase"), rule("LessThan", 10.0, "Decrease")];
        let profile = json!({"capacity": {"minimum": "2", "maximum": "4", "default": "2"}, "rules": rules});
        let minutes = |minutes: i64| Some(SignedDuration::from_mins(minutes));
        for (current, idle, load, expected) in [
            (1, None, Some(50.0), 2),
            (9, None, Some(50.0), 4),
            (2, None, Some(101.0), 3),
            (4, None, Some(101.0), 4),
            (3, minutes(4), Some(101.0), 3),
            (3, minutes(5), Some(101.0), 4),
            (3, minutes(5), Some(9.0), 2),
            (2, minutes(5), Some(9.0), 2),
            (3, minutes(5), None, 3),
        ] {
            assert_eq!(desired(&profile, current, idle, |_| load), expected, "{current} {idle:?} {load:?}");
        }
    }
}
