//! From the names in a definition to what they stand for at this moment.

use std::collections::BTreeMap;

use azureml_crds::pipeline::{AmlPipelineSpec, ComputeTarget, Input, ServerlessCompute};
use azureml_crds::pipeline_run::{ResolvedInput, RunInput};
use azureml_crds::{AmlDataset, AmlResource, conditions, reasons};

use super::steps::StepComponent;
use crate::context::{Context, Workspace};
use crate::error::Halt;
use crate::kinds::dataset::asset_id;
use crate::stores::find;

/// Where steps run.
#[derive(Clone, Debug, PartialEq)]
pub enum Compute {
    /// A cluster, by its ARM id.
    Cluster(String),
    /// Machines that Azure ML lends.
    Serverless(ServerlessCompute),
}

/// What the names in a definition stand for.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// Where steps run.
    pub compute: Compute,
    /// What steps read.
    pub inputs: Vec<ResolvedInput>,
    /// The data's types in Azure ML's words, by input.
    pub types: BTreeMap<String, String>,
    /// What steps other than AutoML are in Azure; filled by [`super::steps::look`] where a job is to be made.
    pub steps: BTreeMap<String, StepComponent>,
}

/// Resolves a definition; `overrides` are versions that a run asks for.
///
/// # Errors
/// A halt that waits for what is missing or not ready yet.
pub fn resolve(
    context: &Context,
    namespace: &str,
    workspace: &Workspace,
    spec: &AmlPipelineSpec,
    overrides: &[RunInput],
) -> Result<Resolved, Halt> {
    if let Some(unknown) = overrides.iter().find(|own| !spec.inputs.iter().any(|input| input.name == own.name)) {
        return Err(Halt::person(
            reasons::DANGLING_REFERENCE,
            format!(
                "spec.inputs names {:?}, which is no input of the pipeline. Make a new AmlPipelineRun.",
                unknown.name
            ),
        ));
    }
    let compute = compute(context, namespace, workspace, &spec.compute)?;
    let mut inputs = Vec::new();
    let mut types = BTreeMap::new();
    for input in &spec.inputs {
        let wanted = overrides.iter().find(|own| own.name == input.name).map(|own| own.version.as_str());
        let dataset = dataset(context, namespace, input)?;
        types.insert(input.name.clone(), dataset.spec.type_.azure().to_owned());
        inputs.push(version(workspace, input, &dataset, wanted.or(input.version.as_deref()))?);
    }
    tables(spec, &types)?;
    Ok(Resolved { compute, inputs, types, steps: BTreeMap::new() })
}

/// AutoML reads tables, whatever else a pipeline reads.
fn tables(spec: &AmlPipelineSpec, types: &BTreeMap<String, String>) -> Result<(), Halt> {
    for step in &spec.steps {
        let Some(automl) = &step.automl else { continue };
        let read = [
            ("trainingData", Some(&automl.training_data)),
            ("validationData", automl.validation_data.as_ref()),
            ("testData", automl.test_data.as_ref()),
        ];
        for (field, from) in read.into_iter().filter_map(|(field, from)| Some((field, from?))) {
            if types.get(from).is_some_and(|kind| kind != "mltable") {
                return Err(Halt::person(
                    reasons::INVALID_SPEC,
                    format!(
                        "spec.steps[{}].automl.{field} reads the input {from:?}, whose AmlDataset is no table. AutoML reads tables alone: name an AmlDataset with spec.type Table, or let a command step make one.",
                        step.name
                    ),
                ));
            }
        }
    }
    Ok(())
}

fn compute(context: &Context, namespace: &str, workspace: &Workspace, target: &ComputeTarget) -> Result<Compute, Halt> {
    if let Some(serverless) = &target.serverless {
        return Ok(Compute::Serverless(serverless.clone()));
    }
    let Some(name) = &target.ref_ else {
        let name = target.azure_name.as_deref().unwrap_or_default();
        return Ok(Compute::Cluster(workspace.azure.id_of(&format!("computes/{name}"))));
    };
    let object = find(&context.stores.computes, namespace, name).ok_or_else(|| {
        Halt::wait(
            reasons::COMPUTE_NOT_FOUND,
            format!("spec.compute.ref names AmlCompute {name:?}, which does not exist in namespace {namespace:?}. Apply it, or correct the name."),
        )
    })?;
    let id = object.status.as_ref().and_then(|status| status.compute_id.clone());
    match id {
        Some(id) if object.is_ready() => Ok(Compute::Cluster(id)),
        _ => Err(Halt::wait(
            reasons::WAITING_FOR_COMPUTE,
            format!("AmlCompute {name:?} is not ready ({}).", why(object.as_ref())),
        )),
    }
}

fn dataset(context: &Context, namespace: &str, input: &Input) -> Result<std::sync::Arc<AmlDataset>, Halt> {
    find(&context.stores.datasets, namespace, &input.dataset).ok_or_else(|| {
        Halt::wait(
            reasons::DATASET_NOT_FOUND,
            format!(
                "spec.inputs[{}].dataset names AmlDataset {:?}, which does not exist in namespace {namespace:?}. Apply it, or correct the name.",
                input.name, input.dataset
            ),
        )
    })
}

fn version(
    workspace: &Workspace,
    input: &Input,
    dataset: &AmlDataset,
    wanted: Option<&str>,
) -> Result<ResolvedInput, Halt> {
    let resolved = |version: String, asset_id: String| ResolvedInput {
        name: input.name.clone(),
        dataset: input.dataset.clone(),
        version,
        asset_id,
    };
    let id_of = |version: &str| asset_id(&workspace.azure, dataset, version);
    if let Some(version) = wanted {
        return Ok(resolved(version.to_owned(), id_of(version)));
    }
    let status = dataset.status.as_ref();
    match status.and_then(|status| status.version.clone()) {
        // A dataset that is not ready may be on its way to another version: a run now would be one too many.
        Some(version) if dataset.is_ready() => {
            let id = status.and_then(|status| status.asset_id.clone()).unwrap_or_else(|| id_of(&version));
            Ok(resolved(version, id))
        }
        _ => Err(Halt::wait(
            reasons::WAITING_FOR_DATASET,
            format!("AmlDataset {:?} is not ready ({}).", input.dataset, why(dataset)),
        )),
    }
}

/// Why an object is not ready, in its own words.
pub fn why<K: AmlResource>(object: &K) -> String {
    object.condition(conditions::READY).map_or_else(
        || "it was not looked at yet".to_owned(),
        |ready| format!("{}: {}", ready.reason, ready.message.trim_end_matches('.')),
    )
}
