//! The eleven steps of the flow: what each waits for, and what it says meanwhile and when it is done.

use azureml_operator_tests::api;
use serde_json::Value;

/// The steps' titles, in the order of the flow.
pub const TITLES: [&str; 11] = [
    "Connect to the workspace",
    "Share the workspace",
    "Register the dataset",
    "Define the pipeline",
    "Run it",
    "Complete the run, best model",
    "Register the model",
    "Deploy the best model",
    "Log its requests",
    "Describe it by swagger",
    "Consume it by HTTP",
];

/// The objects of the flow as they are at one moment; what is not there is null.
#[derive(Debug, Default)]
pub struct Snapshot {
    pub workspace: Value,
    pub compute: Value,
    pub dataset: Value,
    pub pipeline: Value,
    pub run: Value,
    pub model: Value,
    pub endpoint: Value,
    pub swagger: Value,
    pub secret: Value,
}

/// Where a step stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing is to be seen of it.
    Waiting,
    /// It goes on; with what there is to say.
    Doing(String),
    /// It has happened; with what there is to say.
    Done(String),
}

use Progress::{Doing, Done, Waiting};

/// Where each step stands that Kubernetes objects tell of; steps 9 and 11 are the client's.
pub fn progress(step: usize, seen: &Snapshot) -> Progress {
    match step {
        1 => workspace(&seen.workspace),
        2 => shared(&seen.workspace),
        3 => dataset(&seen.dataset),
        4 => pipeline(&seen.pipeline, &seen.compute),
        5 => run(&seen.run),
        6 => completed(&seen.run),
        7 => model(&seen.model),
        8 => endpoint(&seen.endpoint),
        10 => swagger(&seen.endpoint, &seen.swagger),
        _ => Waiting,
    }
}

fn text<'a>(object: &'a Value, path: &str) -> &'a str {
    object.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

/// The reason and message of an object that is not ready yet.
fn standing(object: &Value) -> Progress {
    match api::condition(object, "Ready") {
        None => Waiting,
        Some(ready) => Doing(format!("{}: {}", text(ready, "/reason"), short(text(ready, "/message")))),
    }
}

fn short(message: &str) -> String {
    let mut short: String = message.chars().take(100).collect();
    if short.len() < message.len() {
        short.push('…');
    }
    short
}

fn workspace(object: &Value) -> Progress {
    if !api::ready(object) {
        return standing(object);
    }
    let name = text(object, "/status/azureName");
    Done(format!("{name} in {}, by the service principal of the Secret", text(object, "/status/location")))
}

fn shared(object: &Value) -> Progress {
    let wanted = object.pointer("/spec/access").and_then(Value::as_array).map_or(0, Vec::len);
    let made = object.pointer("/status/access").and_then(Value::as_array).cloned().unwrap_or_default();
    let all = wanted > 0 && made.len() == wanted && made.iter().all(|entry| !text(entry, "/id").is_empty());
    // The status names an assignment by the id that it is to have: it is made when the workspace is ready.
    if !all || !api::ready(object) {
        return if made.is_empty() { Waiting } else { Doing(format!("{} of {wanted}", made.len())) };
    }
    let each = made.iter().map(|entry| format!("{} for {}", text(entry, "/role"), text(entry, "/principalId")));
    Done(each.collect::<Vec<_>>().join(", "))
}

fn dataset(object: &Value) -> Progress {
    if !api::ready(object) {
        return standing(object);
    }
    let bytes = object.pointer("/status/sizeBytes").and_then(Value::as_i64).unwrap_or_default();
    let columns = object.pointer("/status/columns").and_then(Value::as_array).map_or(0, Vec::len);
    Done(format!("version {}, {bytes} bytes, {columns} columns", text(object, "/status/version")))
}

fn pipeline(object: &Value, compute: &Value) -> Progress {
    if !api::ready(compute) {
        return standing(compute);
    }
    if !api::ready(object) {
        return standing(object);
    }
    let cluster = text(compute, "/metadata/name");
    Done(format!("definition {} on cluster {cluster}", text(object, "/status/specHash")))
}

fn run(object: &Value) -> Progress {
    match text(object, "/status/phase") {
        "" => Waiting,
        phase @ ("Pending" | "Submitted") => Doing(phase.to_owned()),
        _ => Done(format!("job {}, because of {}", text(object, "/status/job/name"), text(object, "/status/cause"))),
    }
}

