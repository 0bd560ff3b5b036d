//! Algorithms by Azure's names, and what stands for each.

use super::{Task, UnknownName};
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// Members of Azure's `ClassificationModels`, `RegressionModels` and `ForecastingModels`; of the latter those that can be
/// run here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Algorithm {
    /// Logistic regression with an L2 penalty.
    LogisticRegression,
    /// A linear model by stochastic gradient descent.
    #[serde(rename = "SGD")]
    Sgd,
    /// Naive Bayes over counts.
    MultinomialNaiveBayes,
    /// Naive Bayes over presence and absence.
    BernoulliNaiveBayes,
    /// Support vectors with a kernel.
    #[serde(rename = "SVM")]
    Svm,
    /// Linear support vectors.
    #[serde(rename = "LinearSVM")]
    LinearSvm,
    /// Nearest neighbours.
    #[serde(rename = "KNN")]
    Knn,
    /// One decision tree.
    DecisionTree,
    /// Bootstrapped trees.
    RandomForest,
    /// Trees with random cuts.
    ExtremeRandomTrees,
    /// Gradient boosting.
    #[serde(rename = "LightGBM")]
    LightGbm,
    /// Gradient boosting.
    GradientBoosting,
    /// Gradient boosting.
    #[serde(rename = "XGBoostClassifier")]
    XgBoostClassifier,
    /// Gradient boosting.
    #[serde(rename = "XGBoostRegressor")]
    XgBoostRegressor,
    /// Linear regression with L1 and L2 penalties.
    ElasticNet,
    /// Linear regression with an L1 penalty.
    LassoLars,
    /// The last value goes on.
    Naive,
    /// The last season goes on.
    SeasonalNaive,
    /// The mean of all values.
    Average,
    /// The mean of the values at the same place of each season.
    SeasonalAverage,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::LogisticRegression,
        Self::Sgd,
        Self::MultinomialNaiveBayes,
        Self::BernoulliNaiveBayes,
        Self::Svm,
        Self::LinearSvm,
        Self::Knn,
        Self::DecisionTree,
        Self::RandomForest,
        Self::ExtremeRandomTrees,
        Self::LightGbm,
        Self::GradientBoosting,
        Self::XgBoostClassifier,
        Self::XgBoostRegressor,
        Self::ElasticNet,
        Self::LassoLars,
        Self::Naive,
        Self::SeasonalNaive,
        Self::Average,
        Self::SeasonalAverage,
    ];

    /// Azure's enum name.
    pub fn azure_name(self) -> &'static str {
        match self {
            Self::LogisticRegression => "LogisticRegression",
            Self::Sgd => "SGD",
            Self::MultinomialNaiveBayes => "MultinomialNaiveBayes",
            Self::BernoulliNaiveBayes => "BernoulliNaiveBayes",
            Self::Svm => "SVM",
            Self::LinearSvm => "LinearSVM",
            Self::Knn => "KNN",
            Self::DecisionTree => "DecisionTree",
            Self::RandomForest => "RandomForest",
            Self::ExtremeRandomTrees => "ExtremeRandomTrees",
            Self::LightGbm => "LightGBM",
            Self::GradientBoosting => "GradientBoosting",
            Self::XgBoostClassifier => "XGBoostClassifier",
            Self::XgBoostRegressor => "XGBoostRegressor",
            Self::ElasticNet => "ElasticNet",
            Self::LassoLars => "LassoLars",
            Self::Naive => "Naive",
            Self::SeasonalNaive => "SeasonalNaive",
            Self::Average => "Average",
            Self::SeasonalAverage => "SeasonalAverage",
        }
    }

    /// The algorithm that really runs for this name. The libraries LightGBM and XGBoost are not linked: gradient
    /// boosting runs for them and the trial says so. Every other name is its own algorithm.
    pub fn runs_as(self) -> Self {
        match self {
            Self::LightGbm | Self::XgBoostClassifier | Self::XgBoostRegressor => Self::GradientBoosting,
            other => other,
        }
    }

    /// Whether Azure knows the name for this task.
    pub fn fits(self, task: Task) -> bool {
        let forecasting = matches!(self, Self::Naive | Self::SeasonalNaive | Self::Average | Self::SeasonalAverage);
        let classification =
            !forecasting && !matches!(self, Self::XgBoostRegressor | Self::ElasticNet | Self::LassoLars);
        let regression = !matches!(
            self,
            Self::LogisticRegression
                | Self::MultinomialNaiveBayes
                | Self::BernoulliNaiveBayes
                | Self::Svm
                | Self::LinearSvm
                | Self::XgBoostClassifier
        );
        match task {
            Task::Classification => classification,
            Task::Regression => regression && !forecasting,
            Task::Forecasting => regression,
        }
    }
}

impl FromStr for Algorithm {
    type Err = UnknownName;

    /// Takes the ARM name and the YAML name (`logistic_regression`, `knn`), in any case.
    fn from_str(given: &str) -> Result<Self, UnknownName> {
        let plain: String = given.chars().filter(|c| *c != '_').collect();
        let found = Self::ALL.into_iter().find(|algorithm| plain.eq_ignore_ascii_case(algorithm.azure_name()));
        found.ok_or_else(|| UnknownName {
            given: given.to_owned(),
            what: "an algorithm",
            known: Self::ALL.map(Self::azure_name).join(", "),
        })
    }
}

impl std::fmt::Display for Algorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.azure_name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_read() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.azure_name().parse(), Ok(algorithm));
            assert_eq!(serde_json::to_value(algorithm).unwrap(), algorithm.azure_name());
        }
        assert_eq!("extreme_random_trees".parse(), Ok(Algorithm::ExtremeRandomTrees));
        assert_eq!("light_gbm".parse(), Ok(Algorithm::LightGbm));
        assert!("Oracle".parse::<Algorithm>().is_err());
    }
}
