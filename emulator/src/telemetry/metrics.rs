//! Azure Monitor's metrics of endpoints and deployments, from the requests that came ("Supported metrics",
//! learn.microsoft.com): a sample a minute, put together over larger intervals.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A request that came to an endpoint.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Measured {
    pub(crate) at: Timestamp,
    pub(crate) endpoint: String,
    /// Empty when it reached none.
    pub(crate) deployment: String,
    pub(crate) status: u16,
    /// The model's own, when it answered.
    pub(crate) model_status: Option<u16>,
    pub(crate) milliseconds: f64,
    /// A copy, whose answer nobody gets.
    pub(crate) mirrored: bool,
}

/// What is measured: an endpoint, or one of its deployments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scope<'a> {
    pub(crate) endpoint: &'a str,
    pub(crate) deployment: Option<&'a str>,
}

impl Scope<'_> {
    fn holds(&self, request: &Measured) -> bool {
        request.endpoint.eq_ignore_ascii_case(self.endpoint)
            && match self.deployment {
                Some(deployment) => request.deployment.eq_ignore_ascii_case(deployment),
                // Copies are counted with the deployment that gets them, not with the endpoint.
                None => !request.mirrored,
            }
    }

    /// By what a metric can be told apart here.
    pub(crate) fn dimensions(&self, metric: &str) -> &'static [&'static str] {
        match (self.deployment.is_some(), metric) {
            (false, "RequestsPerMinute") => &["deployment", "statusCode", "statusCodeClass", "modelStatusCode"],
            (false, _) => &["deployment"],
            (true, "RequestsPerMinute") => &["envoy_response_code"],
            (true, _) => &[],
        }
    }
}

/// Metrics with their units.
pub(crate) const METRICS: [(&str, &str, &str); 6] = [
    ("RequestsPerMinute", "Count", "Requests Per Minute"),
    ("RequestLatency", "Milliseconds", "Request Latency"),
    ("RequestLatency_P50", "Milliseconds", "Request Latency P50"),
    ("RequestLatency_P90", "Milliseconds", "Request Latency P90"),
    ("RequestLatency_P95", "Milliseconds", "Request Latency P95"),
    ("RequestLatency_P99", "Milliseconds", "Request Latency P99"),
];

const AGGREGATIONS: [&str; 5] = ["average", "minimum", "maximum", "total", "count"];

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MetricsError {
    #[error("Failed to find metric configuration for metric: {0}. Valid metrics: {known}", known = METRICS.map(|(name, ..)| name).join(","))]
    Metric(String),
    #[error(
        "Metric: {metric} does not support requested dimension combination: {dimension}, supported ones are: {known}"
    )]
    Dimension { metric: String, dimension: String, known: String },
    #[error("The filter can't be read: '{0}'. It is made of dimension eq 'value', put together by and and or")]
    Filter(String),
    #[error("The timespan '{0}' is not two times with a slash between them, nor a duration")]
    Timespan(String),
    #[error("The interval '{0}' is none of PT1M, PT5M, PT15M, PT30M, PT1H, PT6H, PT12H, P1D, FULL")]
    Interval(String),
    #[error("The aggregation '{0}' is none of Average, Minimum, Maximum, Total, Count")]
    Aggregation(String),
}

/// A question.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Question {
    pub(crate) metrics: Vec<&'static str>,
    aggregations: Vec<&'static str>,
    /// Dimensions, with the values that are wanted; all when there are none.
    filter: BTreeMap<&'static str, BTreeSet<String>>,
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    interval: SignedDuration,
    pub(crate) interval_text: String,
}

