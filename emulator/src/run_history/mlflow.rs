//! Runs as MLflow's REST API shows them, and its searches.

use super::run::{Run, experiment_id};
use serde_json::{Value, json};
use std::cmp::Ordering;

/// A run as `runs/get` shows it; `artifacts` is the address of the workspace's artifacts.
pub(crate) fn run(run: &Run, artifacts: &str) -> Value {
    let at = run.ended.or(run.started).unwrap_or(run.created).as_millisecond();
    let metrics: Vec<Value> = run
        .metrics
        .iter()
        .map(|(key, value)| json!({"key": key, "value": value, "timestamp": at, "step": 0}))
        .collect();
    let pairs = |map: &std::collections::BTreeMap<String, String>| -> Vec<Value> {
        map.iter().map(|(key, value)| json!({"key": key, "value": value})).collect()
    };
    let mut info = json!({
        "run_id": run.id,
        "run_uuid": run.id,
        "run_name": run.display_name.as_deref().unwrap_or(&run.id),
        "experiment_id": run.experiment_id(),
        "user_id": run.created_by,
        "status": run.status.mlflow(),
        "start_time": run.started.unwrap_or(run.created).as_millisecond(),
        "artifact_uri": format!("{artifacts}/experiments/{}/runs/{}/artifacts", run.experiment, run.id),
        "lifecycle_stage": if run.archived { "deleted" } else { "active" },
    });
    if let (Some(ended), Some(info)) = (run.ended, info.as_object_mut()) {
        info.insert("end_time".to_owned(), Value::from(ended.as_millisecond()));
    }
    json!({"info": info, "data": {"metrics": metrics, "params": pairs(&run.params), "tags": pairs(&tags(run))}})
}

fn tags(run: &Run) -> std::collections::BTreeMap<String, String> {
    let mut tags = run.tags.clone();
    let name = run.display_name.as_deref().unwrap_or(&run.id);
    tags.insert("mlflow.runName".to_owned(), name.to_owned());
    tags.insert("mlflow.rootRunId".to_owned(), run.root.clone());
    tags.insert("mlflow.user".to_owned(), run.created_by.clone());
    if let Some(parent) = &run.parent {
        tags.insert("mlflow.parentRunId".to_owned(), parent.clone());
    }
    tags
}

/// A metric's values as `metrics/get-history` shows them.
pub(crate) fn history(run: &Run, key: &str) -> Value {
    let at = run.ended.or(run.started).unwrap_or(run.created).as_millisecond();
    let metrics: Vec<Value> = run
        .metrics
        .get(key)
        .map(|value| json!({"key": key, "value": value, "timestamp": at, "step": 0}))
        .into_iter()
        .collect();
    json!({"metrics": metrics})
}

/// An experiment as `experiments/get-by-name` shows it.
pub(crate) fn experiment(name: &str, artifacts: &str) -> Value {
    json!({"experiment": {
        "experiment_id": experiment_id(name),
        "name": name,
        "artifact_location": format!("{artifacts}/experiments/{name}"),
        "lifecycle_stage": "active",
    }})
}

/// A term of a search's filter.
#[derive(Debug, Clone, PartialEq)]
struct Term {
    key: String,
    operator: &'static str,
    value: String,
}

/// What runs a search is for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Search {
    terms: Vec<Term>,
    /// Keys, each with whether the greatest comes first.
    order: Vec<(String, bool)>,
}

/// A filter that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "Invalid clause(s) in filter string: '{0}'. Write tags.x = 'v', metrics.x > 0.5, params.x = 'v' or attributes.status = 'FINISHED', joined by AND"
)]
pub(crate) struct FilterError(String);

impl Search {
    /// From `filter` and `order_by`.
    pub(crate) fn parse(filter: &str, order_by: &[String]) -> Result<Self, FilterError> {
        let terms = clauses(filter).iter().map(|clause| term(clause)).collect::<Result<_, _>>()?;
        let order = order_by
            .iter()
            .map(|text| {
                let mut words = text.split_whitespace();
                let key = words.next().unwrap_or_default().to_owned();
                (plain(&key), words.next().is_some_and(|word| word.eq_ignore_ascii_case("desc")))
            })
            .collect();
        Ok(Self { terms, order })
    }

    /// Whether a run meets all terms.
    pub(crate) fn holds(&self, run: &Run) -> bool {
        self.terms.iter().all(|term| {
            let Some(found) = value(run, &term.key) else { return false };
            let order = compare(&found, &term.value);
            match term.operator {
                "!=" => order != Ordering::Equal,
                ">=" => order != Ordering::Less,
                "<=" => order != Ordering::Greater,
                ">" => order == Ordering::Greater,
                "<" => order == Ordering::Less,
                "LIKE" => like(&found, &term.value),
                _ => order == Ordering::Equal,
            }
        })
    }

