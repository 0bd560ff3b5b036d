//! The YAML of `examples/bank-marketing`, adapted to where it is applied.

use serde_json::{Value, json};

use crate::azure::Place;
use crate::failure::{Result, While};
use crate::places;

/// The files in the order of the flow; `kubectl create` makes a run of the last one.
pub const FILES: [&str; 6] = [
    "01-workspace.yaml",
    "02-compute.yaml",
    "03-dataset.yaml",
    "04-pipeline.yaml",
    "06-model.yaml",
    "07-endpoint.yaml",
];
/// The run by hand.
pub const RUN: &str = "05-run.yaml";

/// The objects of a file.
///
/// # Errors
/// When it can't be read.
pub fn objects(file: &str) -> Result<Vec<Value>> {
    let path = places::root().join("examples/bank-marketing").join(file);
    documents(&std::fs::read_to_string(&path).doing(path.display())?)
}

/// The objects of all files that are applied.
///
/// # Errors
/// When one can't be read.
pub fn all() -> Result<Vec<Value>> {
    Ok(FILES.iter().map(|file| objects(file)).collect::<Result<Vec<_>>>()?.concat())
}

/// The documents of a YAML text.
///
/// # Errors
/// When it is not YAML.
pub fn documents(yaml: &str) -> Result<Vec<Value>> {
    yaml.split("\n---\n").map(|document| serde_saphyr::from_str(document).doing("YAML")).collect()
}

/// YAML of objects.
///
/// # Errors
/// When one can't be written.
pub fn yaml(objects: &[Value]) -> Result<String> {
    let documents: Result<Vec<_>> =
        objects.iter().map(|object| serde_saphyr::to_string(object).doing("YAML")).collect();
    Ok(documents?.join("\n---\n"))
}

/// Where an object says something about its place in the world: the workspace, the file on the web.
pub fn adapt(object: &mut Value, place: &Place, dataset: &str) {
    match object["kind"].as_str().unwrap_or_default() {
        "AmlWorkspace" => {
            object["spec"]["subscriptionId"] = json!(place.subscription);
            object["spec"]["resourceGroup"] = json!(place.group);
            object["spec"]["azureName"] = json!(place.name);
        }
        "AmlDataset" => object["spec"]["source"]["web"]["url"] = json!(dataset),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fenced YAML of a page.
    fn fenced(page: &str) -> Vec<String> {
        let blocks = page.split("```yaml\n").skip(1);
        blocks.filter_map(|rest| Some(rest.split_once("\n```")?.0.to_owned())).collect()
    }

    #[test]
    fn every_way_by_which_data_comes_in_has_an_example_that_is_read() {
        let folder = places::root().join("examples/datasets");
        let mut texts = fenced(&std::fs::read_to_string(places::root().join("docs/datasets.md")).unwrap());
        assert!(!texts.is_empty());
        for entry in std::fs::read_dir(folder).unwrap() {
            texts.push(std::fs::read_to_string(entry.unwrap().path()).unwrap());
        }
        let objects = texts.iter().flat_map(|text| documents(text).unwrap());
        let datasets = objects.filter(|object| object["kind"] == "AmlDataset");
        let mut ways = std::collections::BTreeSet::new();
        for object in datasets {
            let read: azureml_crds::AmlDataset = serde_json::from_value(object.clone()).unwrap();
            // What the types don't know would be lost here.
            assert_eq!(serde_json::to_value(&read.spec).unwrap(), object["spec"]);
            ways.extend(object["spec"]["source"].as_object().unwrap().keys().cloned());
        }
        assert_eq!(ways.into_iter().collect::<Vec<_>>(), ["datastore", "files", "open", "web"]);
    }

    #[test]
    fn every_object_is_read_and_only_the_place_changes() {
        let place = Place::unique("x");
        let original = all().unwrap();
        let mut adapted = original.clone();
        adapted.iter_mut().for_each(|object| adapt(object, &place, "https://example.org/a.csv"));
        let changed: Vec<&str> = (original.iter().zip(&adapted))
            .filter(|(before, after)| before != after)
            .filter_map(|(_, after)| after["kind"].as_str())
            .collect();
        assert_eq!(changed, ["AmlWorkspace", "AmlDataset"]);
        assert_eq!(documents(&yaml(&adapted).unwrap()).unwrap(), adapted);
    }
}
