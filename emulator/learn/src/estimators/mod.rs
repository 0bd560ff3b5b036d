//! The algorithms: each is fitted to a matrix of features and predicts probabilities or numbers.

mod bins;
mod boosting;
mod forest;
mod grow;
mod naive_bayes;
mod neighbours;
mod tree;

pub(crate) use forest::ForestSpec;

use crate::linear::{self, KernelSvm, Linear};
use crate::matrix::Matrix;
use crate::rng::Rng;
use crate::target::Target;
use crate::watch::{Stopped, Watch};
use bins::Bins;
use boosting::Boosted;
use forest::Forest;
use naive_bayes::NaiveBayes;
use neighbours::Neighbours;
use serde::{Deserialize, Serialize};

/// Why a fit gave nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FitError {
    Stopped(Stopped),
    Failed(String),
}

impl From<Stopped> for FitError {
    fn from(stopped: Stopped) -> Self {
        Self::Stopped(stopped)
    }
}

/// An algorithm with its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum Spec {
    Logistic {
        c: f64,
    },
    Sgd,
    LinearSvm {
        c: f64,
    },
    KernelSvm {
        c: f64,
    },
    ElasticNet {
        alpha: f64,
        l1_ratio: f64,
    },
    Bernoulli,
    Multinomial,
    Neighbours {
        k: usize,
    },
    Forest(ForestSpec),
    Boosting {
        budget: f32,
    },
    /// One of the features itself: a forecast that needs no learning.
    Feature {
        place: usize,
    },
}

impl std::fmt::Display for Spec {
    /// The parameters, as a trial's report shows them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Logistic { c } | Self::LinearSvm { c } | Self::KernelSvm { c } => write!(f, "C={c}"),
            Self::Sgd => f.write_str("loss=log"),
            Self::ElasticNet { alpha, l1_ratio } => write!(f, "alpha={alpha}, l1_ratio={l1_ratio}"),
            Self::Bernoulli | Self::Multinomial => f.write_str("alpha=1"),
            Self::Neighbours { k } => write!(f, "n_neighbors={k}"),
            Self::Forest(forest) => write!(f, "{forest}"),
            Self::Feature { .. } => Ok(()),
            Self::Boosting { budget } => write!(f, "budget={budget}"),
        }
    }
}

/// What a fit learns from.
pub(crate) struct Training<'a> {
    pub(crate) x: &'a Matrix,
    pub(crate) target: &'a Target,
    pub(crate) weights: Option<&'a [f64]>,
}

/// A fitted algorithm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Estimator {
    Linear(Linear),
    KernelSvm(KernelSvm),
    NaiveBayes(NaiveBayes),
    Neighbours(Neighbours),
    Forest(Forest),
    Boosted(Boosted),
    Feature { place: usize },
}

impl Estimator {
    pub(crate) fn fit(spec: Spec, training: &Training<'_>, rng: &mut Rng, watch: &Watch) -> Result<Self, FitError> {
        let Training { x, target, .. } = *training;
        let ones;
        let weights = match training.weights {
            Some(weights) => weights,
            None => {
                ones = vec![1.0; x.rows];
                &ones
            }
        };
        let linear = |fitted: Result<Linear, Stopped>| Ok(Self::Linear(fitted?));
        match (spec, target) {
            (Spec::Forest(spec), _) => Ok(Self::Forest(Forest::fit(spec, &Bins::new(x), target, weights, rng, watch)?)),
            (Spec::Boosting { budget }, _) => {
                Ok(Self::Boosted(Boosted::fit(budget, x, target, training.weights, watch)?))
            }
            (Spec::Feature { place }, Target::Numbers(_)) => Ok(Self::Feature { place }),
            (Spec::Neighbours { k }, _) => Ok(Self::Neighbours(Neighbours::fit(k, x, target, weights, rng))),
            (Spec::Logistic { c }, Target::Classes { codes, count }) => {
                linear(linear::logistic(x, codes, *count, weights, c, watch))
            }
            (Spec::LinearSvm { c }, Target::Classes { codes, count }) => {
                linear(linear::linear_svm(x, codes, *count, weights, c, watch))
            }
            (Spec::KernelSvm { c }, Target::Classes { codes, count }) => {
                Ok(Self::KernelSvm(KernelSvm::fit(x, codes, *count, weights, c, rng, watch)?))
            }
            (Spec::Sgd, Target::Classes { codes, count }) => {
                linear(linear::sgd_classifier(x, codes, *count, weights, rng, watch))
            }
            (Spec::Sgd, Target::Numbers(y)) => linear(linear::sgd_regressor(x, y, weights, rng, watch)),
            (Spec::ElasticNet { alpha, l1_ratio }, Target::Numbers(y)) => {
                linear(linear::elastic_net(x, y, weights, alpha, l1_ratio, watch))
            }
            (Spec::Bernoulli, Target::Classes { codes, count }) => {
                Ok(Self::NaiveBayes(NaiveBayes::bernoulli(x, codes, *count, weights)))
            }
            (Spec::Multinomial, Target::Classes { codes, count }) => {
                Ok(Self::NaiveBayes(NaiveBayes::multinomial(x, codes, *count, weights)))
            }
            (spec, _) => Err(FitError::Failed(format!("{spec:?} does not fit this task"))),
        }
    }

    /// Probabilities (a column a class) or numbers (one column).
    pub(crate) fn predict(&self, x: &Matrix, watch: &Watch) -> Result<Matrix, Stopped> {
        Ok(match self {
            Self::Linear(linear) => linear.predict(x),
            Self::KernelSvm(machine) => machine.predict(x),
            Self::NaiveBayes(bayes) => bayes.predict(x),
            Self::Neighbours(neighbours) => return neighbours.predict(x, watch),
            Self::Forest(forest) => forest.predict(x),
            Self::Boosted(boosted) => boosted.predict(x),
            Self::Feature { place } => Matrix { rows: x.rows, cols: 1, data: x.column(*place) },
        })
    }
}
