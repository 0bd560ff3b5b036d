//! An AutoML experiment as it was asked for: as a job of its own (ARM's camelCase, ISO durations) or as a pipeline's
//! step (snake_case, minutes).

use azureml_emulator_learn::{
    Algorithm, AutoMlSettings, CrossValidation, Featurization, Forecasting, Limits, PrimaryMetric, RollingWindow,
    TargetAggregation, TargetLags, Task,
};
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
            Some(text) if text.eq_ignore_ascii_case("forecasting") => Task::Forecasting,
            Some(other) => {
                let message = format!(
                    "{other} is not a task this emulator trains; known are Classification, Regression, Forecasting"
                );
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
        if task == Task::Forecasting {
            settings.forecasting = Some(forecasting(&fields.within(&["forecastingSettings", "forecasting"]))?);
            // azure-ai-ml and the studio leave it off where nobody asks for it.
            settings.stack_ensemble = false;
        }
        settings.positive_label = fields.get("positiveLabel").map(label);
        settings.weight_column = fields.text("weightColumnName").map(str::to_owned);
        settings.validation_size = fields.number("validationDataSize").filter(|size| *size > 0.0);
        settings.cross_validation = folds(fields.get("nCrossValidations"));
        settings.featurization = match fields.within(&["featurizationSettings", "featurization"]).text("mode") {
            Some(mode) if mode.eq_ignore_ascii_case("off") => Featurization::Off,
            _ => Featurization::Auto,
        };
        if let (Some(size), None) = (fields.number("testDataSize").filter(|size| *size > 0.0), fields.get("testData")) {
            let message = format!("{size} of the training rows are not held out by this emulator: give testData");
            return Err(RequestError::Invalid { field: "testDataSize", message });
        }
        settings.limits = limits(&fields.within(&["limitSettings", "limits"]))?;
        let training = fields.within(&["trainingSettings", "training"]);
        settings.allowed_algorithms = training.algorithms("allowedTrainingAlgorithms")?;
        settings.blocked_algorithms = training.algorithms("blockedTrainingAlgorithms")?;
        settings.vote_ensemble = training.flag("enableVoteEnsemble").unwrap_or(true);
        settings.stack_ensemble = training.flag("enableStackEnsemble").unwrap_or(settings.stack_ensemble);
        Ok(Self {
            settings,
            training: fields.get("trainingData").and_then(uri).ok_or(RequestError::Missing("trainingData"))?,
            validation: fields.get("validationData").and_then(uri),
            test: fields.get("testData").and_then(uri),
        })
    }
}

/// `forecastingSettings`. What would change the outcome and is not done here is refused.
fn forecasting(fields: &Fields<'_>) -> Result<Forecasting, RequestError> {
    let time = fields.text("timeColumnName").ok_or(RequestError::Missing("forecastingSettings.timeColumnName"))?;
    let mut settings = Forecasting::new(time, 1);
    let unserved = |field: &'static str, value: &str| {
        Err(RequestError::Invalid { field, message: format!("{value} is not served by this emulator: leave it out") })
    };
    if let Some(country) = fields.text("countryOrRegionForHolidays") {
        return unserved("countryOrRegionForHolidays", country);
    }
    if let Some(stl) = fields.text("useStl").filter(|stl| !stl.eq_ignore_ascii_case("none")) {
        return unserved("useStl", stl);
    }
    let short = fields.any(&["shortSeriesHandlingConfig", "shortSeriesHandlingConfiguration"]).and_then(Value::as_str);
    if let Some(short) = short.filter(|short| ["pad", "drop"].contains(&short.to_ascii_lowercase().as_str())) {
        return unserved("shortSeriesHandlingConfig", short);
    }
    let columns = fields.get("timeSeriesIdColumnNames");
    settings.series_columns = match columns {
        Some(Value::String(name)) => vec![name.clone()],
        other => {
            other.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        }
    };
    settings.frequency = fields.text("frequency").map(str::to_owned);
    settings.horizon = number("forecastHorizon", choice(fields.get("forecastHorizon"), "value"))?.unwrap_or(1);
    settings.seasonality = number("seasonality", choice(fields.get("seasonality"), "value"))?;
    settings.cv_step_size = number("cvStepSize", choice(fields.get("cvStepSize"), "value"))?;
    settings.target_lags = match choice(fields.get("targetLags"), "values") {
        Choice::Absent => TargetLags::None,
        Choice::Auto => TargetLags::Auto,
        Choice::Custom(value) => TargetLags::Custom(whole("targetLags", value)?),
    };
    settings.rolling_window = match choice(fields.get("targetRollingWindowSize"), "value") {
        Choice::Absent => RollingWindow::None,
        Choice::Auto => RollingWindow::Auto,
        custom => number("targetRollingWindowSize", custom)?.map_or(RollingWindow::None, RollingWindow::Custom),
    };
    settings.target_aggregation = match fields.text("targetAggregateFunction").map(str::to_ascii_lowercase).as_deref() {
        None | Some("none") => TargetAggregation::None,
        Some("sum") => TargetAggregation::Sum,
        Some("max") => TargetAggregation::Max,
        Some("min") => TargetAggregation::Min,
        Some("mean") => TargetAggregation::Mean,
        Some(other) => {
            let message = format!("{other} is none of None, Sum, Max, Min, Mean");
            return Err(RequestError::Invalid { field: "targetAggregateFunction", message });
        }
    };
    Ok(settings)
}

