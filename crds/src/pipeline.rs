//! AmlPipeline: the definition of a training pipeline.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::Duration;
use crate::policies::{AdoptionPolicy, DeletionPolicy};
use crate::references::LocalRef;
use crate::resource::aml_resource;
use crate::status::AzureObject;

/// The definition of a training pipeline: its inputs, its steps, where they run and when.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "azureml.dev",
    version = "v1alpha1",
    kind = "AmlPipeline",
    namespaced,
    status = "AmlPipelineStatus",
    shortname = "amlpl",
    category = "azureml",
    printcolumn(name = "READY", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "REASON", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "LASTRUN", type_ = "string", json_path = ".status.lastRun.phase"),
    printcolumn(name = "BEST", type_ = "string", json_path = ".status.best"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.size() <= 40").message("metadata.name may have 40 characters at most: the names of jobs are made from it"),
    validation = Rule::new("self.spec.workspaceRef.name == oldSelf.spec.workspaceRef.name").message("spec.workspaceRef is immutable: make a new AmlPipeline in the other workspace")
)]
#[serde(rename_all = "camelCase")]
pub struct AmlPipelineSpec {
    /// The AmlWorkspace it runs in.
    pub workspace_ref: LocalRef,
    /// The experiment under which Azure ML shows the runs; absent: this object's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}$"), length(max = 255))]
    pub experiment: Option<String>,
    /// Where the steps run.
    pub compute: ComputeTarget,
    /// What the steps read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]), length(max = 50))]
    pub inputs: Vec<Input>,
    /// What is done.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]), length(min = 1, max = 50))]
    pub steps: Vec<Step>,
    /// When it runs, and what is kept of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunPolicy>,
    /// What happens on deletion: Delete cancels unfinished jobs; absent: Delete. Finished jobs always stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
}

/// Where steps run: exactly one.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.ref) != has(self.azureName)").message("write one of ref (an AmlCompute) and azureName (a cluster that exists in the workspace)"))]
pub struct ComputeTarget {
    /// An AmlCompute of this namespace.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub ref_: Option<String>,
    /// A cluster that exists in the workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 24))]
    pub azure_name: Option<String>,
}

/// Something that steps read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    /// The name that steps use for it.
    #[schemars(regex(pattern = r"^[a-z][a-z0-9_]*$"), length(max = 63))]
    pub name: String,
    /// An AmlDataset of this namespace.
    #[schemars(length(min = 1, max = 253))]
    pub dataset: String,
    /// A fixed version of it; absent: the dataset's current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}$"), length(max = 255))]
    pub version: Option<String>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// The step's name.
    #[schemars(regex(pattern = r"^[a-z][a-z0-9_]*$"), length(max = 63))]
    pub name: String,
    /// Automated machine learning on a table.
    pub automl: AutoMl,
}

/// Automated machine learning: many models are trained, the best by the primary metric is the step's output `best_model`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AutoMl {
    /// What is predicted.
    pub task: Task,
    /// The column that is predicted.
    #[schemars(length(min = 1, max = 256))]
    pub target_column: String,
    /// The input with the rows to learn from.
    #[schemars(length(min = 1, max = 63))]
    pub training_data: String,
    /// The input with rows to choose the best model by; absent: cross-validation or a hold-out part of the training data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub validation_data: Option<String>,
    /// The input with rows that no model has seen: the best model is scored on them, its metrics kept apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub test_data: Option<String>,
    /// What the best model is best by; absent: Accuracy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_metric: Option<PrimaryMetric>,
    /// How much is tried, and for how long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// What is done to the columns first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub featurization: Option<Featurization>,
    /// Which algorithms are tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<Training>,
    /// How a model is judged while training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Validation>,
}

/// What AutoML predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Task {
    /// One of several classes.
    Classification,
}

/// Primary metrics of classification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PrimaryMetric {
    /// Area under the ROC curve, each class weighted by its rows.
    AUCWeighted,
    /// Share of rows that are predicted right.
    #[default]
    Accuracy,
    /// Recall of each class averaged, 0 for chance and 1 for perfect.
    NormMacroRecall,
    /// Average precision, each class weighted by its rows.
    AveragePrecisionScoreWeighted,
    /// Precision, each class weighted by its rows.
    PrecisionScoreWeighted,
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
}

