//! An AutoML step as a pipeline job's node. Pure.
//!
//! Inside a pipeline AutoML speaks snake case and minutes, unlike AutoML as a job of its own (azure-ai-ml 1.35,
//! recorded).

use azureml_crds::Duration;
use azureml_crds::pipeline::{
    Algorithm, AutoMl, ColumnTransformer, Featurization, FeaturizationMode, Forecasting, Limits, Training,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::job::{output_name, reference};
use crate::kinds::pipeline::validate::BEST_MODEL;

/// The node of a step.
#[must_use]
pub fn node(step: &str, automl: &AutoMl) -> Map<String, Value> {
    let mut node = Fields::default();
    node.put("name", step);
    node.put("type", "automl");
    node.put("task", automl.task.node());
    node.put("primary_metric", automl.primary_metric.unwrap_or_else(|| automl.task.default_metric()).node());
    node.put("target_column_name", &automl.target_column);
    node.put("training_data", reference(&automl.training_data));
    node.maybe("validation_data", automl.validation_data.as_deref().map(reference));
    node.maybe("test_data", automl.test_data.as_deref().map(reference));
    node.maybe("test_data_size", automl.test_data_size.as_deref().and_then(number));
    node.maybe("weight_column_name", automl.weight_column.as_deref());
    node.maybe("positive_label", automl.positive_label.as_deref());
    node.put("log_verbosity", "info");
    node.maybe("limits", automl.limits.as_ref().map(limits));
    node.maybe("featurization", automl.featurization.as_ref().map(featurization));
    node.put("training", automl.training.as_ref().map(training).unwrap_or_default());
    node.maybe("forecasting", automl.forecasting.as_ref().map(forecasting));
    if let Some(validation) = &automl.validation {
        node.maybe("n_cross_validations", validation.cross_validations);
        node.maybe("validation_data_size", validation.validation_data_size.as_deref().and_then(number));
        node.list("cv_split_column_names", validation.split_columns.clone());
    }
    let bound = format!("${{{{parent.outputs.{}}}}}", output_name(step, BEST_MODEL));
    node.put("outputs", json!({BEST_MODEL: {"type": "literal", "value": bound}}));
    node.put("tags", json!({}));
    node.put("properties", json!({}));
    node.0
}

/// Fields of an object, those left out that have no value.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put<T: Serialize>(&mut self, name: &str, value: T) {
        self.0.insert(name.to_owned(), serde_json::to_value(value).unwrap_or_default());
    }

    fn maybe<T: Serialize>(&mut self, name: &str, value: Option<T>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    fn list(&mut self, name: &str, values: Vec<String>) {
        if !values.is_empty() {
            self.put(name, values);
        }
    }
}

/// A decimal that was written as text, as a number.
fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// A setting of a transformer: whole numbers, decimals, and else the text itself.
fn setting(text: &str) -> Value {
    let whole = text.parse::<i64>().ok().map(Value::from);
    whole.or_else(|| number(text).map(Value::from)).unwrap_or_else(|| Value::from(text))
}

fn minutes(duration: &Duration) -> u64 {
    duration.seconds().div_ceil(60)
}

fn limits(limits: &Limits) -> Map<String, Value> {
    let mut fields = Fields::default();
    fields.maybe("max_trials", limits.max_trials);
    fields.maybe("max_concurrent_trials", limits.max_concurrent_trials);
    fields.maybe("max_cores_per_trial", limits.max_cores_per_trial);
    fields.maybe("timeout_minutes", limits.timeout.as_ref().map(minutes));
    fields.maybe("trial_timeout_minutes", limits.trial_timeout.as_ref().map(minutes));
    fields.maybe("enable_early_termination", limits.enable_early_termination);
    fields.maybe("exit_score", limits.exit_score.as_deref().and_then(number));
    fields.0
}

fn featurization(featurization: &Featurization) -> Map<String, Value> {
    let mut fields = Fields::default();
    fields.put(
        "mode",
        match featurization.mode {
            FeaturizationMode::Auto => "auto",
            FeaturizationMode::Off => "off",
            FeaturizationMode::Custom => "custom",
        },
    );
    fields.list("blocked_transformers", featurization.blocked_transformers.iter().copied().map(variant).collect());
    if !featurization.column_types.is_empty() {
        fields.put("column_name_and_types", &featurization.column_types);
    }
    let mut transformers = Map::<String, Value>::new();
    for transformer in &featurization.transformers {
        let all = transformers.entry(snake_case(&transformer.name)).or_insert_with(|| json!([]));
        if let Some(all) = all.as_array_mut() {
            all.push(settings_of(transformer));
        }
    }
    if !transformers.is_empty() {
        fields.put("transformer_params", transformers);
    }
    fields.0
}

