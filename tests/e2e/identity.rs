//! As whom the operator acts, and whom it lets share the workspace.

mod clouds;
mod managed;
mod rotation;
mod strangers;

use std::sync::Arc;

use azureml_operator_tests::api;
use azureml_operator_tests::emulator::Principal;
use azureml_operator_tests::failure::{Failure, Result, While};
use azureml_operator_tests::scenario::Scenario;
use azureml_operator_tests::tls;
use azureml_operator_tests::world::World;
use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::small;
use crate::suite::Suite;

/// The ServiceAccount that workspaces act by.
pub const ACCOUNT: &str = "ml-identity";
const AUDIENCE: &str = "api://AzureADTokenExchange";
/// Who shares the workspace.
const GUEST: &str = "55555555-5555-5555-5555-555555555555";

/// Adds the tests.
pub fn tests(suite: &mut Suite) {
    suite.add("identity::workload_identity_needs_the_right_subject_and_audience", federation);
    suite.add("identity::a_service_principal_is_read_by_fields_by_certificate_and_whole", principals);
    suite.add("identity::the_operators_own_identity_is_for_namespaces_that_are_listed", own_identity);
    suite.add("identity::a_wrong_secret_heals_when_it_is_put_right", wrong_secret);
    suite.add("identity::a_changed_secret_takes_effect_without_a_restart", changed_secret);
    clouds::tests(suite);
    managed::tests(suite);
    rotation::tests(suite);
    strangers::tests(suite);
    suite.add("identity::roles_are_given_found_again_corrected_and_taken_back", access);
    suite.add("identity::a_role_that_others_gave_counts_and_stays", others);
}

/// The credentials of a workspace that acts by the namespace's ServiceAccount.
pub fn workload_identity(principal: &Principal) -> Value {
    json!({"workloadIdentity": {
        "tenantId": principal.tenant, "clientId": principal.client_id, "serviceAccountName": ACCOUNT}})
}

/// The ServiceAccount, in the namespace.
pub async fn account(scenario: &Scenario) -> Result {
    let object = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT}});
    scenario.apply(&object).await.map(|_| ())
}

/// Lets tokens of this subject and audience from the scenario's cluster stand for its principal, and no secret.
pub async fn trust(scenario: &Scenario, subject: &str, audience: &str) -> Result {
    let (issuer, _) = scenario.cluster.issuer().await?;
    let federated = json!([{"issuer": issuer, "subject": subject, "audience": audience}]);
    let principal = Principal { secret: uuid::Uuid::new_v4().to_string(), ..scenario.azure.principal.clone() };
    scenario.emulator.put_principal(&principal, &federated).await
}

/// As [`trust`], with what the operator's tokens say.
pub async fn trust_account(scenario: &Scenario) -> Result {
    trust(scenario, &format!("system:serviceaccount:{}:{ACCOUNT}", scenario.namespace), AUDIENCE).await
}

async fn federation(world: Arc<World>) -> Result {
    let scenario = Scenario::bare(&world, "federation").await?;
    let subject = format!("system:serviceaccount:{}:{ACCOUNT}", scenario.namespace);
    trust(&scenario, "system:serviceaccount:elsewhere:ml-identity", AUDIENCE).await?;
    let workspace = scenario.azure.workspace_by("ml-ops", &workload_identity(&scenario.azure.principal));
    scenario.apply(&workspace).await?;
    let reason = |object: &Value| api::condition(object, "Ready").map(|ready| ready["reason"].clone());
    let no_account = |object: &Value| reason(object) == Some(json!("ServiceAccountNotFound"));
    scenario.wait("AmlWorkspace", "ml-ops", "waiting for word of the missing ServiceAccount", no_account).await?;
    account(&scenario).await?;
    refused(&scenario, "AADSTS700213").await?;
    trust(&scenario, &subject, "api://SomethingElse").await?;
    refused(&scenario, "AADSTS700212").await?;
    trust(&scenario, &subject, AUDIENCE).await?;
    scenario.ready("AmlWorkspace", "ml-ops").await?;
    // Not only signs of life: blobs and assets are written by the same identity.
    for object in small::objects(&scenario).iter().filter(|object| object["kind"] == "AmlDataset") {
        scenario.apply(object).await?;
    }
    scenario.ready("AmlDataset", "rows").await.map(|_| ())
}

/// Stalled, with Entra's own code in the message.
async fn refused(scenario: &Scenario, code: &str) -> Result {
    let wanted = |object: &Value| {
        api::stalled(object, "AuthenticationFailed")
            && api::condition(object, "Stalled").is_some_and(|stalled| stalled["message"].to_string().contains(code))
    };
    let what = format!("waiting for AuthenticationFailed with {code}");
    scenario.wait("AmlWorkspace", "ml-ops", &what, wanted).await.map(|_| ())
}

