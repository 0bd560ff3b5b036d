//! The workspace: its Secret, its principal, and whether it is there.

use std::sync::Arc;

use azureml_operator_tests::azure::SECRET;
use azureml_operator_tests::failure::Result;
use azureml_operator_tests::scenario::Scenario;
use azureml_operator_tests::world::World;
use serde_json::{Value, json};

use super::{Trouble, claim, holds_in_azure, part, told};
use crate::suite::Suite;

pub(super) fn tests(suite: &mut Suite) {
    suite.add("bad_input::a_missing_secret_is_named_and_heals_when_it_comes", missing_secret);
    suite.add("bad_input::a_secret_without_the_key_is_named_and_heals_when_it_gets_it", missing_key);
    suite.add("bad_input::a_secret_that_holds_something_else_is_said_without_its_content", unreadable_secret);
    suite.add("bad_input::a_wrong_client_secret_heals_when_the_secret_is_put_right", wrong_secret);
    suite.add("bad_input::a_principal_without_a_role_heals_when_it_gets_one", no_role);
    suite.add("bad_input::a_workspace_that_is_not_in_azure_heals_when_it_is_made", no_workspace);
}

const WORKSPACE: &str = "AmlWorkspace";

fn trouble<'a>(reason: &'a str, words: &'a [&'a str]) -> Trouble<'a> {
    Trouble { kind: WORKSPACE, name: "ml-ops", reason, words }
}

/// The Secret with other content under a key.
fn secret(key: &str, content: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET.0}, "type": "Opaque", "stringData": {key: content}})
}

/// What `az ad sp create-for-rbac` prints, with another password.
fn wrong_password(scenario: &Scenario) -> Value {
    let mut printed = scenario.azure.printed();
    printed["password"] = json!("not-the-password");
    secret(SECRET.1, &printed.to_string())
}

async fn missing_secret(world: Arc<World>) -> Result {
    let scenario = Scenario::bare(&world, "no-secret").await?;
    scenario.delete("Secret", SECRET.0).await?;
    scenario.apply(&scenario.azure.workspace("ml-ops")).await?;
    scenario.apply_all(&part(&scenario, &["AmlCompute"])).await?;
    let words = ["spec.credentials", SECRET.0, SECRET.1, "does not exist", "Create it"];
    told(&scenario, &trouble("SecretNotFound", &words)).await?;
    // Who waits for the workspace says so, and why.
    let words = ["AmlWorkspace \"ml-ops\" is not ready", "SecretNotFound", SECRET.0];
    told(&scenario, &Trouble { kind: "AmlCompute", name: "cpu", reason: "WorkspaceNotReady", words: &words }).await?;
    scenario.apply(&scenario.azure.secret()).await?;
    scenario.ready(WORKSPACE, "ml-ops").await?;
    scenario.ready("AmlCompute", "cpu").await.map(|_| ())
}

async fn missing_key(world: Arc<World>) -> Result {
    let scenario = Scenario::bare(&world, "no-key").await?;
    scenario.delete("Secret", SECRET.0).await?;
    scenario.apply(&secret("another.json", "{}")).await?;
    scenario.apply(&scenario.azure.workspace("ml-ops")).await?;
    let words = [SECRET.0, "has no key", SECRET.1, "Put"];
    told(&scenario, &trouble("SecretInvalid", &words)).await?;
    scenario.apply(&scenario.azure.secret()).await?;
    scenario.ready(WORKSPACE, "ml-ops").await.map(|_| ())
}

async fn unreadable_secret(world: Arc<World>) -> Result {
    let scenario = Scenario::bare(&world, "other-secret").await?;
    scenario.apply(&secret(SECRET.1, "hunter2")).await?;
    scenario.apply(&scenario.azure.workspace("ml-ops")).await?;
    let words = [SECRET.0, SECRET.1, "az ad sp create-for-rbac", "Put"];
    let object = told(&scenario, &trouble("SecretInvalid", &words)).await?;
    claim(!object["status"].to_string().contains("hunter2"), || {
        format!("the status holds the secret: {}", object["status"])
    })?;
    scenario.apply(&scenario.azure.secret()).await?;
    scenario.ready(WORKSPACE, "ml-ops").await.map(|_| ())
}

async fn wrong_secret(world: Arc<World>) -> Result {
    let scenario = Scenario::bare(&world, "wrong-secret").await?;
    scenario.apply(&wrong_password(&scenario)).await?;
    scenario.apply(&scenario.azure.workspace("ml-ops")).await?;
    let words = ["AADSTS7000215", "spec.credentials", "Correct"];
    let object = told(&scenario, &trouble("AuthenticationFailed", &words)).await?;
    let status = object["status"].to_string();
    claim(!status.contains("not-the-password"), || format!("the status holds the secret: {status}"))?;
    scenario.apply(&scenario.azure.secret()).await?;
    scenario.ready(WORKSPACE, "ml-ops").await?;
    scenario.apply_all(&part(&scenario, &["AmlCompute"])).await?;
    scenario.ready("AmlCompute", "cpu").await?;
    // The same to what worked before: it is said, and what is there stays.
    scenario.apply(&wrong_password(&scenario)).await?;
    told(&scenario, &trouble("AuthenticationFailed", &words)).await?;
    claim(holds_in_azure(&scenario, "computes/cpu").await?, || "the cluster is gone from Azure".to_owned())?;
    scenario.apply(&scenario.azure.secret()).await?;
    scenario.ready(WORKSPACE, "ml-ops").await?;
    scenario.ready("AmlCompute", "cpu").await.map(|_| ())
}

async fn no_role(world: Arc<World>) -> Result {
    let scenario = Scenario::bare(&world, "no-role").await?;
    scenario.emulator.unassign(&scenario.azure.assignment).await?;
    scenario.apply(&scenario.azure.workspace("ml-ops")).await?;
    let words = ["AuthorizationFailed", scenario.azure.principal.object_id.as_str(), "Give", "role", "10 minutes"];
    told(&scenario, &trouble("WaitingForRoleAssignment", &words)).await?;
    let place = &scenario.azure.place;
    scenario.emulator.assign(&place.group_id(), &scenario.azure.principal.object_id, "Contributor").await?;
    scenario.ready(WORKSPACE, "ml-ops").await.map(|_| ())
}

async fn no_workspace(world: Arc<World>) -> Result {
    let scenario = Scenario::bare(&world, "no-workspace").await?;
    let place = scenario.azure.place.clone();
    let mut object = scenario.azure.workspace("ml-ops");
    object["spec"]["azureName"] = json!("ws-not-there");
    scenario.apply(&object).await?;
    let words = ["ws-not-there", &place.group, &place.subscription, "spec.azureName", "make the workspace"];
    told(&scenario, &trouble("AzureWorkspaceNotFound", &words)).await?;
    scenario.emulator.workspace(&place.subscription, &place.group, "ws-not-there", &place.location).await?;
    scenario.ready(WORKSPACE, "ml-ops").await.map(|_| ())
}
