//! From columns to features: what AutoML calls featurization. Everything is learnt from the rows it is fitted on, so a
//! validation fold never tells anything to the training.

mod categories;
mod dates;
mod purpose;
mod scale;
mod words;

pub(crate) use scale::{Scaler, Scaling};

use crate::matrix::Matrix;
use crate::settings::Featurization;
use crate::table::{Table, Values};
use categories::{Hashed, OneHot};
use dates::DateParts;
use purpose::{Purpose, purpose};
use serde::{Deserialize, Serialize};
use words::Words;

/// A number: missing values become the mean, and say so in a column of their own when there were any.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Imputed {
    mean: f64,
    marked: bool,
}

impl Imputed {
    fn fit(values: &[f64], rows: &[usize]) -> Self {
        let (mut sum, mut count) = (0.0, 0.0);
        for value in rows.iter().map(|&row| values[row]).filter(|v| v.is_finite()) {
            sum += value;
            count += 1.0;
        }
        Self { mean: if count > 0.0 { sum / count } else { 0.0 }, marked: count < rows.len() as f64 }
    }

    fn write(&self, value: f64, out: &mut [f64]) {
        out[0] = if value.is_finite() { value } else { self.mean };
        if self.marked {
            out[1] = f64::from(u8::from(!value.is_finite()));
        }
    }
}

/// How one column becomes features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Encoder {
    Number(Imputed),
    OneHot(OneHot),
    Hashed(Hashed),
    Dates(DateParts),
    Words(Words),
}

impl Encoder {
    fn width(&self) -> usize {
        match self {
            Self::Number(imputed) => 1 + usize::from(imputed.marked),
            Self::OneHot(one_hot) => one_hot.width(),
            Self::Hashed(hashed) => hashed.width(),
            Self::Dates(parts) => parts.width(),
            Self::Words(words) => words.width(),
        }
    }

    fn write(&self, values: &Values, rows: &[usize], out: &mut Matrix, offset: usize) {
        match (self, values) {
            (Self::Number(imputed), Values::Number { values, .. }) => {
                for (to, &row) in rows.iter().enumerate() {
                    imputed.write(values[row], &mut out.row_mut(to)[offset..]);
                }
            }
            (Self::Number(imputed), Values::Boolean(values)) => {
                for (to, &row) in rows.iter().enumerate() {
                    let value = values[row].map_or(f64::NAN, |flag| f64::from(u8::from(flag)));
                    imputed.write(value, &mut out.row_mut(to)[offset..]);
                }
            }
            (Self::OneHot(one_hot), Values::Text(categories)) => one_hot.write(categories, rows, out, offset),
            (Self::Hashed(hashed), Values::Text(categories)) => hashed.write(categories, rows, out, offset),
            (Self::Dates(parts), Values::DateTime(seconds)) => parts.write(seconds, rows, out, offset),
            (Self::Words(words), Values::Text(categories)) => words.write(categories, rows, out, offset),
            // A model's input is made with the types of its schema, so a column never arrives with another one.
            _ => {}
        }
    }
}

/// One column that becomes features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Encoded {
    column: String,
    encoder: Encoder,
}

/// Columns to features, as learnt from some rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Featurizer {
    encoded: Vec<Encoded>,
    width: usize,
}

