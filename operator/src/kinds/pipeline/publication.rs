//! The published address in Azure: a batch endpoint that stays, and behind it a deployment for each definition and each
//! version of its inputs. Pure.
//!
//! A batch endpoint takes no tables, so what the pipeline reads is bound in the component, by version; what a request may
//! set are the parameters. The endpoint's default moves to a new deployment when that is ready, and the old one goes last.

use std::collections::BTreeMap;

use azureml::resources::Map as Tags;
use azureml::resources::batch::{
    BatchDeployment, BatchDeploymentProperties, BatchEndpoint, BatchEndpointProperties, PipelineComponentDeployment,
};
use azureml::resources::components::{ComponentVersion, ComponentVersionProperties};
use azureml_crds::policies::AdoptionPolicy;
use azureml_crds::{AmlPipeline, AmlResource, reasons};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::Action;
use super::cause::{causes, short_hash, value_hash};
use super::footprint::Footprint;
use super::resolve::{Compute, Resolved};
use super::schedule::{self, job_tags, record};
use crate::error::Halt;
use crate::kinds::operation::may_retry;
use crate::kinds::pipeline_run::job::{Wanted as Job, body, reference};
use crate::ownership::{Origin, Owner};
use crate::shell::{After, Claim, Plan};

/// Letters of a hash in a deployment's name.
const NAME_HASH: usize = 10;
/// Letters of the pipeline's name in it: a deployment has 32 letters at most.
const BASE: usize = 21;

/// What is to stand behind the address.
#[derive(Clone, Debug, PartialEq)]
pub struct Publication {
    /// The component's name.
    pub component: String,
    /// Its version, which follows from what it does.
    pub version: String,
    /// The deployment's name, which follows from the version.
    pub deployment: String,
    /// What the component is.
    pub spec: Value,
    /// What the deployment is told beside: where it runs.
    pub settings: Value,
    /// What a request may set.
    pub inputs: Vec<String>,
}

/// What a definition comes to.
#[must_use]
pub fn wanted(object: &AmlPipeline, resolved: &Resolved, owner: &Owner) -> Publication {
    let job = body(&Job {
        spec: &object.spec,
        parameters: &[],
        resolved,
        experiment: object.name(),
        display_name: object.name(),
        tags: &BTreeMap::new(),
    });
    let part = |name: &str| job.properties.extra.get(name).cloned().unwrap_or_default();
    let component = schedule::name(object.name(), owner);
    let mut spec = json!({
        "type": "pipeline",
        "name": component,
        "display_name": object.name(),
        "inputs": inputs(object),
        "outputs": outputs(&part("outputs")),
        "jobs": bound(part("jobs"), resolved),
    });
    let compute = match &resolved.compute {
        Compute::Cluster(id) => id.as_str(),
        Compute::Serverless(_) => "serverless",
    };
    let settings = json!({"default_compute": compute, "continue_on_step_failure": "false"});
    let version = value_hash(&json!([spec, settings]));
    spec["version"] = Value::from(version.as_str());
    let letters = object.name().chars().skip_while(|letter| !letter.is_ascii_alphabetic());
    let start: String = letters.take(BASE).collect();
    let start = if start.is_empty() { "pipeline" } else { start.trim_end_matches('-') };
    Publication {
        deployment: format!("{start}-{}", short_hash(&[&version], NAME_HASH)),
        component,
        version,
        spec,
        settings,
        inputs: object.spec.parameters.iter().map(|parameter| parameter.name.clone()).collect(),
    }
}

/// The parameters, each with its value for a request that says nothing of it.
fn inputs(object: &AmlPipeline) -> Map<String, Value> {
    let parameters = object.spec.parameters.iter();
    parameters
        .map(|parameter| {
            (parameter.name.clone(), json!({"type": "string", "default": parameter.value, "optional": true}))
        })
        .collect()
}

/// A job's outputs as a component declares them.
fn outputs(of_job: &Value) -> Map<String, Value> {
    let outputs = of_job.as_object().into_iter().flatten();
    outputs.map(|(name, output)| (name.clone(), json!({"type": output.get("jobOutputType")}))).collect()
}

