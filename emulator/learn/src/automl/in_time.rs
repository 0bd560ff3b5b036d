//! Forecasting's data: rows in time, folds by rolling origins.

use super::error::AutoMlError;
use super::judge::{Judge, Truth};
use super::prepare::{Data, FEWEST_ROWS, Fold, Prepared, Unseen, column, labels};
use super::workers;
use crate::forecast::{self, Forecaster, Origins, Timed, Timeline};
use crate::matrix::Matrix;
use crate::model::{Model, ModelError};
use crate::settings::{AutoMlSettings, Forecasting};
use crate::table::{ColumnSchema, Table, TableError};
use crate::target::Target;
use crate::watch::Watch;

/// Training rows in time, and where they end.
#[derive(Debug)]
pub(crate) struct InTime {
    pub(crate) timeline: Timeline,
    pub(crate) forecaster: Forecaster,
}

fn wrong(setting: &'static str) -> impl Fn(String) -> AutoMlError {
    move |message| AutoMlError::Setting { setting, message }
}

/// From tables to folds, each after the one before it in time.
pub(crate) fn prepare(settings: &AutoMlSettings, data: &Data) -> Result<Prepared, AutoMlError> {
    let missing = || wrong("forecasting")("forecasting needs its settings: the time column and the horizon".to_owned());
    let forecasting = settings.forecasting.as_ref().ok_or_else(missing)?;
    check(settings, forecasting, &data.training)?;
    // Refuses a target of no or one number.
    labels(settings, &data.training)?;
    let timed = read(settings, forecasting, &data.training)?;
    let known = timed.target.iter().filter(|value| value.is_finite()).count();
    if known < FEWEST_ROWS {
        return Err(AutoMlError::TooFewRows { table: "training", rows: known, needed: FEWEST_ROWS });
    }
    let frequency = forecast::frequency(forecasting, &timed).map_err(wrong("frequency"))?;
    let timeline = timed.placed(forecasting, frequency).map_err(wrong("time_column_name"))?;
    let inputs = data.training.without(&[settings.target_column.as_str()]);
    let (forecaster, folds) = match &data.validation {
        Some(validation) => {
            let forecaster = Forecaster::new(forecasting, frequency, &timeline, i64::MAX);
            let fold = given(settings, &forecaster, &timeline, validation, &inputs)?;
            (forecaster, vec![fold])
        }
        None => {
            let Forecasting { horizon, cv_step_size, .. } = *forecasting;
            let (first, last) = (timeline.first(), timeline.last());
            let origins = Origins::new(first, last, horizon, cv_step_size, settings.cross_validation)
                .map_err(wrong("n_cross_validations"))?
                .0;
            let earliest = origins.first().copied().unwrap_or(last);
            let forecaster = Forecaster::new(forecasting, frequency, &timeline, earliest);
            let folds = workers::map(settings.threads, &origins, |_, origin| {
                rolling(settings, &forecaster, &timeline, *origin)
            });
            (forecaster, folds)
        }
    };
    if let Some(empty) = folds.iter().find(|fold| fold.target.len() == 0 || fold.valid.target.len() == 0) {
        let message = format!(
            "a fold has {} rows to learn from and {} to be validated on: give longer series or fewer folds",
            empty.target.len(),
            empty.valid.target.len()
        );
        return Err(wrong("n_cross_validations")(message));
    }
    let judge =
        Judge { metric: settings.primary_metric, labels: Vec::new(), positive: None, ranges: ranges(&timeline) };
    Ok(Prepared {
        table: inputs,
        target: Target::Numbers(timeline.rows.iter().map(|row| row.target).collect()),
        weights: None,
        labels: None,
        judge,
        folds,
        target_column: settings.target_column.clone(),
        in_time: Some(InTime { timeline, forecaster }),
    })
}

fn check(settings: &AutoMlSettings, forecasting: &Forecasting, training: &Table) -> Result<(), AutoMlError> {
    column(training, &forecasting.time_column, "time_column_name", "training")?;
    for name in &forecasting.series_columns {
        column(training, name, "time_series_id_column_names", "training")?;
    }
    if settings.weight_column.is_some() {
        return Err(wrong("weight_column_name")("forecasting takes no weights: leave it out".to_owned()));
    }
    if settings.validation_size.is_some() {
        let message = "forecasting validates by rolling origins: set n_cross_validations instead";
        return Err(wrong("validation_data_size")(message.to_owned()));
    }
    if forecasting.horizon == 0 {
        return Err(wrong("forecast_horizon")("give at least 1".to_owned()));
    }
    Ok(())
}

fn read(settings: &AutoMlSettings, forecasting: &Forecasting, table: &Table) -> Result<Timed, AutoMlError> {
    let Forecasting { time_column, series_columns, .. } = forecasting;
    Timed::read(table, time_column, series_columns, Some(&settings.target_column)).map_err(wrong("time_column_name"))
}

/// The fold after an origin: everything of it is learnt from the rows up to there.
fn rolling(settings: &AutoMlSettings, forecaster: &Forecaster, timeline: &Timeline, origin: i64) -> Fold {
    let then = forecaster.until(timeline, origin);
    let lessons = then.lessons(timeline, origin, settings.featurization);
    let last = origin + then.horizon() as i64;
    let (path, series) = then.fold(timeline, last, &lessons.featurizer);
    let valid = Truth { target: Target::Numbers(path.actuals()), series };
    Fold { x: lessons.x, target: Target::Numbers(lessons.target), weights: None, unseen: Unseen::Path(path), valid }
}

