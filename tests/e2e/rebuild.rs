//! The cluster is thrown away, and the same files are applied to a new one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use azureml_operator_tests::cluster::Cluster;
use azureml_operator_tests::emulator::Answered;
use azureml_operator_tests::failure::{Failure, Result, While};
use azureml_operator_tests::scenario::{LIMIT, Scenario};
use azureml_operator_tests::scoring::Scoring;
use azureml_operator_tests::world::World;
use serde_json::json;

use crate::small;
use crate::suite::Suite;

/// The kinds that hold something in Azure which carries their mark.
const MARKED: [&str; 5] = ["AmlCompute", "AmlDataset", "AmlPipelineRun", "AmlModel", "AmlEndpoint"];

/// Where in its flow a cluster is lost: with everything Ready, or when this was written to Azure and its answer was
/// still on the way.
const MOMENTS: [(&str, Option<&str>); 6] = [
    ("ready", None),
    ("data", Some("/data/rows/versions/[^/]+$")),
    ("job", Some("/jobs/[^/]+$")),
    ("model", Some("/models/model/versions/[^/]+$")),
    ("endpoint", Some("/onlineEndpoints/serve$")),
    ("deployment", Some("/onlineEndpoints/serve/deployments/[^/]+$")),
];

/// Adds the test.
pub fn tests(suite: &mut Suite) {
    suite.add("rebuild::a_new_cluster_finds_everything_again_and_makes_nothing_twice", rebuilt);
}

/// One cluster is lost with all its flows, and all go on in another one.
async fn rebuilt(world: Arc<World>) -> Result<Vec<String>> {
    let old = Arc::new(Cluster::start().await?);
    let lost = MOMENTS.map(|(name, write)| lost(&world, &old, name, write));
    let lost = futures::future::join_all(lost).await;
    old.stop()?;
    let outcomes = lost.into_iter().map(|lost| async {
        let (first, before) = lost?;
        found_again(&first, &before).await
    });
    let outcomes = futures::future::join_all(outcomes).await;
    let named = MOMENTS.iter().zip(outcomes);
    Ok(named.filter_map(|((name, _), outcome)| outcome.err().map(|failure| format!("{name}: {failure}"))).collect())
}

/// A flow whose operator is killed at its moment, and what is in Azure then.
async fn lost(
    world: &Arc<World>,
    cluster: &Arc<Cluster>,
    name: &str,
    write: Option<&str>,
) -> Result<(Scenario, BTreeSet<String>)> {
    let scenario = Scenario::on(world, cluster.clone(), &format!("rebuild-{name}")).await?;
    let fault = match write {
        None => None,
        Some(path) => {
            let path = format!("/subscriptions/{}/.*{path}", scenario.azure.place.subscription);
            let fault = json!({"method": "PUT", "path": path, "count": 1, "effect": {"hold": "after"}});
            Some(scenario.emulator.fault(&fault).await?)
        }
    };
    let mut operator = scenario.operator().await?;
    scenario.apply_all(&small::objects(&scenario)).await?;
    let reached = match &fault {
        None => small::all_ready(&scenario).await,
        Some(fault) => held(&scenario, fault).await,
    };
    operator.explained(reached)?;
    operator.kill()?;
    if let Some(fault) = &fault {
        scenario.emulator.clear_fault(fault).await?;
    }
    let before = resources(&scenario).await?;
    Ok((scenario, before))
}

/// Waits until a request is held.
async fn held(scenario: &Scenario, fault: &str) -> Result {
    let deadline = tokio::time::Instant::now() + LIMIT;
    while !scenario.emulator.fault_state(fault).await?.holds() {
        if tokio::time::Instant::now() > deadline {
            return Err(Failure::new("the write did not come at which the cluster is to be lost"));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

async fn found_again(first: &Scenario, before: &BTreeSet<String>) -> Result {
    let second = first.again(first.world.lone_cluster().await?).await?;
    let operator = second.operator().await?;
    second.apply_all(&small::objects(&second)).await?;
    operator.explained(small::all_ready(&second).await)?;
    for kind in MARKED.into_iter().filter(|kind| before.iter().any(|id| id.contains(below(kind)))) {
        operator.explained(second.event(kind, "Reattached").await)?;
    }
    let census = small::census(&second).await?;
    if census != small::one_of_each() {
        return Err(Failure::new(format!("in Azure there are {census:?}")));
    }
    let after = resources(&second).await?;
    let gone: Vec<&String> = before.difference(&after).collect();
    if !gone.is_empty() {
        return Err(Failure::new(format!("gone: {gone:?}")));
    }
    let made: Vec<String> =
        second.azure_writes().await?.iter().filter(|write| makes(write, before)).map(line).collect();
    if !made.is_empty() {
        return Err(Failure::new(format!("made again:\n{}", made.join("\n"))));
    }
    // Whoever consumes the model finds its Secret in the new cluster.
    let scored = Scoring::by(&second, "serve-out").await?.ask(&small::request()).await?;
    scored.predictions.first().doing("a prediction").map(|_| ())
}

/// Part of the ids of what a kind holds.
fn below(kind: &str) -> &'static str {
    match kind {
        "AmlCompute" => "/computes/cpu",
        "AmlDataset" => "/data/rows",
        "AmlPipelineRun" => "/jobs/",
        "AmlModel" => "/models/model",
        _ => "/onlineendpoints/serve",
    }
}

/// The ids of all that the workspace holds, in lower case.
async fn resources(scenario: &Scenario) -> Result<BTreeSet<String>> {
    let state = scenario.azure_state().await?;
    Ok(state["resources"].as_object().doing("resources")?.keys().map(|id| id.to_lowercase()).collect())
}

/// A write that makes what was there before, or that makes it work anew: marking it is neither.
fn makes(write: &Answered, before: &BTreeSet<String>) -> bool {
    let path = write.path.to_lowercase();
    let anew = write.status == Some(201) || (write.method == "PUT" && path.contains("/deployments/"));
    anew && before.contains(&path)
}

/// A request in a line.
pub fn line(write: &Answered) -> String {
    format!("{} {} {}", write.status.unwrap_or_default(), write.method, write.path)
}
