//! What changed under the record: deployments that are there and not recorded, recorded and not there, and a newer wish.

use azureml_crds::endpoint::{Revision, RolloutPhase};

use super::{Machine, Turn};
use crate::rollout::Provisioning;
use crate::rollout::traffic::live;

impl Machine<'_> {
    /// A live deployment and no record of it: the endpoint was adopted, or the cluster was built again.
    pub(super) fn found(&mut self) -> Option<Turn> {
        if self.state.stable.is_some()
            || self.state.candidate.is_some()
            || self.state.rollout.phase != RolloutPhase::Idle
        {
            return None;
        }
        let name = live(&self.seen.traffic)?;
        let deployed = self.seen.deployments.get(name).filter(|deployed| deployed.state == Provisioning::Succeeded)?;
        let desired = self.seen.desired.as_ref().map(|desired| &desired.revision);
        match desired.filter(|desired| desired.deployment == name && deployed.current) {
            Some(desired) => {
                self.state.stable = Some(desired.clone());
                self.state.enter(RolloutPhase::Confirming, self.now);
            }
            None => {
                self.state.stable = Some(found_revision(name, &deployed.model_id));
                self.state.enter(RolloutPhase::Done, self.now);
            }
        }
        Some(Turn::Again)
    }

    /// Deployments that are recorded and gone.
    pub(super) fn lost(&mut self) -> Option<Turn> {
        if self.is_gone(self.state.previous.as_ref()) {
            self.state.previous = None;
            return Some(Turn::Again);
        }
        if self.is_gone(self.state.candidate.as_ref())
            && let Some(turn) = self.lost_candidate()
        {
            return Some(turn);
        }
        self.is_gone(self.state.stable.as_ref()).then(|| self.lost_stable())
    }

    fn is_gone(&self, revision: Option<&Revision>) -> bool {
        revision.is_some_and(|revision| !self.seen.deployments.contains_key(&revision.deployment))
    }

    /// It takes no traffic any more, and is made again unless a person is to look at it.
    fn lost_candidate(&mut self) -> Option<Turn> {
        use RolloutPhase::{Confirming, Paused, Proving, Stepping, Switching};
        if self.paused_by_failure() {
            self.state.step()?;
            self.state.set_step(None);
            return Some(Turn::Again);
        }
        if !matches!(self.state.rollout.phase, Proving | Stepping | Paused | Switching | Confirming) {
            return None;
        }
        self.state.set_step(None);
        self.state.enter(RolloutPhase::Deploying, self.now);
        Some(Turn::Again)
    }

    /// The revision before it serves again, or the candidate takes its place.
    fn lost_stable(&mut self) -> Turn {
        use RolloutPhase::{Paused, RolledBack, Stepping, Switching};
        // The revision before was proved too.
        self.state.stable = self.state.previous.take();
        if self.state.stable.is_some() {
            self.state.enter(RolloutPhase::Done, self.now);
            return Turn::Again;
        }
        let phase = self.state.rollout.phase;
        if self.state.candidate.is_none() {
            if phase != RolledBack {
                self.state.enter(RolloutPhase::Idle, self.now);
            }
        } else if matches!(phase, Stepping | Paused | Switching) && self.state.step().is_some() {
            // It is proved, and there is nothing left to compare it with.
            self.state.set_step(Some(self.seen.strategy.steps.len()));
            self.state.enter(RolloutPhase::Switching, self.now);
        }
        Turn::Again
    }

    /// Another revision is wanted than the one on its way.
    pub(super) fn superseded(&mut self) -> Option<Turn> {
        let candidate = self.state.candidate.clone()?;
        let desired = &self.seen.desired.as_ref()?.revision;
        if candidate.spec_hash == desired.spec_hash || self.state.rollout.phase == RolloutPhase::RollingBack {
            return None;
        }
        let reason = format!("Revision {} is wanted instead.", desired.spec_hash);
        let keep = self.seen.strategy.history;
        self.state.remember(&candidate, "Superseded", Some(&reason), self.now, keep);
        self.state.say(Some(&reason));
        self.state.set_step(None);
        self.state.enter(RolloutPhase::RollingBack, self.now);
        Some(Turn::Again)
    }
}

/// The revision that a live deployment stands for: its hash is the end of the name that we would give it.
fn found_revision(deployment: &str, model_id: &str) -> Revision {
    let hash = deployment.rsplit('-').next().unwrap_or(deployment);
    Revision {
        deployment: deployment.to_owned(),
        model_id: model_id.to_owned(),
        model_version: model_id.rsplit(['/', ':']).next().unwrap_or_default().to_owned(),
        spec_hash: hash.to_owned(),
    }
}
