//! Metrics of an order: what scores say apart from any threshold.

/// Area under the ROC curve of `scores` for the rows that are `positive`; equal scores count half. NaN when there is
/// no positive or no negative row.
pub fn roc_auc(positive: &[bool], scores: &[f64]) -> f64 {
    let (mut rank_sum, mut positives, mut before) = (0.0, 0.0, 0.0);
    for (count, hits) in ties(positive, scores, false) {
        // Ranks of a tie are before+1 ..= before+count: each gets their mean.
        rank_sum += hits * (before + (count + 1.0) / 2.0);
        positives += hits;
        before += count;
    }
    let negatives = before - positives;
    if positives == 0.0 || negatives == 0.0 {
        return f64::NAN;
    }
    (rank_sum - positives * (positives + 1.0) / 2.0) / (positives * negatives)
}

/// Average precision: the precision at each distinct score, weighted by the recall it adds. NaN without a positive row.
pub fn average_precision(positive: &[bool], scores: &[f64]) -> f64 {
    let total = positive.iter().filter(|&&p| p).count() as f64;
    if total == 0.0 {
        return f64::NAN;
    }
    let (mut seen, mut found, mut sum) = (0.0, 0.0, 0.0);
    for (count, hits) in ties(positive, scores, true) {
        seen += count;
        found += hits;
        sum += hits / total * (found / seen);
    }
    sum
}

/// Rows and positive rows of each distinct score, in the order of scores.
fn ties(positive: &[bool], scores: &[f64], descending: bool) -> Vec<(f64, f64)> {
    let mut pairs: Vec<(f64, bool)> = scores.iter().copied().zip(positive.iter().copied()).collect();
    pairs.sort_unstable_by(|a, b| if descending { b.0.total_cmp(&a.0) } else { a.0.total_cmp(&b.0) });
    pairs
        .chunk_by(|a, b| a.0 == b.0)
        .map(|tie| (tie.len() as f64, tie.iter().filter(|(_, p)| *p).count() as f64))
        .collect()
}

/// Ranks from 1, ties with their mean.
pub(crate) fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for tie in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let mean = before as f64 + (tie.len() as f64 + 1.0) / 2.0;
        tie.iter().for_each(|&row| ranks[row] = mean);
        before += tie.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn auc_is_of_the_order_alone(rows in prop::collection::vec((any::<bool>(), -50_i32..50), 2..200)) {
            let positive: Vec<bool> = rows.iter().map(|r| r.0).collect();
            let scores: Vec<f64> = rows.iter().map(|r| f64::from(r.1) / 10.0).collect();
            let bent: Vec<f64> = scores.iter().map(|s| 1.0 / (1.0 + (-s).exp())).collect();
            let (plain, monotone) = (roc_auc(&positive, &scores), roc_auc(&positive, &bent));
            prop_assert!(plain == monotone || (plain.is_nan() && monotone.is_nan()));
            prop_assert_eq!(average_precision(&positive, &scores).to_bits(), average_precision(&positive, &bent).to_bits());
        }

        #[test]
        fn auc_of_reversed_scores_is_the_complement(rows in prop::collection::vec((any::<bool>(), -50_i32..50), 2..200)) {
            let positive: Vec<bool> = rows.iter().map(|r| r.0).collect();
            let scores: Vec<f64> = rows.iter().map(|r| f64::from(r.1)).collect();
            let reversed: Vec<f64> = scores.iter().map(|s| -s).collect();
            let (auc, other) = (roc_auc(&positive, &scores), roc_auc(&positive, &reversed));
            prop_assert!(auc.is_nan() || (auc + other - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn auc_of_labels_is_not_the_auc_of_scores() {
        let positive = [false, false, true, true, false, true];
        let scores = [0.1, 0.45, 0.4, 0.8, 0.6, 0.7];
        let labels = scores.map(|s| f64::from(u8::from(s >= 0.5)));
        assert!((roc_auc(&positive, &scores) - 7.0 / 9.0).abs() < 1e-12);
        assert!((roc_auc(&positive, &labels) - 6.0 / 9.0).abs() < 1e-12);
    }

    #[test]
    fn one_class_has_no_auc() {
        assert!(roc_auc(&[true, true], &[0.1, 0.2]).is_nan());
        assert!(average_precision(&[false], &[0.1]).is_nan());
    }

    #[test]
    fn tied_values_share_their_mean_rank() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), [3.5, 1.0, 3.5, 2.0]);
    }
}
