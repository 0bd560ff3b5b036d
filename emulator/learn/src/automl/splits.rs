//! Which rows train and which validate.

use crate::rng::Rng;
use crate::settings::{AutoMlSettings, CrossValidation};
use crate::target::Target;

/// Stream of the random state that shuffles rows.
const STREAM: u64 = 1;
/// Share held out when there are many rows and nothing else was asked for.
const HELD_OUT: f64 = 0.1;
/// More rows than this are held out from once instead of folded.
const MOST_ROWS_FOLDED: usize = 20_000;
/// Fewer rows than this get ten folds, else three.
const FEW_ROWS: usize = 1_000;

/// Positions of rows, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Split {
    pub(crate) train: Vec<usize>,
    pub(crate) valid: Vec<usize>,
}

/// The splits these settings ask for, when there is no validation table. Azure's rule without any setting: more than
/// 20,000 rows hold out 10 %, 1,000 to 20,000 take three folds, fewer ten.
pub(crate) fn splits(settings: &AutoMlSettings, target: &Target) -> Vec<Split> {
    let rows = target.len();
    let automatic = if rows < FEW_ROWS { 10 } else { 3 };
    let held_out = (rows > MOST_ROWS_FOLDED).then_some(HELD_OUT);
    let (folds, share) = match (settings.cross_validation, settings.validation_size) {
        (CrossValidation::Auto, Some(share)) => (1, Some(share)),
        (CrossValidation::Auto, None) => (if held_out.is_some() { 1 } else { automatic }, held_out),
        (CrossValidation::Folds(folds), share) => (folds, share),
    };
    let mut rng = Rng::new(settings.random_state, STREAM);
    match share {
        // Both given is Monte Carlo cross-validation: as many independent splits.
        Some(share) => (0..folds.max(1)).map(|_| held_out_split(target, share, &mut rng)).collect(),
        None => folded(target, folds.clamp(2, rows.max(2)), &mut rng),
    }
}

/// Rows in an order in which every stretch has its share of every class.
fn dealt(target: &Target, rng: &mut Rng) -> Vec<usize> {
    let mut rows: Vec<usize> = (0..target.len()).collect();
    rng.shuffle(&mut rows);
    if let Target::Classes { codes, .. } = target {
        rows.sort_by_key(|&row| codes[row]);
    }
    rows
}

fn folded(target: &Target, folds: usize, rng: &mut Rng) -> Vec<Split> {
    let order = dealt(target, rng);
    let mut fold_of = vec![0; target.len()];
    // Sorted by class, dealt like cards: each fold gets its share of each class.
    order.iter().enumerate().for_each(|(place, &row)| fold_of[row] = place % folds);
    (0..folds)
        .map(|fold| {
            let (valid, train) = (0..target.len()).partition(|&row| fold_of[row] == fold);
            Split { train, valid }
        })
        .filter(|split| !split.train.is_empty() && !split.valid.is_empty())
        .collect()
}

fn held_out_split(target: &Target, share: f64, rng: &mut Rng) -> Split {
    let order = dealt(target, rng);
    let rows = order.len();
    let mut held = vec![false; rows];
    for (place, &row) in order.iter().enumerate() {
        // True wherever the running share passes a whole number.
        held[row] = ((place + 1) as f64 * share).floor() > (place as f64 * share).floor();
    }
    if rows > 1 && !held.contains(&true) {
        held[order[0]] = true;
    }
    let (valid, train) = (0..rows).partition(|&row| held[row]);
    Split { train, valid }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Task;
    use proptest::prelude::*;

    fn classes(rows: usize) -> Target {
        Target::Classes { codes: (0..rows).map(|row| usize::from(row % 5 == 0)).collect(), count: 2 }
    }

    #[test]
    fn the_number_of_rows_decides_as_azure_documents() {
        let settings = AutoMlSettings::new(Task::Classification, "y");
        for (rows, folds, valid) in
            [(200, 10, 20), (999, 10, 100), (1_000, 3, 334), (20_000, 3, 6667), (20_001, 1, 2000)]
        {
            let found = splits(&settings, &classes(rows));
            assert_eq!(found.len(), folds, "{rows} rows");
            assert!(found[0].valid.len().abs_diff(valid) <= 1, "{rows} rows: {}", found[0].valid.len());
        }
    }

    #[test]
    fn a_size_and_folds_together_are_independent_splits() {
        let settings = AutoMlSettings {
            validation_size: Some(0.25),
            cross_validation: CrossValidation::Folds(4),
            ..AutoMlSettings::new(Task::Classification, "y")
        };
        let found = splits(&settings, &classes(100));
        assert_eq!(found.len(), 4);
        assert!(found.iter().all(|s| s.valid.len() == 25));
        assert_ne!(found[0], found[1]);
    }

    proptest! {
        #[test]
        fn folds_part_the_rows_and_keep_the_classes(rows in 20_usize..300, folds in 2_usize..6, state in any::<u64>()) {
            let settings = AutoMlSettings {
                cross_validation: CrossValidation::Folds(folds),
                random_state: state,
                ..AutoMlSettings::new(Task::Classification, "y")
            };
            let target = classes(rows);
            let found = splits(&settings, &target);
            let mut seen: Vec<usize> = found.iter().flat_map(|s| s.valid.clone()).collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..rows).collect::<Vec<_>>());
            for split in &found {
                prop_assert_eq!(split.train.len() + split.valid.len(), rows);
                let rare = split.valid.iter().filter(|&&row| row % 5 == 0).count();
                let expected = rows.div_ceil(5) / folds;
                prop_assert!(rare.abs_diff(expected) <= 1);
            }
        }
    }
}