async fn principals(world: Arc<World>) -> Result {
    let scenario = Scenario::bare(&world, "principals").await?;
    let principal = &scenario.azure.principal;
    let with_sdk_auth = json!({
        "clientId": principal.client_id, "clientSecret": principal.secret, "tenantId": principal.tenant,
        "subscriptionId": scenario.azure.place.subscription,
        "activeDirectoryEndpointUrl": "https://login.microsoftonline.com",
        "resourceManagerEndpointUrl": "https://management.azure.com/",
    });
    let certificate = tls::application("ml-ops")?;
    scenario.emulator.certify(principal, &certificate.certificate).await?;
    let password = format!("password {}", uuid::Uuid::new_v4());
    let packed = BASE64.encode(&tls::pkcs12(&certificate, &password)?);
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "forms"}, "data": {"certificate.pfx": packed}, "stringData": {
        "certificate-password": format!("{password}\n"),
        "certificate.pem": format!("{}{}", certificate.key, certificate.certificate),
        "password": principal.secret,
        "printed": scenario.azure.printed().to_string(),
        "sdk-auth": with_sdk_auth.to_string(),
    }});
    scenario.apply(&secret).await?;
    let forms = [
        (
            "by-fields",
            json!({"tenantId": principal.tenant, "clientId": principal.client_id,
                             "clientSecretRef": {"name": "forms", "key": "password"}}),
        ),
        (
            "by-certificate",
            json!({"tenantId": principal.tenant, "clientId": principal.client_id,
                   "clientCertificateRef": {"name": "forms", "key": "certificate.pem"}}),
        ),
        (
            "by-pkcs12",
            json!({"tenantId": principal.tenant, "clientId": principal.client_id,
                   "clientCertificateRef": {"name": "forms", "key": "certificate.pfx", "passwordKey": "certificate-password"}}),
        ),
        ("by-print", json!({"sdkAuthRef": {"name": "forms", "key": "printed"}})),
        ("by-sdk-auth", json!({"sdkAuthRef": {"name": "forms", "key": "sdk-auth"}})),
    ];
    for (name, form) in &forms {
        scenario.apply(&scenario.azure.workspace_by(name, &json!({"servicePrincipal": form}))).await?;
    }
    for (name, _) in &forms {
        scenario.ready("AmlWorkspace", name).await?;
    }
    Ok(())
}

async fn own_identity(world: Arc<World>) -> Result {
    let scenario = Scenario::bare(&world, "own-identity").await?;
    scenario.apply(&scenario.azure.workspace_by("ml-ops", &json!({"managedIdentity": {}}))).await?;
    let stalled = scenario.stalled("AmlWorkspace", "ml-ops", "IdentityNotAllowed").await?;
    let message = api::condition(&stalled, "Stalled").map(|stalled| stalled["message"].to_string());
    if message.as_ref().is_some_and(|message| message.contains("--managed-identity-namespaces")) {
        return Ok(());
    }
    Err(Failure::new(format!("does not say what to do: {message:?}")))
}

async fn wrong_secret(world: Arc<World>) -> Result {
    let scenario = Scenario::bare(&world, "wrong-secret").await?;
    let right = scenario.azure.secret();
    let mut printed = scenario.azure.printed();
    printed["password"] = json!("not-it");
    put_secret(&scenario, &printed).await?;
    scenario.apply(&scenario.azure.workspace("ml-ops")).await?;
    refused(&scenario, "AADSTS7000215").await?;
    scenario.apply(&right).await?;
    scenario.ready("AmlWorkspace", "ml-ops").await.map(|_| ())
}

async fn put_secret(scenario: &Scenario, printed: &Value) -> Result {
    let mut secret = scenario.azure.secret();
    secret["stringData"]["principal.json"] = json!(printed.to_string());
    scenario.apply(&secret).await.map(|_| ())
}

async fn changed_secret(world: Arc<World>) -> Result {
    let scenario = Scenario::start(&world, "new-secret").await?;
    scenario.ready("AmlWorkspace", "ml-ops").await?;
    let other = scenario.emulator.principal(&scenario.azure.principal.tenant).await?;
    scenario.emulator.assign(&scenario.azure.place.group_id(), &other.object_id, "Owner").await?;
    let printed = json!({"appId": other.client_id, "password": other.secret, "tenant": other.tenant});
    put_secret(&scenario, &printed).await?;
    acts_as(&scenario, &other).await
}

