//! A namespace is deleted while everything in it is Ready: a terminating namespace refuses every create, tokens and
//! events too.

use std::sync::Arc;
use std::time::Duration;

use azureml_operator_tests::api::{self, OURS};
use azureml_operator_tests::azure::SECRET;
use azureml_operator_tests::failure::{Failure, Result, While};
use azureml_operator_tests::operator::Operator;
use azureml_operator_tests::scenario::{LIMIT, Scenario};
use azureml_operator_tests::world::World;
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::identity;
use crate::small;
use crate::suite::Suite;

const IN_USE: &str = "azureml.dev/in-use";
const POLL: Duration = Duration::from_millis(100);
/// Within this time an operator that lost its credential has finished, or says that it can't.
const A_MINUTE: Duration = Duration::from_secs(60);

/// So many flows of a test at a time: each waits more than it computes.
const AT_ONCE: usize = 3;

/// By what the operator acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Secret,
    Account,
}

/// The method of a write, the end of its path, and when it is held.
type Kill = (&'static str, &'static str, &'static str);

/// Writes of a deletion at which the operator is killed, before they are done and after.
const KILLS: [Kill; 8] = [
    ("DELETE", "/onlineEndpoints/serve$", "before"),
    ("DELETE", "/onlineEndpoints/serve$", "after"),
    ("DELETE", "/computes/cpu$", "before"),
    ("DELETE", "/computes/cpu$", "after"),
    ("PUT", "/data/rows/versions/[^/]+$", "before"),
    ("PUT", "/models/model/versions/[^/]+$", "after"),
    ("DELETE", "/roleAssignments/[^/]+$", "before"),
    ("DELETE", "/roleAssignments/[^/]+$", "after"),
];

impl By {
    fn word(self) -> &'static str {
        match self {
            Self::Secret => "service_principal",
            Self::Account => "workload_identity",
        }
    }

    /// Kind and name of what the operator acts by.
    fn object(self) -> (&'static str, &'static str) {
        match self {
            Self::Secret => ("Secret", SECRET.0),
            Self::Account => ("ServiceAccount", identity::ACCOUNT),
        }
    }
}

/// Adds the tests.
pub fn tests(suite: &mut Suite) {
    suite.add("namespace::goes_with_a_service_principal", |world| goes(world, By::Secret, "gone-secret"));
    suite.add("namespace::goes_with_workload_identity", |world| goes(world, By::Account, "gone-account"));
    for by in [By::Secret, By::Account] {
        let name = format!("namespace::goes_although_the_operator_is_killed_{}", by.word());
        suite.add(name, move |world| killed(world, by));
    }
}

/// The flow, by this credential, and Ready.
async fn flow(scenario: &Scenario, by: By) -> Result {
    let mut objects = small::objects(scenario);
    if by == By::Account {
        identity::account(scenario).await?;
        identity::trust_account(scenario).await?;
        objects[0]["spec"]["credentials"] = identity::workload_identity(&scenario.azure.principal);
    }
    scenario.apply_all(&objects).await?;
    small::all_ready(scenario).await
}

async fn goes(world: Arc<World>, by: By, name: &str) -> Result {
    let scenario = Scenario::bare(&world, name).await?;
    flow(&scenario, by).await?;
    let fault = hold(&scenario, "DELETE", "/onlineEndpoints/serve$", "before").await?;
    scenario.api().delete("Namespace", "", &scenario.namespace).await?;
    let held = held(&scenario, &fault).await;
    scenario.explained(held).await?;
    // What the operator acts by is asked to go, and can't while something is left to do.
    let (kind, name) = by.object();
    let asked_and_held = |credential: &Value| {
        let finalizers = credential["metadata"]["finalizers"].as_array();
        credential["metadata"]["deletionTimestamp"].is_string()
            && finalizers.is_some_and(|all| all.contains(&json!(IN_USE)))
    };
    scenario.wait(kind, name, "waiting for it to be asked to go, and held", asked_and_held).await?;
    scenario.emulator.clear_fault(&fault).await?;
    gone(&scenario).await?;
    what_stays(&scenario).await
}

/// Holds a write to this workspace's Azure, so that the namespace is caught in the middle.
async fn hold(scenario: &Scenario, method: &str, path: &str, moment: &str) -> Result<String> {
    let path = format!("/subscriptions/{}/.*{path}", scenario.azure.place.subscription);
    scenario.emulator.fault(&json!({"method": method, "path": path, "effect": {"hold": moment}})).await
}

