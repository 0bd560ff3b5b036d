//! What is written into the cluster for the endpoint's users: the Secret with address and keys, and the swagger document.

use std::collections::BTreeMap;

use azureml::resources::online::OnlineEndpoint;
use azureml_crds::{AmlEndpoint, AmlResource, reasons};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, ObjectMeta};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::observe::Observed;
use super::smoke;
use crate::context::Context;
use crate::error::{Error, Halt};
use crate::shell::children;

/// An output as it lies in the cluster: by metadata alone, for the payload is nobody's business at rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputSeen {
    /// The spec asks for none.
    NotWanted,
    /// It is not there.
    Missing,
    /// It is ours, in this version.
    Ours(String),
    /// Somebody else's.
    Foreign,
}

/// The outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputsSeen {
    /// The Secret.
    pub secret: OutputSeen,
    /// The ConfigMap.
    pub swagger: OutputSeen,
    /// The hash that a write of this pass left.
    pub written: Option<String>,
    /// The digest of the swagger document that a write of this pass left.
    pub swagger_digest: Option<String>,
}

/// The Secret's name, and the ConfigMap's.
fn names(object: &AmlEndpoint) -> (Option<&str>, Option<&str>) {
    let outputs = object.spec.outputs.as_ref();
    (
        outputs.and_then(|outputs| outputs.secret.as_ref()).map(|secret| secret.name.as_str()),
        outputs.and_then(|outputs| outputs.swagger.as_ref()).map(|swagger| swagger.config_map.name.as_str()),
    )
}

pub async fn observe(context: &Context, object: &AmlEndpoint) -> Result<OutputsSeen, Error> {
    let (secret, swagger) = names(object);
    let secrets: Api<Secret> = Api::namespaced(context.client.clone(), object.namespace());
    let maps: Api<ConfigMap> = Api::namespaced(context.client.clone(), object.namespace());
    let secret = match secret {
        Some(name) => seen(object, secrets.get_metadata_opt(name).await?.map(|found| found.metadata)),
        None => OutputSeen::NotWanted,
    };
    let swagger = match swagger {
        Some(name) => seen(object, maps.get_metadata_opt(name).await?.map(|found| found.metadata)),
        None => OutputSeen::NotWanted,
    };
    Ok(OutputsSeen { secret, swagger, written: None, swagger_digest: None })
}

fn seen(object: &AmlEndpoint, metadata: Option<ObjectMeta>) -> OutputSeen {
    let Some(metadata) = metadata else { return OutputSeen::Missing };
    let owners = metadata.owner_references.unwrap_or_default();
    if owners.iter().any(|owner| owner.uid == object.uid()) {
        OutputSeen::Ours(metadata.resource_version.unwrap_or_default())
    } else {
        OutputSeen::Foreign
    }
}

/// What the outputs are made of, as a hash: whatever of it changes, they are written again. The endpoint's own stamp of
/// its last change tells of new keys without asking for them.
#[must_use]
pub fn hash(endpoint: &OnlineEndpoint, stable: &str, seen: &OutputsSeen) -> String {
    let properties = &endpoint.properties;
    let stamp = properties.properties.get("lastModifiedAt").map(String::as_str).unwrap_or_default();
    let text = format!(
        "{:?} {:?} {:?} {stable} {stamp}",
        seen.secret,
        seen.swagger,
        properties.scoring_uri.as_deref().unwrap_or_default()
    );
    data_encoding::HEXLOWER.encode(&Sha256::digest(text))
}

/// An output that bears the wanted name and is not ours.
#[must_use]
pub fn foreign(object: &AmlEndpoint, seen: &OutputsSeen) -> Option<Halt> {
    let (secret, swagger) = names(object);
    let all = [
        ("Secret", "secret.name", secret, &seen.secret),
        ("ConfigMap", "swagger.configMap.name", swagger, &seen.swagger),
    ];
    all.into_iter().find(|(.., seen)| **seen == OutputSeen::Foreign).map(|(kind, field, name, _)| {
        let message = format!(
            "spec.outputs.{field} names {kind} {:?}, which exists and was not made for this endpoint: it is left alone. Choose another name, or delete it.",
            name.unwrap_or_default()
        );
        Halt::person(reasons::OUTPUT_NOT_OWNED, message)
    })
}

/// The spec asks for outputs.
#[must_use]
pub fn wanted(seen: &OutputsSeen) -> bool {
    seen.secret != OutputSeen::NotWanted || seen.swagger != OutputSeen::NotWanted
}

/// Writes both, and notes what was written.
pub async fn write(
    context: &Context,
    object: &AmlEndpoint,
    observed: &mut Observed,
    stable: &str,
) -> Result<(), Error> {
    let Some(endpoint) = observed.facts.endpoint.clone() else { return Ok(()) };
    let (secret, swagger) = names(object);
    let mut digest = None;
    if let Some(name) = swagger
        && let Some(uri) = &endpoint.properties.swagger_uri
    {
        let key = smoke::credential(&observed.workspace, &endpoint, &observed.facts.name).await?;
        let document = match observed.workspace.azure.client().swagger(uri, &key).await {
            Ok(document) => document,
            // The route to a deployment that has just got its traffic takes a moment.
            Err(error) if error.is_not_found() => {
                let message = format!("The endpoint does not describe itself yet: {error} It is asked again.");
                return Err(Halt::retry(reasons::AZURE_UNAVAILABLE, message).into());
            }
            Err(error) => return Err(error.into()),
        };
        digest = Some(data_encoding::HEXLOWER.encode(&Sha256::digest(&document)));
        let data = BTreeMap::from([("swagger.json".to_owned(), document)]);
        children::apply_config_map(context, object, name, data).await?;
    }
    if let Some(name) = secret {
        let keys = observed.workspace.azure.online_endpoint_keys(&observed.facts.name).await?;
        let uri = endpoint.properties.scoring_uri.clone().unwrap_or_default();
        let text = |key: &SecretString| key.expose_secret().to_owned();
        let data = BTreeMap::from([
            ("scoringUri".to_owned(), uri),
            ("primaryKey".to_owned(), text(&keys.primary_key)),
            ("secondaryKey".to_owned(), text(&keys.secondary_key)),
            ("key".to_owned(), text(&keys.primary_key)),
            ("activeKey".to_owned(), "Primary".to_owned()),
        ]);
        children::apply_secret(context, object, name, data).await?;
    }
    let seen = observe(context, object).await?;
    let written = hash(&endpoint, stable, &seen);
    observed.facts.outputs = OutputsSeen { written: Some(written), swagger_digest: digest, ..seen };
    Ok(())
}
