//! Metrics of class probabilities.

use super::ranking::{average_precision, roc_auc};
use super::{ConfusionMatrix, Metrics};
use crate::matrix::Matrix;
use crate::settings::PrimaryMetric;

/// All classification metrics of these probabilities (a row each, a column a class) for these true classes.
/// With a `positive` class the binary ones are among them.
pub(crate) fn classification(truth: &[usize], proba: &Matrix, labels: &[String], positive: Option<usize>) -> Metrics {
    let mut metrics = Metrics::default();
    if truth.is_empty() || labels.is_empty() {
        return metrics;
    }
    let predicted: Vec<usize> = proba.rows_iter().map(most_likely).collect();
    let counts = confusion(truth, &predicted, labels.len());
    let classes = ClassCounts::new(&counts);
    of_counts(&mut metrics, &counts, &classes);
    of_scores(&mut metrics, truth, proba, &classes);
    metrics.put("log_loss", log_loss(truth, proba));
    if let Some(class) = positive.filter(|_| labels.len() == 2) {
        of_positive_class(&mut metrics, truth, proba, &classes, class);
    }
    metrics.confusion_matrix = Some(ConfusionMatrix { class_labels: labels.to_vec(), matrix: counts });
    metrics
}

/// The primary metric alone, for searches that need it often.
pub(crate) fn primary(metric: PrimaryMetric, truth: &[usize], proba: &Matrix) -> f64 {
    let predicted: Vec<usize> = proba.rows_iter().map(most_likely).collect();
    let counts = confusion(truth, &predicted, proba.cols);
    let classes = ClassCounts::new(&counts);
    let mut metrics = Metrics::default();
    match metric {
        PrimaryMetric::AucWeighted => of_curve(&mut metrics, "AUC", roc_auc, truth, proba, &classes, false),
        PrimaryMetric::AveragePrecisionScoreWeighted => {
            of_curve(&mut metrics, "average_precision_score", average_precision, truth, proba, &classes, false);
        }
        _ => of_counts(&mut metrics, &counts, &classes),
    }
    metrics.get(metric.metric_name()).unwrap_or(f64::NAN)
}

/// The class with the highest probability, the first of equals.
pub(crate) fn most_likely(proba: &[f64]) -> usize {
    let mut best = 0;
    for (class, p) in proba.iter().enumerate() {
        if *p > proba[best] {
            best = class;
        }
    }
    best
}

fn confusion(truth: &[usize], predicted: &[usize], classes: usize) -> Vec<Vec<u64>> {
    let mut counts = vec![vec![0; classes]; classes];
    for (&t, &p) in truth.iter().zip(predicted) {
        counts[t][p] += 1;
    }
    counts
}

/// Per class: rows of it, rows predicted as it, rows of both.
struct ClassCounts {
    support: Vec<f64>,
    predicted: Vec<f64>,
    hits: Vec<f64>,
    total: f64,
}

impl ClassCounts {
    fn new(counts: &[Vec<u64>]) -> Self {
        let classes = 0..counts.len();
        let support: Vec<f64> = counts.iter().map(|row| row.iter().sum::<u64>() as f64).collect();
        let predicted = classes.clone().map(|p| counts.iter().map(|row| row[p]).sum::<u64>() as f64).collect();
        let hits = classes.map(|c| counts[c][c] as f64).collect();
        let total = support.iter().sum();
        Self { support, predicted, hits, total }
    }

    fn len(&self) -> usize {
        self.support.len()
    }

    fn precision(&self, class: usize) -> f64 {
        ratio(self.hits[class], self.predicted[class])
    }

    fn recall(&self, class: usize) -> f64 {
        ratio(self.hits[class], self.support[class])
    }

    fn f1(&self, class: usize) -> f64 {
        ratio(2.0 * self.hits[class], self.predicted[class] + self.support[class])
    }

    /// Mean over the classes that occur among true or predicted ones, as scikit-learn takes them.
    fn macro_mean(&self, score: impl Fn(usize) -> f64) -> f64 {
        let occurring: Vec<usize> =
            (0..self.len()).filter(|&c| self.support[c] > 0.0 || self.predicted[c] > 0.0).collect();
        occurring.iter().map(|&c| score(c)).sum::<f64>() / occurring.len() as f64
    }

    fn weighted_mean(&self, score: impl Fn(usize) -> f64) -> f64 {
        (0..self.len()).filter(|&c| self.support[c] > 0.0).map(|c| score(c) * self.support[c]).sum::<f64>() / self.total
    }
}

/// A share, 0 where there is nothing to share.
fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

