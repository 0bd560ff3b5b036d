//! What is known of Azure without asking about each object: lists that all objects of a workspace share, and when each
//! object was last looked at in full.
//!
//! An object at rest is judged by these lists. Whatever in them asks for more than rest is looked at itself before
//! anything is done: a list never decides a write, it only spares the look at what has not changed.

pub mod full_look;
pub mod rest;
pub mod shared;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use azureml::resources::computes::Compute;
use azureml::resources::data::AssetContainer;
use azureml::resources::models::ModelVersion;
use azureml::resources::online::{OnlineDeployment, OnlineEndpoint};
use azureml_crds::AmlResource;
use jiff::Timestamp;

use self::full_look::FullLooks;
use self::shared::{Asked, Shared};
use crate::context::{Context, Workspace};
use crate::error::Error;
use crate::settings::Settings;
use crate::shell::references::Key;

/// How an object's own things in Azure are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Each by itself, as it is now.
    Itself,
    /// In lists that others share, which may be as old as the time between two looks.
    Lists,
}

/// All that is kept.
#[derive(Debug)]
pub struct Inventory {
    resync: Duration,
    poll: Duration,
    workspaces: Mutex<HashMap<String, Arc<Lists>>>,
    /// The current versions of datasets.
    pub data_versions: FullLooks<()>,
    /// The versions of models.
    pub model_versions: FullLooks<Arc<Vec<ModelVersion>>>,
    /// The keys of endpoints.
    pub keys: FullLooks<()>,
}

/// The lists of one workspace, as one AmlWorkspace of one generation sees it.
#[derive(Debug)]
struct Lists {
    generation: Option<i64>,
    data: Shared<AssetContainer>,
    models: Shared<AssetContainer>,
    endpoints: Shared<OnlineEndpoint>,
    computes: Shared<Compute>,
    /// By the endpoint's name in lower case.
    deployments: Mutex<HashMap<String, Arc<Shared<OnlineDeployment>>>>,
}

impl Lists {
    fn new(generation: Option<i64>) -> Self {
        Self {
            generation,
            data: Shared::default(),
            models: Shared::default(),
            endpoints: Shared::default(),
            computes: Shared::default(),
            deployments: Mutex::default(),
        }
    }

    fn deployments_of(&self, endpoint: &str) -> Arc<Shared<OnlineDeployment>> {
        let key = endpoint.to_lowercase();
        self.deployments.lock().map(|mut all| all.entry(key).or_default().clone()).unwrap_or_default()
    }
}

impl Inventory {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(settings: &Settings, started: Timestamp) -> Self {
        let (full_look, resync) = (settings.full_look, settings.resync);
        Self {
            resync,
            poll: settings.poll,
            workspaces: Mutex::default(),
            data_versions: FullLooks::new(full_look, started, resync),
            model_versions: FullLooks::new(full_look, started, resync),
            keys: FullLooks::new(full_look, started, resync),
        }
    }

    fn lists(&self, workspace: &Workspace) -> Arc<Lists> {
        let (uid, generation) = (workspace.object.uid(), workspace.object.metadata.generation);
        let Ok(mut all) = self.workspaces.lock() else { return Arc::new(Lists::new(generation)) };
        match all.get(uid) {
            // A spec that changed may name other credentials, which see other things.
            Some(lists) if lists.generation == generation => lists.clone(),
            _ => {
                let lists = Arc::new(Lists::new(generation));
                all.insert(uid.to_owned(), lists.clone());
                lists
            }
        }
    }

    /// An AmlWorkspace is gone.
    pub fn forget_workspace(&self, uid: &str) {
        if let Ok(mut all) = self.workspaces.lock() {
            all.remove(uid);
        }
    }

    /// Any other object is gone.
    pub fn forget(&self, uid: &str) {
        self.data_versions.forget(uid);
        self.model_versions.forget(uid);
        self.keys.forget(uid);
        self.forget_workspace(uid);
    }

