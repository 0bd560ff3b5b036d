//! The bank marketing data through whole experiments: what it must reach, and what noise must not.

#![allow(clippy::unwrap_used, reason = "a test ends by panicking")]

mod common;

use azureml_emulator_learn::{AutoMl, Cancel, Metrics, Model, Outcome};
use common::{bank_text, classification, table, training};
use std::collections::BTreeSet;

fn auc(metrics: &Metrics) -> f64 {
    metrics.get("AUC_weighted").unwrap()
}

#[test]
fn eight_trials_of_five_families_reach_what_scikit_learn_does() {
    let rows = table(&bank_text());
    assert_eq!(rows.rows(), 32_950);
    let mut settings = classification("y", 8);
    settings.positive_label = Some("yes".to_owned());
    let outcome: Outcome = AutoMl::new(settings).run(&training(rows.clone()), &Cancel::new(), |_| {}).unwrap();

    assert_eq!(outcome.trials.len(), 8);
    let algorithms: BTreeSet<&str> = outcome.trials.iter().map(|t| t.trial.algorithm.as_str()).collect();
    let families = ["GradientBoosting", "LogisticRegression", "RandomForest", "DecisionTree", "ExtremeRandomTrees"];
    assert!(families.iter().all(|family| algorithms.contains(family)), "{algorithms:?}");
    assert!(algorithms.contains("VotingEnsemble") && algorithms.contains("StackEnsemble"), "{algorithms:?}");

    let best = outcome.best_trial().unwrap().metrics().unwrap();
    assert!(auc(best) >= 0.940, "{}", auc(best));
    assert!(best.get("accuracy").unwrap() > 0.90 && best.get("AUC_binary").is_some());
    let confusion = best.confusion_matrix.as_ref().unwrap();
    assert_eq!(confusion.class_labels, ["no", "yes"]);
    assert_eq!(confusion.matrix.concat().iter().sum::<u64>(), 32_950);
    assert!(outcome.trials.iter().all(|t| auc(t.metrics().unwrap()) <= auc(best)));

    let some: Vec<usize> = (0..500).collect();
    let some = rows.select(&some);
    let again = Model::from_json(&outcome.model.to_json().unwrap()).unwrap();
    assert_eq!(again.predict_proba(&some).unwrap(), outcome.model.predict_proba(&some).unwrap());
    assert_eq!(again.input_columns().len(), 20);
    let alone = again.predict_proba(&some.select(&[7])).unwrap();
    assert_eq!(alone[0], again.predict_proba(&some).unwrap()[7], "a row is predicted alike alone and among others");
}

/// The rows with their labels in another order: nothing is left to learn.
fn shuffled(rows: usize) -> String {
    let text = bank_text();
    let mut lines = text.lines();
    let header = lines.next().unwrap();
    let (features, mut labels): (Vec<&str>, Vec<&str>) =
        lines.take(rows).map(|line| line.rsplit_once(',').unwrap()).unzip();
    let mut state = 1_u64;
    for last in (1..labels.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        labels.swap(last, (state >> 33) as usize % (last + 1));
    }
    let rows = features.iter().zip(labels).map(|(features, label)| format!("{features},{label}\n"));
    format!("{header}\n{}", rows.collect::<String>())
}

#[test]
fn on_shuffled_labels_every_trial_is_as_good_as_chance() {
    let settings = classification("y", 8);
    let rows = table(&shuffled(12_000));
    let outcome = AutoMl::new(settings).run(&training(rows), &Cancel::new(), |_| {}).unwrap();
    assert_eq!(outcome.trials.len(), 8);
    for trial in &outcome.trials {
        let auc = auc(trial.metrics().unwrap());
        assert!((0.47..=0.53).contains(&auc), "{}: {auc}", trial.trial.algorithm);
    }
}
