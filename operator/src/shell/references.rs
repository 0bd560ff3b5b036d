//! Who refers to whom, so that a change wakes exactly those who wait for it.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use azureml_crds::pipeline::AmlPipelineSpec;
use azureml_crds::{
    AmlCompute, AmlDataset, AmlEndpoint, AmlModel, AmlPipeline, AmlPipelineRun, AmlResource, AmlWorkspace, StatusCore,
    annotations,
};

use crate::stores::{Stores, find};

/// An object by kind, namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The kind; also `Secret`, `ConfigMap`, `ServiceAccount`.
    pub kind: &'static str,
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl Key {
    /// A key.
    pub fn new(kind: &'static str, namespace: &str, name: &str) -> Self {
        Self { kind, namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

/// What an object's spec names, and which of its facts others wait for.
pub trait References: AmlResource {
    /// The objects of the same namespace that the spec names, by kind.
    fn references(&self) -> Vec<(&'static str, String)>;
    /// The AmlWorkspace that the object lives in, where that is known.
    fn workspace(&self, _: &Stores) -> Option<String> {
        self.workspace_ref().map(str::to_owned)
    }
    /// What others read of this object's status, in short.
    fn essence(&self) -> String;

    /// Changes when something changes that others wait for.
    fn signal(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.generation(), self.is_deleting(), self.annotation(annotations::PAUSED)).hash(&mut hasher);
        if let Some(status) = self.status() {
            for condition in status.conditions() {
                (&condition.type_, &condition.status, &condition.reason, condition.observed_generation)
                    .hash(&mut hasher);
            }
        }
        self.essence().hash(&mut hasher);
        hasher.finish()
    }
}

impl References for AmlWorkspace {
    fn references(&self) -> Vec<(&'static str, String)> {
        let credentials = &self.spec.credentials;
        let mut all = Vec::new();
        if let Some(identity) = &credentials.workload_identity {
            all.push(("ServiceAccount", identity.service_account_name.clone()));
        }
        if let Some(principal) = &credentials.service_principal {
            all.extend(
                [&principal.client_secret_ref, &principal.sdk_auth_ref]
                    .into_iter()
                    .flatten()
                    .map(|secret| ("Secret", secret.name.clone())),
            );
            all.extend(principal.client_certificate_ref.iter().map(|secret| ("Secret", secret.name.clone())));
        }
        all
    }
    fn essence(&self) -> String {
        self.status.as_ref().and_then(|status| status.workspace_id.clone()).unwrap_or_default()
    }
}

impl References for AmlCompute {
    fn references(&self) -> Vec<(&'static str, String)> {
        vec![(AmlWorkspace::KIND, self.spec.workspace_ref.name.clone())]
    }
    fn essence(&self) -> String {
        String::new()
    }
}

impl References for AmlDataset {
    fn references(&self) -> Vec<(&'static str, String)> {
        let mut all = vec![(AmlWorkspace::KIND, self.spec.workspace_ref.name.clone())];
        if let Some(files) = &self.spec.source.files {
            all.extend(files.config_map_ref.iter().map(|map| ("ConfigMap", map.name.clone())));
            all.extend(files.secret_ref.iter().map(|secret| ("Secret", secret.name.clone())));
        }
        all
    }
    fn essence(&self) -> String {
        self.status.as_ref().and_then(|status| status.version.clone()).unwrap_or_default()
    }
}

impl References for AmlPipeline {
    fn references(&self) -> Vec<(&'static str, String)> {
        let mut all = vec![(AmlWorkspace::KIND, self.spec.workspace_ref.name.clone())];
        all.extend(self.spec.compute.ref_.iter().map(|name| (AmlCompute::KIND, name.clone())));
        all.extend(self.spec.inputs.iter().map(|input| (AmlDataset::KIND, input.dataset.clone())));
        all.extend(config_maps(&self.spec));
        all
    }
    fn essence(&self) -> String {
        self.status.as_ref().map_or_else(String::new, |status| format!("{:?}{:?}", status.spec_hash, status.last_run))
    }
}

/// The ConfigMaps with the code and the conda files of command steps.
fn config_maps(spec: &AmlPipelineSpec) -> Vec<(&'static str, String)> {
    let commands = spec.steps.iter().filter_map(|step| step.command.as_ref());
    let mut all = Vec::new();
    for command in commands {
        let code = command.code.as_ref().and_then(|code| code.config_map_ref.as_ref());
        let conda = command.inline_environment.as_ref().and_then(|environment| environment.conda.as_ref());
        all.extend(code.map(|map| ("ConfigMap", map.name.clone())));
        all.extend(conda.map(|map| ("ConfigMap", map.name.clone())));
    }
    all
}

impl References for AmlPipelineRun {
    fn references(&self) -> Vec<(&'static str, String)> {
        let mut all = vec![(AmlPipeline::KIND, self.spec.pipeline_ref.name.clone())];
        if let Some(spec) = self.recorded_spec().ok().flatten() {
            all.extend(config_maps(&spec));
            all.push((AmlWorkspace::KIND, spec.workspace_ref.name));
        }
        all
    }
    fn workspace(&self, stores: &Stores) -> Option<String> {
        // A person's run that has not begun takes the definition that its pipeline has.
        let of_pipeline = || {
            let pipeline = find(&stores.pipelines, self.namespace(), &self.spec.pipeline_ref.name)?;
            Some(pipeline.spec.workspace_ref.name.clone())
        };
        self.recorded_spec().ok().flatten().map(|spec| spec.workspace_ref.name).or_else(of_pipeline)
    }
    fn essence(&self) -> String {
        self.status.as_ref().map_or_else(String::new, |status| status.phase.as_str().to_owned())
    }
}

impl References for AmlModel {
    fn references(&self) -> Vec<(&'static str, String)> {
        let mut all = vec![(AmlWorkspace::KIND, self.spec.workspace_ref.name.clone())];
        all.extend(self.spec.sources.iter().filter_map(|source| Some((AmlPipeline::KIND, source.pipeline.clone()?))));
        all
    }
    fn essence(&self) -> String {
        self.status.as_ref().map_or_else(String::new, |status| format!("{:?}", status.approved))
    }
}

impl References for AmlEndpoint {
    fn references(&self) -> Vec<(&'static str, String)> {
        let mut all = vec![(AmlWorkspace::KIND, self.spec.workspace_ref.name.clone())];
        all.extend(self.spec.model.ref_.iter().map(|name| (AmlModel::KIND, name.clone())));
        if let Some(smoke) = self.spec.rollout.as_ref().and_then(|rollout| rollout.smoke_test.as_ref()) {
            all.push(("ConfigMap", smoke.request_from.config_map_ref.name.clone()));
        }
        if let Some(outputs) = &self.spec.outputs {
            all.extend(outputs.secret.iter().map(|secret| ("Secret", secret.name.clone())));
            all.extend(outputs.swagger.iter().map(|swagger| ("ConfigMap", swagger.config_map.name.clone())));
        }
        all
    }
    fn essence(&self) -> String {
        String::new()
    }
}

/// The references of all objects, in both directions.
#[derive(Debug, Default)]
pub struct Index {
    forward: HashMap<Key, (u64, Vec<Key>)>,
    reverse: HashMap<Key, HashSet<Key>>,
}

impl Index {
    /// An object was seen. Who is to be woken: those who refer to it, when its signal changed; its workspace, which
    /// counts it, when it is new; and, for a run, its pipeline, which tells of its runs, and the pipeline's cluster, whose
    /// nodes follow them.
    pub fn seen<K: References>(&mut self, object: &K) -> Vec<Key> {
        let key = Key::new(K::KIND, object.namespace(), object.name());
        let to: Vec<Key> =
            object.references().into_iter().map(|(kind, name)| Key::new(kind, object.namespace(), &name)).collect();
        let signal = object.signal();
        let before = self.forward.insert(key.clone(), (signal, to.clone()));
        if before.as_ref().map(|(_, old)| old) != Some(&to) {
            self.unlink(&key, before.as_ref().map(|(_, old)| old.as_slice()).unwrap_or_default());
            for target in &to {
                self.reverse.entry(target.clone()).or_default().insert(key.clone());
            }
        }
        if before.as_ref().is_some_and(|(old, _)| *old == signal) {
            return Vec::new();
        }
        let mut woken = self.dependents(&key);
        if before.is_none() {
            woken.extend(self.workspaces(&to));
        }
        if K::KIND == AmlPipelineRun::KIND {
            let pipelines: Vec<Key> = to.into_iter().filter(|target| target.kind == AmlPipeline::KIND).collect();
            let of_pipelines =
                pipelines.iter().filter_map(|pipeline| self.forward.get(pipeline)).flat_map(|(_, to)| to);
            woken.extend(of_pipelines.filter(|target| target.kind == AmlCompute::KIND).cloned());
            woken.extend(pipelines);
        }
        woken
    }

    /// An object is gone. Who is to be woken: both those who refer to it and those it referred to, for a workspace is
    /// held while it has children.
    pub fn gone(&mut self, key: &Key) -> Vec<Key> {
        let to = self.forward.remove(key).map(|(_, to)| to).unwrap_or_default();
        self.unlink(key, &to);
        let mut woken = self.dependents(key);
        woken.extend(self.workspaces(&to));
        woken.extend(to.into_iter().filter(|target| target.kind != AmlWorkspace::KIND));
        woken
    }

    /// The workspace that an object of these references lives in; a person's run names it through its pipeline alone.
    fn workspaces(&self, to: &[Key]) -> Vec<Key> {
        let of = |all: &[Key]| -> Vec<Key> {
            all.iter().filter(|target| target.kind == AmlWorkspace::KIND).cloned().collect()
        };
        let own = of(to);
        if !own.is_empty() {
            return own;
        }
        let pipelines = to.iter().filter(|target| target.kind == AmlPipeline::KIND);
        pipelines.filter_map(|pipeline| self.forward.get(pipeline)).flat_map(|(_, to)| of(to)).collect()
    }

    /// Those who refer to this object.
    #[must_use]
    pub fn dependents(&self, key: &Key) -> Vec<Key> {
        self.reverse.get(key).map(|from| from.iter().cloned().collect()).unwrap_or_default()
    }

    fn unlink(&mut self, key: &Key, targets: &[Key]) {
        for target in targets {
            if let Some(from) = self.reverse.get_mut(target) {
                from.remove(key);
                if from.is_empty() {
                    self.reverse.remove(target);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn object<K: AmlResource>(name: &str, spec: &Value) -> K {
        let metadata = json!({"name": name, "namespace": "team-a", "uid": name});
        serde_json::from_value(json!({
            "apiVersion": "azureml.dev/v1alpha1", "kind": K::KIND, "metadata": metadata, "spec": spec,
        }))
        .unwrap()
    }

    #[test]
    fn a_persons_run_wakes_the_workspace_of_its_pipeline() {
        let spec = json!({"workspaceRef": {"name": "w"}, "compute": {"ref": "cpu"}, "inputs": [], "steps": []});
        let pipeline: AmlPipeline = object("p", &spec);
        let run: AmlPipelineRun = object("r", &json!({"pipelineRef": {"name": "p"}}));
        let mut index = Index::default();
        index.seen(&pipeline);
        let workspace = Key::new(AmlWorkspace::KIND, "team-a", "w");
        let woken = index.seen(&run);
        assert!(woken.contains(&workspace), "it counts what lives in it");
        assert!(woken.contains(&Key::new(AmlCompute::KIND, "team-a", "cpu")), "its nodes follow the run");
        assert!(index.gone(&Key::new(AmlPipelineRun::KIND, "team-a", "r")).contains(&workspace), "it may wait for it");
    }
}
