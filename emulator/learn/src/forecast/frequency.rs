//! The period of a series: months or seconds, by pandas' names or as the data shows it.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const DAY: i64 = 86_400;

/// A period. Every time lies in one step, a whole number of periods after the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Frequency {
    /// So many calendar months; 3 are a quarter, 12 a year.
    Months(i64),
    /// So many seconds; steps begin at this offset from a whole number of them.
    Seconds { length: i64, offset: i64 },
}

impl Frequency {
    /// Reads a pandas offset alias; `first` is a time of the data, where steps of seconds begin. What it means where an
    /// anchor follows (`W-SUN`, `A-DEC`) the times themselves show.
    pub(crate) fn parse(alias: &str, first: f64) -> Result<Self, String> {
        let alias = alias.trim();
        let digits = alias.bytes().take_while(u8::is_ascii_digit).count();
        let (count, name) = alias.split_at(digits);
        let count: i64 = if count.is_empty() { 1 } else { count.parse().unwrap_or(0) };
        if !(1..=10_000).contains(&count) {
            return Err(format!("{alias} is no frequency: give 1 to 10000 periods"));
        }
        let plain = name.split('-').next().unwrap_or_default();
        let seconds = |length: i64| Self::Seconds { length: length * count, offset: offset(first, length * count) };
        Ok(match plain {
            "Y" | "YS" | "YE" | "A" | "AS" => Self::Months(12 * count),
            "Q" | "QS" | "QE" => Self::Months(3 * count),
            "M" | "MS" | "ME" => Self::Months(count),
            "W" => seconds(7 * DAY),
            "D" => seconds(DAY),
            "H" | "h" => seconds(3600),
            "T" | "min" => seconds(60),
            "S" | "s" => seconds(1),
            _ => return Err(format!("{alias} is no frequency that is known here: give Y, Q, M, W, D, h, min or s")),
        })
    }

    /// The most frequent distance of neighbouring times, which come as a sorted list for each series.
    pub(crate) fn of<'a>(series: impl Iterator<Item = &'a [f64]> + Clone) -> Option<Self> {
        let mut distances: BTreeMap<i64, usize> = BTreeMap::new();
        for times in series.clone() {
            for pair in times.windows(2) {
                *distances.entry((pair[1] - pair[0]) as i64).or_default() += 1;
            }
        }
        distances.remove(&0);
        let (&length, _) = distances.iter().max_by_key(|(length, count)| (**count, std::cmp::Reverse(**length)))?;
        let first = series.filter_map(|times| times.first().copied()).fold(f64::INFINITY, f64::min);
        let between = |low: i64, high: i64| (low * DAY..=high * DAY).contains(&length);
        Some(match length {
            _ if between(365, 366) => Self::Months(12),
            _ if between(90, 92) => Self::Months(3),
            _ if between(28, 31) && length != 28 * DAY => Self::Months(1),
            length => Self::Seconds { length, offset: offset(first, length) },
        })
    }

    /// The step that a time, in seconds since the epoch, lies in.
    pub(crate) fn step(self, seconds: f64) -> i64 {
        match self {
            Self::Months(months) => {
                let date = date_time(seconds).date();
                (i64::from(date.year()) * 12 + i64::from(date.month()) - 1).div_euclid(months)
            }
            Self::Seconds { length, offset } => (seconds as i64 - offset).div_euclid(length),
        }
    }

    /// When a step begins.
    pub(crate) fn time(self, step: i64) -> f64 {
        match self {
            Self::Months(months) => {
                let month = step * months;
                let year = i16::try_from(month.div_euclid(12)).unwrap_or_default();
                let month = i8::try_from(month.rem_euclid(12) + 1).unwrap_or(1);
                let first = Date::new(year, month, 1).unwrap_or_default().to_datetime(jiff::civil::Time::midnight());
                TimeZone::UTC.to_timestamp(first).map_or(0.0, |time| time.as_second() as f64)
            }
            Self::Seconds { length, offset } => (step * length + offset) as f64,
        }
    }

    /// Periods that are a season by the calendar, as far as people live by it.
    pub(crate) fn natural_season(self) -> Option<usize> {
        match self {
            Self::Months(1) => Some(12),
            Self::Months(3) => Some(4),
            Self::Seconds { length, .. } if length == 7 * DAY => Some(52),
            Self::Seconds { length, .. } if length == DAY => Some(7),
            Self::Seconds { length, .. } if length < DAY && DAY % length == 0 => usize::try_from(DAY / length).ok(),
            _ => None,
        }
    }
}

fn offset(first: f64, length: i64) -> i64 {
    (first as i64).rem_euclid(length)
}

fn date_time(seconds: f64) -> DateTime {
    Timestamp::from_second(seconds as i64).map(|time| TimeZone::UTC.to_datetime(time)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> f64 {
        crate::table::date_time(text).unwrap()
    }

    #[test]
    fn the_period_is_that_of_most_neighbours() {
        let cases: [(&[&str], Frequency); 4] = [
            (&["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30", "2024-05-31"], Frequency::Months(1)),
            (&["2024-01-01", "2024-04-01", "2024-10-01", "2025-01-01"], Frequency::Months(3)),
            (&["2020-07-01", "2021-07-01", "2022-07-01"], Frequency::Months(12)),
            (
                &["2024-01-06", "2024-01-13", "2024-01-27", "2024-02-03"],
                Frequency::Seconds { length: 7 * DAY, offset: 2 * DAY },
            ),
        ];
        for (times, expected) in cases {
            let times: Vec<f64> = times.iter().map(|text| seconds(text)).collect();
            assert_eq!(Frequency::of(std::iter::once(times.as_slice())), Some(expected));
        }
    }

    #[test]
    fn neighbouring_periods_are_neighbouring_steps() {
        for (alias, times) in [
            ("MS", ["2023-12-01", "2024-01-01", "2024-02-01"]),
            ("M", ["2023-12-31", "2024-01-31", "2024-02-29"]),
            ("QS", ["2023-10-01", "2024-01-01", "2024-04-01"]),
            ("A-DEC", ["2022-12-31", "2023-12-31", "2024-12-31"]),
            ("W-SUN", ["2023-12-31", "2024-01-07", "2024-01-14"]),
            ("2D", ["2023-12-31", "2024-01-02", "2024-01-04"]),
            ("6h", ["2023-12-31T18:00:00Z", "2024-01-01T00:00:00Z", "2024-01-01T06:00:00Z"]),
        ] {
            let frequency = Frequency::parse(alias, seconds(times[0])).unwrap();
            let steps = times.map(|text| frequency.step(seconds(text)));
            assert_eq!([steps[1] - steps[0], steps[2] - steps[1]], [1, 1], "{alias}");
            assert_eq!(frequency.step(frequency.time(steps[1])), steps[1], "{alias}");
        }
        for wrong in ["", "B", "0D", "fortnight"] {
            assert!(Frequency::parse(wrong, 0.0).is_err(), "{wrong}");
        }
    }
}
