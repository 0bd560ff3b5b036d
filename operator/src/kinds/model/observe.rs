//! What is read of a model: its container and versions, and what its sources have to offer.

use std::sync::Arc;

use azureml::resources::data::AssetContainer;
use azureml::resources::models::ModelVersion;
use azureml_crds::model::{ModelSource, ModelType};
use azureml_crds::pipeline::AmlPipelineSpec;
use azureml_crds::pipeline_run::{AmlPipelineRunStatus, Metrics, Phase};
use azureml_crds::{AmlModel, AmlPipeline, AmlPipelineRun, AmlResource, reasons};

use super::version::{MeasuredData, Version, read};
use crate::context::{Context, Workspace};
use crate::error::{Error, Halt};
use crate::inventory::Look;
use crate::kinds::pipeline::cause::{short_hash, value_hash};
use crate::kinds::pipeline_run::job::output_address;
use crate::ownership::{Owner, Ownership};
use crate::stores::find;

/// What can be registered.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// `<job>/<output>`: told apart by it.
    pub source: String,
    /// Where the files are.
    pub uri: String,
    /// What the files are.
    pub model_type: &'static str,
    /// The job.
    pub job: Option<String>,
    /// The AmlPipelineRun.
    pub run: Option<String>,
    /// What was measured.
    pub metrics: Metrics,
    /// On which data.
    pub data: MeasuredData,
    /// The metric the best was chosen by.
    pub primary: Option<String>,
}

/// What was read.
#[derive(Clone, Debug)]
pub struct Observed {
    /// Under which the container is owned.
    pub owner: Owner,
    /// The container's ARM id.
    pub id: String,
    /// The container.
    pub container: Option<AssetContainer>,
    /// Status says already that it is ours.
    pub held: bool,
    /// The versions.
    pub versions: Vec<Version>,
    /// What the sources have to offer.
    pub candidates: Vec<Candidate>,
    /// Why sources have nothing to offer.
    pub waits: Vec<Halt>,
    /// Versions that endpoints serve.
    pub in_use: Vec<String>,
}

impl Observed {
    /// Whose the container is.
    #[must_use]
    pub fn ownership(&self) -> Option<Ownership> {
        self.container.as_ref().map(|container| self.owner.judge(&container.properties.tags, self.held))
    }

    /// The version that was made from a source.
    #[must_use]
    pub fn of_source(&self, source: &str) -> Option<&Version> {
        self.versions
            .iter()
            .filter(|version| version.ours && version.source == source)
            .min_by_key(|version| version.number())
    }
}

pub async fn observe(context: &Context, object: &AmlModel, look: Look) -> Result<Observed, Error> {
    let workspace = context.workspace(object, &object.spec.workspace_ref.name).await?;
    let name = object.azure_name();
    let owner = context.owner(object);
    let container = match look {
        Look::Lists => {
            context.inventory.model_container(context, &workspace, object, &name).await?.map(|found| (*found).clone())
        }
        Look::Itself => {
            let found = workspace.azure.model_container(&name).await?;
            context.inventory.model_container_is(&workspace, &name, found.as_ref()).await;
            found
        }
    };
    let found = match &container {
        Some(container) => versions(context, object, &workspace, container, look).await?,
        None => Arc::default(),
    };
    let versions = found.iter().map(|version| with_id(read(version, &owner), &workspace, &name)).collect();
    let id = workspace.azure.id_of(&format!("models/{name}"));
    let recorded = object.status.as_ref().and_then(|status| status.azure.as_ref());
    let (mut candidates, mut waits) = (Vec::new(), Vec::new());
    for source in &object.spec.sources {
        match candidate(context, object.namespace(), source) {
            Some(Ok(candidate)) => candidates.push(candidate),
            Some(Err(halt)) => waits.push(halt),
            None => {}
        }
    }
    Ok(Observed {
        held: recorded.is_some_and(|azure| azure.id == id && azure.origin.is_some()),
        in_use: in_use(context, object),
        owner,
        id,
        container,
        versions,
        candidates,
        waits,
    })
}

/// The versions. At rest they are what they were at the last look, until the container has a newer one or it is time
/// for a look.
async fn versions(
    context: &Context,
    object: &AmlModel,
    workspace: &Workspace,
    container: &AssetContainer,
    look: Look,
) -> Result<Arc<Vec<ModelVersion>>, Error> {
    let (looks, uid, now) = (&context.inventory.model_versions, object.uid(), context.now());
    let latest = container.properties.latest_version.as_deref();
    if look == Look::Lists
        && !looks.is_due(uid, latest, None, now)
        && let Some(known) = looks.seen(uid)
    {
        return Ok(known);
    }
    let found = Arc::new(workspace.azure.model_versions(&object.azure_name()).await?);
    looks.looked(uid, latest, found.clone(), now);
    Ok(found)
}

fn with_id(version: Version, workspace: &Workspace, name: &str) -> Version {
    if !version.id.is_empty() {
        return version;
    }
    Version { id: workspace.azure.id_of(&format!("models/{name}/versions/{}", version.version)), ..version }
}

