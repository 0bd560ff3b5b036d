//! How an experiment goes: its order, its bounds, its end, and what is wrong with a request.

#![allow(clippy::unwrap_used, reason = "a test ends by panicking")]

mod common;

use azureml_emulator_learn::{
    Algorithm, AutoMl, AutoMlError, AutoMlSettings, Cancel, CrossValidation, Data, EndReason, Event, Outcome,
    PrimaryMetric, Task, TrialResult,
};
use common::{classification, penguins, regression, table, training};
use std::sync::Mutex;
use std::time::Duration;

fn run(settings: AutoMlSettings) -> Result<Outcome, AutoMlError> {
    AutoMl::new(settings).run(&training(penguins()), &Cancel::new(), |_| {})
}

/// What must not depend on threads.
fn essence(outcome: &Outcome) -> (Vec<(String, TrialResult)>, usize, String) {
    let trials = outcome.trials.iter().map(|t| (format!("{:?}", t.trial), t.result.clone())).collect();
    (trials, outcome.best, outcome.model.to_json().unwrap())
}

#[test]
fn the_outcome_is_the_same_for_any_number_of_threads_and_concurrent_trials() {
    let with = |threads: usize, concurrent: usize| {
        let mut settings = classification("species", 14);
        settings.threads = threads;
        settings.limits.max_concurrent_trials = concurrent;
        essence(&run(settings).unwrap())
    };
    let alone = with(1, 1);
    assert!(alone == with(3, 1), "threads");
    assert!(alone == with(2, 5), "concurrent trials");
}

#[test]
fn another_random_state_is_another_experiment() {
    let with =
        |random_state: u64| essence(&run(AutoMlSettings { random_state, ..classification("species", 2) }).unwrap());
    assert!(with(1) == with(1));
    assert!(with(1) != with(2));
}

#[test]
fn events_tell_of_each_trial_as_it_begins_and_ends() {
    let events = Mutex::new(Vec::new());
    let mut settings = classification("species", 6);
    settings.limits.max_concurrent_trials = 2;
    let outcome = AutoMl::new(settings)
        .run(&training(penguins()), &Cancel::new(), |event| events.lock().unwrap().push(event))
        .unwrap();
    let events = events.into_inner().unwrap();
    assert!(matches!(events[0], Event::Featurized { folds: 3, .. }));
    let place = |wanted: &dyn Fn(&Event) -> bool| events.iter().position(wanted).unwrap();
    for report in &outcome.trials {
        let number = report.trial.number;
        let began = place(&|e| matches!(e, Event::TrialStarted(trial) if trial.number == number));
        let ended = place(&|e| matches!(e, Event::TrialFinished(found) if found == report));
        assert!(began < ended, "{number}");
    }
    let started: Vec<usize> =
        events.iter().filter_map(|e| if let Event::TrialStarted(t) = e { Some(t.number) } else { None }).collect();
    assert_eq!(started, [0, 1, 2, 3, 4, 5]);
    let best =
        events.iter().rev().find_map(|e| if let Event::BestChanged { number, .. } = e { Some(*number) } else { None });
    assert_eq!(best, Some(outcome.best));
}

#[test]
fn a_cancelled_experiment_ends_within_the_trial_that_runs() {
    let cancel = Cancel::new();
    let events = Mutex::new(Vec::new());
    let ended = AutoMl::new(classification("species", 20)).run(&training(penguins()), &cancel, |event| {
        if matches!(&event, Event::TrialStarted(trial) if trial.number == 1) {
            cancel.cancel();
        }
        events.lock().unwrap().push(event);
    });
    assert!(matches!(ended, Err(AutoMlError::Cancelled)), "{ended:?}");
    let finished: Vec<(usize, bool)> = events
        .into_inner()
        .unwrap()
        .into_iter()
        .filter_map(|event| match event {
            Event::TrialFinished(report) => Some((report.trial.number, report.result == TrialResult::Cancelled)),
            _ => None,
        })
        .collect();
    assert_eq!(finished, [(0, false), (1, true)]);
}

#[test]
fn bounds_end_the_search() {
    let one = run(classification("species", 1)).unwrap();
    assert_eq!((one.trials.len(), one.end), (1, EndReason::MaxTrials));

    let mut exit = classification("species", 8);
    exit.limits.exit_score = Some(0.9);
    let exit = run(exit).unwrap();
    assert_eq!((exit.trials.len(), exit.end), (1, EndReason::ExitScore));

    let mut few = classification("species", 100);
    few.allowed_algorithms = vec![Algorithm::Sgd, Algorithm::DecisionTree];
    let few = run(few).unwrap();
    assert_eq!((few.trials.len(), few.end), (5, EndReason::Exhausted));
}

