//! What a pipeline has in Azure by itself: its schedule, its published address, and the jobs that these started.

use azureml::resources::batch::{BatchDeployment, BatchEndpoint};
use azureml::resources::jobs::{Job, JobState};
use azureml::resources::schedules::Schedule;
use azureml::{ArmId, OperationState};
use azureml_crds::pipeline::{AmlPipelineStatus, Discovery};
use azureml_crds::status::{AzureObject, OperationStatus};
use azureml_crds::{AmlPipeline, AmlResource, tags};
use jiff::Timestamp;
use std::time::Duration;

use super::cause::causes;
use super::discovery::Found;
use super::publication::Publication;
use super::schedule;
use crate::context::{Context, Workspace};
use crate::error::Error;
use crate::inventory::Look;
use crate::inventory::lists::{BatchEndpoints, Schedules};
use crate::kinds::operation;
use crate::ownership::Owner;

/// A thing in Azure, and what the status says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource<T> {
    /// Its ARM id, recorded or to be.
    pub id: String,
    /// The status records it.
    pub recorded: bool,
    /// It was seen to be ours before.
    pub held: bool,
    /// As it is.
    pub found: Option<T>,
}

impl<T> Resource<T> {
    fn new(recorded: Option<&AzureObject>, otherwise: String) -> Self {
        Self {
            id: recorded.map_or(otherwise, |azure| azure.id.clone()),
            recorded: recorded.is_some(),
            held: recorded.is_some_and(|azure| azure.origin.is_some()),
            found: None,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> String {
        ArmId::new(&self.id).name().to_owned()
    }
}

/// What was read of it: values alone.
#[derive(Clone, Debug)]
pub struct Footprint {
    /// Under which all of it is owned.
    pub owner: Owner,
    /// The region.
    pub location: String,
    /// The schedule.
    pub schedule: Resource<Schedule>,
    /// The batch endpoint of the published address.
    pub endpoint: Resource<BatchEndpoint>,
    /// Its deployments.
    pub deployments: Vec<BatchDeployment>,
    /// What is to be published, where the definition can be resolved.
    pub publication: Option<Publication>,
    /// The component version that is to be published exists.
    pub component: bool,
    /// The jobs that schedule and address started.
    pub jobs: Vec<Found>,
    /// They were asked for.
    pub listed: bool,
    /// Which of them were dealt with.
    pub mark: Option<Discovery>,
    /// When a run was missed that is told already.
    pub missed: Option<Timestamp>,
    /// How the remembered operation stands.
    pub operation: Option<OperationState>,
    /// The operation that this pass started.
    pub started: Option<OperationStatus>,
    /// How often what failed is tried again.
    pub retry: Duration,
    /// How often jobs are looked for.
    pub discover: Duration,
}

/// The pipeline has or wants something in Azure.
#[must_use]
pub fn concerns(object: &AmlPipeline, status: &AmlPipelineStatus) -> bool {
    let wants = object.spec.publish.is_some() || object.spec.run.as_ref().is_some_and(|run| run.schedule.is_some());
    wants || status.schedule.is_some() || status.published.is_some() || status.discovery.is_some()
}

/// Reads all of it; jobs also where there is no more than runs that show some (`shows`).
///
/// # Errors
/// Azure's answer.
pub async fn read(
    context: &Context,
    object: &AmlPipeline,
    workspace: &Workspace,
    publication: Option<Publication>,
    shows: bool,
    look: Look,
) -> Result<Footprint, Error> {
    let status = object.status.clone().unwrap_or_default();
    let owner = context.owner(object);
    let azure = &workspace.azure;
    let (scheduled, published) = (status.schedule.as_ref(), status.published.as_ref());
    let name = schedule::name(object.name(), &owner);
    let mut schedule = Resource::new(
        scheduled.and_then(|schedule| schedule.azure.as_ref()),
        azure.id_of(&format!("schedules/{name}")),
    );
    let address = object.spec.publish.as_ref().map(|publish| publish.endpoint_name.clone()).unwrap_or_default();
    let mut endpoint = Resource::new(
        published.and_then(|published| published.azure.as_ref()),
        azure.id_of(&format!("batchEndpoints/{address}")),
    );
    let mut footprint = Footprint {
        location: workspace.location(),
        deployments: Vec::new(),
        component: false,
        jobs: Vec::new(),
        listed: false,
        mark: status.discovery.clone(),
        missed: scheduled.and_then(|schedule| schedule.missed.as_ref()).map(|at| at.0),
        operation: operation::poll(azure.client(), status.operation.as_ref()).await?,
        started: None,
        retry: context.settings.stalled_retry,
        discover: context.settings.discover,
        owner,
        publication,
        schedule: schedule.clone(),
        endpoint: endpoint.clone(),
    };
    if schedule.recorded {
        let name = schedule.name();
        schedule.found = context.inventory.look::<Schedules>(context, workspace, object, &name, look).await?;
        footprint.schedule = schedule;
    }
    if endpoint.recorded {
        let name = endpoint.name();
        let (found, deployments) = read_endpoint(context, object, workspace, &name, look).await?;
        endpoint.found = found;
        footprint.endpoint = endpoint;
        footprint.deployments = deployments;
        footprint.component =
            read_component(workspace, &footprint, published.map(|known| known.version.as_str()), look).await?;
    }
    if shows || footprint.schedule.recorded || footprint.endpoint.recorded {
        let jobs = context.inventory.started_jobs(workspace, object, context.settings.discover).await?;
        let id = footprint.owner.id.to_string();
        footprint.jobs = jobs.iter().filter_map(|job| found(job, &id)).collect();
        footprint.listed = true;
    }
    Ok(footprint)
}

async fn read_endpoint(
    context: &Context,
    object: &AmlPipeline,
    workspace: &Workspace,
    name: &str,
    look: Look,
) -> Result<(Option<BatchEndpoint>, Vec<BatchDeployment>), Error> {
    let inventory = &context.inventory;
    let found = inventory.look::<BatchEndpoints>(context, workspace, object, name, look).await?;
    let deployments = match found {
        Some(_) => inventory.batch_deployments(workspace, object, name, look).await?,
        None => Vec::new(),
    };
    Ok((found, deployments))
}

/// A version of a component never changes: the one that is published is there.
async fn read_component(
    workspace: &Workspace,
    footprint: &Footprint,
    published: Option<&str>,
    look: Look,
) -> Result<bool, Error> {
    let Some(publication) = &footprint.publication else { return Ok(false) };
    let deployed = footprint.deployments.iter().any(|deployment| deployment.name == publication.deployment);
    if deployed && (look == Look::Lists || published == Some(publication.version.as_str())) {
        return Ok(true);
    }
    Ok(workspace.azure.component_version(&publication.component, &publication.version).await?.is_some())
}

/// A job as discovery sees it, if the pipeline of this owner id started it.
fn found(job: &Job, owner: &str) -> Option<Found> {
    let tags = &job.properties.tags;
    if tags.get(tags::PIPELINE).map(String::as_str) != Some(owner) {
        return None;
    }
    let cause = match tags.get(tags::STARTED_BY).map(String::as_str) {
        Some(causes::PUBLISHED) => causes::PUBLISHED,
        _ => causes::SCHEDULE,
    };
    let ended = match job.state() {
        JobState::Completed => Some(true),
        JobState::Failed | JobState::Canceled => Some(false),
        JobState::Waiting | JobState::Running => None,
    };
    let created = Timestamp::from_second(job.system_data.created()?.as_second()).ok()?;
    let name = if job.name.is_empty() { ArmId::new(&job.id).name().to_owned() } else { job.name.clone() };
    Some(Found { name, created, ended, cause })
}