/// Waits until a request of this principal is there.
async fn acts_as(scenario: &Scenario, principal: &Principal) -> Result {
    let deadline = tokio::time::Instant::now() + azureml_operator_tests::scenario::LIMIT;
    loop {
        let requests = scenario.azure_requests().await?;
        let named = |name: &String| [&principal.object_id, &principal.client_id].contains(&name);
        if requests.iter().any(|request| request.principal.as_ref().is_some_and(named)) {
            return Ok(());
        }
        if tokio::time::Instant::now() > deadline {
            return scenario.explained(Err(Failure::new("no request came of the Secret's new principal"))).await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

fn shared_with(scenario: &Scenario, role: &str) -> Value {
    let mut workspace = scenario.azure.workspace("ml-ops");
    workspace["spec"]["access"] = json!([{"principalId": GUEST, "principalType": "ServicePrincipal", "role": role}]);
    // Often, so that what is done by hand is seen soon.
    workspace["metadata"]["annotations"] = json!({"azureml.dev/resync-interval": "1s"});
    workspace
}

/// The guest's assignments on the workspace: (id, the role's GUID).
async fn assignments(scenario: &Scenario) -> Result<Vec<(String, String)>> {
    let state = scenario.azure_state().await?;
    let all = state["resources"].as_object().doing("resources")?.iter();
    let of_guest =
        all.filter(|(id, resource)| id.contains("/roleAssignments/") && resource["properties"]["principalId"] == GUEST);
    Ok(of_guest
        .map(|(id, resource)| {
            let role = resource["properties"]["roleDefinitionId"].as_str().unwrap_or_default();
            (id.clone(), role.rsplit('/').next().unwrap_or_default().to_owned())
        })
        .collect())
}

/// The last part of an ARM id.
fn name(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or_default()
}

/// Waits until the guest has just these roles, by their GUIDs.
async fn has_roles(scenario: &Scenario, roles: &[&str], what: &str) -> Result<Vec<(String, String)>> {
    let deadline = tokio::time::Instant::now() + azureml_operator_tests::scenario::LIMIT;
    loop {
        let found = assignments(scenario).await?;
        let mut is: Vec<&str> = found.iter().map(|(_, role)| role.as_str()).collect();
        is.sort_unstable();
        if is == roles {
            return Ok(found);
        }
        if tokio::time::Instant::now() > deadline {
            let message = format!("{what}: the guest has {found:?}, not {roles:?}");
            return scenario.explained(Err(Failure::new(message))).await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

const OWNER: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";
const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";

async fn access(world: Arc<World>) -> Result {
    let scenario = Scenario::bare(&world, "access").await?;
    scenario.apply(&shared_with(&scenario, "Owner")).await?;
    scenario.ready("AmlWorkspace", "ml-ops").await?;
    let made = has_roles(&scenario, &[OWNER], "given").await?;
    scenario.emulator.unassign(name(&made[0].0)).await?;
    let again = has_roles(&scenario, &[OWNER], "given again after it was taken away by hand").await?;
    if made != again {
        return Err(Failure::new(format!("the assignment has another name now: {made:?}, {again:?}")));
    }
    scenario.apply(&shared_with(&scenario, "Reader")).await?;
    has_roles(&scenario, &[READER], "corrected").await?;
    let shared = scenario.ready("AmlWorkspace", "ml-ops").await?;
    if shared["status"]["access"][0]["owned"] != true {
        return Err(Failure::new(format!("not said to be ours: {}", shared["status"]["access"])));
    }
    scenario.change("AmlWorkspace", "ml-ops", json!({"access": null})).await?;
    has_roles(&scenario, &[], "taken back").await?;
    for reason in ["AccessGranted", "AccessRevoked"] {
        scenario.event("AmlWorkspace", reason).await?;
    }
    Ok(())
}

async fn others(world: Arc<World>) -> Result {
    let scenario = Scenario::bare(&world, "others").await?;
    let theirs = scenario.emulator.assign(&scenario.azure.place.workspace_id(), GUEST, READER).await?;
    scenario.apply(&shared_with(&scenario, "Reader")).await?;
    let entry = |object: &Value| api::ready(object) && object["status"]["access"][0]["owned"] == false;
    let shared = scenario.wait("AmlWorkspace", "ml-ops", "waiting for an entry that others gave", entry).await?;
    let id = shared["status"]["access"][0]["id"].as_str().unwrap_or_default();
    if name(id) != theirs {
        return Err(Failure::new(format!("{id} is not the assignment {theirs} that was there")));
    }
    scenario.delete("AmlWorkspace", "ml-ops").await?;
    let left = assignments(&scenario).await?;
    if left.iter().any(|(id, _)| name(id) == theirs) {
        return Ok(());
    }
    Err(Failure::new("an assignment that others had made is gone"))
}
