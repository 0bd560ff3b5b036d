//! What can be set of Azure's manners, and the profiles.

use super::durations::Durations;
use super::latency::Latency;
use super::throttle::Throttling;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A set of settings that go together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Profile {
    /// Everything at once: for tests.
    #[default]
    Quick,
    /// As slow, late and mean as Azure is on a usual day.
    Azure,
}

/// All settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Settings {
    pub(crate) profile: Profile,
    pub(crate) operations: Durations,
    pub(crate) throttling: Throttling,
    pub(crate) page_size: usize,
    pub(crate) role_delay_seconds: f64,
    pub(crate) registration_seconds: f64,
    pub(crate) list_lag_seconds: f64,
    pub(crate) metrics_lag_seconds: f64,
    pub(crate) latencies: Vec<Latency>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            profile: Profile::Quick,
            operations: Durations::default(),
            throttling: Throttling::default(),
            page_size: 100,
            role_delay_seconds: 0.0,
            registration_seconds: 0.0,
            list_lag_seconds: 0.0,
            metrics_lag_seconds: 0.0,
            latencies: Vec::new(),
        }
    }
}

/// Why settings are none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("the settings can't be read: {0}")]
    Form(#[from] serde_json::Error),
    #[error("a pattern of latencies can't be read: {0}")]
    Pattern(#[from] regex::Error),
    #[error("{0} is negative, or too large")]
    Number(&'static str),
}

impl Settings {
    fn of(profile: Profile) -> Self {
        match profile {
            Profile::Quick => Self::default(),
            Profile::Azure => Self {
                profile,
                operations: Durations::azure(),
                throttling: Throttling::everywhere(),
                role_delay_seconds: 60.0,
                registration_seconds: 60.0,
                list_lag_seconds: 3.0,
                metrics_lag_seconds: 180.0,
                ..Self::default()
            },
        }
    }

    /// These, after a merge patch.
    pub(super) fn changed(&self, patch: &Value) -> Result<Self, SettingsError> {
        let base = match patch.get("profile") {
            Some(profile) => Self::of(serde_json::from_value(profile.clone())?),
            None => self.clone(),
        };
        let mut value = serde_json::to_value(&base)?;
        merge(&mut value, patch);
        let changed: Self = serde_json::from_value(value)?;
        changed.check()?;
        Ok(changed)
    }

    fn check(&self) -> Result<(), SettingsError> {
        let numbers = [
            ("roleDelaySeconds", self.role_delay_seconds),
            ("registrationSeconds", self.registration_seconds),
            ("listLagSeconds", self.list_lag_seconds),
            ("metricsLagSeconds", self.metrics_lag_seconds),
        ];
        for (name, number) in numbers.into_iter().chain(self.operations.all().map(|number| ("operations", number))) {
            if !(0.0..1e9).contains(&number) {
                return Err(SettingsError::Number(name));
            }
        }
        Ok(())
    }
}

/// RFC 7396.
fn merge(target: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    for (name, value) in fields {
        match value {
            Value::Null => {
                if let Some(target) = target.as_object_mut() {
                    target.remove(name);
                }
            }
            value => merge(&mut target[name.as_str()], value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_patch_changes_what_it_names_and_a_profile_brings_its_own() {
        let quick = Settings::default();
        let changed =
            quick.changed(&json!({"roleDelaySeconds": 5, "throttling": {"subscriptions": {"s": {}}}})).unwrap();
        assert_eq!((changed.role_delay_seconds, changed.page_size), (5.0, 100));
        assert!(changed.throttling.of("S").is_some() && changed.throttling.of("t").is_none());
        let azure = changed.changed(&json!({"profile": "azure", "pageSize": 7})).unwrap();
        assert_eq!((azure.role_delay_seconds, azure.page_size), (60.0, 7));
        assert!(azure.throttling.of("t").is_some());
        assert!(azure.operations.seconds("onlineEndpoints/deployments/write") > 60.0);
        let back = azure.changed(&json!({"throttling": {"subscriptions": {"*": null}}})).unwrap();
        assert!(back.throttling.of("t").is_none());
        assert_eq!(back.changed(&json!({"profile": "quick"})).unwrap(), quick);
        for wrong in [json!({"pagesize": 1}), json!({"roleDelaySeconds": -1}), json!({"profile": "slow"})] {
            assert!(quick.changed(&wrong).is_err(), "{wrong}");
        }
    }
}
