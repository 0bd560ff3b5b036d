//! From the spec to Azure: revisions, bodies, and what of them differs. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use azureml::arm::ArmId;
use azureml::resources::online::{
    OnlineDeployment, OnlineDeploymentProperties, OnlineEndpoint, OnlineEndpointProperties, Sku,
};
use azureml_crds::AmlEndpoint;
use azureml_crds::endpoint::{AmlEndpointSpec, AuthMode, DataCollector, DeploymentTemplate, Probe, Revision};
use azureml_crds::identity::Identity;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::kinds::identity;
use crate::rollout::{Step, Strategy};

/// Characters of the endpoint's name in a deployment's name.
const BASE: usize = 21;
/// Characters of the hash in a deployment's name.
const HASH: usize = 10;
/// `rollout.progressDeadline` where the spec says none.
const DEADLINE: Duration = Duration::from_secs(3600);
/// `rollout.revisionHistory` where the spec says none.
const HISTORY: usize = 3;

/// The hash that names a revision: of the model version and the template without the number of machines.
#[must_use]
pub fn spec_hash(model_id: &str, template: &DeploymentTemplate) -> String {
    let template = DeploymentTemplate { instance_count: None, autoscale: None, ..template.clone() };
    let text = serde_json::to_string(&template).unwrap_or_default();
    let digest = Sha256::new().chain_update(model_id.to_lowercase()).chain_update([0]).chain_update(text).finalize();
    let encoded = data_encoding::BASE32_NOPAD.encode(&digest).to_lowercase();
    encoded.chars().take(HASH).collect()
}

/// The deployment's name: the start of `base`, a hyphen, the hash.
#[must_use]
pub fn deployment_name(base: &str, hash: &str) -> String {
    let start: String = base.chars().take(BASE).collect();
    format!("{}-{hash}", start.trim_end_matches('-'))
}

/// The revision that serves this model version by the spec's template.
#[must_use]
pub fn revision(endpoint: &str, spec: &AmlEndpointSpec, model_id: &str, version: &str) -> Revision {
    let spec_hash = spec_hash(model_id, &spec.deployment);
    Revision {
        deployment: deployment_name(endpoint, &spec_hash),
        model_id: model_id.to_owned(),
        model_version: version.to_owned(),
        spec_hash,
    }
}

/// How revisions move, by the spec.
#[must_use]
pub fn strategy(spec: &AmlEndpointSpec) -> Strategy {
    let rollout = spec.rollout.clone().unwrap_or_default();
    let steps = rollout.steps.iter().filter_map(|step| match (step.weight, step.approval) {
        (Some(weight), _) => {
            Some(Step::Weight { weight, hold: step.hold.as_ref().map_or(Duration::ZERO, |hold| hold.std()) })
        }
        (None, Some(true)) => Some(Step::Approval),
        _ => None,
    });
    Strategy {
        steps: steps.collect(),
        smoke: rollout.smoke_test.is_some(),
        on_failure: rollout.on_failure.unwrap_or_default(),
        deadline: rollout.progress_deadline.as_ref().map_or(DEADLINE, |limit| limit.std()),
        bake: rollout.bake.as_ref().map_or(Duration::ZERO, |bake| bake.std()),
        history: rollout.revision_history.and_then(|keep| usize::try_from(keep).ok()).unwrap_or(HISTORY),
        unsupported: unsupported(spec),
    }
}

/// What the spec asks for and is not done here.
fn unsupported(spec: &AmlEndpointSpec) -> Option<String> {
    let rollout = spec.rollout.as_ref();
    let steps = rollout.map(|rollout| rollout.steps.as_slice()).unwrap_or_default();
    let asked = [
        (steps.iter().any(|step| step.mirror.is_some()), "spec.rollout.steps asks for mirrored traffic."),
        (steps.iter().any(|step| !step.analysis.is_empty()), "spec.rollout.steps asks for analysis."),
        (rollout.is_some_and(|rollout| !rollout.analysis.is_empty()), "spec.rollout.analysis asks for analysis."),
        (rollout.is_some_and(|rollout| rollout.benchmark.is_some()), "spec.rollout.benchmark asks for a benchmark."),
        (spec.deployment.autoscale.is_some(), "spec.deployment.autoscale asks for autoscale."),
        (spec.deployment.code.is_some(), "spec.deployment.code asks for scoring code of its own."),
    ];
    asked.into_iter().find(|(is, _)| *is).map(|(_, what)| what.to_owned())
}

/// How many machines.
#[must_use]
pub fn capacity(template: &DeploymentTemplate) -> i32 {
    template.instance_count.unwrap_or(1)
}

