//! The lists of a workspace, as one identity sees it.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use azureml::resources::batch::{BatchDeployment, BatchEndpoint};
use azureml::resources::computes::Compute;
use azureml::resources::data::AssetContainer;
use azureml::resources::jobs::Job;
use azureml::resources::online::{OnlineDeployment, OnlineEndpoint};
use azureml::resources::role_assignments::RoleAssignment;
use azureml::resources::schedules::Schedule;
use azureml::resources::workspaces::WorkspaceResource;

use super::shared::{Listed, Shared};

/// The lists of one workspace, as one AmlWorkspace of one generation and credential sees it.
#[derive(Debug)]
pub struct Lists {
    generation: Option<i64>,
    sees: azureml::Client,
    workspace: Shared<WorkspaceResource>,
    data: Shared<AssetContainer>,
    models: Shared<AssetContainer>,
    endpoints: Shared<OnlineEndpoint>,
    computes: Shared<Compute>,
    schedules: Shared<Schedule>,
    batch_endpoints: Shared<BatchEndpoint>,
    /// Of those alone that Azure started for pipelines.
    started_jobs: Shared<Job>,
    batch_deployments: Many<BatchDeployment>,
    deployments: Many<OnlineDeployment>,
    roles: Many<RoleAssignment>,
}

/// Lists by whose they are, in lower case.
#[derive(Debug)]
pub struct Many<T>(Mutex<HashMap<String, Arc<Shared<T>>>>);

impl<T> Default for Many<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Many<T> {
    /// The list of this one.
    pub fn of(&self, name: &str) -> Arc<Shared<T>> {
        let key = name.to_lowercase();
        self.0.lock().map(|mut all| all.entry(key).or_default().clone()).unwrap_or_default()
    }
}

impl Lists {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(generation: Option<i64>, sees: azureml::Client) -> Self {
        Self {
            generation,
            sees,
            workspace: Shared::default(),
            data: Shared::default(),
            models: Shared::default(),
            endpoints: Shared::default(),
            computes: Shared::default(),
            schedules: Shared::default(),
            batch_endpoints: Shared::default(),
            started_jobs: Shared::default(),
            batch_deployments: Many::default(),
            deployments: Many::default(),
            roles: Many::default(),
        }
    }

    /// They are what this one sees too: a spec that changed, or a Secret, may let it see other things.
    #[must_use]
    pub fn hold_for(&self, generation: Option<i64>, by: &azureml::Client) -> bool {
        self.generation == generation && self.sees.has_credential_of(by)
    }

    /// The deployments of endpoints.
    #[must_use]
    pub fn deployments(&self) -> &Many<OnlineDeployment> {
        &self.deployments
    }

    /// The deployments of batch endpoints.
    #[must_use]
    pub fn batch_deployments(&self) -> &Many<BatchDeployment> {
        &self.batch_deployments
    }

    /// The jobs that Azure started for pipelines.
    #[must_use]
    pub fn started_jobs(&self) -> &Shared<Job> {
        &self.started_jobs
    }

    /// The roles of principals.
    #[must_use]
    pub fn roles(&self) -> &Many<RoleAssignment> {
        &self.roles
    }
}

/// Something that can be read by itself, and in a list of all that the workspace has of it.
pub trait List {
    /// What is in it.
    type Entry: Listed + Send + Sync + 'static;

    /// Where it is kept.
    fn kept(lists: &Lists) -> &Shared<Self::Entry>;

    /// All of it.
    fn all(azure: &azureml::Workspace) -> impl Future<Output = Result<Vec<Self::Entry>, azureml::Error>> + Send;

    /// One by itself.
    fn one(
        azure: &azureml::Workspace,
        name: &str,
    ) -> impl Future<Output = Result<Option<Self::Entry>, azureml::Error>> + Send;

    /// One was just read by itself.
    fn note(kept: &Shared<Self::Entry>, name: &str, found: Option<&Self::Entry>) -> impl Future<Output = ()> + Send {
        kept.is(name, found)
    }
}

