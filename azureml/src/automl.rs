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
        .filter(|iteration| !iteration.is_empty())
        .enumerate()
        .map(|(position, iteration)| Trial {
            run_id: format!("{parent}_{iteration}"),
            algorithm: algorithms.get(position).cloned().unwrap_or_default(),
            score: scores.get(position).and_then(|text| text.parse().ok()).filter(|score: &f64| score.is_finite()),
        })
        .collect()
}

/// Whether a smaller value of a metric is the better one: AutoML's errors and losses.
#[must_use]
pub fn lower_is_better(metric: &str) -> bool {
    let name = metric.to_lowercase();
    name.contains("error") || name.contains("loss") || name == "mean_absolute_percentage_error"
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