fn of_counts(metrics: &mut Metrics, counts: &[Vec<u64>], classes: &ClassCounts) {
    let accuracy = classes.hits.iter().sum::<f64>() / classes.total;
    metrics.put("accuracy", accuracy);
    let present: Vec<usize> = (0..classes.len()).filter(|&c| classes.support[c] > 0.0).collect();
    let balanced = present.iter().map(|&c| classes.recall(c)).sum::<f64>() / present.len() as f64;
    metrics.put("balanced_accuracy", balanced);
    let chance = 1.0 / classes.len() as f64;
    metrics.put("norm_macro_recall", (balanced - chance) / (1.0 - chance));
    for (name, score) in [
        ("f1_score", &(|c| classes.f1(c)) as &dyn Fn(usize) -> f64),
        ("precision_score", &|c| classes.precision(c)),
        ("recall_score", &|c| classes.recall(c)),
    ] {
        metrics.put(&format!("{name}_macro"), classes.macro_mean(score));
        metrics.put(&format!("{name}_weighted"), classes.weighted_mean(score));
        // With one label a row all three are the accuracy.
        metrics.put(&format!("{name}_micro"), accuracy);
    }
    let squares: f64 = classes.support.iter().map(|s| s * s).sum();
    let weighted_hits: f64 = classes.support.iter().zip(&classes.hits).map(|(s, h)| s * h).sum();
    metrics.put("weighted_accuracy", weighted_hits / squares);
    metrics.put("matthews_correlation", matthews(counts, classes));
}

fn matthews(counts: &[Vec<u64>], classes: &ClassCounts) -> f64 {
    let trace: f64 = (0..counts.len()).map(|c| counts[c][c] as f64).sum();
    let n = classes.total;
    let cross: f64 = classes.support.iter().zip(&classes.predicted).map(|(s, p)| s * p).sum();
    let of = |values: &[f64]| n * n - values.iter().map(|v| v * v).sum::<f64>();
    let spread = of(&classes.support) * of(&classes.predicted);
    if spread > 0.0 { (trace * n - cross) / spread.sqrt() } else { 0.0 }
}

fn of_scores(metrics: &mut Metrics, truth: &[usize], proba: &Matrix, classes: &ClassCounts) {
    of_curve(metrics, "AUC", roc_auc, truth, proba, classes, true);
    of_curve(metrics, "average_precision_score", average_precision, truth, proba, classes, true);
}

/// One curve's area: each class against the rest, averaged plainly and by rows; and all cells as one curve.
fn of_curve(
    metrics: &mut Metrics,
    name: &str,
    area: fn(&[bool], &[f64]) -> f64,
    truth: &[usize],
    proba: &Matrix,
    classes: &ClassCounts,
    micro: bool,
) {
    let of_class = |class: usize| {
        let positive: Vec<bool> = truth.iter().map(|&t| t == class).collect();
        (area(&positive, &proba.column(class)), classes.support[class])
    };
    // A class without a row, or with every row, has no curve.
    let areas: Vec<(f64, f64)> = (0..classes.len())
        .filter(|&c| classes.support[c] > 0.0 && classes.support[c] < classes.total)
        .map(of_class)
        .collect();
    let weight: f64 = areas.iter().map(|(_, w)| w).sum();
    metrics.put(&format!("{name}_macro"), areas.iter().map(|(a, _)| a).sum::<f64>() / areas.len() as f64);
    metrics.put(&format!("{name}_weighted"), areas.iter().map(|(a, w)| a * w).sum::<f64>() / weight);
    if micro {
        let truth: Vec<bool> = truth.iter().flat_map(|&t| (0..classes.len()).map(move |c| c == t)).collect();
        metrics.put(&format!("{name}_micro"), area(&truth, &proba.data));
    }
}

/// Mean negative logarithm of the true class's probability, kept off 0 by one unit in the last place of 1.
fn log_loss(truth: &[usize], proba: &Matrix) -> f64 {
    let sum: f64 =
        proba.rows_iter().zip(truth).map(|(row, &t)| -row[t].clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln()).sum();
    sum / truth.len() as f64
}

fn of_positive_class(metrics: &mut Metrics, truth: &[usize], proba: &Matrix, classes: &ClassCounts, class: usize) {
    let positive: Vec<bool> = truth.iter().map(|&t| t == class).collect();
    let scores = proba.column(class);
    metrics.put("AUC_binary", roc_auc(&positive, &scores));
    metrics.put("average_precision_score_binary", average_precision(&positive, &scores));
    metrics.put("f1_score_binary", classes.f1(class));
    metrics.put("precision_score_binary", classes.precision(class));
    metrics.put("recall_score_binary", classes.recall(class));
}
