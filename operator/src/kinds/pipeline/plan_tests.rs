use azureml_crds::pipeline::{CauseKey, ConcurrencyPolicy};
use azureml_crds::pipeline_run::ResolvedInput;
use azureml_crds::resource::named;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::kinds::pipeline::resolve::{Compute, Resolved};
use crate::kinds::pipeline::validate::tests::spec;
use crate::ownership::Owner;

fn pipeline(run: serde_json::Value) -> AmlPipeline {
    let mut spec = spec(&[("train", "training")]);
    spec.run = serde_json::from_value(run).unwrap();
    AmlPipeline { metadata: named("team", "bank"), spec, status: None }
}

fn observed(version: &str) -> Observed {
    let input = ResolvedInput { name: "training".into(), version: version.into(), ..Default::default() };
    Observed {
        owner: Owner::new("prod", "team", "AmlPipeline", "bank", "u"),
        spec_hash: "s1".into(),
        resolved: Ok(Resolved {
            compute: Compute::Cluster("c".into()),
            inputs: vec![input],
            types: Default::default(),
            steps: Default::default(),
        }),
        runs: Vec::new(),
        last_cause: None,
        handled: Default::default(),
        azure: None,
        footprint: None,
    }
}

fn run(name: &str, phase: Phase, at: i64) -> RunSummary {
    let at = Timestamp::from_second(at).unwrap();
    RunSummary {
        name: name.into(),
        phase,
        ours: true,
        imports: None,
        leaving: false,
        created: at,
        completed: phase.is_finished().then_some(at),
        best: None,
    }
}

fn next(object: &AmlPipeline, observed: &Observed) -> Next<Action> {
    plan(object, observed, Timestamp::from_second(1000).unwrap()).next
}

fn cause_of(next: &Next<Action>) -> Option<&'static str> {
    match next {
        Next::Act(Action::CreateRun { cause, .. }) => Some(cause),
        _ => None,
    }
}

#[test]
fn what_starts_a_run_is_a_trigger_with_something_new() {
    let key = |spec: &str, version: &str| {
        Some(CauseKey { spec_hash: spec.into(), inputs: vec![format!("training={version}")] })
    };
    for (triggers, last, cause) in [
        (json!(["SpecChange"]), None, Some(causes::SPEC_CHANGE)),
        (json!(["SpecChange"]), key("s0", "1"), Some(causes::SPEC_CHANGE)),
        (json!(["SpecChange"]), key("s1", "0"), None),
        (json!(["DatasetChange"]), key("s1", "0"), Some(causes::DATASET_CHANGE)),
        (json!(["DatasetChange"]), key("s0", "1"), None),
        (json!(["SpecChange", "DatasetChange"]), key("s1", "1"), None),
        (json!([]), None, None),
    ] {
        let mut seen = observed("1");
        seen.last_cause = last.clone();
        let found = next(&pipeline(json!({"triggers": triggers})), &seen);
        assert_eq!(cause_of(&found), cause, "{triggers} after {last:?}");
    }
}

#[test]
fn an_annotation_starts_one_run_and_no_more() {
    let mut object = pipeline(json!({}));
    object.metadata.annotations = Some([(annotations::RUN.to_owned(), "now".to_owned())].into());
    let mut seen = observed("1");
    assert_eq!(cause_of(&next(&object, &seen)), Some(causes::MANUAL));
    seen.handled.insert(RUN_COMMAND.into(), "now".into());
    assert_eq!(next(&object, &seen), Next::Rest);
}

#[test]
fn a_run_that_is_due_while_another_is_unfinished_follows_the_policy() {
    for (policy, expected) in [("Forbid", Some("skip")), ("Queue", None), ("Replace", Some("cancel"))] {
        let object = pipeline(json!({"triggers": ["SpecChange"], "concurrencyPolicy": policy}));
        let mut seen = observed("1");
        seen.runs = vec![run("bank-old", Phase::Running, 1)];
        let found = match next(&object, &seen) {
            Next::Act(Action::Settle { skipped_for: Some(_), .. }) => Some("skip"),
            Next::Act(Action::CancelRun(_)) => Some("cancel"),
            Next::Rest => None,
            other => panic!("{policy}: {other:?}"),
        };
        assert_eq!(found, expected, "{policy}");
    }
}

