//! Codes: snapshots of source files, found again by their hash.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::blobs::Container;
use super::{Extra, Map, nullable};
use crate::error::Error;
use crate::workspace::Workspace;

/// The version of the rule by which Azure's own clients hash a snapshot.
const HASH_VERSION: &str = "202208";

/// A version of a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CodeVersion {
    /// The ARM id.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its properties.
    pub properties: CodeVersionProperties,
}

/// A snapshot's properties.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CodeVersionProperties {
    /// The blob folder with the files.
    pub code_uri: String,
    /// Made without a name of its own.
    pub is_anonymous: bool,
    /// Its tags.
    #[serde(deserialize_with = "nullable")]
    pub tags: Map,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A place where a snapshot's files may be written.
#[derive(Clone, Debug)]
pub struct Upload {
    /// The container's address without its signature.
    pub blob_uri: String,
    /// The container.
    pub container: Container,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pending {
    blob_reference_for_consumption: Reference,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    blob_uri: String,
    credential: Signature,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Signature {
    #[serde(deserialize_with = "crate::secrets::secret")]
    sas_uri: SecretString,
}

impl Workspace {
    /// The snapshots of a name with this SHA-256.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn code_versions_by_hash(&self, name: &str, sha256: &str) -> Result<Vec<CodeVersion>, Error> {
        let query = [("hash", sha256), ("hashVersion", HASH_VERSION)];
        self.read_list("codes", &format!("codes/{name}/versions"), &query).await
    }

    /// Asks for a place to write a snapshot's files to.
    ///
    /// # Errors
    /// Azure's answer, or a place outside the cloud.
    pub async fn start_code_upload(&self, name: &str, version: &str) -> Result<Upload, Error> {
        let path = format!("codes/{name}/versions/{version}/startPendingUpload");
        let body = json!({"pendingUploadType": "TemporaryBlobReference"});
        let answer = self.post("codes", &path, Some(body), false).await?;
        let reference = answer.json::<Pending>()?.blob_reference_for_consumption;
        let container = self.signed_container(&answer.operation, &reference.credential.sas_uri)?;
        Ok(Upload { blob_uri: reference.blob_uri, container })
    }

    /// Registers a snapshot that was uploaded.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn put_code_version(
        &self,
        name: &str,
        version: &str,
        code_uri: &str,
        sha256: &str,
    ) -> Result<Option<CodeVersion>, Error> {
        let body: Value = json!({"properties": {
            "codeUri": code_uri,
            "isAnonymous": true,
            "properties": {"hash_sha256": sha256, "hash_version": HASH_VERSION},
            "tags": {},
        }});
        Ok(self.put("codes", &format!("codes/{name}/versions/{version}"), &body, Vec::new()).await?.body)
    }
}