impl Question {
    /// From a query, keys in lower case; the last hour minute by minute unless it says otherwise.
    pub(crate) fn read(
        query: &BTreeMap<String, String>,
        scope: &Scope<'_>,
        now: Timestamp,
    ) -> Result<Self, MetricsError> {
        let text = |key: &str| query.get(key).map(String::as_str).filter(|text| !text.is_empty());
        let list = |key: &str, otherwise: &str| -> Vec<String> {
            text(key).unwrap_or(otherwise).split(',').map(|part| part.trim().to_owned()).collect()
        };
        let metric = |name: String| {
            let known = METRICS.into_iter().map(|(known, ..)| known).find(|known| known.eq_ignore_ascii_case(&name));
            known.ok_or(MetricsError::Metric(name))
        };
        let metrics: Vec<_> =
            list("metricnames", "RequestsPerMinute").into_iter().map(metric).collect::<Result<_, _>>()?;
        let aggregation = |name: String| {
            let known = AGGREGATIONS.into_iter().find(|known| known.eq_ignore_ascii_case(&name));
            known.ok_or(MetricsError::Aggregation(name))
        };
        let aggregations = list("aggregation", "average").into_iter().map(aggregation).collect::<Result<_, _>>()?;
        let filter = filter(text("$filter").unwrap_or_default(), &metrics, scope)?;
        let (from, to) = timespan(text("timespan"), now)?;
        let interval_text = text("interval").unwrap_or("PT1M").to_ascii_uppercase();
        let interval = match interval_text.as_str() {
            "FULL" => to.duration_since(from),
            "PT1M" | "PT5M" | "PT15M" | "PT30M" | "PT1H" | "PT6H" | "PT12H" | "P1D" => {
                duration(&interval_text).ok_or_else(|| MetricsError::Interval(interval_text.clone()))?
            }
            _ => return Err(MetricsError::Interval(interval_text)),
        };
        Ok(Self { metrics, aggregations, filter, from, to, interval, interval_text })
    }

    /// The series of a metric as Azure Monitor shows them, from the requests that it has seen.
    pub(crate) fn series<'a>(
        &self,
        metric: &str,
        scope: &Scope<'_>,
        seen: impl Iterator<Item = &'a Measured>,
    ) -> Vec<Value> {
        let mut series: BTreeMap<Vec<String>, Vec<&Measured>> = BTreeMap::new();
        if self.filter.is_empty() {
            series.entry(Vec::new()).or_default();
        }
        for request in seen.filter(|request| scope.holds(request) && request.at >= self.from && request.at < self.to) {
            let values: Vec<String> = self.filter.keys().map(|name| value_of(request, name)).collect();
            let wanted = self.filter.values().zip(&values);
            if wanted
                .into_iter()
                .all(|(wanted, value)| wanted.is_empty() || wanted.contains(&value.to_ascii_lowercase()))
            {
                series.entry(values).or_default().push(request);
            }
        }
        let shown = series.into_iter().map(|(values, requests)| {
            let metadata: Vec<Value> = self
                .filter
                .keys()
                .zip(&values)
                .map(|(name, value)| json!({"name": {"value": name, "localizedValue": name}, "value": value}))
                .collect();
            json!({"metadatavalues": metadata, "data": self.points(metric, &requests)})
        });
        shown.collect()
    }

    fn points(&self, metric: &str, requests: &[&Measured]) -> Vec<Value> {
        let mut minutes: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
        for request in requests {
            minutes.entry(request.at.as_second().div_euclid(60)).or_default().push(request.milliseconds);
        }
        let samples: Vec<(i64, f64)> =
            minutes.into_iter().map(|(minute, mut took)| (minute * 60, sample(metric, &mut took))).collect();
        let mut points = Vec::new();
        let mut start = self.from;
        while start < self.to && !self.interval.is_zero() {
            let end = start.checked_add(self.interval).unwrap_or(self.to).min(self.to);
            let within: Vec<f64> = samples
                .iter()
                .filter(|(at, _)| {
                    // A minute belongs where it ends: the first one may have begun before the timespan.
                    let last = at + 59;
                    last >= start.as_second() && (last < end.as_second() || end == self.to && *at < end.as_second())
                })
                .map(|(_, value)| *value)
                .collect();
            points.push(self.point(start, &within));
            start = end;
        }
        points
    }

    fn point(&self, at: Timestamp, samples: &[f64]) -> Value {
        let mut point = Map::new();
        point.insert("timeStamp".to_owned(), Value::from(at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()));
        let total: f64 = samples.iter().sum();
        for name in self.aggregations.iter().filter(|_| !samples.is_empty()) {
            let value = match *name {
                "average" => total / samples.len() as f64,
                "minimum" => samples.iter().copied().fold(f64::INFINITY, f64::min),
                "maximum" => samples.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                "total" => total,
                _ => samples.len() as f64,
            };
            point.insert((*name).to_owned(), Value::from(value));
        }
        Value::Object(point)
    }
}

