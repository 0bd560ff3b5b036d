//! AmlWorkspace: connects to an Azure ML workspace, or creates it and keeps it so; shares it; and holds what it acts by.

mod access;
mod apply;
mod cleanup;
mod diagnosis;
mod observe;
mod plan;
mod status;
mod template;

use azureml_crds::workspace::AmlWorkspaceStatus;
use azureml_crds::{AmlResource, AmlWorkspace};
use jiff::Timestamp;

use crate::context::Context;
use crate::error::Error;
use crate::events::Note;
use crate::inventory::Look;
use crate::shell::{Cleanup, Kind, Plan, holds};

pub use self::diagnosis::Diagnoses;
pub use self::observe::Observed;
pub use self::plan::Action;

/// The kind AmlWorkspace.
#[derive(Debug)]
pub struct Workspaces;

impl Kind for Workspaces {
    type Resource = AmlWorkspace;
    type Observed = Observed;
    type Action = Action;

    async fn observe(context: &Context, object: &AmlWorkspace) -> Result<Observed, Error> {
        observe::observe(context, object, Look::Itself).await
    }

    async fn glance(context: &Context, object: &AmlWorkspace) -> Result<Option<Observed>, Error> {
        observe::observe(context, object, Look::Lists).await.map(Some)
    }

    fn plan(object: &AmlWorkspace, observed: &Observed, now: Timestamp) -> Plan<Action> {
        plan::plan(object, observed, now)
    }

    async fn apply(
        context: &Context,
        object: &AmlWorkspace,
        observed: &mut Observed,
        action: Action,
    ) -> Result<Vec<Note>, Error> {
        apply::apply(context, object, observed, action).await
    }

    fn status(object: &AmlWorkspace, observed: &Observed, _: Timestamp) -> AmlWorkspaceStatus {
        status::status(object, observed)
    }

    async fn cleanup(context: &Context, object: &AmlWorkspace) -> Result<Cleanup, Error> {
        cleanup::cleanup(context, object).await
    }

    async fn release(context: &Context, object: &AmlWorkspace) -> Result<(), Error> {
        holds::release(context, object).await?;
        context.azure.forget(object.uid());
        context.diagnoses.forget(object.uid());
        Ok(())
    }
}
