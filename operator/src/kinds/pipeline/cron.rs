//! When a schedule starts runs, by the cron fields that Azure heeds: minute, hour and day of the week. Pure.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Days that are looked through: a week and the day of today.
const DAYS: usize = 8;

/// A cron expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    minutes: BTreeSet<i8>,
    hours: BTreeSet<i8>,
    /// From Sunday, 0.
    week: BTreeSet<i8>,
}

impl Cron {
    /// Reads five fields, of which the third and the fourth are `*`.
    ///
    /// # Errors
    /// What is wrong, as the end of a sentence that begins with the field.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split(' ').collect();
        let [minutes, hours, "*", "*", week] = fields.as_slice() else {
            return Err("is not five fields with * in the third and fourth".to_owned());
        };
        let mut week = values(week, 0, 7)?;
        // 7 is Sunday too.
        if week.remove(&7) {
            week.insert(0);
        }
        Ok(Self { minutes: values(minutes, 0, 59)?, hours: values(hours, 0, 23)?, week })
    }

    /// The first time after an instant.
    #[must_use]
    pub fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let mut day = after.to_zoned(zone.clone()).date();
        for _ in 0..DAYS {
            if let Some(found) = self.of_day(day, zone).into_iter().find(|at| *at > after) {
                return Some(found);
            }
            day = day.tomorrow().ok()?;
        }
        None
    }

    /// The last time at or before an instant.
    #[must_use]
    pub fn last(&self, until: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let mut day = until.to_zoned(zone.clone()).date();
        for _ in 0..DAYS {
            if let Some(found) = self.of_day(day, zone).into_iter().rev().find(|at| *at <= until) {
                return Some(found);
            }
            day = day.yesterday().ok()?;
        }
        None
    }

    /// The times of a day, in their order. A time that a change of clocks skips comes as much later.
    fn of_day(&self, day: Date, zone: &TimeZone) -> Vec<Timestamp> {
        if !self.week.contains(&day.weekday().to_sunday_zero_offset()) {
            return Vec::new();
        }
        let times = self.hours.iter().flat_map(|hour| self.minutes.iter().map(move |minute| (*hour, *minute)));
        let at = |(hour, minute)| Some(day.at(hour, minute, 0, 0).to_zoned(zone.clone()).ok()?.timestamp());
        let found: BTreeSet<Timestamp> = times.filter_map(at).collect();
        found.into_iter().collect()
    }
}

fn values(text: &str, lowest: i8, highest: i8) -> Result<BTreeSet<i8>, String> {
    let number = |text: &str| {
        let value = text.parse::<i8>().ok().filter(|value| (lowest..=highest).contains(value));
        value.ok_or_else(|| format!("has {text:?}, which is no number from {lowest} to {highest}"))
    };
    let mut all = BTreeSet::new();
    for part in text.split(',') {
        let (range, step) = part.split_once('/').unwrap_or((part, "1"));
        let step = step.parse::<usize>().ok().filter(|step| *step > 0);
        let step = step.ok_or_else(|| format!("has {part:?}, whose step is no number above 0"))?;
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (lowest, if highest == 7 { 6 } else { highest }),
            Some((from, to)) => (number(from)?, number(to)?),
            None if part.contains('/') => (number(range)?, highest),
            None => (number(range)?, number(range)?),
        };
        if from > to {
            return Err(format!("has {range:?}, which ends before it begins"));
        }
        all.extend((from..=to).step_by(step));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_schedule_keeps_its_local_time_over_changes_of_clocks() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let cron = Cron::parse("30 2 * * *").unwrap();
        // 2026-03-29 has no 02:30 in Berlin.
        for (after, next) in [
            ("2026-03-27T12:00:00Z", "2026-03-28T01:30:00Z"),
            ("2026-03-28T12:00:00Z", "2026-03-29T01:30:00Z"),
            ("2026-03-29T12:00:00Z", "2026-03-30T00:30:00Z"),
        ] {
            assert_eq!(cron.next(at(after), &berlin), Some(at(next)), "{after}");
        }
        let mondays = Cron::parse("0 3 * * 1").unwrap();
        assert_eq!(mondays.next(at("2026-11-27T00:00:00Z"), &TimeZone::UTC), Some(at("2026-11-30T03:00:00Z")));
        assert_eq!(mondays.last(at("2026-11-27T00:00:00Z"), &TimeZone::UTC), Some(at("2026-11-23T03:00:00Z")));
    }

    #[test]
    fn what_azure_can_t_express_is_told() {
        for (text, words) in [
            ("0 3 1 * *", "five fields"),
            ("0 0 3 * * 1", "five fields"),
            ("61 3 * * 1", "\"61\""),
            ("0 9-5 * * *", "ends before"),
            ("*/0 * * * *", "step"),
            ("0 3 * * mon", "\"mon\""),
        ] {
            let error = Cron::parse(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
        assert_eq!(Cron::parse("0 3 * * 7"), Cron::parse("0 3 * * 0"));
    }

    proptest! {
        #[test]
        fn between_a_time_and_the_one_after_it_there_is_none(minute in 0..60_i8, step in 1..24_usize, day in 0..7_i8, second in 0..1_000_000_i64) {
            let zone = TimeZone::get("America/New_York").unwrap();
            let cron = Cron::parse(&format!("{minute} */{step} * * {day}")).unwrap();
            let now = Timestamp::from_second(1_790_000_000 + second).unwrap();
            let next = cron.next(now, &zone).unwrap();
            prop_assert!(next > now);
            prop_assert_eq!(cron.last(next, &zone), Some(next));
            let last = cron.last(now, &zone).unwrap();
            prop_assert!(last <= now);
            prop_assert_eq!(cron.next(last, &zone), Some(next));
        }
    }
}
