//! Forecasting: tables in time, what the past tells of the next step, and the way into the future step by step.
//!
//! Every algorithm learns one step: how far the target is from its value a season ago (or from the last one, where there
//! is no season), from the past of its series and from the row's own columns. A horizon is forecast by going forward:
//! what was predicted is past for the step after it. Folds are rolling origins in the order of time, and whatever is
//! learnt for a fold (features, seasons, series) is learnt from the rows up to its origin.

mod frequency;
mod origins;
mod past;
mod path;
mod season;
mod timeline;

pub(crate) use origins::Origins;
pub(crate) use past::place;
pub(crate) use path::Path;
pub(crate) use timeline::{Timed, Timeline};

use crate::features::Featurizer;
use crate::matrix::Matrix;
use crate::settings::{Featurization, Forecasting, RollingWindow, TargetLags};
use crate::table::{Table, Values};
use frequency::Frequency;
use past::{Lagging, Past};
use path::{Wanted, one_text};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use timeline::{Row, Series};

/// Most lags that `Auto` takes.
const AUTO_LAGS: usize = 7;
/// Rolling window of `Auto` where there is no season.
const AUTO_WINDOW: usize = 3;
/// Steps that are forecast beyond the training data at most, where the horizon is not longer.
const FARTHEST: i64 = 1000;

/// What can be learnt for one step.
#[derive(Debug)]
pub(crate) struct Lessons {
    pub(crate) featurizer: Featurizer,
    pub(crate) x: Matrix,
    pub(crate) target: Vec<f64>,
}

/// Where series end, and how they go on: all that a model has to know beside its algorithm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Forecaster {
    settings: Forecasting,
    frequency: Frequency,
    lagging: Lagging,
    series: Vec<Series>,
}

impl Forecaster {
    /// Of these settings, with the period and season that the training rows up to a step show.
    pub(crate) fn new(settings: &Forecasting, frequency: Frequency, timeline: &Timeline, learnt_until: i64) -> Self {
        let known = timeline.until(learnt_until);
        let season = settings
            .seasonality
            .unwrap_or_else(|| season::season(known.iter().map(|series| series.values.as_slice()), frequency));
        let season = season.max(1);
        let lags = match &settings.target_lags {
            TargetLags::None => Vec::new(),
            TargetLags::Auto => (1..=season.clamp(2, AUTO_LAGS)).collect(),
            TargetLags::Custom(lags) => lags.clone(),
        };
        let window = match settings.rolling_window {
            RollingWindow::None => None,
            RollingWindow::Auto => Some(if season > 1 { season } else { AUTO_WINDOW }),
            RollingWindow::Custom(periods) => Some(periods.max(1)),
        };
        let lagging = Lagging { season, lags, window };
        Self { settings: settings.clone(), frequency, lagging, series: timeline.until(i64::MAX) }
    }

    /// The same, as it was known at the end of a step.
    pub(crate) fn until(&self, timeline: &Timeline, last: i64) -> Self {
        Self { series: timeline.until(last), ..self.clone() }
    }

    pub(crate) fn horizon(&self) -> usize {
        self.settings.horizon.max(1)
    }

    fn timed(&self, table: &Table, target: Option<&str>) -> Result<Timed, String> {
        let Forecasting { time_column, series_columns, .. } = &self.settings;
        let timed = Timed::read(table, time_column, series_columns, target)?;
        if timed.times.len() < table.rows() {
            return Err(format!("a row has no time: give {time_column} in every row"));
        }
        Ok(timed)
    }

    /// The way to rows that are to be forecast: each of them is answered, those of one period alike.
    ///
    /// # Errors
    /// In words, where a row has no time, a series is not known, or a period is not after the series' end.
    pub(crate) fn ahead(&self, table: &Table, featurizer: &Featurizer) -> Result<Path, String> {
        let (table, rows) = self.place(self.timed(table, None)?)?;
        let all: Vec<usize> = (0..rows.len()).collect();
        Ok(self.path(&table, &rows, &all, featurizer))
    }

    /// The way to rows whose target is known, to compare forecasts with it; with the series of each row.
    ///
    /// # Errors
    /// As [`Forecaster::ahead`].
    pub(crate) fn against(
        &self,
        table: &Table,
        target: &str,
        featurizer: &Featurizer,
    ) -> Result<(Path, Vec<usize>), String> {
        let timed = self.timed(table, Some(target))?.aggregated(&self.settings, self.frequency)?;
        let (table, rows) = self.place(timed)?;
        Ok(self.known(&table, &rows, featurizer))
    }

    /// The way to the rows after the series' ends and up to a step, of which those with a target are answered.
    pub(crate) fn fold(&self, timeline: &Timeline, last: i64, featurizer: &Featurizer) -> (Path, Vec<usize>) {
        let coming = |row: &Row| {
            let series = &self.series[row.series];
            !series.values.is_empty() && (series.next..=last).contains(&row.step)
        };
        let kept: Vec<usize> = (0..timeline.rows.len()).filter(|row| coming(&timeline.rows[*row])).collect();
        let rows: Vec<Row> = kept.iter().map(|row| timeline.rows[*row]).collect();
        self.known(&timeline.table.select(&kept), &rows, featurizer)
    }