fn settings_of(transformer: &ColumnTransformer) -> Value {
    let parameters: Map<String, Value> =
        transformer.parameters.iter().map(|(name, value)| (name.clone(), setting(value))).collect();
    let mut fields = Fields::default();
    fields.list("fields", transformer.columns.clone());
    fields.put("parameters", parameters);
    Value::Object(fields.0)
}

fn training(training: &Training) -> Map<String, Value> {
    let names = |algorithms: &[Algorithm]| algorithms.iter().map(|algorithm| algorithm_name(*algorithm)).collect();
    let mut fields = Fields::default();
    fields.list("allowed_training_algorithms", names(&training.allowed_algorithms));
    fields.list("blocked_training_algorithms", names(&training.blocked_algorithms));
    fields.maybe("enable_vote_ensemble", training.enable_vote_ensemble);
    fields.maybe("enable_stack_ensemble", training.enable_stack_ensemble);
    fields.maybe("enable_model_explainability", training.enable_model_explainability);
    fields.maybe("enable_onnx_compatible_models", training.enable_onnx_compatible_models);
    fields.maybe("enable_dnn_training", training.enable_dnn_training);
    fields.maybe(
        "ensemble_model_download_timeout_minutes",
        training.ensemble_model_download_timeout.as_ref().map(minutes),
    );
    if let Some(stack) = &training.stack_ensemble {
        let mut settings = Fields::default();
        settings.maybe("stack_meta_learner_type", stack.meta_learner.map(variant));
        settings.maybe("stack_meta_learner_train_percentage", stack.train_percentage.as_deref().and_then(number));
        fields.put("stack_ensemble_settings", settings.0);
    }
    fields.0
}

fn forecasting(forecasting: &Forecasting) -> Map<String, Value> {
    let mut fields = Fields::default();
    fields.put("time_column_name", &forecasting.time_column);
    fields.list("time_series_id_column_names", forecasting.time_series_id_columns.clone());
    fields.maybe("forecast_horizon", forecasting.horizon);
    fields.maybe("frequency", forecasting.frequency.as_deref());
    fields.maybe("seasonality", forecasting.seasonality);
    if !forecasting.target_lags.is_empty() {
        fields.put("target_lags", &forecasting.target_lags);
    }
    fields.maybe("target_rolling_window_size", forecasting.target_rolling_window_size);
    fields.maybe("use_stl", forecasting.use_stl.map(variant));
    fields.maybe("feature_lags", forecasting.feature_lags.map(variant));
    fields.maybe("short_series_handling_config", forecasting.short_series_handling.map(variant));
    fields.maybe("target_aggregate_function", forecasting.target_aggregation.map(variant));
    fields.maybe("country_or_region_for_holidays", forecasting.country_for_holidays.as_deref());
    fields.maybe("cv_step_size", forecasting.cv_step_size);
    fields.0
}

fn algorithm_name(algorithm: Algorithm) -> String {
    snake_case(&format!("{algorithm:?}"))
}

fn variant<T: Serialize>(value: T) -> String {
    snake_case(serde_json::to_value(value).unwrap_or_default().as_str().unwrap_or_default())
}

/// As azure-ai-ml makes snake case: an underscore before a capital that begins a word.
fn snake_case(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut snake = String::new();
    for (index, letter) in letters.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|at| letters.get(at));
        let lower =
            |letter: Option<&char>| letter.is_some_and(|letter| letter.is_lowercase() || letter.is_ascii_digit());
        let begins =
            lower(before) || (before.is_some() && letters.get(index + 1).is_some_and(|next| next.is_lowercase()));
        if letter.is_uppercase() && begins {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn algorithms_are_spelled_as_nodes_spell_them() {
        for (algorithm, name) in [
            (Algorithm::LightGBM, "light_gbm"),
            (Algorithm::KNN, "knn"),
            (Algorithm::LinearSVM, "linear_svm"),
            (Algorithm::XGBoostClassifier, "xg_boost_classifier"),
            (Algorithm::LogisticRegression, "logistic_regression"),
            (Algorithm::ExtremeRandomTrees, "extreme_random_trees"),
        ] {
            assert_eq!(algorithm_name(algorithm), name);
        }
    }
}
