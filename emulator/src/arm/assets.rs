//! Data, models, codes, environments and components: containers by name, versions in them.

use super::{Answer, Arm, model_address, names};
use crate::online::rules::Refusal;
use crate::surface::Reply;
use crate::surface::lists::{has_all, ordered};
use crate::tags;
use crate::world::World;
use serde_json::{Map, Value, json};

/// What is particular to a kind of asset.
struct Kind {
    /// In words.
    what: &'static str,
    /// Fields of a version that never change.
    fixed: &'static [&'static str],
    /// Objects that a version always has.
    objects: &'static [&'static str],
}

fn kind(name: &str) -> Kind {
    let (what, fixed, objects): (_, &[_], &[_]) = match name {
        "data" => ("data", &["dataType", "dataUri"], &["tags", "properties"]),
        "models" => ("model", &["modelType", "modelUri"], &["tags", "properties", "flavors"]),
        "codes" => ("code", &["codeUri"], &["tags", "properties"]),
        "environments" => ("environment", &["image", "condaFile", "build"], &["tags", "properties"]),
        _ => ("component", &["componentSpec"], &["tags", "properties"]),
    };
    Kind { what, fixed, objects }
}

impl Arm<'_> {
    pub(super) fn assets(&self) -> Answer {
        self.allowed()?;
        let collection = self.call.segment(0).to_ascii_lowercase();
        let kind = kind(&collection);
        let below = self.call.segment(2).to_ascii_lowercase();
        let version = self.call.segment(3);
        match (self.call.method.as_str(), self.call.segment(1), below.as_str(), version) {
            ("GET", "", ..) => self.list_containers(),
            ("GET", _, "", _) => self.container().map(Reply::ok),
            ("PUT", name, "", _) => self.put_container(&kind, name),
            ("GET", _, "versions", "") => self.list_versions(),
            ("GET", _, "versions", _) if self.call.path.len() == 4 => {
                let known = self.estate.world().resource(&self.id()).cloned();
                known.map(Reply::ok).ok_or_else(|| self.missing(&kind))
            }
            ("PUT", name, "versions", _) if self.call.path.len() == 4 => self.put_version(&kind, name, version),
            ("DELETE", _, "", _) => self.delete_asset(),
            ("DELETE", _, "versions", _) if self.call.path.len() == 4 => self.delete_asset(),
            _ => Ok(Reply::not_allowed()),
        }
    }

    fn missing(&self, kind: &Kind) -> Refusal {
        let (name, version) = (self.call.segment(1), self.call.segment(3));
        let what = kind.what;
        Refusal {
            status: 404,
            code: "UserError",
            message: format!("Not found: the {what} {name} has no version {version} in the workspace."),
        }
    }

    fn delete_asset(&self) -> Answer {
        let removed = self.estate.world().delete_resource(&self.id());
        Ok(Reply::empty(if removed { 200 } else { 204 }))
    }

    /// A container as it is shown: with the newest version, and what would be the next.
    fn shown(&self, container: &Value) -> Value {
        let id = container.get("id").and_then(Value::as_str).unwrap_or_default();
        let world = self.estate.world();
        let versions = world.members(&format!("{id}/versions"));
        let names: Vec<&str> = versions.iter().filter_map(|version| version.get("name")?.as_str()).collect();
        let highest = names.iter().filter_map(|name| name.parse::<u64>().ok()).max().unwrap_or(0);
        let mut shown = container.clone();
        shown["properties"]["latestVersion"] = json!(names.last());
        shown["properties"]["nextVersion"] = Value::from((highest + 1).to_string());
        shown
    }

    fn container(&self) -> Result<Value, Refusal> {
        let id = self.id();
        let known = self.estate.world().resource(&id).cloned();
        known.map(|known| self.shown(&known)).ok_or_else(|| Refusal {
            status: 404,
            code: "UserError",
            message: format!("Not found: the workspace has no asset {}.", self.call.segment(1)),
        })
    }

    fn list_containers(&self) -> Answer {
        let known: Vec<Value> = self.estate.world().members(&self.id()).into_iter().cloned().collect();
        // Containers that exist only for anonymous versions are not shown.
        let is_listed = |container: &Value| {
            self.viewed(container) && container.get("name").is_none_or(|name| name != "azureml_anonymous")
        };
        let mut page = self.call.page(known.into_iter().filter(is_listed).collect(), 100);
        for container in page["value"].as_array_mut().into_iter().flatten() {
            *container = self.shown(container);
        }
        Ok(Reply::ok(page))
    }

    fn viewed(&self, asset: &Value) -> bool {
        let archived = asset.pointer("/properties/isArchived").and_then(Value::as_bool).unwrap_or(false);
        match self.call.text("listviewtype").unwrap_or("ActiveOnly").to_ascii_lowercase().as_str() {
            "all" => true,
            "archivedonly" => archived,
            _ => !archived,
        }
    }

    fn list_versions(&self) -> Answer {
        let world = self.estate.world();
        let id = self.id();
        let container = id.rsplit_once('/').map_or("", |(container, _)| container);
        if let Some(hash) = self.call.text("hash") {
            return Ok(Reply::ok(self.call.page(self.with_hash(&world, hash), 100)));
        }
        let hidden = world.resource(container).is_some_and(|container| !self.viewed(container))
            && !self.call.text("listviewtype").is_some_and(|view| view.eq_ignore_ascii_case("ArchivedOnly"));
        let mut found: Vec<Value> = match hidden {
            true => Vec::new(),
            false => world.members(&id).into_iter().filter(|version| self.viewed(version)).cloned().collect(),
        };
        let text = |version: &Value, field: &str| {
            version.pointer(&format!("/properties/{field}")).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        found.retain(|version| {
            let tags = self.call.text("tags").or_else(|| self.call.text("$tags"));
            has_all(version.pointer("/properties/tags"), tags)
                && has_all(version.pointer("/properties/properties"), self.call.text("properties"))
                && self.call.text("version").is_none_or(|wanted| version.get("name").is_some_and(|name| name == wanted))
                && self.call.text("description").is_none_or(|part| text(version, "description").contains(part))
        });
        // The newest first, unless another order is asked for.
        let found = ordered(found, self.call.text("$orderby").or(Some("createdtime desc")));
        Ok(Reply::ok(self.call.page(found, 100)))
    }

    /// Versions whose content has a hash, whatever their names: code that is uploaded is named by chance, and asked for
    /// by its hash before.
    fn with_hash(&self, world: &World, hash: &str) -> Vec<Value> {
        let of_kind = format!("{}/{}/", self.call.workspace, self.call.segment(0).to_ascii_lowercase());
        let has =
            |body: &Value| body.pointer("/properties/properties/hash_sha256").and_then(Value::as_str) == Some(hash);
        world.below(&of_kind).filter(|(_, known)| has(&known.body)).map(|(_, known)| known.body.clone()).collect()
    }

    fn put_container(&self, kind: &Kind, name: &str) -> Answer {
        names::asset(kind.what, name)?;
        let given = self.call.body.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        check_tags(&given)?;
        let id = self.id();
        let mut world = self.estate.world();
        let known = world.resource(&id).cloned();
        let mut made = self.new_container(&id, known.as_ref());
        for (field, value) in
            given.iter().filter(|(field, _)| !["latestVersion", "nextVersion"].contains(&field.as_str()))
        {
            if field == "dataType" {
                same_type(name, known.as_ref(), value)?;
            }
            made["properties"][field.as_str()] = value.clone();
        }
        made["systemData"] = self.system_data(known.as_ref());
        world.put_resource(&id, made.clone());
        drop(world);
        Ok(self.put(known.is_some(), self.shown(&made)))
    }

    fn new_container(&self, id: &str, known: Option<&Value>) -> Value {
        known.cloned().unwrap_or_else(|| {
            json!({
                "id": id, "name": id.rsplit('/').next(), "type": super::resource_type(id),
                "properties": {"description": null, "tags": {}, "properties": {}, "isArchived": false},
                "systemData": self.system_data(None),
            })
        })
    }

    fn put_version(&self, kind: &Kind, name: &str, version: &str) -> Answer {
        names::asset(kind.what, name)?;
        names::asset(&format!("{} version", kind.what), version)?;
        let given = self.call.body.get("properties").and_then(Value::as_object).cloned();
        let given = given.ok_or_else(|| Refusal::bad("The body has no properties."))?;
        check_tags(&given)?;
        let id = self.id();
        let known = self.estate.world().resource(&id).cloned();
        if known.is_none() {
            self.check_new(&given)?;
        }
        let given = if kind.what == "model" { self.settled(given) } else { given };
        let mut world = self.estate.world();
        // Somebody else may have made it meanwhile.
        let known = world.resource(&id).cloned().or(known);
        let container_id = id.rsplit_once("/versions/").map_or("", |(container, _)| container).to_owned();
        let known_container = world.resource(&container_id).cloned();
        let mut container = self.new_container(&container_id, known_container.as_ref());
        if let Some(data_type) = given.get("dataType") {
            same_type(name, known_container.as_ref(), data_type)?;
            container["properties"]["dataType"] = data_type.clone();
        }
        let properties = match &known {
            Some(known) => changed(kind, known, &given)?,
            None => given,
        };
        let mut made = json!({
            "id": id, "name": version, "type": super::resource_type(&id), "properties": properties,
            "systemData": self.system_data(known.as_ref()),
        });
        complete(kind, &mut made);
        world.put_resource(&container_id, container);
        world.put_resource(&id, made.clone());
        Ok(self.put(known.is_some(), made))
    }

    /// What has to be true of a version that is made.
    fn check_new(&self, given: &Map<String, Value>) -> Result<(), Refusal> {
        let text = |field: &str| given.get(field).and_then(Value::as_str).unwrap_or_default();
        let one_of = |field: &str, known: &[&str]| match known.iter().any(|one| one.eq_ignore_ascii_case(text(field))) {
            true => Ok(()),
            false => Err(user_error(format!("{field} is '{}': it is one of {}.", text(field), known.join(", ")))),
        };
        match self.call.segment(0).to_ascii_lowercase().as_str() {
            "data" => {
                one_of("dataType", &["uri_file", "uri_folder", "mltable"])?;
                present(text("dataUri"), "dataUri")
            }
            "models" => {
                if given.get("modelType").is_some_and(|kind| !kind.is_null()) {
                    one_of("modelType", &["custom_model", "mlflow_model", "triton_model"])?;
                }
                present(text("modelUri"), "modelUri")?;
                self.check_output(text("modelUri"))
            }
            "codes" => present(text("codeUri"), "codeUri"),
            _ => Ok(()),
        }
    }

    /// A model as the service keeps it: where its files lie in a datastore, and of an MLflow model its flavors.
    fn settled(&self, mut given: Map<String, Value>) -> Map<String, Value> {
        let uri = given.get("modelUri").and_then(Value::as_str).unwrap_or_default().to_owned();
        let jobs = &self.routes.plane.jobs;
        let Ok(found) = jobs.resolve(&self.call.workspace, &uri) else { return given };
        if let Some(job) = model_address::job_of(&uri) {
            given.entry("jobName").or_insert_with(|| Value::from(job));
            let stores = format!("{}/datastores", self.call.workspace);
            let stores: Vec<Value> = self.estate.world().members(&stores).into_iter().cloned().collect();
            if let Some(address) = model_address::in_datastore(&stores, &found.place) {
                given.insert("modelUri".to_owned(), Value::from(address));
            }
        }
        let flavored = given.get("flavors").and_then(Value::as_object).is_some_and(|flavors| !flavors.is_empty());
        let mlflow = given.get("modelType").and_then(Value::as_str) == Some("mlflow_model");
        if let (true, false, Some(file)) = (mlflow, flavored, jobs.ground().read(&found.place.join("MLmodel"))) {
            given.insert("flavors".to_owned(), model_address::flavors(&String::from_utf8_lossy(&file)));
        }
        given
    }

    /// A model of a job's output needs that output.
    fn check_output(&self, uri: &str) -> Result<(), Refusal> {
        if !uri.starts_with("azureml://jobs/") && !uri.starts_with("runs:/") {
            return Ok(());
        }
        let jobs = &self.routes.plane.jobs;
        let place = jobs.resolve(&self.call.workspace, uri).map_err(|error| user_error(error.to_string()))?.place;
        let ground = jobs.ground();
        let folder = crate::run_history::run::Location { path: format!("{}/", place.path), ..place.clone() };
        if ground.read(&place).is_some() || !ground.list(&folder).is_empty() {
            return Ok(());
        }
        Err(user_error(format!("The asset path {uri} does not exist or is empty.")))
    }
}

