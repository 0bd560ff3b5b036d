//! Does one thing.

use azureml::resources::computes::{AmlComputeProperties, Compute, ComputeProperties};
use azureml::{Operation, Started};
use azureml_crds::{AmlCompute, AmlResource, reasons};
use serde_json::{Value, json};

use super::observe::{Observed, scale};
use super::plan::Action;
use crate::context::Context;
use crate::error::Error;
use crate::events::Note;
use crate::kinds::operation;
use crate::ownership::{Origin, Owner, Ownership};

pub(super) async fn apply(
    context: &Context,
    object: &AmlCompute,
    observed: &mut Observed,
    action: Action,
) -> Result<Vec<Note>, Error> {
    let name = object.azure_name();
    let (Some(azure), Some(owner)) = (observed.azure.clone(), observed.owner.clone()) else { return Ok(Vec::new()) };
    match action {
        Action::Create => {
            let started = azure.put_compute(&name, &body(object, observed, &owner)).await?;
            fold(context, observed, started, "CreateCompute", &name);
            Ok(vec![Note::normal(reasons::CREATED, format!("Cluster {name:?} is being made in Azure."))])
        }
        Action::Tag(origin, reason) => {
            let Some(found) = observed.found.clone() else { return Ok(Vec::new()) };
            let started = azure.put_compute(&name, &tagged(found, &owner, origin)).await?;
            fold(context, observed, started, "TagCompute", &name);
            let what = if reason == reasons::ADOPTED { "taken over" } else { "found again" };
            Ok(vec![Note::normal(reason, format!("Cluster {name:?} was {what}."))])
        }
        Action::Scale(change) => {
            let started = azure.scale_compute(&name, &change.scale).await?;
            fold(context, observed, started, "ScaleCompute", &name);
            let fields = change.fields.join(", ");
            Ok(vec![if change.drift {
                let message = format!("Cluster {name:?} differed from the spec in {fields} and was put right.");
                Note::normal(reasons::DRIFT_CORRECTED, message)
            } else {
                Note::normal(reasons::UPDATED, format!("Cluster {name:?} was changed in {fields}."))
            }])
        }
    }
}

fn fold(context: &Context, observed: &mut Observed, started: Started<Compute>, kind: &str, name: &str) {
    if let Some(body) = started.body {
        observed.found = Some(body);
    }
    let remember = |operation: Operation| operation::remember(&operation, kind, name, context.now());
    observed.started = started.operation.map(remember);
}

fn body(object: &AmlCompute, observed: &Observed, owner: &Owner) -> Compute {
    let found = observed.found.as_ref();
    let origin = match found.map(|found| owner.judge(&found.tags, false)) {
        Some(Ownership::Ours(origin) | Ownership::Reattach(origin)) => origin,
        _ => Origin::Created,
    };
    let mut more = serde_json::Map::new();
    more.insert("osType".into(), Value::from("Linux"));
    more.insert("remoteLoginPortPublicAccess".into(), Value::from("NotSpecified"));
    more.insert("enableNodePublicIp".into(), Value::from(true));
    let mut extra = serde_json::Map::new();
    extra.insert("disableLocalAuth".into(), json!(true));
    Compute {
        location: observed.location.clone(),
        tags: owner.tagged(&found.map(|found| found.tags.clone()).unwrap_or_default(), origin),
        properties: ComputeProperties {
            compute_type: "AmlCompute".to_owned(),
            properties: AmlComputeProperties {
                vm_size: object.spec.size.clone(),
                vm_priority: object.spec.tier.unwrap_or_default().as_str().to_owned(),
                scale_settings: Some(scale(object)),
                extra: more,
                ..AmlComputeProperties::default()
            },
            extra,
            ..ComputeProperties::default()
        },
        ..Compute::default()
    }
}

/// The cluster as it is, with our tags; without what Azure alone writes.
fn tagged(mut found: Compute, owner: &Owner, origin: Origin) -> Compute {
    found.tags = owner.tagged(&found.tags, origin);
    found.id.clear();
    found.extra.retain(|field, _| ["identity", "sku"].contains(&field.as_str()));
    found.properties.provisioning_state = None;
    found.properties.provisioning_errors.clear();
    let read_only = ["createdOn", "modifiedOn", "isAttachedCompute", "resourceId", "computeLocation"];
    found.properties.extra.retain(|field, _| !read_only.contains(&field.as_str()));
    let inner = &mut found.properties.properties;
    (inner.node_state_counts, inner.allocation_state) = (None, None);
    inner.errors.clear();
    let read_only = ["allocationStateTransitionTime", "currentNodeCount", "targetNodeCount"];
    inner.extra.retain(|field, _| !read_only.contains(&field.as_str()));
    found
}
