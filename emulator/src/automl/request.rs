//! An AutoML experiment as it was asked for: as a job of its own (ARM's camelCase, ISO durations) or as a pipeline's
//! step (snake_case, minutes).

use azureml_emulator_learn::{Algorithm, AutoMlSettings, CrossValidation, Featurization, Limits, PrimaryMetric, Task};
use serde_json::{Map, Value};
use std::time::Duration;

/// Settings and the data they are for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AutoMlRequest {
    /// What the experiment is told.
    pub(crate) settings: AutoMlSettings,
    /// URI or asset id of the training data.
    pub(crate) training: String,
    /// Of the validation data.
    pub(crate) validation: Option<String>,
    /// Of the rows the best model is tested on.
    pub(crate) test: Option<String>,
}

/// Why an experiment can't be made of a body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("{field}: {message}")]
    Invalid { field: &'static str, message: String },
}

/// Reads fields whatever their case and underscores: both surfaces differ in nothing else.
struct Fields<'a>(Option<&'a Map<String, Value>>);

fn plain(name: &str) -> String {
    name.chars().filter(|c| *c != '_').map(|c| c.to_ascii_lowercase()).collect()
}

impl<'a> Fields<'a> {
    fn get(&self, name: &str) -> Option<&'a Value> {
        let wanted = plain(name);
        self.0?.iter().find(|(key, value)| plain(key) == wanted && !value.is_null()).map(|(_, value)| value)
    }

    fn any(&self, names: &[&str]) -> Option<&'a Value> {
        names.iter().find_map(|name| self.get(name))
    }

    fn within(&self, names: &[&str]) -> Fields<'a> {
        Fields(self.any(names).and_then(Value::as_object))
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        self.get(name)?.as_str()
    }

    fn number(&self, name: &str) -> Option<f64> {
        let value = self.get(name)?;
        value.as_f64().or_else(|| value.as_str()?.parse().ok())
    }

    fn count(&self, name: &str) -> Option<usize> {
        self.number(name).filter(|n| *n >= 1.0).map(|n| n as usize)
    }

    fn flag(&self, name: &str) -> Option<bool> {
        let value = self.get(name)?;
        value.as_bool().or_else(|| value.as_str()?.to_ascii_lowercase().parse().ok())
    }

    fn algorithms(&self, name: &'static str) -> Result<Vec<Algorithm>, RequestError> {
        let names = self.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        names.map(|given| given.parse::<Algorithm>().map_err(|error| invalid(name, &error))).collect()
    }

    /// A duration: ISO 8601 under its own name, or minutes under `name_minutes`.
    fn duration(&self, name: &'static str) -> Result<Option<Duration>, RequestError> {
        if let Some(minutes) = self.number(&format!("{name}Minutes")) {
            return Ok(Duration::try_from_secs_f64(minutes * 60.0).ok());
        }
        let Some(text) = self.text(name) else { return Ok(None) };
        iso_duration(text).map(Some).ok_or_else(|| RequestError::Invalid {
            field: name,
            message: format!("{text} is not an ISO 8601 duration such as PT1H"),
        })
    }
}

fn invalid(field: &'static str, error: &impl ToString) -> RequestError {
    RequestError::Invalid { field, message: error.to_string() }
}

