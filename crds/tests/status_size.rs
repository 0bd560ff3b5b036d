//! A status keeps below 32 kB, whatever happened.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

use azureml_crds::model::{AmlModelStatus, ApprovedVersion, ModelVersion};
use azureml_crds::pipeline_run::{AmlPipelineRunStatus, Best, JobRef, Metrics, ResolvedInput, StepStatus, Trial};
use azureml_crds::status::{SIZE_LIMIT, clip, fit};

fn size(status: &impl serde::Serialize) -> usize {
    serde_json::to_string(status).unwrap().len()
}

#[test]
fn a_run_of_fifty_failing_steps_keeps_the_first_errors_and_the_best_trials() {
    let long = "x".repeat(2048);
    let metrics = || (0..50).map(|index| (format!("metric_{index:02}"), "0.123456789".to_owned())).collect();
    let mut status = AmlPipelineRunStatus {
        job: Some(JobRef { name: "bank-1".to_owned(), id: "i".repeat(300), studio_url: None }),
        inputs: (0..50)
            .map(|index| ResolvedInput {
                name: format!("input{index}"),
                asset_id: "a".repeat(200),
                ..ResolvedInput::default()
            })
            .collect(),
        steps: (0..50)
            .map(|index| StepStatus {
                name: format!("step{index}"),
                status: "Failed".to_owned(),
                job_name: Some("j".repeat(100)),
                error: Some(long.clone()),
                ..StepStatus::default()
            })
            .collect(),
        trials: (0..20).map(|index| Trial { id: format!("trial{index}"), ..Trial::default() }).collect(),
        best: Some(Best { metrics: Metrics { validation: metrics(), test: metrics() }, ..Best::default() }),
        outputs: (0..50).map(|index| (format!("step{index}_model"), "o".repeat(150))).collect(),
        ..AmlPipelineRunStatus::default()
    };
    assert!(size(&status) > 3 * SIZE_LIMIT);
    assert!(fit(&mut status));
    assert!(size(&status) < SIZE_LIMIT);
    assert_eq!(status.steps.iter().filter(|step| step.error.is_some()).count(), 3);
    assert_eq!(status.steps[0].error.as_deref(), Some(long.as_str()));
    assert_eq!(status.trials[0].id, "trial0");
    assert_eq!(status.inputs.len(), 50);
}

#[test]
fn a_model_of_many_versions_keeps_the_newest_and_the_approved_one() {
    let version = |number: usize| ModelVersion {
        version: number.to_string(),
        source: "s".repeat(300),
        metrics: (0..20).map(|index| (format!("metric_{index}"), "0.5".repeat(20))).collect(),
        reason: Some("r".repeat(512)),
        run: Some("n".repeat(2000)),
        ..ModelVersion::default()
    };
    let mut status = AmlModelStatus {
        approved: Some(ApprovedVersion { version: "1".to_owned(), ..ApprovedVersion::default() }),
        versions: (1..=20).rev().map(version).collect(),
        ..AmlModelStatus::default()
    };
    assert!(fit(&mut status));
    assert!(size(&status) < SIZE_LIMIT);
    assert_eq!(status.versions.first().map(|version| version.version.as_str()), Some("20"));
    assert_eq!(status.versions.last().map(|version| version.version.as_str()), Some("1"));
}

#[test]
fn a_status_that_fits_is_left_alone() {
    let status =
        AmlPipelineRunStatus { best_summary: Some("LightGBM 0.949".to_owned()), ..AmlPipelineRunStatus::default() };
    let mut fitted = status.clone();
    assert!(fit(&mut fitted));
    assert_eq!(fitted, status);
}

#[test]
fn texts_are_cut_by_characters() {
    for (text, limit, expected) in [("short", 10, "short"), ("überlang", 5, "über…"), ("", 0, "")] {
        assert_eq!(clip(text, limit), expected);
    }
}
