//! AmlCompute: makes a training cluster and keeps it to its scale.

mod apply;
mod cleanup;
mod observe;
mod plan;
mod status;

use azureml_crds::AmlCompute;
use azureml_crds::compute::AmlComputeStatus;
use jiff::Timestamp;

use crate::context::Context;
use crate::error::Error;
use crate::events::Note;
use crate::inventory::Look;
use crate::shell::{Cleanup, Kind, Plan};

pub use self::observe::Observed;
pub use self::plan::Action;

/// The kind AmlCompute.
#[derive(Debug)]
pub struct Computes;

impl Kind for Computes {
    type Resource = AmlCompute;
    type Observed = Observed;
    type Action = Action;

    async fn observe(context: &Context, object: &AmlCompute) -> Result<Observed, Error> {
        observe::observe(context, object, Look::Itself).await
    }

    async fn glance(context: &Context, object: &AmlCompute) -> Result<Option<Observed>, Error> {
        if observe::moves(context, object) {
            return Ok(None);
        }
        observe::observe(context, object, Look::Lists).await.map(Some)
    }

    fn plan(object: &AmlCompute, observed: &Observed, now: Timestamp) -> Plan<Action> {
        plan::plan(object, observed, now)
    }

    async fn apply(
        context: &Context,
        object: &AmlCompute,
        observed: &mut Observed,
        action: Action,
    ) -> Result<Vec<Note>, Error> {
        apply::apply(context, object, observed, action).await
    }

    fn status(object: &AmlCompute, observed: &Observed, _: Timestamp) -> AmlComputeStatus {
        status::status(object, observed)
    }

    async fn cleanup(context: &Context, object: &AmlCompute) -> Result<Cleanup, Error> {
        cleanup::cleanup(context, object).await
    }
}
