//! Automated machine learning on a table.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Forecasting;
use crate::duration::Duration;
use crate::rules;

/// Automated machine learning: many models are trained, the best by the primary metric is the step's output
/// `best_model`.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.forecasting) == (self.task == 'Forecasting')").message("forecasting holds the time column and horizon of task Forecasting: write it with that task, and only then"))]
#[x_kube(validation = Rule::new("!has(self.primaryMetric) || (self.primaryMetric in ['AUCWeighted', 'Accuracy', 'NormMacroRecall', 'AveragePrecisionScoreWeighted', 'PrecisionScoreWeighted']) == (self.task == 'Classification')").message("primaryMetric does not fit the task: Classification has AUCWeighted, Accuracy, NormMacroRecall, AveragePrecisionScoreWeighted, PrecisionScoreWeighted; Regression and Forecasting have SpearmanCorrelation, NormalizedRootMeanSquaredError, R2Score, NormalizedMeanAbsoluteError"))]
#[x_kube(validation = Rule::new("!has(self.positiveLabel) || self.task == 'Classification'").message("positiveLabel belongs to task Classification: remove it"))]
#[x_kube(validation = rules::at_most_one(&["testData", "testDataSize"], "write testData (rows of their own) or testDataSize (a share of the training rows), not both"))]
#[x_kube(validation = Rule::new("!has(self.validationData) || !has(self.validation)").message("write validationData (rows to choose by) or validation (how the training rows are split), not both"))]
pub struct AutoMl {
    /// What is predicted: Classification (one of several classes), Regression (a number) or Forecasting (a number in
    /// the future).
    pub task: Task,
    /// The column that is predicted.
    #[schemars(length(min = 1, max = 256))]
    pub target_column: String,
    /// The rows to learn from: an input of type Table, or `<step>.<output>`.
    #[schemars(regex(pattern = rules::PIPELINE_DATA), length(min = 1, max = 127))]
    pub training_data: String,
    /// Rows to choose the best model by: an input, or `<step>.<output>`; absent: as `validation` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = rules::PIPELINE_DATA), length(min = 1, max = 127))]
    pub validation_data: Option<String>,
    /// The benchmark: rows that no model has seen, on which the best model is scored, its metrics kept apart. An
    /// input, or `<step>.<output>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = rules::PIPELINE_DATA), length(min = 1, max = 127))]
    pub test_data: Option<String>,
    /// The benchmark on a share of the training rows that is held out from all models, between 0 and 1, e.g. `"0.2"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = rules::SHARE), length(max = 16))]
    pub test_data_size: Option<String>,
    /// The column with the weight of each row; absent: all weigh the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub weight_column: Option<String>,
    /// The class that metrics of two classes take as positive; absent: AutoML's own choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub positive_label: Option<String>,
    /// What the best model is best by; absent: Accuracy for Classification, NormalizedRootMeanSquaredError otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_metric: Option<PrimaryMetric>,
    /// How much is tried, and for how long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// What is done to the columns first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub featurization: Option<Featurization>,
    /// Which algorithms are tried, and what is made of the best ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<Training>,
    /// How a model is judged while training; absent: AutoML's own choice by the number of rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Validation>,
    /// The settings of task Forecasting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forecasting: Option<Forecasting>,
}

/// What AutoML predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::described_by_field)]
pub enum Task {
    /// One of several classes.
    Classification,
    /// A number.
    Regression,
    /// A number in the future.
    Forecasting,
}

impl Task {
    /// As a pipeline's AutoML node spells it.
    #[must_use]
    pub fn node(self) -> &'static str {
        match self {
            Self::Classification => "classification",
            Self::Regression => "regression",
            Self::Forecasting => "forecasting",
        }
    }

    /// The primary metric that AutoML takes where none is named.
    #[must_use]
    pub fn default_metric(self) -> PrimaryMetric {
        match self {
            Self::Classification => PrimaryMetric::Accuracy,
            Self::Regression | Self::Forecasting => PrimaryMetric::NormalizedRootMeanSquaredError,
        }
    }
}

/// Primary metrics, as ARM spells them (`ClassificationPrimaryMetrics`, `RegressionPrimaryMetrics`, api-version
/// 2025-12-01).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::described_by_field)]
pub enum PrimaryMetric {
    /// Area under the ROC curve, each class weighted by its rows.
    AUCWeighted,
    /// Share of rows that are predicted right.
    Accuracy,
    /// Recall of each class averaged, 0 for chance and 1 for perfect.
    NormMacroRecall,
    /// Average precision, each class weighted by its rows.
    AveragePrecisionScoreWeighted,
    /// Precision, each class weighted by its rows.
    PrecisionScoreWeighted,
    /// Correlation of ranks.
    SpearmanCorrelation,
    /// Root of the mean squared error, over the target's range.
    NormalizedRootMeanSquaredError,
    /// Share of the variance that is explained.
    R2Score,
    /// Mean absolute error, over the target's range.
    NormalizedMeanAbsoluteError,
}

