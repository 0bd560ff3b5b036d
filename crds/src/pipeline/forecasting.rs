//! The settings of AutoML's task Forecasting. Absent fields are AutoML's own choice.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The settings of task Forecasting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Forecasting {
    /// The column with the time of each row.
    #[schemars(length(min = 1, max = 256))]
    pub time_column: String,
    /// The columns that tell series apart, where the table holds several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"), length(max = 20), inner(length(max = 256)))]
    pub time_series_id_columns: Vec<String>,
    /// How many periods ahead are predicted; absent: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub horizon: Option<i32>,
    /// The period, as a pandas offset: D, W, MS, h...; absent: found in the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub frequency: Option<String>,
    /// Periods in a season; absent: found in the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub seasonality: Option<i32>,
    /// Past values of the target that are used as columns, by how many periods back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"), length(max = 50), inner(range(min = 1, max = 10000)))]
    pub target_lags: Vec<i32>,
    /// Past periods over which the target's statistics are used as columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 10000))]
    pub target_rolling_window_size: Option<i32>,
    /// How the target is taken apart by season and trend (STL): None, Season or SeasonTrend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_stl: Option<UseStl>,
    /// Whether lags of the other columns are used as columns: None or Auto.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature_lags: Option<FeatureLags>,
    /// What is done with series that are too short: None, Auto, Pad or Drop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short_series_handling: Option<ShortSeriesHandling>,
    /// How rows of one period are made into one: None, Sum, Max, Min or Mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_aggregation: Option<TargetAggregation>,
    /// The country whose holidays are used as columns, by ISO 3166, e.g. `DE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[A-Z]{2}$"), length(max = 2))]
    pub country_for_holidays: Option<String>,
    /// Periods between the starts of two folds; absent: AutoML's own choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub cv_step_size: Option<i32>,
}

/// How the target is taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::described_by_field)]
pub enum UseStl {
    /// It is not.
    None,
    /// Its season is a column.
    Season,
    /// Its season and its trend are columns.
    SeasonTrend,
}

/// Whether lags of columns are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::described_by_field)]
pub enum FeatureLags {
    /// They are not.
    None,
    /// Those that help.
    Auto,
}

/// What is done with series that are too short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::described_by_field)]
pub enum ShortSeriesHandling {
    /// Nothing.
    None,
    /// Padded where all are short, dropped otherwise.
    Auto,
    /// Padded.
    Pad,
    /// Dropped.
    Drop,
}

/// How rows of one period are made into one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::described_by_field)]
pub enum TargetAggregation {
    /// They are not.
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
