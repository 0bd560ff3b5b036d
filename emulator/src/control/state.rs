//! All that is held of a workspace, for comparison.

use crate::access::covers;
use crate::arm::{roles, workspaces};
use crate::jobs::view::Addresses;
use crate::server::App;
use serde_json::{Map, Value, json};

/// Resources by their ARM id: the workspace, all below it, its jobs, endpoints, deployments and role assignments.
pub(super) fn of(app: &App, workspace: &str, base: &str) -> Value {
    let key = workspace.trim_end_matches('/').to_ascii_lowercase();
    let mut all = Map::new();
    let mut put = |resource: Value| {
        if let Some(id) = resource.get("id").and_then(Value::as_str).map(str::to_owned) {
            all.insert(id, resource);
        }
    };
    let world = app.estate.world();
    let known = world.resource(&key).cloned();
    let arm_id = known.as_ref().and_then(|known| known.get("id")?.as_str()).unwrap_or(workspace).to_owned();
    known.iter().for_each(|known| put(workspaces::show(known, base)));
    world.below(&format!("{key}/")).for_each(|(_, resource)| put(resource.body.clone()));
    world.assignments().filter(|known| covers(&key, &known.scope)).for_each(|known| put(roles::shown(known)));
    drop(world);
    if known.is_none() {
        return json!({"resources": all});
    }
    let plane = &app.routes.plane;
    let addresses = Addresses { api: base.to_owned(), studio: format!("{base}/studio") };
    for run in plane.jobs.runs().find(&key, |run| run.job.is_some()).iter().rev() {
        put(plane.jobs.show(&arm_id, run, &addresses));
    }
    for endpoint in plane.online.list(&key) {
        put(endpoint.show(base));
        endpoint.deployments.values().for_each(|deployment| put(endpoint.show_deployment(deployment)));
    }
    json!({"resources": all})
}