impl PrimaryMetric {
    /// As a pipeline's AutoML node spells it.
    #[must_use]
    pub fn node(self) -> &'static str {
        match self {
            Self::AUCWeighted => "auc_weighted",
            Self::Accuracy => "accuracy",
            Self::NormMacroRecall => "norm_macro_recall",
            Self::AveragePrecisionScoreWeighted => "average_precision_score_weighted",
            Self::PrecisionScoreWeighted => "precision_score_weighted",
            Self::SpearmanCorrelation => "spearman_correlation",
            Self::NormalizedRootMeanSquaredError => "normalized_root_mean_squared_error",
            Self::R2Score => "r2_score",
            Self::NormalizedMeanAbsoluteError => "normalized_mean_absolute_error",
        }
    }

    /// As MLflow spells it.
    #[must_use]
    pub fn mlflow(self) -> &'static str {
        match self {
            Self::AUCWeighted => "AUC_weighted",
            other => other.node(),
        }
    }

    /// A larger value is a better one.
    #[must_use]
    pub fn higher_is_better(self) -> bool {
        !matches!(self, Self::NormalizedRootMeanSquaredError | Self::NormalizedMeanAbsoluteError)
    }
}

/// How much AutoML tries, and for how long.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Models at most; absent: Azure's own (1000).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 5000))]
    pub max_trials: Option<i32>,
    /// Models trained at the same time, at most as many as the compute has nodes; absent: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_concurrent_trials: Option<i32>,
    /// Cores that one model may use, -1 for all of a node; absent: Azure's own (-1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1, max = 1024))]
    pub max_cores_per_trial: Option<i32>,
    /// How long the whole step may take, in whole minutes, e.g. `30m`; absent: Azure's own (6h).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rules::whole_minutes())]
    pub timeout: Option<Duration>,
    /// How long one model may take, in whole minutes, e.g. `10m`; absent: Azure's own (30m).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rules::whole_minutes())]
    pub trial_timeout: Option<Duration>,
    /// Stop when new models get no better; absent: Azure's own (true).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_early_termination: Option<bool>,
    /// Stop when a model reaches this value of the primary metric, e.g. `"0.95"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = rules::DECIMAL), length(max = 32))]
    pub exit_score: Option<String>,
}

/// What is done to the columns.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.mode == 'Custom' || (!has(self.blockedTransformers) && !has(self.columnTypes) && !has(self.transformers))").message("blockedTransformers, columnTypes and transformers need mode: Custom"))]
pub struct Featurization {
    /// Auto (missing values filled, categories encoded, dates taken apart), Off (the columns as they are) or Custom
    /// (Auto, with what stands below).
    pub mode: FeaturizationMode,
    /// Transformers that are not used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"), length(max = 20))]
    pub blocked_transformers: Vec<Transformer>,
    /// What columns hold, by name, where AutoML would guess otherwise: Categorical, Numeric, DateTime, Text or Ignore.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 200, "additionalProperties" = {"type": "string", "enum": ["Categorical", "Numeric", "DateTime", "Text", "Ignore"]}))]
    pub column_types: BTreeMap<String, String>,
    /// Settings of transformers on columns (`transformerParams` of Azure ML), e.g. how missing values are filled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub transformers: Vec<ColumnTransformer>,
}

/// A transformer with its settings on some columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ColumnTransformer {
    /// The transformer, e.g. `Imputer` or `HashOneHotEncoder`.
    #[schemars(regex(pattern = r"^[A-Za-z]+$"), length(min = 1, max = 64))]
    pub name: String,
    /// The columns; absent: all that it is used on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"), length(max = 50), inner(length(max = 256)))]
    pub columns: Vec<String>,
    /// Its settings, e.g. `strategy: median`. A value that reads as a number is sent as one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 20, "additionalProperties" = {"type": "string", "maxLength": 256}))]
    pub parameters: BTreeMap<String, String>,
}

/// Transformers that can be blocked, as ARM spells them (`BlockedTransformers`, api-version 2025-12-01).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::described_by_field)]
#[allow(missing_docs, reason = "the names are those of the transformers")]
pub enum Transformer {
    TextTargetEncoder,
    OneHotEncoder,
    CatTargetEncoder,
    TfIdf,
    WoETargetEncoder,
    LabelEncoder,
    WordEmbedding,
    NaiveBayes,
    CountVectorizer,
    HashOneHotEncoder,
}

/// Whether AutoML prepares the columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::described_by_field)]
pub enum FeaturizationMode {
    /// Missing values filled, categories encoded, dates taken apart.
    #[default]
    Auto,
    /// The columns as they are.
    Off,
    /// Auto, with settings.
    Custom,
}