    fn known(&self, table: &Table, rows: &[Row], featurizer: &Featurizer) -> (Path, Vec<usize>) {
        let known: Vec<usize> = (0..rows.len()).filter(|row| rows[*row].target.is_finite()).collect();
        let path = self.path(table, rows, &known, featurizer);
        (path, known.iter().map(|row| rows[*row].series).collect())
    }

    /// What there is to learn from the rows up to a step: features of each known row, and how far its target is from
    /// the base.
    pub(crate) fn lessons(&self, timeline: &Timeline, last: i64, mode: Featurization) -> Lessons {
        let learnt: Vec<usize> = (0..timeline.rows.len()).filter(|row| timeline.rows[*row].step <= last).collect();
        let featurizer = Featurizer::fit(&timeline.table, &learnt, mode);
        let all = timeline.until(last);
        let width = self.lagging.width();
        let (mut kept, mut lagged, mut target) = (Vec::new(), Vec::new(), Vec::new());
        let mut of_series: Vec<Vec<usize>> = vec![Vec::new(); all.len()];
        learnt.iter().for_each(|&row| of_series[timeline.rows[row].series].push(row));
        for (series, rows) in all.iter().zip(of_series) {
            // The first steps have too little before them, where there are enough others.
            let fewest = (self.lagging.season + 1).min(series.values.len() / 3).max(1);
            let first = series.next - series.values.len() as i64;
            let mut past = Past::new(series.scale());
            for row in rows {
                let Row { step, target: value, .. } = timeline.rows[row];
                let before = usize::try_from(step - first).unwrap_or_default();
                series.values.get(past.len()..before).unwrap_or_default().iter().for_each(|value| past.push(*value));
                if past.len() >= fewest && past.len() == before && value.is_finite() {
                    let mut cells = vec![0.0; width];
                    let base = self.lagging.write(&past, &mut cells);
                    lagged.push(cells);
                    target.push((value - base) / past.scale());
                    kept.push(row);
                }
            }
        }
        let statics = featurizer.transform(&timeline.table, &kept);
        let mut x = Matrix::zeros(kept.len(), width + statics.cols);
        for (row, cells) in lagged.iter().enumerate() {
            let (past, own) = x.row_mut(row).split_at_mut(width);
            past.copy_from_slice(cells);
            own.copy_from_slice(statics.row(row));
        }
        Lessons { featurizer, x, target }
    }

    /// Puts rows in time, with the numbers of the series that are known here.
    fn place(&self, timed: Timed) -> Result<(Table, Vec<Row>), String> {
        let number: HashMap<&[String], usize> =
            self.series.iter().enumerate().map(|(number, series)| (series.key.as_slice(), number)).collect();
        let farthest = FARTHEST.max(10 * self.horizon() as i64);
        let mut rows = Vec::with_capacity(timed.times.len());
        for ((key, time), target) in timed.keys.iter().zip(&timed.times).zip(&timed.target) {
            let series = number.get(key.as_slice()).copied().filter(|number| !self.series[*number].values.is_empty());
            let Some(series) = series else {
                return Err(format!(
                    "the series {} is not one of the {} in the training data: only those can be forecast",
                    key.join(", "),
                    self.series.len()
                ));
            };
            let step = self.frequency.step(*time);
            let next = self.series[series].next;
            if step < next {
                return Err(format!(
                    "the rows hold dates prior to the latest date in the training data: the first period that can be \
                     forecast{} begins at {}",
                    if key.is_empty() { String::new() } else { format!(" for {}", key.join(", ")) },
                    self.written(next)
                ));
            }
            if step - next >= farthest {
                return Err(format!("{} is more than {farthest} periods after the training data", self.written(step)));
            }
            rows.push(Row { series, step, target: *target });
        }
        Ok((timed.table, rows))
    }

    fn written(&self, step: i64) -> String {
        let time = jiff::Timestamp::from_second(self.frequency.time(step) as i64);
        time.map_or_else(|_| step.to_string(), |time| time.to_string())
    }

    /// The way to these rows, of which those with a place in `answered` are answered.
    fn path(&self, table: &Table, rows: &[Row], answered: &[usize], featurizer: &Featurizer) -> Path {
        let blank = |series: usize, step: i64| {
            let names = &self.settings.series_columns;
            let key = self.series.get(series).map(|series| series.key.as_slice()).unwrap_or_default();
            let mut values: Vec<(String, Values)> =
                names.iter().cloned().zip(key.iter().map(|value| one_text(Some(value)))).collect();
            values.push((self.settings.time_column.clone(), Values::DateTime(vec![self.frequency.time(step)])));
            values
        };
        let wanted = Wanted { table, rows, answered };
        Path::new(&self.lagging, self.horizon(), &self.series, &wanted, featurizer, &blank)
    }
}

/// The period that settings name, or else that the times show.
pub(crate) fn frequency(settings: &Forecasting, timed: &Timed) -> Result<Frequency, String> {
    let by_series = timed.times_by_series();
    let first = by_series.iter().filter_map(|times| times.first().copied()).fold(f64::INFINITY, f64::min);
    match &settings.frequency {
        Some(alias) => Frequency::parse(alias, first),
        None => Frequency::of(by_series.iter().map(Vec::as_slice))
            .ok_or_else(|| "no series has two rows of different times: set frequency".to_owned()),
    }
}
