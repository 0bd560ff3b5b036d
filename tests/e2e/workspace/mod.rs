//! What a workspace holds on to, and that it keeps still while it is paused.

mod access;
mod diagnosis;
mod manage;

use std::sync::Arc;

use azureml_operator_tests::api;
use azureml_operator_tests::failure::{Failure, Result, While};
use azureml_operator_tests::scenario::{LIMIT, Scenario};
use azureml_operator_tests::world::World;
use serde_json::{Value, json};

use crate::suite::Suite;

const KIND: &str = "AmlWorkspace";
const NAME: &str = "ml-ops";

/// The tests of this module.
pub fn tests(suite: &mut Suite) {
    suite.add("workspace::holds_its_secret_while_it_needs_it", holds_its_secret);
    suite.add("workspace::makes_no_call_while_paused", paused);
    access::tests(suite);
    diagnosis::tests(suite);
    manage::tests(suite);
}

async fn holds_its_secret(world: Arc<World>) -> Result {
    let scenario = Scenario::start(&world, "held").await?;
    scenario.ready(KIND, NAME).await?;
    scenario.api().delete("Secret", &scenario.namespace, "azure-ml-ops").await?;
    let secret = scenario.get("Secret", "azure-ml-ops").await?.doing("a Secret that is in use")?;
    expect(!secret["metadata"]["deletionTimestamp"].is_null(), "a Secret that waits", &secret["metadata"])?;
    scenario.delete(KIND, NAME).await?;
    scenario.api().wait_gone("Secret", &scenario.namespace, "azure-ml-ops", LIMIT).await
}

async fn paused(world: Arc<World>) -> Result {
    let scenario = Scenario::bare(&world, "paused").await?;
    let mut workspace = scenario.azure.workspace(NAME);
    workspace["metadata"]["annotations"] = json!({"azureml.dev/paused": "true"});
    scenario.apply(&workspace).await?;
    let told = |object: &Value| api::condition(object, "Paused").is_some_and(|paused| paused["status"] == "True");
    scenario.wait(KIND, NAME, "waiting for Paused", told).await?;
    let calls = scenario.azure_requests().await?;
    expect(calls.is_empty(), "no call while paused", &json!(calls.len()))?;
    scenario.annotate(KIND, NAME, "azureml.dev/paused", "false").await?;
    scenario.ready(KIND, NAME).await.map(|_| ())
}

fn expect(holds: bool, what: &str, seen: &Value) -> Result {
    if holds { Ok(()) } else { Err(Failure::new(format!("expected {what}, seen: {seen}"))) }
}
