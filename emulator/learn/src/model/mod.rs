//! A trained model: what it takes in, how it predicts, and its form as JSON.

mod pipeline;

pub(crate) use pipeline::{Pipeline, Predictor, Weighted, blend, stacked};

use crate::features::Featurizer;
use crate::forecast::Forecaster;
use crate::matrix::Matrix;
use crate::metrics::most_likely;
use crate::settings::Task;
use crate::table::{ColumnSchema, Table, TableError};
use crate::target::Labels;
use crate::watch::Watch;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Version of the JSON form; another one is refused.
const FORMAT: u32 = 1;

/// Why a model can't be stored, loaded or asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The text is no model.
    #[error("the model could not be read: {0}; train it again")]
    Unreadable(String),
    /// The text is a model of another version of this crate.
    #[error("the model has format {found} where {FORMAT} is expected; train it again")]
    Format {
        /// The format that was found.
        found: u32,
    },
    /// The model could not be written.
    #[error("the model could not be written as JSON: {0}")]
    Unwritable(String),
    /// The rows don't suit the model's columns.
    #[error(transparent)]
    Rows(#[from] TableError),
    /// Rows that can't be forecast: of a time or series that this model does not reach.
    #[error("{0}")]
    Time(String),
    /// Prediction ended early.
    #[error("the prediction was interrupted; ask again")]
    Interrupted,
}

/// A trained model. It is made by [`crate::AutoMl::run`] or loaded by [`Model::from_json`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Model {
    format: u32,
    pub(crate) task: Task,
    pub(crate) algorithm: String,
    pub(crate) target: String,
    pub(crate) inputs: Vec<ColumnSchema>,
    /// For classification.
    pub(crate) labels: Option<Labels>,
    pub(crate) featurizer: Featurizer,
    pub(crate) predictor: Predictor,
    /// For forecasting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) forecaster: Option<Forecaster>,
}

/// The parts of a model, as training made them.
pub(crate) struct Parts {
    pub(crate) task: Task,
    pub(crate) algorithm: String,
    pub(crate) target: String,
    pub(crate) inputs: Vec<ColumnSchema>,
    pub(crate) labels: Option<Labels>,
    pub(crate) featurizer: Featurizer,
    pub(crate) predictor: Predictor,
    /// For forecasting.
    pub(crate) forecaster: Option<Forecaster>,
}

impl From<Parts> for Model {
    fn from(parts: Parts) -> Self {
        let Parts { task, algorithm, target, inputs, labels, featurizer, predictor, forecaster } = parts;
        Self { format: FORMAT, task, algorithm, target, inputs, labels, featurizer, predictor, forecaster }
    }
}

impl Model {
    /// For forecasting, how many periods it was made to predict ahead.
    pub fn horizon(&self) -> Option<usize> {
        self.forecaster.as_ref().map(Forecaster::horizon)
    }

    /// What it predicts: a class, a number, or a number in time.
    pub fn task(&self) -> Task {
        self.task
    }

    /// Name of the algorithm: Azure's, `VotingEnsemble` or `StackEnsemble`.
    pub fn algorithm(&self) -> &str {
        &self.algorithm
    }

    /// Name of the column that it predicts.
    pub fn target_column(&self) -> &str {
        &self.target
    }

    /// Columns it takes, with the types they had in training.
    pub fn input_columns(&self) -> Vec<ColumnSchema> {
        self.inputs.clone()
    }

    /// Class labels in the order of [`Model::predict_proba`], typed as the target column was; none for regression.
    pub fn classes(&self) -> &[Value] {
        self.labels.as_ref().map_or(&[], |labels| &labels.values)
    }

    /// A label or a number for each row. Columns the model doesn't know are ignored. A forecast goes from the end of the
    /// training data to the times of the rows, in whatever order they come.
    ///
    /// # Errors
    /// [`ModelError::Rows`] when a column is absent or holds what can't be of its type; [`ModelError::Time`] when a row
    /// is not after the training data, or of a series that is not in it.
    pub fn predict(&self, rows: &Table) -> Result<Vec<Value>, ModelError> {
        let scores = self.scores(rows)?;
        Ok(match &self.labels {
            Some(labels) => {
                let label = |row: &[f64]| labels.values.get(most_likely(row)).cloned().unwrap_or(Value::Null);
                scores.rows_iter().map(label).collect()
            }
            None => scores.data.into_iter().map(Value::from).collect(),
        })
    }

    /// For each row the probability of each class, which sum to 1; for regression the number alone.
    ///
    /// # Errors
    /// As [`Model::predict`].
    pub fn predict_proba(&self, rows: &Table) -> Result<Vec<Vec<f64>>, ModelError> {
        Ok(self.scores(rows)?.rows_iter().map(<[f64]>::to_vec).collect())
    }

    /// Probabilities (a column a class) or numbers (one column).
    pub(crate) fn scores(&self, rows: &Table) -> Result<Matrix, ModelError> {
        let rows = rows.conform(&self.inputs)?;
        if let Some(forecaster) = &self.forecaster {
            let path = forecaster.ahead(&rows, &self.featurizer).map_err(ModelError::Time)?;
            return self.predictor.forecast(&path, &Watch::default()).map_err(|_| ModelError::Interrupted);
        }
        let all: Vec<usize> = (0..rows.rows()).collect();
        let x = self.featurizer.transform(&rows, &all);
        self.predictor.predict(&x, &Watch::default()).map_err(|_| ModelError::Interrupted)
    }

    /// The model as JSON text.
    ///
    /// # Errors
    /// [`ModelError::Unwritable`] when the model holds what JSON can't.
    pub fn to_json(&self) -> Result<String, ModelError> {
        serde_json::to_string(self).map_err(|error| ModelError::Unwritable(error.to_string()))
    }

    /// A model from its JSON text.
    ///
    /// # Errors
    /// [`ModelError`] when the text is no model or one of another format.
    pub fn from_json(text: &str) -> Result<Self, ModelError> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let unreadable = |error: serde_json::Error| ModelError::Unreadable(error.to_string());
        let head: Head = serde_json::from_str(text).map_err(unreadable)?;
        if head.format != FORMAT {
            return Err(ModelError::Format { found: head.format });
        }
        serde_json::from_str(text).map_err(unreadable)
    }
}
