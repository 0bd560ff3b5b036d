//! Decides. Pure.

use azureml::error::names_quota;
use azureml::resources::computes::{Compute, ScaleSettings};
use azureml::{OperationState, duration};
use azureml_crds::policies::AdoptionPolicy;
use azureml_crds::{AmlCompute, AmlResource, conditions, reasons};
use jiff::Timestamp;

use super::observe::{Observed, scale};
use super::status::{self, Trouble};
use crate::kinds::operation::{failed_for, may_retry, told};
use crate::ownership::{Origin, Ownership};
use crate::shell::{After, Claim, Extra, Next, Plan, Standing};

/// What can be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make the cluster, or make it again after it failed.
    Create,
    /// Mark it as ours, found again or taken over.
    Tag(Origin, &'static str),
    /// Change how many nodes it has.
    Scale(Change),
}

/// A change of how many nodes a cluster has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What is wanted.
    pub scale: ScaleSettings,
    /// What differs, with what Azure has and what the spec says.
    pub fields: Vec<String>,
    /// The spec was reached before, and somebody changed the cluster since.
    pub drift: bool,
}

pub(super) fn plan(object: &AmlCompute, observed: &Observed, now: Timestamp) -> Plan<Action> {
    let name = object.azure_name();
    match &observed.operation {
        Some(OperationState::Running { retry_after }) => {
            let after = retry_after.map_or(After::Poll, After::Asked);
            return Plan::wait(after, reasons::PROGRESSING, format!("Azure is at work on cluster {name:?}."));
        }
        Some(OperationState::Failed { code, message }) => {
            let message = message.trim_end_matches('.');
            let message = format!("Azure could not make or change cluster {name:?}: {code}: {message}. {}", help(code));
            return Plan::stalled(failed_for(code), message);
        }
        Some(OperationState::Succeeded | OperationState::Lost) | None => {}
    }
    let Some(found) = &observed.found else { return absent(object, observed, now) };
    if let Some(plan) = ownership(object, observed, found) {
        return plan;
    }
    match found.properties.provisioning_state.as_deref().unwrap_or("Succeeded") {
        state @ ("Creating" | "Updating" | "Deleting" | "Unknown") => {
            Plan::wait(After::Poll, reasons::PROGRESSING, format!("Cluster {name:?} is {state} in Azure."))
        }
        "Failed" | "Canceled" if may_retry(object, observed.retry, now) => {
            Plan::act(Action::Create, reasons::PROGRESSING, format!("Cluster {name:?} is made again."))
        }
        state @ ("Failed" | "Canceled") => failed(&name, state, found),
        _ => settled(object, observed, found, now),
    }
}

/// What a person can do about a failure with this code.
fn help(code: &str) -> &'static str {
    if names_quota(code) {
        "Ask for fewer nodes (spec.scale) or make a new AmlCompute of another size, or raise the quota (the studio's page Quota, or az ml compute list-usage to see it); it is tried again by and by."
    } else {
        "Correct spec.scale, or make a new AmlCompute of another size or tier; it is tried again by and by."
    }
}

/// A cluster that Azure could not make.
fn failed(name: &str, state: &str, found: &Compute) -> Plan<Action> {
    let troubles = status::of_cluster(found);
    let code = troubles.first().map(|trouble| trouble.code.as_str()).unwrap_or_default();
    let why: Vec<&str> = troubles.iter().map(|trouble| trouble.text.trim_end_matches('.')).collect();
    let why = if why.is_empty() { "Azure gives no reason".to_owned() } else { why.join("; ") };
    Plan::stalled(failed_for(code), format!("Cluster {name:?} is {state}: {why}. {}", help(code)))
}

fn absent(object: &AmlCompute, observed: &Observed, now: Timestamp) -> Plan<Action> {
    if let Some((reason, message)) = told(object)
        && !may_retry(object, observed.retry, now)
    {
        return Plan::stalled(reason, message);
    }
    let message = format!("Cluster {:?} is being made in Azure.", object.azure_name());
    Plan::act(Action::Create, reasons::PROGRESSING, message)
}

