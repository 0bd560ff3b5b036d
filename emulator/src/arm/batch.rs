//! Batch endpoints: an address that stays, and behind it deployments that each run a pipeline component.

use super::{Answer, Arm, envelope};
use crate::batch;
use crate::online::Fate;
use crate::online::rules::{self, Refusal};
use crate::surface::{Follow, Reply};
use crate::tags;
use crate::world::World;
use serde_json::{Map, Value, json};

/// Prefixes of operation ids.
const OF_ENDPOINT: &str = "beidp:";
const OF_DEPLOYMENT: &str = "bdidp:";
/// Deployments that an endpoint has at most ("Manage resource quotas", learn.microsoft.com).
const MOST_DEPLOYMENTS: usize = 20;

/// What a put comes to, before it is kept.
struct Put {
    properties: Map<String, Value>,
    envelope: Map<String, Value>,
    prefix: &'static str,
}

impl Arm<'_> {
    pub(super) fn batch_endpoints(&self) -> Answer {
        self.allowed()?;
        let below = self.call.segment(2).to_ascii_lowercase();
        match (self.call.method.as_str(), self.call.segment(1), below.as_str(), self.call.segment(3)) {
            ("GET", "", ..) | ("GET", _, "deployments", "") => Ok(self.list_batch()),
            ("GET", name, "", _) | ("GET", _, "deployments", name) => self.get_batch(name),
            ("PUT", name, "", _) => self.put_batch_endpoint(name),
            ("PUT", _, "deployments", name) if !name.is_empty() => self.put_batch_deployment(name),
            ("PATCH", name, "", _) | ("PATCH", _, "deployments", name) => self.patch_batch(name),
            ("DELETE", _, "", _) => self.delete_batch(OF_ENDPOINT),
            ("DELETE", _, "deployments", _) => self.delete_batch(OF_DEPLOYMENT),
            ("POST", _, "listkeys", _) => {
                Err(Refusal::bad("A batch endpoint has no keys: it takes tokens of Entra ID."))
            }
            _ => Ok(Reply::not_allowed()),
        }
    }

    fn list_batch(&self) -> Reply {
        let members: Vec<Value> = self.estate.world().members(&self.id()).into_iter().cloned().collect();
        let shown = members.iter().map(|member| self.shown_batch(member)).collect();
        Reply::ok(self.call.page(shown, 100))
    }

    fn get_batch(&self, name: &str) -> Answer {
        let known = self.estate.world().resource(&self.id()).cloned();
        let what = if self.call.path.len() > 2 { "batch deployment" } else { "batch endpoint" };
        known.map(|known| Reply::ok(self.shown_batch(&known))).ok_or_else(|| Refusal::not_found(what, name))
    }

    /// An endpoint has its address where who asks reached this port.
    fn shown_batch(&self, known: &Value) -> Value {
        let mut shown = known.clone();
        let text = |name: &str| known.get(name).and_then(Value::as_str).unwrap_or_default();
        if known.pointer("/properties/authMode").is_some() {
            let address = format!("{}/endpoints/{}/{}/jobs", self.call.base, text("location"), text("name"));
            shown["properties"]["scoringUri"] = Value::from(address);
        }
        shown
    }

    fn put_batch_endpoint(&self, name: &str) -> Answer {
        rules::name("endpoint", name)?;
        let location = self.batch_location()?;
        if self.routes.plane.online.in_region(&location, name).is_some() {
            return Err(taken(name, &location));
        }
        let mut properties = self.batch_properties()?;
        let mode = properties.get("authMode").and_then(Value::as_str).unwrap_or("AADToken");
        if !mode.eq_ignore_ascii_case("AADToken") {
            return Err(Refusal::bad(format!("authMode {mode} is not one of batch endpoints: it is AADToken.")));
        }
        properties.insert("authMode".to_owned(), Value::from("AADToken"));
        for own in ["scoringUri", "swaggerUri", "keys"] {
            properties.remove(own);
        }
        let world = self.estate.world();
        let id = self.id();
        let owner = batch::in_region(&world, &location, name);
        if owner.is_some_and(|(_, endpoint)| {
            !endpoint.get("id").and_then(Value::as_str).unwrap_or_default().eq_ignore_ascii_case(&id)
        }) {
            return Err(taken(name, &location));
        }
        let default = properties.get("defaults").and_then(|defaults| defaults.get("deploymentName")?.as_str());
        if let Some(default) = default.filter(|default| !default.is_empty()) {
            let deployment = world.resource(&format!("{id}/deployments/{default}"));
            ready(deployment, "deployment", default)?;
        }
        drop(world);
        let envelope = self.batch_envelope(&location)?;
        self.keep_batch(name, Put { properties, envelope, prefix: OF_ENDPOINT })
    }

    fn put_batch_deployment(&self, name: &str) -> Answer {
        rules::name("deployment", name)?;
        let location = self.batch_location()?;
        let mut properties = self.batch_properties()?;
        let configuration = properties.get("deploymentConfiguration").and_then(Value::as_object).ok_or_else(|| {
            Refusal::bad(
                "The deployment has no deploymentConfiguration: deployments of pipeline components are known here.",
            )
        })?;
        let kind = configuration.get("deploymentConfigurationType").and_then(Value::as_str).unwrap_or_default();
        if !kind.eq_ignore_ascii_case("PipelineComponent") {
            return Err(Refusal::bad(format!(
                "The deploymentConfigurationType '{kind}' is not run here: PipelineComponent is."
            )));
        }
        self.check_configuration(configuration)?;
        if let Some(settings) =
            properties.get_mut("deploymentConfiguration").and_then(|given| given.get_mut("settings"))
        {
            as_texts(settings);
        }
        let world = self.estate.world();
        let endpoint = self.parent();
        ready(world.resource(&endpoint), "endpoint", self.call.segment(1))?;
        let full = world.members(&format!("{endpoint}/deployments")).len() >= MOST_DEPLOYMENTS;
        if full && world.resource(&self.id()).is_none() {
            return Err(Refusal::bad(format!("The endpoint has {MOST_DEPLOYMENTS} deployments: it can't have more.")));
        }
        drop(world);
        let envelope = self.batch_envelope(&location)?;
        self.keep_batch(name, Put { properties, envelope, prefix: OF_DEPLOYMENT })
    }

    /// The component and the cluster that a deployment names have to be there.
    fn check_configuration(&self, configuration: &Map<String, Value>) -> Result<(), Refusal> {
        let missing = |message: String| Refusal { status: 404, code: "ResourceNotFound", message };
        let component = batch::component(configuration);
        let spec = crate::jobs::submit::component(&self.routes.plane.jobs, &self.call.workspace, component);
        let spec = spec.ok_or_else(|| missing(format!("The component '{component}' was not found.")))?;
        if spec.get("type").and_then(Value::as_str) != Some("pipeline") {
            return Err(Refusal::bad(format!("The component {component} is no pipeline component.")));
        }
        let compute = configuration.get("settings").and_then(|settings| settings.get("default_compute")?.as_str());
        let Some(compute) = compute.map(|compute| compute.rsplit(['/', ':']).next().unwrap_or(compute)) else {
            return Ok(());
        };
        if compute.eq_ignore_ascii_case("serverless")
            || self.routes.plane.jobs.ground().has_compute(&self.call.workspace, compute)
        {
            return Ok(());
        }
        Err(missing(format!("The compute target {compute} was not found in the workspace.")))
    }

    /// The endpoint's id, of one of its deployments.
    fn parent(&self) -> String {
        self.id().rsplitn(3, '/').last().unwrap_or_default().to_owned()
    }

    fn batch_location(&self) -> Result<String, Refusal> {
        let given = self.call.body.get("location").and_then(Value::as_str).filter(|given| !given.is_empty());
        let required = || Refusal {
            status: 400,
            code: "LocationRequired",
            message: "The location property is required for this definition.".to_owned(),
        };
        Ok(given.ok_or_else(required)?.to_ascii_lowercase().replace(' ', ""))
    }

    fn batch_properties(&self) -> Result<Map<String, Value>, Refusal> {
        let given = self.call.body.get("properties").and_then(Value::as_object).cloned();
        let mut properties = given.ok_or_else(|| Refusal::bad("The body has no properties."))?;
        tags::own(&properties).map_err(Refusal::bad)?;
        properties.entry("properties").or_insert_with(|| json!({}));
        Ok(properties)
    }

    fn batch_envelope(&self, location: &str) -> Result<Map<String, Value>, Refusal> {
        let body = self.call.body.as_object().cloned().unwrap_or_default();
        tags::tracked(&body)?;
        let mut kept = envelope(&body, &["tags", "identity", "kind", "sku"]);
        kept.entry("tags").or_insert_with(|| json!({}));
        kept.insert("location".to_owned(), Value::from(location));
        Ok(kept)
    }

    /// Keeps what was put, and begins the operation that makes it.
    fn keep_batch(&self, name: &str, put: Put) -> Answer {
        let Put { mut properties, envelope, prefix } = put;
        let id = self.id();
        let mut world = self.estate.world();
        let known = world.resource(&id).cloned();
        known.as_ref().map_or(Ok(()), |known| self.free(known))?;
        let moved = known.as_ref().is_some_and(|known| known.get("location") != envelope.get("location"));
        if moved {
            return Err(Refusal {
                status: 409,
                code: "InvalidResourceLocation",
                message: format!("The resource '{name}' already exists in another location."),
            });
        }
        let state = if known.is_some() { "Updating" } else { "Creating" };
        properties.insert("provisioningState".to_owned(), Value::from(state));
        let mut made = json!({
            "id": id, "name": name, "type": super::resource_type(&id), "properties": properties,
            "systemData": self.system_data(known.as_ref()),
        });
        for (field, value) in envelope {
            made[field] = value;
        }
        world.put_resource(&id, made.clone());
        drop(world);
        let status = if known.is_some() { 200 } else { 201 };
        let begun = self.begin(prefix, Follow::AsyncOperation, move |estate, fate| {
            let mut world = estate.world();
            match (fate, known) {
                (Fate::Revert, Some(before)) => world.put_resource(&id, before),
                (fate, _) => {
                    settle(&mut world, &id, if matches!(fate, Fate::Fail { .. }) { "Failed" } else { "Succeeded" })
                }
            }
        });
        Ok(Reply { status, body: self.shown_batch(&made), begun: Some(begun) })
    }

    /// Tags and identity, and a deployment's description.
    fn patch_batch(&self, name: &str) -> Answer {
        let id = self.id();
        let body = self.call.body.as_object().cloned().unwrap_or_default();
        tags::tracked(&body)?;
        let mut world = self.estate.world();
        let known = world.resource(&id).cloned().ok_or_else(|| Refusal::not_found("batch endpoint", name))?;
        self.free(&known)?;
        if let Some(resource) = world.resource_mut(&id) {
            for (field, value) in envelope(&body, &["tags", "identity"]) {
                resource[field] = value;
            }
            if let Some(description) = body.get("properties").and_then(|properties| properties.get("description")) {
                resource["properties"]["description"] = description.clone();
            }
        }
        Ok(Reply::ok(self.shown_batch(world.resource(&id).unwrap_or(&known))))
    }

    /// An endpoint goes with its deployments; the deployment that requests go to stays.
    fn delete_batch(&self, prefix: &'static str) -> Answer {
        let id = self.id();
        let mut world = self.estate.world();
        let Some(known) = world.resource(&id).cloned() else { return Ok(Reply::empty(204)) };
        self.free(&known)?;
        if prefix == OF_DEPLOYMENT {
            let endpoint = world.resource(&self.parent());
            let default =
                endpoint.and_then(|endpoint| endpoint.pointer("/properties/defaults/deploymentName")?.as_str());
            if default.is_some_and(|default| default.eq_ignore_ascii_case(self.call.segment(3))) {
                return Err(Refusal::bad(format!(
                    "The deployment {} is the endpoint's default: let another one be it first.",
                    self.call.segment(3)
                )));
            }
        }
        settle(&mut world, &id, "Deleting");
        drop(world);
        let begun = self.begin(prefix, Follow::Location, move |estate, fate| match fate {
            Fate::Proceed => drop(estate.world().delete_resource(&id)),
            Fate::Fail { .. } => settle(&mut estate.world(), &id, "Failed"),
            Fate::Revert => settle(&mut estate.world(), &id, "Succeeded"),
        });
        Ok(Reply { status: 202, body: Value::Null, begun: Some(begun) })
    }
}

fn taken(name: &str, location: &str) -> Refusal {
    Refusal::conflict(format!("The endpoint name {name} is taken in the region {location}: choose another one."))
}

fn settle(world: &mut World, id: &str, state: &str) {
    if let Some(known) = world.resource_mut(id) {
        known["properties"]["provisioningState"] = Value::from(state);
    }
}

/// Nothing is built on what is not there, or not well.
fn ready(known: Option<&Value>, what: &str, name: &str) -> Result<(), Refusal> {
    let known = known.ok_or_else(|| Refusal::not_found(what, name))?;
    match known.pointer("/properties/provisioningState").and_then(Value::as_str) {
        Some("Succeeded") => Ok(()),
        state => Err(Refusal::conflict(format!(
            "The {what} {name} is {}: wait, or put it again.",
            state.unwrap_or("Unknown")
        ))),
    }
}

/// Settings are a map of texts, whatever a client sends (azure-ai-ml sends booleans).
fn as_texts(settings: &mut Value) {
    for value in settings.as_object_mut().into_iter().flat_map(Map::values_mut) {
        if !value.is_string() && !value.is_null() {
            *value = Value::from(value.to_string());
        }
    }
}
