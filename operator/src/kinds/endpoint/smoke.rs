//! The request that proves a revision.

use azureml::resources::online::OnlineEndpoint;
use azureml_crds::{AmlEndpoint, AmlResource, reasons};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::Api;
use secrecy::SecretString;
use serde_json::Value;

use super::expectation;
use super::observe::Observed;
use crate::context::{Context, Workspace};
use crate::error::{Error, Halt};
use crate::rollout::Proof;

/// The request's body from its ConfigMap; `None` where no proof is asked for.
pub async fn request(context: &Context, object: &AmlEndpoint) -> Result<Result<Option<Value>, Halt>, Error> {
    let smoke = object.spec.rollout.as_ref().and_then(|rollout| rollout.smoke_test.as_ref());
    let Some(reference) = smoke.map(|smoke| &smoke.request_from.config_map_ref) else { return Ok(Ok(None)) };
    let namespace = object.namespace();
    let place =
        format!("spec.rollout.smokeTest.requestFrom names ConfigMap {:?} key {:?}", reference.name, reference.key);
    let api: Api<ConfigMap> = Api::namespaced(context.client.clone(), namespace);
    let Some(map) = api.get_opt(&reference.name).await? else {
        let message =
            format!("{place}: the ConfigMap does not exist in namespace {namespace:?}. Apply it, or correct the name.");
        return Ok(Err(Halt::wait(reasons::CONFIG_MAP_NOT_FOUND, message)));
    };
    let Some(text) = map.data.as_ref().and_then(|data| data.get(&reference.key)) else {
        let message = format!("{place}: the ConfigMap has no such key. Add it, or correct the key.");
        return Ok(Err(Halt::wait(reasons::CONFIG_MAP_NOT_FOUND, message)));
    };
    Ok(match serde_json::from_str(text) {
        Ok(body) => Ok(Some(body)),
        Err(error) => {
            let message = format!("{place}: it is not JSON ({error}). Write the request's body there.");
            Err(Halt::person(reasons::INVALID_SPEC, message))
        }
    })
}

/// What callers authenticate with.
pub async fn credential(workspace: &Workspace, endpoint: &OnlineEndpoint, name: &str) -> Result<SecretString, Error> {
    Ok(if endpoint.properties.auth_mode.eq_ignore_ascii_case("Key") {
        workspace.azure.online_endpoint_keys(name).await?.primary_key
    } else {
        workspace.azure.online_endpoint_token(name).await?
    })
}

/// Sends the request, past the traffic rules where a deployment is named.
pub async fn prove(object: &AmlEndpoint, observed: &Observed, deployment: Option<&str>) -> Result<Proof, Error> {
    let (Some(body), Some(endpoint)) = (&observed.smoke, &observed.facts.endpoint) else {
        return Ok(Proof::NotYet("the request or the endpoint is not there yet".to_owned()));
    };
    let Some(uri) = &endpoint.properties.scoring_uri else {
        return Ok(Proof::NotYet("the endpoint has no scoring address yet".to_owned()));
    };
    let key = credential(&observed.workspace, endpoint, &observed.facts.name).await?;
    let expect = object.spec.rollout.as_ref().and_then(|rollout| rollout.smoke_test.as_ref()?.expect.clone());
    let client = observed.workspace.azure.client();
    Ok(match client.score(uri, &key, deployment, body).await {
        Ok(scored) => expectation::judge(&expect.unwrap_or_default(), &scored),
        Err(error @ (azureml::Error::NoAnswer { .. } | azureml::Error::Budget { .. })) => {
            Proof::NotYet(error.to_string())
        }
        Err(error) => return Err(error.into()),
    })
}
