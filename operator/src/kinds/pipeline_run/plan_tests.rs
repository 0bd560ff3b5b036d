use azureml::resources::jobs::{Job, JobProperties};
use azureml_crds::pipeline_run::{AmlPipelineRunSpec, AmlPipelineRunStatus, DesiredState, StepStatus};
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
        resolved: Ok(Resolved {
            compute: Compute::Cluster("c".into()),
            inputs: Vec::new(),
            types: Default::default(),
            steps: Default::default(),
        }),
        unregistered: None,
        until: Some(Timestamp::from_second(2000).unwrap()),
        attempt: 1,
        job_name: "bank-x-1".into(),
        job_id: "/ws/jobs/bank-x-1".into(),
        remembered: true,
        held: false,
        job,
        progress: Progress::default(),
        submitted: Some(Timestamp::from_second(0).unwrap()),
        acted: false,
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

/// A job may have ended by the time that it is read after it was asked to stop: the pass that asked says nothing of it.
#[test]
fn a_run_ends_in_a_pass_that_does_nothing_else() {
    let mut object = object();
    object.spec.state = Some(DesiredState::Cancelled);
    let now = Timestamp::from_second(1000).unwrap();
    let phase = |acted| {
        let observed = Observed::Under(Box::new(Known { acted, ..known(Some("Canceled")) }));
        crate::kinds::pipeline_run::status::status(&object, &observed, now).phase
    };
    assert_eq!((phase(true), phase(false)), (Phase::Running, Phase::Cancelled));
    // What was said of it when it ended is said still.
    object.status = Some(AmlPipelineRunStatus { phase: Phase::Cancelled, ..Default::default() });
    let plan = plan(&object, &Observed::Finished, now);
    let told: Vec<_> = plan.extras.iter().map(|extra| (extra.kind, extra.status, extra.reason)).collect();
    assert_eq!(
        told,
        [(conditions::FINISHED, Some(true), "Cancelled"), (conditions::SUCCEEDED, Some(false), reasons::RUN_CANCELLED)]
    );
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
fn a_failure_quotes_the_end_of_the_log_and_has_room_in_an_event() {
    let mut failed = known(Some("Failed"));
    failed.progress.steps = vec![StepStatus {
        name: "prep".into(),
        status: "Failed".into(),
        error: Some("UserError: ".to_owned() + &"e".repeat(2000)),
        log: Some((0..60).map(|line| format!("line {line} of the log\n")).collect()),
        ..StepStatus::default()
    }];
    let Standing::Stalled { message, .. } = decide(&object(), failed).standing else { panic!() };
    assert!(message.contains("Its log ends:\nline 4") && message.contains("\nline 59 of the log\n"), "{message}");
    assert!(message.ends_with("to anything new.") && message.chars().count() <= 1024, "{message}");
}

#[test]
fn a_run_waits_for_what_its_definition_names() {
    let mut waiting = known(None);
    waiting.resolved = Err(Halt::wait(reasons::WAITING_FOR_DATASET, "no version yet"));
    let plan = decide(&object(), waiting);
    let until = Next::Wait(After::Until(Timestamp::from_second(2000).unwrap()));
    assert_eq!((reason(&plan), plan.next), (reasons::WAITING_FOR_DATASET, until));
}

#[test]
fn what_a_command_step_is_made_of_is_registered_before_the_job_is_submitted() {
    let mut fresh = known(None);
    fresh.unregistered = Some("prep".into());
    assert_eq!(decide(&object(), fresh.clone()).next, Next::Act(Action::Register("prep".into())));
    fresh.remembered = false;
    assert_eq!(decide(&object(), fresh).next, Next::Act(Action::Remember));
}

#[test]
fn a_run_without_a_job_ends_too() {
    let finished = |plan: &Plan<Action>| {
        let extra = plan.extras.iter().find(|extra| extra.kind == conditions::FINISHED).unwrap();
        (extra.status, extra.reason)
    };
    let with = |halt: Halt, until: i64| Known {
        resolved: Err(halt),
        until: Some(Timestamp::from_second(until).unwrap()),
        ..known(None)
    };
    let wrong = || Halt::person(reasons::STEP_CYCLE, "a circle.");
    let waits = || Halt::wait(reasons::DATASET_NOT_FOUND, "no such dataset.");
    let trouble = || Halt::retry(reasons::SOURCE_UNAVAILABLE, "no answer.");
    for (known, end, expected) in [
        (with(wrong(), 2000), (Some(true), "Failed"), reasons::STEP_CYCLE),
        (with(waits(), 2000), (Some(false), reasons::RUNNING), reasons::DATASET_NOT_FOUND),
        (with(waits(), 1000), (Some(true), "TimedOut"), reasons::RUN_TIMED_OUT),
        (with(trouble(), 2000), (Some(false), reasons::RUNNING), reasons::SOURCE_UNAVAILABLE),
        (with(trouble(), 1000), (Some(true), "TimedOut"), reasons::RUN_TIMED_OUT),
    ] {
        let plan = decide(&object(), known);
        assert_eq!((finished(&plan), reason(&plan)), (end, expected));
    }
    // A wait that may last is looked at again when it may last no longer.
    assert_eq!(
        decide(&object(), with(waits(), 2000)).next,
        Next::Wait(After::Until(Timestamp::from_second(2000).unwrap()))
    );
    assert_eq!(decide(&object(), with(trouble(), 2000)).next, Next::Wait(After::Poll));
    // What lies in Azure wakes nobody.
    let environment = Halt::wait(reasons::ENVIRONMENT_NOT_FOUND, "no such environment.");
    assert_eq!(
        decide(&object(), with(environment, 2000)).next,
        Next::Wait(After::Until(Timestamp::from_second(1060).unwrap()))
    );
    let mut imported = object();
    imported.spec.import_job = Some("gone".into());
    assert_eq!(reason(&decide(&imported, known(None))), reasons::AZURE_NOT_FOUND);
}

#[test]
fn a_run_about_whose_job_nothing_can_be_found_out_ends_when_its_time_is_over() {
    let halted = |held, workspace_gone, until: i64| Halted {
        hopeless: false,
        halt: Halt::wait(reasons::WORKSPACE_NOT_READY, "the workspace is not ready."),
        held,
        workspace_gone,
        until: Some(Timestamp::from_second(until).unwrap()),
    };
    let now = Timestamp::from_second(1000).unwrap();
    let mut cancelled = object();
    cancelled.spec.state = Some(DesiredState::Cancelled);
    for (object, halted, expected) in [
        (object(), halted(true, true, 2000), Some(End::Lost)),
        (object(), halted(true, false, 2000), None),
        (object(), halted(true, false, 1000), Some(End::Waited)),
        (object(), halted(false, true, 2000), None),
        // A job that may run can't be called cancelled.
        (cancelled.clone(), halted(true, false, 2000), None),
        (cancelled, halted(false, false, 2000), Some(End::Cancelled)),
    ] {
        assert_eq!(halted_end(&object, &halted, now), expected);
        let observed = Observed::Halted(halted);
        let status = crate::kinds::pipeline_run::status::status(&object, &observed, now);
        assert_eq!(status.phase, expected.map_or(Phase::Pending, End::phase));
    }
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
