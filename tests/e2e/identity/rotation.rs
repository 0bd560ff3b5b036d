//! A Secret that changes takes effect at once, by the watch: nothing else would look for an hour.

use std::sync::Arc;

use azureml_operator_tests::api;
use azureml_operator_tests::emulator::{Answered, Principal};
use azureml_operator_tests::failure::{Failure, Result};
use azureml_operator_tests::operator::{Operator, Options};
use azureml_operator_tests::scenario::Scenario;
use azureml_operator_tests::tls;
use azureml_operator_tests::world::World;
use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::suite::Suite;

pub(super) fn tests(suite: &mut Suite) {
    suite.add("identity::a_client_secret_is_rotated_without_a_restart", |world| rotated(world, Form::Secret));
    suite.add("identity::a_certificate_is_rotated_without_a_restart", |world| rotated(world, Form::Certificate));
    suite.add("identity::a_whole_principal_is_rotated_without_a_restart", |world| rotated(world, Form::Whole));
}

/// What the Secret holds.
#[derive(Clone, Copy)]
enum Form {
    Secret,
    Certificate,
    Whole,
}

const NAME: &str = "rotated";

impl Form {
    fn name(self) -> &'static str {
        match self {
            Self::Secret => "rot-secret",
            Self::Certificate => "rot-cert",
            Self::Whole => "rot-whole",
        }
    }

    /// Entra ID's word for a proof that is not known any more.
    fn refusal(self) -> &'static str {
        match self {
            Self::Certificate => "AADSTS700027",
            Self::Secret | Self::Whole => "AADSTS7000215",
        }
    }

    fn credentials(self, principal: &Principal, secret: &str) -> Value {
        let fields = |name: &str, reference: Value| json!({"tenantId": principal.tenant, "clientId": principal.client_id, name: reference});
        let by = match self {
            Self::Secret => fields("clientSecretRef", json!({"name": secret, "key": "password"})),
            Self::Certificate => {
                let reference = json!({"name": secret, "key": "certificate.pfx", "passwordKey": "password"});
                fields("clientCertificateRef", reference)
            }
            Self::Whole => json!({"sdkAuthRef": {"name": secret, "key": "principal.json"}}),
        };
        json!({"servicePrincipal": by})
    }

    /// Makes Entra ID forget the proof that was good, and gives what the Secret has to hold now.
    async fn renew(self, scenario: &Scenario) -> Result<Value> {
        let fresh = Principal { secret: uuid::Uuid::new_v4().to_string(), ..scenario.azure.principal.clone() };
        if let Self::Certificate = self {
            let certificate = tls::application("rotated")?;
            scenario.emulator.certify(&fresh, &certificate.certificate).await?;
            let password = uuid::Uuid::new_v4().to_string();
            let file = BASE64.encode(&tls::pkcs12(&certificate, &password)?);
            let password = BASE64.encode(password.as_bytes());
            return Ok(json!({"certificate.pfx": file, "password": password}));
        }
        scenario.emulator.put_principal(&fresh, &json!([])).await?;
        let printed = json!({
            "clientId": fresh.client_id, "clientSecret": fresh.secret, "tenantId": fresh.tenant,
            "subscriptionId": scenario.azure.place.subscription,
            "activeDirectoryEndpointUrl": scenario.emulator.url(),
            "resourceManagerEndpointUrl": scenario.emulator.url(),
        });
        let text = |text: String| BASE64.encode(text.as_bytes());
        Ok(json!({"password": text(fresh.secret), "principal.json": text(printed.to_string())}))
    }
}

fn secret(name: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "Opaque", "data": data})
}

