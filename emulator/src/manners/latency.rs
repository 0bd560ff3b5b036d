//! Requests that take longer, by pattern.

use regex::Regex;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// As it is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Latency {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) method: Option<String>,
    /// A regular expression for the path, in any case; all paths when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
    pub(crate) milliseconds: u64,
}

/// The same, ready to be matched.
pub(crate) struct Slow {
    method: Option<String>,
    path: Option<Regex>,
    pub(crate) by: Duration,
}

impl Slow {
    pub(super) fn new(latency: &Latency) -> Result<Self, regex::Error> {
        let path = latency.path.as_ref().map(|path| Regex::new(&format!("(?i){path}"))).transpose()?;
        Ok(Self { method: latency.method.clone(), path, by: Duration::from_millis(latency.milliseconds) })
    }

    pub(super) fn matches(&self, method: &str, path: &str) -> bool {
        self.method.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && self.path.as_ref().is_none_or(|pattern| pattern.is_match(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matches_is_slower() {
        let latency = |method: Option<&str>, path: Option<&str>| Latency {
            method: method.map(str::to_owned),
            path: path.map(str::to_owned),
            milliseconds: 5,
        };
        let slow = Slow::new(&latency(Some("put"), Some("/jobs/"))).unwrap();
        assert!(slow.matches("PUT", "/x/Jobs/j") && !slow.matches("GET", "/x/jobs/j") && !slow.matches("PUT", "/x"));
        assert!(Slow::new(&latency(None, None)).unwrap().matches("GET", "/"));
        assert!(Slow::new(&latency(None, Some("("))).is_err());
    }
}