/// Steps that read the pipeline's data by its version, and not by an input of the pipeline.
fn bound(steps: Value, resolved: &Resolved) -> Value {
    let data: BTreeMap<String, Value> = resolved
        .inputs
        .iter()
        .map(|input| {
            let kind = resolved.types.get(&input.name).map_or("mltable", String::as_str);
            (reference(&input.name), json!({"job_input_type": kind, "uri": input.asset_id}))
        })
        .collect();
    replaced(steps, &data)
}

fn replaced(value: Value, data: &BTreeMap<String, Value>) -> Value {
    let known = |text: &Value| data.get(text.as_str()?).cloned();
    match value {
        Value::String(_) => known(&value).unwrap_or(value),
        Value::Array(items) => Value::Array(items.into_iter().map(|item| replaced(item, data)).collect()),
        Value::Object(fields) => {
            // `{"job_input_type": "literal", "value": "${{parent.inputs.x}}"}`
            let literal = fields.get("job_input_type").is_some_and(|kind| kind == "literal");
            if let Some(data) = fields.get("value").filter(|_| literal).and_then(known) {
                let mut data = data;
                if let Some(mode) = fields.get("mode") {
                    data["mode"] = mode.clone();
                }
                return data;
            }
            Value::Object(fields.into_iter().map(|(name, field)| (name, replaced(field, data))).collect())
        }
        other => other,
    }
}

/// The component version.
#[must_use]
pub fn component(publication: &Publication, tags: Tags) -> ComponentVersion {
    let properties = ComponentVersionProperties {
        component_spec: publication.spec.clone(),
        tags,
        ..ComponentVersionProperties::default()
    };
    ComponentVersion { properties, ..ComponentVersion::default() }
}

/// The deployment of a component version.
#[must_use]
pub fn deployment(publication: &Publication, component_id: &str, location: &str, owner: &Owner) -> BatchDeployment {
    let mut configuration = PipelineComponentDeployment::of(component_id, publication.settings.clone());
    // Azure puts them on the jobs that it starts (BatchPipelineComponentDeploymentConfiguration.tags).
    configuration.extra.insert("tags".to_owned(), json!(job_tags(owner, causes::PUBLISHED)));
    BatchDeployment {
        location: location.to_owned(),
        tags: owner.tags(Origin::Created),
        properties: BatchDeploymentProperties {
            deployment_configuration: Some(configuration),
            ..BatchDeploymentProperties::default()
        },
        ..BatchDeployment::default()
    }
}

/// A new endpoint.
#[must_use]
pub fn endpoint(location: &str, tags: Tags) -> BatchEndpoint {
    BatchEndpoint {
        location: location.to_owned(),
        tags,
        properties: BatchEndpointProperties { auth_mode: "AADToken".to_owned(), ..BatchEndpointProperties::default() },
        ..BatchEndpoint::default()
    }
}

/// The endpoint as it is, to be put back with a change; without what Azure alone writes.
#[must_use]
pub fn writable(live: &BatchEndpoint) -> BatchEndpoint {
    let mut body = live.clone();
    (body.id, body.name) = (String::new(), String::new());
    body.extra.retain(|field, _| ["identity", "kind", "sku"].contains(&field.as_str()));
    (body.properties.scoring_uri, body.properties.provisioning_state) = (None, None);
    body.properties.extra.retain(|field, _| ["description", "properties"].contains(&field.as_str()));
    body
}

/// The deployment that requests go to.
#[must_use]
pub fn default_of(endpoint: &BatchEndpoint) -> Option<&str> {
    endpoint.properties.defaults.as_ref()?.deployment_name.as_deref().filter(|name| !name.is_empty())
}

/// Requests to the address run what is wanted.
#[must_use]
pub fn serves(footprint: &Footprint) -> bool {
    let (Some(publication), Some(found)) = (&footprint.publication, &footprint.endpoint.found) else { return false };
    default_of(found).is_some_and(|default| default.eq_ignore_ascii_case(&publication.deployment))
}

/// The spec wants the address that is recorded, or there is none recorded.
#[must_use]
pub fn is_wanted(object: &AmlPipeline, footprint: &Footprint) -> bool {
    let publish = object.spec.publish.as_ref();
    publish.is_some_and(|publish| publish.endpoint_name.eq_ignore_ascii_case(&footprint.endpoint.name()))
}

