//! Deletions that Azure works on. What is deleted tells only that it is still there; why it is, its operation tells. Kept
//! in memory alone: after a restart the deletion is asked for again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use azureml::{Client, Operation, OperationState};
use azureml_crds::reasons;

use crate::error::{Error, Halt};
use crate::shell::{After, Cleanup};

/// Operations by the object's uid.
#[derive(Debug, Default)]
pub struct Deletions(Mutex<HashMap<String, Operation>>);

impl Deletions {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Operation>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Azure deletes `what`: notes its operation, and says that it is awaited.
    pub fn begun(&self, uid: &str, what: &str, operation: Option<Operation>) -> Cleanup {
        let after = operation.as_ref().and_then(|operation| operation.retry_after).map_or(After::Poll, After::Asked);
        if let Some(operation) = operation {
            self.lock().insert(uid.to_owned(), operation);
        }
        Cleanup::Waiting { message: format!("Azure deletes {what}."), after }
    }

    /// How the operation stands: `None` when there is none under way, and what is there tells the rest.
    ///
    /// # Errors
    /// Azure's words, when it failed; or that no answer came.
    pub async fn poll(&self, client: &Client, uid: &str, what: &str) -> Result<Option<Cleanup>, Error> {
        let Some(operation) = self.lock().get(uid).cloned() else { return Ok(None) };
        match client.poll(&operation).await? {
            OperationState::Running { retry_after } => {
                let after = retry_after.map_or(After::Poll, After::Asked);
                Ok(Some(Cleanup::Waiting { message: format!("Azure deletes {what}."), after }))
            }
            OperationState::Succeeded | OperationState::Lost => {
                self.forget(uid);
                Ok(None)
            }
            OperationState::Failed { code, message } => {
                self.forget(uid);
                let message = format!(
                    "Azure could not delete {what}: {code}: {}. It is tried again.",
                    message.trim_end_matches('.')
                );
                Err(Halt::retry(reasons::OPERATION_FAILED, message).into())
            }
        }
    }

    /// There is nothing to wait for any more.
    pub fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }
}
