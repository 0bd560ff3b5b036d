//! What is in Azure has one owner: two live clusters do not fight, and what is somebody else's is left alone.

use std::sync::Arc;
use std::time::Duration;

use azureml_operator_tests::api;
use azureml_operator_tests::failure::{Failure, Result};
use azureml_operator_tests::operator::Options;
use azureml_operator_tests::scenario::{LIMIT, Scenario};
use azureml_operator_tests::world::World;
use serde_json::Value;

use crate::rebuild::line;
use crate::small;
use crate::suite::Suite;

/// Each object at rest is looked at so many times while nobody may write.
const LOOKS: usize = 10;
/// The objects that hold something in Azure, and a pattern of what each looks at.
const HELD: [(&str, &str, &str); 4] = [
    ("AmlCompute", "cpu", "/computes/cpu"),
    ("AmlDataset", "rows", "/data/rows"),
    ("AmlModel", "model", "/models/model"),
    ("AmlEndpoint", "serve", "/onlineEndpoints/serve"),
];

/// Adds the tests.
pub fn tests(suite: &mut Suite) {
    suite.add("ownership::of_two_live_clusters_one_stops_and_azure_is_not_fought_over", twins);
    suite.add("ownership::of_two_clusters_that_begin_at_once_each_object_has_one", at_once);
    suite.add("ownership::what_belongs_to_others_is_left_alone", foreign);
}

async fn twins(world: Arc<World>) -> Result {
    let first = Scenario::start(&world, "twins").await?;
    first.apply_all(&often(&first)).await?;
    small::all_ready(&first).await?;
    let second = first.again(world.lone_cluster().await?).await?;
    let options = Options { installation: Options::shared().installation, ..Options::only(&second.namespace) };
    let operator = second.operator_with(options).await?;
    second.apply_all(&often(&second)).await?;
    operator.explained(small::all_ready(&second).await)?;
    for (kind, name, _) in HELD {
        let stalled = first.stalled(kind, name, "OwnershipTaken").await?;
        let message = api::condition(&stalled, "Stalled").map(|stalled| stalled["message"].to_string());
        if !message.as_ref().is_some_and(|message| message.contains("installation")) {
            return Err(Failure::new(format!("{kind}: the message does not tell what to do: {message:?}")));
        }
    }
    nobody_writes(&second).await?;
    operator.explained(small::all_ready(&second).await)?;
    // Taking the files away from the cluster that lost them takes nothing away from the other one.
    let since = first.emulator.position().await?;
    for (kind, name, _) in HELD.iter().rev() {
        first.delete(kind, name).await?;
    }
    none(&first, since, "the cluster that lost deletes").await?;
    operator.explained(small::all_ready(&second).await)
}

/// Both get the files at the same time: whoever marks a thing last has it, and the other one stops.
async fn at_once(world: Arc<World>) -> Result {
    let first = Scenario::start(&world, "at-once").await?;
    let second = first.again(world.lone_cluster().await?).await?;
    let options = Options { installation: Options::shared().installation, ..Options::only(&second.namespace) };
    let operator = second.operator_with(options).await?;
    let (one, other) = (often(&first), often(&second));
    let (one, other) = futures::future::join(first.apply_all(&one), second.apply_all(&other)).await;
    one.and(other)?;
    for (kind, name) in [("AmlCompute", "cpu"), ("AmlDataset", "rows")] {
        operator.explained(one_has_it([&first, &second], kind, name).await)?;
    }
    let since = first.emulator.position().await?;
    looked_at(&first, since, &HELD[..2]).await?;
    let of_both: Vec<String> = (first.azure_writes_since(since).await?.iter())
        .filter(|write| HELD[..2].iter().any(|(_, _, part)| write.path.contains(part)))
        .map(line)
        .collect();
    if of_both.is_empty() { Ok(()) } else { Err(Failure::new(format!("fought over:\n{}", of_both.join("\n")))) }
}

