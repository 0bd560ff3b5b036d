//! The way from an origin into the future, step by step: what was predicted is the past of the next step.

use super::past::{Lagging, Past};
use super::timeline::{Row, Series};
use crate::features::Featurizer;
use crate::matrix::Matrix;
use crate::table::{CategoriesBuilder, Column, Table, Values};
use crate::watch::Stopped;
use std::collections::BTreeMap;

/// A step of one series on the way.
#[derive(Debug, Clone, PartialEq)]
struct Stop {
    series: usize,
    step: i64,
    /// The true value, where it is known: it becomes past when the horizon is reached.
    actual: f64,
    /// Rows of the answer that are of this step.
    answers: Vec<usize>,
}

/// The steps from each series' end to the last one that is asked for, in the order of time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Path {
    lagging: Lagging,
    horizon: usize,
    pasts: Vec<Past>,
    stops: Vec<Stop>,
    /// Features that don't follow from the past: a row for each stop.
    statics: Matrix,
    answers: usize,
}

/// Rows to be forecast, in a table with the columns that a featurizer knows.
pub(crate) struct Wanted<'a> {
    pub(crate) table: &'a Table,
    /// One for each row of the table.
    pub(crate) rows: &'a [Row],
    /// Rows that are answered, in the order of the answer.
    pub(crate) answered: &'a [usize],
}

impl Path {
    /// The way from the ends of these series; a series without a value can't be forecast and must not be answered.
    pub(crate) fn new(
        lagging: &Lagging,
        horizon: usize,
        series: &[Series],
        wanted: &Wanted<'_>,
        featurizer: &Featurizer,
        blank: &dyn Fn(usize, i64) -> Vec<(String, Values)>,
    ) -> Self {
        // By step first: all series go forward together.
        let mut stops: BTreeMap<(i64, usize), (Option<usize>, Stop)> = BTreeMap::new();
        for (answer, &row) in wanted.answered.iter().enumerate() {
            let Row { series: number, step, .. } = wanted.rows[row];
            let from = series.get(number).map_or(step, |series| series.next);
            for step in from..=step {
                let stop = Stop { series: number, step, actual: f64::NAN, answers: Vec::new() };
                stops.entry((step, number)).or_insert((None, stop));
            }
            if let Some((_, stop)) = stops.get_mut(&(step, number)) {
                stop.answers.push(answer);
            }
        }
        for (place, row) in wanted.rows.iter().enumerate() {
            if let Some((known, stop)) = stops.get_mut(&(row.step, row.series)) {
                known.get_or_insert(place);
                if row.target.is_finite() {
                    stop.actual = row.target;
                }
            }
        }
        let stops: Vec<(Option<usize>, Stop)> = stops.into_values().collect();
        let statics = statics(&stops, wanted.table, featurizer, blank);
        Self {
            lagging: lagging.clone(),
            horizon: horizon.max(1),
            pasts: series.iter().map(|series| Past::of(&series.values, series.scale())).collect(),
            stops: stops.into_iter().map(|(_, stop)| stop).collect(),
            statics,
            answers: wanted.answered.len(),
        }
    }

    /// The true values of the rows that are answered, where they are known.
    pub(crate) fn actuals(&self) -> Vec<f64> {
        let mut out = vec![f64::NAN; self.answers];
        for stop in &self.stops {
            stop.answers.iter().for_each(|&answer| out[answer] = stop.actual);
        }
        out
    }

    /// Goes the way: `predict` is asked for the distance from the base of each row of features, step by step. True
    /// values, where they are known, come to light a horizon at a time, as when somebody forecasts anew then.
    pub(crate) fn forecast(&self, predict: impl Fn(&Matrix) -> Result<Matrix, Stopped>) -> Result<Matrix, Stopped> {
        let mut pasts = self.pasts.clone();
        let starts: Vec<usize> = pasts.iter().map(Past::len).collect();
        let mut seen: Vec<Vec<f64>> = vec![Vec::new(); pasts.len()];
        let mut out = Matrix::zeros(self.answers, 1);
        let mut from = 0;
        for step in self.stops.chunk_by(|a, b| a.step == b.step) {
            let width = self.lagging.width();
            let mut x = Matrix::zeros(step.len(), width + self.statics.cols);
            let mut bases = Vec::with_capacity(step.len());
            for (place, stop) in step.iter().enumerate() {
                let (past, seen) = (&mut pasts[stop.series], &mut seen[stop.series]);
                let gone = past.len() - starts[stop.series];
                if gone > 0 && gone.is_multiple_of(self.horizon) {
                    past.correct(seen);
                    seen.clear();
                }
                let (lagged, fixed) = x.row_mut(place).split_at_mut(width);
                bases.push(self.lagging.write(past, lagged));
                fixed.copy_from_slice(self.statics.row(from + place));
            }
            let predicted = predict(&x)?;
            for ((stop, base), distance) in step.iter().zip(bases).zip(&predicted.data) {
                let value = base + distance * pasts[stop.series].scale();
                pasts[stop.series].push(value);
                seen[stop.series].push(stop.actual);
                stop.answers.iter().for_each(|&answer| out.data[answer] = value);
            }
            from += step.len();
        }
        Ok(out)
    }
}

/// Static features of the stops; a stop that no row is of has a blank one of its series and time.
fn statics(
    stops: &[(Option<usize>, Stop)],
    table: &Table,
    featurizer: &Featurizer,
    blank: &dyn Fn(usize, i64) -> Vec<(String, Values)>,
) -> Matrix {
    let known: Vec<usize> = stops.iter().filter_map(|(row, _)| *row).collect();
    let mut of_rows = featurizer.transform(table, &known).data.into_iter();
    let mut out = Matrix::zeros(stops.len(), featurizer.width());
    let cols = out.cols;
    for (place, (row, stop)) in stops.iter().enumerate() {
        let cells: Vec<f64> = match row {
            Some(_) => of_rows.by_ref().take(cols).collect(),
            None => featurizer.transform(&blank_row(table, blank(stop.series, stop.step)), &[0]).data,
        };
        out.row_mut(place).copy_from_slice(&cells);
    }
    out
}

/// A row of these values and otherwise missing ones.
fn blank_row(like: &Table, values: Vec<(String, Values)>) -> Table {
    let mut values: BTreeMap<String, Values> = values.into_iter().collect();
    let column = |column: &Column| Column {
        name: column.name.clone(),
        values: values.remove(&column.name).unwrap_or_else(|| match &column.values {
            Values::Number { integer, .. } => Values::Number { values: vec![f64::NAN], integer: *integer },
            Values::Boolean(_) => Values::Boolean(vec![None]),
            Values::DateTime(_) => Values::DateTime(vec![f64::NAN]),
            Values::Text(_) => one_text(None),
        }),
    };
    Table::from_columns(like.columns().iter().map(column).collect())
}

/// A column of one text.
pub(crate) fn one_text(value: Option<&str>) -> Values {
    let mut builder = CategoriesBuilder::default();
    builder.push(value);
    Values::Text(builder.finish())
}
