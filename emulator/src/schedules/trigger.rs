//! When a schedule fires next: cron expressions and recurrences.

use super::zone;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan, Zoned};
use serde_json::Value;
use std::collections::BTreeSet;

/// Days looked through before a trigger is said never to fire: a bit more than a leap year.
const DAYS_AHEAD: i64 = 400;

/// When a schedule fires.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Trigger {
    pattern: Pattern,
    zone: TimeZone,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq)]
enum Pattern {
    /// At these minutes of these hours on these days of the week (0 is Sunday).
    Cron { minutes: BTreeSet<i8>, hours: BTreeSet<i8>, week: BTreeSet<i8> },
    /// Every so many minutes or hours from the start.
    Every(SignedDuration),
    /// Every so many days, weeks or months, at these times of day.
    Days {
        unit: Unit,
        interval: i64,
        hours: BTreeSet<i8>,
        minutes: BTreeSet<i8>,
        week: BTreeSet<i8>,
        month: BTreeSet<i8>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Day,
    Week,
    Month,
}

/// Why a trigger is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TriggerError {
    #[error("triggerType is Cron or Recurrence, not '{0}'")]
    Type(String),
    #[error("the cron expression '{expression}' is not valid: {message}")]
    Cron { expression: String, message: String },
    #[error("the recurrence is not valid: {0}")]
    Recurrence(String),
    #[error("the time zone '{0}' is not known: give its Windows name, such as 'Pacific Standard Time'")]
    Zone(String),
    #[error("'{0}' is not a time such as 2026-12-01T00:00:00")]
    Time(String),
}

impl Trigger {
    /// From a schedule's `trigger`.
    pub(crate) fn parse(trigger: &Value) -> Result<Self, TriggerError> {
        let text = |key: &str| trigger.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let name = text("timeZone").unwrap_or("UTC");
        let zone = zone::iana(name).and_then(|iana| TimeZone::get(iana).ok());
        let zone = zone.ok_or_else(|| TriggerError::Zone(name.to_owned()))?;
        let time = |key: &str| text(key).map(|text| instant(text, &zone)).transpose();
        let (start, end) = (time("startTime")?, time("endTime")?);
        let pattern = match text("triggerType").unwrap_or_default().to_ascii_lowercase().as_str() {
            "cron" => cron(text("expression").unwrap_or_default())?,
            "recurrence" => recurrence(trigger)?,
            other => return Err(TriggerError::Type(other.to_owned())),
        };
        Ok(Self { pattern, zone, start, end })
    }

    /// The first time after an instant; `None` when there is none any more. A schedule without a start counts its
    /// intervals from `created`.
    pub(crate) fn next(&self, after: Timestamp, created: Timestamp) -> Option<Timestamp> {
        let start = self.start.unwrap_or(created);
        let found = match &self.pattern {
            Pattern::Every(step) => every(*step, start, after),
            _ => self.by_day(after.max(start.checked_sub(SignedDuration::from_secs(1)).ok()?), start),
        }?;
        (self.end.is_none_or(|end| found <= end)).then_some(found)
    }

    fn by_day(&self, after: Timestamp, start: Timestamp) -> Option<Timestamp> {
        let first = start.to_zoned(self.zone.clone());
        let mut day = after.to_zoned(self.zone.clone()).date();
        for _ in 0..DAYS_AHEAD {
            if self.on(&day.at(0, 0, 0, 0), &first) {
                let (hours, minutes) = self.times(&first);
                for (hour, minute) in hours.iter().flat_map(|hour| minutes.iter().map(move |minute| (*hour, *minute))) {
                    let at = day.at(hour, minute, 0, 0).to_zoned(self.zone.clone()).ok()?.timestamp();
                    if at > after {
                        return Some(at);
                    }
                }
            }
            day = day.tomorrow().ok()?;
        }
        None
    }

    fn on(&self, day: &DateTime, first: &Zoned) -> bool {
        let weekday = day.weekday().to_sunday_zero_offset();
        let days = first.date().until(day.date()).map_or(-1, |span| i64::from(span.get_days()));
        match &self.pattern {
            Pattern::Cron { week, .. } => week.contains(&weekday),
            Pattern::Every(_) => false,
            Pattern::Days { unit: Unit::Day, interval, .. } => days >= 0 && days % interval == 0,
            Pattern::Days { unit: Unit::Week, interval, week, .. } => {
                // Weeks are counted from the Monday of the first one.
                let from_monday = days + i64::from(first.weekday().to_monday_zero_offset());
                let chosen = if week.is_empty() { first.weekday() == day.weekday() } else { week.contains(&weekday) };
                days >= 0 && from_monday / 7 % interval == 0 && chosen
            }
            Pattern::Days { unit: Unit::Month, interval, month, .. } => {
                let months = i64::from(day.year() - first.year()) * 12 + i64::from(day.month() - first.month());
                let chosen = if month.is_empty() { first.day() == day.day() } else { month.contains(&day.day()) };
                days >= 0 && months % interval == 0 && chosen
            }
        }
    }

