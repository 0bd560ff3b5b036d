//! AmlPipelineRun: one execution of a pipeline, as one pipeline job of Azure ML.

mod apply;
pub mod automl_node;
mod cleanup;
pub mod job;
pub mod naming;
mod observe;
mod plan;
pub mod progress;
mod status;
mod words;

use azureml_crds::AmlPipelineRun;
use azureml_crds::pipeline_run::AmlPipelineRunStatus;
use jiff::Timestamp;

use crate::context::Context;
use crate::error::Error;
use crate::events::Note;
use crate::shell::{Cleanup, Kind, Plan};

pub use observe::{Halted, Known, Observed};

/// The kind.
#[derive(Debug)]
pub struct PipelineRuns;

/// What can be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Write down which job it will be, and of which definition, before Azure hears of it.
    Remember,
    /// Register what this command step is made of.
    Register(String),
    /// Submit the job.
    Submit,
    /// The job was found again: put this object's uid on it.
    Reattach,
    /// Ask Azure to stop the job.
    Cancel,
    /// Give the job up and make another one.
    NextAttempt,
}

impl Kind for PipelineRuns {
    type Resource = AmlPipelineRun;
    type Observed = Observed;
    type Action = Action;

    async fn observe(context: &Context, object: &AmlPipelineRun) -> Result<Observed, Error> {
        observe::observe(context, object).await
    }

    fn plan(object: &AmlPipelineRun, observed: &Observed, now: Timestamp) -> Plan<Action> {
        plan::plan(object, observed, now)
    }

    async fn apply(
        context: &Context,
        object: &AmlPipelineRun,
        observed: &mut Observed,
        action: Action,
    ) -> Result<Vec<Note>, Error> {
        apply::apply(context, object, observed, action).await
    }

    fn status(object: &AmlPipelineRun, observed: &Observed, now: Timestamp) -> AmlPipelineRunStatus {
        status::status(object, observed, now)
    }

    async fn cleanup(context: &Context, object: &AmlPipelineRun) -> Result<Cleanup, Error> {
        cleanup::cleanup(context, object).await
    }

    async fn release(context: &Context, object: &AmlPipelineRun) -> Result<(), Error> {
        observe::forget(context, object);
        Ok(())
    }
}
