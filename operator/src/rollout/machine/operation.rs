//! The operation in flight: it is waited for, and what it ended as is kept for the phase that it belongs to.

use azureml_crds::endpoint::RolloutPhase;
use azureml_crds::reasons;

use super::{Machine, Turn, operations};
use crate::rollout::{Move, Outcome};
use crate::shell::{After, Standing};

/// An operation that ended in this pass.
pub(super) struct Ended {
    pub(super) kind: String,
    pub(super) target: String,
    pub(super) failure: Option<String>,
}

impl Machine<'_> {
    /// Waits while it runs, and takes its end into the record.
    pub(super) fn operation(&mut self) -> Option<Turn> {
        let operation = self.state.operation.as_ref()?;
        let text = format!("{} of {:?} is under way in Azure.", operation.kind, operation.target);
        let failure = match &self.seen.outcome {
            None => return Some(self.await_azure(&text, After::Poll)),
            Some(Outcome::Running { after }) => {
                let after = after.map_or(After::Poll, After::Asked);
                return Some(self.await_azure(&text, after));
            }
            Some(Outcome::Ended) => None,
            Some(Outcome::Failed { message }) => Some(message.clone()),
        };
        let ended = Ended { kind: operation.kind.clone(), target: operation.target.clone(), failure };
        self.ended = Some(ended);
        self.state.operation = None;
        Some(Turn::Again)
    }

    pub(super) fn ended(&self, kind: &str) -> Option<&Ended> {
        self.ended.as_ref().filter(|ended| ended.kind == kind)
    }

    /// A failure that does not judge the candidate: said, and tried again slowly; at once where traffic is to go back.
    pub(super) fn failed_elsewhere(&mut self) -> Option<Turn> {
        let ended = self.ended.as_ref()?;
        let failure = ended.failure.as_ref()?;
        let phase = self.state.rollout.phase;
        let candidate = self.state.candidate.as_ref().map(|candidate| candidate.deployment.as_str());
        let judged = match phase {
            RolloutPhase::Deploying => {
                ended.kind == operations::PUT_DEPLOYMENT && Some(ended.target.as_str()) == candidate
            }
            RolloutPhase::Switching => ended.kind == operations::SET_TRAFFIC,
            _ => false,
        };
        if judged {
            return None;
        }
        let message = format!("{} of {:?} failed in Azure: {failure}", ended.kind, ended.target);
        Some(if phase == RolloutPhase::RollingBack {
            let message = format!("{message} It is tried again.");
            Turn::Stop(Move::Wait(After::Poll), Standing::progressing(reasons::OPERATION_FAILED, message))
        } else {
            Turn::Stop(Move::Rest, Standing::stalled(reasons::OPERATION_FAILED, message))
        })
    }

    /// Waits for Azure, but no longer than the deadline.
    pub(super) fn await_azure(&mut self, text: &str, after: After) -> Turn {
        if self.past_deadline() {
            let limit = self.seen.strategy.deadline.as_secs();
            let message = format!(
                "The revision was not ready within rollout.progressDeadline ({limit} s of waiting for Azure and for health). {text}"
            );
            return self.fail(reasons::PROGRESS_DEADLINE_EXCEEDED, &message);
        }
        let reason = if self.state.candidate.is_some() { reasons::ROLLING_OUT } else { reasons::PROGRESSING };
        Turn::Stop(Move::Wait(after), Standing::progressing(reason, format!("{}{text}", self.prefix())))
    }

    pub(super) fn past_deadline(&self) -> bool {
        use RolloutPhase::{Confirming, Deploying, Proving, Switching};
        let limit = i64::try_from(self.seen.strategy.deadline.as_secs()).unwrap_or(i64::MAX);
        self.state.candidate.is_some()
            && matches!(self.state.rollout.phase, Deploying | Proving | Switching | Confirming)
            && self.state.waited(self.now) > limit
    }
}
