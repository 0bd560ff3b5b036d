//! What a real API server admits and refuses of the seven kinds, and what it tells a person who is refused.
//!
//! Each function gives the failures it found, so that one run names all of them.

mod changed;
mod created;
mod minimal;

use std::path::Path;
use std::sync::Arc;

use azureml_crds::{
    AmlCompute, AmlDataset, AmlEndpoint, AmlModel, AmlPipeline, AmlPipelineRun, AmlResource, AmlWorkspace, GROUP,
    VERSION,
};
use futures::StreamExt;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, Error};
use serde_json::{Value, json};

use azureml_operator_tests::failure::Result as Outcome;
use azureml_operator_tests::places;
use azureml_operator_tests::world::World;

use crate::suite::Suite;

/// The tests of this module.
pub fn tests(suite: &mut Suite) {
    suite.add("admission::admits_the_smallest_and_the_fullest_objects", |world| async move {
        let client = namespace(&world, "admits").await?;
        Ok(admits(&client, "admits").await)
    });
    suite.add("admission::admits_the_examples", |world| async move {
        let client = namespace(&world, "admits-files").await?;
        let mut failures = Vec::new();
        for folder in ["bank-marketing", "managed-workspace", "steps"] {
            let folder = places::root().join("examples").join(folder);
            failures.extend(admits_files(&client, "admits-files", &folder).await?);
        }
        let page = std::fs::read_to_string(places::root().join("docs/pipelines.md"))?;
        for block in page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
            failures.extend(admits_documents(&client, "admits-files", "docs/pipelines.md", block).await);
        }
        Ok(failures)
    });
    suite.add("admission::refuses_with_a_message_that_helps", |world| async move {
        let client = namespace(&world, "refuses").await?;
        Ok(refuses(&client, "refuses").await)
    });
    suite.add("admission::judges_changes", |world| async move {
        let client = namespace(&world, "changes").await?;
        Ok(changes(&client, "changes").await)
    });
    suite.add("admission::explains_every_field", |world| async move {
        Ok(explains(world.cluster().await?.api().client()).await)
    });
}

/// A client, when the namespace is there.
async fn namespace(world: &Arc<World>, name: &str) -> Outcome<Client> {
    let cluster = world.cluster().await?;
    let api = cluster.api();
    api.apply("", &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})).await?;
    Ok(api.client().clone())
}

/// The smallest object of each kind, and full ones, are admitted as they are: the API server adds and drops nothing, and
/// neither do the types that the operator reads them by.
pub async fn admits(client: &Client, namespace: &str) -> Vec<String> {
    let mut failures = Vec::new();
    for (kind, spec) in minimal::EVERY_KIND.iter().map(|kind| (*kind, minimal::spec(kind))).chain(created::full()) {
        match create(client, namespace, kind, "admitted", &spec, true).await {
            Ok(stored) => {
                let read = read(kind, &stored);
                for (what, result) in [("stored", &stored.data["spec"]), ("read", &read)] {
                    if *result != spec {
                        failures.push(format!("{kind}: {spec} was {what} as {result}"));
                    }
                }
            }
            Err(error) => failures.push(format!("{kind}: {spec} was refused: {error}")),
        }
    }
    failures
}

/// Every document of the YAML files in a folder is admitted.
pub async fn admits_files(client: &Client, namespace: &str, folder: &Path) -> std::io::Result<Vec<String>> {
    let mut failures = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path)?;
        failures.extend(admits_documents(client, namespace, &path.display().to_string(), &text).await);
    }
    Ok(failures)
}

async fn admits_documents(client: &Client, namespace: &str, place: &str, text: &str) -> Vec<String> {
    let mut failures = Vec::new();
    for document in text.split("\n---\n") {
        let admitted = match serde_saphyr::from_str::<Value>(document) {
            Ok(object) => admits_document(client, namespace, &object).await,
            Err(error) => Err(error.to_string()),
        };
        failures.extend(admitted.err().map(|error| format!("{place}: {error}")));
    }
    failures
}

async fn admits_document(client: &Client, namespace: &str, object: &Value) -> Result<(), String> {
    let kind = object["kind"].as_str().unwrap_or_default();
    if !minimal::EVERY_KIND.contains(&kind) {
        return Ok(());
    }
    let object: DynamicObject = serde_json::from_value(object.clone()).map_err(|error| error.to_string())?;
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    api(client, namespace, kind).create(&dry_run, &object).await.map(|_| ()).map_err(|error| error.to_string())
}

/// Each object of the table is refused, with the message that helps.
pub async fn refuses(client: &Client, namespace: &str) -> Vec<String> {
    let cases = created::refused();
    let judged = futures::stream::iter(cases).map(|case| async move {
        let mut spec = minimal::spec(case.kind);
        merge(&mut spec, &case.change);
        let answer = create(client, namespace, case.kind, case.name, &spec, true).await.map(|_| ());
        verdict(case.what, case.message, answer)
    });
    judged.buffer_unordered(8).filter_map(|failure| async { failure }).collect().await
}

