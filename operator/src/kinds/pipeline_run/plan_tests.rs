use azureml::resources::jobs::{Job, JobProperties};
use azureml_crds::pipeline_run::{AmlPipelineRunSpec, DesiredState, StepStatus};
use azureml_crds::resource::named;
use serde_json::json;

use super::*;
use crate::error::Halt;
use crate::kinds::pipeline::resolve::{Compute, Resolved};
use crate::kinds::pipeline::validate::tests::spec;
use crate::kinds::pipeline_run::progress::Progress;
use crate::ownership::{Origin, Owner};

fn object() -> AmlPipelineRun {
    let spec: AmlPipelineRunSpec = serde_json::from_value(json!({"pipelineRef": {"name": "bank"}})).unwrap();
    AmlPipelineRun { metadata: named("team", "bank-x"), spec, status: None }
}

fn owner(uid: &str) -> Owner {
    Owner::new("prod", "team", "AmlPipelineRun", "bank-x", uid)
}

fn known(status: Option<&str>) -> Known {
    let job = status.map(|status| Job {
        properties: JobProperties {
            status: Some(status.to_owned()),
            tags: owner("u").tags(Origin::Created),
            ..JobProperties::default()
        },
        ..Job::default()
    });
    Known {
        owner: owner("u"),
        spec: spec(&[("train", "training")]),
        resolved: Ok(Resolved { compute: Compute::Cluster("c".into()), inputs: Vec::new(), types: Default::default() }),
        attempt: 1,
        job_name: "bank-x-1".into(),
        job_id: "/ws/jobs/bank-x-1".into(),
        remembered: true,
        held: false,
        job,
        progress: Progress::default(),
        submitted: Some(Timestamp::from_second(0).unwrap()),
    }
}

fn decide(object: &AmlPipelineRun, known: Known) -> Plan<Action> {
    plan(object, &Observed::Under(Box::new(known)), Timestamp::from_second(1000).unwrap())
}

fn reason(plan: &Plan<Action>) -> &'static str {
    match plan.standing {
        Standing::Ready { reason, .. }
        | Standing::Progressing { reason, .. }
        | Standing::Stalled { reason, .. }
        | Standing::Holding { reason, .. } => reason,
    }
}

#[test]
fn a_job_is_written_down_before_it_is_submitted_and_submitted_only_where_there_is_none() {
    let mut fresh = known(None);
    fresh.remembered = false;
    assert_eq!(decide(&object(), fresh).next, Next::Act(Action::Remember));
    assert_eq!(decide(&object(), known(None)).next, Next::Act(Action::Submit));
    assert_eq!(decide(&object(), known(Some("Running"))).next, Next::Wait(After::Poll));
}

#[test]
fn a_job_is_judged_by_its_tags_before_anything_is_done() {
    let mut foreign = known(Some("Running"));
    foreign.job.as_mut().unwrap().properties.tags.clear();
    let plan = decide(&object(), foreign);
    assert_eq!((reason(&plan), plan.next), (reasons::NOT_OWNED, Next::Rest));

    let mut rebuilt = known(Some("Completed"));
    rebuilt.owner = owner("u2");
    assert_eq!(decide(&object(), rebuilt.clone()).next, Next::Act(Action::Reattach));
    rebuilt.held = true;
    assert_eq!(reason(&decide(&object(), rebuilt)), reasons::OWNERSHIP_TAKEN);
}

#[test]
fn every_end_is_finished_with_its_word_and_its_reason() {
    let cancelled = || {
        let mut object = object();
        object.spec.state = Some(DesiredState::Cancelled);
        object
    };
    let late = || {
        let mut late = known(Some("Canceled"));
        late.spec.run = serde_json::from_value(json!({"timeout": "10m"})).unwrap();
        late
    };
    let lost = || Known { held: true, ..known(None) };
    for (object, known, word, expected) in [
        (object(), known(Some("Completed")), "Succeeded", reasons::SUCCEEDED),
        (object(), known(Some("Failed")), "Failed", reasons::RUN_FAILED),
        (object(), known(Some("Canceled")), "Cancelled", reasons::RUN_CANCELLED),
        (object(), late(), "TimedOut", reasons::RUN_TIMED_OUT),
        (cancelled(), late(), "Cancelled", reasons::RUN_CANCELLED),
        (cancelled(), known(None), "Cancelled", reasons::RUN_CANCELLED),
        (object(), lost(), "Failed", reasons::JOB_LOST),
    ] {
        let plan = decide(&object, known);
        let finished = plan.extras.iter().find(|extra| extra.kind == conditions::FINISHED).unwrap();
        assert_eq!((finished.status, finished.reason, reason(&plan)), (Some(true), word, expected));
        assert_eq!(plan.next, Next::Rest);
    }
}

#[test]
fn a_run_is_stopped_on_demand_or_when_it_takes_too_long_and_asked_once() {
    let mut object = object();
    let mut late = known(Some("Running"));
    late.spec.run = serde_json::from_value(json!({"timeout": "10m"})).unwrap();
    let plan = decide(&object, late);
    assert_eq!((reason(&plan), plan.next), (reasons::RUN_TIMED_OUT, Next::Act(Action::Cancel)));
    object.spec.state = Some(DesiredState::Cancelled);
    assert_eq!(decide(&object, known(Some("Running"))).next, Next::Act(Action::Cancel));
    assert_eq!(decide(&object, known(Some("CancelRequested"))).next, Next::Wait(After::Poll));
}

#[test]
fn a_failed_job_is_tried_again_as_often_as_the_spec_says() {
    let mut failed = known(Some("Failed"));
    failed.spec.run = serde_json::from_value(json!({"retry": {"limit": 1}})).unwrap();
    assert_eq!(decide(&object(), failed.clone()).next, Next::Act(Action::NextAttempt));
    failed.attempt = 2;
    assert_eq!(decide(&object(), failed).next, Next::Rest);
}

#[test]
fn a_failure_names_the_step_and_its_error() {
    let mut failed = known(Some("Failed"));
    failed.progress.steps = vec![StepStatus {
        name: "train".into(),
        status: "Failed".into(),
        error: Some("UserError: the column z is not in the data".into()),
        ..StepStatus::default()
    }];
    let Standing::Stalled { message, .. } = decide(&object(), failed).standing else { panic!() };
    assert!(message.contains("Step \"train\" failed: UserError: the column z is not in the data."), "{message}");
}

#[test]
fn a_run_waits_for_what_its_definition_names() {
    let mut waiting = known(None);
    waiting.resolved = Err(Halt::wait(reasons::WAITING_FOR_DATASET, "no version yet"));
    let plan = decide(&object(), waiting);
    assert_eq!((reason(&plan), plan.next), (reasons::WAITING_FOR_DATASET, Next::Rest));
}

/// Recorded as held before its uid is rewritten, a job that was found again would read as another cluster's.
#[test]
fn a_job_that_was_found_again_is_recorded_as_held_only_once_it_has_our_uid() {
    let now = Timestamp::from_second(1000).unwrap();
    let recorded = |known: Known| {
        let observed = Observed::Under(Box::new(known));
        crate::kinds::pipeline_run::status::status(&object(), &observed, now).azure.unwrap().origin
    };
    let mut found = known(Some("Running"));
    assert_eq!(recorded(found.clone()).as_deref(), Some("created"));
    found.owner = owner("u2");
    assert_eq!(recorded(found), None);
}
