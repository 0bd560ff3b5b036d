//! Long-running operations, and what ARM tells about them.

use crate::online::OperationEnd;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Prefix of a workspace's operation ids.
pub(crate) const OF_WORKSPACE: &str = "wsp:";
/// Prefix of a compute's operation ids.
pub(crate) const OF_COMPUTE: &str = "cmp:";

/// A new operation's id.
pub(crate) fn new_id(prefix: &str) -> String {
    format!("{prefix}{}", uuid::Uuid::new_v4())
}

#[derive(Debug, Clone)]
struct Operation {
    begun: Timestamp,
    ended: Option<(Timestamp, OperationEnd)>,
    /// What it was for, when that is no resource.
    found: Value,
    /// What it is on, and who began it.
    of: Option<(String, String)>,
}

/// All operations since the start.
#[derive(Debug, Default)]
pub(crate) struct Operations(Mutex<HashMap<String, Operation>>);

impl Operations {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Operation>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One has begun.
    pub(crate) fn begin(&self, id: &str, now: Timestamp) {
        let operation = Operation { begun: now, ended: None, found: Value::Null, of: None };
        self.lock().insert(id.to_owned(), operation);
    }

    /// What an operation is on, and who began it.
    pub(crate) fn is_of(&self, id: &str, resource: &str, principal: &str) {
        if let Some(operation) = self.lock().get_mut(id) {
            operation.of = Some((resource.to_owned(), principal.to_owned()));
        }
    }

    /// What an operation is on, and who began it.
    pub(crate) fn of(&self, id: &str) -> Option<(String, String)> {
        self.lock().get(id)?.of.clone()
    }

    /// What one found out, before it ends.
    pub(crate) fn found(&self, id: &str, found: Value) {
        if let Some(operation) = self.lock().get_mut(id) {
            operation.found = found;
        }
    }

    /// One has ended.
    pub(crate) fn end(&self, id: &str, end: OperationEnd, now: Timestamp) {
        if let Some(operation) = self.lock().get_mut(id) {
            operation.ended = Some((now, end));
        }
    }

    /// As the address of `Azure-AsyncOperation` tells it.
    pub(crate) fn status(&self, address: &str, id: &str) -> Option<Value> {
        let operation = self.lock().get(id).cloned()?;
        let mut body = json!({"id": address, "name": id, "startTime": operation.begun.to_string()});
        match operation.ended {
            None => body["status"] = Value::from("InProgress"),
            Some((at, end)) => {
                body["endTime"] = Value::from(at.to_string());
                body["status"] = Value::from(if end.is_ok() { "Succeeded" } else { "Failed" });
                if let Err((code, message)) = end {
                    body["error"] = json!({"code": code, "message": message});
                }
            }
        }
        Some(body)
    }

    /// As the address of `Location` tells it: a status and a body.
    pub(crate) fn result(&self, id: &str) -> Option<(u16, Value)> {
        let operation = self.lock().get(id).cloned()?;
        Some(match operation.ended {
            None => (202, Value::Null),
            Some((_, Ok(()))) => (200, operation.found),
            Some((_, Err((code, message)))) => (400, json!({"error": {"code": code, "message": message}})),
        })
    }
}

/// The path at which ARM tells about an operation.
pub(crate) fn path(subscription: &str, region: &str, id: &str, result: bool) -> String {
    let kind = match (id, result) {
        (id, false) if id.starts_with(OF_WORKSPACE) => "workspaceOperationsStatus",
        (id, true) if id.starts_with(OF_WORKSPACE) => "workspaceOperationResults",
        (id, false) if id.starts_with(OF_COMPUTE) => "computeOperationsStatus",
        (id, true) if id.starts_with(OF_COMPUTE) => "computeOperationResults",
        (_, false) => "mfeOperationsStatus",
        (_, true) => "mfeOperationResults",
    };
    format!(
        "/subscriptions/{subscription}/providers/Microsoft.MachineLearningServices/locations/{region}/{kind}/{id}?api-version=2025-12-01"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_told_both_ways() {
        let (operations, now) = (Operations::default(), Timestamp::UNIX_EPOCH);
        assert_eq!(operations.result("a"), None);
        operations.begin("a", now);
        assert_eq!(operations.status("/a", "a").unwrap()["status"], "InProgress");
        assert_eq!(operations.result("a").unwrap().0, 202);
        operations.end("a", Err(("OutOfQuota".into(), "no cores".into())), now);
        assert_eq!(operations.status("/a", "a").unwrap()["error"]["code"], "OutOfQuota");
        assert_eq!(operations.result("a").unwrap().0, 400);
        assert!(path("s", "westeurope", "cmp:1", false).contains("/computeOperationsStatus/cmp:1"));
    }
}
