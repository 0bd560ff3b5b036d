//! Long-running operations, and what ARM tells about them.

use crate::data_dir::Keep;
use crate::online::{Fate, OperationEnd};
use crate::tokens::Claims;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
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

/// The request that began an operation: sent again, it goes on after a restart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cause {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) body: String,
    pub(crate) base: String,
    /// Who sent it.
    pub(crate) claims: Claims,
    /// When the operation ends: by the emulator's time, and not before a time of the machine's.
    pub(crate) ends: Timestamp,
    pub(crate) due: Timestamp,
    pub(crate) fate: Fate,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Operation {
    begun: Timestamp,
    ended: Option<(Timestamp, OperationEnd)>,
    /// What it was for, when that is no resource.
    found: Value,
    /// What it is on, and who began it.
    of: Option<(String, String)>,
    /// What began it, while it is under way and something is kept.
    cause: Option<Cause>,
    /// The operation that goes on with it since a restart.
    heir: Option<String>,
    /// Path of the resource that it changes, to be told with its result.
    #[serde(default)]
    changes: Option<String>,
}

/// An operation as it is kept.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredOperation {
    id: String,
    operation: Operation,
}

/// What keys of records begin with.
pub(crate) const OPERATION: &str = "operation\t";

/// All operations since the start.
#[derive(Default)]
pub(crate) struct Operations {
    all: Mutex<HashMap<String, Operation>>,
    keep: Keep,
}

impl Operations {
    /// None yet, written down somewhere.
    pub(crate) fn kept_by(keep: Keep) -> Self {
        Self { keep, ..Self::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Operation>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, id: &str, operation: &Operation) {
        if self.keep.is_on() {
            let stored = StoredOperation { id: id.to_owned(), operation: operation.clone() };
            self.keep.put(|| OPERATION.to_owned() + id, &stored);
        }
    }

    /// Puts back one that was kept.
    pub(crate) fn restore(&self, stored: StoredOperation) {
        self.lock().insert(stored.id, stored.operation);
    }

    /// Those that have not ended, with what began each.
    pub(crate) fn interrupted(&self) -> Vec<(String, Option<Cause>)> {
        let all = self.lock();
        let open = all.iter().filter(|(_, known)| known.ended.is_none() && known.heir.is_none());
        open.map(|(id, known)| (id.clone(), known.cause.clone())).collect()
    }

    /// One has begun.
    pub(crate) fn begin(&self, id: &str, cause: Option<Cause>, now: Timestamp) {
        let mut all = self.lock();
        let operation =
            Operation { begun: now, ended: None, found: Value::Null, of: None, cause, heir: None, changes: None };
        self.note(id, &operation);
        all.insert(id.to_owned(), operation);
    }

    /// Changes one.
    fn change(&self, id: &str, change: impl FnOnce(&mut Operation)) {
        let mut all = self.lock();
        if let Some(operation) = all.get_mut(id) {
            change(operation);
            self.note(id, operation);
        }
    }

    /// What an operation is on, and who began it.
    pub(crate) fn is_of(&self, id: &str, resource: &str, principal: &str) {
        self.change(id, |operation| operation.of = Some((resource.to_owned(), principal.to_owned())));
    }

    /// What an operation is on, and who began it.
    pub(crate) fn of(&self, id: &str) -> Option<(String, String)> {
        self.lock().get(id)?.of.clone()
    }

    /// An operation changes the resource at a path: its result is that resource.
    pub(crate) fn changes(&self, id: &str, path: &str) {
        self.change(id, |operation| operation.changes = Some(path.to_owned()));
    }

    /// The path of the resource that an operation has changed, when it has succeeded.
    pub(crate) fn changed(&self, id: &str) -> Option<String> {
        let operation = self.get(id)?;
        matches!(operation.ended, Some((_, Ok(())))).then_some(operation.changes).flatten()
    }

    /// What one found out, before it ends.
    pub(crate) fn found(&self, id: &str, found: Value) {
        self.change(id, |operation| operation.found = found);
    }

    /// One goes on as another.
    pub(crate) fn go_on(&self, id: &str, heir: &str) {
        self.change(id, |operation| (operation.heir, operation.cause) = (Some(heir.to_owned()), None));
    }

    /// One has ended.
    pub(crate) fn end(&self, id: &str, end: OperationEnd, now: Timestamp) {
        self.change(id, |operation| (operation.ended, operation.cause) = (Some((now, end)), None));
    }

    /// One by its id, with the end of the one that goes on with it.
    fn get(&self, id: &str) -> Option<Operation> {
        let all = self.lock();
        let mut found = all.get(id)?;
        let begun = found.begun;
        while let Some(heir) = found.heir.as_ref().and_then(|heir| all.get(heir)) {
            found = heir;
        }
        Some(Operation { begun, ..found.clone() })
    }

    /// The newest ones, newest first: id, when it began, and how it stands.
    pub(crate) fn newest(&self, most: usize) -> Vec<(String, Timestamp, String)> {
        let all = self.lock();
        let mut found: Vec<(&String, &Operation)> = all.iter().filter(|(_, known)| known.heir.is_none()).collect();
        found.sort_by_key(|(_, known)| std::cmp::Reverse(known.begun));
        let told = |known: &Operation| match &known.ended {
            None => "InProgress".to_owned(),
            Some((_, Ok(()))) => "Succeeded".to_owned(),
            Some((_, Err((code, message)))) => format!("Failed: {code}: {message}"),
        };
        found.into_iter().take(most).map(|(id, known)| (id.clone(), known.begun, told(known))).collect()
    }

    /// As the address of `Azure-AsyncOperation` tells it.
    pub(crate) fn status(&self, address: &str, id: &str) -> Option<Value> {
        let operation = self.get(id)?;
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
        let operation = self.get(id)?;
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
        operations.begin("a", None, now);
        assert_eq!(operations.status("/a", "a").unwrap()["status"], "InProgress");
        assert_eq!(operations.result("a").unwrap().0, 202);
        // It goes on as another one, and ends as that one does.
        operations.begin("b", None, now);
        operations.go_on("a", "b");
        assert_eq!(operations.interrupted().len(), 1);
        assert_eq!(operations.result("a").unwrap().0, 202);
        operations.end("b", Err(("OutOfQuota".into(), "no cores".into())), now);
        assert_eq!(operations.status("/a", "a").unwrap()["error"]["code"], "OutOfQuota");
        assert_eq!(operations.result("a").unwrap().0, 400);
        operations.begin("c", None, now);
        operations.changes("c", "/x");
        assert_eq!(operations.changed("c"), None);
        operations.end("c", Ok(()), now);
        assert_eq!(operations.changed("c").as_deref(), Some("/x"));
        assert!(path("s", "westeurope", "cmp:1", false).contains("/computeOperationsStatus/cmp:1"));
    }
}