/// How the endpoint came to us, where it is ours.
#[must_use]
pub fn origin(footprint: &Footprint) -> Option<Origin> {
    let seen = &footprint.endpoint;
    footprint.owner.judge(&seen.found.as_ref()?.tags, seen.held).ours()
}

/// What is next for the address; at rest where it is as wanted.
#[must_use]
pub fn plan(
    object: &AmlPipeline,
    footprint: &Footprint,
    resolved: Result<&Resolved, &Halt>,
    now: Timestamp,
) -> Plan<Action> {
    let seen = &footprint.endpoint;
    let what = format!("Batch endpoint {:?}", seen.name());
    if seen.recorded && !is_wanted(object, footprint) {
        return unwanted(footprint, &what);
    }
    if object.spec.publish.is_none() {
        return Plan::ready("It is not published.");
    }
    if !seen.recorded {
        return record(&what);
    }
    if let Err(halt) = resolved {
        return Plan::halted(halt);
    }
    let Some(publication) = &footprint.publication else { return Plan::ready("Nothing to publish.") };
    let act = |action, message: String| Plan::act(action, reasons::PROGRESSING, message);
    let Some(found) = &seen.found else {
        let action = Action::PutEndpoint { origin: Origin::Created, reason: reasons::CREATED };
        return act(action, format!("{what} is being made in Azure."));
    };
    let claim = Claim {
        owner: &footprint.owner,
        what: &what,
        adopts: object.adoption_policy() == AdoptionPolicy::Adopt,
        help: "Take it over (adoptionPolicy: Adopt), or write another spec.publish.endpointName.",
    };
    let mark = |origin, reason| Action::PutEndpoint { origin, reason };
    if let Some(plan) = claim.plan(claim.owner.judge(&found.tags, seen.held), mark) {
        return plan;
    }
    let again = |origin| Action::PutEndpoint { origin, reason: reasons::UPDATED };
    let state = found.properties.provisioning_state.as_deref();
    if let Some(plan) =
        moving(&what, state, object, footprint, now, again(origin(footprint).unwrap_or(Origin::Created)))
    {
        return plan;
    }
    if !footprint.component {
        return act(
            Action::PutComponent,
            format!("Component {:?} gets version {:?}.", publication.component, publication.version),
        );
    }
    behind(object, footprint, found, publication, now).unwrap_or_else(|| Plan::ready(format!("{what} serves.")))
}

/// What is next behind the address.
fn behind(
    object: &AmlPipeline,
    footprint: &Footprint,
    found: &BatchEndpoint,
    publication: &Publication,
    now: Timestamp,
) -> Option<Plan<Action>> {
    let act = |action, message: String| Some(Plan::act(action, reasons::PROGRESSING, message));
    let named = |name: &str| footprint.deployments.iter().find(|known| known.name.eq_ignore_ascii_case(name));
    let what = format!("Deployment {:?}", publication.deployment);
    let Some(deployed) = named(&publication.deployment) else {
        return act(Action::PutDeployment, format!("{what} is being made in Azure."));
    };
    let state = deployed.properties.provisioning_state.as_deref();
    if let Some(plan) = moving(&what, state, object, footprint, now, Action::PutDeployment) {
        return Some(plan);
    }
    if !default_of(found).is_some_and(|default| default.eq_ignore_ascii_case(&publication.deployment)) {
        return act(Action::SetDefault, format!("Requests go to deployment {:?} from now on.", publication.deployment));
    }
    // Others of ours have served; what is somebody else's stays.
    let ours = |known: &&BatchDeployment| {
        !known.name.eq_ignore_ascii_case(&publication.deployment)
            && footprint.owner.judge(&known.tags, false).ours().is_some()
            && known.properties.provisioning_state.as_deref() != Some("Deleting")
    };
    let old = footprint.deployments.iter().find(ours)?;
    act(Action::DeleteDeployment(old.name.clone()), format!("Deployment {:?} has served and is deleted.", old.name))
}

