//! Environments and components that exist already, by their name.

use std::collections::BTreeSet;

use azureml_crds::pipeline::{Component, ComponentType};
use azureml_crds::reasons;
use serde_json::{Map, Value};

use super::StepComponent;
use crate::context::Workspace;
use crate::error::{Error, Halt};

/// How a step names an asset.
enum Named<'a> {
    /// `azureml://registries/...`: Azure ML finds it itself.
    Registry,
    /// `azureml:<name>:<version>`.
    Version(&'a str, &'a str),
    /// `azureml:<name>@latest`.
    Latest(&'a str),
}

fn named(reference: &str) -> Named<'_> {
    if reference.starts_with("azureml://") {
        return Named::Registry;
    }
    let name = reference.trim_start_matches("azureml:");
    match (name.split_once(':'), name.split_once('@')) {
        (Some((name, version)), _) => Named::Version(name, version),
        (None, Some((name, _))) => Named::Latest(name),
        (None, None) => Named::Latest(name),
    }
}

fn missing(reason: &'static str, field: &str, reference: &str, what: &str) -> Error {
    Halt::wait(
        reason,
        format!(
            "{field} names {reference}, and the workspace has no such {what}. Register it, or correct the name; it is looked for again by and by."
        ),
    )
    .into()
}

/// The ARM id of an environment, or its address in a registry. A label is looked up, so that a job says which version
/// it ran.
pub(super) async fn environment(workspace: &Workspace, step: &str, reference: &str) -> Result<String, Error> {
    let field = format!("spec.steps[{step}].command.environment");
    let not_there = || missing(reasons::ENVIRONMENT_NOT_FOUND, &field, reference, "environment");
    let (name, version) = match named(reference) {
        Named::Registry => return Ok(reference.to_owned()),
        Named::Version(name, version) => {
            workspace.azure.environment_version(name, version).await?.ok_or_else(not_there)?;
            (name, version.to_owned())
        }
        Named::Latest(name) => {
            let container = workspace.azure.environment_container(name).await?;
            (name, container.and_then(|found| found.properties.latest_version).ok_or_else(not_there)?)
        }
    };
    Ok(workspace.azure.id_of(&format!("environments/{name}/versions/{version}")))
}

/// The component that a step runs.
pub(super) async fn component(
    workspace: &Workspace,
    step: &str,
    component: &Component,
) -> Result<StepComponent, Error> {
    let field = format!("spec.steps[{step}].component.id");
    let not_there = || missing(reasons::COMPONENT_NOT_FOUND, &field, &component.id, "component");
    let (name, version) = match named(&component.id) {
        Named::Registry => {
            let kind = component.type_.unwrap_or_default();
            return Ok(StepComponent { id: component.id.clone(), kind, made_of: None });
        }
        Named::Version(name, version) => (name, version.to_owned()),
        Named::Latest(name) => {
            let container = workspace.azure.component_container(name).await?;
            (name, container.and_then(|found| found.properties.latest_version).ok_or_else(not_there)?)
        }
    };
    let found = workspace.azure.component_version(name, &version).await?.ok_or_else(not_there)?;
    let specification = &found.properties.component_spec;
    fits(step, component, specification)?;
    let kind = match specification.get("type").and_then(Value::as_str) {
        Some("pipeline") => ComponentType::Pipeline,
        _ => ComponentType::Command,
    };
    let id = workspace.azure.id_of(&format!("components/{name}/versions/{version}"));
    Ok(StepComponent { id, kind, made_of: None })
}

/// What a step gives and takes is what the component has.
fn fits(step: &str, component: &Component, specification: &Value) -> Result<(), Halt> {
    let empty = Map::new();
    let fields = |name: &str| specification.get(name).and_then(Value::as_object).unwrap_or(&empty);
    let wrong = |what: String| {
        Err(Halt::person(
            reasons::DANGLING_REFERENCE,
            format!(
                "spec.steps[{step}].component: {what}. Correct the step, or name another version of the component."
            ),
        ))
    };
    let list = |names: &Map<String, Value>| match names.is_empty() {
        true => "none".to_owned(),
        false => names.keys().cloned().collect::<Vec<_>>().join(", "),
    };
    let (inputs, outputs) = (fields("inputs"), fields("outputs"));
    if let Some(unknown) = component.inputs.iter().find(|input| !inputs.contains_key(&input.name)) {
        return wrong(format!("{} has no input {:?}; its inputs: {}", component.id, unknown.name, list(inputs)));
    }
    if let Some(unknown) = component.outputs.iter().find(|output| !outputs.contains_key(&output.name)) {
        return wrong(format!("{} has no output {:?}; its outputs: {}", component.id, unknown.name, list(outputs)));
    }
    let given: BTreeSet<&str> = component.inputs.iter().map(|input| input.name.as_str()).collect();
    let may_be_absent = |input: &Value| {
        let optional = input.get("optional");
        input.get("default").is_some_and(|value| !value.is_null())
            || optional.is_some_and(|flag| flag.as_bool() == Some(true) || flag.as_str() == Some("true"))
    };
    match inputs.iter().find(|(name, input)| !given.contains(name.as_str()) && !may_be_absent(input)) {
        Some((name, _)) => wrong(format!("the input {name:?} of {} is not given", component.id)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_step_gives_is_what_its_component_takes() {
        let specification = json!({"type": "command", "inputs": {
            "rows": {"type": "uri_folder"}, "rate": {"type": "number", "default": "0.1"}, "more": {"type": "uri_file", "optional": true},
        }, "outputs": {"model": {"type": "custom_model"}}});
        let check = |inputs: Value, outputs: Value| {
            let component =
                serde_json::from_value(json!({"id": "azureml:c:1", "inputs": inputs, "outputs": outputs})).unwrap();
            fits("s", &component, &specification).map_err(|halt| halt.message)
        };
        let rows = json!([{"name": "rows", "from": "x"}]);
        assert_eq!(check(rows.clone(), json!([{"name": "model", "type": "custom_model"}])), Ok(()));
        for (inputs, outputs, words) in [
            (json!([]), json!([]), "the input \"rows\" of azureml:c:1 is not given"),
            (
                json!([{"name": "rows", "from": "x"}, {"name": "z", "value": "1"}]),
                json!([]),
                "no input \"z\"; its inputs: rows, rate, more",
            ),
            (rows, json!([{"name": "z", "type": "uri_file"}]), "no output \"z\"; its outputs: model"),
        ] {
            let message = check(inputs, outputs).unwrap_err();
            assert!(message.contains(words), "{message}");
        }
    }
}
