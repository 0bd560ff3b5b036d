//! From tables and settings to folds of features: everything that can be wrong with either is found here.

use super::error::AutoMlError;
use super::in_time::{self, InTime};
use super::judge::{Judge, Truth};
use super::splits::{Split, splits};
use super::workers;
use crate::features::Featurizer;
use crate::forecast::Path;
use crate::matrix::Matrix;
use crate::metrics::Metrics;
use crate::model::{Model, Pipeline};
use crate::settings::{AutoMlSettings, CrossValidation, Featurization, Task};
use crate::table::{Column, Table, Values};
use crate::target::{Labels, Target};
use crate::watch::{Stopped, Watch};

/// Rows needed at least.
pub(super) const FEWEST_ROWS: usize = 10;
/// Classes at most.
const MOST_CLASSES: usize = 1000;

/// The tables of an experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct Data {
    /// Rows to learn from.
    pub training: Table,
    /// Rows to validate every trial on, in place of folds.
    pub validation: Option<Table>,
    /// Rows to measure the best model on.
    pub test: Option<Table>,
}

/// Rows a trial is trained on and rows it is validated on.
#[derive(Debug)]
pub(crate) struct Fold {
    pub(crate) x: Matrix,
    pub(crate) target: Target,
    pub(crate) weights: Option<Vec<f64>>,
    pub(crate) unseen: Unseen,
    pub(crate) valid: Truth,
}

/// Validation rows: by themselves, or in time.
#[derive(Debug)]
pub(crate) enum Unseen {
    Rows(Matrix),
    Path(Path),
}

impl Unseen {
    /// What a pipeline predicts for them.
    pub(crate) fn predict(&self, pipeline: &Pipeline, watch: &Watch) -> Result<Matrix, Stopped> {
        match self {
            Self::Rows(x) => pipeline.predict(x, watch),
            Self::Path(path) => path.forecast(|x| pipeline.predict(x, watch)),
        }
    }
}

/// An experiment's data, checked.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Training rows that have a target, without target and weights.
    pub(crate) table: Table,
    pub(crate) target: Target,
    pub(crate) weights: Option<Vec<f64>>,
    pub(crate) labels: Option<Labels>,
    pub(crate) judge: Judge,
    pub(crate) folds: Vec<Fold>,
    pub(super) target_column: String,
    /// For forecasting.
    pub(crate) in_time: Option<InTime>,
}

/// Rows with their target.
struct Labelled {
    table: Table,
    target: Target,
    weights: Option<Vec<f64>>,
}

impl Prepared {
    pub(crate) fn new(settings: &AutoMlSettings, data: &Data) -> Result<Self, AutoMlError> {
        check(settings)?;
        if settings.task == Task::Forecasting {
            return in_time::prepare(settings, data);
        }
        let labels = labels(settings, &data.training)?;
        let training = labelled(settings, &data.training, labels.as_ref(), "training")?;
        enough(&training, FEWEST_ROWS, "training")?;
        let validation = match &data.validation {
            Some(table) => Some(like(settings, table, &training.table, labels.as_ref())?),
            None => None,
        };
        let judge = judge(settings, labels.as_ref(), &training, validation.as_ref())?;
        let folds = folds(settings, &training, validation);
        if folds.iter().any(|fold| fold.x.cols == 0) {
            return Err(AutoMlError::NoFeatures);
        }
        let Labelled { table, target, weights } = training;
        let target_column = settings.target_column.clone();
        Ok(Self { table, target, weights, labels, judge, folds, target_column, in_time: None })
    }

    /// A model's metrics on rows it has never seen.
    pub(crate) fn test(&self, model: &Model, test: &Table) -> Result<Metrics, AutoMlError> {
        let target = column(test, &self.target_column, "target_column_name", "test")?;
        if let Some(forecaster) = &model.forecaster {
            let (truth, predicted) = in_time::tested(model, forecaster, test)?;
            return Ok(self.judge.metrics(&truth, &predicted));
        }
        let (kept, target) = targets(target, self.labels.as_ref());
        if kept.is_empty() {
            return Err(AutoMlError::TooFewRows { table: "test", rows: 0, needed: 1 });
        }
        let scores = model.scores(&test.select(&kept)).map_err(AutoMlError::Test)?;
        Ok(self.judge.metrics(&target.into(), &scores))
    }