/// Versions that endpoints of the namespace serve, or are about to.
fn in_use(context: &Context, object: &AmlModel) -> Vec<String> {
    let endpoints = context.stores.endpoints.state_filter(|endpoint| {
        endpoint.namespace() == object.namespace() && endpoint.spec.model.ref_.as_deref() == Some(object.name())
    });
    endpoints
        .iter()
        .filter_map(|endpoint| endpoint.status.as_ref())
        .flat_map(|status| [&status.stable, &status.candidate, &status.previous].into_iter().flatten())
        .map(|revision| revision.model_version.rsplit(['/', ':']).next().unwrap_or_default().to_owned())
        .collect()
}

/// What a source has to offer; `None` for a version that exists already.
fn candidate(context: &Context, namespace: &str, source: &ModelSource) -> Option<Result<Candidate, Halt>> {
    if let (Some(path), Some(kind)) = (&source.path, source.type_) {
        return Some(Ok(Candidate {
            source: format!("path/{}", short_hash(&[path], 32)),
            uri: path.clone(),
            model_type: kind.as_str(),
            job: None,
            run: None,
            metrics: Metrics::default(),
            data: MeasuredData::default(),
            primary: None,
        }));
    }
    let (pipeline, output) = (source.pipeline.as_ref()?, source.output.as_ref()?);
    Some(of_pipeline(context, namespace, pipeline, output))
}

fn of_pipeline(context: &Context, namespace: &str, pipeline: &str, output: &str) -> Result<Candidate, Halt> {
    let runs =
        context.stores.runs.state_filter(|run| run.namespace() == namespace && run.spec.pipeline_ref.name == pipeline);
    let definition = find(&context.stores.pipelines, namespace, pipeline);
    let newest = runs.into_iter().filter(|run| offers(run, output)).max_by_key(|run| {
        let at = run.status.as_ref().and_then(|status| status.completion_time.as_ref()).map(|at| at.0);
        (at, run.name().to_owned())
    });
    match newest {
        Some(run) => of_run(&run, definition.as_ref(), output),
        None if definition.is_none() => Err(Halt::wait(
            reasons::PIPELINE_NOT_FOUND,
            format!(
                "spec.sources names AmlPipeline {pipeline:?}, which does not exist in namespace {namespace:?}. Apply it, or correct the name."
            ),
        )),
        None => Err(Halt::wait(
            reasons::WAITING_FOR_RUN,
            format!("No run of AmlPipeline {pipeline:?} has succeeded yet with the output {output:?}."),
        )),
    }
}

fn offers(run: &AmlPipelineRun, output: &str) -> bool {
    run.status.as_ref().is_some_and(|status| status.phase == Phase::Succeeded && status.outputs.contains_key(output))
}

fn of_run(run: &AmlPipelineRun, pipeline: Option<&Arc<AmlPipeline>>, output: &str) -> Result<Candidate, Halt> {
    let missing =
        || Halt::wait(reasons::WAITING_FOR_RUN, format!("AmlPipelineRun {:?} does not tell its job yet.", run.name()));
    let status = run.status.as_ref().ok_or_else(missing)?;
    let job = status.job.as_ref().ok_or_else(missing)?;
    let recorded = run.recorded_spec().ok().flatten();
    let spec = recorded.or_else(|| pipeline.map(|pipeline| pipeline.spec.clone()));
    let uri = status.outputs.get(output).cloned().unwrap_or_else(|| output_address(&job.name, output));
    Ok(Candidate {
        source: format!("{}/{output}", job.name),
        uri,
        model_type: ModelType::MlflowModel.as_str(),
        job: Some(job.name.clone()),
        run: Some(run.name().to_owned()),
        metrics: status.best.as_ref().map(|best| best.metrics.clone()).unwrap_or_default(),
        data: spec.as_ref().map(|spec| measured_on(spec, status, output)).unwrap_or_default(),
        primary: spec.as_ref().and_then(|spec| primary(spec, output)),
    })
}

/// Figures can be compared when they were taken of the same rows in the same way: for validation that is the training
/// data, what validates, and how it is split; for test the test data alone.
fn measured_on(spec: &AmlPipelineSpec, status: &AmlPipelineRunStatus, output: &str) -> MeasuredData {
    let Some(automl) = step_of(spec, output) else { return MeasuredData::default() };
    let asset = |from: &str| {
        let input = status.inputs.iter().find(|input| input.name == from);
        input.map_or_else(|| from.to_owned(), |input| input.asset_id.to_lowercase())
    };
    let validation = (
        asset(&automl.training_data),
        automl.validation_data.as_deref().map(asset),
        &automl.validation,
        &automl.target_column,
    );
    MeasuredData {
        validation: value_hash(&validation),
        test: automl
            .test_data
            .as_deref()
            .map(|from| value_hash(&(asset(from), &automl.target_column)))
            .unwrap_or_default(),
    }
}

fn primary(spec: &AmlPipelineSpec, output: &str) -> Option<String> {
    let automl = step_of(spec, output)?;
    Some(automl.primary_metric.unwrap_or_else(|| automl.task.default_metric()).mlflow().to_owned())
}

fn step_of<'a>(spec: &'a AmlPipelineSpec, output: &str) -> Option<&'a azureml_crds::pipeline::AutoMl> {
    spec.steps
        .iter()
        .find(|step| output.strip_prefix(&step.name).is_some_and(|rest| rest.starts_with('_')))?
        .automl
        .as_ref()
}
