//! The decision: from what is wanted, seen and recorded to the next move.

use azureml_crds::endpoint::{OnFailure, Revision, RolloutPhase};
use azureml_crds::reasons;
use jiff::{SignedDuration, Timestamp};

use super::traffic::{counted, live, summary, wanted};
use super::{Decision, Move, Outcome, Proof, Provisioning, Request, Seen, State, Step};
use crate::shell::{After, Standing};

/// Kinds of operation, as status names them.
pub mod operations {
    /// A deployment is put.
    pub const PUT_DEPLOYMENT: &str = "PutDeployment";
    /// Traffic is shared out.
    pub const SET_TRAFFIC: &str = "SetTraffic";
}

/// Verdicts of a proof that has to be made again.
const FAILED: &str = "Failed";
/// As above.
const NOT_YET: &str = "NotYet";

/// More transitions than one decision can need: a guard, not a limit that is reached.
const TURNS: usize = 32;

/// Decides what is next. The endpoint exists and is ours.
#[must_use]
pub fn decide(seen: &Seen, state: &State, now: Timestamp) -> Decision {
    let mut machine = Machine { seen, state: state.clone(), now, ended: None, proof: seen.proof.clone() };
    for _ in 0..TURNS {
        if let Turn::Stop(next, standing) = machine.turn() {
            return Decision { state: machine.state, next, standing };
        }
    }
    let standing = Standing::progressing(reasons::ROLLING_OUT, "The rollout is looked at again.");
    Decision { state: machine.state, next: Move::Wait(After::Poll), standing }
}

enum Turn {
    /// The record changed: think again.
    Again,
    /// This is next.
    Stop(Move, Standing),
}

/// An operation that ended in this pass.
struct Ended {
    kind: String,
    target: String,
    failure: Option<String>,
}

struct Machine<'a> {
    seen: &'a Seen,
    state: State,
    now: Timestamp,
    ended: Option<Ended>,
    proof: Option<Proof>,
}