#[test]
fn a_search_that_no_longer_gains_ends_early_unless_told_otherwise() {
    // The first trial is perfect already.
    let rows: String = (0..120).map(|i| format!("{},{}\n", i % 40, if i % 40 < 20 { "low" } else { "high" })).collect();
    let data = training(table(&format!("x,y\n{rows}")));
    let with = |enable_early_termination: bool| {
        let mut settings = classification("y", 100);
        settings.limits.enable_early_termination = enable_early_termination;
        AutoMl::new(settings).run(&data, &Cancel::new(), |_| {}).unwrap()
    };
    let (early, whole) = (with(true), with(false));
    assert_eq!((early.end, whole.end), (EndReason::EarlyTermination, EndReason::Exhausted));
    assert_eq!((early.best, whole.best), (0, 0));
    assert!(early.trials.len() < whole.trials.len());
}

#[test]
fn time_outs_are_told_apart() {
    let mut whole = classification("species", 4);
    whole.limits.timeout = Some(Duration::ZERO);
    assert!(matches!(run(whole), Err(AutoMlError::TimedOut)));
    let mut each = classification("species", 4);
    each.limits.trial_timeout = Some(Duration::ZERO);
    let error = run(each).unwrap_err().to_string();
    assert!(error.contains("trial_timeout"), "{error}");
}

#[test]
fn what_is_wrong_is_named() {
    let text = "a,b,y,n\n".to_owned() + &(0..20).map(|i| format!("{},{},x,{i}\n", i % 7, i % 3)).collect::<String>();
    let constant = training(table(&text));
    let fail = |settings: AutoMlSettings, data: &Data| {
        AutoMl::new(settings).run(data, &Cancel::new(), |_| {}).unwrap_err().to_string()
    };
    let cases: Vec<(AutoMlSettings, &str)> = vec![
        (classification("z", 1), "no column z, which target_column_name names; its columns are a, b, y, n"),
        (classification("y", 1), "at least two different labels"),
        (classification("n", 1), "20 different labels in 20 rows"),
        (regression("y", 1), "not numbers; choose classification"),
        (AutoMlSettings { positive_label: Some("9".into()), ..classification("b", 1) }, "its labels are 0, 1, 2"),
        (AutoMlSettings { weight_column: Some("y".into()), ..classification("b", 1) }, "holds no numbers"),
        (AutoMlSettings { weight_column: Some("w".into()), ..classification("b", 1) }, "weight_column_name"),
        (AutoMlSettings { primary_metric: PrimaryMetric::R2Score, ..classification("b", 1) }, "primary_metric"),
        (AutoMlSettings { validation_size: Some(1.5), ..classification("b", 1) }, "validation_data_size"),
        (
            AutoMlSettings { cross_validation: CrossValidation::Folds(1), ..classification("b", 1) },
            "n_cross_validations",
        ),
        (classification("b", 0), "max_trials"),
        (
            AutoMlSettings { allowed_algorithms: vec![Algorithm::ElasticNet], ..classification("b", 1) },
            "allowed_training_algorithms",
        ),
    ];
    for (settings, message) in cases {
        let found = fail(settings, &constant);
        assert!(found.contains(message), "{found}");
    }
    let featureless = training(table(&("y,k\n".to_owned() + &"a,1\nb,1\n".repeat(10))));
    assert!(fail(classification("y", 1), &featureless).contains("no column"));
    let short = training(table("y,k\na,1\nb,2\na,3\nb,4\n"));
    assert!(fail(classification("y", 1), &short).contains("too few"));
    let narrow = Data { validation: Some(penguins().without(&["sex"])), ..training(penguins()) };
    let found = fail(classification("species", 1), &narrow);
    assert!(found.contains("validation") && found.contains("sex"), "{found}");
}

#[test]
fn azures_defaults_are_those_of_new() {
    let settings = AutoMlSettings::new(Task::Classification, "y");
    assert_eq!(settings.primary_metric, PrimaryMetric::Accuracy);
    assert_eq!(settings.limits.timeout, Some(Duration::from_secs(21_600)));
    assert!(settings.vote_ensemble && settings.stack_ensemble);
}
