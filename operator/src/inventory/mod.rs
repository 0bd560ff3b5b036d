//! What is known of Azure without asking about each object: lists that all objects of a workspace share, and when each
//! object was last looked at in full.
//!
//! An object at rest is judged by these lists. Whatever in them asks for more than rest is looked at itself before
//! anything is done: a list never decides a write, it only spares the look at what has not changed.

pub mod full_look;
pub mod lists;
pub mod rest;
pub mod shared;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use azureml::resources::batch::BatchDeployment;
use azureml::resources::jobs::Job;
use azureml::resources::models::ModelVersion;
use azureml::resources::online::OnlineDeployment;
use azureml::resources::role_assignments::RoleAssignment;
use azureml_crds::{AmlResource, AmlWorkspace, tags};
use jiff::Timestamp;

use self::full_look::FullLooks;
use self::lists::{Itself, List, Lists};
use self::shared::{Asked, Listed, Shared};
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

    fn lists(&self, object: &AmlWorkspace, azure: &azureml::Workspace) -> Arc<Lists> {
        let (generation, by) = (object.metadata.generation, azure.client());
        let new = || Arc::new(Lists::new(generation, by.clone()));
        let Ok(mut all) = self.workspaces.lock() else { return new() };
        match all.get(object.uid()) {
            Some(lists) if lists.hold_for(generation, by) => lists.clone(),
            _ => {
                let lists = new();
                all.insert(object.uid().to_owned(), lists.clone());
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

    /// Something of a workspace, looked at as `look` says; what was read by itself is known to the list.
    ///
    /// # Errors
    /// Why there is no list, or no answer.
    pub async fn look<L: List>(
        &self,
        context: &Context,
        workspace: &Workspace,
        object: &impl AmlResource,
        name: &str,
        look: Look,
    ) -> Result<Option<L::Entry>, Error> {
        let Workspace { object: within, azure } = workspace;
        self.read::<L>(context, (within, azure), object, name, look).await
    }

    /// The workspace itself.
    ///
    /// # Errors
    /// As [`Inventory::look`].
    pub async fn workspace(
        &self,
        context: &Context,
        azure: &azureml::Workspace,
        object: &AmlWorkspace,
        look: Look,
    ) -> Result<Option<<Itself as List>::Entry>, Error> {
        self.read::<Itself>(context, (object, azure), object, &object.azure_name(), look).await
    }

    async fn read<L: List>(
        &self,
        context: &Context,
        (within, azure): (&AmlWorkspace, &azureml::Workspace),
        object: &impl AmlResource,
        name: &str,
        look: Look,
    ) -> Result<Option<L::Entry>, Error> {
        let lists = self.lists(within, azure);
        let kept = L::kept(&lists);
        if look == Look::Itself {
            let found = L::one(azure, name).await?;
            L::note(kept, name, found.as_ref()).await;
            return Ok(found);
        }
        let wake = |key| context.wakers.wake(key);
        Ok(kept.entry(name, self.asked(object), || L::all(azure), wake).await?.map(|found| (*found).clone()))
    }

    /// The deployments of an endpoint.
    ///
    /// # Errors
    /// As [`Inventory::look`].
    pub async fn deployments(
        &self,
        workspace: &Workspace,
        object: &impl AmlResource,
        endpoint: &str,
        look: Look,
    ) -> Result<Vec<OnlineDeployment>, Error> {
        let azure = &workspace.azure;
        let kept = self.lists(&workspace.object, azure).deployments().of(endpoint);
        self.whole(&kept, object, look, || azure.online_deployments(endpoint)).await
    }

    /// The deployments of a batch endpoint.
    ///
    /// # Errors
    /// As [`Inventory::look`].
    pub async fn batch_deployments(
        &self,
        workspace: &Workspace,
        object: &impl AmlResource,
        endpoint: &str,
        look: Look,
    ) -> Result<Vec<BatchDeployment>, Error> {
        let azure = &workspace.azure;
        let kept = self.lists(&workspace.object, azure).batch_deployments().of(endpoint);
        self.whole(&kept, object, look, || azure.batch_deployments(endpoint)).await
    }

    /// The jobs that Azure started for pipelines of the workspace, no older than this.
    ///
    /// # Errors
    /// Why there is no list.
    pub async fn started_jobs(
        &self,
        workspace: &Workspace,
        object: &impl AmlResource,
        age: Duration,
    ) -> Result<Vec<Arc<Job>>, Error> {
        let azure = &workspace.azure;
        let asked = Asked { max_age: rest::list_age(age), ..self.asked(object) };
        let lists = self.lists(&workspace.object, azure);
        lists.started_jobs().all(asked, || azure.jobs(Some(tags::PIPELINE))).await
    }

    /// The role assignments of a principal in the workspace.
    ///
    /// # Errors
    /// As [`Inventory::look`].
    pub async fn roles(
        &self,
        azure: &azureml::Workspace,
        object: &AmlWorkspace,
        principal: &str,
        look: Look,
    ) -> Result<Vec<RoleAssignment>, Error> {
        let kept = self.lists(object, azure).roles().of(principal);
        self.whole(&kept, object, look, || azure.role_assignments(principal)).await
    }

    /// A list that one object alone asks for, so its own look makes it new.
    async fn whole<T: Listed, F>(
        &self,
        kept: &Shared<T>,
        object: &impl AmlResource,
        look: Look,
        list: impl FnOnce() -> F,
    ) -> Result<Vec<T>, Error>
    where
        F: Future<Output = Result<Vec<T>, azureml::Error>>,
    {
        if look == Look::Itself {
            let found = list().await?;
            kept.are(&found, Instant::now()).await;
            return Ok(found);
        }
        let asked = Asked { max_age: self.resync / 2, ..self.asked(object) };
        Ok(kept.all(asked, list).await?.iter().map(|entry| (**entry).clone()).collect())
    }
}