impl Featurizer {
    /// Learns from `rows` of the table. The table must not hold the target any more.
    pub(crate) fn fit(table: &Table, rows: &[usize], mode: Featurization) -> Self {
        let mut encoded = Vec::new();
        for column in table.columns() {
            let encoder = match (purpose(&column.values, rows, mode), &column.values) {
                (Purpose::Number, Values::Number { values, .. }) => Encoder::Number(Imputed::fit(values, rows)),
                (Purpose::Number, Values::Boolean(values)) => {
                    let missing = rows.iter().any(|&row| values[row].is_none());
                    let (yes, no) = (count(values, rows, true), count(values, rows, false));
                    // The more frequent of the two stands in for a missing one.
                    Encoder::Number(Imputed { mean: f64::from(u8::from(yes > no)), marked: missing })
                }
                (Purpose::Categories, Values::Text(categories)) => Encoder::OneHot(OneHot::fit(categories, rows)),
                (Purpose::ManyCategories, Values::Text(_)) => Encoder::Hashed(Hashed::default()),
                (Purpose::Dates, Values::DateTime(seconds)) => Encoder::Dates(DateParts::fit(seconds, rows)),
                (Purpose::Words, Values::Text(categories)) => Encoder::Words(Words::fit(categories, rows)),
                _ => continue,
            };
            encoded.push(Encoded { column: column.name.clone(), encoder });
        }
        let width = encoded.iter().map(|e| e.encoder.width()).sum();
        Self { encoded, width }
    }

    /// Features of a row.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Features of these rows, in this order. A column the table lacks leaves zeros.
    pub(crate) fn transform(&self, table: &Table, rows: &[usize]) -> Matrix {
        let mut out = Matrix::zeros(rows.len(), self.width);
        let mut offset = 0;
        for Encoded { column, encoder } in &self.encoded {
            if let Some(found) = table.column(column) {
                encoder.write(&found.values, rows, &mut out, offset);
            }
            offset += encoder.width();
        }
        out
    }
}

fn count(values: &[Option<bool>], rows: &[usize], flag: bool) -> usize {
    rows.iter().filter(|&&row| values[row] == Some(flag)).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::ReadOptions;

    fn table(text: &str) -> Table {
        Table::from_csv("t.csv", text.as_bytes(), &ReadOptions::default()).unwrap()
    }

    #[test]
    fn what_training_rows_teach_is_kept_for_others() {
        let rows = table("n,c,f,k\n1,red,true,7\n3,blue,true,7\n,red,false,7\n5,green,,7\n");
        // The fourth row is not learnt from: green is no category, 5 is not in the mean.
        let featurizer = Featurizer::fit(&rows, &[0, 1, 2], Featurization::Auto);
        let found = featurizer.transform(&rows, &[0, 1, 2, 3]);
        // The number and its mark, blue, red, the flag; the constant gives nothing.
        let expected = [
            [1.0, 0.0, 0.0, 1.0, 1.0],
            [3.0, 0.0, 1.0, 0.0, 1.0],
            [2.0, 1.0, 0.0, 1.0, 0.0],
            [5.0, 0.0, 0.0, 0.0, 1.0],
        ];
        assert_eq!((found.cols, found.data), (5, expected.concat()));
    }

    #[test]
    fn the_order_of_rows_changes_no_feature() {
        let rows = table("c\nb\na\nc\na\n");
        let turned = table("c\na\nc\na\nb\n");
        let (one, other) = (
            Featurizer::fit(&rows, &[0, 1, 2, 3], Featurization::Auto),
            Featurizer::fit(&turned, &[0, 1, 2, 3], Featurization::Auto),
        );
        assert_eq!(one, other);
    }

    #[test]
    fn scaling_is_by_the_training_rows() {
        let x = Matrix { rows: 3, cols: 2, data: vec![0.0, 5.0, 2.0, 5.0, 4.0, 5.0] };
        for (scaling, expected) in
            [(Scaling::MinMax, [0.0, 0.0, 0.5, 0.0, 1.0, 0.0]), (Scaling::MaxAbs, [0.0, 1.0, 0.5, 1.0, 1.0, 1.0])]
        {
            let mut scaled = x.clone();
            Scaler::fit(scaling, &x).apply(&mut scaled);
            assert_eq!(scaled.data, expected, "{scaling:?}");
        }
        let mut standard = x.clone();
        Scaler::fit(Scaling::Standard, &x).apply(&mut standard);
        assert!((standard.column(0).iter().map(|v| v * v).sum::<f64>() / 3.0 - 1.0).abs() < 1e-12);
    }
}
