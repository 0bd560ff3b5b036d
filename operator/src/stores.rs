//! The caches that the watches fill: one a kind.

use std::sync::Arc;

use azureml_crds::{
    AmlCompute, AmlDataset, AmlEndpoint, AmlModel, AmlPipeline, AmlPipelineRun, AmlResource, AmlWorkspace,
};
use kube::runtime::reflector::{ObjectRef, Store};

/// The caches.
#[derive(Clone, Debug)]
pub struct Stores {
    /// AmlWorkspaces.
    pub workspaces: Store<AmlWorkspace>,
    /// AmlComputes.
    pub computes: Store<AmlCompute>,
    /// AmlDatasets.
    pub datasets: Store<AmlDataset>,
    /// AmlPipelines.
    pub pipelines: Store<AmlPipeline>,
    /// AmlPipelineRuns.
    pub runs: Store<AmlPipelineRun>,
    /// AmlModels.
    pub models: Store<AmlModel>,
    /// AmlEndpoints.
    pub endpoints: Store<AmlEndpoint>,
}

/// An object of a cache by namespace and name.
pub fn find<K: AmlResource>(store: &Store<K>, namespace: &str, name: &str) -> Option<Arc<K>> {
    store.get(&ObjectRef::new(name).within(namespace))
}

impl Stores {
    /// Whether an object of a namespace lives in this workspace and is not being deleted.
    pub fn has_live_children(&self, namespace: &str, workspace: &str) -> bool {
        fn any<K: AmlResource>(store: &Store<K>, namespace: &str, workspace: &str) -> bool {
            store
                .find(|object| {
                    object.namespace() == namespace
                        && object.workspace_ref() == Some(workspace)
                        && !object.is_deleting()
                })
                .is_some()
        }
        any(&self.computes, namespace, workspace)
            || any(&self.datasets, namespace, workspace)
            || any(&self.pipelines, namespace, workspace)
            || any(&self.runs, namespace, workspace)
            || any(&self.models, namespace, workspace)
            || any(&self.endpoints, namespace, workspace)
    }

    /// How many objects of a namespace live in this workspace, by kind.
    pub fn children_of(&self, namespace: &str, workspace: &str) -> Vec<(&'static str, usize)> {
        fn count<K: AmlResource>(store: &Store<K>, namespace: &str, workspace: &str) -> (&'static str, usize) {
            let number = store
                .state_filter(|object| object.namespace() == namespace && object.workspace_ref() == Some(workspace))
                .len();
            (K::KIND, number)
        }
        [
            count(&self.computes, namespace, workspace),
            count(&self.datasets, namespace, workspace),
            count(&self.pipelines, namespace, workspace),
            count(&self.runs, namespace, workspace),
            count(&self.models, namespace, workspace),
            count(&self.endpoints, namespace, workspace),
        ]
        .into_iter()
        .filter(|(_, number)| *number > 0)
        .collect()
    }
}