    fn times(&self, first: &Zoned) -> (BTreeSet<i8>, BTreeSet<i8>) {
        match &self.pattern {
            Pattern::Cron { hours, minutes, .. } => (hours.clone(), minutes.clone()),
            Pattern::Days { hours, minutes, .. } => {
                let or = |set: &BTreeSet<i8>, default: i8| if set.is_empty() { [default].into() } else { set.clone() };
                (or(hours, first.hour()), or(minutes, if hours.is_empty() { first.minute() } else { 0 }))
            }
            Pattern::Every(_) => (BTreeSet::new(), BTreeSet::new()),
        }
    }
}

/// A time with an offset, or of the schedule's zone.
fn instant(text: &str, zone: &TimeZone) -> Result<Timestamp, TriggerError> {
    let wrong = || TriggerError::Time(text.to_owned());
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let civil: DateTime = text.parse().map_err(|_| wrong())?;
    civil.to_zoned(zone.clone()).map(|at| at.timestamp()).map_err(|_| wrong())
}

fn every(step: SignedDuration, start: Timestamp, after: Timestamp) -> Option<Timestamp> {
    if after < start {
        return Some(start);
    }
    let passed = after.duration_since(start).as_secs() / step.as_secs();
    let seconds = step.as_secs().checked_mul(passed + 1)?;
    start.checked_add(seconds.seconds()).ok()
}

/// Five fields of NCrontab: minutes, hours, days, months, days of the week. Azure ignores days and months ("Schedule
/// machine learning pipeline jobs", learn.microsoft.com: DAYS and MONTHS are not supported and are ignored).
fn cron(expression: &str) -> Result<Pattern, TriggerError> {
    let wrong = |message: String| TriggerError::Cron { expression: expression.to_owned(), message };
    let fields: Vec<&str> = expression.split_whitespace().collect();
    let [minutes, hours, _, _, week] = fields.as_slice() else {
        return Err(wrong(format!("it has {} fields where 5 are expected", fields.len())));
    };
    let mut week = field(week, 0, 7).map_err(&wrong)?;
    // 7 is Sunday too.
    if week.remove(&7) {
        week.insert(0);
    }
    Ok(Pattern::Cron {
        minutes: field(minutes, 0, 59).map_err(&wrong)?,
        hours: field(hours, 0, 23).map_err(&wrong)?,
        week,
    })
}

const DAY_NAMES: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

fn day(name: &str) -> Option<i8> {
    let short = name.get(..3)?.to_ascii_lowercase();
    DAY_NAMES.iter().position(|known| *known == short).and_then(|place| i8::try_from(place).ok())
}

fn field(text: &str, lowest: i8, highest: i8) -> Result<BTreeSet<i8>, String> {
    let number = |text: &str| -> Result<i8, String> {
        let value = text.parse::<i8>().ok().or_else(|| if highest == 7 { day(text) } else { None });
        value
            .filter(|value| (lowest..=highest).contains(value))
            .ok_or_else(|| format!("'{text}' does not lie between {lowest} and {highest}"))
    };
    let mut values = BTreeSet::new();
    for part in text.split(',') {
        let (range, step) = part.split_once('/').unwrap_or((part, "1"));
        let step: usize =
            step.parse().ok().filter(|step| *step > 0).ok_or_else(|| format!("'{part}' has no step above 0"))?;
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (lowest, if highest == 7 { 6 } else { highest }),
            Some((from, to)) => (number(from)?, number(to)?),
            None if part.contains('/') => (number(range)?, highest),
            None => (number(range)?, number(range)?),
        };
        values.extend((from..=to).step_by(step));
    }
    Ok(values)
}

