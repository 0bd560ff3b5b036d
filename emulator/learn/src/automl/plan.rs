//! Which configurations are tried, and in which order.
//!
//! Azure draws pipelines from a large space with a recommender; here the list is fixed: what is good and cheap first,
//! no family twice before the fifth, then the rest and variants. It ends after some thirty trials, whatever `maxTrials`
//! says.

use crate::estimators::{ForestSpec, Spec};
use crate::features::Scaling;
use crate::forecast::place;
use crate::settings::{Algorithm, AutoMlSettings, Task};

/// One configuration to try.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Candidate {
    /// Azure's name it stands for.
    pub(crate) asked: Algorithm,
    pub(crate) scaling: Scaling,
    pub(crate) spec: Spec,
}

/// The candidates these settings allow, best bets first.
pub(crate) fn candidates(settings: &AutoMlSettings) -> Vec<Candidate> {
    let all = match settings.task {
        Task::Classification => classification(),
        Task::Regression => regression(),
        Task::Forecasting => forecasting(),
    };
    all.into_iter().filter(|candidate| allowed(settings, candidate.asked)).collect()
}

fn allowed(settings: &AutoMlSettings, algorithm: Algorithm) -> bool {
    let listed = settings.allowed_algorithms.is_empty() || settings.allowed_algorithms.contains(&algorithm);
    listed && !settings.blocked_algorithms.contains(&algorithm)
}

const FOREST: ForestSpec =
    ForestSpec { trees: 60, max_depth: 30, min_leaf: 8, feature_share: 0.25, bootstrap: true, random_cuts: false };
const EXTRA: ForestSpec = ForestSpec { trees: 40, min_leaf: 5, bootstrap: false, random_cuts: true, ..FOREST };
const TREE: ForestSpec =
    ForestSpec { trees: 1, max_depth: 8, min_leaf: 20, feature_share: 1.0, bootstrap: false, random_cuts: false };

fn candidate(asked: Algorithm, scaling: Scaling, spec: Spec) -> Candidate {
    Candidate { asked, scaling, spec }
}

fn classification() -> Vec<Candidate> {
    use Algorithm as A;
    use Scaling::{MaxAbs, MinMax, Standard};
    vec![
        candidate(A::LightGbm, MaxAbs, Spec::Boosting { budget: 1.0 }),
        candidate(A::LogisticRegression, Standard, Spec::Logistic { c: 1.0 }),
        candidate(A::RandomForest, MaxAbs, Spec::Forest(FOREST)),
        candidate(A::DecisionTree, MaxAbs, Spec::Forest(TREE)),
        candidate(A::ExtremeRandomTrees, MaxAbs, Spec::Forest(EXTRA)),
        candidate(A::XgBoostClassifier, MaxAbs, Spec::Boosting { budget: 1.2 }),
        candidate(A::Sgd, Standard, Spec::Sgd),
        candidate(A::LinearSvm, Standard, Spec::LinearSvm { c: 1.0 }),
        candidate(A::BernoulliNaiveBayes, Standard, Spec::Bernoulli),
        candidate(A::Knn, Standard, Spec::Neighbours { k: 25 }),
        candidate(A::GradientBoosting, Standard, Spec::Boosting { budget: 0.8 }),
        candidate(A::Svm, Standard, Spec::KernelSvm { c: 1.0 }),
        candidate(A::MultinomialNaiveBayes, MinMax, Spec::Multinomial),
        candidate(A::RandomForest, MaxAbs, Spec::Forest(ForestSpec { feature_share: 0.5, ..FOREST })),
        candidate(A::LogisticRegression, MaxAbs, Spec::Logistic { c: 10.0 }),
        candidate(A::LightGbm, Standard, Spec::Boosting { budget: 0.5 }),
        candidate(A::ExtremeRandomTrees, MaxAbs, Spec::Forest(ForestSpec { feature_share: 0.5, ..EXTRA })),
        candidate(A::RandomForest, MaxAbs, Spec::Forest(ForestSpec { feature_share: 0.0, min_leaf: 2, ..FOREST })),
        candidate(A::XgBoostClassifier, Standard, Spec::Boosting { budget: 0.3 }),
        candidate(A::LogisticRegression, Standard, Spec::Logistic { c: 0.05 }),
        candidate(A::Knn, MaxAbs, Spec::Neighbours { k: 5 }),
        candidate(A::DecisionTree, MaxAbs, Spec::Forest(ForestSpec { max_depth: 5, min_leaf: 5, ..TREE })),
        candidate(A::LinearSvm, MaxAbs, Spec::LinearSvm { c: 0.1 }),
        candidate(A::ExtremeRandomTrees, MaxAbs, Spec::Forest(ForestSpec { feature_share: 0.0, min_leaf: 2, ..EXTRA })),
        candidate(A::GradientBoosting, MaxAbs, Spec::Boosting { budget: 1.5 }),
        candidate(A::Svm, MaxAbs, Spec::KernelSvm { c: 10.0 }),
    ]
}

