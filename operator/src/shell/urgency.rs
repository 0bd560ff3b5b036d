//! Who waits for what an object asks of Azure, as far as the object itself tells. Pure.

use azureml::Priority;
use azureml_crds::endpoint::RolloutPhase;
use azureml_crds::pipeline_run::Phase;
use azureml_crds::{
    AmlCompute, AmlDataset, AmlEndpoint, AmlModel, AmlPipeline, AmlPipelineRun, AmlResource, AmlWorkspace, conditions,
    reasons,
};

use crate::inventory::rest::is_asked;

/// What of an object's work Azure has in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Nothing.
    None,
    /// An operation or a job.
    InFlight,
    /// Traffic goes back to the last good revision.
    RollBack,
}

/// A kind whose status tells what Azure has in hand for it.
pub trait AtWork: AmlResource {
    /// What Azure has in hand.
    fn work(&self) -> Work;
}

/// How an object's requests wait their turn: a person's change first, then a roll-back, then what is under way, and last
/// what only keeps watch.
#[must_use]
pub fn priority<K: AtWork>(object: &K) -> Priority {
    let holds = |kind: &str| object.condition(kind).filter(|condition| condition.status == "True");
    let reconciling = holds(conditions::RECONCILING);
    let decided =
        object.condition(conditions::READY).is_some_and(|ready| ready.observed_generation == object.meta().generation);
    if !decided || is_asked(object) {
        return Priority::Person;
    }
    match object.work() {
        Work::RollBack => Priority::RollBack,
        Work::InFlight => Priority::Poll,
        // Azure works on its deletion, or what lives in it goes first.
        Work::None if reconciling.is_some_and(|goes_on| goes_on.reason == reasons::DELETING) => Priority::Poll,
        // It serves as it is wanted, and something else is put right or waits for Azure.
        Work::None if object.is_ready() && reconciling.is_some() => Priority::Poll,
        Work::None if object.is_ready() => Priority::Drift,
        Work::None => Priority::Person,
    }
}

fn in_flight(is_in_flight: bool) -> Work {
    if is_in_flight { Work::InFlight } else { Work::None }
}

impl AtWork for AmlWorkspace {
    fn work(&self) -> Work {
        in_flight(self.status.as_ref().is_some_and(|status| status.operation.is_some()))
    }
}

impl AtWork for AmlCompute {
    fn work(&self) -> Work {
        in_flight(self.status.as_ref().is_some_and(|status| status.operation.is_some()))
    }
}

impl AtWork for AmlDataset {
    fn work(&self) -> Work {
        Work::None
    }
}

impl AtWork for AmlPipeline {
    fn work(&self) -> Work {
        in_flight(self.status.as_ref().is_some_and(|status| status.operation.is_some()))
    }
}

impl AtWork for AmlPipelineRun {
    fn work(&self) -> Work {
        let phase = self.status.as_ref().map(|status| status.phase);
        in_flight(phase.is_some_and(|phase| matches!(phase, Phase::Submitted | Phase::Running)))
    }
}

impl AtWork for AmlModel {
    fn work(&self) -> Work {
        Work::None
    }
}

