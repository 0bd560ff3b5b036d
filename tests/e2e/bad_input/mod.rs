//! Bad input: what is wrong is told where people look, with what to do about it; nothing is lost; and it heals without a
//! restart when the cause is removed. What the API server refuses by itself is tested in `admission`.

mod credentials;
mod failures;
mod foreign;
mod missing;
mod sources;

use std::time::Duration;

use azureml_operator_tests::api::{condition, is};
use azureml_operator_tests::failure::{Failure, Result};
use azureml_operator_tests::scenario::{LIMIT, Scenario};
use serde_json::Value;
use tokio::time::Instant;

use crate::small;
use crate::suite::Suite;

/// How often it is looked again at what a person sees.
const POLL: Duration = Duration::from_millis(500);

/// Adds the tests.
pub fn tests(suite: &mut Suite) {
    credentials::tests(suite);
    sources::tests(suite);
    missing::tests(suite);
    foreign::tests(suite);
    failures::tests(suite);
}

/// What a person is to be told about an object.
struct Trouble<'a> {
    kind: &'a str,
    name: &'a str,
    reason: &'a str,
    /// What has to be in the message: what is wrong, where, and what to do.
    words: &'a [&'a str],
}

/// Waits until the object's conditions tell it, and `kubectl get` and `kubectl describe` show it.
async fn told(scenario: &Scenario, trouble: &Trouble<'_>) -> Result<Value> {
    let Trouble { kind, name, reason, .. } = trouble;
    let deadline = Instant::now() + LIMIT;
    loop {
        let wanted = |object: &Value| in_conditions(object, trouble).is_ok();
        let what = format!("waiting to be told {reason}, with {:?}", trouble.words);
        let object = scenario.wait(kind, name, &what, wanted).await?;
        let message = condition(&object, "Ready").and_then(|ready| ready["message"].as_str()).unwrap_or_default();
        let shown = match in_table(scenario, trouble).await {
            Ok(()) => in_description(scenario, trouble, message).await,
            failed => failed,
        };
        // It may have been shown between two looks at the cause.
        match shown {
            Ok(()) => return Ok(object),
            failed if Instant::now() > deadline => return scenario.explained(failed.map(|()| object)).await,
            Err(_) => tokio::time::sleep(POLL).await,
        }
    }
}

/// Ready is not True, for this reason and with these words, and either a person is asked for help or the operator says
/// that it goes on.
fn in_conditions(object: &Value, trouble: &Trouble) -> Result {
    let wrong = |what: &str| Err(Failure::new(what.to_owned()));
    let Some(ready) = condition(object, "Ready").filter(|ready| ready["status"] != "True") else {
        return wrong("Ready");
    };
    let message = ready["message"].as_str().unwrap_or_default();
    if ready["reason"] != trouble.reason || !trouble.words.iter().all(|word| message.contains(word)) {
        return wrong("reason or message");
    }
    let says = |kind: &str| {
        is(object, kind, "True") && condition(object, kind).is_some_and(|other| other["reason"] == trouble.reason)
    };
    if says("Stalled") == says("Reconciling") { wrong("Stalled and Reconciling") } else { Ok(()) }
}

/// `kubectl get` has the reason in its column.
async fn in_table(scenario: &Scenario, trouble: &Trouble<'_>) -> Result {
    let Trouble { kind, name, reason, .. } = trouble;
    let table = scenario.cluster.kubectl().run(&["get", "-n", &scenario.namespace, kind, name]).await?;
    let mut lines = table.lines();
    let (head, row) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let column = head.find("REASON").and_then(|at| row.get(at..)).and_then(|rest| rest.split_whitespace().next());
    if column == Some(reason) {
        Ok(())
    } else {
        Err(Failure::new(format!("kubectl get does not show {reason}:\n{table}")))
    }
}

/// `kubectl describe` has the whole message.
async fn in_description(scenario: &Scenario, trouble: &Trouble<'_>, message: &str) -> Result {
    let text = scenario.cluster.kubectl().describe(&scenario.namespace, trouble.kind, trouble.name).await?;
    if text.contains(message.trim()) && text.contains(trouble.reason) {
        return Ok(());
    }
    Err(Failure::new(format!("kubectl describe does not say {message:?}:\n{text}")))
}

/// A claim of a test.
fn claim(holds: bool, what: impl FnOnce() -> String) -> Result {
    if holds { Ok(()) } else { Err(Failure::new(what())) }
}

/// The objects of these kinds out of the small flow, in its order.
fn part(scenario: &Scenario, kinds: &[&str]) -> Vec<Value> {
    let all = small::objects(scenario).into_iter();
    all.filter(|object| kinds.contains(&object["kind"].as_str().unwrap_or_default())).collect()
}

/// The part of an id below the workspace that what is left in Azure is found by.
async fn holds_in_azure(scenario: &Scenario, below: &str) -> Result<bool> {
    let state = scenario.azure_state().await?;
    let end = format!("/{below}").to_lowercase();
    Ok(state["resources"].as_object().into_iter().flatten().any(|(id, _)| id.to_lowercase().ends_with(&end)))
}
