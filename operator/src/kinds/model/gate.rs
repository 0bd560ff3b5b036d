//! What a gate says of a version. Pure.

use azureml::automl::mlflow_metric;
use azureml_crds::model::{Direction, Gate, MeasuredOn, MetricBound, Verdict, direction};
use azureml_crds::pipeline_run::Metrics;

use super::version::MeasuredData;
use crate::kinds::pipeline::cause::value_hash;

/// Decimals as people write them are no exact binary numbers: 0.90 is worse than 0.89 by more than 0.01 there.
const ROUNDING: f64 = 1e-12;

/// What was measured of a version.
#[derive(Clone, Copy, Debug)]
pub struct Measured<'a> {
    /// The version's name, for people.
    pub name: &'a str,
    /// The metrics.
    pub metrics: &'a Metrics,
    /// On which data.
    pub data: &'a MeasuredData,
}

impl Measured<'_> {
    fn value(&self, bound: &MetricBound) -> Option<f64> {
        let metrics = match on(bound) {
            MeasuredOn::Validation => &self.metrics.validation,
            MeasuredOn::Test => &self.metrics.test,
        };
        let wanted = mlflow_metric(&bound.name);
        let (_, text) = metrics.iter().find(|(name, _)| **name == bound.name || name.eq_ignore_ascii_case(&wanted))?;
        text.parse().ok().filter(|value: &f64| value.is_finite())
    }

    fn data(&self, bound: &MetricBound) -> &str {
        match on(bound) {
            MeasuredOn::Validation => &self.data.validation,
            MeasuredOn::Test => &self.data.test,
        }
    }
}

fn on(bound: &MetricBound) -> MeasuredOn {
    bound.on.unwrap_or_default()
}

/// The hash of a gate's bounds: a verdict counts for the bounds it was given by.
#[must_use]
pub fn hash(gate: Option<&Gate>) -> String {
    value_hash(&gate.map(|gate| &gate.metrics))
}

/// What the bounds say of a version: Approved (it passes), Rejected or Inconclusive, and why. `baseline` is the
/// version that is approved now.
#[must_use]
pub fn judge(gate: Option<&Gate>, version: &Measured, baseline: Option<&Measured>) -> (Verdict, String) {
    let bounds = gate.map(|gate| gate.metrics.as_slice()).unwrap_or_default();
    if bounds.is_empty() {
        return (Verdict::Approved, "No bounds are set.".to_owned());
    }
    let judged: Vec<Judged> = bounds.iter().map(|bound| bound_holds(bound, version, baseline)).collect();
    let words = |wanted: fn(&Judged) -> Option<&String>| {
        judged.iter().filter_map(wanted).cloned().collect::<Vec<_>>().join("; ")
    };
    let failed = words(|judged| if let Judged::Fails(why) = judged { Some(why) } else { None });
    let open = words(|judged| if let Judged::Open(why) = judged { Some(why) } else { None });
    match (failed.is_empty(), open.is_empty()) {
        (false, _) => (Verdict::Rejected, failed),
        (true, false) => (Verdict::Inconclusive, open),
        (true, true) => {
            (Verdict::Approved, words(|judged| if let Judged::Holds(why) = judged { Some(why) } else { None }))
        }
    }
}

enum Judged {
    Holds(String),
    Fails(String),
    Open(String),
}

fn bound_holds(bound: &MetricBound, version: &Measured, baseline: Option<&Measured>) -> Judged {
    let place = match on(bound) {
        MeasuredOn::Validation => "validation",
        MeasuredOn::Test => "test",
    };
    let name = &bound.name;
    let Some(value) = version.value(bound) else {
        return Judged::Open(format!("{name} was not measured on {place} data"));
    };
    let number = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<f64>().ok());
    if let Some(min) = number(&bound.min).filter(|min| value < *min) {
        return Judged::Fails(format!("{name} on {place} is {value}, below the minimum {min}"));
    }
    if let Some(max) = number(&bound.max).filter(|max| value > *max) {
        return Judged::Fails(format!("{name} on {place} is {value}, above the maximum {max}"));
    }
    let limits = (number(&bound.max_regression), number(&bound.max_regression_percent));
    if limits == (None, None) {
        return Judged::Holds(format!("{name} on {place} is {value}"));
    }
    regression(bound, version, baseline, value, limits)
}

fn regression(
    bound: &MetricBound,
    version: &Measured,
    baseline: Option<&Measured>,
    value: f64,
    (absolute, percent): (Option<f64>, Option<f64>),
) -> Judged {
    let name = &bound.name;
    let Some(baseline) = baseline.filter(|baseline| baseline.name != version.name) else {
        return Judged::Holds(format!("{name} is {value}, with no approved version to compare with"));
    };
    let Some(direction) = bound.direction.or_else(|| direction(name)) else {
        return Judged::Open(format!("which way {name} is better is not known: write direction in its bound"));
    };
    let Some(before) = baseline.value(bound) else {
        return Judged::Open(format!("{name} was not measured of the approved version {}", baseline.name));
    };
    let data = version.data(bound);
    if data.is_empty() || data != baseline.data(bound) {
        return Judged::Open(format!(
            "{name} was measured on other data than that of the approved version {}",
            baseline.name
        ));
    }
    let worse = match direction {
        Direction::HigherIsBetter => before - value,
        Direction::LowerIsBetter => value - before,
    };
    let told = format!("{name} is {value}, version {} had {before}", baseline.name);
    if let Some(limit) = absolute.filter(|limit| worse > *limit + ROUNDING) {
        return Judged::Fails(format!("{told}: worse by more than {limit}"));
    }
    if let Some(limit) = percent.filter(|limit| worse > before.abs() * limit / 100.0 + ROUNDING) {
        return Judged::Fails(format!("{told}: worse by more than {limit} %"));
    }
    Judged::Holds(told)
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