/// Which algorithms AutoML tries, and what it makes of the best ones.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.allowedAlgorithms) || !has(self.blockedAlgorithms)").message("write allowedAlgorithms or blockedAlgorithms, not both"))]
pub struct Training {
    /// Only these algorithms, as ARM spells them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"), length(min = 1, max = 30))]
    pub allowed_algorithms: Vec<Algorithm>,
    /// All algorithms but these, as ARM spells them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"), length(max = 30))]
    pub blocked_algorithms: Vec<Algorithm>,
    /// Let the best models vote at the end; absent: Azure's own (true).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_vote_ensemble: Option<bool>,
    /// Learn to combine the best models at the end; absent: Azure's own (true).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_stack_ensemble: Option<bool>,
    /// Explain the best model; absent: Azure's own (true).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_model_explainability: Option<bool>,
    /// Only models that can be written as ONNX; absent: Azure's own (false).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_onnx_compatible_models: Option<bool>,
    /// Try deep neural networks too (TCNForecaster); absent: Azure's own (false).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_dnn_training: Option<bool>,
    /// How long the models of an ensemble may take to arrive, in whole minutes; absent: Azure's own (5m).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rules::whole_minutes())]
    pub ensemble_model_download_timeout: Option<Duration>,
    /// How the stack ensemble learns to combine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack_ensemble: Option<StackEnsemble>,
}

/// How a stack ensemble learns to combine models.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StackEnsemble {
    /// What it learns by: LogisticRegression, LogisticRegressionCV, LightGBMClassifier, ElasticNet, ElasticNetCV,
    /// LightGBMRegressor or LinearRegression; absent: Azure's own, by the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta_learner: Option<MetaLearner>,
    /// The share of the training rows that it learns on, between 0 and 1; absent: Azure's own (0.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = rules::SHARE), length(max = 16))]
    pub train_percentage: Option<String>,
}

/// What a stack ensemble learns by, as ARM spells it (`StackMetaLearnerType`, api-version 2025-12-01).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::described_by_field)]
#[allow(missing_docs, reason = "the names are those of the learners")]
pub enum MetaLearner {
    LogisticRegression,
    LogisticRegressionCV,
    LightGBMClassifier,
    ElasticNet,
    ElasticNetCV,
    LightGBMRegressor,
    LinearRegression,
}

/// AutoML's algorithms, as ARM spells them (`ClassificationModels`, `RegressionModels`, `ForecastingModels`,
/// api-version 2025-12-01). One that does not fit the step's task is found when the pipeline is planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::described_by_field)]
#[allow(missing_docs, reason = "the names are those of the algorithms")]
pub enum Algorithm {
    LogisticRegression,
    SGD,
    MultinomialNaiveBayes,
    BernoulliNaiveBayes,
    SVM,
    LinearSVM,
    KNN,
    DecisionTree,
    RandomForest,
    ExtremeRandomTrees,
    LightGBM,
    GradientBoosting,
    XGBoostClassifier,
    ElasticNet,
    LassoLars,
    XGBoostRegressor,
    AutoArima,
    Prophet,
    Naive,
    SeasonalNaive,
    Average,
    SeasonalAverage,
    ExponentialSmoothing,
    Arimax,
    TCNForecaster,
}

impl Algorithm {
    /// The algorithm is one of the task's.
    #[must_use]
    pub fn fits(self, task: Task) -> bool {
        use Algorithm::{
            Arimax, AutoArima, Average, BernoulliNaiveBayes, DecisionTree, ElasticNet, ExponentialSmoothing,
            ExtremeRandomTrees, GradientBoosting, KNN, LassoLars, LightGBM, LinearSVM, LogisticRegression,
            MultinomialNaiveBayes, Naive, Prophet, RandomForest, SGD, SVM, SeasonalAverage, SeasonalNaive,
            TCNForecaster, XGBoostClassifier, XGBoostRegressor,
        };
        match self {
            SGD | KNN | DecisionTree | RandomForest | ExtremeRandomTrees | LightGBM | GradientBoosting => true,
            LogisticRegression | MultinomialNaiveBayes | BernoulliNaiveBayes | SVM | LinearSVM | XGBoostClassifier => {
                task == Task::Classification
            }
            ElasticNet | LassoLars | XGBoostRegressor => task != Task::Classification,
            AutoArima | Prophet | Naive | SeasonalNaive | Average | SeasonalAverage | ExponentialSmoothing | Arimax
            | TCNForecaster => task == Task::Forecasting,
        }
    }
}

/// How a model is judged while training.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one(&["crossValidations", "validationDataSize", "splitColumns"], "write one of crossValidations (folds), validationDataSize (the share of rows held out) and splitColumns (columns that say which rows are held out)"))]
pub struct Validation {
    /// The number of folds that each model is trained and judged on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 100))]
    pub cross_validations: Option<i32>,
    /// The share of the rows that is held out to judge by, between 0 and 1, e.g. `"0.2"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = rules::SHARE), length(max = 16))]
    pub validation_data_size: Option<String>,
    /// Columns of 1 and 0, one a fold: rows with 0 are held out to judge by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"), length(min = 1, max = 20), inner(length(max = 256)))]
    pub split_columns: Vec<String>,
}
