//! Tabular machine learning for the emulator of Azure ML.
//!
//! It reads delimited files ([`Table`]), runs an AutoML experiment over them ([`AutoMl`]): featurises, cross-validates
//! several algorithms, computes the metrics AutoML reports, builds ensembles, keeps the best. The result is a
//! [`Model`] that predicts, can be stored as JSON, and knows its input columns. It does no I/O.
//!
//! A trial is named after what ran. Every boosting name of Azure is served by one gradient boosting machine, and is
//! reported as `GradientBoosting`; [`Algorithm::runs_as`] is the whole table.
//!
//! Results depend on data, settings and random state alone, not on the number of threads.

pub mod automl;
mod estimators;
mod features;
mod forecast;
mod linear;
mod matrix;
pub mod metrics;
pub mod model;
mod rng;
pub mod settings;
pub mod table;
mod target;
mod watch;

pub use automl::{AutoMl, AutoMlError, Data, EndReason, Event, Outcome, TrialReport, TrialResult, TrialStart};
pub use metrics::{ConfusionMatrix, Metrics};
pub use model::{Model, ModelError};
pub use settings::{
    Algorithm, AutoMlSettings, CrossValidation, Direction, Featurization, Forecasting, Limits, PrimaryMetric,
    RollingWindow, TargetAggregation, TargetLags, Task, UnknownName,
};
pub use table::{ColumnSchema, ColumnType, Encoding, Header, ReadOptions, SourceFile, Table, TableError};
pub use watch::Cancel;
