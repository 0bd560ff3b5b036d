//! What was before a step, and the features that it gives.

use serde::{Deserialize, Serialize};

/// Values of a series up to a step, with their sums from the start.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Past {
    values: Vec<f64>,
    sums: Vec<f64>,
    /// What distances are told in: so large and small series teach the same.
    scale: f64,
}

impl Past {
    /// Nothing yet, of a series with this scale.
    pub(crate) fn new(scale: f64) -> Self {
        Self { values: Vec::new(), sums: Vec::new(), scale }
    }

    pub(crate) fn of(values: &[f64], scale: f64) -> Self {
        let mut past = Self::new(scale);
        values.iter().for_each(|value| past.push(*value));
        past
    }

    pub(crate) fn push(&mut self, value: f64) {
        self.sums.push(self.sums.last().copied().unwrap_or(0.0) + value);
        self.values.push(value);
    }

    pub(crate) fn scale(&self) -> f64 {
        self.scale
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// Puts other values in place of the last ones, where those are known.
    pub(crate) fn correct(&mut self, last: &[f64]) {
        let from = self.values.len() - last.len();
        let told = self.values.split_off(from);
        self.sums.truncate(from);
        told.iter().zip(last).for_each(|(told, known)| self.push(if known.is_finite() { *known } else { *told }));
    }

    /// The value so many periods ago, or the earliest one.
    fn ago(&self, periods: usize) -> f64 {
        self.values.get(self.values.len().saturating_sub(periods)).copied().unwrap_or_default()
    }

    fn mean_of_last(&self, count: usize) -> f64 {
        let n = self.values.len();
        let count = count.min(n);
        let before = n.checked_sub(count + 1).and_then(|last| self.sums.get(last)).copied().unwrap_or(0.0);
        (self.sums.last().copied().unwrap_or(0.0) - before) / count as f64
    }

    /// Mean of the values one, two and more seasons ago.
    fn seasonal_mean(&self, season: usize) -> f64 {
        let n = self.values.len();
        if n < season {
            return self.ago(1);
        }
        let seasons = n / season;
        (1..=seasons).map(|back| self.ago(back * season)).sum::<f64>() / seasons as f64
    }
}

/// Places of the features that forecasts without learning need.
pub(crate) mod place {
    pub(crate) const LAST: usize = 0;
    pub(crate) const SEASON_AGO: usize = 1;
    pub(crate) const MEAN: usize = 2;
    pub(crate) const SEASONAL_MEAN: usize = 3;
    /// Further: the change over a season one period ago, and the base itself.
    pub(crate) const COUNT: usize = 6;
}

/// Which features the past gives. All but one are told as their distance from a base, which learning predicts the
/// distance from too: the value a season ago, or the last one where there is no season. So what grows over the years
/// is predicted beyond what was ever seen. Distances, and the base, are told in the series' own scale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lagging {
    /// Periods in a season; 1 for none.
    pub(crate) season: usize,
    pub(crate) lags: Vec<usize>,
    pub(crate) window: Option<usize>,
}

impl Lagging {
    pub(crate) fn width(&self) -> usize {
        place::COUNT + self.lags.len() + if self.window.is_some() { 3 } else { 0 }
    }

    /// Writes the features of the step after this past and returns the base.
    pub(crate) fn write(&self, past: &Past, out: &mut [f64]) -> f64 {
        let base = if past.len() >= self.season { past.ago(self.season) } else { past.ago(1) };
        out[place::LAST] = past.ago(1) - base;
        out[place::SEASON_AGO] = 0.0;
        out[place::MEAN] = past.mean_of_last(past.len()) - base;
        out[place::SEASONAL_MEAN] = past.seasonal_mean(self.season) - base;
        out[4] = if past.len() > self.season { past.ago(1) - past.ago(self.season + 1) } else { 0.0 };
        out[5] = base;
        let (lags, rolling) = out[place::COUNT..].split_at_mut(self.lags.len());
        lags.iter_mut().zip(&self.lags).for_each(|(cell, lag)| *cell = past.ago(*lag) - base);
        if let (Some(window), [mean, least, greatest]) = (self.window, rolling) {
            let from = past.values.len().saturating_sub(window);
            let recent = &past.values[from..];
            *mean = past.mean_of_last(window) - base;
            *least = recent.iter().copied().fold(f64::INFINITY, f64::min) - base;
            *greatest = recent.iter().copied().fold(f64::NEG_INFINITY, f64::max) - base;
        }
        out.iter_mut().for_each(|cell| *cell /= past.scale);
        base
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_of_the_values_before() {
        let past = Past::of(&[1.0, 2.0, 3.0, 4.0, 8.0], 1.0);
        let lagging = Lagging { season: 2, lags: vec![1, 3], window: Some(3) };
        let mut out = vec![0.0; lagging.width()];
        // The value a season ago is 4.
        assert_eq!(lagging.write(&past, &mut out), 4.0);
        let seasonal_mean = (4.0 + 2.0) / 2.0;
        assert_eq!(out, [4.0, 0.0, 3.6 - 4.0, seasonal_mean - 4.0, 5.0, 4.0, 4.0, -1.0, 1.0, -1.0, 4.0]);
    }

    #[test]
    fn a_series_ten_times_as_large_gives_the_same_features() {
        let lagging = Lagging { season: 2, lags: vec![3], window: Some(2) };
        let of = |factor: f64| {
            let mut out = vec![0.0; lagging.width()];
            lagging.write(&Past::of(&[1.0, 2.0, 4.0, 8.0].map(|v| v * factor), factor), &mut out);
            out
        };
        assert_eq!(of(1.0), of(8.0));
    }

    #[test]
    fn a_past_that_is_too_short_gives_its_earliest_values() {
        let lagging = Lagging { season: 12, lags: vec![7], window: Some(30) };
        let mut out = vec![0.0; lagging.width()];
        assert_eq!(lagging.write(&Past::of(&[5.0, 6.0], 1.0), &mut out), 6.0);
        assert_eq!(out, [0.0, 0.0, -0.5, 0.0, 0.0, 6.0, -1.0, -0.5, -1.0, 0.0]);
    }

    #[test]
    fn corrected_values_are_those_that_are_known() {
        let mut past = Past::of(&[1.0, 7.0, 8.0], 1.0);
        past.correct(&[2.0, f64::NAN]);
        assert_eq!(past, Past::of(&[1.0, 2.0, 8.0], 1.0));
    }
}
