//! The decision: from what is wanted, seen and recorded to the next move.
//!
//! [`Machine::turn`] asks in a fixed order: the operation in flight, what people command, what changed under the record,
//! the traffic, what is to be removed, whether a new revision starts; and last what the phase itself needs. Each answer is
//! in a file of its own.

mod commands;
mod deploying;
mod falling_back;
mod operation;
mod proving;
mod record;
mod serving;
mod sharing;
mod starting;
mod stepping;

use azureml_crds::endpoint::RolloutPhase;
use azureml_crds::reasons;
use jiff::{SignedDuration, Timestamp};

use super::{Decision, Move, Proof, Seen, State};
use crate::shell::{After, Standing};
use operation::Ended;

/// Kinds of operation, as status names them.
pub mod operations {
    /// A deployment is put.
    pub const PUT_DEPLOYMENT: &str = "PutDeployment";
    /// Traffic is shared out.
    pub const SET_TRAFFIC: &str = "SetTraffic";
}

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
            RolloutPhase::Switching => self.switched(),
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

    /// Which revision a message is about.
    fn prefix(&self) -> String {
        match &self.state.candidate {
            Some(candidate) => {
                format!("Revision {} (model version {}): ", candidate.spec_hash, candidate.model_version)
            }
            None => String::new(),
        }
    }
}

fn later(from: Timestamp, by: std::time::Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| from.checked_add(by).ok()).unwrap_or(from)
}
