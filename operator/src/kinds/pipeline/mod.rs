//! AmlPipeline: a definition that is checked, resolved, and run when its triggers say so.
//!
//! Nothing in Azure stands for the definition itself: each run brings it along. So this kind's actions are all on its
//! children, the AmlPipelineRuns.

mod apply;
pub mod cause;
mod cleanup;
mod observe;
mod plan;
pub mod resolve;
mod status;
pub mod validate;

use azureml_crds::AmlPipeline;
use azureml_crds::pipeline::{AmlPipelineStatus, CauseKey};
use jiff::Timestamp;

use crate::context::Context;
use crate::error::Error;
use crate::events::Note;
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
    /// Remove a finished run from the cluster.
    DeleteRun(String),
}

impl Kind for Pipelines {
    type Resource = AmlPipeline;
    type Observed = Observed;
    type Action = Action;

    async fn observe(context: &Context, object: &AmlPipeline) -> Result<Observed, Error> {
        observe::observe(context, object).await
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

    fn status(object: &AmlPipeline, observed: &Observed, _now: Timestamp) -> AmlPipelineStatus {
        status::status(object, observed)
    }

    async fn cleanup(_context: &Context, _object: &AmlPipeline) -> Result<Cleanup, Error> {
        Ok(cleanup::cleanup())
    }
}
