//! Dates as numbers of their parts.

use crate::matrix::Matrix;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// Year, month, day, weekday, day of the year, quarter, week, hour, minute, second, and the instant itself in days.
const PARTS: usize = 11;

/// The parts that vary in the training rows; missing dates get each part's mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct DateParts {
    kept: Vec<usize>,
    means: Vec<f64>,
}

impl DateParts {
    pub(crate) fn fit(seconds: &[f64], rows: &[usize]) -> Self {
        let known: Vec<[f64; PARTS]> = rows.iter().filter_map(|&row| parts(seconds[row])).collect();
        let varies = |part: &usize| known.windows(2).any(|pair| pair[0][*part] != pair[1][*part]);
        let kept: Vec<usize> = (0..PARTS).filter(varies).collect();
        let mean = |&part: &usize| known.iter().map(|p| p[part]).sum::<f64>() / known.len() as f64;
        let means = kept.iter().map(mean).collect();
        Self { kept, means }
    }

    pub(crate) fn width(&self) -> usize {
        self.kept.len()
    }

    pub(crate) fn write(&self, seconds: &[f64], rows: &[usize], out: &mut Matrix, offset: usize) {
        for (to, &row) in rows.iter().enumerate() {
            let found = parts(seconds[row]);
            for (place, (&part, &mean)) in self.kept.iter().zip(&self.means).enumerate() {
                out.row_mut(to)[offset + place] = found.as_ref().and_then(|p| p.get(part)).copied().unwrap_or(mean);
            }
        }
    }
}

fn parts(seconds: f64) -> Option<[f64; PARTS]> {
    if !seconds.is_finite() {
        return None;
    }
    let instant = Timestamp::from_second(seconds as i64).ok()?;
    let civil = TimeZone::UTC.to_datetime(instant);
    let date = civil.date();
    Some([
        f64::from(date.year()),
        f64::from(date.month()),
        f64::from(date.day()),
        f64::from(date.weekday().to_monday_zero_offset()),
        f64::from(date.day_of_year()),
        f64::from((date.month() - 1) / 3 + 1),
        f64::from(date.iso_week_date().week()),
        f64::from(civil.hour()),
        f64::from(civil.minute()),
        f64::from(civil.second()),
        seconds / 86_400.0,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_leap_day() {
        // 2024-02-29T13:05:09Z, a Thursday in week 9.
        let parts = parts(1_709_211_909.0).unwrap();
        assert_eq!(parts[..10], [2024.0, 2.0, 29.0, 3.0, 60.0, 1.0, 9.0, 13.0, 5.0, 9.0]);
    }

    #[test]
    fn a_missing_date_gets_the_mean_of_each_part_that_varies() {
        let seconds = [0.0, 86_400.0, f64::NAN];
        let fitted = DateParts::fit(&seconds, &[0, 1]);
        let mut out = Matrix::zeros(1, fitted.width());
        fitted.write(&seconds, &[2], &mut out, 0);
        // Day, weekday, day of the year and the instant.
        assert_eq!(out.data, [1.5, 3.5, 1.5, 0.5]);
    }
}
