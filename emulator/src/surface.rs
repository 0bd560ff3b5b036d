//! The routes of jobs, runs, online endpoints and telemetry: from a call to a reply, apart from HTTP's machinery.

#[cfg(test)]
mod bench;
mod endpoints;
mod history;
pub(crate) mod http;
#[cfg(test)]
mod http_tests;
mod jobs;
pub(crate) mod lists;
#[cfg(test)]
mod tests;

use crate::jobs::JobOrders;
use crate::jobs::Jobs;
use crate::jobs::ground::Ground;
use crate::jobs::view::Addresses;
use crate::online::rules::Refusal;
use crate::online::{Online, Work};
use crate::telemetry::Telemetry;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A call to ARM or to a workspace's run history, after its principal was found and allowed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Call {
    /// `GET`, `PUT`, ...
    pub(crate) method: String,
    /// ARM id of the workspace in lower case.
    pub(crate) workspace: String,
    /// What follows the workspace in the path, decoded, in the case it was sent.
    pub(crate) path: Vec<String>,
    /// The query, keys in lower case.
    pub(crate) query: BTreeMap<String, String>,
    /// The body; null when there is none.
    pub(crate) body: Value,
    /// How lists are cut.
    pub(crate) lists: lists::Lists,
    /// Object id of the principal.
    pub(crate) principal: String,
    /// Scheme and authority that the client used.
    pub(crate) base: String,
    /// Where an account's containers are, with `{account}` in it.
    pub(crate) blob_endpoint: String,
    /// What becomes of a job that it puts, on purpose.
    pub(crate) job: JobOrders,
}

/// An operation that a call began, and the work that ends it.
pub(crate) struct Begun {
    /// Its id, such as `oeidp:{guid}:{guid}`.
    pub(crate) operation: String,
    /// Runs after the answer is on its way; may compute.
    pub(crate) work: Work,
    /// By which header.
    pub(crate) follow: Follow,
}

/// The header by which a client follows an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follow {
    /// `Azure-AsyncOperation`.
    AsyncOperation,
    /// `Location`.
    Location,
    /// Either.
    Both,
}

/// Codes that Azure Resource Manager and the authorization provider give themselves: their errors have a code and a
/// message. The others are Azure Machine Learning's, which says more.
const OF_ARM: &[&str] = &[
    "AuthenticationFailed",
    "AuthorizationFailed",
    "InvalidAuthenticationToken",
    "InvalidPrincipalId",
    "InvalidRequestContent",
    "InvalidResourceLocation",
    "InvalidResourceType",
    "InvalidRoleAssignmentId",
    "InvalidTagNameCharacters",
    "InvalidTagNameLength",
    "InvalidTagValueLength",
    "LocationRequired",
    "MethodNotAllowed",
    "MissingApiVersionParameter",
    "ParentResourceNotFound",
    "PrincipalNotFound",
    "ResourceNotFound",
    "RoleAssignmentExists",
    "RoleAssignmentUpdateNotPermitted",
    "RoleDefinitionDoesNotExist",
    "TooManyTags",
];

/// A reply.
#[derive(Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Null for none.
    pub(crate) body: Value,
    pub(crate) begun: Option<Begun>,
}

impl Reply {
    pub(crate) fn ok(body: Value) -> Self {
        Self { status: 200, body, begun: None }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub(crate) fn refused(refusal: &Refusal) -> Self {
        let mut error = json!({"code": refusal.code, "message": refusal.message});
        if refusal.code == "MissingSubscriptionRegistration" {
            let target = refusal.message.split('\'').nth(1);
            error["details"] = json!([{"code": refusal.code, "target": target, "message": refusal.message}]);
        } else if !OF_ARM.contains(&refusal.code) {
            let inner = match refusal.status {
                404 => "NotFound",
                409 => "Conflict",
                _ => "BadArgument",
            };
            error["details"] = json!([]);
            error["additionalInfo"] = json!([
                {"type": "ComponentName", "info": {"value": "managementfrontend"}},
                {"type": "InnerError", "info": {"value": {"code": inner, "innerError": null}}},
            ]);
        }
        Self { status: refusal.status, body: json!({"error": error}), begun: None }
    }

    pub(crate) fn not_allowed() -> Self {
        Self::refused(&Refusal {
            status: 405,
            code: "MethodNotAllowed",
            message: "The resource does not take this method.".to_owned(),
        })
    }
}

/// Jobs, runs, endpoints and what they write. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Plane {
    pub(crate) jobs: Jobs,
    pub(crate) online: Online,
    pub(crate) telemetry: Arc<Telemetry>,
}

impl Plane {
    /// On the resources of workspaces.
    pub(crate) fn new(ground: Arc<dyn Ground>) -> Self {
        let jobs = Jobs::new(ground);
        let telemetry = Arc::new(Telemetry::default());
        Self { online: Online::new(jobs.clone(), Arc::clone(&telemetry)), jobs, telemetry }
    }

    /// Answers a call on ARM below a workspace; `None` when the path is not of jobs or online endpoints.
    pub(crate) fn arm(&self, call: &Call) -> Option<Reply> {
        match call.path.first()?.to_ascii_lowercase().as_str() {
            "jobs" => Some(self.arm_jobs(call)),
            "onlineendpoints" => Some(self.arm_endpoints(call)),
            _ => None,
        }
    }

    /// Forgets all of a workspace that was deleted.
    pub(crate) fn forget(&self, workspace: &str) {
        self.jobs.runs().forget(workspace);
        self.online.forget(workspace);
    }

    fn addresses(&self, call: &Call) -> Addresses {
        Addresses { api: call.base.clone(), studio: format!("{}/studio", call.base) }
    }

    fn arm_id(&self, call: &Call) -> String {
        self.jobs.ground().workspace(&call.workspace).map_or_else(|| call.workspace.clone(), |facts| facts.arm_id)
    }
}

impl Call {
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.query.get(key).map(String::as_str).filter(|text| !text.is_empty())
    }

    pub(crate) fn fields(&self) -> Map<String, Value> {
        self.body.as_object().cloned().unwrap_or_default()
    }

    /// The address of a container or a blob of an account.
    pub(crate) fn blob_address(&self, account: &str, path: &str) -> String {
        format!("{}/{path}", self.blob_endpoint.replace("{account}", account))
    }

    pub(crate) fn segment(&self, at: usize) -> &str {
        self.path.get(at).map_or("", String::as_str)
    }
}
