//! Why an experiment gave nothing.

use crate::model::ModelError;
use crate::settings::Task;
use crate::table::TableError;

/// Why an experiment gave nothing. Every message says what to change.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AutoMlError {
    /// A column that the settings name is not there.
    #[error("the {table} data has no column {column}, which {setting} names; its columns are {known}")]
    NoColumn {
        /// Training, validation or test.
        table: &'static str,
        /// The column that was looked for.
        column: String,
        /// The setting that names it.
        setting: &'static str,
        /// Columns there are.
        known: String,
    },
    /// A setting that can't be.
    #[error("{setting}: {message}")]
    Setting {
        /// Name of the setting.
        setting: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// A target that can't be learnt for the task.
    #[error("the target column {column} does not suit {task:?}: {message}")]
    Target {
        /// The target column.
        column: String,
        /// The task.
        task: Task,
        /// Why it doesn't.
        message: String,
    },
    /// No row to learn from.
    #[error("the {table} data has {rows} rows with a value of the target, which is too few: give at least {needed}")]
    TooFewRows {
        /// Training, validation or test.
        table: &'static str,
        /// Rows with a target.
        rows: usize,
        /// Rows needed.
        needed: usize,
    },
    /// No column to learn from.
    #[error("no column of the training data can be learnt from: each is empty, constant, or different in every row")]
    NoFeatures,
    /// Validation or test data that is not like the training data.
    #[error("the {table} data is not like the training data: {source}")]
    Unlike {
        /// Validation or test.
        table: &'static str,
        /// What differs.
        source: TableError,
    },
    /// The run was cancelled.
    #[error("the experiment was cancelled")]
    Cancelled,
    /// Time was over before a trial completed.
    #[error("the experiment's time was over before a trial completed: raise `timeout` in its limits")]
    TimedOut,
    /// All trials failed.
    #[error("no trial completed; the first one failed because {0}")]
    NoTrialCompleted(String),
    /// The winner could not be trained on all rows.
    #[error("the best trial could not be trained on all rows: {0}")]
    Winner(String),
    /// The winner could not be asked.
    #[error("the best model could not be tested: {0}")]
    Test(#[source] ModelError),
}
