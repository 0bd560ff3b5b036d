//! Jobs that were under way when the emulator ended start again.

use super::Jobs;
use crate::run_history::run::{Run, Status};
use std::collections::BTreeMap;

impl Jobs {
    /// Starts again what was under way; ends what was asked to stop.
    pub(crate) fn resume(&self) {
        for (workspace, run) in self.runs().under_way() {
            if run.status == Status::CancelRequested {
                let now = self.ground().now();
                self.runs().end_all(&workspace, &run.id, Status::Canceled, now);
                continue;
            }
            self.runs().remove_below(&workspace, &run.id);
            self.runs().change(&workspace, &run.id, anew);
            let properties = run.job.unwrap_or_default();
            tracing::info!(workspace, job = run.id, "starts again");
            self.start(&workspace, &run.id, properties, Default::default());
        }
    }
}

/// A run as it was when it was accepted.
fn anew(run: &mut Run) {
    (run.status, run.started) = (Status::NotStarted, None);
    (run.metrics, run.outputs, run.inputs) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    run.tags.retain(|key, _| !super::submit::is_own(key));
}
