//! Who else may use a workspace: what others gave counts and stays, what the operator gave goes with its entry.

use std::sync::Arc;

use azureml_operator_tests::failure::Result;
use azureml_operator_tests::scenario::Scenario;
use azureml_operator_tests::world::World;
use serde_json::{Value, json};

use super::{KIND, NAME, expect};
use crate::suite::Suite;

const SHARED: &str = "44444444-4444-4444-4444-444444444444";

pub(super) fn tests(suite: &mut Suite) {
    suite.add("workspace::access_that_others_gave_counts_and_stays", others);
    suite.add("workspace::a_principal_that_entra_does_not_know_yet_is_told_and_tried_again", unknown);
}

fn entry(role: &str) -> Value {
    json!({"principalId": SHARED, "principalType": "ServicePrincipal", "role": role})
}

async fn others(world: Arc<World>) -> Result {
    let scenario = Scenario::bare(&world, "access").await?;
    let theirs = scenario.emulator.assign(&scenario.azure.place.workspace_id(), SHARED, "Reader").await?;
    let mut workspace = scenario.azure.workspace(NAME);
    // By name, and by a definition's id.
    let contributor =
        "/subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/b24988ac-6180-42a0-ab88-20f7382dd24c";
    workspace["spec"]["access"] = json!([entry("Reader"), entry(contributor)]);
    scenario.apply(&workspace).await?;
    let object = scenario.ready(KIND, NAME).await?;
    let told = object["status"]["access"].as_array().cloned().unwrap_or_default();
    let owned = |role: &str| told.iter().find(|one| one["role"] == role).map(|one| one["owned"].clone());
    expect(owned("Reader") == Some(json!(false)), "the one of others is not ours", &json!(told))?;
    expect(owned(contributor) == Some(json!(true)), "the other one is ours", &json!(told))?;

    let since = scenario.emulator.position().await?;
    scenario.change(KIND, NAME, json!({"access": []})).await?;
    let none = |object: &Value| object["status"]["access"].as_array().is_none_or(Vec::is_empty);
    scenario.wait(KIND, NAME, "waiting for no access", none).await?;
    let writes = scenario.azure_writes_since(since).await?;
    let gone: Vec<&str> = writes
        .iter()
        .filter(|one| one.method == "DELETE")
        .map(|one| one.path.rsplit('/').next().unwrap_or(""))
        .collect();
    expect(gone.len() == 1 && gone[0] != theirs, "only ours is taken back", &json!(gone))
}

async fn unknown(world: Arc<World>) -> Result {
    let scenario = Scenario::bare(&world, "access-new").await?;
    let path = format!("/subscriptions/{}/.*/roleAssignments/", scenario.azure.place.subscription);
    let effect = json!({"status": 400, "code": "PrincipalNotFound", "message": "Principal 4444 does not exist in the directory."});
    let fault = scenario.emulator.fault(&json!({"method": "PUT", "path": path, "effect": effect})).await?;
    let mut workspace = scenario.azure.workspace(NAME);
    workspace["spec"]["access"] = json!([entry("Reader")]);
    scenario.apply(&workspace).await?;
    scenario.condition(KIND, NAME, ["Reconciling", "True", "PrincipalNotFound"]).await?;
    scenario
        .tells(KIND, NAME, "PrincipalNotFound", &["az ad sp show", "does not exist in the directory", SHARED])
        .await?;
    scenario.emulator.clear_fault(&fault).await?;
    let object = scenario.ready(KIND, NAME).await?;
    expect(object["status"]["access"][0]["owned"] == true, "it is given", &object["status"]["access"])
}
