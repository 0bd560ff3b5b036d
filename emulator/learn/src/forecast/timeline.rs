//! A table as rows in time: which series and which step each row is of.

use super::frequency::Frequency;
use crate::settings::{Forecasting, TargetAggregation};
use crate::table::{CategoriesBuilder, Column, Table, Values, date_time};
use crate::target::text;
use std::collections::{BTreeMap, HashMap};

/// Numbers between these are days written as one, such as 20240131.
const DAYS: std::ops::RangeInclusive<f64> = 10_000_101.0..=99_991_231.0;
/// Numbers between these are years.
const YEARS: std::ops::RangeInclusive<f64> = 1000.0..=9999.0;

/// One row in time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Row {
    /// Number of its series.
    pub(crate) series: usize,
    pub(crate) step: i64,
    /// NaN where it is not known.
    pub(crate) target: f64,
}

/// What makes a series one, as text: a value for each of its columns.
pub(crate) type Key = Vec<String>;

/// Rows in time. Times stand as dates in the table and what tells series apart as text, whatever the file has.
#[derive(Debug, Clone)]
pub(crate) struct Timeline {
    pub(crate) table: Table,
    /// One for each row of the table.
    pub(crate) rows: Vec<Row>,
    pub(crate) keys: Vec<Key>,
}

/// The times of a column, in seconds since the epoch; NaN where one is missing.
pub(crate) fn instants(column: &Column) -> Result<Vec<f64>, String> {
    let of_number = |value: f64| {
        let (year, month, day) = match value {
            v if v.is_nan() => return Some(f64::NAN),
            v if v.fract() != 0.0 => return None,
            v if DAYS.contains(&v) => (v / 10_000.0, v / 100.0 % 100.0, v % 100.0),
            v if YEARS.contains(&v) => (v, 1.0, 1.0),
            _ => return None,
        };
        date_time(&format!("{:04}-{:02}-{:02}", year as i64, month as i64, day as i64))
    };
    let wrong =
        || format!("the column {} holds no times: write them as 2024-01-31 or 2024-01-31T12:00:00", column.name);
    match &column.values {
        Values::DateTime(seconds) => Ok(seconds.clone()),
        Values::Number { values, .. } => {
            values.iter().map(|value| of_number(*value)).collect::<Option<_>>().ok_or_else(wrong)
        }
        _ => Err(wrong()),
    }
}

/// The key of each row, and the columns of it as text.
fn keys(table: &Table, names: &[String]) -> (Vec<Key>, Vec<Column>) {
    let mut of_rows: Vec<Key> = vec![Vec::new(); table.rows()];
    let mut columns = Vec::new();
    for column in names.iter().filter_map(|name| table.column(name)) {
        let mut builder = CategoriesBuilder::default();
        for (row, key) in of_rows.iter_mut().enumerate() {
            let value = text(&column.values.json(row));
            builder.push(Some(&value));
            key.push(value);
        }
        columns.push(Column { name: column.name.clone(), values: Values::Text(builder.finish()) });
    }
    (of_rows, columns)
}

/// Rows with their times and keys; the target apart.
pub(crate) struct Timed {
    pub(crate) table: Table,
    pub(crate) times: Vec<f64>,
    pub(crate) keys: Vec<Key>,
    pub(crate) target: Vec<f64>,
}

impl Timed {
    /// Reads the rows that have a time. Without a target column no target is known.
    pub(crate) fn read(table: &Table, time: &str, series: &[String], target: Option<&str>) -> Result<Self, String> {
        let column = table.column(time).ok_or_else(|| format!("there is no column {time}"))?;
        let times = instants(column)?;
        let kept: Vec<usize> = (0..table.rows()).filter(|row| times[*row].is_finite()).collect();
        let (table, times) = (table.select(&kept), kept.iter().map(|row| times[*row]).collect::<Vec<_>>());
        let values = match target.and_then(|name| table.column(name)).map(|column| &column.values) {
            Some(Values::Number { values, .. }) => values.clone(),
            _ => vec![f64::NAN; table.rows()],
        };
        let (keys, as_text) = keys(&table, series);
        let mut apart: Vec<&str> = series.iter().map(String::as_str).collect();
        apart.push(time);
        apart.extend(target);
        let mut columns = vec![Column { name: time.to_owned(), values: Values::DateTime(times.clone()) }];
        columns.extend(as_text);
        columns.extend(table.without(&apart).columns().iter().cloned());
        Ok(Self { table: Table::from_columns(columns), times, keys, target: values })
    }

