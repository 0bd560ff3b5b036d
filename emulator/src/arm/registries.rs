//! Registries: what an organisation shares beyond its workspaces. Assets in one are kept as those of a workspace are.
//! Their own front end, `mferp/managementfrontend`, answers by the same rules as Azure Resource Manager; where a
//! registry is, the region's discovery service tells (as azure-ai-ml 1.35 asks both).

use super::{Answer, Arm, Estate, envelope};
use crate::entra;
use crate::online::rules::Refusal;
use crate::surface::http::{Incoming, Routes, plain};
use crate::surface::{Follow, Reply};
use axum::body::Body;
use axum::http::Response;
use serde_json::{Value, json};
use std::sync::Arc;

/// Where the front end of registries is.
const FRONT_END: &str = "/mferp/managementfrontend";

/// Answers a request to a registry's own front end; `None` when it is for something else.
pub(crate) fn front_end(estate: &Arc<Estate>, routes: &Routes, incoming: &Incoming) -> Option<Response<Body>> {
    let path = incoming.path.strip_prefix(FRONT_END)?;
    let inner = Incoming {
        path: path.to_owned(),
        base: format!("{}{FRONT_END}", incoming.base),
        method: incoming.method.clone(),
        query: incoming.query.clone(),
        headers: incoming.headers.clone(),
        body: incoming.body.clone(),
        blob_endpoint: incoming.blob_endpoint.clone(),
        orders: incoming.orders.clone(),
        request_id: incoming.request_id.clone(),
    };
    Some(super::answer(estate, routes, &inner))
}

/// Tells whoever has a token where a registry is.
pub(crate) fn discovery(estate: &Estate, incoming: &Incoming, name: &str) -> Response<Body> {
    if let Err(refusal) = estate.authenticate(&incoming.headers, &[entra::ML, entra::ARM]) {
        return plain(&Reply::refused(&refusal));
    }
    let found = estate.world().registry(name).map(|(id, registry)| (id.to_owned(), registry.clone()));
    let Some((_, registry)) = found else {
        let message = format!("The registry {name} was not found.");
        return plain(&Reply::refused(&Refusal { status: 404, code: "UserError", message }));
    };
    let id = registry.get("id").and_then(Value::as_str).unwrap_or_default();
    let part = |at: usize| id.split('/').nth(at).unwrap_or_default();
    plain(&Reply::ok(json!({
        "registryName": registry.get("name"),
        "primaryRegion": registry.get("location"),
        "regions": [registry.get("location")],
        "subscriptionId": part(2),
        "resourceGroup": part(4),
        "workspaceName": null,
        "primaryRegionResourceProviderUri": format!("{}/", incoming.base),
    })))
}

impl Arm<'_> {
    /// A registry, or an asset in it.
    pub(super) fn registry(&self, rest: &[&str]) -> Answer {
        let (id, known) = (self.call.workspace.clone(), self.estate.world().resource(&self.call.workspace).cloned());
        match (rest, known) {
            ([], known) => self.registry_itself(known),
            (_, None) => {
                self.allowed()?;
                Err(self.not_found(&id))
            }
            (["data" | "models" | "environments" | "components", ..], Some(_)) => self.assets(),
            _ => self.generic(),
        }
    }

    /// The reply to a PUT that is done: what is made in a registry is made by an operation (Registry*_CreateOrUpdate),
    /// in a workspace at once.
    pub(super) fn put(&self, known: bool, body: Value) -> Reply {
        let in_registry = self.keys.get(6).is_some_and(|kind| kind == "registries");
        let begun = (in_registry && !known).then(|| self.begin("reg", Follow::AsyncOperation, |_, _| {}));
        Reply { status: if known { 200 } else { 201 }, body, begun }
    }

    fn registry_itself(&self, known: Option<Value>) -> Answer {
        self.allowed()?;
        let id = self.id();
        match (self.call.method.as_str(), known) {
            ("GET", Some(known)) => Ok(Reply::ok(known)),
            ("GET", None) => Err(self.not_found(&id)),
            ("PUT", known) => {
                let given = self.call.body.as_object().cloned().unwrap_or_default();
                let location = given.get("location").and_then(Value::as_str).unwrap_or_default();
                if location.is_empty() {
                    return Err(Refusal {
                        status: 400,
                        code: "LocationRequired",
                        message: "The location property is required for this definition.".to_owned(),
                    });
                }
                let mut made = json!({
                    "id": id, "name": self.segments.last(), "type": super::resource_type(&id),
                    "location": location, "tags": given.get("tags"),
                    "properties": {"publicNetworkAccess": "Enabled", "regionDetails": [{"location": location}]},
                    "systemData": self.system_data(known.as_ref()),
                });
                for (field, value) in envelope(&given, &["identity", "kind", "sku"]) {
                    made[field] = value;
                }
                for (field, value) in given.get("properties").and_then(Value::as_object).into_iter().flatten() {
                    made["properties"][field] = value.clone();
                }
                self.estate.world().put_resource(&id, made.clone());
                Ok(self.put(known.is_some(), made))
            }
            ("DELETE", known) => {
                self.estate.world().delete_resource(&id);
                Ok(Reply::empty(if known.is_some() { 200 } else { 204 }))
            }
            _ => Ok(Reply::not_allowed()),
        }
    }
}