/// A minute's sample.
fn sample(metric: &str, took: &mut [f64]) -> f64 {
    took.sort_by(f64::total_cmp);
    let rank = |percent: usize| {
        let at = (took.len() * percent).div_ceil(100).saturating_sub(1);
        took.get(at).copied().unwrap_or_default()
    };
    match metric.rsplit_once("_P").and_then(|(_, percent)| percent.parse().ok()) {
        Some(percent) => rank(percent),
        None if metric == "RequestsPerMinute" => took.len() as f64,
        None => took.iter().sum::<f64>() / took.len().max(1) as f64,
    }
}

fn value_of(request: &Measured, dimension: &str) -> String {
    match dimension {
        "deployment" => request.deployment.clone(),
        "statusCodeClass" => format!("{}xx", request.status / 100),
        "modelStatusCode" => request.model_status.map_or_else(String::new, |status| status.to_string()),
        _ => request.status.to_string(),
    }
}

fn filter(
    text: &str,
    metrics: &[&'static str],
    scope: &Scope<'_>,
) -> Result<BTreeMap<&'static str, BTreeSet<String>>, MetricsError> {
    let mut found: BTreeMap<&'static str, BTreeSet<String>> = BTreeMap::new();
    let plain = text.replace(" AND ", " and ").replace(" OR ", " or ");
    for clause in plain.split(" and ").flat_map(|part| part.split(" or ")).filter(|clause| !clause.trim().is_empty()) {
        let clause = clause.trim().trim_matches(['(', ')']).trim();
        let unread = || MetricsError::Filter(clause.to_owned());
        let (name, value) = clause.split_once(" eq ").ok_or_else(unread)?;
        let value = value.trim().strip_prefix('\'').and_then(|value| value.strip_suffix('\'')).ok_or_else(unread)?;
        let mut known = None;
        for metric in metrics {
            let all = scope.dimensions(metric);
            known = all.iter().find(|known| known.eq_ignore_ascii_case(name.trim()));
            if known.is_none() {
                let (metric, dimension) = ((*metric).to_owned(), name.trim().to_owned());
                return Err(MetricsError::Dimension { metric, dimension, known: all.join(",") });
            }
        }
        let values = found.entry(known.copied().unwrap_or_default()).or_default();
        if value != "*" {
            values.insert(value.to_ascii_lowercase());
        }
    }
    Ok(found)
}

fn duration(text: &str) -> Option<SignedDuration> {
    crate::automl::request::iso_duration(text).and_then(|duration| SignedDuration::try_from(duration).ok())
}

