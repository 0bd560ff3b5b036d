//! Whether a new revision starts its way.

use azureml_crds::endpoint::{Revision, RolloutPhase};
use azureml_crds::reasons;

use super::{Machine, Turn};
use crate::rollout::Move;
use crate::shell::Standing;

impl Machine<'_> {
    /// A new candidate, where one is wanted.
    pub(super) fn start(&mut self) -> Option<Turn> {
        let desired = self.seen.desired.as_ref()?.revision.clone();
        let stable = self.state.stable.as_ref().map(|stable| stable.spec_hash.as_str());
        let settled = stable == Some(desired.spec_hash.as_str());
        if self.state.candidate.is_some() || settled {
            let going = self.state.candidate.is_some() && self.state.rollout.phase != RolloutPhase::RollingBack;
            return self.seen.strategy.unsupported.as_ref().filter(|_| going).map(|what| unsupported(what));
        }
        if self.state.is_rejected(&desired.spec_hash) {
            if self.state.previous.is_some() {
                return self.end_bake();
            }
            if self.state.rollout.phase != RolloutPhase::RolledBack {
                self.state.enter(RolloutPhase::RolledBack, self.now);
            }
            return Some(self.rolled_back(&desired));
        }
        if let Some(what) = &self.seen.strategy.unsupported {
            return Some(unsupported(what));
        }
        let previous = self.state.previous.as_ref().map(|previous| previous.spec_hash.as_str());
        if previous == Some(desired.spec_hash.as_str()) {
            self.state.previous = None;
        } else if previous.is_some() {
            return self.end_bake();
        }
        self.state.begin(desired, self.now);
        Some(Turn::Again)
    }

    /// The previous revision makes room first.
    fn end_bake(&mut self) -> Option<Turn> {
        if self.state.rollout.phase == RolloutPhase::CleaningUp {
            return None;
        }
        self.state.enter(RolloutPhase::CleaningUp, self.now);
        Some(Turn::Again)
    }

    /// The wanted revision was given up, and is not tried again by itself.
    fn rolled_back(&self, desired: &Revision) -> Turn {
        let why = self.state.rollout.message.as_deref().or_else(|| {
            let past = self.state.history.iter().find(|past| past.revision == desired.spec_hash);
            past.and_then(|past| past.reason.as_deref())
        });
        let serves = match &self.state.stable {
            Some(stable) => format!("Revision {} (model version {}) serves.", stable.spec_hash, stable.model_version),
            None => "No revision serves.".to_owned(),
        };
        let message = format!(
            "Revision {} (model version {}) was given up: {} {serves} Change the spec, or try it again with the annotation azureml.dev/retry: {}.",
            desired.spec_hash,
            desired.model_version,
            why.unwrap_or("it failed."),
            desired.spec_hash
        );
        Turn::Stop(Move::Rest, Standing::stalled(reasons::ROLLED_BACK, message))
    }
}

fn unsupported(what: &str) -> Turn {
    let message = format!("{what} This release of the operator does not do that: remove it from the spec.");
    Turn::Stop(Move::Rest, Standing::stalled(reasons::UNSUPPORTED, message))
}
