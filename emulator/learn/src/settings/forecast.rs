//! `forecastingSettings` of an AutoML job.

use serde::{Deserialize, Serialize};

/// Which past values of the target are features (`targetLags`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TargetLags {
    /// None beside those that every forecast has: the last value and the one a season ago.
    #[default]
    None,
    /// Those of the first season, at most seven.
    Auto,
    /// Those so many periods back.
    Custom(Vec<usize>),
}

/// Over how many past periods the target's mean, least and greatest value are features (`targetRollingWindowSize`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RollingWindow {
    /// Over none.
    #[default]
    None,
    /// Over a season, or over three periods where there is none.
    Auto,
    /// Over so many.
    Custom(usize),
}

/// How rows of one period and series become one (`targetAggregateFunction`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TargetAggregation {
    /// They don't: two rows of one period are an error.
    #[default]
    None,
    /// Their sum.
    Sum,
    /// The largest.
    Max,
    /// The smallest.
    Min,
    /// Their mean.
    Mean,
}

/// `forecastingSettings`: what makes a table a table of time series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forecasting {
    /// Column with the time of each row.
    pub time_column: String,
    /// Columns that tell series apart; none where the table is one series.
    pub series_columns: Vec<String>,
    /// Periods that are predicted from one origin. Azure's default is 1.
    pub horizon: usize,
    /// The period as a pandas offset alias (`D`, `W`, `MS`, `h`, `15min`); found in the data where absent.
    pub frequency: Option<String>,
    /// Periods in a season; found in the data where absent.
    pub seasonality: Option<usize>,
    /// Past values that are features.
    pub target_lags: TargetLags,
    /// Past periods whose statistics are features.
    pub rolling_window: RollingWindow,
    /// Rows of one period.
    pub target_aggregation: TargetAggregation,
    /// Periods between the origins of two folds; the horizon where absent.
    pub cv_step_size: Option<usize>,
}

impl Forecasting {
    /// Azure's defaults for a time column.
    pub fn new(time_column: impl Into<String>, horizon: usize) -> Self {
        Self {
            time_column: time_column.into(),
            series_columns: Vec::new(),
            horizon,
            frequency: None,
            seasonality: None,
            target_lags: TargetLags::None,
            rolling_window: RollingWindow::None,
            target_aggregation: TargetAggregation::None,
            cv_step_size: None,
        }
    }
}