impl Machine<'_> {
    fn turn(&mut self) -> Turn {
        if let Some(turn) = self.operation() {
            return turn;
        }
        if self.seen.busy {
            return self.await_azure("The endpoint is being changed in Azure.", After::Poll);
        }
        self.commands();
        if let Some(turn) = self.found().or_else(|| self.lost()).or_else(|| self.superseded()) {
            return turn;
        }
        if let Some(turn) = self.failed_elsewhere().or_else(|| self.shares()) {
            return turn;
        }
        if let Some(turn) = self.leftovers().or_else(|| self.start()) {
            return turn;
        }
        self.phase()
    }

    // --- the operation in flight

    fn operation(&mut self) -> Option<Turn> {
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

    fn ended(&self, kind: &str) -> Option<&Ended> {
        self.ended.as_ref().filter(|ended| ended.kind == kind)
    }

    /// A failure that does not judge the candidate: said, and tried again slowly; at once where traffic is to go back.
    fn failed_elsewhere(&mut self) -> Option<Turn> {
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
    fn await_azure(&mut self, text: &str, after: After) -> Turn {
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

    fn past_deadline(&self) -> bool {
        use RolloutPhase::{Confirming, Deploying, Proving, Switching};
        let limit = i64::try_from(self.seen.strategy.deadline.as_secs()).unwrap_or(i64::MAX);
        self.state.candidate.is_some()
            && matches!(self.state.rollout.phase, Deploying | Proving | Switching | Confirming)
            && self.state.waited(self.now) > limit
    }

    fn prefix(&self) -> String {
        match &self.state.candidate {
            Some(candidate) => {
                format!("Revision {} (model version {}): ", candidate.spec_hash, candidate.model_version)
            }
            None => String::new(),
        }
    }

    // --- what changed under the record

    /// Commands that name a hash that is there; a stale one does nothing.
    fn commands(&mut self) {
        let commands = &self.seen.commands;
        for (name, value) in [
            ("approve", &commands.approve),
            ("promote", &commands.promote),
            ("abort", &commands.abort),
            ("retry", &commands.retry),
        ] {
            // An annotation that was taken away and is put again is a new command.
            if value.is_none() {
                self.state.handled.remove(name);
            }
        }
        if let Some(hash) = commands.retry.as_deref()
            && self.state.is_rejected(hash)
            && self.state.handled.get("retry").map(String::as_str) != Some(hash)
        {
            self.state.rejected.retain(|other| other != hash);
            self.state.handled.insert("retry".to_owned(), hash.to_owned());
        }
        let Some(candidate) = self.state.candidate.clone() else { return };
        let unhandled = |name: &str, value: &Option<String>, state: &State| {
            value.as_deref() == Some(candidate.spec_hash.as_str())
                && state.handled.get(name) != Some(&candidate.spec_hash)
        };
        let phase = self.state.rollout.phase;
        if phase == RolloutPhase::RollingBack {
            return;
        }
        if unhandled("abort", &commands.abort, &self.state) {
            self.state.handled.insert("abort".to_owned(), candidate.spec_hash);
            self.roll_back("Given up by the annotation azureml.dev/abort.");
            return;
        }
        if unhandled("promote", &commands.promote, &self.state)
            && matches!(phase, RolloutPhase::Stepping | RolloutPhase::Paused | RolloutPhase::Switching)
            && self.state.step().is_some()
        {
            self.state.handled.insert("promote".to_owned(), candidate.spec_hash);
            self.state.set_step(Some(self.seen.strategy.steps.len()));
            self.state.enter(RolloutPhase::Switching, self.now);
            return;
        }
        if phase == RolloutPhase::Paused && !self.awaits_approval() && unhandled("retry", &commands.retry, &self.state)
        {
            self.state.handled.insert("retry".to_owned(), candidate.spec_hash.clone());
            self.state.begin(candidate, self.now);
        }
    }

    /// A live deployment and no record of it: the endpoint was adopted, or the cluster was built again.
    fn found(&mut self) -> Option<Turn> {
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
    fn lost(&mut self) -> Option<Turn> {
        let gone = |revision: &Option<Revision>| {
            revision.as_ref().is_some_and(|revision| !self.seen.deployments.contains_key(&revision.deployment))
        };
        if gone(&self.state.previous) {
            self.state.previous = None;
            return Some(Turn::Again);
        }
        if gone(&self.state.candidate) {
            use RolloutPhase::{Confirming, Paused, Proving, Stepping, Switching};
            let past_deploying =
                matches!(self.state.rollout.phase, Proving | Stepping | Paused | Switching | Confirming);
            if self.paused_by_failure() {
                if self.state.step().is_some() {
                    self.state.set_step(None);
                    return Some(Turn::Again);
                }
            } else if past_deploying {
                self.state.set_step(None);
                self.state.enter(RolloutPhase::Deploying, self.now);
                return Some(Turn::Again);
            }
        }
        if gone(&self.state.stable) {
            // The revision before was proved too.
            self.state.stable = self.state.previous.take();
            if self.state.stable.is_some() {
                self.state.enter(RolloutPhase::Done, self.now);
                return Some(Turn::Again);
            }
            use RolloutPhase::{Paused, Stepping, Switching};
            if self.state.candidate.is_none() {
                let fallen_back = self.state.rollout.phase == RolloutPhase::RolledBack;
                if !fallen_back {
                    self.state.enter(RolloutPhase::Idle, self.now);
                }
            } else if matches!(self.state.rollout.phase, Stepping | Paused | Switching) && self.state.step().is_some() {
                // It is proved, and there is nothing left to compare it with.
                self.state.set_step(Some(self.seen.strategy.steps.len()));
                self.state.enter(RolloutPhase::Switching, self.now);
            }
            return Some(Turn::Again);
        }
        None
    }

    /// Another revision is wanted than the one on its way.
    fn superseded(&mut self) -> Option<Turn> {
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

    // --- traffic

    /// Traffic is what the record asks for, or is made so.
    fn shares(&mut self) -> Option<Turn> {
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
        let switching = self.state.rollout.phase == RolloutPhase::Switching;
        if let Some(ended) = self.ended(operations::SET_TRAFFIC) {
            let message = match &ended.failure {
                Some(failure) => format!("Azure refused the traffic {}: {failure}", summary(&wanted)),
                None => format!(
                    "Azure said that the traffic was changed to {}, and it is {}.",
                    summary(&wanted),
                    summary(&present)
                ),
            };
            return Some(if switching {
                self.fail(reasons::OPERATION_FAILED, &message)
            } else {
                Turn::Stop(Move::Wait(After::Poll), Standing::progressing(reasons::OPERATION_FAILED, message))
            });
        }
        if switching && self.past_deadline() {
            return Some(self.await_azure("Traffic is not where it should be.", After::Poll));
        }
        let message = format!("{}traffic goes from {} to {}.", self.prefix(), summary(&present), summary(&wanted));
        Some(Turn::Stop(Move::SetTraffic(wanted), Standing::progressing(reasons::ROLLING_OUT, message)))
    }

    /// Deployments of ours that no record names.
    fn leftovers(&mut self) -> Option<Turn> {
        let desired = self.seen.desired.as_ref()?;
        let revisions = [&self.state.stable, &self.state.candidate, &self.state.previous];
        let named = |name: &str| {
            name == desired.revision.deployment
                || revisions.iter().any(|revision| revision.as_ref().is_some_and(|known| known.deployment == name))
        };
        let (name, deployed) = self.seen.deployments.iter().find(|(name, deployed)| deployed.ours && !named(name))?;
        Some(self.delete(name.clone(), deployed.state, "Nothing needs it any more."))
    }

    fn delete(&mut self, name: String, state: Provisioning, why: &str) -> Turn {
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

    // --- from revision to revision

    /// A new candidate, where one is wanted.
    fn start(&mut self) -> Option<Turn> {
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

    fn end_bake(&mut self) -> Option<Turn> {
        if self.state.rollout.phase == RolloutPhase::CleaningUp {
            return None;
        }
        self.state.enter(RolloutPhase::CleaningUp, self.now);
        Some(Turn::Again)
    }

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

    fn phase(&mut self) -> Turn {
        let Some(candidate) = self.state.candidate.clone() else { return self.settled() };
        match self.state.rollout.phase {
            RolloutPhase::Deploying => self.deploying(&candidate),
            RolloutPhase::Proving => match self.prove(Some(candidate.deployment.clone())) {
                Ok(()) => self.proved(),
                Err(turn) => turn,
            },
            RolloutPhase::Stepping => self.stepping(&candidate),
            RolloutPhase::Paused => self.paused(&candidate),
            RolloutPhase::Switching => {
                let step = self.state.step().unwrap_or(usize::MAX);
                let next = if step < self.seen.strategy.steps.len() {
                    RolloutPhase::Stepping
                } else {
                    RolloutPhase::Confirming
                };
                self.state.enter(next, self.now);
                Turn::Again
            }
            RolloutPhase::Confirming => match self.prove(None) {
                Ok(()) => self.promote(candidate),
                Err(turn) => turn,
            },
            RolloutPhase::RollingBack => self.rolling_back(&candidate),
            // A candidate in a phase that has none: a record of another release.
            _ => {
                self.state.begin(candidate, self.now);
                Turn::Again
            }
        }
    }

    fn deploying(&mut self, candidate: &Revision) -> Turn {
        let ended = self.ended(operations::PUT_DEPLOYMENT).filter(|ended| ended.target == candidate.deployment);
        if let Some(failure) = ended.and_then(|ended| ended.failure.clone()) {
            return self.fail(reasons::DEPLOYMENT_FAILED, &failure);
        }
        let put = ended.is_some();
        let deployed = self.seen.deployments.get(&candidate.deployment);
        match deployed.map(|deployed| (deployed.state, deployed.current)) {
            Some((Provisioning::Succeeded, true)) => {
                self.state.enter(RolloutPhase::Proving, self.now);
                Turn::Again
            }
            Some((Provisioning::Failed, _)) => {
                let log = self.seen.log.as_ref().map(|log| format!(" The container's last lines: {log}"));
                let message = format!("The deployment failed in Azure.{}", log.unwrap_or_default());
                self.fail(reasons::DEPLOYMENT_FAILED, &message)
            }
            Some((Provisioning::Moving, _)) => self.await_azure("The deployment is being made in Azure.", After::Poll),
            // Azure reverts some updates without a word.
            _ if put => self.fail(
                reasons::DEPLOYMENT_FAILED,
                "Azure said that the deployment was made, and what is there is not what was asked for.",
            ),
            _ => {
                let message = format!("{}deployment {:?} is made.", self.prefix(), candidate.deployment);
                Turn::Stop(
                    Move::PutDeployment { deployment: candidate.deployment.clone() },
                    Standing::progressing(reasons::ROLLING_OUT, message),
                )
            }
        }
    }

    /// `Ok` when it is proved.
    fn prove(&mut self, deployment: Option<String>) -> Result<(), Turn> {
        if !self.seen.strategy.smoke {
            return Ok(());
        }
        match self.proof.take() {
            Some(Proof::Passed) => Ok(()),
            Some(Proof::Failed(message)) => {
                let message = format!("The smoke request failed: {message}");
                if self.state.candidate.is_some() {
                    return Err(self.fail(reasons::SMOKE_TEST_FAILED, &message));
                }
                self.state.proof_said(FAILED, &message, self.now);
                Err(self.prove_again(deployment))
            }
            Some(Proof::NotYet(message)) => {
                let message = format!("The smoke request has no answer yet: {message}");
                self.state.proof_said(NOT_YET, &message, self.now);
                Err(self.prove_again(deployment))
            }
            None => Err(self.prove_again(deployment)),
        }
    }

    /// The proof is to be made, at once or a while after the last one.
    fn prove_again(&mut self, deployment: Option<String>) -> Turn {
        let message = self.state.rollout.message.clone().unwrap_or_default();
        if let Some((verdict, at)) = self.state.last_proof() {
            let failed = verdict == FAILED;
            let pause = if failed { self.seen.retry.late } else { self.seen.retry.soon };
            let until = later(at, pause);
            if self.past_deadline() {
                return self.await_azure(&message, After::Poll);
            }
            if self.now < until {
                if failed {
                    return Turn::Stop(
                        Move::Wait(After::Until(until)),
                        Standing::stalled(reasons::SMOKE_TEST_FAILED, message),
                    );
                }
                return self.await_azure(&message, After::Until(until));
            }
        }
        match self.seen.request.clone() {
            Request::Missing { reason, message, stalled } => {
                // This waits for a person: the clock of the deadline stands still.
                self.state.stop_clock(self.now);
                let standing =
                    if stalled { Standing::stalled(reason, message) } else { Standing::progressing(reason, message) };
                Turn::Stop(Move::Rest, standing)
            }
            Request::Ready => {
                self.state.start_clock(self.now);
                let message = format!("{}the smoke request is sent.", self.prefix());
                Turn::Stop(Move::Prove { deployment }, Standing::progressing(reasons::ROLLING_OUT, message))
            }
        }
    }

    fn proved(&mut self) -> Turn {
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

    fn stepping(&mut self, candidate: &Revision) -> Turn {
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

    fn awaits_approval(&self) -> bool {
        self.state.step().is_some_and(|step| self.seen.strategy.steps.get(step) == Some(&Step::Approval))
    }

    fn paused_by_failure(&self) -> bool {
        self.state.rollout.phase == RolloutPhase::Paused && !self.awaits_approval()
    }

    fn paused(&mut self, candidate: &Revision) -> Turn {
        let hash = &candidate.spec_hash;
        if self.awaits_approval() {
            if let Some(turn) = self.unhealthy(candidate) {
                return turn;
            }
            let given = self.seen.commands.approve.as_ref() == Some(hash);
            if given && self.state.handled.get("approve") != Some(hash) {
                self.state.handled.insert("approve".to_owned(), hash.clone());
                let next = self.state.step().unwrap_or_default() + 1;
                return self.begin_step(next);
            }
            let message =
                format!("{}a person must approve it: set the annotation azureml.dev/approve: {hash}.", self.prefix());
            return Turn::Stop(Move::Rest, Standing::progressing(reasons::WAITING_FOR_APPROVAL, message));
        }
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

    fn promote(&mut self, candidate: Revision) -> Turn {
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

    fn rolling_back(&mut self, candidate: &Revision) -> Turn {
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

    fn fail(&mut self, reason: &'static str, message: &str) -> Turn {
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

    fn roll_back(&mut self, message: &str) {
        let Some(candidate) = self.state.candidate.clone() else { return };
        self.state.reject(&candidate.spec_hash);
        let keep = self.seen.strategy.history;
        self.state.remember(&candidate, "RolledBack", Some(message), self.now, keep);
        self.state.say(Some(message));
        self.state.set_step(None);
        self.state.enter(RolloutPhase::RollingBack, self.now);
    }

    // --- no candidate

    fn settled(&mut self) -> Turn {
        match self.state.rollout.phase {
            RolloutPhase::Confirming => {
                if let Err(turn) = self.prove(None) {
                    return turn;
                }
                self.state.say(None);
                self.state.enter(RolloutPhase::Done, self.now);
                Turn::Again
            }
            RolloutPhase::CleaningUp => {
                let previous = self.state.previous.as_ref().map(|previous| previous.deployment.clone());
                let present = previous.and_then(|name| Some((self.seen.deployments.get(&name)?.state, name)));
                if let Some((state, name)) = present {
                    return self.delete(name, state, "The revision after it serves.");
                }
                self.state.previous = None;
                self.state.enter(RolloutPhase::Done, self.now);
                Turn::Again
            }
            RolloutPhase::Baking => {
                let began = self.state.rollout.step_started_at.as_ref().map_or(self.now, |began| began.0);
                let until = later(began, self.seen.strategy.bake);
                if self.now >= until || self.state.previous.is_none() {
                    self.state.enter(RolloutPhase::CleaningUp, self.now);
                    return Turn::Again;
                }
                self.in_place().unwrap_or_else(|| {
                    Turn::Stop(
                        Move::Wait(After::Until(until)),
                        Standing::Ready {
                            reason: reasons::BAKING,
                            message: format!("{} The previous revision is kept until {until}.", self.serving()),
                        },
                    )
                })
            }
            RolloutPhase::Done => self.in_place().unwrap_or_else(|| {
                if self.state.stable.is_none() {
                    let message = "There is no revision to serve yet.";
                    return Turn::Stop(Move::Rest, Standing::progressing(reasons::NO_TRAFFIC, message));
                }
                Turn::Stop(Move::Rest, Standing::ready(self.serving()))
            }),
            _ if self.state.stable.is_some() => {
                self.state.enter(RolloutPhase::Done, self.now);
                Turn::Again
            }
            _ => {
                let message = "There is no revision to serve yet.";
                Turn::Stop(Move::Rest, Standing::progressing(reasons::NO_TRAFFIC, message))
            }
        }
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

fn later(from: Timestamp, by: std::time::Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| from.checked_add(by).ok()).unwrap_or(from)
}

fn unsupported(what: &str) -> Turn {
    let message = format!("{what} This release of the operator does not do that: remove it from the spec.");
    Turn::Stop(Move::Rest, Standing::stalled(reasons::UNSUPPORTED, message))
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
