//! AmlDataset: registers content as versions of a data asset. Content is copied to the workspace's blob store under its
//! digest first, so that a version never changes under those who use it.

mod apply;
mod check;
mod cleanup;
mod content;
mod in_use;
mod observe;
mod open;
mod plan;
mod source;
mod status;
mod upload;

use azureml::resources::registries::data_address;
use azureml_crds::dataset::AmlDatasetStatus;
use azureml_crds::{AmlDataset, AmlResource};
use jiff::Timestamp;

use crate::context::Context;
use crate::error::Error;
use crate::events::Note;
use crate::inventory::Look;
use crate::shell::{Cleanup, Kind, Plan};

pub use self::observe::Observed;
pub use self::plan::Action;

/// The id by which jobs name a version of a dataset.
#[must_use]
pub fn asset_id(azure: &azureml::Workspace, dataset: &AmlDataset, version: &str) -> String {
    match &dataset.spec.source.open {
        Some(open) => data_address(&open.registry, &open.name, version),
        None => azure.id_of(&format!("data/{}/versions/{version}", dataset.azure_name())),
    }
}

/// The kind AmlDataset.
#[derive(Debug)]
pub struct Datasets;

impl Kind for Datasets {
    type Resource = AmlDataset;
    type Observed = Observed;
    type Action = Action;

    async fn observe(context: &Context, object: &AmlDataset) -> Result<Observed, Error> {
        observe::observe(context, object, Look::Itself).await
    }

    async fn glance(context: &Context, object: &AmlDataset) -> Result<Option<Observed>, Error> {
        observe::observe(context, object, Look::Lists).await.map(Some)
    }

    fn plan(object: &AmlDataset, observed: &Observed, now: Timestamp) -> Plan<Action> {
        plan::plan(object, observed, now)
    }

    async fn apply(
        context: &Context,
        object: &AmlDataset,
        observed: &mut Observed,
        action: Action,
    ) -> Result<Vec<Note>, Error> {
        apply::apply(context, object, observed, action).await
    }

    fn status(object: &AmlDataset, observed: &Observed, now: Timestamp) -> AmlDatasetStatus {
        status::status(object, observed, now)
    }

    async fn cleanup(context: &Context, object: &AmlDataset) -> Result<Cleanup, Error> {
        cleanup::cleanup(context, object).await
    }
}
