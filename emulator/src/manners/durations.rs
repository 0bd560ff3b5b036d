//! How long operations take.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What stands for every kind that is not named.
const ANY: &str = "*";

/// Seconds by the kind of operation, such as `onlineEndpoints/deployments/write`, and what clients are told to wait.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Durations {
    pub(crate) seconds: BTreeMap<String, f64>,
    pub(crate) retry_after_seconds: u64,
}

impl Durations {
    /// Durations of the order that people see in Azure.
    pub(super) fn azure() -> Self {
        let seconds = [
            ("workspaces/write", 40.0),
            ("workspaces/delete", 30.0),
            ("workspaces/diagnose", 10.0),
            ("computes/write", 15.0),
            ("computes/delete", 60.0),
            ("schedules/write", 5.0),
            ("schedules/delete", 5.0),
            ("onlineEndpoints/write", 60.0),
            ("onlineEndpoints/delete", 90.0),
            ("onlineEndpoints/deployments/write", 420.0),
            ("onlineEndpoints/deployments/delete", 120.0),
            ("batchEndpoints/write", 30.0),
            ("batchEndpoints/delete", 60.0),
            ("batchEndpoints/deployments/write", 60.0),
            ("batchEndpoints/deployments/delete", 30.0),
            (ANY, 5.0),
        ];
        let seconds = seconds.into_iter().map(|(kind, seconds)| (kind.to_owned(), seconds)).collect();
        Self { seconds, retry_after_seconds: 5 }
    }

    /// Seconds of a kind, in any case.
    pub(crate) fn seconds(&self, kind: &str) -> f64 {
        let named = self.seconds.iter().find(|(name, _)| name.eq_ignore_ascii_case(kind));
        named.map(|(_, seconds)| *seconds).or_else(|| self.seconds.get(ANY).copied()).unwrap_or(0.0)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = f64> {
        self.seconds.values().copied()
    }
}

/// The kind of operation that a request begins: the types of its path below the workspace, and what is done.
pub(crate) fn kind(method: &str, path: &str) -> String {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let provider = segments.iter().rposition(|segment| segment.eq_ignore_ascii_case("providers"));
    let below = segments.get(provider.map_or(0, |at| at + 2)..).unwrap_or_default();
    let mut types: Vec<&str> = below.iter().step_by(2).copied().collect();
    // The action of a POST stands where a type would.
    let action = if method == "POST" && below.len() % 2 == 1 { types.pop() } else { None };
    if types.len() > 1 {
        types.remove(0);
    }
    let verb = action.unwrap_or(if method == "DELETE" { "delete" } else { "write" });
    format!("{}/{verb}", types.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_an_operation_is_in_its_request() {
        let workspace = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w";
        for (method, path, expected) in [
            ("PUT", "", "workspaces/write"),
            ("POST", "/diagnose", "workspaces/diagnose"),
            ("PATCH", "/onlineEndpoints/e", "onlineEndpoints/write"),
            ("DELETE", "/onlineEndpoints/e/deployments/d", "onlineEndpoints/deployments/delete"),
            ("POST", "/computes/c/stop", "computes/stop"),
        ] {
            assert_eq!(kind(method, &format!("{workspace}{path}")), expected);
        }
    }

    #[test]
    fn a_kind_that_is_not_named_takes_as_long_as_any() {
        let mut durations = Durations::default();
        assert_eq!(durations.seconds("computes/write"), 0.0);
        durations.seconds = [("*".to_owned(), 2.0), ("Computes/write".to_owned(), 9.0)].into();
        assert_eq!((durations.seconds("computes/write"), durations.seconds("schedules/write")), (9.0, 2.0));
    }
}
