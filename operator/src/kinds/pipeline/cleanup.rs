//! Deletion of a pipeline.

use crate::shell::Cleanup;

/// The definition has nothing in Azure of its own. Its runs are deleted by their owner reference, and each cancels its
/// unfinished job unless its policy, copied from the pipeline's, says otherwise.
pub fn cleanup() -> Cleanup {
    Cleanup::Done(None)
}
