//! Where tokens and data go is the operator's configuration alone.

use std::sync::Arc;

use azureml_operator_tests::api;
use azureml_operator_tests::azure::SECRET;
use azureml_operator_tests::failure::{Failure, Result, While};
use azureml_operator_tests::operator::Options;
use azureml_operator_tests::places;
use azureml_operator_tests::scenario::Scenario;
use azureml_operator_tests::tls;
use azureml_operator_tests::world::World;
use serde_json::{Value, json};

use crate::small;
use crate::suite::Suite;

pub(super) fn tests(suite: &mut Suite) {
    suite.add("identity::a_custom_clouds_authority_is_needed_and_its_lack_is_said", authority);
    suite.add("identity::addresses_in_a_secret_are_never_followed", addresses);
    suite.add("identity::an_operation_at_a_foreign_host_is_not_followed", foreign_operation);
}

async fn authority(world: Arc<World>) -> Result {
    let scenario = Scenario::lone(&world, "wrong-ca").await?;
    let folder = places::scratch("cloud")?;
    let (ca, file) = (folder.path().join("ca.pem"), folder.path().join("cloud.yaml"));
    tls::write(&ca, tls::Authority::new("a stranger")?.certificate())?;
    let mut cloud: Value = serde_json::from_str(&scenario.emulator.cloud().await?)?;
    cloud["caFile"] = json!(ca);
    tls::write(&file, &cloud.to_string())?;
    scenario.apply(&scenario.azure.workspace("ml-ops")).await?;
    let options = || Options::only(&scenario.namespace);
    let mut operator = scenario.operator_with(Options { cloud_file: Some(file), ..options() }).await?;
    let told = |object: &Value| {
        api::condition(object, "Ready").is_some_and(|ready| ready["message"].to_string().contains("certificate"))
    };
    let wait = scenario.wait("AmlWorkspace", "ml-ops", "waiting for word of the certificate", told).await;
    operator.explained(wait)?;
    let requests = scenario.emulator.requests(0, &scenario.azure.principal.tenant, false).await?.requests;
    if !requests.is_empty() {
        return Err(Failure::new(format!("a server that is not trusted got {requests:?}")));
    }
    operator.stop().await?;
    let mut operator = scenario.operator_with(options()).await?;
    operator.explained(scenario.ready("AmlWorkspace", "ml-ops").await)?;
    operator.stop().await
}

async fn addresses(world: Arc<World>) -> Result {
    let scenario = Scenario::bare(&world, "addresses").await?;
    let principal = &scenario.azure.principal;
    for (name, field, address) in [
        ("elsewhere", "activeDirectoryEndpointUrl", format!("https://{}", scenario.site.host())),
        ("manager", "resourceManagerEndpointUrl", format!("https://{}/", scenario.site.host())),
        ("government", "activeDirectoryEndpointUrl", "https://login.microsoftonline.us".to_owned()),
    ] {
        let mut printed =
            json!({"clientId": principal.client_id, "clientSecret": principal.secret, "tenantId": principal.tenant});
        printed[field] = json!(address);
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {SECRET.1: printed.to_string()}});
        scenario.apply(&secret).await?;
        let credentials = json!({"servicePrincipal": {"sdkAuthRef": {"name": name, "key": SECRET.1}}});
        scenario.apply(&scenario.azure.workspace_by(name, &credentials)).await?;
        let host = address.trim_start_matches("https://").trim_end_matches('/').to_owned();
        scenario
            .tells("AmlWorkspace", name, "SecretInvalid", &["another cloud", field, &host, "never followed"])
            .await?;
    }
    let token = format!("{}/oauth2/v2.0/token", principal.tenant);
    let asked = scenario.emulator.requests(0, &principal.tenant, false).await?.requests;
    if scenario.site.hits(&token) == (0, 0) && asked.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("the principal's secret was sent: {asked:?}")))
}

/// The answer to a PUT, and the page after a page, name a host that is not of the cloud.
async fn foreign_operation(world: Arc<World>) -> Result {
    let scenario = Scenario::start(&world, "foreign-op").await?;
    scenario.ready("AmlWorkspace", "ml-ops").await?;
    let address = scenario.site.url("operation?sig=abcdefghijklmnop");
    let place = &scenario.azure.place;
    for header in ["Azure-AsyncOperation", "Location"] {
        let fault = json!({"method": "PUT", "path": format!("{}.*/computes/cpu", place.subscription),
            "effect": {"status": 202, "rawBody": "", "headers": {header: address}}});
        let fault = scenario.emulator.fault(&fault).await?;
        let compute = small::objects(&scenario).into_iter().find(|object| object["kind"] == "AmlCompute");
        scenario.apply(&compute.doing("the small flow's cluster")?).await?;
        let told = |object: &Value| {
            api::condition(object, "Ready").is_some_and(|ready| {
                let message = ready["message"].to_string();
                message.contains(scenario.site.host()) && message.contains("not followed") && !message.contains("sig=")
            })
        };
        scenario.wait("AmlCompute", "cpu", &format!("waiting for word of {header}"), told).await?;
        scenario.emulator.clear_fault(&fault).await?;
        scenario.ready("AmlCompute", "cpu").await?;
        scenario.delete("AmlCompute", "cpu").await?;
    }
    if scenario.site.hits("operation") == (0, 0) { Ok(()) } else { Err(Failure::new("the address was followed")) }
}
