//! Copies content to the workspace's own blob store, under its digest; what is there already is not sent again.

use std::sync::Arc;

use super::content::{Body, Content, Part};
use azureml::resources::blobs::Container;

/// A copy could not be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum UploadError {
    /// The store's answer.
    #[error(transparent)]
    Azure(#[from] azureml::Error),
    /// The downloaded file is gone.
    #[error("the downloaded file can't be read back: {0}")]
    Disk(#[from] std::io::Error),
}

/// Copies; returns the datastore's name.
pub(super) async fn upload(azure: azureml::Workspace, content: Arc<Content>) -> Result<String, UploadError> {
    let datastore = azure.default_datastore().await?;
    let container = azure.container(&datastore).await?;
    for part in &content.parts {
        put(&container, &format!("{}/{}", content.folder(), part.name), part).await?;
    }
    Ok(datastore.name)
}

async fn put(container: &Container, path: &str, part: &Part) -> Result<(), UploadError> {
    if container.size(path).await? == Some(part.size) {
        return Ok(());
    }
    match &part.body {
        Body::Bytes(bytes) => container.put(path, bytes.clone()).await?,
        Body::File(file) => {
            tokio::fs::metadata(file.path()).await?;
            container.put_file(path, file.path(), part.size).await?;
        }
    }
    Ok(())
}