#[test]
fn finished_runs_beyond_the_history_or_their_time_go() {
    let object = pipeline(json!({"history": {"succeeded": 1, "failed": 1, "ttl": "10m"}}));
    let mut seen = observed("1");
    seen.runs = vec![
        run("d", Phase::Succeeded, 990),
        run("c", Phase::Failed, 980),
        run("b", Phase::Succeeded, 970),
        run("a", Phase::Succeeded, 960),
    ];
    assert_eq!(next(&object, &seen), Next::Act(Action::DeleteRuns(vec!["b".into(), "a".into()])));
    seen.runs.truncate(2);
    assert_eq!(next(&object, &seen), Next::Wait(After::Until(Timestamp::from_second(980 + 600).unwrap())));
    seen.runs[1].completed = Some(Timestamp::from_second(300).unwrap());
    assert_eq!(next(&object, &seen), Next::Act(Action::DeleteRuns(vec!["c".into()])));
}

#[test]
fn a_pipeline_waits_with_the_reason_of_what_it_waits_for() {
    let mut seen = observed("1");
    seen.resolved = Err(crate::error::Halt::wait(reasons::DATASET_NOT_FOUND, "missing"));
    let plan = plan(&pipeline(json!({"triggers": ["SpecChange"]})), &seen, Timestamp::UNIX_EPOCH);
    assert_eq!(plan.next, Next::Rest);
    assert_eq!(plan.standing, Standing::progressing(reasons::DATASET_NOT_FOUND, "missing"));
}

#[derive(Clone, Debug)]
enum Step {
    Pass,
    Version(u8),
    Spec(u8),
    Token(u8),
    Finish(bool),
    ForgetStatus,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Pass),
        1 => (0..3_u8).prop_map(Step::Version),
        1 => (0..3_u8).prop_map(Step::Spec),
        1 => (0..3_u8).prop_map(Step::Token),
        2 => any::<bool>().prop_map(Step::Finish),
        1 => Just(Step::ForgetStatus),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    /// Whatever changes in whatever order, and however often status is lost: never two runs for one cause, and never
    /// two of the operator's at a time.
    #[test]
    fn never_two_runs_for_one_cause_and_never_two_at_a_time(steps in steps(), policy in 0..3_usize) {
        let policy = [ConcurrencyPolicy::Forbid, ConcurrencyPolicy::Queue, ConcurrencyPolicy::Replace][policy];
        let mut object = pipeline(json!({"triggers": ["SpecChange", "DatasetChange"], "history": {"succeeded": 100, "failed": 100}}));
        object.spec.run.as_mut().unwrap().concurrency_policy = Some(policy);
        let mut seen = observed("0");
        let mut made = std::collections::BTreeSet::new();
        for (at, step) in (1_i64..).zip(steps) {
            match step {
                Step::Version(version) => seen.resolved.as_mut().unwrap().inputs[0].version = version.to_string(),
                Step::Spec(spec) => seen.spec_hash = format!("s{spec}"),
                Step::Token(token) => {
                    object.metadata.annotations = Some([(annotations::RUN.to_owned(), token.to_string())].into());
                }
                Step::Finish(good) => {
                    if let Some(run) = seen.runs.iter_mut().find(|run| run.is_active()) {
                        run.phase = if run.leaving { Phase::Cancelled } else if good { Phase::Succeeded } else { Phase::Failed };
                    }
                }
                Step::ForgetStatus => {
                    seen.last_cause = None;
                    seen.handled.clear();
                }
                Step::Pass => match next(&object, &seen) {
                    Next::Act(Action::CreateRun { name, key, token, .. }) => {
                        prop_assert!(!seen.runs.iter().any(RunSummary::is_active));
                        prop_assert!(made.insert(name.clone()), "{name} twice");
                        seen.runs.insert(0, run(&name, Phase::Pending, at));
                        seen.last_cause = Some(key);
                        seen.handled.extend(token.map(|token| (RUN_COMMAND.to_owned(), token)));
                    }
                    Next::Act(Action::Settle { key, token, .. }) => {
                        match token {
                            Some(token) => { seen.handled.insert(RUN_COMMAND.to_owned(), token); }
                            None => seen.last_cause = Some(key),
                        }
                    }
                    Next::Act(Action::CancelRun(name)) => {
                        seen.runs.iter_mut().filter(|run| run.name == name).for_each(|run| run.leaving = true);
                    }
                    _ => {}
                },
            }
            prop_assert!(seen.runs.iter().filter(|run| run.is_active()).count() <= 1);
        }
    }
}