async fn held(scenario: &Scenario, fault: &str) -> Result {
    let deadline = Instant::now() + LIMIT;
    while !scenario.emulator.fault_state(fault).await?.holds() {
        if Instant::now() > deadline {
            return Err(Failure::new("the write did not come"));
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

async fn gone(scenario: &Scenario) -> Result {
    let gone = scenario.api().wait_gone("Namespace", "", &scenario.namespace, LIMIT).await;
    scenario.explained(gone).await
}

/// What policy says stays, and nothing else.
async fn what_stays(scenario: &Scenario) -> Result {
    let census = small::census(scenario).await?;
    let mut expected = small::one_of_each();
    for deleted in ["clusters", "endpoints", "deployments"] {
        expected.insert(deleted, 0);
    }
    if census != expected {
        return Err(Failure::new(format!("in Azure there are {census:?}, not {expected:?}")));
    }
    let state = scenario.azure_state().await?;
    let resources = state["resources"].as_object().doing("resources")?;
    for (id, resource) in resources {
        let lower = id.to_lowercase();
        let ours = lower.contains("/data/rows/versions/") || lower.contains("/models/model/versions/");
        if ours && resource["properties"]["isArchived"] != true {
            return Err(Failure::new(format!("{id} is not archived: {resource}")));
        }
        if lower.contains("/roleassignments/") {
            return Err(Failure::new(format!("a role is left: {resource}")));
        }
    }
    let workspace = scenario.azure.place.workspace_id().to_lowercase();
    let stays = resources.keys().any(|id| id.to_lowercase() == workspace);
    if stays { Ok(()) } else { Err(Failure::new("the workspace is gone from Azure")) }
}

async fn killed(world: Arc<World>, by: By) -> Result<Vec<String>> {
    let outcomes: Vec<(usize, Result)> = futures::stream::iter(0..KILLS.len())
        .map(|index| {
            let world = world.clone();
            async move { (index, killed_at(world, by, index).await) }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let failures = outcomes.into_iter().filter_map(|(index, outcome)| Some((index, outcome.err()?)));
    Ok(failures.map(|(index, failure)| format!("{:?}: {failure}", KILLS[index])).collect())
}

async fn killed_at(world: Arc<World>, by: By, index: usize) -> Result {
    let word = if by == By::Secret { "secret" } else { "account" };
    let scenario = Scenario::lone(&world, &format!("killed-{word}-{index}")).await?;
    let mut operator = scenario.operator().await?;
    operator.explained(flow(&scenario, by).await)?;
    let (method, path, moment) = KILLS[index];
    let fault = hold(&scenario, method, path, moment).await?;
    scenario.api().delete("Namespace", "", &scenario.namespace).await?;
    operator.explained(held(&scenario, &fault).await)?;
    operator.kill()?;
    scenario.emulator.clear_fault(&fault).await?;
    operator.launch()?;
    operator.wait_until_ready().await?;
    if by == By::Secret {
        operator.explained(gone(&scenario).await)?;
        return what_stays(&scenario).await;
    }
    operator.explained(finished_or_released(&scenario, &operator).await)
}

/// The token that the killed operator held is lost, and a terminating namespace gives no other: said, and released.
async fn finished_or_released(scenario: &Scenario, operator: &Operator) -> Result {
    let deadline = Instant::now() + A_MINUTE;
    loop {
        if scenario.api().get("Namespace", "", &scenario.namespace).await?.is_none() {
            return what_stays(scenario).await;
        }
        let said = objects(scenario).await?.iter().any(|object| blocked(object).is_some());
        if said {
            break;
        }
        if Instant::now() > deadline {
            return scenario.explained(Err(Failure::new("neither gone nor DeletionBlocked within a minute"))).await;
        }
        tokio::time::sleep(POLL).await;
    }
    operator.check_runs()?;
    let deadline = Instant::now() + LIMIT;
    while scenario.api().get("Namespace", "", &scenario.namespace).await?.is_some() {
        for object in objects(scenario).await? {
            release(scenario, &object).await?;
        }
        if Instant::now() > deadline {
            return scenario.explained(Err(Failure::new("force-abandon did not release the namespace"))).await;
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

/// All objects of the seven kinds that are left.
async fn objects(scenario: &Scenario) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    for kind in OURS {
        all.extend(scenario.api().list(kind, &scenario.namespace).await?);
    }
    Ok(all)
}

/// Why an object can't go; that others have to go first passes by itself.
fn blocked(object: &Value) -> Option<&str> {
    let condition = api::condition(object, "DeletionBlocked").filter(|_| api::is(object, "DeletionBlocked", "True"))?;
    condition["message"].as_str().filter(|_| condition["reason"] != "InUse")
}

/// What says that it is blocked, and why and how to go on, is let go of as it says.
async fn release(scenario: &Scenario, object: &Value) -> Result {
    let Some(message) = blocked(object) else { return Ok(()) };
    if object["metadata"]["annotations"]["azureml.dev/force-abandon"] == "true" {
        return Ok(());
    }
    if !message.contains("azureml.dev/force-abandon") {
        return Err(Failure::new(format!("does not say how to go on: {message}")));
    }
    let (kind, name) = (object["kind"].as_str().unwrap_or_default(), object["metadata"]["name"].as_str());
    let name = name.unwrap_or_default();
    match scenario.annotate(kind, name, "azureml.dev/force-abandon", "true").await {
        // It may be gone in between.
        Err(failure) if scenario.get(kind, name).await?.is_some() => Err(failure),
        _ => Ok(()),
    }
}
