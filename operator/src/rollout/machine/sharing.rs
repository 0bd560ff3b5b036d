//! Traffic is what the record asks for, and deployments that nothing names are removed.

use azureml_crds::endpoint::RolloutPhase;
use azureml_crds::reasons;

use super::{Machine, Turn, operations};
use crate::rollout::traffic::{Traffic, counted, summary, wanted};
use crate::rollout::{Move, Provisioning};
use crate::shell::{After, Standing};

impl Machine<'_> {
    /// Traffic is what the record asks for, or is made so.
    pub(super) fn shares(&mut self) -> Option<Turn> {
        let wanted = wanted(&self.state, &self.seen.strategy.steps);
        let present = counted(&self.seen.traffic);
        if present == wanted {
            // It did what it was started for; the shares of a later step are another matter.
            if self.ended(operations::SET_TRAFFIC).is_some() {
                self.ended = None;
            }
            return None;
        }
        let missing = wanted.keys().find(|name| !self.seen.deployments.contains_key(*name));
        if let Some(name) = missing {
            let message = format!("Deployment {name:?} is to take traffic and is not there.");
            return Some(Turn::Stop(Move::Wait(After::Poll), Standing::progressing(reasons::NO_TRAFFIC, message)));
        }
        if let Some(turn) = self.shares_refused(&wanted, &present) {
            return Some(turn);
        }
        if self.state.rollout.phase == RolloutPhase::Switching && self.past_deadline() {
            return Some(self.await_azure("Traffic is not where it should be.", After::Poll));
        }
        let message = format!("{}traffic goes from {} to {}.", self.prefix(), summary(&present), summary(&wanted));
        Some(Turn::Stop(Move::SetTraffic(wanted), Standing::progressing(reasons::ROLLING_OUT, message)))
    }

    /// The change of traffic ended in this pass, and the shares are not what it was to make them.
    fn shares_refused(&mut self, wanted: &Traffic, present: &Traffic) -> Option<Turn> {
        let ended = self.ended(operations::SET_TRAFFIC)?;
        let message = match &ended.failure {
            Some(failure) => format!("Azure refused the traffic {}: {failure}", summary(wanted)),
            None => format!(
                "Azure said that the traffic was changed to {}, and it is {}.",
                summary(wanted),
                summary(present)
            ),
        };
        Some(if self.state.rollout.phase == RolloutPhase::Switching {
            self.fail(reasons::OPERATION_FAILED, &message)
        } else {
            Turn::Stop(Move::Wait(After::Poll), Standing::progressing(reasons::OPERATION_FAILED, message))
        })
    }

    /// Deployments of ours that no record names.
    pub(super) fn leftovers(&mut self) -> Option<Turn> {
        let desired = self.seen.desired.as_ref()?;
        let revisions = [&self.state.stable, &self.state.candidate, &self.state.previous];
        let named = |name: &str| {
            name == desired.revision.deployment
                || revisions.iter().any(|revision| revision.as_ref().is_some_and(|known| known.deployment == name))
        };
        let (name, deployed) = self.seen.deployments.iter().find(|(name, deployed)| deployed.ours && !named(name))?;
        Some(self.delete(name.clone(), deployed.state, "Nothing needs it any more."))
    }

    pub(super) fn delete(&mut self, name: String, state: Provisioning, why: &str) -> Turn {
        if state == Provisioning::Moving {
            return Turn::Stop(
                Move::Wait(After::Poll),
                Standing::progressing(reasons::PROGRESSING, format!("Deployment {name:?} is being changed in Azure.")),
            );
        }
        let message = format!("Deployment {name:?} is removed. {why}");
        let standing = Standing::progressing(reasons::PROGRESSING, message);
        Turn::Stop(Move::DeleteDeployment { deployment: name }, standing)
    }
}