/// A setting that Azure chooses or that is given: ARM's `{"mode": "Custom", "value": 3}`, or `auto` or the value itself
/// of a step.
#[derive(Clone, Copy)]
enum Choice<'a> {
    Absent,
    Auto,
    Custom(&'a Value),
}

fn choice<'a>(value: Option<&'a Value>, within: &str) -> Choice<'a> {
    let value = match value {
        Some(Value::Object(map)) => match Fields(Some(map)).get(within) {
            Some(value) => value,
            None => return Choice::Auto,
        },
        Some(value) => value,
        None => return Choice::Absent,
    };
    if value.as_str().is_some_and(|text| text.eq_ignore_ascii_case("auto")) {
        Choice::Auto
    } else {
        Choice::Custom(value)
    }
}

/// Whole numbers from 1: one or a list.
fn whole(field: &'static str, value: &Value) -> Result<Vec<usize>, RequestError> {
    let of = |value: &Value| value.as_u64().filter(|n| *n > 0).and_then(|n| usize::try_from(n).ok());
    let all: Option<Vec<usize>> = match value {
        Value::Array(values) => values.iter().map(of).collect(),
        value => of(value).map(|n| vec![n]),
    };
    all.ok_or_else(|| RequestError::Invalid { field, message: format!("{value} holds no whole number from 1") })
}

fn number(field: &'static str, choice: Choice<'_>) -> Result<Option<usize>, RequestError> {
    match choice {
        Choice::Custom(value) => Ok(whole(field, value)?.first().copied()),
        Choice::Absent | Choice::Auto => Ok(None),
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
    fn a_forecast_is_read_from_both_forms() {
        let job = json!({
            "taskType": "Forecasting", "targetColumnName": "y", "trainingData": {"uri": "azureml:d:1"},
            "nCrossValidations": {"mode": "Auto"}, "trainingSettings": {"enableStackEnsemble": false},
            "forecastingSettings": {
                "timeColumnName": "t", "timeSeriesIdColumnNames": ["s"], "frequency": "D", "cvStepSize": 7,
                "forecastHorizon": {"mode": "Custom", "value": 14}, "seasonality": {"mode": "Custom", "value": 7},
                "targetLags": {"mode": "Custom", "values": [1, 7]}, "targetRollingWindowSize": {"mode": "Auto"},
                "shortSeriesHandlingConfig": "Auto", "targetAggregateFunction": "None", "featureLags": "None"}
        });
        let step = json!({
            "task": "forecasting", "target_column_name": "y", "training_data": "azureml:d:1",
            "forecasting": {
                "time_column_name": "t", "time_series_id_column_names": ["s"], "frequency": "D", "cv_step_size": 7,
                "forecast_horizon": 14, "seasonality": 7, "target_lags": [1, 7], "target_rolling_window_size": "auto"}
        });
        let read = AutoMlRequest::parse(job.as_object().unwrap()).unwrap();
        assert_eq!(Ok(read.clone()), AutoMlRequest::parse(step.as_object().unwrap()));
        let settings = read.settings.forecasting.unwrap();
        assert_eq!((settings.horizon, settings.target_lags), (14, TargetLags::Custom(vec![1, 7])));
        assert!(!read.settings.stack_ensemble);
    }

    #[test]
    fn what_is_not_done_for_a_forecast_is_refused() {
        for (field, value) in
            [("countryOrRegionForHolidays", "DE"), ("useStl", "Season"), ("targetAggregateFunction", "Mode")]
        {
            let mut body = json!({
                "taskType": "Forecasting", "targetColumnName": "y", "trainingData": {"uri": "u"},
                "forecastingSettings": {"timeColumnName": "t"}});
            body["forecastingSettings"][field] = json!(value);
            let refused = AutoMlRequest::parse(body.as_object().unwrap()).unwrap_err().to_string();
            assert!(
                refused.contains(field) && refused.contains(&value.to_lowercase()) || refused.contains(value),
                "{refused}"
            );
        }
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