/// In one cluster the object is Ready, in the other one Stalled because it was taken.
async fn one_has_it(clusters: [&Scenario; 2], kind: &str, name: &str) -> Result {
    let deadline = tokio::time::Instant::now() + LIMIT;
    loop {
        let (mut ready, mut stopped) = (0, 0);
        for cluster in clusters {
            if let Some(object) = cluster.get(kind, name).await? {
                ready += usize::from(api::ready(&object));
                stopped += usize::from(api::stalled(&object, "OwnershipTaken"));
            }
        }
        if (ready, stopped) == (1, 1) {
            return Ok(());
        }
        if tokio::time::Instant::now() > deadline {
            let message = format!("{kind}: Ready in {ready} clusters, stopped in {stopped}");
            return clusters[0].explained(Err(Failure::new(message))).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The flow, looked at each second.
fn often(scenario: &Scenario) -> Vec<Value> {
    let mut objects = small::objects(scenario);
    for object in objects.iter_mut().filter(|object| object["apiVersion"] == "azureml.dev/v1alpha1") {
        object["metadata"]["annotations"] = serde_json::json!({"azureml.dev/resync-interval": "1s"});
    }
    objects
}

/// Each object is looked at some times, and nothing is written meanwhile.
async fn nobody_writes(scenario: &Scenario) -> Result {
    let since = scenario.emulator.position().await?;
    looked_at(scenario, since, &HELD).await?;
    none(scenario, since, "both clusters at rest").await
}

/// Waits until each of these was looked at some times.
async fn looked_at(scenario: &Scenario, since: u64, held: &[(&str, &str, &str)]) -> Result {
    let deadline = tokio::time::Instant::now() + LIMIT;
    loop {
        let seen = scenario.emulator.requests(since, &scenario.azure.place.subscription, false).await?.requests;
        let looks =
            |part: &str| seen.iter().filter(|request| request.method == "GET" && request.path.ends_with(part)).count();
        if held.iter().all(|(_, _, part)| looks(part) >= LOOKS) {
            return Ok(());
        }
        if tokio::time::Instant::now() > deadline {
            let counts: Vec<String> = held.iter().map(|(_, _, part)| format!("{part}: {}", looks(part))).collect();
            return scenario.explained(Err(Failure::new(format!("not looked at often: {counts:?}")))).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// No write to the workspace since a position.
async fn none(scenario: &Scenario, since: u64, when: &str) -> Result {
    let asks = ["/listkeys", "/listsecrets", "/score", "/getlogs"];
    let writes = scenario.azure_writes_since(since).await?;
    let writes: Vec<String> = writes
        .iter()
        .filter(|write| !asks.iter().any(|ask| write.path.to_lowercase().ends_with(ask)))
        .map(line)
        .collect();
    if writes.is_empty() { Ok(()) } else { Err(Failure::new(format!("{when}:\n{}", writes.join("\n")))) }
}

async fn foreign(world: Arc<World>) -> Result {
    let theirs = Scenario::start(&world, "theirs").await?;
    theirs.apply_all(&small::objects(&theirs)).await?;
    small::all_ready(&theirs).await?;
    let before = theirs.azure_state().await?;
    let since = theirs.emulator.position().await?;
    // The same names in the same workspace, from another namespace.
    let ours = theirs.beside().await?;
    ours.apply_all(&small::objects(&ours)).await?;
    ours.ready("AmlWorkspace", "ml-ops").await?;
    for (kind, name, _) in HELD {
        let stalled = ours.stalled(kind, name, "NotOwned").await?;
        let message = api::condition(&stalled, "Stalled").map(|stalled| stalled["message"].to_string());
        if !message.as_ref().is_some_and(|message| message.contains(&theirs.namespace)) {
            return Err(Failure::new(format!("{kind}: the message does not tell whose it is: {message:?}")));
        }
    }
    for (kind, name) in small::OBJECTS.iter().rev() {
        ours.delete(kind, name).await?;
    }
    none(&theirs, since, "beside objects of others").await?;
    let after = theirs.azure_state().await?;
    if before != after {
        return Err(Failure::new(format!("Azure changed from {before} to {after}")));
    }
    small::all_ready(&theirs).await
}