fn timespan(text: Option<&str>, now: Timestamp) -> Result<(Timestamp, Timestamp), MetricsError> {
    let back = |by: SignedDuration| now.checked_sub(by).unwrap_or(now);
    let Some(text) = text else { return Ok((back(SignedDuration::from_hours(1)), now)) };
    let unread = || MetricsError::Timespan(text.to_owned());
    let Some((from, to)) = text.split_once('/') else {
        return duration(text).map(|by| (back(by), now)).ok_or_else(unread);
    };
    let (from, to): (Timestamp, Timestamp) = (from.parse().map_err(|_| unread())?, to.parse().map_err(|_| unread())?);
    if from < to { Ok((from, to)) } else { Err(unread()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn request(second: &str, deployment: &str, status: u16, milliseconds: f64) -> Measured {
        Measured {
            at: at(&format!("2026-01-01T00:{second}Z")),
            endpoint: "bank".into(),
            deployment: deployment.into(),
            status,
            model_status: (status == 200).then_some(200),
            milliseconds,
            mirrored: deployment == "copy",
        }
    }

    fn ask(query: &[(&str, &str)], scope: Scope<'_>) -> Result<Vec<Value>, MetricsError> {
        let requests = [
            request("00:10", "blue", 200, 10.0),
            request("00:20", "blue", 200, 20.0),
            request("00:30", "green", 424, 30.0),
            request("02:00", "blue", 200, 40.0),
            request("02:01", "copy", 200, 50.0),
        ];
        let mut query: BTreeMap<String, String> =
            query.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        query.entry("timespan".into()).or_insert("2026-01-01T00:00:00Z/2026-01-01T00:05:00Z".into());
        let question = Question::read(&query, &scope, at("2026-01-01T01:00:00Z"))?;
        Ok(question.metrics.iter().flat_map(|metric| question.series(metric, &scope, requests.iter())).collect())
    }

    const ENDPOINT: Scope<'_> = Scope { endpoint: "Bank", deployment: None };

    #[test]
    fn a_minute_is_a_sample() {
        let series = ask(&[("aggregation", "Average,Total")], ENDPOINT).unwrap();
        let data = series[0]["data"].as_array().unwrap();
        assert_eq!((series.len(), data.len()), (1, 5));
        assert_eq!(data[0], json!({"timeStamp": "2026-01-01T00:00:00Z", "average": 3.0, "total": 3.0}));
        assert_eq!(data[1], json!({"timeStamp": "2026-01-01T00:01:00Z"}));
        assert_eq!(data[2]["total"], 1.0, "a copy is not counted with the endpoint");
        let whole = ask(&[("aggregation", "average,total,count,maximum"), ("interval", "FULL")], ENDPOINT).unwrap();
        let expected =
            json!({"timeStamp": "2026-01-01T00:00:00Z", "average": 2.0, "total": 4.0, "count": 2.0, "maximum": 3.0});
        assert_eq!(whole[0]["data"], json!([expected]));
    }

    #[test]
    fn percentiles_are_those_of_the_requests() {
        let latency = |metric: &str| {
            ask(&[("metricnames", metric)], ENDPOINT).unwrap()[0]["data"][0]["average"].as_f64().unwrap()
        };
        assert_eq!(
            [latency("RequestLatency_P50"), latency("RequestLatency_P99"), latency("RequestLatency")],
            [20.0, 30.0, 20.0]
        );
        let blue = Scope { deployment: Some("blue"), ..ENDPOINT };
        assert_eq!(ask(&[("metricnames", "RequestLatency_P95")], blue).unwrap()[0]["data"][0]["average"], 20.0);
        let copy = Scope { deployment: Some("copy"), ..ENDPOINT };
        assert_eq!(ask(&[], copy).unwrap()[0]["data"][2]["average"], 1.0);
    }

    #[test]
    fn dimensions_part_the_series() {
        let by = |filter: &str| {
            ask(&[("$filter", filter), ("interval", "FULL"), ("aggregation", "total")], ENDPOINT).unwrap()
        };
        let split = by("deployment eq '*' and statusCodeClass eq '*'");
        let shown: Vec<(String, String, f64)> = split
            .iter()
            .map(|series| {
                let text = |at: usize| series["metadatavalues"][at]["value"].as_str().unwrap().to_owned();
                (text(0), text(1), series["data"][0]["total"].as_f64().unwrap())
            })
            .collect();
        assert_eq!(shown, [("blue".into(), "2xx".into(), 3.0), ("green".into(), "4xx".into(), 1.0)]);
        assert_eq!(by("(deployment eq 'green' or deployment eq 'blue') and statusCode eq '424'").len(), 1);
        assert_eq!(by("deployment eq 'none'"), Vec::<Value>::new());
    }

    #[test]
    fn what_cannot_be_answered_is_refused() {
        let blue = Scope { deployment: Some("blue"), ..ENDPOINT };
        let error = |query: &[(&str, &str)], scope| ask(query, scope).unwrap_err();
        assert!(matches!(error(&[("metricnames", "Happiness")], ENDPOINT), MetricsError::Metric(_)));
        assert!(matches!(error(&[("$filter", "deployment eq '*'")], blue), MetricsError::Dimension { .. }));
        assert!(matches!(error(&[("$filter", "deployment = 'x'")], ENDPOINT), MetricsError::Filter(_)));
        assert!(matches!(error(&[("interval", "PT7M")], ENDPOINT), MetricsError::Interval(_)));
        assert!(matches!(error(&[("timespan", "yesterday")], ENDPOINT), MetricsError::Timespan(_)));
        assert!(matches!(error(&[("aggregation", "Median")], ENDPOINT), MetricsError::Aggregation(_)));
    }
}