/// The fold of rows that were given to validate on: what comes after the training data.
fn given(
    settings: &AutoMlSettings,
    forecaster: &Forecaster,
    timeline: &Timeline,
    validation: &Table,
    inputs: &Table,
) -> Result<Fold, AutoMlError> {
    column(validation, &settings.target_column, "target_column_name", "validation")?;
    let rows = comparable(validation, &inputs.schema(), &settings.target_column)
        .map_err(|source| AutoMlError::Unlike { table: "validation", source })?;
    let lessons = forecaster.lessons(timeline, i64::MAX, settings.featurization);
    let (path, series) =
        forecaster.against(&rows, &settings.target_column, &lessons.featurizer).map_err(wrong("validation_data"))?;
    let valid = Truth { target: Target::Numbers(path.actuals()), series };
    Ok(Fold { x: lessons.x, target: Target::Numbers(lessons.target), weights: None, unseen: Unseen::Path(path), valid })
}

/// Rows with the columns that training had, and the target.
fn comparable(table: &Table, inputs: &[ColumnSchema], target: &str) -> Result<Table, TableError> {
    Ok(table.conform(inputs)?.with(table.column(target).cloned()))
}

/// What a model forecasts for rows it has never seen, and what came true: from the end of the training data, a horizon
/// at a time.
pub(crate) fn tested(model: &Model, forecaster: &Forecaster, test: &Table) -> Result<(Truth, Matrix), AutoMlError> {
    let target = &model.target;
    let rows = comparable(test, &model.inputs, target).map_err(ModelError::Rows).map_err(AutoMlError::Test)?;
    let against = forecaster.against(&rows, target, &model.featurizer);
    let (path, series) = against.map_err(ModelError::Time).map_err(AutoMlError::Test)?;
    let truth = path.actuals();
    if truth.is_empty() {
        return Err(AutoMlError::TooFewRows { table: "test", rows: 0, needed: 1 });
    }
    let predicted = model.predictor.forecast(&path, &Watch::default());
    let predicted = predicted.map_err(|_| AutoMlError::Test(ModelError::Interrupted))?;
    Ok((Truth { target: Target::Numbers(truth), series }, predicted))
}

/// Largest less smallest target of each series.
fn ranges(timeline: &Timeline) -> Vec<f64> {
    let mut bounds = vec![(f64::INFINITY, f64::NEG_INFINITY); timeline.keys.len()];
    for row in timeline.rows.iter().filter(|row| row.target.is_finite()) {
        let (low, high) = bounds[row.series];
        bounds[row.series] = (low.min(row.target), high.max(row.target));
    }
    bounds.into_iter().map(|(low, high)| high - low).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::place;
    use crate::settings::{CrossValidation, Task};
    use crate::table::ReadOptions;
    use std::fmt::Write as _;

    const DAYS: usize = 60;
    const HORIZON: usize = 5;

    /// A series with a season of a week; from day `from` on it is another one.
    fn prepared(from: usize) -> Prepared {
        let mut text = "day,y,known\n".to_owned();
        for day in 0..DAYS {
            let value = if day < from { 10 + day % 7 * 3 + day } else { 900 + day * day };
            let _ = writeln!(
                text,
                "{},{value},{}",
                jiff::civil::date(2024, 1, 1) + jiff::Span::new().days(day as i64),
                day % 3
            );
        }
        let settings = AutoMlSettings {
            forecasting: Some(Forecasting {
                frequency: Some("D".into()),
                seasonality: Some(7),
                ..Forecasting::new("day", HORIZON)
            }),
            cross_validation: CrossValidation::Folds(3),
            ..AutoMlSettings::new(Task::Forecasting, "y")
        };
        let training = Table::from_csv("t.csv", text.as_bytes(), &ReadOptions::default()).unwrap();
        prepare(&settings, &Data { training, validation: None, test: None }).unwrap()
    }

    /// What a fold says of its validation rows without learning, and the features it says it from.
    fn said(fold: &Fold) -> (Vec<f64>, Vec<Vec<f64>>) {
        let Unseen::Path(path) = &fold.unseen else { panic!("in time") };
        let features = std::cell::RefCell::new(Vec::new());
        let said = path.forecast(|x| {
            features.borrow_mut().push(x.data.clone());
            Ok(Matrix { rows: x.rows, cols: 1, data: x.column(place::LAST) })
        });
        (said.unwrap().data, features.into_inner())
    }

    #[test]
    fn folds_follow_each_other_in_time_and_know_nothing_of_what_comes() {
        let plain = prepared(DAYS);
        assert_eq!(plain.folds.len(), 3);
        for (number, fold) in plain.folds.iter().enumerate() {
            assert_eq!(fold.valid.target.len(), HORIZON);
            assert!(number == 0 || plain.folds[number - 1].target.len() < fold.target.len());
        }
        // Whatever comes after a fold's origin changes its truth alone.
        for (number, fold) in plain.folds.iter().enumerate() {
            let origin = DAYS - (3 - number) * HORIZON;
            let other = prepared(origin);
            let changed = &other.folds[number];
            assert_eq!((&fold.x, &fold.target), (&changed.x, &changed.target), "fold {number}");
            assert_eq!(said(fold), said(changed), "fold {number}");
            assert_ne!(fold.valid.target, changed.valid.target, "fold {number}");
            // And what comes before it changes what it learns.
            let earlier = &prepared(origin - 1).folds[number];
            assert_ne!(said(fold), said(earlier), "fold {number}");
        }
    }
}
