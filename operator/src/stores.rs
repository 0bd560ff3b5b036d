//! The caches that the watches fill: one a kind.

use std::sync::Arc;

use azureml_crds::{
    AmlCompute, AmlDataset, AmlEndpoint, AmlModel, AmlPipeline, AmlPipelineRun, AmlResource, AmlWorkspace,
};
use kube::runtime::reflector::{ObjectRef, Store};

use crate::shell::references::References;

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
        self.counted(namespace, workspace, false).iter().any(|(_, number)| *number > 0)
    }

    /// How many objects of a namespace live in this workspace, by kind.
    pub fn children_of(&self, namespace: &str, workspace: &str) -> Vec<(&'static str, usize)> {
        let all = self.counted(namespace, workspace, true);
        all.into_iter().filter(|(_, number)| *number > 0).collect()
    }

    fn counted(&self, namespace: &str, workspace: &str, deleting_too: bool) -> [(&'static str, usize); 6] {
        let place = (namespace, workspace);
        [
            self.count(&self.computes, place, deleting_too),
            self.count(&self.datasets, place, deleting_too),
            self.count(&self.pipelines, place, deleting_too),
            self.count(&self.runs, place, deleting_too),
            self.count(&self.models, place, deleting_too),
            self.count(&self.endpoints, place, deleting_too),
        ]
    }

    fn count<K: References>(
        &self,
        store: &Store<K>,
        (namespace, workspace): (&str, &str),
        deleting_too: bool,
    ) -> (&'static str, usize) {
        let of_namespace = store.state_filter(|object| object.namespace() == namespace);
        let lives_in = |object: &Arc<K>| {
            (deleting_too || !object.is_deleting()) && object.workspace(self).as_deref() == Some(workspace)
        };
        (K::KIND, of_namespace.iter().filter(|object| lives_in(object)).count())
    }
}

#[cfg(test)]
mod tests {
    use kube::runtime::reflector::store::Writer;
    use kube::runtime::watcher::Event;
    use serde_json::{Value, json};

    use super::*;

    fn filled<K: AmlResource>(specs: &[(&str, Value, Value)]) -> Store<K> {
        let mut writer = Writer::<K>::default();
        for (name, spec, more) in specs {
            let mut metadata = json!({"name": name, "namespace": "team-a", "uid": name});
            for (key, value) in more.as_object().into_iter().flatten() {
                metadata[key] = value.clone();
            }
            let object =
                json!({"apiVersion": "azureml.dev/v1alpha1", "kind": K::KIND, "metadata": metadata, "spec": spec});
            writer.apply_watcher_event(&Event::Apply(serde_json::from_value(object).unwrap()));
        }
        writer.as_reader()
    }

    fn pipeline(workspace: &str) -> Value {
        json!({"workspaceRef": {"name": workspace}, "compute": {"ref": "cpu"}, "inputs": [], "steps": []})
    }

    fn stores(pipelines: &[(&str, Value, Value)], runs: &[(&str, Value, Value)]) -> Stores {
        Stores {
            workspaces: filled(&[]),
            computes: filled(&[]),
            datasets: filled(&[]),
            pipelines: filled(pipelines),
            runs: filled(runs),
            models: filled(&[]),
            endpoints: filled(&[]),
        }
    }

    #[test]
    fn a_run_lives_in_the_workspace_of_its_snapshot_or_else_of_its_pipeline() {
        let of = |pipeline: &str| json!({"pipelineRef": {"name": pipeline}});
        let noted = json!({"annotations": {"azureml.dev/pipeline-spec": pipeline("w").to_string()}});
        let table = [
            (
                "the operator's snapshot",
                json!({"pipelineRef": {"name": "p"}, "pipelineSpec": pipeline("w")}),
                json!({}),
                1,
            ),
            ("a person's run, noted", of("gone"), noted, 1),
            ("a person's run, not begun", of("p"), json!({}), 1),
            ("a person's run of another workspace", of("other"), json!({}), 0),
            ("a person's run of no pipeline", of("gone"), json!({}), 0),
        ];
        let pipelines = [("p", pipeline("w"), json!({})), ("other", pipeline("v"), json!({}))];
        for (case, spec, metadata, expected) in table {
            let stores = stores(&pipelines, &[("r", spec, metadata)]);
            let runs = stores
                .children_of("team-a", "w")
                .iter()
                .find(|(kind, _)| *kind == "AmlPipelineRun")
                .map(|found| found.1);
            assert_eq!(runs.unwrap_or_default(), expected, "{case}");
        }
    }

    #[test]
    fn what_is_being_deleted_is_a_child_and_no_live_one() {
        let deleting = json!({"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["azureml.dev/finalizer"]});
        let stores = stores(&[("p", pipeline("w"), deleting)], &[]);
        assert_eq!(stores.children_of("team-a", "w"), [("AmlPipeline", 1)]);
        assert!(!stores.has_live_children("team-a", "w"));
        assert!(stores.children_of("team-b", "w").is_empty());
    }
}