fn ownership(object: &AmlCompute, observed: &Observed, found: &Compute) -> Option<Plan<Action>> {
    let claim = Claim {
        owner: observed.owner.as_ref()?,
        what: &format!("Cluster {:?}", object.azure_name()),
        adopts: object.adoption_policy() == AdoptionPolicy::Adopt,
        help: "Take it over (adoptionPolicy: Adopt), or make a new AmlCompute with another azureName.",
    };
    let ownership = claim.owner.judge(&found.tags, object.is_held());
    if let (Ownership::Foreign { .. }, true, Some(differs)) = (&ownership, claim.adopts, mismatch(object, found)) {
        let message = format!("{} can't be taken over: {differs}. Make a new AmlCompute that says so.", claim.what);
        return Some(Plan::stalled(reasons::NOT_OWNED, message));
    }
    claim.plan(ownership, Action::Tag)
}

/// What can't be changed in place and differs.
fn mismatch(object: &AmlCompute, found: &Compute) -> Option<String> {
    let is = &found.properties.properties;
    if !found.properties.compute_type.eq_ignore_ascii_case("AmlCompute") {
        return Some(format!("it is a {}, not an AmlCompute", found.properties.compute_type));
    }
    if !is.vm_size.eq_ignore_ascii_case(&object.spec.size) {
        return Some(format!("its size is {}, and spec.size is {}", is.vm_size, object.spec.size));
    }
    let tier = object.spec.tier.unwrap_or_default().as_str();
    (!is.vm_priority.is_empty() && !is.vm_priority.eq_ignore_ascii_case(tier))
        .then(|| format!("its tier is {}, and spec.tier is {tier}", is.vm_priority))
}

fn settled(object: &AmlCompute, observed: &Observed, found: &Compute, now: Timestamp) -> Plan<Action> {
    let name = object.azure_name();
    if let Some(mismatch) = mismatch(object, found) {
        return Plan::stalled(
            reasons::INVALID_SPEC,
            format!(
                "Cluster {name:?} was replaced in Azure: {mismatch}. Azure can't change that: delete the cluster there (it is made anew), or make a new AmlCompute."
            ),
        );
    }
    let wanted = scale(object);
    let fields = differs(found.properties.properties.scale_settings.as_ref(), &wanted);
    if !fields.is_empty() {
        let drift = object.is_ready();
        let verb = if drift { "put right" } else { "changed" };
        let message = format!("Cluster {name:?} is {verb} in {}.", fields.join(", "));
        return Plan::act(
            Action::Scale(Change { scale: wanted, fields, drift }),
            reasons::PROGRESSING,
            message.clone(),
        )
        .standing(Standing::Holding { reason: reasons::PROGRESSING, message });
    }
    let mut plan = Plan::ready(format!("Cluster {name:?} takes jobs on up to {} nodes.", wanted.max_node_count));
    let troubles = status::of_nodes(found);
    let again = match (troubles.is_empty(), is_busy(found)) {
        (_, true) => Some(observed.busy),
        (false, false) => Some(observed.retry),
        (true, false) => None,
    };
    if let Some(at) = again.and_then(|again| now.checked_add(again).ok()) {
        plan.next = Next::Wait(After::Until(at));
    }
    plan.extras.extend(nodes_available(object, &troubles));
    plan
}

/// Nodes come or go, or are at work: what is known of them will soon be old.
fn is_busy(found: &Compute) -> bool {
    let own = &found.properties.properties;
    let counts = own.node_state_counts.clone().unwrap_or_default();
    let least = own.scale_settings.as_ref().map_or(0, |scale| scale.min_node_count);
    let on_the_way = counts.running_node_count + counts.preparing_node_count + counts.leaving_node_count;
    on_the_way > 0
        || counts.idle_node_count > least
        || own.allocation_state.as_deref().is_some_and(|state| state.eq_ignore_ascii_case("Resizing"))
}

/// Whether Azure gives the nodes that jobs ask for; told from the first time on that it did not.
fn nodes_available(object: &AmlCompute, troubles: &[Trouble]) -> Option<Extra> {
    let Some(first) = troubles.first() else {
        object.condition(conditions::NODES_AVAILABLE)?;
        let message = "Azure reports no trouble with the cluster's nodes.";
        return Some(Extra::new(conditions::NODES_AVAILABLE, true, reasons::SUCCEEDED, message));
    };
    let why: Vec<&str> = troubles.iter().map(|trouble| trouble.text.trim_end_matches('.')).collect();
    let reason = if names_quota(&first.code) { reasons::QUOTA_EXCEEDED } else { reasons::NODES_UNAVAILABLE };
    let message = format!("Azure can't give the nodes that jobs wait for: {}. {}", why.join("; "), help(&first.code));
    Some(Extra::new(conditions::NODES_AVAILABLE, false, reason, message))
}

