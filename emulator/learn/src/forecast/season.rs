//! How long a season is, as the data shows it.

use super::frequency::Frequency;

/// Least autocorrelation of the changes over a natural season of the calendar, and over any other length.
const NATURAL: f64 = 0.2;
const ANY: f64 = 0.4;
/// Longest season that is looked for.
const LONGEST: usize = 400;
/// Seasons that a series must hold.
const SEASONS: usize = 2;

/// Periods in a season; 1 where there is none. Looked for in the changes from one period to the next, so that what
/// grows is not taken for a season; in the longest series.
pub(crate) fn season<'a>(series: impl Iterator<Item = &'a [f64]>, frequency: Frequency) -> usize {
    let Some(longest) = series.max_by_key(|values| values.len()) else { return 1 };
    let changes: Vec<f64> = longest.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let most = (longest.len() / SEASONS).min(LONGEST);
    let correlation = Correlation::of(&changes);
    if let Some(natural) = frequency.natural_season().filter(|natural| (2..=most).contains(natural))
        && correlation.at(natural) >= NATURAL
    {
        return natural;
    }
    let found = (2..=most).map(|lag| (lag, correlation.at(lag))).filter(|(_, r)| *r >= ANY);
    // Of equal ones the shorter: twice a season is a season too.
    found.fold((1, 0.0), |best, (lag, r)| if r > best.1 + 0.05 { (lag, r) } else { best }).0
}

struct Correlation {
    deviations: Vec<f64>,
    variance: f64,
}

impl Correlation {
    fn of(values: &[f64]) -> Self {
        let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
        let deviations: Vec<f64> = values.iter().map(|value| value - mean).collect();
        let variance = deviations.iter().map(|d| d * d).sum();
        Self { deviations, variance }
    }

    /// With the values so many periods before; 0 of what never varies.
    fn at(&self, lag: usize) -> f64 {
        let later = self.deviations.get(lag..).unwrap_or_default();
        let sum: f64 = self.deviations.iter().zip(later).map(|(a, b)| a * b).sum();
        if self.variance > 0.0 { sum / self.variance } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(period: usize, growth: f64) -> Vec<f64> {
        let angle = |t: usize| (t % period) as f64 / period as f64 * std::f64::consts::TAU;
        (0..period * 8).map(|t| angle(t).sin() * 5.0 + t as f64 * growth + (t * 7919 % 13) as f64 / 20.0).collect()
    }

    #[test]
    fn a_season_is_found_under_a_trend_and_none_where_there_is_none() {
        for (period, frequency) in [(12, Frequency::Months(1)), (11, Frequency::Months(12))] {
            for growth in [0.0, 0.4] {
                assert_eq!(season(std::iter::once(wave(period, growth).as_slice()), frequency), period);
            }
        }
        let line: Vec<f64> = (0..60).map(f64::from).collect();
        assert_eq!(season(std::iter::once(line.as_slice()), Frequency::Months(1)), 1);
    }
}
