//! A cell: a fault strikes the write of one act on one object, lasts, and ends.

use std::time::Duration;

use azureml_operator_tests::api;
use azureml_operator_tests::emulator::Answered;
use azureml_operator_tests::failure::{Failure, Result, While};
use azureml_operator_tests::scenario::{LIMIT, Scenario};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::fault::Fault;
use super::pace::{POLL, Pace, REQUESTS_A_LOOK, REQUESTS_A_TRY, shortest_gap, window};
use super::subject::{ACTS, Act, Step, Subject, Write};

/// How often a cell looks: some dozens are open at a time.
const LOOK: Duration = Duration::from_millis(400);

/// What became of a cell.
#[derive(Debug)]
pub struct Cell {
    /// The column.
    pub column: &'static str,
    /// What was done.
    pub act: Act,
    /// How it went.
    pub outcome: Outcome,
}

/// How a cell went.
#[derive(Debug)]
pub enum Outcome {
    /// There is nothing for the fault to strike, and why.
    Absent(&'static str),
    /// As it has to be.
    Passed(Seen),
    /// What was wrong.
    Failed(String),
}

/// What the emulator saw while the fault lasted.
#[derive(Debug)]
pub struct Seen {
    /// Writes that it struck.
    pub tries: u64,
    /// The most that the operator's pace allows in that time.
    pub allowed: u64,
    /// All requests about the object.
    pub requests: usize,
}

impl Cell {
    /// What failed, for the person who reads the test's output.
    pub fn failure(&self, row: &str) -> Option<String> {
        match &self.outcome {
            Outcome::Failed(why) => Some(format!("{row} x {} {:?}: {why}", self.column, self.act)),
            Outcome::Absent(_) | Outcome::Passed(_) => None,
        }
    }
}

/// The cells of an object, one act after the other.
pub async fn of_subject(scenario: &Scenario, row: &Fault, subject: &Subject) -> Vec<Cell> {
    let mut cells = Vec::new();
    for act in ACTS {
        let told = |outcome| Cell { column: subject.column, act, outcome };
        let outcome = match &subject.steps[act as usize] {
            Step::Left => continue,
            Step::Absent(why) => Ok(Outcome::Absent(why)),
            Step::Faulted(write) if row.of_operation && !write.operation => {
                undisturbed(scenario, subject, act).await.map(|()| Outcome::Absent("no operation"))
            }
            Step::Faulted(write) => faulted(scenario, row, subject, (act, write)).await.map(Outcome::Passed),
            Step::Undisturbed => match undisturbed(scenario, subject, act).await {
                Ok(()) => continue,
                Err(failure) => Err(failure),
            },
        };
        match outcome {
            Ok(outcome) => cells.push(told(outcome)),
            Err(failure) => {
                cells.push(told(Outcome::Failed(failure.to_string())));
                break;
            }
        }
    }
    cells
}

async fn undisturbed(scenario: &Scenario, subject: &Subject, act: Act) -> Result {
    perform(scenario, subject, act).await?;
    converges(scenario, subject, act).await
}

async fn faulted(scenario: &Scenario, row: &Fault, subject: &Subject, (act, write): (Act, &Write)) -> Result<Seen> {
    let from = scenario.emulator.position().await?;
    let made =
        if write.path.ends_with("/roleAssignments/") { Some(assignment(scenario, subject).await?) } else { None };
    let fault = arm(scenario, row, write, made.as_deref()).await?;
    perform(scenario, subject, act).await?;
    let struck = lasts(scenario, row, subject, &fault).await;
    let to = scenario.emulator.position().await?;
    scenario.emulator.clear_fault(&fault).await?;
    let hits = struck?;
    if row.of_operation && row.told.is_some() && subject.kind == "AmlEndpoint" && act == Act::Update {
        retry(scenario, subject).await?;
    }
    converges(scenario, subject, act).await?;
    let all = scenario.emulator.requests(from, &scenario.azure.place.subscription, false).await?.requests;
    let about: Vec<&Answered> =
        all.iter().filter(|request| request.seq < to && subject.concerns(request, made.as_deref())).collect();
    judged(row, write, hits, &about)
}

/// The name of the role assignment that an AmlWorkspace made.
async fn assignment(scenario: &Scenario, subject: &Subject) -> Result<String> {
    let object = scenario.get(subject.kind, &subject.name).await?.doing("the AmlWorkspace")?;
    let id = object["status"]["access"][0]["id"].as_str().and_then(|id| id.rsplit('/').next());
    id.map(str::to_lowercase).doing("the role assignment in status.access")
}

/// Arms the fault for this write of this object alone.
async fn arm(scenario: &Scenario, row: &Fault, write: &Write, made: Option<&str>) -> Result<String> {
    let path = format!("{}{}", write.path, made.unwrap_or_default());
    let path = format!("^/subscriptions/{}/.*{path}", scenario.azure.place.subscription);
    let fault =
        json!({"method": write.method, "path": path, "body": write.body, "count": row.count, "effect": row.effect});
    scenario.emulator.fault(&fault).await
}

async fn perform(scenario: &Scenario, subject: &Subject, act: Act) -> Result {
    let (kind, name) = (subject.kind, subject.name.as_str());
    match act {
        Act::Create => scenario.put(kind, name, subject.spec.clone()).await.map(|_| ()),
        Act::Update => scenario.change(kind, name, subject.change.clone()).await.map(|_| ()),
        Act::Delete => scenario.api().delete(kind, &scenario.namespace, name).await,
    }
}

/// Waits until the fault has struck as often as it has to and a condition has told of it; how often it struck.
async fn lasts(scenario: &Scenario, row: &Fault, subject: &Subject, fault: &str) -> Result<u64> {
    let deadline = Instant::now() + LIMIT;
    let mut told = row.told.is_none();
    loop {
        let hits = scenario.emulator.fault_state(fault).await?.hits;
        let object = scenario.get(subject.kind, &subject.name).await?.unwrap_or_default();
        told |= hits > 0 && tells(&object, row);
        if hits >= row.hits && told {
            return Ok(hits);
        }
        if Instant::now() > deadline {
            let conditions = &object["status"]["conditions"];
            return Err(Failure::new(format!(
                "struck {hits} of {} times, told: {told} ({:?}), at last {conditions:#}",
                row.hits, row.told
            )));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// A condition says what Azure answered, for a reason of its own.
fn tells(object: &Value, row: &Fault) -> bool {
    let Some((reason, words)) = row.told else { return true };
    object["status"]["conditions"].as_array().into_iter().flatten().any(|condition| {
        let message = condition["message"].as_str().unwrap_or_default();
        (reason.is_empty() || condition["reason"] == reason) && words.iter().all(|word| message.contains(word))
    })
}

/// A revision that failed is not tried again by itself: a person says so.
async fn retry(scenario: &Scenario, subject: &Subject) -> Result {
    let rejected = |object: &Value| object["status"]["rejected"][0].is_string();
    let object = scenario.wait(subject.kind, &subject.name, "waiting for the refused revision", rejected).await?;
    let hash = object["status"]["rejected"][0].as_str().unwrap_or_default();
    scenario.annotate(subject.kind, &subject.name, "azureml.dev/retry", hash).await.map(|_| ())
}

/// Waits until the object is as wanted and there is in Azure what belongs to it, once.
async fn converges(scenario: &Scenario, subject: &Subject, act: Act) -> Result {
    let deadline = Instant::now() + LIMIT;
    loop {
        let object = scenario.get(subject.kind, &subject.name).await?;
        let left = if settled(object.as_ref(), subject, act) { Some(count(scenario, subject).await?) } else { None };
        if left == Some(subject.left[act as usize]) {
            return Ok(());
        }
        if Instant::now() > deadline {
            let conditions = object.map(|object| object["status"]["conditions"].clone()).unwrap_or_default();
            return Err(Failure::new(format!(
                "does not converge once the fault is gone: {left:?} of {} in Azure; {conditions:#}",
                subject.left[act as usize]
            )));
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn settled(object: Option<&Value>, subject: &Subject, act: Act) -> bool {
    let Some(object) = object else { return act == Act::Delete };
    match (subject.kind, act) {
        (_, Act::Delete) => false,
        ("AmlPipelineRun", Act::Create) => {
            api::condition(object, "Ready").is_some_and(|ready| ready["reason"] == "Running")
        }
        ("AmlPipelineRun", Act::Update) => object["status"]["phase"] == "Cancelled",
        _ => api::ready(object),
    }
}

/// How many things in Azure belong to the object.
async fn count(scenario: &Scenario, subject: &Subject) -> Result<usize> {
    let state = match subject.column {
        "managed workspace" => scenario.emulator.state(&subject.ids).await?,
        _ => scenario.azure_state().await?,
    };
    let all = state["resources"].as_object().into_iter().flatten();
    let belongs = |id: &str, resource: &Value| match subject.column {
        "workspace" => resource["properties"]["principalId"] == subject.ids.as_str(),
        "managed workspace" => id.eq_ignore_ascii_case(&subject.ids),
        _ => id.to_lowercase().contains(&subject.ids),
    };
    Ok(all.filter(|(id, resource)| belongs(id, resource)).count())
}

/// No storm: as few tries as the operator's pace allows in the time from the first to the last.
fn judged(row: &Fault, write: &Write, hits: u64, about: &[&Answered]) -> Result<Seen> {
    let struck = about.iter().filter(|request| request.method == write.method);
    let times: Vec<String> =
        struck.take(usize::try_from(hits).unwrap_or(usize::MAX)).map(|request| request.time.clone()).collect();
    if times.is_empty() {
        return Err(Failure::new("the log has no request that the fault struck"));
    }
    let times_of = |request: &&Answered| request.time.clone();
    let span = window(&about.iter().map(times_of).collect::<Vec<_>>());
    let window = window(&times);
    let seen = Seen { tries: hits, allowed: row.pace.allowed(window), requests: about.len() };
    if seen.tries > seen.allowed {
        return Err(Failure::new(format!("a storm: {seen:?} in {window:.1} s")));
    }
    // An operation is looked at as long as it goes on, when Azure says and no more than four times a poll interval: those
    // looks are no tries.
    let looks = if row.of_operation { (4.0 * span / POLL).ceil() as u64 * REQUESTS_A_LOOK } else { 0 };
    if seen.requests as u64 > (seen.tries + 1) * REQUESTS_A_TRY + looks {
        return Err(Failure::new(format!("too many requests a try: {seen:?} in {span:.1} s")));
    }
    match (row.pace, shortest_gap(&times)) {
        (Pace::Asked(seconds), Some(gap)) if gap < seconds => {
            Err(Failure::new(format!("asked again after {gap:.3} s, and Azure had said {seconds} s")))
        }
        _ => Ok(seen),
    }
}
