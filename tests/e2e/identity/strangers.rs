//! Two namespaces, one workspace in Azure: neither acts as the other, whatever it writes.

use std::sync::Arc;

use azureml_operator_tests::api;
use azureml_operator_tests::azure::SECRET;
use azureml_operator_tests::emulator::Principal;
use azureml_operator_tests::failure::{Failure, Result};
use azureml_operator_tests::scenario::Scenario;
use azureml_operator_tests::world::World;
use serde_json::{Value, json};

use super::{ACCOUNT, account, trust_account, workload_identity};
use crate::small;
use crate::suite::Suite;

pub(super) fn tests(suite: &mut Suite) {
    suite.add("identity::the_same_names_in_two_namespaces_are_two_principals", same_names);
    suite.add("identity::a_namespace_names_no_secret_or_account_of_another", other_names);
    suite.add("identity::a_namespace_has_no_token_of_another_namespaces_account", other_account);
}

/// The namespace beside, whose Secret of the same name holds a principal without any role.
async fn beside(ours: &Scenario) -> Result<(Scenario, Principal)> {
    let theirs = ours.beside().await?;
    let stranger = ours.emulator.principal(&ours.azure.principal.tenant).await?;
    let printed = json!({"appId": stranger.client_id, "password": stranger.secret, "tenant": stranger.tenant});
    let mut secret = ours.azure.secret();
    secret["stringData"][SECRET.1] = json!(printed.to_string());
    theirs.apply(&secret).await?;
    Ok((theirs, stranger))
}

/// Requests about an object of this name, less those of a principal.
async fn not_by(scenario: &Scenario, name: &str, principal: &Principal) -> Result<Vec<String>> {
    let all = scenario.azure_requests().await?;
    let about = all.iter().filter(|one| one.path.contains(name));
    let foreign = about.filter(|one| one.principal.as_ref() != Some(&principal.object_id));
    Ok(foreign.map(|one| format!("{} {} by {:?}", one.method, one.path, one.principal)).collect())
}

async fn same_names(world: Arc<World>) -> Result {
    let ours = Scenario::start(&world, "ours").await?;
    ours.ready("AmlWorkspace", "ml-ops").await?;
    let (theirs, stranger) = beside(&ours).await?;
    theirs.apply(&theirs.azure.workspace("ml-ops")).await?;
    let words = ["AuthorizationFailed", stranger.object_id.as_str(), "Give"];
    theirs.tells("AmlWorkspace", "ml-ops", "WaitingForRoleAssignment", &words).await?;
    // What refers to it waits, and nothing of it reaches Azure by the principal that could.
    let dataset = small::objects(&theirs).into_iter().find(|object| object["kind"] == "AmlDataset");
    let mut dataset = dataset.ok_or_else(|| Failure::new("the small flow has no dataset"))?;
    for (place, name) in [(&theirs, "stolen"), (&ours, "earned")] {
        dataset["metadata"]["name"] = json!(name);
        dataset["spec"]["azureName"] = json!(name);
        place.apply(&dataset).await?;
    }
    theirs.condition("AmlDataset", "stolen", ["Ready", "False", "WorkspaceNotReady"]).await?;
    ours.ready("AmlDataset", "earned").await?;
    let foreign = not_by(&ours, "earned", &ours.azure.principal).await?;
    if !foreign.is_empty() {
        return Err(Failure::new(format!("not by the namespace's own principal: {foreign:?}")));
    }
    // With a role, the stranger acts as itself.
    ours.emulator.assign(&ours.azure.place.group_id(), &stranger.object_id, "Owner").await?;
    theirs.ready("AmlWorkspace", "ml-ops").await?;
    theirs.ready("AmlDataset", "stolen").await?;
    let foreign = not_by(&ours, "/data/stolen", &stranger).await?;
    if foreign.is_empty() { Ok(()) } else { Err(Failure::new(format!("not by the stranger: {foreign:?}"))) }
}

async fn other_names(world: Arc<World>) -> Result {
    let ours = Scenario::start(&world, "owner").await?;
    ours.ready("AmlWorkspace", "ml-ops").await?;
    let mut secret = ours.azure.secret();
    secret["metadata"]["name"] = json!("only-ours");
    ours.apply(&secret).await?;
    account(&ours).await?;
    let theirs = ours.beside().await?;
    let since = ours.emulator.position().await?;
    // Names that are paths are no names.
    let paths = [
        format!("{}/only-ours", ours.namespace),
        format!("../../{}/secrets/only-ours", ours.namespace),
        format!("..%2F..%2F{}%2Fsecrets%2Fonly-ours", ours.namespace),
    ];
    for path in &paths {
        for credentials in [
            json!({"servicePrincipal": {"sdkAuthRef": {"name": path, "key": SECRET.1}}}),
            json!({"workloadIdentity": {"tenantId": ours.azure.principal.tenant,
                "clientId": ours.azure.principal.client_id, "serviceAccountName": path}}),
        ] {
            let refused = theirs.apply(&theirs.azure.workspace_by("by-path", &credentials)).await;
            if !refused.as_ref().is_err_and(|failure| failure.to_string().contains("should match")) {
                return Err(Failure::new(format!("{credentials} is not refused: {refused:?}")));
            }
        }
    }
    let by_secret = json!({"servicePrincipal": {"sdkAuthRef": {"name": "only-ours", "key": SECRET.1}}});
    theirs.apply(&theirs.azure.workspace_by("by-secret", &by_secret)).await?;
    theirs.condition("AmlWorkspace", "by-secret", ["Ready", "False", "SecretNotFound"]).await?;
    let by_account = workload_identity(&ours.azure.principal);
    theirs.apply(&theirs.azure.workspace_by("by-account", &by_account)).await?;
    theirs.condition("AmlWorkspace", "by-account", ["Ready", "False", "ServiceAccountNotFound"]).await?;
    for object in small::objects(&theirs).iter().filter(|object| object["kind"] == "AmlCompute") {
        theirs.apply(object).await?;
    }
    theirs.condition("AmlCompute", "cpu", ["Ready", "False", "WorkspaceNotFound"]).await?;
    let asked = ours.emulator.requests(since, "/computes/cpu", true).await?.requests;
    let subscription = &ours.azure.place.subscription;
    if asked.iter().any(|one| one.path.contains(subscription)) {
        return Err(Failure::new(format!("something was done in the other namespace's workspace: {asked:?}")));
    }
    Ok(())
}

async fn other_account(world: Arc<World>) -> Result {
    let ours = Scenario::bare(&world, "account").await?;
    let theirs = ours.beside().await?;
    trust_account(&ours).await?;
    let workspace = ours.azure.workspace_by("ml-ops", &workload_identity(&ours.azure.principal));
    for place in [&ours, &theirs] {
        account(place).await?;
        place.apply(&workspace).await?;
    }
    ours.ready("AmlWorkspace", "ml-ops").await?;
    let subject = format!("system:serviceaccount:{}:{ACCOUNT}", theirs.namespace);
    let told = |object: &Value| {
        api::stalled(object, "AuthenticationFailed")
            && api::condition(object, "Stalled").is_some_and(|stalled| {
                let message = stalled["message"].to_string();
                message.contains("AADSTS700213") && message.contains(&subject)
            })
    };
    theirs.wait("AmlWorkspace", "ml-ops", "waiting for the refusal of another namespace's subject", told).await?;
    Ok(())
}