/// A new endpoint's body.
#[must_use]
pub fn endpoint(object: &AmlEndpoint, location: &str, tags: BTreeMap<String, String>) -> OnlineEndpoint {
    let spec = &object.spec;
    OnlineEndpoint {
        location: location.to_owned(),
        tags,
        identity: Some(identity::body(spec.identity.as_ref())),
        kind: Some("Managed".to_owned()),
        properties: OnlineEndpointProperties {
            auth_mode: spec.auth_mode.unwrap_or_default().as_str().to_owned(),
            public_network_access: spec.public_network_access.map(|access| access.as_str().to_owned()),
            ..OnlineEndpointProperties::default()
        },
        ..OnlineEndpoint::default()
    }
}

/// The body that puts an endpoint to the spec, everything else kept; and the fields that differed.
#[must_use]
pub fn corrected(spec: &AmlEndpointSpec, live: &OnlineEndpoint) -> (OnlineEndpoint, Vec<&'static str>) {
    let mut body = live.writable();
    let mut differed = Vec::new();
    let mode = spec.auth_mode.unwrap_or(AuthMode::Key).as_str();
    if !live.properties.auth_mode.eq_ignore_ascii_case(mode) {
        body.properties.auth_mode = mode.to_owned();
        differed.push("authMode");
    }
    if let Some(access) = spec.public_network_access
        && !live
            .properties
            .public_network_access
            .as_deref()
            .is_some_and(|now| now.eq_ignore_ascii_case(access.as_str()))
    {
        body.properties.public_network_access = Some(access.as_str().to_owned());
        differed.push("publicNetworkAccess");
    }
    if let Some(wanted) = &spec.identity
        && !same_identity(wanted, live.identity.as_ref())
    {
        body.identity = Some(identity::body(Some(wanted)));
        differed.push("identity");
    }
    (body, differed)
}

fn same_identity(wanted: &Identity, live: Option<&Value>) -> bool {
    let live = live.cloned().unwrap_or_default();
    let plain = |text: &str| text.replace(' ', "").to_lowercase();
    let kind = live.get("type").and_then(Value::as_str).unwrap_or_default();
    let mut ids: Vec<String> = live
        .get("userAssignedIdentities")
        .and_then(Value::as_object)
        .map(|all| all.keys().map(|id| id.to_lowercase()).collect())
        .unwrap_or_default();
    let mut wanted_ids: Vec<String> = wanted.user_assigned_identities.iter().map(|id| id.to_lowercase()).collect();
    ids.sort();
    wanted_ids.sort();
    plain(kind) == plain(wanted.type_.as_str()) && ids == wanted_ids
}

/// A deployment's body. `workspace` is the workspace's ARM id.
#[must_use]
pub fn deployment(
    spec: &AmlEndpointSpec,
    model_id: &str,
    location: &str,
    workspace: &str,
    tags: BTreeMap<String, String>,
) -> OnlineDeployment {
    let template = &spec.deployment;
    let mut extra = Map::new();
    extra.insert("scaleSettings".to_owned(), json!({"scaleType": "Default"}));
    if let Some(settings) = &template.request_settings {
        let mut body = Map::new();
        if let Some(timeout) = &settings.request_timeout {
            body.insert("requestTimeout".to_owned(), Value::from(timeout.iso8601()));
        }
        if let Some(concurrent) = settings.max_concurrent_requests_per_instance {
            body.insert("maxConcurrentRequestsPerInstance".to_owned(), Value::from(concurrent));
        }
        extra.insert("requestSettings".to_owned(), Value::Object(body));
    }
    for (field, settings) in
        [("livenessProbe", &template.liveness_probe), ("readinessProbe", &template.readiness_probe)]
    {
        if let Some(settings) = settings {
            extra.insert(field.to_owned(), probe(settings));
        }
    }
    if let Some(environment) = &template.environment {
        extra.insert("environmentId".to_owned(), Value::from(environment_id(environment, workspace)));
    }
    if let Some(egress) = template.egress_public_network_access {
        extra.insert("egressPublicNetworkAccess".to_owned(), Value::from(egress.as_str()));
    }
    if let Some(collector) = &template.data_collector {
        extra.insert("dataCollector".to_owned(), data_collector(collector));
    }
    let variables = template.environment_variables.iter();
    OnlineDeployment {
        location: location.to_owned(),
        tags,
        sku: Sku { name: "Default".to_owned(), capacity: capacity(template) },
        properties: OnlineDeploymentProperties {
            endpoint_compute_type: "Managed".to_owned(),
            model: Some(model_id.to_owned()),
            instance_type: Some(template.instance_type.clone()),
            app_insights_enabled: Some(template.app_insights_enabled.unwrap_or(false)),
            environment_variables: variables.map(|one| (one.name.clone(), one.value.clone())).collect(),
            provisioning_state: None,
            extra,
        },
        ..OnlineDeployment::default()
    }
}

fn probe(settings: &Probe) -> Value {
    let mut body = Map::new();
    for (field, value) in
        [("initialDelay", &settings.initial_delay), ("period", &settings.period), ("timeout", &settings.timeout)]
    {
        if let Some(value) = value {
            body.insert(field.to_owned(), Value::from(value.iso8601()));
        }
    }
    for (field, value) in
        [("failureThreshold", settings.failure_threshold), ("successThreshold", settings.success_threshold)]
    {
        if let Some(value) = value {
            body.insert(field.to_owned(), Value::from(value));
        }
    }
    Value::Object(body)
}

