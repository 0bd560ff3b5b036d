//! What jobs and deployments stand on: the workspace's resources and its blobs.

use crate::data_dir::Keep;
use crate::run_history::run::Location;
use jiff::Timestamp;
use serde_json::Value;

/// Facts of a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WorkspaceFacts {
    /// ARM id, as it was created.
    pub(crate) arm_id: String,
    /// Region.
    pub(crate) location: String,
    /// The GUID Azure ML knows it by.
    pub(crate) workspace_id: String,
    /// Storage account of the workspace.
    pub(crate) account: String,
}

/// A version of a data asset or of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asset {
    /// `uri_file`, `uri_folder`, `mltable`; `mlflow_model`, `custom_model`, `triton_model`.
    pub(crate) kind: String,
    /// Where its content lies.
    pub(crate) uri: String,
}

/// The resources of all workspaces. A workspace is known by its ARM id in lower case.
pub(crate) trait Ground: Send + Sync + 'static {
    /// The emulator's time.
    fn now(&self) -> Timestamp;
    /// A workspace.
    fn workspace(&self, workspace: &str) -> Option<WorkspaceFacts>;
    /// The ARM id in lower case of the workspace with a GUID.
    fn workspace_of_guid(&self, guid: &str) -> Option<String>;
    /// The ARM id in lower case of the registry with a name.
    fn registry(&self, name: &str) -> Option<String> {
        let _ = name;
        None
    }
    /// The container of a datastore; its path is empty.
    fn datastore(&self, workspace: &str, name: &str) -> Option<Location>;
    /// Whether there is such a compute.
    fn has_compute(&self, workspace: &str, name: &str) -> bool;
    /// A data version; `latest` for the newest.
    fn data(&self, workspace: &str, name: &str, version: &str) -> Option<Asset>;
    /// A model version.
    fn model(&self, workspace: &str, name: &str, version: &str) -> Option<Asset>;
    /// A code version: a folder of files.
    fn code(&self, workspace: &str, name: &str, version: &str) -> Option<Asset>;
    /// Whether there is such an environment version; `latest` for the newest.
    fn has_environment(&self, workspace: &str, name: &str, version: &str) -> bool;
    /// The spec of a component version.
    fn component(&self, workspace: &str, name: &str, version: &str) -> Option<Value>;
    /// The account and container that a storage URL's host stands for, with the path within.
    fn blob_url(&self, url: &str) -> Option<Location>;
    /// A blob.
    fn read(&self, place: &Location) -> Option<Vec<u8>>;
    /// Names of all blobs whose name begins with the path, in order.
    fn list(&self, place: &Location) -> Vec<String>;
    /// Writes a blob.
    fn write(&self, place: &Location, content: Vec<u8>);
    /// Cores that the clusters of a workspace's subscription use of the family of a machine in a region, and how many
    /// may be used; `None` where nobody counts.
    fn cores(&self, workspace: &str, location: &str, size: &str) -> Option<(i64, i64)> {
        let _ = (workspace, location, size);
        None
    }

    /// Where it is written down, for those who stand on it to do the same.
    fn keep(&self) -> Keep {
        Keep::default()
    }
    /// A signature, as a query, with which the container of a place can be read for an hour.
    fn signature(&self, place: &Location) -> String {
        let _ = place;
        String::new()
    }
}
