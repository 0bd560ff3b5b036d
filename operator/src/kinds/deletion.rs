//! Deletions that Azure works on. What is deleted tells only that it is still there; why it is, its operation tells. Kept
//! in memory alone: after a restart the deletion is asked for again.
//!
//! A deletion that failed is asked for again; what Azure said of the last try is told meanwhile too.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use azureml::{Client, Operation, OperationState};
use azureml_crds::reasons;

use crate::error::{Error, Halt};
use crate::shell::{After, Cleanup};

/// By the object's uid.
#[derive(Debug, Default)]
pub struct Deletions(Mutex<HashMap<String, Deletion>>);

#[derive(Clone, Debug, Default)]
struct Deletion {
    /// Under way.
    operation: Option<Operation>,
    /// Why the try before failed.
    failed: Option<String>,
}

impl Deletions {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Deletion>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Azure deletes `what`: notes its operation, and says that it is awaited.
    pub fn begun(&self, uid: &str, what: &str, operation: Option<Operation>) -> Cleanup {
        let after = operation.as_ref().and_then(|operation| operation.retry_after);
        let mut all = self.lock();
        let deletion = all.entry(uid.to_owned()).or_default();
        deletion.operation = operation;
        waiting(what, deletion, after)
    }

    /// How the operation stands: `None` when there is none under way, and what is there tells the rest.
    ///
    /// # Errors
    /// Azure's words, when it failed; or that no answer came.
    pub async fn poll(&self, client: &Client, uid: &str, what: &str) -> Result<Option<Cleanup>, Error> {
        let Some(deletion) = self.lock().get(uid).cloned() else { return Ok(None) };
        let Some(operation) = &deletion.operation else { return Ok(None) };
        match client.poll(operation).await? {
            OperationState::Running { retry_after } => Ok(Some(waiting(what, &deletion, retry_after))),
            OperationState::Succeeded | OperationState::Lost => {
                self.ended(uid, deletion.failed);
                Ok(None)
            }
            OperationState::Failed { code, message } => {
                let words = format!("{code}: {}", message.trim_end_matches('.'));
                self.ended(uid, Some(words.clone()));
                let message = format!("Azure could not delete {what}: {words}. It is tried again.");
                Err(Halt::retry(reasons::OPERATION_FAILED, message).into())
            }
        }
    }

    fn ended(&self, uid: &str, failed: Option<String>) {
        self.lock().insert(uid.to_owned(), Deletion { operation: None, failed });
    }

    /// There is nothing to wait for any more.
    pub fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }
}

fn waiting(what: &str, deletion: &Deletion, retry_after: Option<Duration>) -> Cleanup {
    let message = match &deletion.failed {
        None => format!("Azure deletes {what}."),
        Some(words) => format!("Azure deletes {what}, once more: the last try failed with {words}."),
    };
    Cleanup::Waiting { message, after: retry_after.map_or(After::Poll, After::Asked) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_last_try_failed_with_is_told_while_the_next_one_goes_on() {
        let all = Deletions::default();
        let told = |begun: Cleanup| match begun {
            Cleanup::Waiting { message, after: After::Poll } => message,
            other => panic!("{other:?}"),
        };
        assert_eq!(told(all.begun("uid", "cluster c", None)), "Azure deletes cluster c.");
        all.ended("uid", Some("InUse: A job runs (request id r-1)".to_owned()));
        let again = told(all.begun("uid", "cluster c", None));
        assert!(again.contains("InUse: A job runs (request id r-1)."), "{again}");
        all.forget("uid");
        assert_eq!(told(all.begun("uid", "cluster c", None)), "Azure deletes cluster c.");
    }
}