/// What differs, with what Azure has and what is wanted. Azure may write a span of time in another way than it was sent.
fn differs(is: Option<&ScaleSettings>, wanted: &ScaleSettings) -> Vec<String> {
    let Some(is) = is else { return vec!["scale".to_owned()] };
    let idle = |scale: &ScaleSettings| duration::parse(&scale.node_idle_time_before_scale_down);
    let same_idle = is.node_idle_time_before_scale_down == wanted.node_idle_time_before_scale_down
        || idle(is).is_some_and(|is| Some(is) == idle(wanted));
    let fields = [
        (
            "minNodes",
            is.min_node_count.to_string(),
            wanted.min_node_count.to_string(),
            is.min_node_count == wanted.min_node_count,
        ),
        (
            "maxNodes",
            is.max_node_count.to_string(),
            wanted.max_node_count.to_string(),
            is.max_node_count == wanted.max_node_count,
        ),
        (
            "idleTimeBeforeScaleDown",
            is.node_idle_time_before_scale_down.clone(),
            wanted.node_idle_time_before_scale_down.clone(),
            same_idle,
        ),
    ];
    let different = fields.into_iter().filter(|(.., same)| !same);
    different.map(|(field, is, wanted, _)| format!("{field} ({is} to {wanted})")).collect()
}

#[cfg(test)]
mod tests {
    use azureml::resources::computes::{AmlComputeProperties, ComputeProperties, NodeStateCounts};
    use serde_json::json;

    use super::*;
    use crate::ownership::Owner;

    fn object(adopt: &str) -> AmlCompute {
        serde_json::from_value(json!({
            "apiVersion": "azureml.dev/v1alpha1", "kind": "AmlCompute",
            "metadata": {"name": "cpu-cluster", "namespace": "team-a", "uid": "uid-1", "generation": 1},
            "spec": {"workspaceRef": {"name": "ml-ops"}, "size": "Standard_DS12_v2", "adoptionPolicy": adopt,
                     "scale": {"maxNodes": 4, "idleTimeBeforeScaleDown": "120s"}},
        }))
        .unwrap()
    }

    fn owner() -> Owner {
        Owner::new("prod", "team-a", "AmlCompute", "cpu-cluster", "uid-1")
    }

    fn compute(state: &str, max: i32) -> Compute {
        Compute {
            tags: owner().tags(Origin::Created),
            properties: ComputeProperties {
                compute_type: "AmlCompute".into(),
                provisioning_state: Some(state.into()),
                properties: AmlComputeProperties {
                    vm_size: "STANDARD_DS12_V2".into(),
                    vm_priority: "Dedicated".into(),
                    scale_settings: Some(ScaleSettings {
                        min_node_count: 0,
                        max_node_count: max,
                        node_idle_time_before_scale_down: "PT2M".into(),
                    }),
                    ..Default::default()
                },
                ..Default::default()
            },
            ..Default::default()
        }
    }

    fn decide(object: &AmlCompute, found: Option<Compute>) -> Plan<Action> {
        let observed = Observed { owner: Some(owner()), found, ..Default::default() };
        plan(object, &observed, Timestamp::from_second(1_700_000_000).unwrap())
    }

