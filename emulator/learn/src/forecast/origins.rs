//! Rolling origins: folds in the order of time.

use crate::settings::CrossValidation;

/// Folds where the number is not asked for, if the data is long enough for them.
const AUTO_FOLDS: i64 = 3;
/// Steps that are learnt from at least.
const FEWEST_STEPS: i64 = 8;

/// The last steps that are known in each fold, the earliest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origins(pub(crate) Vec<i64>);

impl Origins {
    /// Of steps from `first` to `last`: each fold is validated on the `horizon` steps after its origin, the last one on
    /// the last steps. Without a number of folds there are three, or as many as leave enough to learn from.
    pub(crate) fn new(
        first: i64,
        last: i64,
        horizon: usize,
        step_size: Option<usize>,
        folds: CrossValidation,
    ) -> Result<Self, String> {
        let horizon = horizon.max(1) as i64;
        let between = step_size.map_or(horizon, |size| size.max(1) as i64);
        let earliest = first + FEWEST_STEPS - 1;
        let latest = last - horizon;
        let room = if latest < earliest { 0 } else { (latest - earliest) / between + 1 };
        let wanted = match folds {
            CrossValidation::Auto => AUTO_FOLDS.min(room.max(1)),
            CrossValidation::Folds(folds) => folds as i64,
        };
        if room < wanted {
            return Err(format!(
                "{} periods are too few for {wanted} folds with a horizon of {horizon}: give at least {}, or fewer folds, \
                 or a shorter forecast_horizon",
                last - first + 1,
                FEWEST_STEPS + horizon + (wanted - 1) * between
            ));
        }
        Ok(Self((0..wanted).rev().map(|back| latest - back * between).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_roll_forward_to_the_last_horizon() {
        let of = |last, horizon, size, folds| Origins::new(0, last, horizon, size, folds).map(|origins| origins.0);
        assert_eq!(of(99, 10, None, CrossValidation::Folds(3)), Ok(vec![69, 79, 89]));
        assert_eq!(of(99, 10, Some(2), CrossValidation::Folds(3)), Ok(vec![85, 87, 89]));
        assert_eq!(of(99, 10, None, CrossValidation::Auto), Ok(vec![69, 79, 89]));
        assert_eq!(of(19, 6, None, CrossValidation::Auto), Ok(vec![7, 13]));
        assert!(of(19, 6, None, CrossValidation::Folds(3)).unwrap_err().contains("at least 26"));
        assert!(of(9, 6, None, CrossValidation::Auto).unwrap_err().contains("at least 14"));
    }
}
