//! A subset of the Kusto query language: where, project, extend, summarize, order, top, take and count.
//!
//! Operators and functions outside of it are refused by name, never ignored.

mod expression;
mod lexer;
mod parse;

use jiff::Timestamp;
use parse::{Measure, Step};
use serde_json::{Map, Value};

/// A row: values by column.
pub(crate) type Row = Map<String, Value>;

/// Why a query is not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KqlError {
    #[error("{0}")]
    Syntax(String),
    #[error(
        "'{0}' is not known here: where, project, extend, summarize (count, countif, dcount, avg, sum, min, max, percentile), order, top, take and count are"
    )]
    Operator(String),
    #[error("'{0}' does not refer to any known column")]
    UnknownColumn(String),
    #[error("'{0}' does not refer to any known table")]
    UnknownTable(String),
}

/// Named columns, and rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Rows {
    /// In order.
    pub(crate) columns: Vec<String>,
    /// The rows.
    pub(crate) rows: Vec<Row>,
}

/// Answers a query over the tables that `table` gives by name.
pub(crate) fn answer(query: &str, now: Timestamp, table: impl Fn(&str) -> Option<Rows>) -> Result<Rows, KqlError> {
    let query = parse::query(&lexer::tokens(query)?)?;
    let mut rows = table(&query.table).ok_or(KqlError::UnknownTable(query.table))?;
    for step in &query.steps {
        rows = apply(step, rows, now)?;
    }
    Ok(rows)
}

fn apply(step: &Step, mut given: Rows, now: Timestamp) -> Result<Rows, KqlError> {
    match step {
        Step::Where(condition) => {
            condition.check(&given.columns)?;
            given.rows.retain(|row| condition.holds(row, now));
        }
        Step::Take(count) => given.rows.truncate(*count),
        Step::Count => {
            let row = Row::from_iter([("Count".to_owned(), Value::from(given.rows.len()))]);
            given = Rows { columns: vec!["Count".to_owned()], rows: vec![row] };
        }
        Step::Project(columns) => {
            columns.iter().try_for_each(|(_, value)| value.check(&given.columns))?;
            let project =
                |row: &Row| columns.iter().map(|(name, value)| (name.clone(), value.value(row, now))).collect();
            let rows = given.rows.iter().map(project).collect();
            given = Rows { columns: columns.iter().map(|(name, _)| name.clone()).collect(), rows };
        }
        Step::Extend(columns) => {
            for (name, value) in columns {
                value.check(&given.columns)?;
                for row in &mut given.rows {
                    let extended = value.value(row, now);
                    row.insert(name.clone(), extended);
                }
                if !given.columns.contains(name) {
                    given.columns.push(name.clone());
                }
            }
        }
        Step::Order(by) => {
            by.iter().try_for_each(|(value, _)| value.check(&given.columns))?;
            given.rows.sort_by(|a, b| {
                by.iter().fold(std::cmp::Ordering::Equal, |so_far, (value, descending)| {
                    let order = expression::order(&value.value(a, now), &value.value(b, now));
                    so_far.then(if *descending { order.reverse() } else { order })
                })
            });
        }
        Step::Summarize { measures, by } => {
            by.iter().try_for_each(|(_, value)| value.check(&given.columns))?;
            given = summarize(measures, by, &given, now);
        }
    }
    Ok(given)
}

type Keyed = (Vec<Value>, Vec<Row>);

fn summarize(
    measures: &[(String, Measure)],
    by: &[(String, expression::Expression)],
    given: &Rows,
    now: Timestamp,
) -> Rows {
    let mut groups: Vec<Keyed> = Vec::new();
    if by.is_empty() {
        groups.push((Vec::new(), Vec::new()));
    }
    for row in &given.rows {
        let key: Vec<Value> = by.iter().map(|(_, value)| value.value(row, now)).collect();
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, rows)) => rows.push(row.clone()),
            None => groups.push((key, vec![row.clone()])),
        }
    }
    let rows = groups.into_iter().map(|(key, rows)| {
        let keys = by.iter().map(|(name, _)| name.clone()).zip(key);
        let values = measures.iter().map(|(name, measure)| (name.clone(), measured(measure, &rows, now)));
        keys.chain(values).collect()
    });
    let columns = by.iter().map(|(name, _)| name).chain(measures.iter().map(|(name, _)| name)).cloned().collect();
    Rows { columns, rows: rows.collect() }
}

