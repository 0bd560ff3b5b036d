//! Which versions somebody works with: those are not archived, however old they are. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;

use azureml_crds::{AmlEndpoint, AmlModel, AmlPipeline, AmlPipelineRun, AmlResource};

/// The objects of a namespace that may work with a dataset's versions.
#[derive(Debug, Default)]
pub(super) struct Users {
    pub(super) runs: Vec<Arc<AmlPipelineRun>>,
    pub(super) pipelines: Vec<Arc<AmlPipeline>>,
    pub(super) models: Vec<Arc<AmlModel>>,
    pub(super) endpoints: Vec<Arc<AmlEndpoint>>,
}

impl Users {
    /// The versions of a dataset that are in use: read by a run that has not finished, named by a pipeline's input, or
    /// what the model was trained from that an endpoint serves.
    pub(super) fn versions(&self, dataset: &str) -> BTreeSet<String> {
        let serving = self.serving();
        let mut all = BTreeSet::new();
        for run in &self.runs {
            let Some(status) = &run.status else { continue };
            if !status.phase.is_finished() || serving.contains(run.name()) {
                let read = status.inputs.iter().filter(|input| input.dataset == dataset);
                all.extend(read.map(|input| input.version.clone()));
            }
        }
        for pipeline in &self.pipelines {
            let inputs = pipeline.spec.inputs.iter().filter(|input| input.dataset == dataset);
            let named: BTreeSet<&str> = inputs.clone().map(|input| input.name.as_str()).collect();
            all.extend(inputs.filter_map(|input| input.version.clone()));
            // A run that has not begun yet names what it is going to read.
            let waiting = self.runs.iter().filter(|run| {
                run.spec.pipeline_ref.name == pipeline.name()
                    && !run.status.as_ref().is_some_and(|status| status.phase.is_finished())
            });
            let wanted = waiting.flat_map(|run| &run.spec.inputs).filter(|own| named.contains(own.name.as_str()));
            all.extend(wanted.map(|own| own.version.clone()));
        }
        all
    }

    /// The runs whose models endpoints serve, or are about to.
    fn serving(&self) -> BTreeSet<&str> {
        let mut runs = BTreeSet::new();
        for endpoint in &self.endpoints {
            let (Some(model), Some(status)) = (&endpoint.spec.model.ref_, &endpoint.status) else { continue };
            let Some(model) = self.models.iter().find(|known| known.name() == model) else { continue };
            let served: BTreeSet<&str> = [&status.stable, &status.candidate, &status.previous]
                .into_iter()
                .flatten()
                .map(|revision| revision.model_version.as_str())
                .collect();
            let known = model.status.iter().flat_map(|status| &status.versions);
            let known = known.filter(|version| served.contains(version.version.as_str()));
            runs.extend(known.filter_map(|version| version.run.as_deref()));
        }
        runs
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read<K: serde::de::DeserializeOwned>(kind: &str, name: &str, spec: &Value, status: &Value) -> Arc<K> {
        let object = json!({
            "apiVersion": "azureml.dev/v1alpha1", "kind": kind, "spec": spec, "status": status,
            "metadata": {"name": name, "namespace": "team-a", "uid": name, "generation": 1},
        });
        Arc::new(serde_json::from_value(object).unwrap())
    }

    fn run(name: &str, phase: &str, version: &str) -> Arc<AmlPipelineRun> {
        let input = |dataset: &str, version: &str| json!({"name": dataset, "dataset": dataset, "version": version, "assetId": "a"});
        let inputs = json!([input("bank", version), input("other", "9")]);
        read("AmlPipelineRun", name, &json!({"pipelineRef": {"name": "p"}}), &json!({"phase": phase, "inputs": inputs}))
    }

    fn pipeline(input: &Value) -> Arc<AmlPipeline> {
        let spec = json!({
            "workspaceRef": {"name": "w"}, "experiment": "e", "compute": {"azureName": "cpu"}, "inputs": [input],
            "steps": [],
        });
        read("AmlPipeline", "p", &spec, &Value::Null)
    }

    #[test]
    fn what_runs_read_and_pipelines_name_is_in_use_until_they_are_done() {
        let waiting = json!({"pipelineRef": {"name": "p"}, "inputs": [{"name": "training", "version": "5"}]});
        let users = Users {
            runs: vec![
                run("a", "Running", "1"),
                run("b", "Succeeded", "2"),
                run("c", "Submitted", "3"),
                read("AmlPipelineRun", "d", &waiting, &Value::Null),
            ],
            pipelines: vec![pipeline(&json!({"name": "training", "dataset": "bank", "version": "4"}))],
            ..Users::default()
        };
        assert_eq!(users.versions("bank").into_iter().collect::<Vec<_>>(), ["1", "3", "4", "5"]);
    }

    #[test]
    fn what_a_model_was_trained_from_is_in_use_while_it_serves() {
        let versions = json!([
            {"version": "1", "source": "s", "run": "first", "verdict": "Approved"},
            {"version": "2", "source": "s", "run": "second", "verdict": "Approved"},
        ]);
        let endpoint = json!({"workspaceRef": {"name": "w"}, "model": {"ref": "m"},
            "deployment": {"instanceType": "Standard_DS3_v2", "instanceCount": 1}});
        let model = json!({"workspaceRef": {"name": "w"}, "sources": []});
        let stable = json!({"stable": {"deployment": "d", "modelVersion": "1", "specHash": "h"}});
        let users = Users {
            runs: vec![run("first", "Succeeded", "1"), run("second", "Succeeded", "2")],
            models: vec![read("AmlModel", "m", &model, &json!({"versions": versions}))],
            endpoints: vec![read("AmlEndpoint", "e", &endpoint, &stable)],
            ..Users::default()
        };
        assert_eq!(users.versions("bank").into_iter().collect::<Vec<_>>(), ["1"]);
    }
}
