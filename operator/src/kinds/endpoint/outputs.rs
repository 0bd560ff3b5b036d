//! What is written into the cluster for the endpoint's users: the Secret with address and keys, and the swagger document.

use std::collections::BTreeMap;

use azureml::resources::online::{EndpointKeys, OnlineEndpoint};
use azureml_crds::{AmlEndpoint, AmlResource, annotations, reasons};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, ObjectMeta};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::observe::Observed;
use super::smoke;
use crate::context::{Context, Workspace};
use crate::error::{Error, Halt};
use crate::shell::children;

/// An output as it lies in the cluster: by metadata alone, for the payload is nobody's business at rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputSeen {
    /// The spec asks for none.
    NotWanted,
    /// It is not there.
    Missing,
    /// It is ours.
    Ours {
        /// In this version.
        version: String,
        /// The digest of the keys in it.
        keys: Option<String>,
    },
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
    /// The digest of the keys that Azure has, where it was asked.
    pub keys: Option<String>,
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
    Ok(OutputsSeen { secret, swagger, keys: None, written: None, swagger_digest: None })
}

fn seen(object: &AmlEndpoint, metadata: Option<ObjectMeta>) -> OutputSeen {
    let Some(metadata) = metadata else { return OutputSeen::Missing };
    let owners = metadata.owner_references.unwrap_or_default();
    if owners.iter().any(|owner| owner.uid == object.uid()) {
        let keys = metadata.annotations.and_then(|mut all| all.remove(annotations::KEYS_DIGEST));
        OutputSeen::Ours { version: metadata.resource_version.unwrap_or_default(), keys }
    } else {
        OutputSeen::Foreign
    }
}

/// The Secret lies there, with keys.
#[must_use]
pub fn holds_keys(seen: &OutputsSeen) -> bool {
    matches!(seen.secret, OutputSeen::Ours { .. })
}

/// Notes which keys Azure has: nothing else tells when they were regenerated.
pub async fn observe_keys(workspace: &Workspace, endpoint: &str, seen: &mut OutputsSeen) -> Result<(), Error> {
    seen.keys = Some(digest_of(&workspace.azure.online_endpoint_keys(endpoint).await?));
    Ok(())
}

/// Who may read the Secret's annotations may read the keys: the digest tells them nothing.
fn digest_of(keys: &EndpointKeys) -> String {
    let digest = Sha256::new()
        .chain_update(keys.primary_key.expose_secret())
        .chain_update([0])
        .chain_update(keys.secondary_key.expose_secret())
        .finalize();
    data_encoding::HEXLOWER.encode(&digest)
}

/// What the outputs are made of, as a hash, the keys apart: whatever of it changes, they are written again.
#[must_use]
pub fn hash(endpoint: &OnlineEndpoint, stable: &str, seen: &OutputsSeen) -> String {
    let uri = endpoint.properties.scoring_uri.as_deref().unwrap_or_default();
    let text = format!("{:?} {:?} {uri:?} {stable}", seen.secret, seen.swagger);
    data_encoding::HEXLOWER.encode(&Sha256::digest(text))
}

/// The Secret holds other keys than Azure has.
#[must_use]
pub fn has_old_keys(seen: &OutputsSeen) -> bool {
    let OutputSeen::Ours { keys, .. } = &seen.secret else { return false };
    seen.keys.is_some() && seen.keys != *keys
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
        let keys_digest = digest_of(&keys);
        children::apply_secret(context, object, name, data, (annotations::KEYS_DIGEST, &keys_digest)).await?;
    }
    let seen = observe(context, object).await?;
    let written = hash(&endpoint, stable, &seen);
    observed.facts.outputs = OutputsSeen { written: Some(written), swagger_digest: digest, ..seen };
    Ok(())
}
