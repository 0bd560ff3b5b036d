//! A revision is proved by a request: past the traffic rules before it takes traffic, as callers do afterwards.

use azureml_crds::reasons;

use super::{Machine, Turn, later};
use crate::rollout::{Move, Proof, Request};
use crate::shell::{After, Standing};

/// Verdicts of a proof that has to be made again.
const FAILED: &str = "Failed";
/// As above.
const NOT_YET: &str = "NotYet";

impl Machine<'_> {
    /// `Ok` when it is proved.
    pub(super) fn prove(&mut self, deployment: Option<String>) -> Result<(), Turn> {
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
        if let Some(turn) = self.await_next_proof() {
            return turn;
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

    /// The last proof was made a short while ago.
    fn await_next_proof(&mut self) -> Option<Turn> {
        let message = self.state.rollout.message.clone().unwrap_or_default();
        let (verdict, at) = self.state.last_proof()?;
        let failed = verdict == FAILED;
        let until = later(at, if failed { self.seen.retry.late } else { self.seen.retry.soon });
        if self.past_deadline() {
            return Some(self.await_azure(&message, After::Poll));
        }
        if self.now >= until {
            return None;
        }
        Some(if failed {
            let standing = Standing::stalled(reasons::SMOKE_TEST_FAILED, message);
            Turn::Stop(Move::Wait(After::Until(until)), standing)
        } else {
            self.await_azure(&message, After::Until(until))
        })
    }
}