/// Reads a duration such as `PT1H30M` or `P1D`, a day being 24 hours.
pub(crate) fn iso_duration(text: &str) -> Option<Duration> {
    let span: jiff::Span = text.parse().ok()?;
    let seconds = span.total(jiff::SpanTotal::from(jiff::Unit::Second).days_are_24_hours()).ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// The URI of an input: `{"uri": ...}` of ARM, or the text of a step.
fn uri(value: &Value) -> Option<String> {
    let text = value.as_str().or_else(|| value.get("uri")?.as_str()).or_else(|| value.get("path")?.as_str())?;
    Some(text.to_owned())
}

impl AutoMlRequest {
    /// From `taskDetails` of a job or from a pipeline's step.
    pub(crate) fn parse(body: &Map<String, Value>) -> Result<Self, RequestError> {
        let fields = Fields(Some(body));
        let task = match fields.any(&["taskType", "task"]).and_then(Value::as_str) {
            None => return Err(RequestError::Missing("taskType")),
            Some(text) if text.eq_ignore_ascii_case("classification") => Task::Classification,
            Some(text) if text.eq_ignore_ascii_case("regression") => Task::Regression,
            Some(other) => {
                let message =
                    format!("{other} is not a task this emulator trains; known are Classification, Regression");
                return Err(RequestError::Invalid { field: "taskType", message });
            }
        };
        let target = fields.text("targetColumnName").ok_or(RequestError::Missing("targetColumnName"))?;
        let mut settings = AutoMlSettings::new(task, target);
        if let Some(name) = fields.text("primaryMetric") {
            settings.primary_metric =
                name.parse::<PrimaryMetric>().map_err(|error| invalid("primaryMetric", &error))?;
            if !settings.primary_metric.fits(task) {
                let message = format!("{name} is not a metric of the task {task:?}");
                return Err(RequestError::Invalid { field: "primaryMetric", message });
            }
        }
        settings.positive_label = fields.get("positiveLabel").map(label);
        settings.weight_column = fields.text("weightColumnName").map(str::to_owned);
        settings.validation_size = fields.number("validationDataSize").filter(|size| *size > 0.0);
        settings.cross_validation = folds(fields.get("nCrossValidations"));
        settings.featurization = match fields.within(&["featurizationSettings", "featurization"]).text("mode") {
            Some(mode) if mode.eq_ignore_ascii_case("off") => Featurization::Off,
            _ => Featurization::Auto,
        };
        settings.limits = limits(&fields.within(&["limitSettings", "limits"]))?;
        let training = fields.within(&["trainingSettings", "training"]);
        settings.allowed_algorithms = training.algorithms("allowedTrainingAlgorithms")?;
        settings.blocked_algorithms = training.algorithms("blockedTrainingAlgorithms")?;
        settings.vote_ensemble = training.flag("enableVoteEnsemble").unwrap_or(true);
        settings.stack_ensemble = training.flag("enableStackEnsemble").unwrap_or(true);
        Ok(Self {
            settings,
            training: fields.get("trainingData").and_then(uri).ok_or(RequestError::Missing("trainingData"))?,
            validation: fields.get("validationData").and_then(uri),
            test: fields.get("testData").and_then(uri),
        })
    }
}

fn label(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn folds(value: Option<&Value>) -> CrossValidation {
    let count = match value {
        Some(Value::Object(map)) => Fields(Some(map)).count("value"),
        Some(value) => value.as_u64().map(|n| n as usize),
        None => None,
    };
    count.filter(|count| *count >= 2).map_or(CrossValidation::Auto, CrossValidation::Folds)
}

fn limits(fields: &Fields<'_>) -> Result<Limits, RequestError> {
    let defaults = Limits::default();
    Ok(Limits {
        max_trials: fields.count("maxTrials").unwrap_or(defaults.max_trials),
        max_concurrent_trials: fields.count("maxConcurrentTrials").unwrap_or(defaults.max_concurrent_trials),
        timeout: fields.duration("timeout")?.or(defaults.timeout),
        trial_timeout: fields.duration("trialTimeout")?.or(defaults.trial_timeout),
        enable_early_termination: fields.flag("enableEarlyTermination").unwrap_or(defaults.enable_early_termination),
        exit_score: fields.number("exitScore"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_job_and_a_step_that_ask_the_same_are_the_same() {
        let job = json!({
            "taskType": "Classification", "primaryMetric": "AUCWeighted", "targetColumnName": "y",
            "trainingData": {"jobInputType": "mltable", "uri": "azureml:d:1"}, "positiveLabel": "yes",
            "nCrossValidations": {"mode": "Custom", "value": 3}, "featurizationSettings": {"mode": "off"},
            "limitSettings": {"maxTrials": 5, "timeout": "PT1H", "trialTimeout": "PT15M", "enableEarlyTermination": false, "exitScore": 0.9},
            "trainingSettings": {"allowedTrainingAlgorithms": ["LogisticRegression", "LightGBM"], "enableStackEnsemble": false}
        });
        let step = json!({
            "type": "automl", "task": "classification", "primary_metric": "auc_weighted", "target_column_name": "y",
            "training_data": "azureml:d:1", "positive_label": "yes", "n_cross_validations": 3,
            "featurization": {"mode": "off"},
            "limits": {"max_trials": 5, "timeout_minutes": 60, "trial_timeout_minutes": 15, "enable_early_termination": false, "exit_score": 0.9},
            "training": {"allowed_training_algorithms": ["logistic_regression", "light_gbm"], "enable_stack_ensemble": false}
        });
        let job = AutoMlRequest::parse(job.as_object().unwrap()).unwrap();
        assert_eq!(Ok(job.clone()), AutoMlRequest::parse(step.as_object().unwrap()));
        assert_eq!(job.settings.limits.timeout, Some(Duration::from_secs(3600)));
        assert_eq!(job.settings.cross_validation, CrossValidation::Folds(3));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let parse = |body: Value| AutoMlRequest::parse(body.as_object().unwrap()).unwrap_err().to_string();
        assert_eq!(
            parse(json!({"taskType": "Regression", "trainingData": {"uri": "u"}})),
            "targetColumnName is missing"
        );
        let metric = json!({"taskType": "Regression", "targetColumnName": "y", "primaryMetric": "Accuracy", "trainingData": {"uri": "u"}});
        assert!(parse(metric).contains("primaryMetric"));
        let timeout = json!({"taskType": "Regression", "targetColumnName": "y", "trainingData": {"uri": "u"}, "limitSettings": {"timeout": "1h?"}});
        assert!(parse(timeout).contains("1h?"));
    }
}