/// The containers of data assets.
pub struct DataAssets;

impl List for DataAssets {
    type Entry = AssetContainer;

    fn kept(lists: &Lists) -> &Shared<AssetContainer> {
        &lists.data
    }

    async fn all(azure: &azureml::Workspace) -> Result<Vec<AssetContainer>, azureml::Error> {
        azure.data_containers().await
    }

    async fn one(azure: &azureml::Workspace, name: &str) -> Result<Option<AssetContainer>, azureml::Error> {
        azure.data_container(name).await
    }
}

/// The containers of models.
pub struct Models;

impl List for Models {
    type Entry = AssetContainer;

    fn kept(lists: &Lists) -> &Shared<AssetContainer> {
        &lists.models
    }

    async fn all(azure: &azureml::Workspace) -> Result<Vec<AssetContainer>, azureml::Error> {
        azure.model_containers().await
    }

    async fn one(azure: &azureml::Workspace, name: &str) -> Result<Option<AssetContainer>, azureml::Error> {
        azure.model_container(name).await
    }
}

/// Endpoints.
pub struct Endpoints;

impl List for Endpoints {
    type Entry = OnlineEndpoint;

    fn kept(lists: &Lists) -> &Shared<OnlineEndpoint> {
        &lists.endpoints
    }

    async fn all(azure: &azureml::Workspace) -> Result<Vec<OnlineEndpoint>, azureml::Error> {
        azure.online_endpoints().await
    }

    async fn one(azure: &azureml::Workspace, name: &str) -> Result<Option<OnlineEndpoint>, azureml::Error> {
        azure.online_endpoint(name).await
    }
}

/// Clusters.
pub struct Computes;

impl List for Computes {
    type Entry = Compute;

    fn kept(lists: &Lists) -> &Shared<Compute> {
        &lists.computes
    }

    async fn all(azure: &azureml::Workspace) -> Result<Vec<Compute>, azureml::Error> {
        azure.computes().await
    }

    async fn one(azure: &azureml::Workspace, name: &str) -> Result<Option<Compute>, azureml::Error> {
        azure.compute(name).await
    }
}

/// Schedules.
pub struct Schedules;

impl List for Schedules {
    type Entry = Schedule;

    fn kept(lists: &Lists) -> &Shared<Schedule> {
        &lists.schedules
    }

    async fn all(azure: &azureml::Workspace) -> Result<Vec<Schedule>, azureml::Error> {
        azure.schedules().await
    }

    async fn one(azure: &azureml::Workspace, name: &str) -> Result<Option<Schedule>, azureml::Error> {
        azure.schedule(name).await
    }
}

/// Batch endpoints.
pub struct BatchEndpoints;

impl List for BatchEndpoints {
    type Entry = BatchEndpoint;

    fn kept(lists: &Lists) -> &Shared<BatchEndpoint> {
        &lists.batch_endpoints
    }

    async fn all(azure: &azureml::Workspace) -> Result<Vec<BatchEndpoint>, azureml::Error> {
        azure.batch_endpoints().await
    }

    async fn one(azure: &azureml::Workspace, name: &str) -> Result<Option<BatchEndpoint>, azureml::Error> {
        azure.batch_endpoint(name).await
    }
}

/// The workspace itself: a list of one.
pub struct Itself;

impl List for Itself {
    type Entry = WorkspaceResource;

    fn kept(lists: &Lists) -> &Shared<WorkspaceResource> {
        &lists.workspace
    }

    async fn all(azure: &azureml::Workspace) -> Result<Vec<WorkspaceResource>, azureml::Error> {
        Ok(azure.get().await?.into_iter().collect())
    }

    async fn one(azure: &azureml::Workspace, _: &str) -> Result<Option<WorkspaceResource>, azureml::Error> {
        azure.get().await
    }

    async fn note(kept: &Shared<WorkspaceResource>, _: &str, found: Option<&WorkspaceResource>) {
        kept.are(found.map(std::slice::from_ref).unwrap_or_default(), Instant::now()).await;
    }
}
