//! The component of a command step, and the node that runs a component. Pure.

use azureml_crds::pipeline::{Command, ComponentType, Distribution, ServerlessCompute, StepInput, StepOutput};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::StepComponent;
use crate::kinds::pipeline_run::job::{output_name, reference};

/// The name of components that are made for one job's node, as Azure's own clients name them (azure-ai-ml,
/// `azureml_anonymous`).
const ANONYMOUS: &str = "azureml_anonymous";
/// The space of the versions' UUIDs.
const SPACE: Uuid = Uuid::from_u128(0x8f0a_5c1e_3c6d_4b57_9d3e_2a41_7c90_be12);

/// What a component is made of.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// The step's name.
    pub step: &'a str,
    /// The command.
    pub command: &'a Command,
    /// The ARM id of its code.
    pub code: Option<&'a str>,
    /// The ARM id of its environment, or its address in a registry.
    pub environment: &'a str,
    /// The type of data that is read, in Azure ML's words.
    pub kinds: &'a dyn Fn(&str) -> String,
}

/// The specification of a command component.
#[must_use]
pub fn specification(wanted: &Wanted) -> Value {
    let inputs: Map<String, Value> = wanted
        .command
        .inputs
        .iter()
        .map(|input| {
            let kind = input.from.as_deref().map_or_else(|| "string".to_owned(), wanted.kinds);
            (input.name.clone(), json!({"type": kind}))
        })
        .collect();
    let outputs: Map<String, Value> = wanted
        .command
        .outputs
        .iter()
        .map(|output| (output.name.clone(), json!({"type": output.type_.as_str()})))
        .collect();
    let mut specification = json!({
        "type": "command",
        "name": ANONYMOUS,
        "version": "1",
        "display_name": wanted.step,
        "is_deterministic": true,
        "command": wanted.command.command,
        "environment": address(wanted.environment),
        "inputs": inputs,
        "outputs": outputs,
    });
    if let (Some(code), Some(fields)) = (wanted.code, specification.as_object_mut()) {
        fields.insert("code".to_owned(), json!(address(code)));
    }
    specification
}

/// As a component's specification names an asset: `azureml:` and its ARM id; a registry's address as it is.
fn address(id: &str) -> String {
    if id.starts_with("azureml:") { id.to_owned() } else { format!("azureml:{id}") }
}

/// The version that a specification is registered as.
#[must_use]
pub fn version(specification: &Value) -> String {
    Uuid::new_v5(&SPACE, specification.to_string().as_bytes()).to_string()
}

/// The component version below the workspace.
#[must_use]
pub fn path(version: &str) -> String {
    format!("components/{ANONYMOUS}/versions/{version}")
}

/// The name under which it is registered.
#[must_use]
pub fn name() -> &'static str {
    ANONYMOUS
}

/// The node of a step that runs a component.
#[must_use]
pub fn node(step: &str, component: &StepComponent, inputs: &[StepInput], outputs: &[StepOutput]) -> Map<String, Value> {
    let kind = match component.kind {
        ComponentType::Command => "command",
        ComponentType::Pipeline => "pipeline",
    };
    let inputs: Map<String, Value> = inputs.iter().map(|input| (input.name.clone(), bound(input))).collect();
    let outputs: Map<String, Value> = outputs
        .iter()
        .map(|output| {
            let bound = format!("${{{{parent.outputs.{}}}}}", output_name(step, &output.name));
            (output.name.clone(), json!({"type": "literal", "value": bound}))
        })
        .collect();
    let node = json!({"name": step, "type": kind, "componentId": component.id, "inputs": inputs, "outputs": outputs});
    node.as_object().cloned().unwrap_or_default()
}

/// What a step reads, as a node says it: bindings are literals too.
fn bound(input: &StepInput) -> Value {
    let value = match (&input.from, &input.parameter) {
        (Some(from), _) => reference(from),
        (None, Some(parameter)) => reference(parameter),
        (None, None) => input.value.clone().unwrap_or_default(),
    };
    json!({"job_input_type": "literal", "value": value})
}

/// What a command's node says beside its component: variables, time-out, machines, distribution.
pub fn settings(node: &mut Map<String, Value>, command: &Command) {
    if !command.environment_variables.is_empty() {
        let variables: Map<String, Value> = command
            .environment_variables
            .iter()
            .map(|variable| (variable.name.clone(), json!(variable.value)))
            .collect();
        node.insert("environment_variables".to_owned(), Value::Object(variables));
    }
    if let Some(timeout) = &command.timeout {
        let timeout = format!("PT{}S", timeout.seconds());
        node.insert("limits".to_owned(), json!({"job_limits_type": "Command", "timeout": timeout}));
    }
    if let Some(distribution) = &command.distribution {
        node.insert("distribution".to_owned(), distributed(distribution));
    }
}

fn distributed(distribution: &Distribution) -> Value {
    let mut fields = Map::new();
    fields.insert("distribution_type".to_owned(), json!(distribution.type_.as_str()));
    for (name, count) in [
        ("process_count_per_instance", distribution.process_count_per_instance),
        ("worker_count", distribution.worker_count),
        ("parameter_server_count", distribution.parameter_server_count),
    ] {
        if let Some(count) = count {
            fields.insert(name.to_owned(), json!(count));
        }
    }
    Value::Object(fields)
}

/// The machines of a step: its own, else those that are lent for the whole pipeline.
#[must_use]
pub fn resources(command: Option<&Command>, lent: Option<&ServerlessCompute>) -> Option<Value> {
    let own = command.and_then(|command| command.resources.clone()).unwrap_or_default();
    let mut fields = Map::new();
    let size = own.instance_type.or_else(|| lent.map(|lent| lent.instance_type.clone()));
    let count = own.instance_count.or_else(|| lent.map(|lent| lent.instance_count.unwrap_or(1)));
    for (name, value) in
        [("instance_type", json!(size)), ("instance_count", json!(count)), ("shm_size", json!(own.shm_size))]
    {
        if !value.is_null() {
            fields.insert(name.to_owned(), value);
        }
    }
    (!fields.is_empty()).then_some(Value::Object(fields))
}
