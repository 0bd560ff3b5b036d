//! One module a resource of Azure ML (api-version 2025-12-01 unless a module says otherwise).
//!
//! Bodies keep the fields they don't know (`extra`), so that reading, changing and writing back loses nothing.

pub mod batch;
pub mod blobs;
pub mod codes;
pub mod components;
pub mod computes;
pub mod data;
pub mod datastores;
pub mod environments;
pub mod jobs;
mod listing;
pub mod logs;
pub mod models;
pub mod monitor;
pub mod online;
pub mod permissions;
pub mod providers;
pub mod quota;
pub mod registries;
pub mod role_assignments;
pub mod run_history;
pub mod schedules;
pub mod scoring;
pub mod workspaces;

/// A map of tags or properties.
pub type Map = std::collections::BTreeMap<String, String>;
/// Fields that are not known here.
pub type Extra = serde_json::Map<String, serde_json::Value>;

/// When something was made, as ARM tells it; never sent back.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SystemData {
    /// As ARM writes it.
    pub created_at: Option<String>,
    /// As ARM writes it.
    pub last_modified_at: Option<String>,
}

impl SystemData {
    /// When it was made.
    #[must_use]
    pub fn created(&self) -> Option<jiff::Timestamp> {
        self.created_at.as_deref()?.parse().ok()
    }

    /// When it was last changed.
    #[must_use]
    pub fn modified(&self) -> Option<jiff::Timestamp> {
        self.last_modified_at.as_deref()?.parse().ok()
    }
}

/// `null` reads as the default.
pub(crate) fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::Deserialize<'de> + Default,
{
    Ok(<Option<T> as serde::Deserialize>::deserialize(deserializer)?.unwrap_or_default())
}

/// A map whose values some services write as numbers, booleans or `null`.
pub(crate) fn strings<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Map, D::Error> {
    use serde_json::Value;
    let map = <Option<std::collections::BTreeMap<String, Value>> as serde::Deserialize>::deserialize(deserializer)?;
    let text = |value| match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    };
    Ok(map.unwrap_or_default().into_iter().filter_map(|(name, value)| Some((name, text(value)?))).collect())
}

#[cfg(test)]
mod tests {
    use super::SystemData;

    #[test]
    fn times_are_read_in_each_spelling_of_azure() {
        let spellings = [
            "2026-11-24T00:16:37.459094+0000",
            "2026-11-24T00:16:37.459094+00:00",
            "2026-11-24T00:16:37.459094Z",
            "2026-11-24T01:16:37.459094+01:00",
        ];
        for text in spellings {
            let made = SystemData { created_at: Some(text.to_owned()), ..SystemData::default() }.created();
            assert_eq!(made.map(|at| at.as_second()), Some(1_795_479_397), "{text}");
        }
        assert_eq!(SystemData::default().created(), None);
    }
}
