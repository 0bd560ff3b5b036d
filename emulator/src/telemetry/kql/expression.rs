//! Expressions over one row.

use super::{KqlError, Row};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    Constant(Value),
    /// A column, and the keys within it.
    Column(Vec<String>),
    /// `ago(1h)`
    Ago(f64),
    Now,
    Compare(&'static str, Box<Self>, Box<Self>),
    OneOf(Box<Self>, Vec<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Not(Box<Self>),
    /// `bin(timestamp, 5m)`
    Bin(Box<Self>, f64),
    /// `tostring`, `toint` and their like.
    Cast(&'static str, Box<Self>),
    Empty(Box<Self>),
}

impl Expression {
    /// The value for a row.
    pub(super) fn value(&self, row: &Row, now: Timestamp) -> Value {
        match self {
            Self::Constant(value) => value.clone(),
            Self::Column(path) => column(row, path),
            Self::Now => Value::from(now.to_string()),
            Self::Ago(seconds) => {
                let past = now.checked_sub(SignedDuration::from_secs_f64(*seconds)).unwrap_or(Timestamp::MIN);
                Value::from(past.to_string())
            }
            Self::Compare(operator, left, right) => {
                Value::from(compare(operator, &left.value(row, now), &right.value(row, now)))
            }
            Self::OneOf(of, list) => {
                let wanted = of.value(row, now);
                Value::from(list.iter().any(|item| compare("==", &wanted, &item.value(row, now))))
            }
            Self::And(left, right) => Value::from(left.holds(row, now) && right.holds(row, now)),
            Self::Or(left, right) => Value::from(left.holds(row, now) || right.holds(row, now)),
            Self::Not(inner) => Value::from(!inner.holds(row, now)),
            Self::Bin(of, width) => bin(&of.value(row, now), *width),
            Self::Cast(to, of) => cast(to, of.value(row, now)),
            Self::Empty(of) => Value::from(matches!(of.value(row, now), Value::Null) || of.value(row, now) == ""),
        }
    }

    /// Whether a row meets a condition.
    pub(super) fn holds(&self, row: &Row, now: Timestamp) -> bool {
        self.value(row, now) == Value::Bool(true)
    }

    /// The name a column has that is given none.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Column(path) => path.last().map(String::as_str),
            Self::Cast(_, of) | Self::Bin(of, _) => of.name(),
            _ => None,
        }
    }

    /// All columns it reads.
    pub(super) fn check(&self, columns: &[String]) -> Result<(), KqlError> {
        match self {
            Self::Column(path) => match path.first() {
                Some(first) if !columns.contains(first) => Err(KqlError::UnknownColumn(first.clone())),
                _ => Ok(()),
            },
            Self::Compare(_, left, right) | Self::And(left, right) | Self::Or(left, right) => {
                left.check(columns)?;
                right.check(columns)
            }
            Self::OneOf(of, list) => {
                of.check(columns)?;
                list.iter().try_for_each(|item| item.check(columns))
            }
            Self::Not(of) | Self::Bin(of, _) | Self::Cast(_, of) | Self::Empty(of) => of.check(columns),
            Self::Constant(_) | Self::Ago(_) | Self::Now => Ok(()),
        }
    }
}

fn column(row: &Row, path: &[String]) -> Value {
    let mut names = path.iter();
    let mut value = names.next().and_then(|name| row.get(name)).cloned().unwrap_or_default();
    for name in names {
        value = value.get(name).cloned().unwrap_or_default();
    }
    value
}

fn instant(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

/// The order of two values: as instants, as numbers, or as text.
pub(super) fn order(left: &Value, right: &Value) -> std::cmp::Ordering {
    if let (Some(left), Some(right)) = (instant(left), instant(right)) {
        return left.cmp(&right);
    }
    if let (Some(left), Some(right)) = (number(left), number(right)) {
        return left.total_cmp(&right);
    }
    text(left).cmp(&text(right))
}

pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        other => other.to_string(),
    }
}

fn compare(operator: &str, left: &Value, right: &Value) -> bool {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let lower = |value: &Value| text(value).to_lowercase();
    match operator {
        "==" => order(left, right) == Equal,
        "!=" => order(left, right) != Equal,
        "<" => !left.is_null() && order(left, right) == Less,
        "<=" => !left.is_null() && order(left, right) != Greater,
        ">" => !left.is_null() && order(left, right) == Greater,
        ">=" => !left.is_null() && order(left, right) != Less,
        "=~" => lower(left) == lower(right),
        "!~" => lower(left) != lower(right),
        "contains" | "has" => lower(left).contains(&lower(right)),
        "startswith" => lower(left).starts_with(&lower(right)),
        "endswith" => lower(left).ends_with(&lower(right)),
        _ => false,
    }
}

fn bin(value: &Value, width: f64) -> Value {
    let down = |number: f64| (number / width).floor() * width;
    match (instant(value), number(value)) {
        (Some(at), _) => {
            let seconds = down(at.as_millisecond() as f64 / 1000.0);
            let floored = Timestamp::from_millisecond((seconds * 1000.0) as i64);
            floored.map_or(Value::Null, |at| Value::from(at.to_string()))
        }
        (None, Some(number)) => Value::from(down(number)),
        (None, None) => Value::Null,
    }
}

fn cast(to: &str, value: Value) -> Value {
    match to {
        "string" => Value::from(text(&value)),
        "int" => number(&value).map_or(Value::Null, |n| Value::from(n as i64)),
        "real" => number(&value).map_or(Value::Null, Value::from),
        _ => value,
    }
}
