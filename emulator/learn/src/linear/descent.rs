//! Stochastic gradient descent over shuffled rows, averaged over the second half of its steps.

use super::{add_scaled, dot};
use crate::matrix::Matrix;
use crate::rng::Rng;
use crate::watch::{Stopped, Watch};

/// How the descent goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) passes: usize,
    pub(crate) rate: f64,
    pub(crate) penalty: f64,
}

/// Weights, then the intercept. `slope(row, output)` is the derivative of the loss of a row by its output.
pub(crate) fn descend(
    x: &Matrix,
    pace: Pace,
    rng: &mut Rng,
    watch: &Watch,
    slope: impl Fn(usize, f64) -> f64,
) -> Result<Vec<f64>, Stopped> {
    let p = x.cols;
    let mut params = vec![0.0; p + 1];
    let mut mean = vec![0.0; p + 1];
    let mut order: Vec<usize> = (0..x.rows).collect();
    let (mut steps, mut averaged) = (0.0, 0.0);
    let half = (pace.passes * x.rows) as f64 / 2.0;
    // A row of many features moves the output further: the rate is per squared length of a row, the mean one or its
    // own where that is more, so that a row far out doesn't overshoot.
    let length = x.data.iter().map(|v| v * v).sum::<f64>() / x.rows.max(1) as f64 + 1.0;
    for _ in 0..pace.passes {
        watch.check()?;
        rng.shuffle(&mut order);
        for &row in &order {
            let values = x.row(row);
            let own = dot(values, values) + 1.0;
            let rate = pace.rate / length.max(own) / (1.0 + pace.rate * steps / half.max(1.0)).sqrt();
            let step = -rate * slope(row, dot(&params[..p], values) + params[p]).clamp(-1e6, 1e6);
            let shrink = 1.0 - rate * pace.penalty;
            params[..p].iter_mut().for_each(|w| *w *= shrink);
            add_scaled(&mut params[..p], step, values);
            params[p] += step;
            steps += 1.0;
            if steps > half {
                averaged += 1.0;
                mean.iter_mut().zip(&params).for_each(|(m, w)| *m += (w - *m) / averaged);
            }
        }
    }
    Ok(if averaged > 0.0 { mean } else { params })
}
