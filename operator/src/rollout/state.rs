//! What is recorded of a rollout, in the endpoint's status.

use std::collections::BTreeMap;

use azureml_crds::endpoint::{AmlEndpointStatus, AnalysisResult, PastRevision, Revision, RolloutPhase, RolloutStatus};
use azureml_crds::status::{OperationStatus, clip};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// How many rejected revisions are remembered.
const REJECTED: usize = 10;
/// The longest message of a rollout.
const MESSAGE: usize = 1024;
/// The longest reason of a past revision.
const REASON: usize = 512;

/// The verdict of a proof that can't be made.
const STOPPED: &str = "Inconclusive";
/// The smoke request among the results of analyses.
const SMOKE: &str = "smokeTest";

/// What is recorded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// The proved revision.
    pub stable: Option<Revision>,
    /// The one on its way.
    pub candidate: Option<Revision>,
    /// The one before.
    pub previous: Option<Revision>,
    /// Where the rollout stands.
    pub rollout: RolloutStatus,
    /// Hashes that are not tried again.
    pub rejected: Vec<String>,
    /// Past revisions, newest first.
    pub history: Vec<PastRevision>,
    /// The operation in flight.
    pub operation: Option<OperationStatus>,
    /// Commands that were carried out.
    pub handled: BTreeMap<String, String>,
}

impl State {
    /// As the status has it.
    #[must_use]
    pub fn read(status: &AmlEndpointStatus) -> Self {
        Self {
            stable: status.stable.clone(),
            candidate: status.candidate.clone(),
            previous: status.previous.clone(),
            rollout: status.rollout.clone().unwrap_or_default(),
            rejected: status.rejected.clone(),
            history: status.history.clone(),
            operation: status.operation.clone(),
            handled: status.handled.clone(),
        }
    }

    /// Into the status.
    pub fn write(self, status: &mut AmlEndpointStatus) {
        status.stable = self.stable;
        status.candidate = self.candidate;
        status.previous = self.previous;
        status.rollout = (self.rollout != RolloutStatus::default()).then_some(self.rollout);
        status.rejected = self.rejected;
        status.history = self.history;
        status.operation = self.operation;
        status.handled = self.handled;
    }

    /// The step, from 0; the number of steps stands for all traffic.
    #[must_use]
    pub fn step(&self) -> Option<usize> {
        self.rollout.step.and_then(|step| usize::try_from(step).ok())
    }

    pub(super) fn set_step(&mut self, step: Option<usize>) {
        self.rollout.step = step.and_then(|step| i32::try_from(step).ok());
    }

    /// Phases in which Azure, or health, is waited for.
    fn waits(&self) -> bool {
        use RolloutPhase::{Confirming, Deploying, Proving, Switching};
        matches!(self.rollout.phase, Deploying | Proving | Switching | Confirming)
    }

    /// The seconds spent waiting so far.
    #[must_use]
    pub fn waited(&self, now: Timestamp) -> i64 {
        let before = self.rollout.waited_seconds.unwrap_or_default();
        match &self.rollout.step_started_at {
            Some(began) if self.waits() && !self.is_stopped() => before + now.duration_since(began.0).as_secs().max(0),
            _ => before,
        }
    }

    pub(super) fn enter(&mut self, phase: RolloutPhase, now: Timestamp) {
        self.rollout.waited_seconds = Some(self.waited(now)).filter(|seconds| *seconds > 0);
        self.rollout.phase = phase;
        self.rollout.analyses.clear();
        self.rollout.step_started_at = Some(Time(now));
    }

    pub(super) fn begin(&mut self, candidate: Revision, now: Timestamp) {
        self.candidate = Some(candidate);
        self.rollout = RolloutStatus {
            phase: RolloutPhase::Deploying,
            started_at: Some(Time(now)),
            step_started_at: Some(Time(now)),
            ..RolloutStatus::default()
        };
    }

    /// Notes what a proof said that has to be made again.
    pub(super) fn proof_said(&mut self, verdict: &str, message: &str, now: Timestamp) {
        self.rollout.analyses = vec![AnalysisResult {
            name: SMOKE.to_owned(),
            verdict: verdict.to_owned(),
            at: Some(Time(now)),
            ..AnalysisResult::default()
        }];
        self.say(Some(message));
    }

    /// The request that proves is not there: the time until it is does not count.
    pub(super) fn stop_clock(&mut self, now: Timestamp) {
        if !self.is_stopped() {
            self.rollout.waited_seconds = Some(self.waited(now)).filter(|seconds| *seconds > 0);
            self.proof_said(STOPPED, "The smoke request is not there.", now);
        }
    }

    pub(super) fn start_clock(&mut self, now: Timestamp) {
        if self.is_stopped() {
            self.rollout.analyses.clear();
            self.say(None);
            self.rollout.step_started_at = Some(Time(now));
        }
    }

    fn is_stopped(&self) -> bool {
        self.rollout.analyses.iter().any(|result| result.name == SMOKE && result.verdict == STOPPED)
    }

    /// What the last proof of this phase said, and when.
    pub(super) fn last_proof(&self) -> Option<(&str, Timestamp)> {
        let last = self.rollout.analyses.iter().find(|result| result.name == SMOKE && result.verdict != STOPPED)?;
        Some((last.verdict.as_str(), last.at.as_ref()?.0))
    }

    pub(super) fn say(&mut self, message: Option<&str>) {
        self.rollout.message = message.map(|message| clip(message, MESSAGE));
    }

    pub(super) fn reject(&mut self, hash: &str) {
        self.rejected.retain(|other| other != hash);
        self.rejected.insert(0, hash.to_owned());
        self.rejected.truncate(REJECTED);
    }

    pub(super) fn is_rejected(&self, hash: &str) -> bool {
        self.rejected.iter().any(|other| other == hash)
    }

    pub(super) fn remember(
        &mut self,
        revision: &Revision,
        result: &str,
        reason: Option<&str>,
        now: Timestamp,
        keep: usize,
    ) {
        self.history.insert(
            0,
            PastRevision {
                revision: revision.spec_hash.clone(),
                model_version: revision.model_version.clone(),
                result: result.to_owned(),
                reason: reason.map(|reason| clip(reason, REASON)),
                at: Some(Time(now)),
            },
        );
        self.history.truncate(keep);
    }
}