impl AtWork for AmlEndpoint {
    fn work(&self) -> Work {
        let Some(status) = &self.status else { return Work::None };
        let phase = status.rollout.as_ref().map(|rollout| rollout.phase);
        match phase {
            Some(RolloutPhase::RollingBack) => Work::RollBack,
            _ => in_flight(status.operation.is_some()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::inventory::rest::is_at_rest;

    fn object<K: AmlResource>(spec: &Value, status: &Value, annotations: &Value) -> K {
        serde_json::from_value(json!({
            "apiVersion": "azureml.dev/v1alpha1", "kind": K::KIND, "spec": spec, "status": status,
            "metadata": {"name": "a", "namespace": "team-a", "uid": "uid-1", "generation": 2, "annotations": annotations},
        }))
        .unwrap()
    }

    fn condition(kind: &str, status: &str, reason: &str, generation: i64) -> Value {
        json!({"type": kind, "status": status, "reason": reason, "message": "", "observedGeneration": generation,
               "lastTransitionTime": "2026-01-01T00:00:00Z"})
    }

    fn ready(generation: i64) -> Value {
        condition("Ready", "True", "Succeeded", generation)
    }

    fn unready(reason: &str) -> Value {
        condition("Ready", "False", reason, 2)
    }

    fn reconciling(reason: &str) -> Value {
        condition("Reconciling", "True", reason, 2)
    }

    fn operation() -> Value {
        json!({"kind": "K", "target": "t", "url": "https://e.org/o", "style": "AsyncOperation",
               "startedAt": "2026-01-01T00:00:00Z"})
    }

    fn at<K: AtWork>(spec: &Value, status: &Value) -> Priority {
        priority(&object::<K>(spec, status, &json!({})))
    }

    fn compute(status: &Value) -> Priority {
        at::<AmlCompute>(&json!({"workspaceRef": {"name": "w"}, "size": "s", "scale": {"maxNodes": 1}}), status)
    }

    fn endpoint(status: &Value) -> Priority {
        let spec = json!({"workspaceRef": {"name": "w"}, "model": {"ref": "m"}, "authMode": "Key",
                          "deployment": {"instanceType": "s", "instanceCount": 1}});
        at::<AmlEndpoint>(&spec, status)
    }

    fn run(phase: &str, conditions: &Value) -> Priority {
        let spec = json!({"pipelineRef": {"name": "p"}});
        at::<AmlPipelineRun>(&spec, &json!({"phase": phase, "conditions": conditions}))
    }

    #[test]
    fn a_persons_change_goes_first_then_roll_backs_then_work_and_last_who_keeps_watch() {
        use Priority::{Drift, Person, Poll, RollBack};
        let throttled = reconciling("Throttled");
        let rolling_back = json!({"phase": "RollingBack", "step": 0});
        let table = [
            ("never looked at", compute(&json!({})), Person),
            ("first touch", compute(&json!({"conditions": [condition("Ready", "Unknown", "Progressing", 2)]})), Person),
            ("at rest", compute(&json!({"conditions": [ready(2)]})), Drift),
            ("its spec was edited", compute(&json!({"conditions": [ready(1)]})), Person),
            ("edited while throttled", compute(&json!({"conditions": [ready(1), throttled]})), Person),
            ("edited during work", compute(&json!({"conditions": [ready(1)], "operation": operation()})), Person),
            ("an operation", compute(&json!({"conditions": [unready("Progressing")], "operation": operation()})), Poll),
            ("watched, and Azure was busy", compute(&json!({"conditions": [ready(2), throttled]})), Poll),
            (
                "not made yet",
                compute(&json!({"conditions": [unready("Progressing"), reconciling("Progressing")]})),
                Person,
            ),
            ("stalled", compute(&json!({"conditions": [unready("QuotaExceeded")]})), Person),
            ("being deleted", compute(&json!({"conditions": [unready("Deleting"), reconciling("Deleting")]})), Poll),
            ("an endpoint at rest", endpoint(&json!({"conditions": [ready(2)]})), Drift),
            (
                "its deployment is made",
                endpoint(&json!({"conditions": [unready("RollingOut")], "operation": operation(),
                "rollout": {"phase": "Deploying", "step": 0}})),
                Poll,
            ),
            (
                "a step holds",
                endpoint(&json!({"conditions": [unready("RollingOut")],
                "rollout": {"phase": "Stepping", "step": 1}})),
                Person,
            ),
            (
                "traffic goes back",
                endpoint(&json!({"conditions": [unready("RollingOut")], "rollout": rolling_back})),
                RollBack,
            ),
            (
                "and Azure moves it",
                endpoint(&json!({"conditions": [unready("RollingOut")], "operation": operation(),
                "rollout": rolling_back})),
                RollBack,
            ),
            ("edited meanwhile", endpoint(&json!({"conditions": [ready(1)], "rollout": rolling_back})), Person),
            ("a run's job is to be made", run("Pending", &json!([unready("Progressing")])), Person),
            ("its job waits", run("Submitted", &json!([unready("Running")])), Poll),
            ("its job runs", run("Running", &json!([unready("Running")])), Poll),
            ("it is to be cancelled", run("Running", &json!([condition("Ready", "False", "Running", 1)])), Person),
        ];
        for (case, is, expected) in table {
            assert_eq!(is, expected, "{case}");
        }
    }

    #[test]
    fn who_asks_by_an_annotation_waits_for_it() {
        let spec = json!({"workspaceRef": {"name": "w"}, "sources": []});
        let asked = |handled: &str| {
            let status = json!({"conditions": [ready(2)], "handled": {"reconcile-at": handled}});
            priority(&object::<AmlModel>(&spec, &status, &json!({"azureml.dev/reconcile-at": "2"})))
        };
        assert_eq!([asked("1"), asked("2")], [Priority::Person, Priority::Drift]);
    }

    proptest! {
        #[test]
        fn nobody_waits_for_what_is_at_rest(
            status in prop::sample::select(vec!["True", "False", "Unknown"]),
            generation in 1_i64..4,
            reason in prop::option::of(prop::sample::select(vec!["Throttled", "Progressing", "Deleting"])),
        ) {
            let mut all = vec![condition("Ready", status, "Any", generation)];
            all.extend(reason.map(reconciling));
            let spec = json!({"workspaceRef": {"name": "w"}, "sources": []});
            let object = object::<AmlModel>(&spec, &json!({"conditions": all}), &json!({}));
            prop_assert_eq!(is_at_rest(&object), priority(&object) == Priority::Drift);
        }
    }
}
