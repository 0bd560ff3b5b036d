//! What steps other than AutoML are in Azure: components, with the code and the environments that they run.
//!
//! A pipeline job's command node can only name a component (azure-ai-ml 1.35 registers an anonymous one for each
//! command). Code, environment and component of a command step are registered under names that follow from their
//! content: the same step is the same version, whoever runs it, and nothing is registered twice.

pub mod code;
pub mod component;
pub mod environment;
mod find;
pub mod register;

use std::collections::BTreeMap;
use std::sync::Arc;

use azureml_crds::pipeline::{AmlPipelineSpec, ComponentType, OutputType};

use self::code::Snapshot;
use self::environment::Inline;
use crate::context::{Context, Workspace};
use crate::error::Error;
use crate::kinds::pipeline::validate::BEST_MODEL;
use crate::shell::references::Key;

/// Where a step's objects are read from, and who is woken when something was read that takes long.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The object for which steps are looked at.
    pub waker: &'a Key,
    /// Its uid: what is fetched is kept under it.
    pub uid: &'a str,
}

/// What a step is in Azure.
#[derive(Clone, Debug, PartialEq)]
pub struct StepComponent {
    /// The component version's ARM id, or its address in a registry.
    pub id: String,
    /// What it is.
    pub kind: ComponentType,
    /// What has to be registered before it can be named; `None` for a component that is somebody's.
    pub made_of: Option<Arc<Parts>>,
}

/// What a command step's component is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Parts {
    /// Its code.
    pub code: Option<Snapshot>,
    /// An environment that is described in place.
    pub environment: Option<Inline>,
    /// The component's version, which follows from the specification.
    pub version: String,
    /// The specification, as Azure ML's YAML has it.
    pub specification: serde_json::Value,
}

/// The steps' components, by step. `types` are the types of the pipeline's inputs, in Azure ML's words.
///
/// # Errors
/// A halt that waits for what is missing or still on its way, or trouble with Azure or Kubernetes.
pub async fn look(
    context: &Context,
    place: Place<'_>,
    workspace: &Workspace,
    spec: &AmlPipelineSpec,
    types: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, StepComponent>, Error> {
    let namespace = workspace.object.metadata.namespace.as_deref().unwrap_or_default();
    let mut all = BTreeMap::new();
    for step in &spec.steps {
        let found = if let Some(command) = &step.command {
            let code = match &command.code {
                Some(files) => Some(code::read(context, place, namespace, &step.name, files).await?),
                None => None,
            };
            let inline = match &command.inline_environment {
                Some(described) => Some(environment::inline(context, namespace, &step.name, described).await?),
                None => None,
            };
            let address = match (&inline, &command.environment) {
                (Some(inline), _) => workspace.azure.id_of(&inline.path()),
                (None, Some(reference)) => find::environment(workspace, &step.name, reference).await?,
                (None, None) => String::new(),
            };
            let code_id = code.as_ref().map(|code| workspace.azure.id_of(&code.path()));
            let specification = component::specification(&component::Wanted {
                step: &step.name,
                command,
                code: code_id.as_deref(),
                environment: &address,
                kinds: &|from| data_type(spec, types, from),
            });
            let version = component::version(&specification);
            StepComponent {
                id: workspace.azure.id_of(&component::path(&version)),
                kind: ComponentType::Command,
                made_of: Some(Arc::new(Parts { code, environment: inline, version, specification })),
            }
        } else if let Some(component) = &step.component {
            find::component(workspace, &step.name, component).await?
        } else {
            continue;
        };
        all.insert(step.name.clone(), found);
    }
    Ok(all)
}

/// The type of what a step reads, in Azure ML's words: an input of the pipeline, or `<step>.<output>`.
#[must_use]
pub fn data_type(spec: &AmlPipelineSpec, types: &BTreeMap<String, String>, from: &str) -> String {
    let Some((step, output)) = from.split_once('.') else {
        return types.get(from).cloned().unwrap_or_else(|| "uri_folder".to_owned());
    };
    output_type(spec, step, output).as_str().to_owned()
}

/// The type of a step's output.
#[must_use]
pub fn output_type(spec: &AmlPipelineSpec, step: &str, output: &str) -> OutputType {
    let step = spec.steps.iter().find(|known| known.name == step);
    let declared = step.into_iter().flat_map(|step| {
        let command = step.command.iter().flat_map(|command| &command.outputs);
        command.chain(step.component.iter().flat_map(|component| &component.outputs))
    });
    let known = declared.into_iter().find(|known| known.name == output).map(|known| known.type_);
    let trained = step.is_some_and(|step| step.automl.is_some() && output == BEST_MODEL);
    known.unwrap_or(if trained { OutputType::MlflowModel } else { OutputType::UriFolder })
}