    /// Everything there is to learn from: how columns become features, the features, and the target.
    pub(crate) fn whole(&self, featurization: Featurization) -> (Featurizer, Matrix, Target) {
        if let Some(InTime { timeline, forecaster }) = &self.in_time {
            let lessons = forecaster.lessons(timeline, i64::MAX, featurization);
            return (lessons.featurizer, lessons.x, Target::Numbers(lessons.target));
        }
        let rows: Vec<usize> = (0..self.target.len()).collect();
        let featurizer = Featurizer::fit(&self.table, &rows, featurization);
        let x = featurizer.transform(&self.table, &rows);
        (featurizer, x, self.target.clone())
    }
}

/// What can be wrong with settings alone.
fn check(settings: &AutoMlSettings) -> Result<(), AutoMlError> {
    let wrong = |setting, message: String| Err(AutoMlError::Setting { setting, message });
    let AutoMlSettings { task, primary_metric, .. } = settings;
    if !primary_metric.fits(*task) {
        return wrong("primary_metric", format!("{} is not a metric of {task:?}", primary_metric.azure_name()));
    }
    if settings.limits.max_trials == 0 {
        return wrong("max_trials", "give at least 1".to_owned());
    }
    if let CrossValidation::Folds(folds) = settings.cross_validation
        && folds < 2
    {
        return wrong("n_cross_validations", format!("{folds} is too few: give at least 2"));
    }
    match settings.validation_size {
        Some(size) if !(size > 0.0 && size < 1.0) => {
            wrong("validation_data_size", format!("{size} is no share of the rows: give a number between 0 and 1"))
        }
        _ => Ok(()),
    }
}

pub(super) fn column<'a>(
    table: &'a Table,
    name: &str,
    setting: &'static str,
    which: &'static str,
) -> Result<&'a Column, AutoMlError> {
    table.column(name).ok_or_else(|| AutoMlError::NoColumn {
        table: which,
        column: name.to_owned(),
        setting,
        known: table.columns().iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", "),
    })
}

/// The classes of a classification's target, or `None` for a target of numbers.
pub(super) fn labels(settings: &AutoMlSettings, table: &Table) -> Result<Option<Labels>, AutoMlError> {
    let target = column(table, &settings.target_column, "target_column_name", "training")?;
    let wrong = |message: String| {
        Err(AutoMlError::Target { column: settings.target_column.clone(), task: settings.task, message })
    };
    if settings.task != Task::Classification {
        return match &target.values {
            Values::Number { values, .. } => {
                let mut known = values.iter().filter(|v| v.is_finite());
                let first = known.next();
                if known.any(|v| Some(v) != first) { Ok(None) } else { wrong("it has a single value".to_owned()) }
            }
            other => wrong(format!("it holds {}s, not numbers; choose classification", other.kind())),
        };
    }
    let labels = Labels::of(target);
    let rows = (0..target.values.len()).filter(|&row| !target.values.is_missing(row)).count();
    match labels.len() {
        0 | 1 => wrong("it needs at least two different labels".to_owned()),
        n if n > MOST_CLASSES || n * 2 > rows => {
            wrong(format!("it has {n} different labels in {rows} rows; choose regression or another column"))
        }
        _ => Ok(Some(labels)),
    }
}

/// Rows whose target is known, and those targets.
fn targets(column: &Column, labels: Option<&Labels>) -> (Vec<usize>, Target) {
    match labels {
        Some(labels) => {
            let (kept, codes) =
                labels.encode(column).into_iter().enumerate().filter_map(|(row, code)| Some((row, code?))).unzip();
            (kept, Target::Classes { codes, count: labels.len() })
        }
        None => {
            let values: &[f64] = match &column.values {
                Values::Number { values, .. } => values,
                _ => &[],
            };
            let (kept, values) = values.iter().copied().enumerate().filter(|(_, value)| value.is_finite()).unzip();
            (kept, Target::Numbers(values))
        }
    }
}

