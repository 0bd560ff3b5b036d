//! The body of a pipeline job. Pure.

use std::collections::BTreeMap;

use azureml::resources::jobs::{Job, JobProperties};
use azureml_crds::pipeline::{AmlPipelineSpec, Parameter, Step};
use serde_json::{Map, Value, json};

use super::automl_node;
use crate::kinds::pipeline::resolve::{Compute, Resolved};
use crate::kinds::pipeline::steps::{component, output_type};
use crate::kinds::pipeline::validate::step_outputs;

/// What a job is made of.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The definition.
    pub spec: &'a AmlPipelineSpec,
    /// Parameters that the run sets otherwise.
    pub parameters: &'a [Parameter],
    /// What the definition's names stand for.
    pub resolved: &'a Resolved,
    /// The experiment that it is shown under.
    pub experiment: &'a str,
    /// The name that it is shown by.
    pub display_name: &'a str,
    /// Its tags.
    pub tags: &'a BTreeMap<String, String>,
}

/// A step's output as the pipeline's.
#[must_use]
pub fn output_name(step: &str, output: &str) -> String {
    format!("{step}_{output}")
}

/// What a step reads, as the job's language says it: an input of the pipeline, or `<step>.<output>`.
#[must_use]
pub fn reference(from: &str) -> String {
    match from.split_once('.') {
        None => format!("${{{{parent.inputs.{from}}}}}"),
        Some((step, output)) => format!("${{{{parent.jobs.{step}.outputs.{output}}}}}"),
    }
}

/// The address of a job's output.
#[must_use]
pub fn output_address(job: &str, output: &str) -> String {
    format!("azureml://jobs/{job}/outputs/{output}")
}

/// The job's body.
#[must_use]
pub fn body(wanted: &Wanted) -> Job {
    let fields = json!({
        "displayName": wanted.display_name,
        "isArchived": false,
        "properties": {},
        "settings": settings(&wanted.resolved.compute),
        "inputs": inputs(wanted),
        "outputs": outputs(wanted.spec),
        "jobs": nodes(wanted),
    });
    Job {
        properties: JobProperties {
            job_type: "Pipeline".to_owned(),
            experiment_name: Some(wanted.experiment.to_owned()),
            tags: wanted.tags.clone(),
            extra: fields.as_object().cloned().unwrap_or_default(),
            ..JobProperties::default()
        },
        ..Job::default()
    }
}

fn settings(compute: &Compute) -> Value {
    let compute = match compute {
        Compute::Cluster(id) => id.as_str(),
        Compute::Serverless(_) => "serverless",
    };
    json!({"default_compute": compute, "continue_on_step_failure": false, "force_rerun": false})
}

fn inputs(wanted: &Wanted) -> Map<String, Value> {
    let data = wanted.resolved.inputs.iter().map(|input| {
        let kind = wanted.resolved.types.get(&input.name).map_or("mltable", String::as_str);
        (input.name.clone(), json!({"jobInputType": kind, "uri": input.asset_id}))
    });
    let parameters = wanted.spec.parameters.iter().map(|parameter| {
        let own = wanted.parameters.iter().find(|own| own.name == parameter.name).unwrap_or(parameter);
        (own.name.clone(), json!({"jobInputType": "literal", "value": own.value}))
    });
    data.chain(parameters).collect()
}

fn outputs(spec: &AmlPipelineSpec) -> Map<String, Value> {
    let mut all = Map::new();
    for step in &spec.steps {
        for output in step_outputs(step) {
            let kind = output_type(spec, &step.name, output).as_str();
            all.insert(output_name(&step.name, output), json!({"jobOutputType": kind}));
        }
    }
    all
}

fn nodes(wanted: &Wanted) -> Map<String, Value> {
    let mut all = Map::new();
    let lent = match &wanted.resolved.compute {
        Compute::Serverless(machines) => Some(machines),
        Compute::Cluster(_) => None,
    };
    for step in &wanted.spec.steps {
        let Some(mut node) = node(wanted, step) else { continue };
        if let Some(command) = &step.command {
            component::settings(&mut node, command);
        }
        if let Some(resources) = component::resources(step.command.as_ref(), lent) {
            node.insert("resources".to_owned(), resources);
        }
        all.insert(step.name.clone(), Value::Object(node));
    }
    all
}

fn node(wanted: &Wanted, step: &Step) -> Option<Map<String, Value>> {
    if let Some(automl) = &step.automl {
        return Some(automl_node::node(&step.name, automl));
    }
    let made = wanted.resolved.steps.get(&step.name)?;
    let (inputs, outputs) = match (&step.command, &step.component) {
        (Some(command), _) => (&command.inputs, &command.outputs),
        (None, Some(component)) => (&component.inputs, &component.outputs),
        (None, None) => return None,
    };
    Some(component::node(&step.name, made, inputs, outputs))
}

#[cfg(test)]
#[path = "job_tests.rs"]
mod tests;
