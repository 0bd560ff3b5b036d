//! From features to a prediction: one scaled algorithm, or several of them put together.

use crate::estimators::{Estimator, FitError, Spec, Training};
use crate::features::{Scaler, Scaling};
use crate::forecast::Path;
use crate::matrix::Matrix;
use crate::rng::Rng;
use crate::watch::{Stopped, Watch};
use serde::{Deserialize, Serialize};

/// A scaling and the algorithm behind it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pipeline {
    scaler: Scaler,
    estimator: Estimator,
}

impl Pipeline {
    pub(crate) fn fit(
        scaling: Scaling,
        spec: Spec,
        training: &Training<'_>,
        rng: &mut Rng,
        watch: &Watch,
    ) -> Result<Self, FitError> {
        let scaler = Scaler::fit(scaling, training.x);
        let mut x = training.x.clone();
        scaler.apply(&mut x);
        let scaled = Training { x: &x, target: training.target, weights: training.weights };
        let estimator = Estimator::fit(spec, &scaled, rng, watch)?;
        Ok(Self { scaler, estimator })
    }

    /// Probabilities (a column a class) or numbers (one column).
    pub(crate) fn predict(&self, x: &Matrix, watch: &Watch) -> Result<Matrix, Stopped> {
        let mut x = x.clone();
        self.scaler.apply(&mut x);
        self.estimator.predict(&x, watch)
    }
}

/// A voter and its share of the votes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Weighted {
    pub(crate) share: f64,
    pub(crate) pipeline: Pipeline,
}

/// What a model predicts with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Predictor {
    One(Pipeline),
    /// The weighted mean of several.
    Vote(Vec<Weighted>),
    /// A linear model over what several say.
    Stack {
        members: Vec<Pipeline>,
        over: Pipeline,
    },
}

impl Predictor {
    pub(crate) fn predict(&self, x: &Matrix, watch: &Watch) -> Result<Matrix, Stopped> {
        match self {
            Self::One(pipeline) => pipeline.predict(x, watch),
            Self::Vote(members) => {
                let said = members.iter().map(|m| Ok((m.share, m.pipeline.predict(x, watch)?)));
                let said: Vec<(f64, Matrix)> = said.collect::<Result<_, Stopped>>()?;
                Ok(blend(said.iter().map(|(share, matrix)| (*share, matrix))))
            }
            Self::Stack { members, over } => {
                let said: Vec<Matrix> = members.iter().map(|m| m.predict(x, watch)).collect::<Result<_, _>>()?;
                over.predict(&stacked(&said.iter().collect::<Vec<_>>()), watch)
            }
        }
    }
}

impl Predictor {
    /// What it forecasts. Each member goes the way by itself; what they say is put together then.
    pub(crate) fn forecast(&self, path: &Path, watch: &Watch) -> Result<Matrix, Stopped> {
        let along = |pipeline: &Pipeline| path.forecast(|x| pipeline.predict(x, watch));
        match self {
            Self::One(pipeline) => along(pipeline),
            Self::Vote(members) => {
                let said = members.iter().map(|m| Ok((m.share, along(&m.pipeline)?)));
                let said: Vec<(f64, Matrix)> = said.collect::<Result<_, Stopped>>()?;
                Ok(blend(said.iter().map(|(share, matrix)| (*share, matrix))))
            }
            Self::Stack { members, over } => {
                let said: Vec<Matrix> = members.iter().map(along).collect::<Result<_, _>>()?;
                over.predict(&stacked(&said.iter().collect::<Vec<_>>()), watch)
            }
        }
    }
}

/// The weighted sum of matrices of one shape.
pub(crate) fn blend<'a>(said: impl Iterator<Item = (f64, &'a Matrix)>) -> Matrix {
    let mut sum = Matrix::default();
    for (share, matrix) in said {
        if sum.data.is_empty() {
            sum = Matrix::zeros(matrix.rows, matrix.cols);
        }
        sum.data.iter_mut().zip(&matrix.data).for_each(|(cell, value)| *cell += share * value);
    }
    sum
}

/// What members say, as features of the model over them: log-odds of every class but the first, which the others
/// imply; or the numbers themselves.
pub(crate) fn stacked(said: &[&Matrix]) -> Matrix {
    let rows = said.first().map_or(0, |matrix| matrix.rows);
    let width = |matrix: &&Matrix| if matrix.cols > 1 { matrix.cols - 1 } else { 1 };
    let mut data = Vec::new();
    for row in 0..rows {
        for matrix in said {
            match matrix.row(row) {
                [number] => data.push(*number),
                cells => data.extend(cells.iter().skip(1).map(|p| log_odds(*p))),
            }
        }
    }
    Matrix { rows, cols: said.iter().map(width).sum(), data }
}

/// Kept within what a few thousand rows can tell.
fn log_odds(p: f64) -> f64 {
    let p = p.clamp(1e-4, 1.0 - 1e-4);
    (p / (1.0 - p)).ln()
}
