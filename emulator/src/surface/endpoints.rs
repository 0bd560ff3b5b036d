//! ARM's `onlineEndpoints`.

use super::lists::{has_all, ordered};
use super::{Begun, Call, Follow, Plane, Reply};
use crate::online;
use crate::online::rules::Refusal;
use serde_json::{Value, json};

type Answer = Result<Reply, Refusal>;

impl Plane {
    pub(super) fn arm_endpoints(&self, call: &Call) -> Reply {
        let below = call.segment(2).to_ascii_lowercase();
        let answer = match below.as_str() {
            "deployments" => self.deployments(call),
            _ => self.endpoints(call, &below),
        };
        answer.unwrap_or_else(|refusal| Reply::refused(&refusal))
    }

    fn endpoints(&self, call: &Call, action: &str) -> Answer {
        let (workspace, name) = (call.workspace.as_str(), call.segment(1));
        let operation = operation_id("oeidp");
        match (call.method.as_str(), name, action) {
            ("GET", "", _) => {
                let all = self.online.list(workspace);
                let wanted = call.text("name").map(str::to_ascii_lowercase);
                let wanted = |name: &str| wanted.as_ref().is_none_or(|wanted| name.eq_ignore_ascii_case(wanted));
                let managed = call.text("computetype").is_none_or(|kind| kind.eq_ignore_ascii_case("Managed"));
                let shown = all.iter().filter(|endpoint| managed && wanted(&endpoint.name));
                let shown = shown.map(|endpoint| endpoint.show(&call.base)).filter(|shown| {
                    has_all(shown.get("tags"), call.text("tags"))
                        && has_all(shown.pointer("/properties/properties"), call.text("properties"))
                });
                Ok(Reply::ok(call.page(ordered(shown.collect(), call.text("orderby")), 100)))
            }
            ("GET", _, "") => {
                let shown = self.online.with(workspace, name, |endpoint| endpoint.show(&call.base));
                shown.map(Reply::ok).ok_or_else(|| Refusal::not_found("endpoint", name))
            }
            ("PUT", _, "") => {
                Ok(put(self.online.put(workspace, name, &call.fields(), &operation, &call.base)?, operation))
            }
            ("PATCH", _, "") => {
                Ok(patched(self.online.patch(workspace, name, &call.fields(), &operation, &call.base)?, operation))
            }
            ("DELETE", _, "") => Ok(deleted(self.online.delete(workspace, name, &operation)?, operation)),
            ("POST", _, "listkeys") => self.online.keys(workspace, name).map(Reply::ok),
            ("POST", _, "regeneratekeys") => {
                self.online.regenerate(workspace, name, &call.body).map(|()| Reply::empty(200))
            }
            ("POST", _, "token") => self.online.token(workspace, name).map(Reply::ok),
            _ => Ok(Reply::not_allowed()),
        }
    }

    fn deployments(&self, call: &Call) -> Answer {
        let (workspace, endpoint, name) = (call.workspace.as_str(), call.segment(1), call.segment(3));
        let action = call.segment(4).to_ascii_lowercase();
        let operation = operation_id("odidp");
        let missing = || Refusal::not_found("deployment", name);
        match (call.method.as_str(), name, action.as_str()) {
            ("GET", "", _) => {
                let shown = self.online.with(workspace, endpoint, |endpoint| {
                    endpoint
                        .deployments
                        .values()
                        .map(|deployment| endpoint.show_deployment(deployment))
                        .collect::<Vec<_>>()
                });
                let shown = shown.ok_or_else(|| Refusal::not_found("endpoint", endpoint))?;
                Ok(Reply::ok(call.page(ordered(shown, call.text("$orderby")), 100)))
            }
            ("GET", _, "") => {
                let key = name.to_ascii_lowercase();
                let shown = self.online.with(workspace, endpoint, |endpoint| {
                    endpoint.deployments.get(&key).map(|deployment| endpoint.show_deployment(deployment))
                });
                shown.flatten().map(Reply::ok).ok_or_else(missing)
            }
            ("GET", _, "skus") => Ok(Reply::ok(json!({"value": [{
                "resourceType": "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments",
                "sku": {"name": "Default", "tier": "Standard"},
                "capacity": {"minimum": 1, "maximum": 50, "default": 1, "scaleType": "Manual"},
            }]}))),
            ("PUT", _, "") => {
                let begun = self.online.put_deployment(workspace, endpoint, name, &call.fields(), &operation)?;
                Ok(put(begun, operation))
            }
            ("PATCH", _, "") => {
                let begun = self.online.patch_deployment(workspace, endpoint, name, &call.fields(), &operation)?;
                Ok(patched(begun, operation))
            }
            ("DELETE", _, "") => {
                Ok(deleted(self.online.delete_deployment(workspace, endpoint, name, &operation)?, operation))
            }
            ("POST", _, "getlogs") => self.online.logs(workspace, endpoint, name, &call.body).map(Reply::ok),
            _ => Ok(Reply::not_allowed()),
        }
    }
}

/// `oeidp` of endpoints, `odidp` of deployments.
fn operation_id(prefix: &str) -> String {
    format!("{prefix}:{}:{}", uuid::Uuid::new_v4(), uuid::Uuid::new_v4())
}

fn put(begun: online::Begun, operation: String) -> Reply {
    let status = if begun.created { 201 } else { 200 };
    Reply {
        status,
        body: begun.shown,
        begun: Some(Begun { operation, work: begun.work, follow: Follow::AsyncOperation }),
    }
}

fn patched(begun: online::Begun, operation: String) -> Reply {
    Reply {
        status: 202,
        body: Value::Null,
        begun: Some(Begun { operation, work: begun.work, follow: Follow::Location }),
    }
}

fn deleted(work: Option<online::Work>, operation: String) -> Reply {
    match work {
        None => Reply::empty(204),
        Some(work) => {
            Reply { status: 202, body: Value::Null, begun: Some(Begun { operation, work, follow: Follow::Location }) }
        }
    }
}
