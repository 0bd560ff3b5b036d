//! Several trials put together: by a vote, or under a linear model.
//!
//! Both learn from what the trials predicted for validation rows, which none of them was trained on. A vote's shares
//! are chosen and measured on the same rows, as AutoML does; so few numbers hardly overfit. The linear model has more,
//! so it is measured on rows that it did not see either.

use super::prepare::Prepared;
use super::rounds::stream;
use super::workers;
use crate::estimators::{FitError, Spec, Training};
use crate::features::Scaling;
use crate::matrix::Matrix;
use crate::model::{Pipeline, blend, stacked};
use crate::rng::Rng;
use crate::target::Target;
use crate::watch::Watch;

/// Votes to give; a trial may get several.
const VOTES: usize = 10;
/// Trials that may get votes, the best ones.
const MOST_VOTERS: usize = 8;
/// Trials under a linear model.
const MOST_MEMBERS: usize = 5;
/// Parts of the validation rows, where there is a single fold.
const PARTS: usize = 3;

/// A trial that may become part of an ensemble.
pub(crate) struct Voter<'a> {
    pub(crate) trial: usize,
    pub(crate) score: f64,
    /// For the validation rows of each fold.
    pub(crate) predictions: &'a [Matrix],
}

/// Gives votes one by one, each to the trial that helps the primary metric most, and keeps as many as did best
/// (Caruana and others, 2004). Voters come best first; returned are trials with their shares.
pub(crate) fn elect(
    prepared: &Prepared,
    voters: &[Voter<'_>],
    threads: usize,
    watch: &Watch,
) -> Result<Vec<(usize, f64)>, FitError> {
    let voters = voters.get(..MOST_VOTERS).unwrap_or(voters);
    let judge = &prepared.judge;
    let mut votes = vec![0.0_f64; voters.len()];
    let mut best: Option<(f64, Vec<f64>)> = None;
    for _ in 0..VOTES {
        watch.check()?;
        let scores = workers::map(threads, voters, |place, _| {
            let mut votes = votes.clone();
            votes[place] += 1.0;
            let blended = blended(prepared.folds.len(), voters, &votes);
            let folds = prepared.folds.iter().zip(&blended);
            folds.map(|(fold, p)| judge.primary(&fold.valid, p)).sum::<f64>() / prepared.folds.len() as f64
        });
        let mut chosen = 0;
        for (place, &score) in scores.iter().enumerate() {
            if judge.better(score, scores[chosen]) {
                chosen = place;
            }
        }
        votes[chosen] += 1.0;
        if best.as_ref().is_none_or(|(top, _)| judge.better(scores[chosen], *top)) {
            best = Some((scores[chosen], votes.clone()));
        }
    }
    let votes = best.map_or(votes, |(_, votes)| votes);
    let total: f64 = votes.iter().sum();
    let shares = voters.iter().zip(votes).filter(|(_, votes)| *votes > 0.0);
    Ok(shares.map(|(voter, votes)| (voter.trial, votes / total)).collect())
}

/// What trials predict by vote, for each fold.
pub(crate) fn voted(folds: usize, voters: &[Voter<'_>], shares: &[(usize, f64)]) -> Vec<Matrix> {
    let share = |voter: &Voter<'_>| shares.iter().find(|(trial, _)| *trial == voter.trial).map_or(0.0, |(_, s)| *s);
    blended(folds, voters, &voters.iter().map(share).collect::<Vec<_>>())
}

fn blended(folds: usize, voters: &[Voter<'_>], votes: &[f64]) -> Vec<Matrix> {
    let total: f64 = votes.iter().sum();
    let fold = |fold: usize| {
        let voting = voters.iter().zip(votes).filter(|(_, votes)| **votes > 0.0);
        blend(voting.filter_map(|(voter, votes)| Some((votes / total, voter.predictions.get(fold)?))))
    };
    (0..folds).map(fold).collect()
}

/// A linear model over the best trials.
pub(crate) struct Stacking {
    /// Trials, best first.
    pub(crate) members: Vec<usize>,
    x: Matrix,
    target: Target,
    /// The part of each row: those of one part are predicted by the model of all others.
    parts: Vec<usize>,
    /// Rows of each fold.
    lengths: Vec<usize>,
    random_state: u64,
    trial: usize,
}

impl Stacking {
    /// Of these voters, who come best first; `trial` is the stack's own number.
    pub(crate) fn new(prepared: &Prepared, voters: &[Voter<'_>], random_state: u64, trial: usize) -> Self {
        let voters = voters.get(..MOST_MEMBERS).unwrap_or(voters);
        let folds: Vec<Matrix> = (0..prepared.folds.len())
            .map(|fold| stacked(&voters.iter().filter_map(|v| v.predictions.get(fold)).collect::<Vec<_>>()))
            .collect();
        let lengths: Vec<usize> = folds.iter().map(|matrix| matrix.rows).collect();
        let parts = match lengths[..] {
            [rows] => (0..rows).map(|row| row % PARTS).collect(),
            _ => lengths.iter().enumerate().flat_map(|(fold, &rows)| std::iter::repeat_n(fold, rows)).collect(),
        };
        let x = Matrix {
            rows: lengths.iter().sum(),
            cols: folds.first().map_or(0, |matrix| matrix.cols),
            data: folds.into_iter().flat_map(|matrix| matrix.data).collect(),
        };
        let target = joined(prepared.folds.iter().map(|fold| &fold.valid.target));
        Self { members: voters.iter().map(|v| v.trial).collect(), x, target, parts, lengths, random_state, trial }
    }

    /// What the model predicts for each fold's validation rows, each by a model that did not learn from it.
    pub(crate) fn validated(&self, watch: &Watch) -> Result<Vec<Matrix>, FitError> {
        let mut out = Matrix::default();
        for part in 0..self.parts.iter().max().map_or(0, |last| last + 1) {
            let (held, rest): (Vec<usize>, Vec<usize>) = (0..self.x.rows).partition(|&row| self.parts[row] == part);
            let over = self.fit(&self.x.select(&rest), &self.target.select(&rest), part, watch)?;
            let predicted = over.predict(&self.x.select(&held), watch)?;
            if out.data.is_empty() {
                out = Matrix::zeros(self.x.rows, predicted.cols);
            }
            for (from, &row) in held.iter().enumerate() {
                out.row_mut(row).copy_from_slice(predicted.row(from));
            }
        }
        let mut from = 0;
        let fold = |&rows: &usize| {
            let all: Vec<usize> = (from..from + rows).collect();
            from += rows;
            out.select(&all)
        };
        Ok(self.lengths.iter().map(fold).collect())
    }

    /// The model that learnt from all rows.
    pub(crate) fn whole(&self, watch: &Watch) -> Result<Pipeline, FitError> {
        self.fit(&self.x, &self.target, self.parts.len(), watch)
    }

    fn fit(&self, x: &Matrix, target: &Target, part: usize, watch: &Watch) -> Result<Pipeline, FitError> {
        let spec = match target {
            Target::Classes { .. } => Spec::Logistic { c: 1.0 },
            Target::Numbers(_) => Spec::ElasticNet { alpha: 0.001, l1_ratio: 0.5 },
        };
        let mut rng = Rng::new(self.random_state, stream(self.trial, part));
        Pipeline::fit(Scaling::Standard, spec, &Training { x, target, weights: None }, &mut rng, watch)
    }
}

fn joined<'a>(targets: impl Iterator<Item = &'a Target>) -> Target {
    targets.fold(Target::Numbers(Vec::new()), |whole, target| match (whole, target) {
        (Target::Numbers(mut values), Target::Numbers(more)) => {
            values.extend(more);
            Target::Numbers(values)
        }
        (Target::Classes { mut codes, count }, Target::Classes { codes: more, .. }) => {
            codes.extend(more);
            Target::Classes { codes, count }
        }
        (_, target) => target.clone(),
    })
}
