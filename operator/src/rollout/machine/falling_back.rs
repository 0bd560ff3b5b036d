//! A candidate that failed, or that nobody wants any more: its traffic goes back and its deployment is removed.

use azureml_crds::endpoint::{OnFailure, Revision, RolloutPhase};

use super::{Machine, Turn};

impl Machine<'_> {
    /// By the spec: back to the stable revision, or left for a person to look at.
    pub(super) fn fail(&mut self, reason: &'static str, message: &str) -> Turn {
        if self.seen.strategy.on_failure == OnFailure::Pause {
            self.state.say(Some(&format!("{reason}: {message}")));
            let moving = self.state.rollout.phase == RolloutPhase::Switching;
            self.state.enter(RolloutPhase::Paused, self.now);
            if moving || self.awaits_approval() {
                // Shares that can't be had are not asked for again, and an approval must not wave a failure through.
                self.state.set_step(None);
            }
        } else {
            self.roll_back(message);
        }
        Turn::Again
    }

    /// The revision is rejected, and its traffic is taken away.
    pub(super) fn roll_back(&mut self, message: &str) {
        let Some(candidate) = self.state.candidate.clone() else { return };
        self.state.reject(&candidate.spec_hash);
        let keep = self.seen.strategy.history;
        self.state.remember(&candidate, "RolledBack", Some(message), self.now, keep);
        self.state.say(Some(message));
        self.state.set_step(None);
        self.state.enter(RolloutPhase::RollingBack, self.now);
    }

    /// Its traffic is gone: now its deployment.
    pub(super) fn rolling_back(&mut self, candidate: &Revision) -> Turn {
        if let Some(deployed) = self.seen.deployments.get(&candidate.deployment) {
            let state = deployed.state;
            return self.delete(candidate.deployment.clone(), state, "Its revision was given up.");
        }
        self.state.candidate = None;
        self.state.set_step(None);
        let rejected = self.state.is_rejected(&candidate.spec_hash);
        let phase = match (rejected, self.state.stable.is_some()) {
            (true, _) => RolloutPhase::RolledBack,
            (false, true) => RolloutPhase::Done,
            (false, false) => RolloutPhase::Idle,
        };
        self.state.enter(phase, self.now);
        Turn::Again
    }
}
