//! Finding a column's type from its text.

use super::{Categories, MISSING, Values};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// Above this a double no longer holds every whole number, so such values (long ids) stay text.
const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;

/// The column with the narrowest type that all its values have: boolean, number, date, else text.
pub(crate) fn typed(raw: Categories) -> Values {
    let used: Vec<&str> = raw.dictionary.iter().map(|s| s.trim()).collect();
    if used.is_empty() {
        return Values::Number { values: vec![f64::NAN; raw.codes.len()], integer: false };
    }
    if let Some(flags) = all(&used, boolean) {
        let at = |code: &u32| if *code == MISSING { None } else { flags.get(*code as usize).copied() };
        return Values::Boolean(raw.codes.iter().map(at).collect());
    }
    if let Some(numbers) = all(&used, number) {
        let integer = numbers.iter().zip(&used).all(|(v, text)| v.fract() == 0.0 && !text.contains(['.', 'e', 'E']));
        return Values::Number { values: spread(&raw.codes, &numbers), integer };
    }
    if let Some(seconds) = all(&used, date_time) {
        return Values::DateTime(spread(&raw.codes, &seconds));
    }
    Values::Text(raw)
}

fn all<T>(texts: &[&str], parse: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    texts.iter().map(|text| parse(text)).collect()
}

fn spread(codes: &[u32], values: &[f64]) -> Vec<f64> {
    codes.iter().map(|&code| values.get(code as usize).copied().unwrap_or(f64::NAN)).collect()
}

pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// A finite number. Text that Rust would also take for one (`inf`, `infinity`) is text here.
pub(crate) fn number(text: &str) -> Option<f64> {
    if !text.bytes().any(|b| b.is_ascii_digit()) {
        return None;
    }
    let value: f64 = text.parse().ok()?;
    (value.is_finite() && (value.fract() != 0.0 || value.abs() <= LARGEST_EXACT)).then_some(value)
}

/// ISO 8601 dates, with or without a time and an offset; without one they are UTC. Also `2024/01/31` and `1/31/2024`.
pub(crate) fn date_time(text: &str) -> Option<f64> {
    let plausible = text.len() >= 8 && text.bytes().filter(u8::is_ascii_digit).count() >= 6;
    if !plausible || text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Some(instant.as_duration().as_secs_f64());
    }
    let civil = text.parse::<DateTime>().ok().or_else(|| slashed(text))?;
    let instant = TimeZone::UTC.to_timestamp(civil).ok()?;
    Some(instant.as_duration().as_secs_f64())
}

fn slashed(text: &str) -> Option<DateTime> {
    let parts: Vec<i16> = text.split('/').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let (year, month, day) = match parts[..] {
        [year, month, day] if year > 31 => (year, month, day),
        [month, day, year] => (year, month, day),
        _ => return None,
    };
    let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    Some(date.to_datetime(jiff::civil::Time::midnight()))
}

#[cfg(test)]
mod tests {
    use super::super::{ColumnType, ReadOptions, Table};

    fn kind_of(values: &[&str]) -> ColumnType {
        let csv = format!("c,other\n{}\n", values.iter().map(|v| format!("{v},1")).collect::<Vec<_>>().join("\n"));
        Table::from_csv("t.csv", csv.as_bytes(), &ReadOptions::default()).unwrap().schema()[0].kind
    }

    #[test]
    fn types_are_those_of_all_values() {
        let cases: [(&[&str], ColumnType); 11] = [
            (&["1", "2", ""], ColumnType::Integer),
            (&["1", "2.5", "NaN"], ColumnType::Number),
            (&["1.0", "2.0"], ColumnType::Number),
            (&["True", "false", ""], ColumnType::Boolean),
            (&["0", "1"], ColumnType::Integer),
            (&["yes", "no"], ColumnType::String),
            (&["1", "two"], ColumnType::String),
            (&["2024-01-31", "2024-02-01 10:00:00"], ColumnType::DateTime),
            (&["1/31/2024", "2/1/2024"], ColumnType::DateTime),
            (&["20240131", "20240201"], ColumnType::Integer),
            (&["99999999999999999999", "1"], ColumnType::String),
        ];
        for (values, kind) in cases {
            assert_eq!(kind_of(values), kind, "{values:?}");
        }
    }

    #[test]
    fn infinity_is_text_not_a_number() {
        assert_eq!(kind_of(&["inf", "1"]), ColumnType::String);
        assert_eq!(kind_of(&["1e999", "1"]), ColumnType::String);
    }
}
