//! AmlEndpoint: an online endpoint that serves one approved model version, and how it moves to the next one.
//!
//! [`crate::rollout`] decides about revisions and traffic; here is what surrounds it: the endpoint itself, its
//! ownership, its operations, and what is written into the cluster for its users.

mod apply;
mod cleanup;
mod desired;
mod expectation;
mod observe;
mod outputs;
mod plan;
mod smoke;
mod status;

use azureml_crds::AmlEndpoint;
use azureml_crds::endpoint::AmlEndpointStatus;
use jiff::Timestamp;

use crate::context::Context;
use crate::error::Error;
use crate::events::Note;
use crate::inventory::Look;
use crate::shell::{Cleanup, Kind, Plan};

pub use observe::Observed;
pub use plan::Action;

/// The kind.
pub struct Endpoints;

impl Kind for Endpoints {
    type Resource = AmlEndpoint;
    type Observed = Observed;
    type Action = Action;

    async fn observe(context: &Context, object: &AmlEndpoint) -> Result<Observed, Error> {
        observe::observe(context, object, Look::Itself).await
    }

    async fn glance(context: &Context, object: &AmlEndpoint) -> Result<Option<Observed>, Error> {
        observe::observe(context, object, Look::Lists).await.map(Some)
    }

    fn plan(object: &AmlEndpoint, observed: &Observed, now: Timestamp) -> Plan<Action> {
        plan::think(object, &observed.facts, now).plan
    }

    async fn apply(
        context: &Context,
        object: &AmlEndpoint,
        observed: &mut Observed,
        action: Action,
    ) -> Result<Vec<Note>, Error> {
        apply::apply(context, object, observed, action).await
    }

    fn status(object: &AmlEndpoint, observed: &Observed, now: Timestamp) -> AmlEndpointStatus {
        status::status(object, &observed.facts, now)
    }

    async fn cleanup(context: &Context, object: &AmlEndpoint) -> Result<Cleanup, Error> {
        cleanup::cleanup(context, object).await
    }
}
