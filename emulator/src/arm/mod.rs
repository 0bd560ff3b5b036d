//! Azure Resource Manager, but for jobs and online endpoints: who asks, for what, and whether it is allowed.

mod assets;
mod batch;
mod codes;
mod computes;
mod datastores;
mod diagnose;
mod generic;
mod locations;
mod model_address;
mod monitor;
mod names;
mod nodes;
pub(crate) mod providers;
pub(crate) mod registries;
pub(crate) mod roles;
mod schedules;
mod soft_delete;
pub(crate) mod workspaces;

use crate::estate::Estate;
use crate::online::Fate;
use crate::online::rules::Refusal;
use crate::operations;
use crate::surface::http::{Incoming, Routes, decoded, pairs, plain};
use crate::surface::{Begun, Call, Follow, Reply};
use crate::tokens::Claims;
use axum::body::Body;
use axum::http::{Response, header};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Segments of a workspace's id.
const WORKSPACE: usize = 8;

const PROVIDER: &str = "microsoft.machinelearningservices";

type Answer = Result<Reply, Refusal>;

/// A request, with what it is asked of.
struct Arm<'a> {
    estate: &'a Arc<Estate>,
    routes: &'a Routes,
    incoming: &'a Incoming,
    claims: Claims,
    call: Call,
    /// Decoded path, in the case it was sent.
    segments: Vec<String>,
    /// The same in lower case.
    keys: Vec<String>,
}

/// Answers a request below `/subscriptions`.
pub(crate) fn answer(estate: &Arc<Estate>, routes: &Routes, incoming: &Incoming) -> Response<Body> {
    let refused = |refusal: &Refusal| plain(&Reply::refused(refusal));
    let claims = match estate.authenticate(&incoming.headers, crate::estate::audiences("")) {
        Ok(claims) => claims,
        Err(refusal) => return refused(&refusal),
    };
    let segments: Vec<String> = incoming.path.split('/').filter(|part| !part.is_empty()).map(decoded).collect();
    let keys: Vec<String> = segments.iter().map(|segment| segment.to_ascii_lowercase()).collect();
    let workspace = format!("/{}", keys.get(..WORKSPACE.min(keys.len())).unwrap_or_default().join("/"));
    let body = if incoming.body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&incoming.body) };
    let body = match body {
        Ok(body) => body,
        Err(error) => {
            let message = format!("The request content was invalid and could not be deserialized: '{error}'.");
            return refused(&Refusal { status: 400, code: "InvalidRequestContent", message });
        }
    };
    let call = Call {
        lists: routes.gate.lists(),
        method: incoming.method.clone(),
        workspace: workspace.clone(),
        path: segments.get(WORKSPACE..).unwrap_or_default().to_vec(),
        query: pairs(&incoming.query),
        body,
        principal: claims.oid.clone(),
        base: incoming.base.clone(),
        blob_endpoint: incoming.blob_endpoint.clone(),
        job: Default::default(),
    };
    let arm = Arm { estate, routes, incoming, claims, call, segments, keys };
    let reply = arm.answer().unwrap_or_else(|refusal| Reply::refused(&refusal));
    let under_way =
        reply.status == 202 && incoming.method == "GET" || reply.body.get("status") == Some(&json!("InProgress"));
    let mut response = routes.reply(&workspace, incoming, reply);
    if under_way {
        follow_up(&mut response, incoming, estate.manners.retry_after());
    }
    response
}

/// Tells who follows an operation that is under way when and where to ask again.
fn follow_up(response: &mut Response<Body>, incoming: &Incoming, seconds: u64) {
    response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    let address = format!("{}{}?{}", incoming.base, incoming.path, incoming.query);
    if let (axum::http::StatusCode::ACCEPTED, Ok(address)) = (response.status(), address.parse()) {
        response.headers_mut().insert(header::LOCATION, address);
    }
}

