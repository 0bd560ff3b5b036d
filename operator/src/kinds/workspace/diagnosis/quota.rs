//! Whether a subscription's quota allows what is asked for. Pure.
//!
//! What is asked for is compared with the limit, not with what is free at the moment: that changes with every job.

use std::collections::BTreeMap;

use azureml::resources::quota::{Usage, VmSize};

use super::demand::{Demand, Machines};

/// What does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// The region has no machines of this size.
    Size {
        /// Who asks for it.
        of: String,
        /// The size.
        size: String,
    },
    /// The limit is lower than what is asked for.
    Cores {
        /// The limit's name.
        of: String,
        /// What is asked for.
        asked: i64,
        /// The limit.
        limit: i64,
        /// Who asks, and for how much.
        by: Vec<String>,
    },
}

impl std::fmt::Display for Lack {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Size { of, size } => write!(out, "{of} asks for {size}, which the region does not offer"),
            Self::Cores { of, asked, limit, by } => {
                write!(out, "{of}: {asked} cores are asked for at most ({}), {limit} are allowed", by.join(", "))
            }
        }
    }
}

/// What does not fit, by what Azure says of sizes and limits.
#[must_use]
pub fn lacks(demand: &Demand, sizes: &[VmSize], usages: &[Usage]) -> Vec<Lack> {
    let mut lacks = Vec::new();
    let mut asked: BTreeMap<String, (i64, i64, Vec<String>)> = BTreeMap::new();
    for machines in &demand.machines {
        // A size list that came back empty tells nothing.
        let size = sizes.iter().find(|size| size.name.eq_ignore_ascii_case(&machines.size));
        let Some(size) = size else {
            if !sizes.is_empty() {
                lacks.push(Lack::Size { of: machines.of.clone(), size: machines.size.clone() });
            }
            continue;
        };
        let cores = machines.count * size.vcpus;
        for usage in usages.iter().filter(|usage| counts(usage, machines, &size.family)) {
            let entry = asked.entry(name(usage)).or_insert((0, usage.limit, Vec::new()));
            entry.0 += cores;
            entry.2.push(format!("{} {cores}", machines.of));
        }
    }
    // A limit of -1 is none.
    let over = asked.into_iter().filter(|(_, (asked, limit, _))| *limit >= 0 && asked > limit);
    lacks.extend(over.map(|(of, (asked, limit, by))| Lack::Cores { of, asked, limit, by }));
    lacks
}

fn name(usage: &Usage) -> String {
    usage.name.localized_value.clone().filter(|text| !text.is_empty()).unwrap_or_else(|| usage.name.value.clone())
}

/// Whether machines count for a limit: of their family, or of the region, and of their tier.
fn counts(usage: &Usage, machines: &Machines, family: &str) -> bool {
    let names = [plain(&usage.name.value), plain(usage.name.localized_value.as_deref().unwrap_or_default())];
    let says = |part: &str| names.iter().any(|name| name.contains(part));
    let of_family = !family.is_empty() && names.iter().any(|name| name.starts_with(&plain(family)));
    let of_region = says("totalcluster") && says("vcpus");
    (of_family || of_region) && says("lowpriority") == machines.low_priority
}

/// `Standard DSv2 Family` and `standardDSv2Family` are the same.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use azureml::resources::quota::UsageName;

    use super::*;

    fn usage(value: &str, localized: &str, limit: i64) -> Usage {
        Usage {
            name: UsageName { value: value.into(), localized_value: Some(localized.into()) },
            current_value: 0,
            limit,
        }
    }

    fn demand(all: &[(&str, &str, bool, i64)]) -> Demand {
        let machines = all.iter().map(|(of, size, low_priority, count)| Machines {
            of: (*of).into(),
            size: (*size).into(),
            low_priority: *low_priority,
            count: *count,
        });
        Demand { machines: machines.collect(), ..Demand::default() }
    }

    fn sizes() -> Vec<VmSize> {
        let size = |name: &str, family: &str, vcpus| VmSize { name: name.into(), family: family.into(), vcpus };
        vec![size("Standard_DS3_v2", "standardDSv2Family", 4), size("Standard_NC6", "standardNCFamily", 6)]
    }

    #[test]
    fn what_all_ask_for_is_compared_with_each_limit_that_counts_it() {
        let usages = [
            usage("standardDSv2Family", "Standard DSv2 Family Cluster Dedicated vCPUs", 24),
            usage("standardNCFamily", "Standard NC Family Cluster Dedicated vCPUs", 0),
            usage("x", "Total Cluster Dedicated Regional vCPUs", 20),
            usage("y", "Total Cluster Low Priority Regional vCPUs", -1),
        ];
        let table: [(&str, Demand, &[&str]); 6] = [
            ("nothing", demand(&[]), &[]),
            ("enough", demand(&[("AmlCompute a", "Standard_DS3_v2", false, 5)]), &[]),
            (
                "the region's",
                demand(&[
                    ("AmlCompute a", "standard_ds3_v2", false, 4),
                    ("AmlEndpoint b", "Standard_DS3_v2", false, 2),
                ]),
                &[
                    "Total Cluster Dedicated Regional vCPUs: 24 cores are asked for at most (AmlCompute a 16, AmlEndpoint b 8), 20 are allowed",
                ],
            ),
            (
                "the family's",
                demand(&[("AmlCompute a", "Standard_NC6", false, 1)]),
                &[
                    "Standard NC Family Cluster Dedicated vCPUs: 6 cores are asked for at most (AmlCompute a 6), 0 are allowed",
                ],
            ),
            ("low priority has no limit", demand(&[("AmlCompute a", "Standard_NC6", true, 100)]), &[]),
            (
                "a size that is not there",
                demand(&[("AmlCompute a", "Standard_X", false, 1)]),
                &["AmlCompute a asks for Standard_X, which the region does not offer"],
            ),
        ];
        for (what, demand, expected) in table {
            let found: Vec<String> = lacks(&demand, &sizes(), &usages).iter().map(ToString::to_string).collect();
            assert_eq!(found, expected, "{what}");
        }
        assert!(lacks(&demand(&[("AmlCompute a", "Standard_X", false, 1)]), &[], &usages).is_empty());
    }
}
