//! The stable revision: how the candidate becomes it, and what happens while it serves.

use azureml_crds::endpoint::{Revision, RolloutPhase};
use azureml_crds::reasons;

use super::{Machine, Turn, later};
use crate::rollout::{Move, Provisioning};
use crate::shell::{After, Standing};

impl Machine<'_> {
    /// All traffic and a proof: the candidate is the stable revision.
    pub(super) fn promote(&mut self, candidate: Revision) -> Turn {
        let keep = self.seen.strategy.history;
        self.state.remember(&candidate, "Promoted", None, self.now, keep);
        self.state.previous = self.state.stable.replace(candidate);
        self.state.candidate = None;
        self.state.set_step(None);
        self.state.say(None);
        let bakes = self.state.previous.is_some() && !self.seen.strategy.bake.is_zero();
        let phase = if bakes { RolloutPhase::Baking } else { RolloutPhase::CleaningUp };
        self.state.enter(phase, self.now);
        Turn::Again
    }

    /// There is no candidate.
    pub(super) fn settled(&mut self) -> Turn {
        match self.state.rollout.phase {
            RolloutPhase::Confirming => self.confirm_found(),
            RolloutPhase::CleaningUp => self.clean_up(),
            RolloutPhase::Baking => self.bake(),
            RolloutPhase::Done => self.in_place().unwrap_or_else(|| match self.state.stable {
                Some(_) => Turn::Stop(Move::Rest, Standing::ready(self.serving())),
                None => nothing_serves(),
            }),
            _ if self.state.stable.is_some() => self.done(),
            _ => nothing_serves(),
        }
    }

    fn done(&mut self) -> Turn {
        self.state.enter(RolloutPhase::Done, self.now);
        Turn::Again
    }

    /// A revision that was found serving is proved once.
    fn confirm_found(&mut self) -> Turn {
        if let Err(turn) = self.prove(None) {
            return turn;
        }
        self.state.say(None);
        self.done()
    }

    /// The previous revision is removed.
    fn clean_up(&mut self) -> Turn {
        let previous = self.state.previous.as_ref().map(|previous| previous.deployment.clone());
        let present = previous.and_then(|name| Some((self.seen.deployments.get(&name)?.state, name)));
        if let Some((state, name)) = present {
            return self.delete(name, state, "The revision after it serves.");
        }
        self.state.previous = None;
        self.done()
    }

    /// The previous revision is kept for a while.
    fn bake(&mut self) -> Turn {
        let began = self.state.rollout.step_started_at.as_ref().map_or(self.now, |began| began.0);
        let until = later(began, self.seen.strategy.bake);
        if self.now >= until || self.state.previous.is_none() {
            self.state.enter(RolloutPhase::CleaningUp, self.now);
            return Turn::Again;
        }
        self.in_place().unwrap_or_else(|| {
            let message = format!("{} The previous revision is kept until {until}.", self.serving());
            Turn::Stop(Move::Wait(After::Until(until)), Standing::Ready { reason: reasons::BAKING, message })
        })
    }

    fn serving(&self) -> String {
        self.state.stable.as_ref().map_or_else(String::new, |stable| {
            format!("Revision {} (model version {}) serves all traffic.", stable.spec_hash, stable.model_version)
        })
    }

    /// What changes in place on the revision that serves: the number of machines; and what others changed on it.
    fn in_place(&mut self) -> Option<Turn> {
        let stable = self.state.stable.as_ref()?;
        let desired = self.seen.desired.as_ref().filter(|desired| desired.revision.spec_hash == stable.spec_hash)?;
        let name = stable.deployment.clone();
        let deployed = self.seen.deployments.get(&name)?;
        if deployed.state == Provisioning::Moving {
            return Some(self.await_azure("The deployment is being changed in Azure.", After::Poll));
        }
        let right = deployed.current && deployed.state == Provisioning::Succeeded;
        if right && deployed.capacity == desired.capacity {
            return None;
        }
        if let Some(ended) = self.ended.as_ref().filter(|ended| ended.target == name) {
            let message = format!(
                "Azure said that {} of {name:?} is done, and the deployment is not what was asked for.",
                ended.kind
            );
            return Some(Turn::Stop(Move::Rest, Standing::stalled(reasons::OPERATION_FAILED, message)));
        }
        Some(if right {
            let message = format!("{name:?} gets {} machines instead of {}.", desired.capacity, deployed.capacity);
            let next = Move::Scale { deployment: name, capacity: desired.capacity };
            Turn::Stop(next, Standing::progressing(reasons::PROGRESSING, message))
        } else {
            let message = format!("Deployment {name:?} was changed or failed and is put right.");
            Turn::Stop(
                Move::PutDeployment { deployment: name },
                Standing::progressing(reasons::DRIFT_CORRECTED, message),
            )
        })
    }
}

fn nothing_serves() -> Turn {
    let message = "There is no revision to serve yet.";
    Turn::Stop(Move::Rest, Standing::progressing(reasons::NO_TRAFFIC, message))
}
