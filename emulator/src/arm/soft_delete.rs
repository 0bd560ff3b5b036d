//! Workspaces that were deleted and can be had back for two weeks, under the name that they keep meanwhile.

use crate::online::rules::Refusal;
use crate::world::World;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// How long one can be had back ("Recover workspace data after soft deletion", learn.microsoft.com).
const KEPT: SignedDuration = SignedDuration::from_hours(14 * 24);

/// What is deleted for good with its workspace.
const LOST: [&str; 1] = ["computes"];

fn place(workspace: &str) -> String {
    let part = |at: usize| workspace.split('/').nth(at).unwrap_or_default();
    format!(
        "/subscriptions/{}/providers/Microsoft.MachineLearningServices/deletedWorkspaces/{}~{}",
        part(2),
        part(4),
        part(8)
    )
}

/// Takes a workspace away so that it can be had back.
pub(super) fn put_away(world: &mut World, workspace: &str, now: Timestamp) {
    for lost in LOST {
        world.delete_resource(&format!("{workspace}/{lost}"));
    }
    if let Some(known) = world.resource_mut(workspace) {
        known["properties"]["provisioningState"] = Value::from("Succeeded");
    }
    let parked = world.park(workspace);
    world.put_resource(&place(workspace), json!({"id": workspace, "deletedAt": now.to_string(), "parked": parked}));
}

/// Whether there is one to be had back.
pub(super) fn kept(world: &World, workspace: &str, now: Timestamp) -> bool {
    let deleted = world.resource(&place(workspace)).and_then(|known| known.get("deletedAt")?.as_str());
    let deleted = deleted.and_then(|at| at.parse::<Timestamp>().ok());
    deleted.is_some_and(|at| now.duration_since(at) < KEPT)
}

/// Deletes one for good; whether there was one.
pub(super) fn purge(world: &mut World, workspace: &str) -> bool {
    world.delete_resource(&place(workspace))
}

/// Brings one back.
pub(super) fn recover(world: &mut World, workspace: &str) {
    let place = place(workspace);
    let parked = world.resource(&place).and_then(|known| known.get("parked")).cloned();
    world.delete_resource(&place);
    world.unpark(&parked.unwrap_or_default());
}

/// What somebody gets who makes a workspace where there is one to be had back.
pub(super) fn in_the_way() -> Refusal {
    let message = "Soft-deleted workspace exists. Please purge or recover it. https://aka.ms/wsoftdelete";
    Refusal { status: 400, code: "BadRequest", message: message.to_owned() }
}

/// Whether the body of a workspace asks for the old one.
pub(super) fn is_recovery(body: &serde_json::Map<String, Value>) -> bool {
    let wanted = body.get("properties").and_then(|properties| properties.get("allowRecoverSoftDeletedWorkspace"));
    wanted.and_then(Value::as_bool).unwrap_or(false)
}