/// Work on it is under way, or has failed.
fn moving(
    what: &str,
    state: Option<&str>,
    object: &AmlPipeline,
    footprint: &Footprint,
    now: Timestamp,
    again: Action,
) -> Option<Plan<Action>> {
    match state.unwrap_or("Succeeded") {
        "Succeeded" => None,
        "Failed" | "Canceled" if may_retry(object, footprint.retry, now) => {
            Some(Plan::act(again, reasons::PROGRESSING, format!("{what} is put again.")))
        }
        state @ ("Failed" | "Canceled") => Some(Plan::stalled(
            reasons::OPERATION_FAILED,
            format!(
                "{what} is {state} in Azure; the address runs what it ran before. Correct the definition if Azure can't deploy it; it is tried again by and by."
            ),
        )),
        state => Some(Plan::wait(After::Poll, reasons::PROGRESSING, format!("{what} is {state} in Azure."))),
    }
}

/// What the spec has no more goes with all behind it; what was taken over stays.
fn unwanted(footprint: &Footprint, what: &str) -> Plan<Action> {
    let found = footprint.endpoint.found.as_ref();
    match (found, origin(footprint)) {
        (Some(found), Some(Origin::Created)) => match found.properties.provisioning_state.as_deref() {
            Some(state @ ("Creating" | "Updating" | "Deleting")) => {
                Plan::wait(After::Poll, reasons::PROGRESSING, format!("{what} is {state} in Azure."))
            }
            _ => Plan::act(Action::DeleteEndpoint, reasons::PROGRESSING, format!("{what} is being deleted.")),
        },
        // It is forgotten, and another one may be made.
        _ => record(what),
    }
}

#[cfg(test)]
mod tests {
    use azureml_crds::pipeline_run::ResolvedInput;
    use azureml_crds::resource::named;

    use super::*;
    use crate::kinds::pipeline::validate::tests::spec;

    fn published(version: &str) -> Publication {
        let mut object =
            AmlPipeline { metadata: named("team", "2-bank"), spec: spec(&[("train", "training")]), status: None };
        object.spec.parameters = serde_json::from_value(json!([{"name": "trials", "value": "8"}])).unwrap();
        let asset_id = format!("/w/data/bank/versions/{version}");
        let input = ResolvedInput { name: "training".into(), asset_id, ..ResolvedInput::default() };
        let compute = Compute::Cluster("/w/computes/cpu".into());
        let resolved = Resolved { compute, inputs: vec![input], types: BTreeMap::new(), steps: BTreeMap::new() };
        wanted(&object, &resolved, &Owner::new("prod", "team", "AmlPipeline", "bank", "u"))
    }

    #[test]
    fn data_is_bound_by_its_version_and_parameters_are_inputs() {
        let one = published("1");
        let bound = json!({"job_input_type": "mltable", "uri": "/w/data/bank/versions/1"});
        assert_eq!(one.spec["jobs"]["train"]["training_data"], bound);
        assert_eq!(one.spec["inputs"], json!({"trials": {"type": "string", "default": "8", "optional": true}}));
        assert_eq!(one.spec["outputs"], json!({"train_best_model": {"type": "mlflow_model"}}));
        let output = "${{parent.outputs.train_best_model}}";
        assert_eq!(one.spec["jobs"]["train"]["outputs"]["best_model"]["value"], output);
        assert!(one.deployment.starts_with("bank-") && one.deployment.len() <= 32, "{}", one.deployment);
        assert_eq!(one, published("1"));
        let two = published("2");
        assert_ne!((&one.version, &one.deployment), (&two.version, &two.deployment));
    }

    #[test]
    fn what_a_command_reads_is_bound_with_its_mode() {
        let reads = json!({"job_input_type": "literal", "value": "${{parent.inputs.raw}}", "mode": "Download"});
        let data = json!({"job_input_type": "uri_folder", "uri": "azureml://x"});
        let known = BTreeMap::from([("${{parent.inputs.raw}}".to_owned(), data)]);
        let expected =
            json!({"inputs": {"raw": {"job_input_type": "uri_folder", "uri": "azureml://x", "mode": "Download"}}});
        assert_eq!(replaced(json!({"inputs": {"raw": reads}}), &known), expected);
    }
}
