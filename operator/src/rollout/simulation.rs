//! An endpoint in memory that the machine moves, for tests: operations take time, fail or are reverted as told.

use std::collections::BTreeMap;
use std::time::Duration;

use azureml_crds::endpoint::{OnFailure, Revision, RolloutPhase};
use azureml_crds::status::OperationStatus;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::traffic::Traffic;
use super::{
    Commands, Decision, Deployed, Desired, Move, Outcome, Proof, Provisioning, Request, Retry, Seen, State, Step,
    Strategy, decide, operations,
};
use crate::shell::After;

/// What becomes of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// What should.
    Proceed,
    /// It fails.
    Fail,
    /// It is said to have ended, and nothing changed.
    Revert,
}

/// The endpoint, the record, and the clock.
pub struct Simulation {
    pub seen: Seen,
    pub state: State,
    pub now: Timestamp,
    /// The fate of the next operation.
    pub fate: Fate,
    /// What proofs say.
    pub proof: Proof,
    /// What was done.
    pub done: Vec<Move>,
    pending: Option<(Move, Fate)>,
}

pub fn revision(hash: &str) -> Revision {
    Revision {
        deployment: format!("bank-{hash}"),
        model_id: format!("/models/bank/versions/{hash}"),
        model_version: hash.to_owned(),
        spec_hash: hash.to_owned(),
    }
}

pub fn strategy(steps: Vec<Step>) -> Strategy {
    Strategy {
        steps,
        smoke: true,
        on_failure: OnFailure::RollBack,
        deadline: Duration::from_secs(600),
        bake: Duration::ZERO,
        history: 3,
        unsupported: None,
    }
}

pub fn weight(weight: i32, hold: u64) -> Step {
    Step::Weight { weight, hold: Duration::from_secs(hold) }
}

impl Simulation {
    pub fn new(steps: Vec<Step>) -> Self {
        Self {
            seen: Seen {
                desired: None,
                strategy: strategy(steps),
                traffic: Traffic::new(),
                busy: false,
                deployments: BTreeMap::new(),
                outcome: None,
                proof: None,
                request: Request::Ready,
                log: None,
                retry: Retry { soon: Duration::from_secs(10), late: Duration::from_secs(300) },
                commands: Commands::default(),
            },
            state: State::default(),
            now: Timestamp::UNIX_EPOCH,
            fate: Fate::Proceed,
            proof: Proof::Passed,
            done: Vec::new(),
            pending: None,
        }
    }

    pub fn want(&mut self, hash: &str) {
        self.seen.desired = Some(Desired { revision: revision(hash), capacity: 1 });
    }

    /// A pass of the shell: decide, record, then act on what was recorded before.
    pub fn pass(&mut self) -> Decision {
        self.seen.outcome = self.outcome();
        let decision = decide(&self.seen, &self.state, self.now);
        let acts = !matches!(decision.next, Move::Wait(_) | Move::Rest);
        let recorded = self.state == decision.state;
        self.state = decision.state.clone();
        if acts && !recorded {
            return decision;
        }
        if acts {
            self.done.push(decision.next.clone());
        }
        match decision.next.clone() {
            Move::Prove { .. } => {
                self.seen.proof = Some(self.proof.clone());
                self.state = decide(&self.seen, &self.state, self.now).state;
                self.seen.proof = None;
            }
            Move::Wait(After::Until(until)) => self.now = until.max(self.now),
            Move::Wait(_) | Move::Rest => self.tick(10),
            operation => self.begin(operation),
        }
        decision
    }

    /// Passes until nothing is left to be done.
    pub fn settle(&mut self) -> Decision {
        for _ in 0..400 {
            let decision = self.pass();
            if decision.next == Move::Rest {
                return decision;
            }
        }
        panic!("it does not end: {:?} {:?}", self.state, self.done);
    }

    /// Passes until this phase is recorded.
    pub fn reach(&mut self, phase: RolloutPhase) {
        for _ in 0..400 {
            if self.state.rollout.phase == phase {
                return;
            }
            self.pass();
        }
        panic!("{phase:?} is not reached: {:?} {:?}", self.state, self.done);
    }

    pub fn tick(&mut self, seconds: i64) {
        self.now = self.now.checked_add(SignedDuration::from_secs(seconds)).unwrap();
    }

    fn begin(&mut self, operation: Move) {
        let (kind, target) = match &operation {
            Move::PutDeployment { deployment } => (operations::PUT_DEPLOYMENT, deployment.clone()),
            Move::SetTraffic(_) => (operations::SET_TRAFFIC, "bank".to_owned()),
            Move::DeleteDeployment { deployment } => ("DeleteDeployment", deployment.clone()),
            Move::Scale { deployment, .. } => ("ScaleDeployment", deployment.clone()),
            other => panic!("{other:?} is no operation"),
        };
        self.state.operation = Some(OperationStatus {
            kind: kind.to_owned(),
            target,
            url: "https://azure/op".to_owned(),
            style: "AsyncOperation".to_owned(),
            started_at: Time(self.now),
        });
        self.pending = Some((operation, self.fate));
    }

    /// The pending operation ends when it is asked for the first time.
    fn outcome(&mut self) -> Option<Outcome> {
        self.state.operation.as_ref()?;
        let Some((operation, fate)) = self.pending.take() else { return Some(Outcome::Ended) };
        self.tick(5);
        match (&operation, fate) {
            (_, Fate::Revert) => return Some(Outcome::Ended),
            (Move::PutDeployment { deployment }, fate) => {
                let state = if fate == Fate::Fail { Provisioning::Failed } else { Provisioning::Succeeded };
                let deployed = Deployed { state, model_id: String::new(), capacity: 1, ours: true, current: true };
                self.seen.deployments.insert(deployment.clone(), deployed);
            }
            (Move::SetTraffic(traffic), Fate::Proceed) => self.seen.traffic = traffic.clone(),
            (Move::DeleteDeployment { deployment }, Fate::Proceed) => {
                self.seen.deployments.remove(deployment);
            }
            (Move::Scale { deployment, capacity }, Fate::Proceed) => {
                if let Some(deployed) = self.seen.deployments.get_mut(deployment) {
                    deployed.capacity = *capacity;
                }
            }
            _ => {}
        }
        Some(match fate {
            Fate::Fail => Outcome::Failed { message: "OutOfQuota: no cores".to_owned() },
            _ => Outcome::Ended,
        })
    }
}
