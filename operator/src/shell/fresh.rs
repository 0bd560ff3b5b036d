//! Keeps a reconcile from acting on an object older than what this process last wrote of it.

use std::collections::HashMap;
use std::sync::Mutex;

/// The newest resourceVersion written by this process, by uid. Kubernetes' resource versions are decimal numbers that
/// grow (KEP-5504), so they can be compared.
#[derive(Debug, Default)]
pub struct Fresh(Mutex<HashMap<String, u64>>);

impl Fresh {
    /// This process wrote this version of the object.
    pub fn wrote(&self, uid: &str, resource_version: Option<&str>) {
        let Some(version) = resource_version.and_then(|text| text.parse().ok()) else { return };
        if let Ok(mut map) = self.0.lock() {
            let newest = map.entry(uid.to_owned()).or_insert(version);
            *newest = version.max(*newest);
        }
    }

    /// The cached object is older than what was written: its newer version is on the way.
    pub fn is_stale(&self, uid: &str, resource_version: Option<&str>) -> bool {
        let Some(version) = resource_version.and_then(|text| text.parse::<u64>().ok()) else { return false };
        self.0.lock().is_ok_and(|map| map.get(uid).is_some_and(|newest| version < *newest))
    }

    /// The object is gone.
    pub fn forget(&self, uid: &str) {
        if let Ok(mut map) = self.0.lock() {
            map.remove(uid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_is_stale_and_newer_is_not() {
        let fresh = Fresh::default();
        fresh.wrote("a", Some("10"));
        fresh.wrote("a", Some("9"));
        assert!(fresh.is_stale("a", Some("9")));
        assert!(
            !fresh.is_stale("a", Some("10")) && !fresh.is_stale("a", Some("11")) && !fresh.is_stale("b", Some("1"))
        );
        fresh.forget("a");
        assert!(!fresh.is_stale("a", Some("1")));
    }
}