/// Parts a table into features, target and weights, without the rows that have no target or no weight.
fn labelled(
    settings: &AutoMlSettings,
    table: &Table,
    labels: Option<&Labels>,
    which: &'static str,
) -> Result<Labelled, AutoMlError> {
    let (kept, target) = targets(column(table, &settings.target_column, "target_column_name", which)?, labels);
    let table = table.select(&kept);
    let weights = match &settings.weight_column {
        Some(name) => Some(weights(column(&table, name, "weight_column_name", which)?)?),
        None => None,
    };
    let mut apart = vec![settings.target_column.as_str()];
    apart.extend(settings.weight_column.as_deref());
    Ok(Labelled { table: table.without(&apart), target, weights })
}

fn weights(column: &Column) -> Result<Vec<f64>, AutoMlError> {
    let wrong = |message: String| AutoMlError::Setting { setting: "weight_column_name", message };
    let Values::Number { values, .. } = &column.values else {
        return Err(wrong(format!("the column {} holds no numbers", column.name)));
    };
    if let Some(row) = values.iter().position(|weight| weight.is_nan() || *weight < 0.0) {
        return Err(wrong(format!("the column {} is missing or negative in row {}", column.name, row + 1)));
    }
    if values.iter().sum::<f64>() <= 0.0 {
        return Err(wrong(format!("the column {} is 0 in every row", column.name)));
    }
    Ok(values.clone())
}

fn enough(labelled: &Labelled, needed: usize, table: &'static str) -> Result<(), AutoMlError> {
    let rows = labelled.target.len();
    if rows < needed { Err(AutoMlError::TooFewRows { table, rows, needed }) } else { Ok(()) }
}

/// Validation rows with the columns and types of the training rows.
fn like(
    settings: &AutoMlSettings,
    table: &Table,
    training: &Table,
    labels: Option<&Labels>,
) -> Result<Labelled, AutoMlError> {
    let unweighted = AutoMlSettings { weight_column: None, ..settings.clone() };
    let mut validation = labelled(&unweighted, table, labels, "validation")?;
    enough(&validation, 1, "validation")?;
    let conformed = validation.table.conform(&training.schema());
    validation.table = conformed.map_err(|source| AutoMlError::Unlike { table: "validation", source })?;
    Ok(validation)
}

fn judge(
    settings: &AutoMlSettings,
    labels: Option<&Labels>,
    training: &Labelled,
    validation: Option<&Labelled>,
) -> Result<Judge, AutoMlError> {
    let positive = match (&settings.positive_label, labels) {
        (Some(name), Some(labels)) => Some(labels.position(name).ok_or_else(|| AutoMlError::Setting {
            setting: "positive_label",
            message: format!("{name} is no label of the target; its labels are {}", labels.names().join(", ")),
        })?),
        _ => None,
    };
    let numbers = [Some(training), validation].into_iter().flatten().flat_map(|labelled| match &labelled.target {
        Target::Numbers(values) => values.as_slice(),
        Target::Classes { .. } => &[],
    });
    let (low, high) = numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(*v), high.max(*v)));
    Ok(Judge {
        metric: settings.primary_metric,
        labels: labels.map(Labels::names).unwrap_or_default(),
        positive,
        ranges: vec![high - low],
    })
}

/// Features of every fold, each learnt from its training rows alone.
fn folds(settings: &AutoMlSettings, training: &Labelled, validation: Option<Labelled>) -> Vec<Fold> {
    if let Some(validation) = validation {
        let all: Vec<usize> = (0..training.target.len()).collect();
        let featurizer = Featurizer::fit(&training.table, &all, settings.featurization);
        let rows: Vec<usize> = (0..validation.target.len()).collect();
        return vec![Fold {
            x: featurizer.transform(&training.table, &all),
            target: training.target.clone(),
            weights: training.weights.clone(),
            unseen: Unseen::Rows(featurizer.transform(&validation.table, &rows)),
            valid: validation.target.into(),
        }];
    }
    let splits = splits(settings, &training.target);
    workers::map(settings.threads, &splits, |_, Split { train, valid }| {
        let featurizer = Featurizer::fit(&training.table, train, settings.featurization);
        Fold {
            x: featurizer.transform(&training.table, train),
            target: training.target.select(train),
            weights: training.weights.as_ref().map(|weights| train.iter().map(|&row| weights[row]).collect()),
            unseen: Unseen::Rows(featurizer.transform(&training.table, valid)),
            valid: training.target.select(valid).into(),
        }
    })
}
