//! Shares of an endpoint's traffic.

use std::collections::BTreeMap;

use azureml_crds::endpoint::RolloutPhase;

use super::{State, Step};

/// Shares by deployment, in percent; none is 0, and they sum to 0 or 100.
pub type Traffic = BTreeMap<String, i32>;

/// The shares as they count: a share of 0 is none.
#[must_use]
pub fn counted(traffic: &Traffic) -> Traffic {
    traffic.iter().filter(|(_, share)| **share > 0).map(|(name, share)| (name.clone(), *share)).collect()
}

/// The candidate's share.
fn share(state: &State, steps: &[Step]) -> i32 {
    match state.rollout.phase {
        RolloutPhase::Stepping | RolloutPhase::Paused | RolloutPhase::Switching | RolloutPhase::Confirming => {
            let Some(step) = state.step() else { return 0 };
            if step >= steps.len() {
                return 100;
            }
            let weights = steps.iter().take(step + 1).rev().filter_map(|step| match step {
                Step::Weight { weight, .. } => Some(*weight),
                Step::Approval => None,
            });
            weights.take(1).sum::<i32>().clamp(0, 100)
        }
        _ => 0,
    }
}

/// The shares that the record asks for.
#[must_use]
pub fn wanted(state: &State, steps: &[Step]) -> Traffic {
    let candidate = state.candidate.as_ref().map(|revision| revision.deployment.clone());
    let stable = state.stable.as_ref().map(|revision| revision.deployment.clone());
    let share = if candidate.is_some() { share(state, steps) } else { 0 };
    match (candidate, stable) {
        (Some(candidate), Some(stable)) => counted(&Traffic::from([(candidate, share), (stable, 100 - share)])),
        // With no stable revision there is nothing to share with: all or nothing.
        (Some(candidate), None) if share > 0 => Traffic::from([(candidate, 100)]),
        (_, Some(stable)) => Traffic::from([(stable, 100)]),
        _ => Traffic::new(),
    }
}

/// The deployment with the largest share.
#[must_use]
pub fn live(traffic: &Traffic) -> Option<&str> {
    traffic.iter().filter(|(_, share)| **share > 0).max_by_key(|(_, share)| **share).map(|(name, _)| name.as_str())
}

/// For people: `bank-a 90, bank-b 10`.
#[must_use]
pub fn summary(traffic: &Traffic) -> String {
    let parts: Vec<String> = counted(traffic).iter().map(|(name, share)| format!("{name} {share}%")).collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}
