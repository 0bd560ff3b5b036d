//! What a person needs to see when a test waited in vain.

use std::fmt::Write as _;

use serde_json::Value;

use crate::api::{OURS, readable};
use crate::scenario::Scenario;

/// How many of the newest requests and log lines are shown.
const SHOWN: usize = 40;

/// The objects of the namespace, its events, the newest requests to its Azure, and the ends of both logs.
pub async fn of(scenario: &Scenario) -> String {
    let mut text = String::new();
    section(&mut text, "objects", &objects(scenario).await);
    section(&mut text, "events", &events(scenario).await);
    section(&mut text, "requests to Azure", &requests(scenario).await);
    section(&mut text, "the operator's log", &operator_log(scenario).await);
    section(&mut text, "the emulator's log", &scenario.emulator.tail(10));
    text
}

fn section(text: &mut String, title: &str, content: &str) {
    // Writing to a String can't fail.
    let _ = writeln!(text, "--- {title}\n{content}");
}

async fn objects(scenario: &Scenario) -> String {
    let mut text = String::new();
    for kind in OURS {
        match scenario.api().list(kind, &scenario.namespace).await {
            Ok(objects) => text.extend(objects.iter().map(|object| format!("{}\n", shown(kind, object)))),
            Err(failure) => text.push_str(&failure.to_string()),
        }
    }
    text
}

/// Name and status: the spec is the test's own.
fn shown(kind: &str, object: &Value) -> String {
    let about = serde_json::json!({
        "metadata": {
            "generation": object["metadata"]["generation"],
            "finalizers": object["metadata"]["finalizers"],
            "deletionTimestamp": object["metadata"]["deletionTimestamp"],
            "annotations": object["metadata"]["annotations"],
        },
        "status": object["status"],
    });
    format!("{kind} {}:\n{}", object["metadata"]["name"].as_str().unwrap_or_default(), readable(&about))
}

async fn events(scenario: &Scenario) -> String {
    match scenario.api().list("Event", &scenario.namespace).await {
        Ok(events) => events.iter().map(|event| format!("{}\n", line(event))).collect(),
        Err(failure) => failure.to_string(),
    }
}

fn line(event: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let about = &event["regarding"];
    format!(
        "{} {} {}/{}: {}",
        text(&event["type"]),
        text(&event["reason"]),
        text(&about["kind"]),
        text(&about["name"]),
        text(&event["note"])
    )
}

async fn requests(scenario: &Scenario) -> String {
    let requests = match scenario.azure_requests().await {
        Ok(requests) => requests,
        Err(failure) => return failure.to_string(),
    };
    let newest = &requests[requests.len().saturating_sub(SHOWN)..];
    newest
        .iter()
        .map(|request| {
            let status = request.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
            format!("{} {status} {} {}\n", request.time, request.method, request.path)
        })
        .collect()
}

/// Lines of the shared operator that speak of this namespace; a test with its own operator has its log at hand.
async fn operator_log(scenario: &Scenario) -> String {
    let Ok(operator) = scenario.world.operator().await else { return String::new() };
    let log = std::fs::read(operator.lock().await.log()).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let about: Vec<&str> = log.lines().filter(|line| is_ours(line) && line.contains(&scenario.namespace)).collect();
    about[about.len().saturating_sub(SHOWN)..].join("\n")
}

/// The operator's own words, of all that its libraries say at the highest level.
pub(crate) fn is_ours(line: &str) -> bool {
    !line.contains(r#""target":""#) || line.contains(r#""target":"azureml"#)
}