impl Arm<'_> {
    fn answer(&self) -> Answer {
        if self.call.text("api-version").is_none() {
            return Err(Refusal::no_version());
        }
        let keys: Vec<&str> = self.keys.iter().map(String::as_str).collect();
        match keys.as_slice() {
            ["subscriptions", _, "providers"] => self.providers(None, None),
            ["subscriptions", _, "providers", _] => self.providers(self.segments.get(3).map(String::as_str), None),
            ["subscriptions", _, "providers", _, action @ ("register" | "unregister")] => {
                self.providers(self.segments.get(3).map(String::as_str), Some(action))
            }
            [
                "subscriptions",
                _,
                "providers",
                PROVIDER,
                "locations",
                region,
                what @ ("usages" | "quotas" | "vmsizes"),
            ] => self.location(region, what),
            ["subscriptions", _, "providers", PROVIDER, "locations", _, kind, operation] => {
                self.operation(kind, operation)
            }
            [.., "providers", "microsoft.insights", "metrics"] => self.metrics(false),
            [.., "providers", "microsoft.insights", "metricdefinitions"] => self.metrics(true),
            [.., "providers", "microsoft.insights", "diagnosticsettings", _] => self.diagnostics(),
            ["subscriptions", _, "resourcegroups", _, "providers", "microsoft.insights", "autoscalesettings", _] => {
                self.autoscale()
            }
            [.., "providers", "microsoft.authorization", "permissions"] if self.call.method == "GET" => {
                self.permissions()
            }
            [.., "providers", "microsoft.authorization", "roleassignments"]
            | [.., "providers", "microsoft.authorization", "roleassignments", _] => self.roles(),
            ["subscriptions", _, "providers", PROVIDER, "workspaces"]
            | ["subscriptions", _, "resourcegroups", _, "providers", PROVIDER, "workspaces"] => self.list_workspaces(),
            ["subscriptions", _, "resourcegroups", _, "providers", PROVIDER, "workspaces", _, rest @ ..]
                if !rest.contains(&"providers") =>
            {
                self.below_workspace(rest)
            }
            ["subscriptions", _, "resourcegroups", _, "providers", PROVIDER, "registries", _, rest @ ..]
                if !rest.contains(&"providers") =>
            {
                self.registry(rest)
            }
            _ => self.generic(),
        }
    }

    fn below_workspace(&self, rest: &[&str]) -> Answer {
        if !rest.is_empty() && self.estate.world().resource(&self.call.workspace).is_none() {
            self.allowed_as("read")?;
            let name = self.segments.get(WORKSPACE - 1).map_or("", String::as_str);
            return Err(Refusal::no_workspace(name, &self.call.workspace, &self.call.method));
        }
        match rest {
            [] => self.workspace(),
            [action] if self.call.method == "POST" => self.workspace_action(action),
            ["computes", ..] => self.computes(),
            ["datastores", ..] => self.datastores(),
            ["schedules", ..] => self.schedules(),
            ["batchendpoints", ..] => self.batch_endpoints(),
            ["codes", _, "versions", _, "startpendingupload"] => self.start_upload(),
            ["data" | "models" | "codes" | "environments" | "components", ..] => self.assets(),
            _ => self.generic(),
        }
    }

    /// The id of the resource that the request is for, in the case it was sent.
    fn id(&self) -> String {
        format!("/{}", self.segments.join("/"))
    }

    /// Checks the action that method and path stand for.
    fn allowed(&self) -> Result<(), Refusal> {
        let verb = match self.call.method.as_str() {
            "GET" | "HEAD" => "read",
            "DELETE" => "delete",
            "POST" => "action",
            _ => "write",
        };
        self.allowed_as(verb)
    }

    fn allowed_as(&self, verb: &str) -> Result<(), Refusal> {
        let id = self.id();
        let action = format!("{}/{verb}", resource_type(&id));
        self.estate.authorize(&self.claims, &action, &id)
    }

    fn not_found(&self, id: &str) -> Refusal {
        let kind = resource_type(id);
        let name = id.rsplit('/').next().unwrap_or_default();
        let group = self.segments.get(3).map_or("", String::as_str);
        Refusal {
            status: 404,
            code: "ResourceNotFound",
            message: format!("The Resource '{kind}/{name}' under resource group '{group}' was not found."),
        }
    }

    /// One operation at a time: nothing is begun on what is under way, unless it is that operation that goes on.
    fn free(&self, known: &Value) -> Result<(), Refusal> {
        if self.incoming.orders.resumes.is_some() { Ok(()) } else { Refusal::busy(known) }
    }

    /// `systemData` of something that is made or changed now.
    fn system_data(&self, known: Option<&Value>) -> Value {
        let now = self.estate.clock.now().to_string();
        let kept = |name: &str| known.and_then(|known| known.get("systemData")?.get(name)).cloned();
        let by = Value::from(self.claims.appid.as_str());
        json!({
            "createdAt": kept("createdAt").unwrap_or_else(|| Value::from(now.as_str())),
            "createdBy": kept("createdBy").unwrap_or_else(|| by.clone()),
            "createdByType": "Application",
            "lastModifiedAt": now,
            "lastModifiedBy": by,
            "lastModifiedByType": "Application",
        })
    }

    /// Begins an operation that ends with a change of the world.
    fn begin(&self, prefix: &str, follow: Follow, work: impl FnOnce(&Estate, &Fate) + Send + 'static) -> Begun {
        self.begin_unless(None, prefix, follow, work)
    }

    /// Begins one that fails if there is an error already.
    fn begin_unless(
        &self,
        error: Option<(String, String)>,
        prefix: &str,
        follow: Follow,
        work: impl FnOnce(&Estate, &Fate) + Send + 'static,
    ) -> Begun {
        let estate = Arc::clone(self.estate);
        let work = Box::new(move |fate: Fate| {
            let fate = match (fate, error) {
                (Fate::Proceed, Some((code, message))) => Fate::Fail { code, message },
                (fate, _) => fate,
            };
            work(&estate, &fate);
            match fate {
                Fate::Fail { code, message } => Err((code, message)),
                Fate::Proceed | Fate::Revert => Ok(()),
            }
        });
        Begun { operation: operations::new_id(prefix), work, follow }
    }

    /// A resource below or of a workspace, as a read of it would show it.
    fn read(&self, path: &str) -> Value {
        let segments: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(decoded).collect();
        let (workspace, below) = segments.split_at(WORKSPACE.min(segments.len()));
        let workspace = format!("/{}", workspace.join("/").to_ascii_lowercase());
        let base = self.call.base.clone();
        let call = Call { method: "GET".to_owned(), workspace, path: below.to_vec(), base, ..Call::default() };
        if let Some(reply) = self.routes.plane.arm(&call) {
            return reply.body;
        }
        let known = self.estate.world().resource(path).cloned().unwrap_or_default();
        if below.is_empty() && !known.is_null() { workspaces::show(&known, &call.base) } else { known }
    }

    /// How an operation stands.
    fn operation(&self, kind: &str, id: &str) -> Answer {
        let missing =
            || Refusal { status: 404, code: "NotFound", message: format!("The operation {id} was not found.") };
        // Whoever began it sees it to its end, even when the workspace is gone with all roles in it.
        if let Some((resource, _)) = self.estate.operations.of(id).filter(|(_, by)| *by != self.claims.oid) {
            self.estate.authorize(&self.claims, "Microsoft.MachineLearningServices/workspaces/read", &resource)?;
        }
        if kind.ends_with("operationresults") {
            let (status, mut body) = self.estate.operations.result(id).ok_or_else(missing)?;
            if let Some(changed) = self.estate.operations.changed(id) {
                body = self.read(&changed);
            }
            return Ok(Reply { status, body, begun: None });
        }
        self.estate.operations.status(&self.id(), id).map(Reply::ok).ok_or_else(missing)
    }
}

