//! Cores: what machines have, what a subscription may use of them in a region, and what it uses.

use crate::world::World;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Cores of a family in a region that a subscription has when nobody set another number.
const AMPLE: i64 = 100_000;

/// Machines that are offered: cores, gigabytes of memory, accelerators.
pub(crate) const SIZES: [(&str, i64, f64, i64); 20] = [
    ("Standard_DS1_v2", 1, 3.5, 0),
    ("Standard_DS2_v2", 2, 7.0, 0),
    ("Standard_DS3_v2", 4, 14.0, 0),
    ("Standard_DS4_v2", 8, 28.0, 0),
    ("Standard_DS5_v2", 16, 56.0, 0),
    ("Standard_DS11_v2", 2, 14.0, 0),
    ("Standard_DS12_v2", 4, 28.0, 0),
    ("Standard_D2s_v3", 2, 8.0, 0),
    ("Standard_D4s_v3", 4, 16.0, 0),
    ("Standard_D8s_v3", 8, 32.0, 0),
    ("Standard_D16s_v3", 16, 64.0, 0),
    ("Standard_E2s_v3", 2, 16.0, 0),
    ("Standard_E4s_v3", 4, 32.0, 0),
    ("Standard_E8s_v3", 8, 64.0, 0),
    ("Standard_F2s_v2", 2, 4.0, 0),
    ("Standard_F4s_v2", 4, 8.0, 0),
    ("Standard_F8s_v2", 8, 16.0, 0),
    ("Standard_NC6s_v3", 6, 112.0, 1),
    ("Standard_NC12s_v3", 12, 224.0, 2),
    ("Standard_NC4as_T4_v3", 4, 28.0, 1),
];

/// A size's series, number, features and what follows, such as `D`, `4`, `s` and `_v3`.
fn parts(size: &str) -> Option<(&str, i64, &str, &str)> {
    let rest = size.split_once('_').map(|(_, rest)| rest)?;
    let digits = rest.find(|c: char| c.is_ascii_digit())?;
    let (series, rest) = rest.split_at(digits);
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (number, rest) = rest.split_at(end);
    let (features, version) = rest.split_at(rest.find('_').unwrap_or(rest.len()));
    Some((series, number.parse().ok()?, features, version))
}

/// The family that a size's cores are counted in, such as `standardDSv2Family`.
pub(crate) fn family(size: &str) -> String {
    let Some((series, _, features, version)) = parts(size) else { return "standardFamily".to_owned() };
    let mut rest: Vec<&str> = version.split('_').filter(|part| !part.is_empty()).collect();
    let version = rest.pop().unwrap_or_default();
    let more: String = rest.iter().map(|part| format!("_{part}")).collect();
    let series = series.to_ascii_uppercase();
    format!("standard{series}{}{}{more}Family", features.to_ascii_uppercase(), version.to_ascii_lowercase())
}

/// Cores of one machine.
pub(crate) fn cores(size: &str) -> i64 {
    if let Some((_, cores, ..)) = SIZES.iter().find(|(name, ..)| name.eq_ignore_ascii_case(size)) {
        return *cores;
    }
    let Some((series, number, _, version)) = parts(size) else { return 1 };
    let old = ["D", "DS"].iter().any(|known| known.eq_ignore_ascii_case(series))
        && (version.is_empty() || version.eq_ignore_ascii_case("_v2"));
    match number {
        1..=5 if old => 1 << (number - 1),
        11..=14 if old => 1 << (number - 10),
        15 if old => 20,
        number => number.max(1),
    }
}

fn limit_id(subscription: &str, location: &str, family: &str) -> String {
    format!(
        "/subscriptions/{subscription}/providers/Microsoft.MachineLearningServices/locations/{location}/quotas/{family}"
    )
}

/// Sets how many cores of a family a subscription may use in a region; `None` for plenty.
pub(crate) fn set_limit(world: &mut World, subscription: &str, location: &str, family: &str, limit: Option<i64>) {
    let id = limit_id(subscription, location, family);
    match limit {
        Some(limit) => world.put_resource(&id, json!({"id": id, "name": family, "limit": limit})),
        None => {
            world.delete_resource(&id);
        }
    }
}

/// How many cores of a family a subscription may use in a region.
pub(crate) fn limit(world: &World, subscription: &str, location: &str, family: &str) -> i64 {
    let set = world.resource(&limit_id(subscription, location, family));
    set.and_then(|set| set.get("limit")?.as_i64()).unwrap_or(AMPLE)
}

/// Families whose limit was set.
pub(crate) fn limited(world: &World, subscription: &str, location: &str) -> Vec<String> {
    let set = world.below(&limit_id(subscription, location, ""));
    set.filter_map(|(_, set)| Some(set.body.get("name")?.as_str()?.to_owned())).collect()
}

/// Cores by family that the nodes of clusters use, one cluster apart.
pub(crate) fn of_clusters(world: &World, subscription: &str, location: &str, apart: &str) -> BTreeMap<String, i64> {
    let mut used = BTreeMap::new();
    for (key, cluster) in world.below(&format!("/subscriptions/{subscription}/")) {
        let is_one = key.rsplit_once('/').is_some_and(|(collection, _)| collection.ends_with("/computes"));
        if !is_one || key.eq_ignore_ascii_case(apart) {
            continue;
        }
        let text = |pointer: &str| cluster.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let low = text("/properties/properties/vmPriority").eq_ignore_ascii_case("LowPriority");
        if low || !text("/location").eq_ignore_ascii_case(location) {
            continue;
        }
        let nodes = cluster.body.pointer("/properties/properties/currentNodeCount").and_then(Value::as_i64);
        let size = text("/properties/properties/vmSize");
        *used.entry(family(size)).or_default() += nodes.unwrap_or(0) * cores(size);
    }
    used
}

/// Cores that a deployment needs: a fifth more than its instances have, for upgrades ("Manage and increase quotas",
/// learn.microsoft.com).
pub(crate) fn of_deployment(size: &str, instances: i64) -> i64 {
    (instances * 12 + 9) / 10 * cores(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_belong_to_families_and_have_cores() {
        for (size, expected, count) in [
            ("Standard_DS3_v2", "standardDSv2Family", 4),
            ("standard_ds13_v2", "standardDSv2Family", 8),
            ("Standard_D4s_v3", "standardDSv3Family", 4),
            ("Standard_E16ds_v4", "standardEDSv4Family", 16),
            ("Standard_NC4as_T4_v3", "standardNCASv3_T4Family", 4),
        ] {
            assert_eq!((family(size).as_str(), cores(size)), (expected, count), "{size}");
        }
        assert_eq!((of_deployment("Standard_DS3_v2", 1), of_deployment("Standard_DS3_v2", 10)), (8, 48));
    }

    #[test]
    fn a_limit_holds_for_a_family_in_a_region() {
        let mut world = World::default();
        set_limit(&mut world, "s", "westeurope", "standardDSv2Family", Some(8));
        assert_eq!(limit(&world, "S", "WestEurope", "STANDARDdsv2family"), 8);
        assert_eq!(limit(&world, "s", "northeurope", "standardDSv2Family"), AMPLE);
        assert_eq!(limited(&world, "s", "westeurope"), ["standardDSv2Family"]);
        set_limit(&mut world, "s", "westeurope", "standardDSv2Family", None);
        assert_eq!(limit(&world, "s", "westeurope", "standardDSv2Family"), AMPLE);
    }
}
