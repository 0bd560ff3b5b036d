//! What a subscription has in a region: machine sizes, quotas and usages, deleted workspaces.

use super::{Answer, Arm};
use crate::quota;
use crate::surface::Reply;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

impl Arm<'_> {
    /// `GET locations/{region}/{usages | quotas | vmSizes}`.
    pub(super) fn location(&self, region: &str, what: &str) -> Answer {
        let subscription = self.segments.get(1).map_or("", String::as_str);
        let scope = format!("/subscriptions/{subscription}");
        let action = format!("Microsoft.MachineLearningServices/locations/{what}/read");
        self.estate.authorize(&self.claims, &action, &scope)?;
        if self.call.method != "GET" {
            return Ok(Reply::not_allowed());
        }
        match what {
            "vmsizes" => Ok(Reply::ok(json!({"value": sizes()}))),
            _ => {
                let all = self.families(subscription, region);
                let shown = all.into_iter().map(|family| family.shown(subscription, region, what)).collect();
                Ok(Reply::ok(self.call.page_at(&self.id(), shown, self.estate.manners.page_size())))
            }
        }
    }

    fn families(&self, subscription: &str, region: &str) -> Vec<Family> {
        let mut used = self.routes.plane.online.cores(subscription, region);
        let world = self.estate.world();
        for (family, cores) in quota::of_clusters(&world, subscription, region, "") {
            *used.entry(family).or_default() += cores;
        }
        let mut names: BTreeSet<String> = quota::SIZES.iter().map(|(size, ..)| quota::family(size)).collect();
        names.extend(quota::limited(&world, subscription, region));
        names.extend(used.keys().cloned());
        let limit = |name: &str| quota::limit(&world, subscription, region, name);
        let of_name = |name: String| Family { limit: limit(&name), used: used.get(&name).copied().unwrap_or(0), name };
        names.into_iter().map(of_name).collect()
    }

    /// Why so many cores can't be had for a cluster, in Azure's words.
    pub(super) fn short_of(&self, region: &str, cluster: &Value) -> Option<(String, String)> {
        let own = cluster.pointer("/properties/properties")?;
        let text = |field: &str| own.get(field).and_then(Value::as_str).unwrap_or_default();
        if text("vmPriority").eq_ignore_ascii_case("LowPriority") {
            return None;
        }
        let (family, each) = (quota::family(text("vmSize")), quota::cores(text("vmSize")));
        let nodes = |field: &str, otherwise: i64| {
            own.get("scaleSettings").and_then(|scale| scale.get(field)?.as_i64()).unwrap_or(otherwise) * each
        };
        let (least, most) = (nodes("minNodeCount", 0), nodes("maxNodeCount", 1));
        let subscription = self.segments.get(1).map_or("", String::as_str);
        let mut used: BTreeMap<String, i64> = self.routes.plane.online.cores(subscription, region);
        let world = self.estate.world();
        for (family, cores) in quota::of_clusters(&world, subscription, region, &self.id()) {
            *used.entry(family).or_default() += cores;
        }
        let used = used.get(&family).copied().unwrap_or(0);
        let limit = quota::limit(&world, subscription, region, &family);
        let needed = if most > limit { most } else { least };
        if most <= limit && used + least <= limit {
            return None;
        }
        let message = format!(
            "Operation results in exceeding quota limits of {family} cores. Maximum allowed: {limit}, Current in use: {used}, Additional requested: {needed}."
        );
        Some(("OutOfQuota".to_owned(), message))
    }
}

struct Family {
    name: String,
    used: i64,
    limit: i64,
}

impl Family {
    fn shown(self, subscription: &str, region: &str, what: &str) -> Value {
        let Self { name, used, limit } = self;
        let family = name.trim_start_matches("standard").trim_end_matches("Family");
        let mut shown = json!({
            "id": format!("/subscriptions/{subscription}/providers/Microsoft.MachineLearningServices/locations/{region}/{what}/{name}"),
            "type": format!("Microsoft.MachineLearningServices/vmFamily/dedicatedCores/{what}"),
            "name": {"value": name, "localizedValue": format!("Standard {family} Family Cluster Dedicated vCPUs")},
            "amlWorkspaceLocation": region, "limit": limit, "unit": "Count",
        });
        if what == "usages" {
            shown["currentValue"] = Value::from(used);
        }
        shown
    }
}

fn sizes() -> Vec<Value> {
    let shown = |(name, cores, memory, gpus): &(&str, i64, f64, i64)| {
        json!({
            "name": name, "family": quota::family(name), "vCPUs": cores, "gpus": gpus, "memoryGB": memory,
            "osVhdSizeMB": 1_047_552, "maxResourceVolumeMB": cores * 8192, "lowPriorityCapable": true,
            "premiumIO": true, "supportedComputeTypes": ["AmlCompute", "ComputeInstance"],
        })
    };
    quota::SIZES.iter().map(shown).collect()
}