    fn stalled(plan: &Plan<Action>) -> &'static str {
        match plan.standing {
            Standing::Stalled { reason, .. } => reason,
            _ => "not stalled",
        }
    }

    #[test]
    fn a_missing_cluster_is_made_and_one_that_fits_is_left() {
        assert_eq!(decide(&object("Never"), None).next, Next::Act(Action::Create));
        let plan = decide(&object("Never"), Some(compute("Succeeded", 4)));
        assert_eq!(plan.next, Next::Rest);
        assert!(matches!(plan.standing, Standing::Ready { .. }));
    }

    #[test]
    fn the_scale_is_put_right_in_place_without_losing_ready() {
        let plan = decide(&object("Never"), Some(compute("Succeeded", 2)));
        let Next::Act(Action::Scale(change)) = &plan.next else { panic!("{plan:?}") };
        assert_eq!((change.scale.max_node_count, change.drift), (4, false));
        assert_eq!(change.fields, ["maxNodes (2 to 4)"]);
        assert!(matches!(plan.standing, Standing::Holding { .. }));
        let mut ready = object("Never");
        let condition = json!({"type": "Ready", "status": "True", "reason": "Succeeded", "message": "", "observedGeneration": 1, "lastTransitionTime": "2026-01-01T00:00:00Z"});
        ready.status = Some(serde_json::from_value(json!({"conditions": [condition]})).unwrap());
        let plan = decide(&ready, Some(compute("Succeeded", 2)));
        assert!(matches!(plan.next, Next::Act(Action::Scale(change)) if change.drift), "somebody changed it");
    }

    #[test]
    fn nodes_at_work_are_looked_at_again_soon_and_idle_ones_are_not() {
        let look = |change: &dyn Fn(&mut AmlComputeProperties)| {
            let mut found = compute("Succeeded", 4);
            change(&mut found.properties.properties);
            decide(&object("Never"), Some(found))
        };
        assert_eq!(look(&|_| {}).next, Next::Rest);
        let counts = |running, idle| NodeStateCounts {
            running_node_count: running,
            idle_node_count: idle,
            ..Default::default()
        };
        for (running, idle) in [(1, 0), (0, 1)] {
            let plan = look(&|own| own.node_state_counts = Some(counts(running, idle)));
            assert!(matches!(plan.next, Next::Wait(After::Until(_))), "{running} {idle}");
            assert!(matches!(plan.standing, Standing::Ready { .. }));
        }
    }

    #[test]
    fn nodes_that_azure_cannot_give_are_a_condition_and_the_cluster_stays_ready() {
        let mut found = compute("Succeeded", 4);
        found.properties.properties.errors =
            vec![json!({"error": {"code": "ClusterCoreQuotaReached", "message": "4 of 4 cores are used."}})];
        let plan = decide(&object("Never"), Some(found));
        assert!(matches!(plan.standing, Standing::Ready { .. }));
        let extra = &plan.extras[0];
        assert_eq!(
            (extra.kind, extra.status, extra.reason),
            (conditions::NODES_AVAILABLE, Some(false), reasons::QUOTA_EXCEEDED)
        );
        assert!(extra.message.contains("4 of 4 cores") && extra.message.contains("quota"), "{}", extra.message);
    }

    #[test]
    fn a_foreign_cluster_is_not_touched_unless_it_may_be_adopted() {
        let mut foreign = compute("Succeeded", 4);
        foreign.tags.clear();
        let refused = decide(&object("Never"), Some(foreign.clone()));
        assert_eq!((stalled(&refused), &refused.next), (reasons::NOT_OWNED, &Next::Rest));
        let adopted = decide(&object("Adopt"), Some(foreign.clone()));
        assert_eq!(adopted.next, Next::Act(Action::Tag(Origin::Adopted, reasons::ADOPTED)));
        foreign.properties.properties.vm_size = "Standard_NC6".into();
        assert_eq!(stalled(&decide(&object("Adopt"), Some(foreign))), reasons::NOT_OWNED);
    }

    #[test]
    fn a_cluster_of_a_rebuilt_kubernetes_cluster_is_found_again() {
        let mut older = compute("Succeeded", 4);
        older.tags.insert(azureml_crds::tags::UID.into(), "uid-0".into());
        let plan = decide(&object("Never"), Some(older.clone()));
        assert_eq!(plan.next, Next::Act(Action::Tag(Origin::Created, reasons::REATTACHED)));
        let mut holding = object("Never");
        holding.status = Some(serde_json::from_value(json!({"azure": {"id": "x", "origin": "created"}})).unwrap());
        assert_eq!(stalled(&decide(&holding, Some(older))), reasons::OWNERSHIP_TAKEN);
    }

    #[test]
    fn a_failed_cluster_says_why_and_is_not_made_again_at_once() {
        let mut failed = compute("Failed", 4);
        failed.properties.provisioning_errors =
            vec![json!({"error": {"code": "ClusterCoreQuotaReached", "message": "no cores left"}})];
        let plan = decide(&object("Never"), Some(failed));
        assert_eq!((stalled(&plan), &plan.next), (reasons::QUOTA_EXCEEDED, &Next::Rest));
        assert!(matches!(&plan.standing, Standing::Stalled { message, .. } if message.contains("no cores left")));
    }
}