fn data_collector(collector: &DataCollector) -> Value {
    let collections: Map<String, Value> = collector
        .collections
        .iter()
        .map(|collection| {
            let mut body = json!({"dataCollectionMode": "Enabled"});
            if let Some(rate) = collection.sampling_rate.as_ref().and_then(|rate| rate.parse::<f64>().ok()) {
                body["samplingRate"] = json!(rate);
            }
            (collection.name.clone(), body)
        })
        .collect();
    let mut body = json!({"collections": collections});
    if let Some(rate) = collector.rolling_rate {
        body["rollingRate"] = json!(rate);
    }
    if !collector.capture_headers.is_empty() {
        body["requestLogging"] = json!({"captureHeaders": collector.capture_headers});
    }
    body
}

/// `azureml:<name>:<version>` and `azureml:<name>@<label>` become ARM ids; anything else is one already.
fn environment_id(text: &str, workspace: &str) -> String {
    let Some(rest) = text.strip_prefix("azureml:").filter(|rest| !rest.starts_with("//")) else {
        return text.to_owned();
    };
    if let Some((name, label)) = rest.split_once('@') {
        return format!("{workspace}/environments/{name}/labels/{label}");
    }
    match rest.split_once(':') {
        Some((name, version)) => format!("{workspace}/environments/{name}/versions/{version}"),
        None => text.to_owned(),
    }
}

/// Whether a deployment is what the spec says, in what others could have changed on it; the number of machines apart.
#[must_use]
pub fn is_current(spec: &AmlEndpointSpec, model_id: &str, live: &OnlineDeployment) -> bool {
    let properties = &live.properties;
    let model = properties.model.as_deref().is_some_and(|model| ArmId::new(model) == ArmId::new(model_id));
    let size = properties
        .instance_type
        .as_deref()
        .is_some_and(|size| size.eq_ignore_ascii_case(&spec.deployment.instance_type));
    let insights = spec.deployment.app_insights_enabled;
    model && size && (insights.is_none() || properties.app_insights_enabled == insights)
}

/// The name and version of `azureml:<name>:<version>`.
#[must_use]
pub fn asset(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix("azureml:")?.split_once(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(deployment: &Value) -> AmlEndpointSpec {
        let spec = json!({"workspaceRef": {"name": "ml-ops"}, "model": {"ref": "bank"}, "deployment": deployment});
        serde_json::from_value(spec).unwrap()
    }

    #[test]
    fn a_deployment_is_named_by_model_and_template_without_the_number_of_machines() {
        let one = revision("bank-prod", &spec(&json!({"instanceType": "Standard_DS3_v2"})), "/m/versions/3", "3");
        let many = spec(&json!({"instanceType": "Standard_DS3_v2", "instanceCount": 5}));
        assert_eq!(one, revision("bank-prod", &many, "/m/versions/3", "3"));
        assert_eq!(one.deployment, format!("bank-prod-{}", one.spec_hash));
        assert_ne!(one, revision("bank-prod", &many, "/m/versions/4", "4"));
        let bigger = spec(&json!({"instanceType": "Standard_DS4_v2"}));
        assert_ne!(one.spec_hash, revision("bank-prod", &bigger, "/m/versions/3", "3").spec_hash);
    }

    #[test]
    fn a_deployments_name_fits_azures_32_characters() {
        let long = deployment_name("an-endpoint-with-20c--long-tail", "abcdefghij");
        assert_eq!(long, "an-endpoint-with-20c-abcdefghij");
        assert!(deployment_name(&"a".repeat(32), "abcdefghij").len() <= 32);
    }

    #[test]
    fn what_differs_is_named_and_everything_else_is_kept() {
        let wanted: AmlEndpointSpec = serde_json::from_value(json!({
            "workspaceRef": {"name": "ml-ops"}, "model": {"ref": "bank"}, "publicNetworkAccess": "Disabled",
            "deployment": {"instanceType": "x"},
        }))
        .unwrap();
        let live: OnlineEndpoint = serde_json::from_value(json!({
            "id": "/e", "name": "e", "location": "westeurope", "tags": {"a": "b"}, "kind": "Managed",
            "identity": {"type": "SystemAssigned"},
            "properties": {"authMode": "key", "publicNetworkAccess": "Enabled", "keys": null, "traffic": {"x": 100}, "properties": {"p": "q"}},
        }))
        .unwrap();
        let (body, fields) = corrected(&wanted, &live);
        assert_eq!(fields, ["publicNetworkAccess"]);
        assert_eq!(body.properties.traffic, live.properties.traffic);
        assert_eq!((&body.tags, &body.identity, &body.kind), (&live.tags, &live.identity, &live.kind));
        assert!(!body.properties.extra.contains_key("keys"));
    }
}