/// The fields that a client may give beside `properties`.
fn envelope(body: &Map<String, Value>, names: &[&str]) -> Map<String, Value> {
    let given = body.iter().filter(|(name, value)| names.contains(&name.as_str()) && !value.is_null());
    given.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// `Microsoft.MachineLearningServices/workspaces/jobs` of a job's id, in the case it was sent.
fn resource_type(path: &str) -> String {
    let lower = path.to_ascii_lowercase();
    let Some(at) = lower.rfind("/providers/") else {
        return "Microsoft.Resources/subscriptions/resourceGroups".to_owned();
    };
    let mut segments = path.get(at + "/providers/".len()..).unwrap_or_default().split('/');
    let mut kind = segments.next().unwrap_or_default().to_owned();
    for name in segments.step_by(2) {
        kind = format!("{kind}/{name}");
    }
    kind
}

#[cfg(test)]
mod tests {
    use super::resource_type;

    #[test]
    fn the_type_of_a_resource_is_in_its_id() {
        let id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.X/workspaces/w/jobs/j";
        assert_eq!(resource_type(id), "Microsoft.X/workspaces/jobs");
        assert_eq!(resource_type(&format!("{id}/providers/Microsoft.Y/locks/l")), "Microsoft.Y/locks");
        assert_eq!(resource_type(&format!("{id}/cancel")), "Microsoft.X/workspaces/jobs/cancel");
    }
}
