//! What status says. Pure.

use azureml_crds::status::AzureObject;
use azureml_crds::workspace::{AccessStatus, AmlWorkspaceStatus};
use azureml_crds::{AmlResource, AmlWorkspace};

use super::access;
use super::observe::{Observed, is_managed};

pub(super) fn status(object: &AmlWorkspace, observed: &Observed) -> AmlWorkspaceStatus {
    let mut status = object.status.clone().unwrap_or_default();
    let origin = origin(object, observed).or(status.azure.take().and_then(|azure| azure.origin));
    status.azure = Some(AzureObject { id: observed.arm_id.clone(), origin });
    status.azure_name = Some(object.azure_name());
    status.operation = match (&observed.started, &observed.operation) {
        (Some(started), _) => Some(started.clone()),
        (None, Some(azureml::OperationState::Running { .. })) => status.operation,
        (None, _) => None,
    };
    status.access = access(object, observed);
    status.objects = observed.objects.clone();
    if let Some(found) = &observed.found {
        let properties = &found.properties;
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        status.workspace_id = some(&properties.workspace_id);
        status.location = some(&found.location);
        status.discovery_url = properties.discovery_url.clone();
        status.mlflow_tracking_uri = properties.mlflow_tracking_uri.clone();
        status.application_insights_id = properties.application_insights.clone();
        status.storage = properties.storage_account.clone();
    }
    status
}

/// The entries of the spec, and those that we made and have yet to take back.
pub(super) fn access(object: &AmlWorkspace, observed: &Observed) -> Vec<AccessStatus> {
    let old = object.status.as_ref().map(|status| status.access.clone()).unwrap_or_default();
    let Some(owner) = &observed.owner else { return old };
    if observed.found.is_none() {
        return old;
    }
    let Ok(wanted) = access::wanted(owner, &observed.arm_id, &object.spec.access) else { return old };
    let surplus = access::surplus(&wanted, &old);
    let revoked = |entry: &AccessStatus| observed.revoked.contains(&entry.id);
    wanted
        .iter()
        .map(|wanted| access::recorded(wanted, &observed.arm_id, &observed.assignments))
        .chain(surplus.into_iter().filter(|entry| !revoked(entry)))
        .collect()
}

fn origin(object: &AmlWorkspace, observed: &Observed) -> Option<String> {
    if !is_managed(object) {
        return None;
    }
    let ownership = observed.owner.as_ref()?.judge(&observed.found.as_ref()?.tags, true);
    ownership.ours().map(|origin| origin.as_str().to_owned())
}
