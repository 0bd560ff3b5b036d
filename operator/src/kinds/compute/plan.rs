//! Decides. Pure.

use azureml::OperationState;
use azureml::duration;
use azureml::resources::computes::{Compute, ScaleSettings};
use azureml_crds::policies::AdoptionPolicy;
use azureml_crds::{AmlCompute, AmlResource, conditions, reasons};
use jiff::Timestamp;

use super::observe::{Observed, scale};
use super::status::errors;
use crate::kinds::operation::may_retry;
use crate::ownership::{Origin, Ownership};
use crate::shell::{After, Claim, Plan, Standing};

/// What can be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make the cluster, or make it again after it failed.
    Create,
    /// Mark it as ours, found again or taken over.
    Tag(Origin, &'static str),
    /// Change how many nodes it has.
    Scale(ScaleSettings),
}

pub(super) fn plan(object: &AmlCompute, observed: &Observed, now: Timestamp) -> Plan<Action> {
    let name = object.azure_name();
    match &observed.operation {
        Some(OperationState::Running { retry_after }) => {
            let after = retry_after.map_or(After::Poll, After::Asked);
            return Plan::wait(after, reasons::PROGRESSING, format!("Azure is at work on cluster {name:?}."));
        }
        Some(OperationState::Failed { code, message }) => {
            return Plan::stalled(
                reasons::OPERATION_FAILED,
                format!(
                    "Azure could not make or change cluster {name:?}: {code}: {message}. Correct spec.size or spec.scale, or raise the quota; it is tried again by and by."
                ),
            );
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
        state @ ("Failed" | "Canceled") => {
            let errors = errors(found);
            let why = if errors.is_empty() { "Azure gives no reason".to_owned() } else { errors.join("; ") };
            Plan::stalled(
                reasons::OPERATION_FAILED,
                format!(
                    "Cluster {name:?} is {state}: {why}. Correct spec.size or spec.scale, or raise the quota; it is tried again by and by."
                ),
            )
        }
        _ => settled(object, found),
    }
}

fn absent(object: &AmlCompute, observed: &Observed, now: Timestamp) -> Plan<Action> {
    let failed = object.condition(conditions::STALLED).filter(|stalled| stalled.reason == reasons::OPERATION_FAILED);
    if let Some(failed) = failed
        && !may_retry(object, observed.retry, now)
    {
        return Plan::stalled(reasons::OPERATION_FAILED, failed.message.clone());
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

fn settled(object: &AmlCompute, found: &Compute) -> Plan<Action> {
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
    if found.properties.properties.scale_settings.as_ref().is_none_or(|is| !same(is, &wanted)) {
        let message =
            format!("Cluster {name:?} is scaled to {}..{} nodes.", wanted.min_node_count, wanted.max_node_count);
        return Plan::act(Action::Scale(wanted), reasons::PROGRESSING, message.clone())
            .standing(Standing::Holding { reason: reasons::PROGRESSING, message });
    }
    Plan::ready(format!("Cluster {name:?} takes jobs on up to {} nodes.", wanted.max_node_count))
}

/// Azure may write a span of time in another way than it was sent.
fn same(is: &ScaleSettings, wanted: &ScaleSettings) -> bool {
    let idle = |scale: &ScaleSettings| duration::parse(&scale.node_idle_time_before_scale_down);
    is.min_node_count == wanted.min_node_count
        && is.max_node_count == wanted.max_node_count
        && (is.node_idle_time_before_scale_down == wanted.node_idle_time_before_scale_down
            || idle(is).is_some_and(|is| Some(is) == idle(wanted)))
}

#[cfg(test)]
mod tests {
    use azureml::resources::computes::{AmlComputeProperties, ComputeProperties};
    use serde_json::json;

    use super::*;
    use crate::ownership::Owner;
    use crate::shell::Next;

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
        assert!(matches!(plan.next, Next::Act(Action::Scale(scale)) if scale.max_node_count == 4));
        assert!(matches!(plan.standing, Standing::Holding { .. }));
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
        assert_eq!((stalled(&plan), &plan.next), (reasons::OPERATION_FAILED, &Next::Rest));
        assert!(matches!(&plan.standing, Standing::Stalled { message, .. } if message.contains("no cores left")));
    }
}