fn measured(measure: &Measure, rows: &[Row], now: Timestamp) -> Value {
    let values = |of: &expression::Expression| -> Vec<Value> {
        rows.iter().map(|row| of.value(row, now)).filter(|value| !value.is_null()).collect()
    };
    let numbers = |of| -> Vec<f64> { values(of).iter().filter_map(Value::as_f64).collect() };
    match measure {
        Measure::Count => Value::from(rows.len()),
        Measure::CountIf(condition) => Value::from(rows.iter().filter(|row| condition.holds(row, now)).count()),
        Measure::Distinct(of) => {
            let distinct: std::collections::BTreeSet<String> = values(of).iter().map(expression::text).collect();
            Value::from(distinct.len())
        }
        Measure::Sum(of) => Value::from(numbers(of).iter().sum::<f64>()),
        Measure::Avg(of) => {
            let numbers = numbers(of);
            if numbers.is_empty() {
                Value::Null
            } else {
                Value::from(numbers.iter().sum::<f64>() / numbers.len() as f64)
            }
        }
        Measure::Min(of) => values(of).into_iter().min_by(expression::order).unwrap_or_default(),
        Measure::Max(of) => values(of).into_iter().max_by(expression::order).unwrap_or_default(),
        Measure::Percentile(of, percent) => {
            let mut numbers = numbers(of);
            numbers.sort_by(f64::total_cmp);
            // The nearest rank.
            let rank = (percent / 100.0 * numbers.len() as f64).ceil().max(1.0) as usize - 1;
            numbers.get(rank).map_or(Value::Null, |number| Value::from(*number))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ask(query: &str) -> Result<Rows, KqlError> {
        let now: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
        let rows: Vec<Row> = [
            ("2026-01-01T11:59:00Z", "blue", "200", 10.0),
            ("2026-01-01T11:58:00Z", "blue", "500", 30.0),
            ("2026-01-01T09:00:00Z", "green", "200", 20.0),
        ]
        .into_iter()
        .map(|(at, deployment, code, duration)| {
            let row = json!({"timestamp": at, "resultCode": code, "duration": duration, "customDimensions": {"Deployment Name": deployment, "D": deployment}});
            row.as_object().unwrap().clone()
        })
        .collect();
        let columns = ["timestamp", "resultCode", "duration", "customDimensions"].map(str::to_owned).to_vec();
        answer(query, now, |name| (name == "requests").then(|| Rows { columns: columns.clone(), rows: rows.clone() }))
    }

    #[test]
    fn rows_are_chosen_and_shaped() {
        let found = ask("requests | where timestamp > ago(1h) and customDimensions.D == 'blue' | project timestamp, code = toint(resultCode) | order by timestamp asc | take 1").unwrap();
        assert_eq!(found.columns, ["timestamp", "code"]);
        assert_eq!(found.rows.len(), 1);
        assert_eq!(found.rows[0]["code"], 500);
        let quoted = ask("requests | where customDimensions[\"Deployment Name\"] contains \"GREE\" | count").unwrap();
        assert_eq!(quoted.rows[0]["Count"], 1);
    }

    #[test]
    fn groups_are_measured() {
        let found = ask("requests | summarize n = count(), avg(duration), p = percentile(duration, 95), bad = countif(resultCode startswith '5') by D = tostring(customDimensions.D)").unwrap();
        assert_eq!(found.columns, ["D", "n", "avg_duration", "p", "bad"]);
        let blue = &found.rows[0];
        assert_eq!(
            (&blue["n"], &blue["avg_duration"], &blue["p"], &blue["bad"]),
            (&json!(2), &json!(20.0), &json!(30.0), &json!(1))
        );
        assert_eq!(ask("requests | where resultCode == 'none' | summarize count()").unwrap().rows[0]["count_"], 0);
        assert_eq!(ask("requests | summarize count() by bin(timestamp, 1h)").unwrap().rows.len(), 2);
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        assert_eq!(ask("traces"), Err(KqlError::UnknownTable("traces".into())));
        assert_eq!(ask("requests | where nope == 1"), Err(KqlError::UnknownColumn("nope".into())));
        assert_eq!(ask("requests | join x"), Err(KqlError::Operator("join".into())));
        assert!(matches!(ask("requests | where 'a"), Err(KqlError::Syntax(_))));
    }
}