/// Each change of the table is refused with the message that helps, or admitted where it names none.
pub async fn changes(client: &Client, namespace: &str) -> Vec<String> {
    let mut failures = Vec::new();
    for (index, case) in changed::cases().into_iter().enumerate() {
        let name = format!("changed-{index}-times");
        let mut spec = minimal::spec(case.kind);
        merge(&mut spec, &case.before);
        if let Err(error) = create(client, namespace, case.kind, &name, &spec, false).await {
            failures.push(format!("{}: the object before the change was refused: {error}", case.what));
            continue;
        }
        let patch = Patch::Merge(json!({"spec": case.change}));
        let answer = api(client, namespace, case.kind).patch(&name, &PatchParams::default(), &patch).await.map(|_| ());
        let failure = match case.message {
            Some(message) => verdict(case.what, message, answer),
            None => answer.err().map(|error| format!("{}: refused: {error}", case.what)),
        };
        failures.extend(failure);
    }
    failures
}

/// Each field has a sentence in what the API server publishes, which is what `kubectl explain` shows.
pub async fn explains(client: &Client) -> Vec<String> {
    let path = format!("/openapi/v3/apis/{GROUP}/{VERSION}");
    let request = match http::Request::get(path).body(Vec::new()) {
        Ok(request) => request,
        Err(error) => return vec![error.to_string()],
    };
    let document: Value = match client.request(request).await {
        Ok(document) => document,
        Err(error) => return vec![error.to_string()],
    };
    let mut failures = Vec::new();
    for kind in minimal::EVERY_KIND {
        let schemas = document["components"]["schemas"].as_object();
        let schema = schemas.and_then(|all| all.iter().find(|(name, _)| name.ends_with(&format!(".{kind}"))));
        match schema {
            Some((_, schema)) => {
                unexplained(&format!("{kind}.spec"), &schema["properties"]["spec"], &mut failures);
                unexplained(&format!("{kind}.status"), &schema["properties"]["status"], &mut failures);
            }
            None => failures.push(format!("{kind} is not published")),
        }
    }
    failures
}

/// The spec as the operator's type of the kind reads it, or the error.
fn read(kind: &str, object: &DynamicObject) -> Value {
    fn through<K: AmlResource>(object: &DynamicObject) -> Value {
        let read = object.clone().try_parse::<K>().map_err(|error| error.to_string());
        let written = read.and_then(|typed| serde_json::to_value(typed).map_err(|error| error.to_string()));
        written.map_or_else(Value::String, |value| value["spec"].clone())
    }
    match kind {
        AmlWorkspace::KIND => through::<AmlWorkspace>(object),
        AmlCompute::KIND => through::<AmlCompute>(object),
        AmlDataset::KIND => through::<AmlDataset>(object),
        AmlPipeline::KIND => through::<AmlPipeline>(object),
        AmlPipelineRun::KIND => through::<AmlPipelineRun>(object),
        AmlModel::KIND => through::<AmlModel>(object),
        AmlEndpoint::KIND => through::<AmlEndpoint>(object),
        other => Value::String(format!("no kind {other}")),
    }
}

fn unexplained(path: &str, schema: &Value, failures: &mut Vec<String>) {
    if schema["description"].as_str().is_none_or(str::is_empty) {
        failures.push(format!("{path} has no description"));
    }
    let items = &schema["items"];
    for (name, property) in
        schema["properties"].as_object().into_iter().chain(items["properties"].as_object()).flatten()
    {
        unexplained(&format!("{path}.{name}"), property, failures);
    }
}

fn verdict(what: &str, message: &str, answer: Result<(), Error>) -> Option<String> {
    match answer {
        Ok(()) => Some(format!("{what}: admitted, should say {message:?}")),
        Err(Error::Api(status)) if status.code == 422 && status.message.contains(message) => None,
        Err(Error::Api(status)) => {
            Some(format!("{what}: should say {message:?}, says {}: {}", status.code, status.message))
        }
        Err(error) => Some(format!("{what}: should say {message:?}, but: {error}")),
    }
}

fn api(client: &Client, namespace: &str, kind: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), namespace, &resource(kind))
}

fn resource(kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(GROUP, VERSION, kind))
}

async fn create(
    client: &Client,
    namespace: &str,
    kind: &str,
    name: &str,
    spec: &Value,
    dry_run: bool,
) -> Result<DynamicObject, Error> {
    let object = DynamicObject::new(name, &resource(kind)).data(json!({"spec": spec}));
    api(client, namespace, kind).create(&PostParams { dry_run, ..PostParams::default() }, &object).await
}

/// JSON merge patch (RFC 7386): null removes.
fn merge(target: &mut Value, patch: &Value) {
    let Some(changes) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Some(fields) = target.as_object_mut() else { return };
    for (name, change) in changes {
        if change.is_null() {
            fields.remove(name);
        } else {
            merge(fields.entry(name.clone()).or_insert(Value::Null), change);
        }
    }
}
