//! From step to step: shares of the traffic that are held for a time, and people's approvals.

use azureml_crds::endpoint::{Revision, RolloutPhase};
use azureml_crds::reasons;

use super::{Machine, Turn, later};
use crate::rollout::{Move, Provisioning, Step};
use crate::shell::{After, Standing};

impl Machine<'_> {
    /// The first step; without a stable revision there is nothing to share with, and it takes all.
    pub(super) fn proved(&mut self) -> Turn {
        let first = if self.state.stable.is_some() { 0 } else { self.seen.strategy.steps.len() };
        self.begin_step(first)
    }

    fn begin_step(&mut self, step: usize) -> Turn {
        let steps = &self.seen.strategy.steps;
        self.state.set_step(Some(step.min(steps.len())));
        let phase = match steps.get(step) {
            Some(Step::Approval) => RolloutPhase::Paused,
            _ => RolloutPhase::Switching,
        };
        self.state.enter(phase, self.now);
        Turn::Again
    }

    /// Where it goes when Azure has the shares of this step.
    pub(super) fn switched(&mut self) -> Turn {
        let step = self.state.step().unwrap_or(usize::MAX);
        let more = step < self.seen.strategy.steps.len();
        self.state.enter(if more { RolloutPhase::Stepping } else { RolloutPhase::Confirming }, self.now);
        Turn::Again
    }

    pub(super) fn stepping(&mut self, candidate: &Revision) -> Turn {
        if let Some(turn) = self.unhealthy(candidate) {
            return turn;
        }
        let step = self.state.step().unwrap_or_default();
        let Some(Step::Weight { weight, hold }) = self.seen.strategy.steps.get(step) else {
            return self.begin_step(step);
        };
        let began = self.state.rollout.step_started_at.as_ref().map_or(self.now, |began| began.0);
        let until = later(began, *hold);
        if self.now < until {
            let message = format!("{}{weight} % of the traffic until {until}.", self.prefix());
            return Turn::Stop(Move::Wait(After::Until(until)), Standing::progressing(reasons::ROLLING_OUT, message));
        }
        self.begin_step(step + 1)
    }

    fn unhealthy(&mut self, candidate: &Revision) -> Option<Turn> {
        let deployed = self.seen.deployments.get(&candidate.deployment)?;
        (deployed.state == Provisioning::Failed)
            .then(|| self.fail(reasons::DEPLOYMENT_FAILED, "The deployment failed in Azure while it took traffic."))
    }

    pub(super) fn paused_by_failure(&self) -> bool {
        self.state.rollout.phase == RolloutPhase::Paused && !self.awaits_approval()
    }

    pub(super) fn awaits_approval(&self) -> bool {
        self.state.step().is_some_and(|step| self.seen.strategy.steps.get(step) == Some(&Step::Approval))
    }

    /// A person is waited for.
    pub(super) fn paused(&mut self, candidate: &Revision) -> Turn {
        if self.awaits_approval() { self.await_approval(candidate) } else { self.await_verdict(candidate) }
    }

    fn await_approval(&mut self, candidate: &Revision) -> Turn {
        if let Some(turn) = self.unhealthy(candidate) {
            return turn;
        }
        if self.is_approved(candidate) {
            let next = self.state.step().unwrap_or_default() + 1;
            return self.begin_step(next);
        }
        let hash = &candidate.spec_hash;
        let message =
            format!("{}a person must approve it: set the annotation azureml.dev/approve: {hash}.", self.prefix());
        Turn::Stop(Move::Rest, Standing::progressing(reasons::WAITING_FOR_APPROVAL, message))
    }

    /// It failed, and `onFailure: Pause` leaves it to a person what becomes of it.
    fn await_verdict(&self, candidate: &Revision) -> Turn {
        let hash = &candidate.spec_hash;
        let said = self.state.rollout.message.clone().unwrap_or_default();
        let (word, text) = said.split_once(": ").unwrap_or(("", said.as_str()));
        let reason =
            reasons::ALL.iter().map(|(reason, _)| *reason).find(|reason| *reason == word).unwrap_or(reasons::PAUSED);
        let message = format!(
            "{}{text} It waits for a person (rollout.onFailure: Pause): try it again with the annotation azureml.dev/retry: {hash}, or give it up with azureml.dev/abort: {hash}.",
            self.prefix()
        );
        Turn::Stop(Move::Rest, Standing::stalled(reason, message))
    }
}
