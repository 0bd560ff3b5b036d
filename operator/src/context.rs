//! What every reconcile has at hand.

use std::sync::Arc;

use azureml_crds::{AmlResource, AmlWorkspace, annotations, reasons};
use jiff::Timestamp;
use kube::runtime::events::Recorder;

use crate::credentials::Clients;
use crate::error::{Error, Halt};
use crate::inventory::Inventory;
use crate::kinds::workspace::Diagnoses;
use crate::leader::tenure::Tenure;
use crate::metrics::Metrics;
use crate::ownership::Owner;
use crate::settings::Settings;
use crate::shell::filled::Filled;
use crate::shell::fresh::Fresh;
use crate::shell::holds::Holds;
use crate::shell::references::References;
use crate::shell::urgency::{AtWork, priority};
use crate::shell::wake::Wakers;
use crate::stores::{Stores, find};

/// What every reconcile has at hand.
pub struct Context {
    /// The Kubernetes client for calls.
    pub client: kube::Client,
    /// The Kubernetes client for watches, which may be silent for long.
    pub watch_client: kube::Client,
    /// The configuration.
    pub settings: Settings,
    /// The caches.
    pub stores: Stores,
    /// Whether the caches have been filled once.
    pub filled: Filled,
    /// Azure, by workspace.
    pub azure: Clients,
    /// What is known of Azure without asking about each object.
    pub inventory: Inventory,
    /// What fetches web datasets.
    pub fetcher: crate::fetch::Fetcher,
    /// The shared event recorder.
    pub recorder: Recorder,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// What this process last wrote.
    pub fresh: Fresh,
    /// How often in a row what failed.
    pub tries: crate::shell::tries::Tries,
    /// What Azure is deleting.
    pub deletions: crate::kinds::deletion::Deletions,
    /// Whom a change wakes.
    pub wakers: Arc<Wakers>,
    /// The Secrets and ServiceAccounts that are held for workspaces.
    pub holds: Holds,
    /// What is known of what workspaces lack.
    pub diagnoses: Diagnoses,
    /// How long this replica may write.
    pub tenure: Arc<Tenure>,
}

impl Context {
    /// The one clock.
    pub fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    /// The identity under which an object owns things in Azure.
    pub fn owner<K: AmlResource>(&self, object: &K) -> Owner {
        Owner::new(&self.settings.installation, object.namespace(), K::KIND, object.name(), object.uid())
    }

    /// Checked right before every write: a replica that lost its lease writes nothing.
    ///
    /// # Errors
    /// [`Error::NotLeader`].
    pub fn check_leads(&self) -> Result<(), Error> {
        self.tenure.left().map(drop).ok_or(Error::NotLeader)
    }

    /// The AmlWorkspace of this name, whatever its state.
    ///
    /// # Errors
    /// A halt that waits for it.
    pub fn workspace_object(&self, namespace: &str, name: &str) -> Result<Arc<AmlWorkspace>, Error> {
        find(&self.stores.workspaces, namespace, name).ok_or_else(|| {
            Halt::wait(
                reasons::WORKSPACE_NOT_FOUND,
                format!("spec.workspaceRef names AmlWorkspace {name:?}, which does not exist in namespace {namespace:?}. Apply it, or correct the name."),
            )
            .into()
        })
    }

    /// Azure as the workspace of this name sees it, for this object, whose requests wait their turn by how it stands.
    /// The workspace must have been found ready, of whatever generation: while somebody changes who may use it, it still
    /// serves.
    ///
    /// # Errors
    /// A halt that waits for the workspace, or why its credentials don't work.
    pub async fn workspace<K: AtWork>(&self, asking: &K, name: &str) -> Result<Workspace, Error> {
        let object = self.workspace_object(asking.namespace(), name)?;
        if object.is_deleting() {
            let message = format!("AmlWorkspace {name:?} is being deleted; make it anew, or delete this object too.");
            return Err(Halt::wait(reasons::WORKSPACE_NOT_READY, message).into());
        }
        if object.condition(azureml_crds::conditions::READY).is_none_or(|ready| ready.status != "True") {
            let why = object.condition(azureml_crds::conditions::READY).map_or_else(
                || "it was not looked at yet".to_owned(),
                |ready| format!("{}: {}", ready.reason, ready.message),
            );
            return Err(Halt::wait(
                reasons::WORKSPACE_NOT_READY,
                format!("AmlWorkspace {name:?} is not ready ({why})."),
            )
            .into());
        }
        let azure = self.azure.workspace(self, &object, false).await?.at(priority(asking));
        Ok(Workspace { object, azure })
    }

    /// The same for deletion: the workspace need not be ready, only usable.
    ///
    /// # Errors
    /// As [`Context::workspace`].
    pub async fn workspace_for_cleanup<K: AtWork>(&self, asking: &K, name: &str) -> Result<Workspace, Error> {
        let object = self.workspace_object(asking.namespace(), name)?;
        let azure = self.azure.workspace(self, &object, true).await?.at(priority(asking));
        Ok(Workspace { object, azure })
    }

    /// The object, or its workspace, is paused.
    pub fn paused_by<K: References>(&self, object: &K) -> Option<String> {
        if object.annotation(annotations::PAUSED) == Some("true") {
            return Some("its own annotation".to_owned());
        }
        let name = object.workspace(&self.stores)?;
        let workspace = find(&self.stores.workspaces, object.namespace(), &name)?;
        (workspace.annotation(annotations::PAUSED) == Some("true"))
            .then(|| format!("the annotation of AmlWorkspace {name:?}"))
    }
}

/// A workspace: the custom resource, and Azure as it sees it.
#[derive(Clone)]
pub struct Workspace {
    /// The custom resource.
    pub object: Arc<AmlWorkspace>,
    /// The client.
    pub azure: azureml::Workspace,
}

impl Workspace {
    /// The region, as the workspace's status has it.
    #[must_use]
    pub fn location(&self) -> String {
        self.object.status.as_ref().and_then(|status| status.location.clone()).unwrap_or_default()
    }
}
