//! The cluster is thrown away, and the same files are applied to a new one.

use std::collections::BTreeSet;
use std::sync::Arc;

use azureml_operator_tests::cluster::Cluster;
use azureml_operator_tests::emulator::Answered;
use azureml_operator_tests::failure::{Failure, Result, While};
use azureml_operator_tests::scenario::Scenario;
use azureml_operator_tests::scoring::Scoring;
use azureml_operator_tests::world::World;

use crate::small;
use crate::suite::Suite;

/// The kinds that hold something in Azure which carries their mark.
pub const MARKED: [&str; 5] = ["AmlCompute", "AmlDataset", "AmlPipelineRun", "AmlModel", "AmlEndpoint"];

/// Adds the test.
pub fn tests(suite: &mut Suite) {
    suite.add("rebuild::a_new_cluster_finds_everything_again_and_makes_nothing_twice", rebuilt);
}

async fn rebuilt(world: Arc<World>) -> Result {
    let old = Arc::new(Cluster::start().await?);
    let first = Scenario::on(&world, old.clone(), "rebuild").await?;
    let mut operator = first.operator().await?;
    first.apply_all(&small::objects(&first)).await?;
    operator.explained(small::all_ready(&first).await)?;
    let before = resources(&first).await?;
    operator.kill()?;
    old.stop()?;

    let second = first.again(world.lone_cluster().await?).await?;
    let operator = second.operator().await?;
    second.apply_all(&small::objects(&second)).await?;
    operator.explained(small::all_ready(&second).await)?;
    for kind in MARKED {
        operator.explained(second.event(kind, "Reattached").await)?;
    }
    let census = small::census(&second).await?;
    if census != small::one_of_each() {
        return Err(Failure::new(format!("in Azure there are {census:?}")));
    }
    let after = resources(&second).await?;
    if before != after {
        let (gone, new): (Vec<_>, Vec<_>) = (before.difference(&after).collect(), after.difference(&before).collect());
        return Err(Failure::new(format!("gone: {gone:?}\nnew: {new:?}")));
    }
    let made: Vec<String> = second.azure_writes().await?.iter().filter(|write| makes(write)).map(line).collect();
    if !made.is_empty() {
        return Err(Failure::new(format!("made again:\n{}", made.join("\n"))));
    }
    // Whoever consumes the model finds its Secret in the new cluster.
    let scored = Scoring::by(&second, "serve-out").await?.ask(&small::request()).await?;
    scored.predictions.first().doing("a prediction").map(|_| ())
}

/// The ids of all that the workspace holds.
async fn resources(scenario: &Scenario) -> Result<BTreeSet<String>> {
    let state = scenario.azure_state().await?;
    Ok(state["resources"].as_object().doing("resources")?.keys().map(|id| id.to_lowercase()).collect())
}

/// A write that makes something, or that makes it work again: marking what is there is neither.
fn makes(write: &Answered) -> bool {
    let path = write.path.to_lowercase();
    write.status == Some(201) || (write.method == "PUT" && path.contains("/deployments/"))
}

/// A request in a line.
pub fn line(write: &Answered) -> String {
    format!("{} {} {}", write.status.unwrap_or_default(), write.method, write.path)
}