    /// Puts runs in order; what lacks a key comes last.
    pub(crate) fn sort(&self, runs: &mut [Run]) {
        runs.sort_by(|a, b| {
            self.order.iter().fold(Ordering::Equal, |so_far, (key, descending)| {
                so_far.then_with(|| match (value(a, key), value(b, key)) {
                    (Some(a), Some(b)) if *descending => compare(&b, &a),
                    (Some(a), Some(b)) => compare(&a, &b),
                    (a, b) => b.is_some().cmp(&a.is_some()),
                })
            })
        });
    }
}

fn plain(key: &str) -> String {
    key.chars().filter(|c| !matches!(c, '`' | '"')).collect()
}

/// Clauses between the ANDs that stand outside of quotes.
fn clauses(filter: &str) -> Vec<String> {
    let mut clauses = vec![String::new()];
    let mut quoted = None;
    let mut rest = filter;
    while let Some(c) = rest.chars().next() {
        if quoted.is_none() && rest.get(..5).is_some_and(|word| word.eq_ignore_ascii_case(" and ")) {
            clauses.push(String::new());
            rest = rest.get(5..).unwrap_or_default();
            continue;
        }
        match quoted {
            Some(quote) if quote == c => quoted = None,
            None if c == '\'' || c == '"' => quoted = Some(c),
            _ => {}
        }
        if let Some(last) = clauses.last_mut() {
            last.push(c);
        }
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    clauses.retain(|clause| !clause.trim().is_empty());
    clauses
}

fn term(clause: &str) -> Result<Term, FilterError> {
    let wrong = || FilterError(clause.trim().to_owned());
    let place = clause.find(['=', '!', '<', '>']);
    let (key, operator, value) = match place {
        Some(place) => {
            let (key, rest) = clause.split_at(place);
            let operator = ["!=", ">=", "<=", "=", ">", "<"].into_iter().find(|o| rest.starts_with(o));
            let operator = operator.ok_or_else(wrong)?;
            (key, operator, rest.get(operator.len()..).unwrap_or_default())
        }
        None => {
            let place = clause.to_ascii_uppercase().find(" LIKE ").ok_or_else(wrong)?;
            let (key, rest) = clause.split_at(place);
            (key, "LIKE", rest.get(6..).unwrap_or_default())
        }
    };
    let key = plain(key.trim());
    if !["tags.", "tag.", "metrics.", "metric.", "params.", "attributes.", "attribute."]
        .iter()
        .any(|p| key.starts_with(p))
        && !["run_id", "status"].contains(&key.as_str())
    {
        return Err(wrong());
    }
    Ok(Term { key, operator, value: value.trim().trim_matches(['\'', '"']).to_owned() })
}

fn value(run: &Run, key: &str) -> Option<String> {
    let (scope, name) = key.split_once('.').unwrap_or(("attributes", key));
    match scope {
        "tags" | "tag" => tags(run).get(name).cloned(),
        "metrics" | "metric" => run.metrics.get(name).map(f64::to_string),
        "params" | "param" => run.params.get(name).cloned(),
        _ => match name {
            "run_id" => Some(run.id.clone()),
            "status" => Some(run.status.mlflow().to_owned()),
            "start_time" => Some(run.started.unwrap_or(run.created).as_millisecond().to_string()),
            "end_time" => run.ended.map(|at| at.as_millisecond().to_string()),
            "run_name" => Some(run.display_name.clone().unwrap_or_else(|| run.id.clone())),
            _ => None,
        },
    }
}

fn compare(a: &str, b: &str) -> Ordering {
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => a.total_cmp(&b),
        _ => a.cmp(b),
    }
}

/// SQL's LIKE with `%` at either end.
fn like(text: &str, pattern: &str) -> bool {
    let inner = pattern.trim_matches('%');
    match (pattern.starts_with('%'), pattern.ends_with('%')) {
        (true, true) => text.contains(inner),
        (true, false) => text.ends_with(inner),
        (false, true) => text.starts_with(inner),
        (false, false) => text == inner,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_read() {
        let search = Search::parse("tags.mlflow.parentRunId='a and b' AND metrics.`accuracy` >= 0.5", &[]).unwrap();
        assert_eq!(search.terms.len(), 2);
        assert_eq!(search.terms[0].value, "a and b");
        assert_eq!(search.terms[1].key, "metrics.accuracy");
        assert!(Search::parse("nonsense", &[]).is_err());
        let order = Search::parse("", &["metrics.accuracy DESC".to_owned()]).unwrap().order;
        assert_eq!(order, [("metrics.accuracy".to_owned(), true)]);
    }
}
