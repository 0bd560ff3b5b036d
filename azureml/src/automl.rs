//! What an AutoML parent run's tags tell of its trials. Pure.

use crate::resources::Map;

/// A model that was tried.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// The child run.
    pub run_id: String,
    /// The algorithm.
    pub algorithm: String,
    /// The primary metric; `None` where the trial has none (it failed, or runs).
    pub score: Option<f64>,
}

/// The child with the best model, by the parent's tag.
#[must_use]
pub fn best_child(tags: &Map) -> Option<&str> {
    tags.get("automl_best_child_run_id").map(String::as_str).filter(|id| !id.is_empty())
}

/// The trials, in the order in which they were made, from the parallel lists `iteration_000`, `score_000` and
/// `run_algorithm_000` (and `_001` and on, where one tag did not hold them all).
#[must_use]
pub fn trials(parent: &str, tags: &Map) -> Vec<Trial> {
    let list = |name: &str| -> Vec<String> {
        (0..1000)
            .map_while(|part| tags.get(&format!("{name}_{part:03}")))
            .flat_map(|text| text.split(';').map(str::to_owned).collect::<Vec<_>>())
            .collect()
    };
    let (iterations, scores, algorithms) = (list("iteration"), list("score"), list("run_algorithm"));
    iterations
        .iter()
        .enumerate()
        .filter(|(_, iteration)| !iteration.is_empty())
        .map(|(position, iteration)| Trial {
            run_id: format!("{parent}_{iteration}"),
            algorithm: algorithms.get(position).cloned().unwrap_or_default(),
            score: scores.get(position).and_then(|text| text.parse().ok()).filter(|score: &f64| score.is_finite()),
        })
        .collect()
}

/// Which value of a metric is the better one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Scores.
    HigherIsBetter,
    /// Errors and losses.
    LowerIsBetter,
}

impl Direction {
    /// The better of two values comes first. What is not a number comes last.
    #[must_use]
    pub fn compare(self, left: f64, right: f64) -> std::cmp::Ordering {
        match (left.is_nan(), right.is_nan(), self) {
            (false, false, Self::HigherIsBetter) => right.total_cmp(&left),
            (false, false, Self::LowerIsBetter) => left.total_cmp(&right),
            (left, right, _) => left.cmp(&right),
        }
    }
}

/// AutoML's metrics that have a direction, as MLflow spells them ("Evaluate automated machine learning experiment
/// results", learn.microsoft.com). Each also comes with `_macro`, `_micro`, `_weighted`, `_binary` and `_classwise`.
const HIGHER: &[&str] = &[
    "AUC",
    "accuracy",
    "average_precision_score",
    "balanced_accuracy",
    "explained_variance",
    "f1_score",
    "matthews_correlation",
    "norm_macro_recall",
    "precision_score",
    "r2_score",
    "recall_score",
    "spearman_correlation",
    "weighted_accuracy",
];
const LOWER: &[&str] = &[
    "log_loss",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "median_absolute_error",
    "normalized_mean_absolute_error",
    "normalized_median_absolute_error",
    "normalized_root_mean_squared_error",
    "normalized_root_mean_squared_log_error",
    "root_mean_squared_error",
    "root_mean_squared_log_error",
];

/// The direction of one of AutoML's metrics, in either spelling; `None` for others.
#[must_use]
pub fn direction(metric: &str) -> Option<Direction> {
    let name = mlflow_metric(metric);
    let base =
        ["_macro", "_micro", "_weighted", "_binary", "_classwise"].iter().find_map(|suffix| name.strip_suffix(suffix));
    let is_in = |list: &[&str]| {
        list.iter()
            .any(|known| known.eq_ignore_ascii_case(&name) || base.is_some_and(|base| known.eq_ignore_ascii_case(base)))
    };
    if is_in(HIGHER) {
        Some(Direction::HigherIsBetter)
    } else if is_in(LOWER) {
        Some(Direction::LowerIsBetter)
    } else {
        None
    }
}

/// Whether a smaller value of a metric is the better one: AutoML's errors and losses.
#[must_use]
pub fn lower_is_better(metric: &str) -> bool {
    direction(metric) == Some(Direction::LowerIsBetter)
}

/// A metric's name as MLflow spells it, from ARM's spelling or MLflow's own (`AUCWeighted` and `AUC_weighted`).
#[must_use]
pub fn mlflow_metric(name: &str) -> String {
    if name.contains('_') || name.chars().all(|character| character.is_lowercase()) {
        return name.to_owned();
    }
    if let Some(rest) = name.strip_prefix("AUC") {
        return format!("AUC_{}", rest.to_lowercase());
    }
    let mut spelled = String::new();
    for character in name.chars() {
        if character.is_uppercase() && !spelled.is_empty() {
            spelled.push('_');
        }
        spelled.extend(character.to_lowercase());
    }
    spelled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trials_are_read_from_the_parallel_lists() {
        let tags = Map::from([
            ("iteration_000".into(), "0;1;2".into()),
            ("fit_time_000".into(), "1;1;1".into()),
            ("score_000".into(), "0.93;NaN;0.95".into()),
            ("run_algorithm_000".into(), "LightGBM;KNN;VotingEnsemble".into()),
            ("automl_best_child_run_id".into(), "j_2".into()),
        ]);
        let trials = trials("j", &tags);
        assert_eq!(trials.len(), 3);
        assert_eq!((trials[0].run_id.as_str(), trials[0].score), ("j_0", Some(0.93)));
        assert_eq!(trials[1].score, None);
        assert_eq!(best_child(&tags), Some("j_2"));
    }

    #[test]
    fn metric_names_of_both_spellings_meet() {
        for (arm, mlflow) in [
            ("AUCWeighted", "AUC_weighted"),
            ("AUC_weighted", "AUC_weighted"),
            ("Accuracy", "accuracy"),
            ("accuracy", "accuracy"),
            ("NormMacroRecall", "norm_macro_recall"),
            ("NormalizedRootMeanSquaredError", "normalized_root_mean_squared_error"),
        ] {
            assert_eq!(mlflow_metric(arm), mlflow);
        }
        assert!(
            lower_is_better("normalized_root_mean_squared_error")
                && lower_is_better("log_loss")
                && !lower_is_better("AUC_weighted")
        );
    }
}
