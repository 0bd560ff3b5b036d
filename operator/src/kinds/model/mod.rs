//! AmlModel: versions that come from runs, the gate they must pass, and the one that is approved.

mod apply;
pub mod approval;
mod candidate;
mod cleanup;
pub mod gate;
mod observe;
mod plan;
#[cfg(test)]
mod properties;
mod status;
pub mod version;

use azureml_crds::AmlModel;
use azureml_crds::model::{AmlModelStatus, Verdict};
use jiff::Timestamp;

use crate::context::Context;
use crate::error::Error;
use crate::events::Note;
use crate::inventory::Look;
use crate::shell::{Cleanup, Kind, Plan};

pub use candidate::Candidate;
pub use observe::Observed;

/// The kind.
#[derive(Debug)]
pub struct Models;

/// What can be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Make the container, with our tags on it.
    CreateContainer,
    /// Put this object's tags on a container: ours again, or taken over.
    TagContainer {
        /// It is taken over from somebody else.
        adopt: bool,
    },
    /// Register what a run made.
    Register {
        /// What is registered.
        candidate: Box<Candidate>,
        /// What the gate says of it.
        verdict: Verdict,
        /// By which gate.
        gate_hash: String,
        /// Why.
        reason: String,
    },
    /// Write what the gate says into a version's tags.
    Mark {
        /// The version.
        version: String,
        /// What the gate says of it.
        verdict: Verdict,
        /// By which gate.
        gate_hash: String,
        /// Why.
        reason: String,
    },
    /// Show a version again that was hidden from lists.
    Restore(String),
    /// Hide a version from lists.
    Archive(String),
}

impl Kind for Models {
    type Resource = AmlModel;
    type Observed = Observed;
    type Action = Action;

    async fn observe(context: &Context, object: &AmlModel) -> Result<Observed, Error> {
        observe::observe(context, object, Look::Itself).await
    }

    async fn glance(context: &Context, object: &AmlModel) -> Result<Option<Observed>, Error> {
        observe::observe(context, object, Look::Lists).await.map(Some)
    }

    fn plan(object: &AmlModel, observed: &Observed, _now: Timestamp) -> Plan<Action> {
        plan::plan(object, observed)
    }

    async fn apply(
        context: &Context,
        object: &AmlModel,
        observed: &mut Observed,
        action: Action,
    ) -> Result<Vec<Note>, Error> {
        apply::apply(context, object, observed, action).await
    }

    fn status(object: &AmlModel, observed: &Observed, _now: Timestamp) -> AmlModelStatus {
        status::status(object, observed)
    }

    async fn cleanup(context: &Context, object: &AmlModel) -> Result<Cleanup, Error> {
        cleanup::cleanup(context, object).await
    }
}