fn regression() -> Vec<Candidate> {
    use Algorithm as A;
    use Scaling::{MaxAbs, Standard};
    let forest = ForestSpec { feature_share: 0.33, min_leaf: 3, ..FOREST };
    let extra = ForestSpec { feature_share: 0.5, min_leaf: 3, ..EXTRA };
    vec![
        candidate(A::LightGbm, MaxAbs, Spec::Boosting { budget: 1.0 }),
        candidate(A::ElasticNet, Standard, Spec::ElasticNet { alpha: 0.001, l1_ratio: 0.5 }),
        candidate(A::RandomForest, MaxAbs, Spec::Forest(forest)),
        candidate(A::ExtremeRandomTrees, MaxAbs, Spec::Forest(extra)),
        candidate(A::XgBoostRegressor, MaxAbs, Spec::Boosting { budget: 1.2 }),
        candidate(A::LassoLars, Standard, Spec::ElasticNet { alpha: 0.001, l1_ratio: 1.0 }),
        candidate(A::DecisionTree, MaxAbs, Spec::Forest(ForestSpec { min_leaf: 10, ..TREE })),
        candidate(A::Knn, Standard, Spec::Neighbours { k: 10 }),
        candidate(A::Sgd, Standard, Spec::Sgd),
        candidate(A::GradientBoosting, Standard, Spec::Boosting { budget: 0.8 }),
        candidate(A::LightGbm, Standard, Spec::Boosting { budget: 0.5 }),
        candidate(A::ElasticNet, Standard, Spec::ElasticNet { alpha: 0.05, l1_ratio: 0.5 }),
        candidate(A::RandomForest, MaxAbs, Spec::Forest(ForestSpec { feature_share: 1.0, ..forest })),
        candidate(A::ExtremeRandomTrees, MaxAbs, Spec::Forest(ForestSpec { feature_share: 1.0, ..extra })),
        candidate(A::XgBoostRegressor, Standard, Spec::Boosting { budget: 0.3 }),
        candidate(A::LassoLars, Standard, Spec::ElasticNet { alpha: 0.02, l1_ratio: 1.0 }),
        candidate(A::Knn, MaxAbs, Spec::Neighbours { k: 4 }),
        candidate(A::DecisionTree, MaxAbs, Spec::Forest(ForestSpec { max_depth: 5, min_leaf: 5, ..TREE })),
        candidate(A::GradientBoosting, MaxAbs, Spec::Boosting { budget: 1.5 }),
        candidate(A::ElasticNet, Standard, Spec::ElasticNet { alpha: 0.3, l1_ratio: 0.2 }),
    ]
}

/// What needs no learning first: whatever learns has to beat it.
fn forecasting() -> Vec<Candidate> {
    use Algorithm as A;
    let plain = |asked, place| candidate(asked, Scaling::None, Spec::Feature { place });
    let mut all = vec![
        plain(A::SeasonalNaive, place::SEASON_AGO),
        plain(A::Naive, place::LAST),
        plain(A::SeasonalAverage, place::SEASONAL_MEAN),
        plain(A::Average, place::MEAN),
    ];
    let averages = all.split_off(2);
    // Boosting takes long for what it gains on few rows: the linear model and the forest after it come first.
    let mut learners = regression();
    learners[..3].rotate_left(1);
    let others = learners.split_off(3);
    for more in [learners, averages, others] {
        all.extend(more);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_azure_knows_for_a_task_has_a_candidate() {
        for task in [Task::Classification, Task::Regression, Task::Forecasting] {
            for algorithm in Algorithm::ALL.into_iter().filter(|a| a.fits(task)) {
                let settings = AutoMlSettings { allowed_algorithms: vec![algorithm], ..AutoMlSettings::new(task, "y") };
                let found = candidates(&settings);
                assert!(!found.is_empty(), "{task:?} {algorithm}");
                assert!(found.iter().all(|c| c.asked == algorithm));
            }
        }
    }

    #[test]
    fn eight_trials_see_at_least_four_algorithms_that_really_differ() {
        let settings = AutoMlSettings::new(Task::Classification, "y");
        // Two of the eight are ensembles.
        let mut families: Vec<Algorithm> = candidates(&settings)[..6].iter().map(|c| c.asked.runs_as()).collect();
        families.sort_unstable();
        families.dedup();
        assert!(families.len() >= 4, "{families:?}");
    }

    #[test]
    fn blocking_wins_over_allowing() {
        let settings = AutoMlSettings {
            allowed_algorithms: vec![Algorithm::Knn, Algorithm::Sgd],
            blocked_algorithms: vec![Algorithm::Knn],
            ..AutoMlSettings::new(Task::Regression, "y")
        };
        assert!(candidates(&settings).iter().all(|c| c.asked == Algorithm::Sgd));
    }
}
