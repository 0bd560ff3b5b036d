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
pub mod role_assignments;
pub mod run_history;
pub mod schedules;
pub mod scoring;
pub mod workspaces;

/// A map of tags or properties.
pub type Map = std::collections::BTreeMap<String, String>;
/// Fields that are not known here.
pub type Extra = serde_json::Map<String, serde_json::Value>;

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
