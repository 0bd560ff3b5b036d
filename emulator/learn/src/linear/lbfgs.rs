//! Limited-memory BFGS with a backtracking line search, for smooth convex losses.

use super::{add_scaled, dot};
use crate::watch::{Stopped, Watch};
use std::collections::VecDeque;

/// Pairs of steps and gradient changes that shape the search direction.
const MEMORY: usize = 10;
/// Share of the predicted decrease a step must reach.
const ARMIJO: f64 = 1e-4;

/// Minimises `loss`, which returns its value and writes its gradient. Ends when the largest gradient entry falls below
/// `tolerance`, when no step helps any more, or after `iterations`.
pub(crate) fn minimise(
    mut at: Vec<f64>,
    iterations: usize,
    tolerance: f64,
    watch: &Watch,
    mut loss: impl FnMut(&[f64], &mut [f64]) -> f64,
) -> Result<Vec<f64>, Stopped> {
    let mut gradient = vec![0.0; at.len()];
    let mut value = loss(&at, &mut gradient);
    let mut history: VecDeque<(Vec<f64>, Vec<f64>, f64)> = VecDeque::with_capacity(MEMORY);
    for iteration in 0..iterations {
        watch.check()?;
        if gradient.iter().fold(0.0_f64, |top, g| top.max(g.abs())) < tolerance {
            break;
        }
        let mut direction = direction(&gradient, &history);
        let mut slope = dot(&gradient, &direction);
        if slope >= 0.0 {
            history.clear();
            direction = gradient.iter().map(|g| -g).collect();
            slope = dot(&gradient, &direction);
        }
        let mut step = if iteration == 0 { 1.0 / (1.0 + slope.abs().sqrt()) } else { 1.0 };
        let mut next_gradient = vec![0.0; at.len()];
        let mut accepted = None;
        for _ in 0..30 {
            let mut next = at.clone();
            add_scaled(&mut next, step, &direction);
            let next_value = loss(&next, &mut next_gradient);
            if next_value.is_finite() && next_value <= value + ARMIJO * step * slope {
                accepted = Some((next, next_value));
                break;
            }
            step *= 0.5;
        }
        let Some((next, next_value)) = accepted else { break };
        remember(&mut history, &at, &next, &gradient, &next_gradient);
        let gained = value - next_value;
        (at, value, gradient) = (next, next_value, next_gradient);
        if gained <= 1e-10 * value.abs().max(1e-10) {
            break;
        }
    }
    Ok(at)
}

/// The two-loop recursion.
fn direction(gradient: &[f64], history: &VecDeque<(Vec<f64>, Vec<f64>, f64)>) -> Vec<f64> {
    let mut q: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut alphas = Vec::with_capacity(history.len());
    for (s, y, rho) in history.iter().rev() {
        let alpha = rho * dot(s, &q);
        add_scaled(&mut q, -alpha, y);
        alphas.push(alpha);
    }
    if let Some((s, y, _)) = history.back() {
        let scale = dot(s, y) / dot(y, y);
        q.iter_mut().for_each(|v| *v *= scale);
    }
    for ((s, y, rho), alpha) in history.iter().zip(alphas.into_iter().rev()) {
        let beta = rho * dot(y, &q);
        add_scaled(&mut q, alpha - beta, s);
    }
    q
}

fn remember(
    history: &mut VecDeque<(Vec<f64>, Vec<f64>, f64)>,
    at: &[f64],
    next: &[f64],
    gradient: &[f64],
    next_gradient: &[f64],
) {
    let s: Vec<f64> = next.iter().zip(at).map(|(a, b)| a - b).collect();
    let y: Vec<f64> = next_gradient.iter().zip(gradient).map(|(a, b)| a - b).collect();
    let curvature = dot(&s, &y);
    if curvature > 1e-12 {
        if history.len() == MEMORY {
            history.pop_front();
        }
        history.push_back((s, y, 1.0 / curvature));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_bottom_of_a_narrow_valley() {
        let valley = |x: &[f64], g: &mut [f64]| {
            let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
            g[0] = -2.0 * a - 400.0 * x[0] * b;
            g[1] = 200.0 * b;
            a * a + 100.0 * b * b
        };
        let found = minimise(vec![-1.2, 1.0], 200, 1e-8, &Watch::default(), valley).unwrap();
        assert!((found[0] - 1.0).abs() < 1e-4 && (found[1] - 1.0).abs() < 1e-4, "{found:?}");
    }
}