async fn rotated(world: Arc<World>, form: Form) -> Result {
    let scenario = Scenario::lone(&world, form.name()).await?;
    let beside = scenario.beside().await?;
    let data = form.renew(&scenario).await?;
    scenario.apply(&secret(NAME, &data)).await?;
    let credentials = form.credentials(&scenario.azure.principal, NAME);
    scenario.apply(&scenario.azure.workspace_by("ml-ops", &credentials)).await?;
    let options = Options {
        namespaces: vec![scenario.namespace.clone(), beside.namespace.clone()],
        resync: "1h",
        stalled_retry: "1h",
        ..Options::only(&scenario.namespace)
    };
    let mut operator = scenario.operator_with(options).await?;
    operator.explained(scenario.ready("AmlWorkspace", "ml-ops").await)?;
    // The last that a workspace looks into: the token that is refused next is no other's.
    let looked_into = |object: &Value| api::condition(object, "StorageReachable").is_some();
    operator.explained(scenario.wait("AmlWorkspace", "ml-ops", "waiting for StorageReachable", looked_into).await)?;

    let data = form.renew(&scenario).await?;
    operator.explained(revoked(&scenario, form).await)?;
    let since = scenario.emulator.position().await?;
    operator.explained(others(&scenario, &beside, form).await)?;
    scenario.apply(&secret(NAME, &data)).await?;
    operator.explained(scenario.ready("AmlWorkspace", "ml-ops").await)?;
    let tokens = tokens(&scenario, since).await?;
    if tokens.is_empty() || tokens.iter().any(|token| token.status != Some(200)) {
        return Err(Failure::new(format!("other Secrets had tokens asked for by the old one: {tokens:?}")));
    }
    went_on(&mut operator).await
}

/// Nothing but a change of the Secret would help, and that is said: the token that Azure refuses is thrown away, and
/// Entra ID does not give another.
async fn revoked(scenario: &Scenario, form: Form) -> Result {
    let fault = json!({"path": scenario.azure.place.subscription, "count": 1,
        "effect": {"status": 401, "code": "InvalidAuthenticationToken", "message": "The access token is revoked."}});
    let since = scenario.emulator.position().await?;
    let fault = scenario.emulator.fault(&fault).await?;
    scenario.annotate("AmlWorkspace", "ml-ops", "azureml.dev/reconcile-at", "first").await?;
    scenario.stalled("AmlWorkspace", "ml-ops", "AuthenticationFailed").await?;
    scenario.emulator.clear_fault(&fault).await?;
    scenario.annotate("AmlWorkspace", "ml-ops", "azureml.dev/reconcile-at", "second").await?;
    let told = |object: &Value| {
        api::condition(object, "Stalled").is_some_and(|stalled| stalled["message"].to_string().contains(form.refusal()))
    };
    scenario.wait("AmlWorkspace", "ml-ops", &format!("waiting for {}", form.refusal()), told).await?;
    let tokens = tokens(scenario, since).await?;
    if tokens.len() == 1 { Ok(()) } else { Err(Failure::new(format!("not one token was asked for: {tokens:?}"))) }
}

/// Other Secrets change, and who refers to them is woken: one of another name, one of the same name elsewhere.
async fn others(scenario: &Scenario, beside: &Scenario, form: Form) -> Result {
    let content = json!({"password": "", "principal.json": BASE64.encode(b"hunter2 hunter2"), "certificate.pfx": BASE64.encode(b"hunter2 hunter2")});
    let principal = &scenario.azure.principal;
    for (place, name) in [(scenario, "another"), (beside, NAME)] {
        place.apply(&scenario.azure.workspace_by("marker", &form.credentials(principal, name))).await?;
        place.condition("AmlWorkspace", "marker", ["Ready", "False", "SecretNotFound"]).await?;
        place.apply(&secret(name, &content)).await?;
        place.condition("AmlWorkspace", "marker", ["Ready", "False", "SecretInvalid"]).await?;
    }
    Ok(())
}

/// The tokens that were asked for in the scenario's tenant, for Azure Resource Manager or another service.
async fn tokens(scenario: &Scenario, since: u64) -> Result<Vec<Answered>> {
    let tenant = &scenario.azure.principal.tenant;
    Ok(scenario.emulator.requests(since, tenant, false).await?.requests)
}

/// The same process from beginning to end.
async fn went_on(operator: &mut Operator) -> Result {
    operator.check_runs()?;
    operator.stop().await
}
