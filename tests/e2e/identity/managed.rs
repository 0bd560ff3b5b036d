//! The operator's own identity, for namespaces that its configuration lists.

use std::sync::Arc;

use azureml_operator_tests::failure::{Failure, Result};
use azureml_operator_tests::operator::Options;
use azureml_operator_tests::scenario::Scenario;
use azureml_operator_tests::world::World;
use serde_json::json;

use crate::suite::Suite;

pub(super) fn tests(suite: &mut Suite) {
    suite.add("identity::a_managed_identity_serves_the_namespaces_that_are_listed_and_no_other", listed);
}

async fn listed(world: Arc<World>) -> Result {
    let allowed = Scenario::lone(&world, "managed").await?;
    let other = allowed.beside().await?;
    let identity = allowed.emulator.managed_identity(&allowed.azure.principal.tenant).await?;
    allowed.emulator.assign(&allowed.azure.place.group_id(), &identity.object_id, "Owner").await?;
    let options = Options {
        namespaces: vec![allowed.namespace.clone(), other.namespace.clone()],
        arguments: vec!["--managed-identity-namespaces".to_owned(), allowed.namespace.clone()],
        ..Options::only(&allowed.namespace)
    };
    let credentials = json!({"managedIdentity": {"clientId": identity.client_id}});
    let workspace = allowed.azure.workspace_by("ml-ops", &credentials);
    other.apply(&workspace).await?;
    let mut operator = allowed.operator_with(options).await?;
    let refused = other.stalled("AmlWorkspace", "ml-ops", "IdentityNotAllowed").await;
    operator.explained(refused)?;
    let before = allowed.azure_requests().await?;
    if !before.is_empty() {
        return Err(Failure::new(format!("the namespace that is not listed reached Azure: {before:?}")));
    }
    allowed.apply(&workspace).await?;
    operator.explained(allowed.ready("AmlWorkspace", "ml-ops").await)?;
    let all = allowed.azure_requests().await?;
    let foreign: Vec<_> = all.iter().filter(|one| one.principal.as_ref() != Some(&identity.object_id)).collect();
    if all.is_empty() || !foreign.is_empty() {
        return Err(Failure::new(format!("{} requests, not by the managed identity: {foreign:?}", all.len())));
    }
    operator.stop().await
}
