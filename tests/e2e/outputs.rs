//! What is written into the cluster for an endpoint's users stays true.

use std::sync::Arc;

use azureml_operator_tests::azure_client::AzureClient;
use azureml_operator_tests::failure::{Failure, Result, While};
use azureml_operator_tests::scenario::Scenario;
use azureml_operator_tests::scoring::Scoring;
use azureml_operator_tests::world::World;
use serde_json::json;

use crate::small;
use crate::suite::Suite;

const API_VERSION: &str = "2025-12-01";

/// Adds the tests.
pub fn tests(suite: &mut Suite) {
    suite.add("outputs::a_key_that_is_regenerated_in_azure_reaches_the_secret", regenerated);
}

async fn regenerated(world: Arc<World>) -> Result {
    let scenario = Scenario::start(&world, "keys").await?;
    scenario.apply_all(&small::objects(&scenario)).await?;
    small::all_ready(&scenario).await?;
    let before = Scoring::by(&scenario, "serve-out").await?;
    before.ask(&small::request()).await?;
    let old = scenario.get("Secret", "serve-out").await?.doing("the Secret")?["data"]["key"].clone();

    let client = AzureClient::new(&scenario.emulator, &scenario.azure.principal).await?;
    let endpoint = format!("{}/onlineEndpoints/serve", scenario.azure.place.workspace_id());
    client.post(&endpoint, "regenerateKeys", API_VERSION, &json!({"keyType": "Primary"})).await?;
    if before.ask(&small::request()).await.is_ok() {
        return Err(Failure::new("the old key still works"));
    }
    scenario.annotate("AmlEndpoint", "serve", "azureml.dev/reconcile-at", "the keys changed").await?;
    let changed = |secret: &serde_json::Value| secret["data"]["key"] != old;
    scenario.wait("Secret", "serve-out", "waiting for the new key", changed).await?;
    Scoring::by(&scenario, "serve-out").await?.ask(&small::request()).await?;
    scenario.ready("AmlEndpoint", "serve").await.map(|_| ())
}
