//! The examples are what the types say: nothing is misspelt, nothing is dropped.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

use std::path::PathBuf;

use azureml_crds::{
    AmlCompute, AmlDataset, AmlEndpoint, AmlModel, AmlPipeline, AmlPipelineRun, AmlResource, AmlWorkspace,
};
use serde_json::Value;

/// The documents of all examples, each with its file's name.
fn documents() -> Vec<(String, String)> {
    let examples = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut files: Vec<PathBuf> = ["bank-marketing", "managed-workspace"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(examples.join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    files
        .iter()
        .flat_map(|file| {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(file).unwrap();
            text.split("\n---\n").map(|document| (name.clone(), document.to_owned())).collect::<Vec<_>>()
        })
        .collect()
}

/// Reads a document as `K` and writes it again: what differs was misspelt or means nothing.
fn survives<K: AmlResource>(file: &str, document: &str, written: &Value) {
    let object: K = serde_saphyr::from_str(document).unwrap_or_else(|error| panic!("{file}: {error}"));
    let read = serde_json::to_value(&object).unwrap();
    assert_eq!(read["spec"], written["spec"], "{file}");
    assert_eq!(written["kind"], K::KIND, "{file}");
    assert!(object.status().is_none(), "{file}");
}

#[test]
fn every_example_is_what_the_types_say() {
    let mut kinds = Vec::new();
    for (file, document) in documents() {
        let written: Value = serde_saphyr::from_str(&document).unwrap_or_else(|error| panic!("{file}: {error}"));
        let kind = written["kind"].as_str().unwrap_or_default().to_owned();
        match kind.as_str() {
            AmlWorkspace::KIND => survives::<AmlWorkspace>(&file, &document, &written),
            AmlCompute::KIND => survives::<AmlCompute>(&file, &document, &written),
            AmlDataset::KIND => survives::<AmlDataset>(&file, &document, &written),
            AmlPipeline::KIND => survives::<AmlPipeline>(&file, &document, &written),
            AmlPipelineRun::KIND => survives::<AmlPipelineRun>(&file, &document, &written),
            AmlModel::KIND => survives::<AmlModel>(&file, &document, &written),
            AmlEndpoint::KIND => survives::<AmlEndpoint>(&file, &document, &written),
            "Secret" | "ConfigMap" => {}
            other => panic!("{file}: no kind {other:?}"),
        }
        kinds.push(kind);
    }
    for definition in azureml_crds::definitions() {
        assert!(kinds.contains(&definition.spec.names.kind), "no example of {}", definition.spec.names.kind);
    }
}

#[test]
fn references_between_the_examples_hold() {
    let written: Vec<Value> =
        documents().iter().map(|(_, document)| serde_saphyr::from_str(document).unwrap()).collect();
    let exists = |kind: &str, name: &Value| {
        assert!(
            written.iter().any(|object| object["kind"] == kind && &object["metadata"]["name"] == name),
            "no {kind} {name}"
        );
    };
    for object in &written {
        let spec = &object["spec"];
        if spec["workspaceRef"].is_object() {
            exists("AmlWorkspace", &spec["workspaceRef"]["name"]);
        }
        match object["kind"].as_str() {
            Some("AmlWorkspace") => exists("Secret", &spec["credentials"]["servicePrincipal"]["sdkAuthRef"]["name"]),
            Some("AmlPipeline") => {
                exists("AmlCompute", &spec["compute"]["ref"]);
                exists("AmlDataset", &spec["inputs"][0]["dataset"]);
            }
            Some("AmlPipelineRun") => exists("AmlPipeline", &spec["pipelineRef"]["name"]),
            Some("AmlModel") => exists("AmlPipeline", &spec["sources"][0]["pipeline"]),
            Some("AmlEndpoint") => {
                exists("AmlModel", &spec["model"]["ref"]);
                exists("ConfigMap", &spec["rollout"]["smokeTest"]["requestFrom"]["configMapRef"]["name"]);
            }
            _ => {}
        }
    }
}
