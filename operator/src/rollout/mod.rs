//! The pure state machine of an endpoint's progress: what is wanted, what is observed and what was recorded go in; the
//! next move, the next record and how the object stands come out. No I/O, no clock of its own.
//!
//! A record is written before the move it leads to is made, so that a pass that is cut off is taken up by the next one.

mod machine;
mod state;
pub mod traffic;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use azureml_crds::endpoint::{OnFailure, Revision};

use crate::shell::{After, Standing};

pub use machine::{decide, operations};
pub use state::State;
pub use traffic::Traffic;

/// What is wanted of the endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// The revision that is to serve.
    pub revision: Revision,
    /// How many machines it has.
    pub capacity: i32,
}

/// How the way from one revision to the next goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strategy {
    /// From the first request to all traffic.
    pub steps: Vec<Step>,
    /// A revision is proved by a request.
    pub smoke: bool,
    /// What happens when it fails.
    pub on_failure: OnFailure,
    /// How long Azure and health may take in all.
    pub deadline: Duration,
    /// How long the previous revision stays.
    pub bake: Duration,
    /// How many past revisions are remembered.
    pub history: usize,
    /// What the spec asks for and this release does not do.
    pub unsupported: Option<String>,
}

/// A step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A share of the live traffic for a time.
    Weight {
        /// In percent.
        weight: i32,
        /// How long.
        hold: Duration,
    },
    /// A person must approve.
    Approval,
}

/// How something in Azure stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provisioning {
    /// It is as it was put.
    Succeeded,
    /// It failed, or was cancelled.
    Failed,
    /// Something is under way.
    Moving,
}

impl Provisioning {
    /// From ARM's word.
    #[must_use]
    pub fn parse(word: Option<&str>) -> Self {
        match word.unwrap_or_default().to_ascii_lowercase().as_str() {
            "succeeded" | "" => Self::Succeeded,
            "failed" | "canceled" | "cancelled" => Self::Failed,
            _ => Self::Moving,
        }
    }
}

/// A deployment as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployed {
    /// How it stands.
    pub state: Provisioning,
    /// The ARM id of its model.
    pub model_id: String,
    /// How many machines it has.
    pub capacity: i32,
    /// It bears our tags.
    pub ours: bool,
    /// It is what the spec says; of others than the desired one this is not asked.
    pub current: bool,
}

/// How the operation in flight stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It runs.
    Running {
        /// When Azure wants to be asked again.
        after: Option<Duration>,
    },
    /// It ended well, or Azure knows it no more: what is there tells.
    Ended,
    /// It failed.
    Failed {
        /// Azure's code and message, and the container's last lines where there are some.
        message: String,
    },
}

/// What a proof said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The answer is what is expected.
    Passed,
    /// It is not.
    Failed(String),
    /// No answer that judges the revision came: tried again until the deadline.
    NotYet(String),
}

/// Whether the request that proves a revision is at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// It is, or none is needed.
    Ready,
    /// It is not there.
    Missing {
        /// A constant of [`azureml_crds::reasons`].
        reason: &'static str,
        /// What is missing.
        message: String,
        /// Only a change of it helps (it is there and unusable).
        stalled: bool,
    },
}

/// Commands by annotation: each the hash it names, while it was not handled yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commands {
    /// Go on past an approval step.
    pub approve: Option<String>,
    /// Take all traffic at once.
    pub promote: Option<String>,
    /// Give the candidate up.
    pub abort: Option<String>,
    /// Try a rejected revision again.
    pub retry: Option<String>,
}

/// Everything that was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The revision that is wanted; absent while its model is not known.
    pub desired: Option<Desired>,
    /// How revisions move.
    pub strategy: Strategy,
    /// Shares of the traffic as Azure has them.
    pub traffic: Traffic,
    /// The endpoint itself is being changed.
    pub busy: bool,
    /// The deployments by name.
    pub deployments: BTreeMap<String, Deployed>,
    /// How the recorded operation stands.
    pub outcome: Option<Outcome>,
    /// What the proof made in this pass said.
    pub proof: Option<Proof>,
    /// The request that proves.
    pub request: Request,
    /// The last lines of a failed deployment's container.
    pub log: Option<String>,
    /// How soon, and how late, what failed is tried again.
    pub retry: Retry,
    /// Commands.
    pub commands: Commands,
}

/// How soon what failed is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// What passes by itself.
    pub soon: Duration,
    /// What waits for a person.
    pub late: Duration,
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// Make (or put again) the deployment of the desired revision.
    PutDeployment {
        /// Its name.
        deployment: String,
    },
    /// Change the number of machines.
    Scale {
        /// The deployment.
        deployment: String,
        /// The number.
        capacity: i32,
    },
    /// Give these shares of the traffic.
    SetTraffic(Traffic),
    /// Send the request that proves.
    Prove {
        /// Past the traffic rules, to this deployment; absent: as callers do.
        deployment: Option<String>,
    },
    /// Remove a deployment.
    DeleteDeployment {
        /// Its name.
        deployment: String,
    },
    /// Look again.
    Wait(After),
    /// Nothing to be done.
    Rest,
}

/// The answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// What is to be recorded.
    pub state: State,
    /// What is next.
    pub next: Move,
    /// How the object stands.
    pub standing: Standing,
}