fn user_error(message: String) -> Refusal {
    Refusal { status: 400, code: "UserError", message }
}

fn present(text: &str, field: &str) -> Result<(), Refusal> {
    if text.is_empty() { Err(user_error(format!("{field} is missing."))) } else { Ok(()) }
}

/// All versions of a name have one type.
fn same_type(name: &str, container: Option<&Value>, given: &Value) -> Result<(), Refusal> {
    let known = container.and_then(|container| container.pointer("/properties/dataType")).and_then(Value::as_str);
    let given = given.as_str().unwrap_or_default();
    match known {
        Some(known) if !known.eq_ignore_ascii_case(given) => {
            Err(user_error(format!("The data {name} is of the type {known}: a version of type {given} can't be made.")))
        }
        _ => Ok(()),
    }
}

fn check_tags(given: &Map<String, Value>) -> Result<(), Refusal> {
    tags::own(given).map_err(user_error)
}

/// The properties of a version that is there, after it was put again.
fn changed(kind: &Kind, known: &Value, given: &Map<String, Value>) -> Result<Map<String, Value>, Refusal> {
    let before = known.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    for field in kind.fixed {
        let (old, new) = (before.get(*field).unwrap_or(&Value::Null), given.get(*field).unwrap_or(&Value::Null));
        if !new.is_null() && !same(old, new) {
            if field.ends_with("Uri") {
                // The words by which azure-ai-ml knows this refusal.
                return Err(user_error("Asset paths cannot be updated.".to_owned()));
            }
            return Err(user_error(format!(
                "A version never changes: {field} is {old} and can't become {new}. Make a new version."
            )));
        }
    }
    let mut after = before.clone();
    for (field, value) in given.iter().filter(|(field, _)| !kind.fixed.contains(&field.as_str())) {
        if field == "properties" {
            continue;
        }
        after.insert(field.clone(), value.clone());
    }
    let own = tags::added(before.get("properties"), given.get("properties"));
    after.insert("properties".to_owned(), Value::Object(own));
    Ok(after)
}

