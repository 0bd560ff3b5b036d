//! AmlPipeline: a definition that is checked, resolved, and run when its triggers say so.
//!
//! Nothing in Azure stands for the definition itself: each run brings it along. What a pipeline may have there are a
//! schedule and a published address, by which Azure starts runs of its own; they are found and shown as
//! AmlPipelineRuns like all others.

mod apply;
pub mod cause;
mod cleanup;
mod cron;
mod discovery;
mod footprint;
mod observe;
mod plan;
#[cfg(test)]
mod properties;
mod publication;
pub mod resolve;
mod schedule;
mod status;
pub mod steps;
mod upkeep;
pub mod validate;
mod zones;

use azureml_crds::AmlPipeline;
use azureml_crds::pipeline::{AmlPipelineStatus, CauseKey, Discovery};
use jiff::Timestamp;

use crate::context::Context;
use crate::error::Error;
use crate::events::Note;
use crate::inventory::Look;
use crate::ownership::Origin;
use crate::shell::{Cleanup, Kind, Plan};

pub use observe::{Observed, RunSummary};

/// The kind.
#[derive(Debug)]
pub struct Pipelines;

/// What can be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Make a run.
    CreateRun {
        /// Its name, which follows from what it is made for.
        name: String,
        /// Why it is made.
        cause: &'static str,
        /// What it is made for.
        key: CauseKey,
        /// The value of the annotation that asked for it.
        token: Option<String>,
    },
    /// A run for this exists, or may not be made: remember that it is dealt with.
    Settle {
        /// What it would be made for.
        key: CauseKey,
        /// The value of the annotation that asked for it.
        token: Option<String>,
        /// The run that is left out because of this unfinished one.
        skipped_for: Option<String>,
    },
    /// Stop a run that a newer one takes the place of.
    CancelRun(String),
    /// Remove finished runs from the cluster.
    DeleteRuns(Vec<String>),
    /// Show runs that Azure started.
    ShowRuns(Vec<discovery::Found>),
    /// All runs that Azure started are dealt with, up to this mark.
    Remember(Discovery),
    /// The schedule started no run at this time.
    TellMissed(Timestamp),
    /// Make the schedule, or put it again.
    PutSchedule {
        /// Why, as a constant of [`azureml_crds::reasons`].
        reason: &'static str,
    },
    /// Let the schedule start no runs.
    DisableSchedule,
    /// Remove the schedule.
    DeleteSchedule,
    /// Make the version of the pipeline component that is published.
    PutComponent,
    /// Make the batch endpoint, or mark it as ours.
    PutEndpoint {
        /// How it comes to us.
        origin: Origin,
        /// Why, as a constant of [`azureml_crds::reasons`].
        reason: &'static str,
    },
    /// Make the deployment that is to serve.
    PutDeployment,
    /// Let the endpoint's requests go to it.
    SetDefault,
    /// Remove a deployment that has served.
    DeleteDeployment(String),
    /// Remove the endpoint with all behind it.
    DeleteEndpoint,
}

impl Kind for Pipelines {
    type Resource = AmlPipeline;
    type Observed = Observed;
    type Action = Action;

    async fn observe(context: &Context, object: &AmlPipeline) -> Result<Observed, Error> {
        observe::observe(context, object, Look::Itself).await
    }

    async fn glance(context: &Context, object: &AmlPipeline) -> Result<Option<Observed>, Error> {
        let status = object.status.clone().unwrap_or_default();
        if !footprint::concerns(object, &status) {
            return Ok(None);
        }
        observe::observe(context, object, Look::Lists).await.map(Some)
    }

    fn plan(object: &AmlPipeline, observed: &Observed, now: Timestamp) -> Plan<Action> {
        plan::plan(object, observed, now)
    }

    async fn apply(
        context: &Context,
        object: &AmlPipeline,
        observed: &mut Observed,
        action: Action,
    ) -> Result<Vec<Note>, Error> {
        apply::apply(context, object, observed, action).await
    }

    fn status(object: &AmlPipeline, observed: &Observed, now: Timestamp) -> AmlPipelineStatus {
        status::status(object, observed, now)
    }

    async fn cleanup(context: &Context, object: &AmlPipeline) -> Result<Cleanup, Error> {
        cleanup::cleanup(context, object).await
    }
}