/// How much AutoML tries, and for how long.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Models at most; absent: Azure's own (1000).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 5000))]
    pub max_trials: Option<i32>,
    /// Models trained at the same time; absent: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_concurrent_trials: Option<i32>,
    /// The whole step, in whole minutes; absent: Azure's own (6h).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("!self.endsWith('s')").message("AutoML's limits are whole minutes: write it like 30m or 1h30m"))]
    pub timeout: Option<Duration>,
    /// One model, in whole minutes; absent: Azure's own (30m).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("!self.endsWith('s')").message("AutoML's limits are whole minutes: write it like 30m or 1h30m"))]
    pub trial_timeout: Option<Duration>,
    /// Stop when new models get no better; absent: Azure's own (true).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_early_termination: Option<bool>,
}

/// What is done to the columns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Featurization {
    /// Auto, or Off.
    pub mode: FeaturizationMode,
}

/// Whether AutoML prepares the columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FeaturizationMode {
    /// Missing values filled, categories encoded, dates taken apart.
    #[default]
    Auto,
    /// The columns as they are.
    Off,
}

/// Which algorithms AutoML tries.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.allowedAlgorithms) || !has(self.blockedAlgorithms)").message("write allowedAlgorithms or blockedAlgorithms, not both"))]
pub struct Training {
    /// Only these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub allowed_algorithms: Vec<ClassificationAlgorithm>,
    /// All but these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub blocked_algorithms: Vec<ClassificationAlgorithm>,
    /// Let the best models vote at the end; absent: Azure's own (true).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_vote_ensemble: Option<bool>,
    /// Learn to combine the best models at the end; absent: Azure's own (true).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_stack_ensemble: Option<bool>,
}

/// AutoML's algorithms for classification, as ARM spells them (`ClassificationModels`, api-version 2025-12-01).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ClassificationAlgorithm {
    /// Logistic regression.
    LogisticRegression,
    /// Linear model by stochastic gradient descent.
    SGD,
    /// Naive Bayes with counts.
    MultinomialNaiveBayes,
    /// Naive Bayes with yes and no.
    BernoulliNaiveBayes,
    /// Support vector machine.
    SVM,
    /// Linear support vector machine.
    LinearSVM,
    /// Nearest neighbours.
    KNN,
    /// One decision tree.
    DecisionTree,
    /// Many trees on samples of rows and columns.
    RandomForest,
    /// Many trees with random splits.
    ExtremeRandomTrees,
    /// Boosted trees by histograms.
    LightGBM,
    /// Boosted trees.
    GradientBoosting,
    /// Boosted trees, regularised.
    XGBoostClassifier,
}

/// How a model is judged while training.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Validation {
    /// The number of folds; absent: AutoML's own choice by the number of rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 100))]
    pub cross_validations: Option<i32>,
}

/// When the pipeline runs, and what is kept of its runs.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunPolicy {
    /// What starts a run by itself; absent: nothing, only a run that somebody creates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"), length(max = 2))]
    pub triggers: Vec<Trigger>,
    /// How long a run may take; absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// How many finished runs are kept in the cluster. Their jobs stay in Azure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
}

/// What starts a run by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Trigger {
    /// A new or changed definition.
    SpecChange,
    /// A new version of a dataset that the pipeline reads.
    DatasetChange,
}

/// How many finished runs are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// Runs that succeeded; absent: 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub succeeded: Option<i32>,
    /// Runs that did not; absent: 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub failed: Option<i32>,
}

/// What is known of the pipeline.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AmlPipelineStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready, Reconciling, Stalled and others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]), length(max = 20))]
    pub conditions: Vec<Condition>,
    /// Commands by annotation that were carried out.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 20))]
    pub handled: BTreeMap<String, String>,
    /// The object in Azure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub azure: Option<AzureObject>,
    /// Hash of the definition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec_hash: Option<String>,
    /// The newest run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_run: Option<LastRun>,
    /// What the last run by a trigger was made for: spec hash and input versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_cause: Option<CauseKey>,
    /// Names of unfinished runs; at most 20.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub active_runs: Vec<String>,
    /// Algorithm and score of the best model of the newest run that succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best: Option<String>,
}

/// The newest run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LastRun {
    /// The AmlPipelineRun.
    pub name: String,
    /// Its phase.
    pub phase: String,
}

/// What a run was made for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CauseKey {
    /// Hash of the definition.
    pub spec_hash: String,
    /// The input versions, `name=version`, sorted.
    #[schemars(length(max = 50))]
    pub inputs: Vec<String>,
}

crate::resource::status_core!(AmlPipelineStatus);
aml_resource!(@impl AmlPipeline, AmlPipelineStatus, |spec| Some(&spec.workspace_ref.name),
    azure_name: |_spec, name| name,
    deletion: |spec| spec.deletion_policy,
    adoption: |_spec| AdoptionPolicy::Never);