    /// Sorted times of each series.
    pub(crate) fn times_by_series(&self) -> Vec<Vec<f64>> {
        let mut by_key: BTreeMap<&Key, Vec<f64>> = BTreeMap::new();
        self.keys.iter().zip(&self.times).for_each(|(key, time)| by_key.entry(key).or_default().push(*time));
        let mut all: Vec<Vec<f64>> = by_key.into_values().collect();
        all.iter_mut().for_each(|times| times.sort_unstable_by(f64::total_cmp));
        all
    }

    /// One row for each period of each series, in the order of both.
    pub(crate) fn aggregated(self, settings: &Forecasting, frequency: Frequency) -> Result<Self, String> {
        let mut by_place: BTreeMap<(&Key, i64), Vec<usize>> = BTreeMap::new();
        for (row, (key, time)) in self.keys.iter().zip(&self.times).enumerate() {
            by_place.entry((key, frequency.step(*time))).or_default().push(row);
        }
        let (mut kept, mut target) = (Vec::new(), Vec::new());
        for ((key, _), same) in by_place {
            let Some(&first) = same.first() else { continue };
            if same.len() > 1 && settings.target_aggregation == TargetAggregation::None {
                let time =
                    self.table.column(&settings.time_column).map_or_else(String::new, |c| text(&c.values.json(first)));
                return Err(format!(
                    "{} rows{} are of one period, that of {time}: name the columns that tell series apart in \
                     time_series_id_column_names, or set target_aggregate_function",
                    same.len(),
                    if key.is_empty() { String::new() } else { format!(" of {}", key.join(", ")) },
                ));
            }
            let values: Vec<f64> = same.iter().map(|row| self.target[*row]).filter(|v| v.is_finite()).collect();
            kept.push(first);
            target.push(aggregated(&values, settings.target_aggregation));
        }
        Ok(Self {
            table: self.table.select(&kept),
            times: kept.iter().map(|row| self.times[*row]).collect(),
            keys: kept.iter().map(|row| self.keys[*row].clone()).collect(),
            target,
        })
    }

    /// Puts the rows in time. Series are numbered in the order of their keys.
    pub(crate) fn placed(self, settings: &Forecasting, frequency: Frequency) -> Result<Timeline, String> {
        let Self { table, times, keys, target } = self.aggregated(settings, frequency)?;
        let mut known = keys.clone();
        known.dedup();
        let number: HashMap<&Key, usize> = known.iter().enumerate().map(|(number, key)| (key, number)).collect();
        let rows = keys.iter().zip(times).zip(target);
        let rows = rows.map(|((key, time), target)| Row { series: number[key], step: frequency.step(time), target });
        Ok(Timeline { rows: rows.collect(), table, keys: known })
    }
}

fn aggregated(values: &[f64], how: TargetAggregation) -> f64 {
    let Some(&first) = values.first() else { return f64::NAN };
    match how {
        TargetAggregation::None => first,
        TargetAggregation::Sum => values.iter().sum(),
        TargetAggregation::Max => values.iter().copied().fold(first, f64::max),
        TargetAggregation::Min => values.iter().copied().fold(first, f64::min),
        TargetAggregation::Mean => values.iter().sum::<f64>() / values.len() as f64,
    }
}

/// A series up to some step: a value for each step without a gap; one that is missing is the one before.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Series {
    pub(crate) key: Key,
    /// The step after its last value.
    pub(crate) next: i64,
    pub(crate) values: Vec<f64>,
}

impl Series {
    /// The standard deviation of its values; 1 where they don't vary.
    pub(crate) fn scale(&self) -> f64 {
        let n = self.values.len().max(1) as f64;
        let mean = self.values.iter().sum::<f64>() / n;
        let deviation = (self.values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt();
        if deviation > 0.0 { deviation } else { 1.0 }
    }
}

impl Timeline {
    /// The last step that has a target.
    pub(crate) fn last(&self) -> i64 {
        self.known().map(|row| row.step).max().unwrap_or_default()
    }

    /// The first step that has a target.
    pub(crate) fn first(&self) -> i64 {
        self.known().map(|row| row.step).min().unwrap_or_default()
    }

    fn known(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.target.is_finite())
    }

    /// Each series as it was known at the end of a step; without a value where it had none yet.
    pub(crate) fn until(&self, last: i64) -> Vec<Series> {
        let mut all: Vec<Series> =
            self.keys.iter().map(|key| Series { key: key.clone(), ..Series::default() }).collect();
        // Rows are in the order of series and steps.
        for row in self.known().filter(|row| row.step <= last) {
            let Some(series) = all.get_mut(row.series) else { continue };
            let before = series.values.last().copied();
            while before.is_some() && series.next < row.step {
                series.values.extend(before);
                series.next += 1;
            }
            series.values.push(row.target);
            series.next = row.step + 1;
        }
        all
    }
}