fn recurrence(trigger: &Value) -> Result<Pattern, TriggerError> {
    let wrong = |message: &str| TriggerError::Recurrence(message.to_owned());
    let interval = trigger.get("interval").and_then(Value::as_i64).unwrap_or(1);
    if !(1..=1000).contains(&interval) {
        return Err(wrong("interval lies between 1 and 1000"));
    }
    let schedule = trigger.get("schedule").unwrap_or(&Value::Null);
    let numbers = |key: &str, range: std::ops::RangeInclusive<i64>| -> Result<BTreeSet<i8>, TriggerError> {
        let items = schedule.get(key).and_then(Value::as_array).into_iter().flatten();
        items
            .map(|item| {
                item.as_i64().filter(|n| range.contains(n)).and_then(|n| i8::try_from(n).ok()).ok_or_else(|| wrong(key))
            })
            .collect()
    };
    let frequency = trigger.get("frequency").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
    let unit = match frequency.as_str() {
        "minute" => return Ok(Pattern::Every(SignedDuration::from_mins(interval))),
        "hour" => return Ok(Pattern::Every(SignedDuration::from_hours(interval))),
        "day" => Unit::Day,
        "week" => Unit::Week,
        "month" => Unit::Month,
        _ => return Err(wrong("frequency is Minute, Hour, Day, Week or Month")),
    };
    let names = schedule.get("weekDays").and_then(Value::as_array).into_iter().flatten();
    let week: Option<BTreeSet<i8>> = names.map(|name| day(name.as_str()?)).collect();
    Ok(Pattern::Days {
        unit,
        interval,
        hours: numbers("hours", 0..=23)?,
        minutes: numbers("minutes", 0..=59)?,
        week: week.ok_or_else(|| wrong("weekDays are Monday to Sunday"))?,
        month: numbers("monthDays", 1..=31)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The first times after an instant.
    fn times(trigger: &Value, after: &str, count: usize) -> Vec<String> {
        let trigger = Trigger::parse(trigger).unwrap();
        let created: Timestamp = after.parse().unwrap();
        let mut at = created;
        (0..count)
            .map_while(|_| {
                at = trigger.next(at, created)?;
                Some(at.to_string())
            })
            .collect()
    }

    #[test]
    fn cron_fires_at_its_minutes_and_ignores_days_and_months() {
        let trigger = json!({"triggerType": "Cron", "expression": "15 10 13 2 1", "timeZone": "UTC"});
        assert_eq!(times(&trigger, "2026-01-01T00:00:00Z", 2), ["2026-01-05T10:15:00Z", "2026-01-12T10:15:00Z"]);
        let often = json!({"triggerType": "Cron", "expression": "*/30 8-9 * * *"});
        let expected = [
            "2026-01-01T08:00:00Z",
            "2026-01-01T08:30:00Z",
            "2026-01-01T09:00:00Z",
            "2026-01-01T09:30:00Z",
            "2026-01-02T08:00:00Z",
        ];
        assert_eq!(times(&often, "2026-01-01T00:00:00Z", 5), expected);
    }

    #[test]
    fn local_time_is_kept_over_daylight_saving() {
        let trigger = json!({"triggerType": "Cron", "expression": "0 9 * * *", "timeZone": "W. Europe Standard Time"});
        assert_eq!(times(&trigger, "2026-03-28T00:00:00Z", 2), ["2026-03-28T08:00:00Z", "2026-03-29T07:00:00Z"]);
    }

    #[test]
    fn recurrences_count_from_their_start() {
        let week = json!({"triggerType": "Recurrence", "frequency": "week", "interval": 2, "startTime": "2026-01-05T00:00:00",
            "schedule": {"hours": [10], "minutes": [0, 30], "weekDays": ["Monday"]}});
        assert_eq!(
            times(&week, "2026-01-01T00:00:00Z", 3),
            ["2026-01-05T10:00:00Z", "2026-01-05T10:30:00Z", "2026-01-19T10:00:00Z"]
        );
        let hour = json!({"triggerType": "Recurrence", "frequency": "Hour", "interval": 6, "startTime": "2026-01-01T03:00:00", "endTime": "2026-01-01T10:00:00"});
        assert_eq!(times(&hour, "2026-01-01T00:00:00Z", 5), ["2026-01-01T03:00:00Z", "2026-01-01T09:00:00Z"]);
        let month = json!({"triggerType": "Recurrence", "frequency": "Month", "interval": 1, "schedule": {"hours": [1], "minutes": [5], "monthDays": [31]}});
        assert_eq!(times(&month, "2026-02-01T00:00:00Z", 2), ["2026-03-31T01:05:00Z", "2026-05-31T01:05:00Z"]);
    }

    #[test]
    fn what_cannot_fire_is_refused() {
        let parse = |trigger: Value| Trigger::parse(&trigger).unwrap_err();
        assert!(matches!(parse(json!({"triggerType": "Cron", "expression": "61 * * * *"})), TriggerError::Cron { .. }));
        assert!(matches!(parse(json!({"triggerType": "Cron", "expression": "* * *"})), TriggerError::Cron { .. }));
        assert!(matches!(
            parse(json!({"triggerType": "Recurrence", "frequency": "Year"})),
            TriggerError::Recurrence(_)
        ));
        assert!(matches!(
            parse(json!({"triggerType": "Cron", "expression": "* * * * *", "timeZone": "Mars"})),
            TriggerError::Zone(_)
        ));
    }
}
