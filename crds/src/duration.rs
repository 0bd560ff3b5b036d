//! Durations as people write them in Kubernetes: `1h30m`, `10m`, `45s`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// How a duration is written. The digits are counted so that what the API server admits can always be read.
const PATTERN: &str = "^([0-9]{1,7}h)?([0-9]{1,7}m)?([0-9]{1,7}s)?$";

/// A span of whole seconds, written like `1h30m`, `10m` or `45s`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Duration {
    text: String,
    seconds: u64,
}

impl Duration {
    /// The span in seconds.
    #[must_use]
    pub fn seconds(&self) -> u64 {
        self.seconds
    }

    /// The span as the standard library's.
    #[must_use]
    pub fn std(&self) -> time::Duration {
        time::Duration::from_secs(self.seconds)
    }

    /// ISO 8601, as ARM wants it (`PT1H30M`).
    #[must_use]
    pub fn iso8601(&self) -> String {
        let (hours, minutes, seconds) = (self.seconds / 3600, self.seconds % 3600 / 60, self.seconds % 60);
        let mut text = String::from("PT");
        for (count, unit) in [(hours, 'H'), (minutes, 'M'), (seconds, 'S')] {
            if count > 0 {
                text.push_str(&format!("{count}{unit}"));
            }
        }
        if text == "PT" { "PT0S".to_owned() } else { text }
    }
}

/// The text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidDuration(String);

impl fmt::Display for InvalidDuration {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?} is not a duration: write it like 1h30m, 10m or 45s", self.0)
    }
}

impl std::error::Error for InvalidDuration {}

impl FromStr for Duration {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, InvalidDuration> {
        let wrong = || InvalidDuration(text.to_owned());
        let mut rest = text;
        let mut total: u64 = 0;
        for (unit, size) in [('h', 3600_u64), ('m', 60), ('s', 1)] {
            if let Some((number, after)) = rest.split_once(unit) {
                let count: u64 = number.parse().map_err(|_| wrong())?;
                total = count.checked_mul(size).and_then(|part| total.checked_add(part)).ok_or_else(wrong)?;
                rest = after;
            }
        }
        if text.is_empty() || !rest.is_empty() {
            return Err(wrong());
        }
        Ok(Self { text: text.to_owned(), seconds: total })
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": PATTERN, "minLength": 2, "maxLength": 24})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_what_was_written() {
        for (text, seconds, iso) in [
            ("1h30m", 5400, "PT1H30M"),
            ("90s", 90, "PT1M30S"),
            ("10m", 600, "PT10M"),
            ("0s", 0, "PT0S"),
            ("9999999h9999999m9999999s", 36_609_996_339, "PT10169443H25M39S"),
        ] {
            let duration: Duration = text.parse().unwrap();
            assert_eq!(
                (duration.seconds(), duration.iso8601().as_str(), duration.to_string().as_str()),
                (seconds, iso, text)
            );
        }
    }

    #[test]
    fn refuses_what_is_not_a_duration() {
        for text in ["", "10", "5m1h", "1d", "-1s", "1.5h", "h"] {
            assert!(text.parse::<Duration>().is_err(), "{text}");
        }
    }
}