    fn asked<K: AmlResource>(&self, object: &K) -> Asked {
        Asked {
            by: Key::new(K::KIND, object.namespace(), object.name()),
            max_age: rest::list_age(self.resync),
            try_again: self.poll,
            now: Instant::now(),
        }
    }

    /// A data asset's container.
    ///
    /// # Errors
    /// Why there is no list.
    pub async fn data_container<K: AmlResource>(
        &self,
        context: &Context,
        workspace: &Workspace,
        object: &K,
        name: &str,
    ) -> Result<Option<Arc<AssetContainer>>, Error> {
        let azure = &workspace.azure;
        let lists = self.lists(workspace);
        let list = || async move { azure.data_containers().await };
        lists.data.entry(name, self.asked(object), list, |key| context.wakers.wake(key)).await
    }

    /// A model's container.
    ///
    /// # Errors
    /// Why there is no list.
    pub async fn model_container<K: AmlResource>(
        &self,
        context: &Context,
        workspace: &Workspace,
        object: &K,
        name: &str,
    ) -> Result<Option<Arc<AssetContainer>>, Error> {
        let azure = &workspace.azure;
        let lists = self.lists(workspace);
        let list = || async move { azure.model_containers().await };
        lists.models.entry(name, self.asked(object), list, |key| context.wakers.wake(key)).await
    }

    /// A cluster.
    ///
    /// # Errors
    /// Why there is no list.
    pub async fn compute<K: AmlResource>(
        &self,
        context: &Context,
        workspace: &Workspace,
        object: &K,
        name: &str,
    ) -> Result<Option<Arc<Compute>>, Error> {
        let azure = &workspace.azure;
        let lists = self.lists(workspace);
        let list = || async move { azure.computes().await };
        lists.computes.entry(name, self.asked(object), list, |key| context.wakers.wake(key)).await
    }

    /// An endpoint.
    ///
    /// # Errors
    /// Why there is no list.
    pub async fn endpoint<K: AmlResource>(
        &self,
        context: &Context,
        workspace: &Workspace,
        object: &K,
        name: &str,
    ) -> Result<Option<Arc<OnlineEndpoint>>, Error> {
        let azure = &workspace.azure;
        let lists = self.lists(workspace);
        let list = || async move { azure.online_endpoints().await };
        lists.endpoints.entry(name, self.asked(object), list, |key| context.wakers.wake(key)).await
    }

    /// The deployments of an endpoint. One object alone asks for them, so its own look makes them new.
    ///
    /// # Errors
    /// Why there is no list.
    pub async fn deployments<K: AmlResource>(
        &self,
        workspace: &Workspace,
        object: &K,
        endpoint: &str,
    ) -> Result<Vec<OnlineDeployment>, Error> {
        let azure = &workspace.azure;
        let lists = self.lists(workspace).deployments_of(endpoint);
        let list = || async move { azure.online_deployments(endpoint).await };
        let asked = Asked { max_age: self.resync / 2, ..self.asked(object) };
        Ok(lists.all(asked, list).await?.iter().map(|deployment| (**deployment).clone()).collect())
    }

    /// A data asset's container was just read by itself.
    pub async fn data_container_is(&self, workspace: &Workspace, name: &str, found: Option<&AssetContainer>) {
        self.lists(workspace).data.is(name, found).await;
    }

    /// A model's container was just read by itself.
    pub async fn model_container_is(&self, workspace: &Workspace, name: &str, found: Option<&AssetContainer>) {
        self.lists(workspace).models.is(name, found).await;
    }

    /// A cluster was just read by itself.
    pub async fn compute_is(&self, workspace: &Workspace, name: &str, found: Option<&Compute>) {
        self.lists(workspace).computes.is(name, found).await;
    }

    /// An endpoint was just read by itself, with its deployments.
    pub async fn endpoint_is(
        &self,
        workspace: &Workspace,
        name: &str,
        found: Option<&OnlineEndpoint>,
        deployments: &[OnlineDeployment],
    ) {
        let lists = self.lists(workspace);
        lists.endpoints.is(name, found).await;
        lists.deployments_of(name).are(deployments, Instant::now()).await;
    }
}