/// Addresses of datastores are the same in their short and their long form.
fn same(old: &Value, new: &Value) -> bool {
    match (old.as_str(), new.as_str()) {
        (Some(old), Some(new)) => {
            let short = |text: &str| {
                text.split_once("/datastores/").map_or_else(|| text.to_owned(), |(_, rest)| rest.to_owned())
            };
            let plain = |text: &str| short(&text.replacen("azureml://", "/", 1)).trim_end_matches('/').to_owned();
            old.eq_ignore_ascii_case(new) || (old.starts_with("azureml://") && plain(old) == plain(new))
        }
        _ => old == new,
    }
}

/// Puts in what the service always shows.
fn complete(kind: &Kind, made: &mut Value) {
    let properties = &mut made["properties"];
    for field in kind.objects {
        if properties.get(*field).is_none_or(Value::is_null) {
            properties[*field] = json!({});
        }
    }
    for field in ["isArchived", "isAnonymous"] {
        if properties.get(field).is_none_or(Value::is_null) {
            properties[field] = Value::from(false);
        }
    }
    if kind.what != "data" {
        properties["provisioningState"] = Value::from("Succeeded");
    }
    if kind.what == "environment" {
        properties["environmentType"] = Value::from("UserCreated");
        if properties.pointer("/build/contextUri").is_some() && properties["build"]["dockerfilePath"].is_null() {
            properties["build"]["dockerfilePath"] = Value::from("Dockerfile");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_keeps_what_is_fixed_and_takes_the_rest() {
        let known = json!({"properties": {"dataType": "mltable", "dataUri": "azureml://datastores/d/paths/x/",
            "tags": {"a": "1"}, "properties": {"p": "1"}}});
        let put = |given: Value| changed(&kind("data"), &known, given.as_object().unwrap());
        let long = "azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/d/paths/x";
        let after =
            put(json!({"dataUri": long, "tags": {}, "isArchived": true, "properties": {"p": "2", "q": "3"}})).unwrap();
        assert_eq!(after["tags"], json!({}));
        assert_eq!(after["isArchived"], true);
        assert_eq!(after["properties"], json!({"p": "1", "q": "3"}));
        assert_eq!(put(json!({"dataUri": "azureml://datastores/d/paths/y"})).unwrap_err().code, "UserError");
        assert!(put(json!({"dataType": "uri_file"})).is_err());
    }

    #[test]
    fn an_environment_that_is_built_has_a_docker_file() {
        let mut made = json!({"properties": {"build": {"contextUri": "azureml://datastores/d/paths/x/"}}});
        complete(&kind("environments"), &mut made);
        assert_eq!(made["properties"]["build"]["dockerfilePath"], "Dockerfile");
        let mut made = json!({"properties": {"image": "i"}});
        complete(&kind("environments"), &mut made);
        assert!(made["properties"].get("build").is_none());
    }
}
