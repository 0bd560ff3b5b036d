//! Registers what a command step is made of. Idempotent: everything is named by its content.

use azureml::resources::components::{ComponentVersion, ComponentVersionProperties};

use super::code::Snapshot;
use super::environment::Inline;
use super::{Parts, component};

/// Where a snapshot's files lie in the container that Azure ML gives for them.
const FOLDER: &str = "snapshot";

/// Registers code, environment and component, as far as they are not.
///
/// # Errors
/// Azure's answer.
pub async fn register(azure: &azureml::Workspace, parts: &Parts) -> Result<(), azureml::Error> {
    if azure.component_version(component::name(), &parts.version).await?.is_some() {
        // It was registered last: what it is made of is there.
        return Ok(());
    }
    if let Some(snapshot) = &parts.code {
        code(azure, snapshot).await?;
    }
    if let Some(environment) = &parts.environment {
        let (name, version) = (Inline::name(), environment.version());
        if azure.environment_version(name, &version).await?.is_none() {
            azure.put_environment_version(name, &version, &environment.body()).await?;
        }
    }
    let body = ComponentVersion {
        properties: ComponentVersionProperties {
            component_spec: parts.specification.clone(),
            is_anonymous: true,
            ..ComponentVersionProperties::default()
        },
        ..ComponentVersion::default()
    };
    azure.put_component_version(component::name(), &parts.version, &body).await.map(drop)
}

async fn code(azure: &azureml::Workspace, snapshot: &Snapshot) -> Result<(), azureml::Error> {
    let (name, version) = (snapshot.name(), Snapshot::version());
    if !azure.code_versions_by_hash(&name, &snapshot.sha256).await?.is_empty() {
        return Ok(());
    }
    let upload = azure.start_code_upload(&name, version).await?;
    for (path, bytes) in &snapshot.files {
        upload.container.put(&format!("{FOLDER}/{path}"), bytes.clone()).await?;
    }
    let uri = format!("{}/{FOLDER}", upload.blob_uri.trim_end_matches('/'));
    azure.put_code_version(&name, version, &uri, &snapshot.sha256).await.map(drop)
}