fn completed(object: &Value) -> Progress {
    let best = &object["status"]["best"];
    if api::is(object, "Finished", "True") && text(object, "/status/phase") == "Succeeded" && best.is_object() {
        return Done(format!(
            "{} models, best {} by {}",
            trials(object).len(),
            text(best, "/score"),
            text(best, "/algorithm")
        ));
    }
    match text(object, "/status/phase") {
        "" | "Pending" | "Submitted" => Waiting,
        phase => Doing(format!("{phase}, {} models so far", trials(object).len())),
    }
}

/// The trials of a run, best first.
pub fn trials(run: &Value) -> Vec<Value> {
    run.pointer("/status/trials").and_then(Value::as_array).cloned().unwrap_or_default()
}

fn model(object: &Value) -> Progress {
    let approved = &object["status"]["approved"];
    if !api::ready(object) || !approved.is_object() {
        return standing(object);
    }
    let metrics = approved["metrics"].as_object().cloned().unwrap_or_default();
    let metrics = metrics.iter().map(|(name, value)| format!("{name} {}", value.as_str().unwrap_or_default()));
    let (version, run) = (text(approved, "/version"), text(approved, "/run"));
    Done(format!("version {version} of run {run}, approved: {}", metrics.collect::<Vec<_>>().join(", ")))
}

fn endpoint(object: &Value) -> Progress {
    let stable = &object["status"]["stable"];
    if !api::ready(object) || !stable.is_object() {
        return standing(object);
    }
    Done(format!("model version {}, traffic {}", text(stable, "/modelVersion"), text(object, "/status/trafficSummary")))
}

fn swagger(endpoint: &Value, map: &Value) -> Progress {
    let columns = columns(map);
    let digest = text(endpoint, "/status/swaggerDigest");
    if columns.is_empty() || digest.is_empty() {
        return Waiting;
    }
    let digest: String = digest.chars().take(12).collect();
    Done(format!("{} columns, digest {digest}", columns.len()))
}

/// The input columns that a swagger document describes, with their types.
pub fn columns(map: &Value) -> Vec<(String, String)> {
    let document = map.pointer("/data/swagger.json").and_then(Value::as_str).unwrap_or_default();
    let document: Value = serde_json::from_str(document).unwrap_or_default();
    let row = document.pointer("/definitions/Row/properties").and_then(Value::as_object).cloned().unwrap_or_default();
    row.iter().map(|(name, schema)| (name.clone(), text(schema, "/type").to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn with(kind: &str, status: &str, rest: &Value) -> Value {
        let condition = json!({"type": kind, "status": status, "observedGeneration": 1, "reason": "R", "message": "m"});
        let mut object = json!({"metadata": {"generation": 1}, "status": rest});
        object["status"]["conditions"] = json!([condition]);
        object
    }

    #[test]
    fn nothing_is_done_before_there_is_anything() {
        let nothing = Snapshot::default();
        assert!((1..=11).all(|step| progress(step, &nothing) == Waiting));
    }

    #[test]
    fn what_is_not_ready_tells_why() {
        let seen = Snapshot { dataset: with("Ready", "False", &json!({})), ..Snapshot::default() };
        assert_eq!(progress(3, &seen), Doing("R: m".to_owned()));
    }

    #[test]
    fn a_ready_model_without_an_approved_version_is_not_registered() {
        let seen = Snapshot { model: with("Ready", "True", &json!({})), ..Snapshot::default() };
        assert!(matches!(progress(7, &seen), Doing(_)));
        let approved = json!({"approved": {"version": "1", "run": "r", "metrics": {"AUC_weighted": "0.95"}}});
        let seen = Snapshot { model: with("Ready", "True", &approved), ..Snapshot::default() };
        assert_eq!(progress(7, &seen), Done("version 1 of run r, approved: AUC_weighted 0.95".to_owned()));
    }

    #[test]
    fn a_failed_run_is_not_completed() {
        let failed = json!({"phase": "Failed", "trials": [], "best": {"score": "1", "algorithm": "a"}});
        let seen = Snapshot { run: with("Finished", "True", &failed), ..Snapshot::default() };
        assert!(matches!(progress(6, &seen), Doing(_)));
    }

    #[test]
    fn swagger_needs_columns_and_the_digest() {
        let document = json!({"definitions": {"Row": {"properties": {"age": {"type": "integer"}}}}});
        let map = json!({"data": {"swagger.json": document.to_string()}});
        assert_eq!(columns(&map), [("age".to_owned(), "integer".to_owned())]);
        assert_eq!(swagger(&Value::Null, &map), Waiting);
        let endpoint = json!({"status": {"swaggerDigest": "0123456789abcdef"}});
        assert_eq!(swagger(&endpoint, &map), Done("1 columns, digest 0123456789ab".to_owned()));
    }
}
