//! Datastores.

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;

use crate::error::Error;
use crate::workspace::Workspace;

/// A datastore on blob storage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Datastore {
    /// The ARM id.
    pub id: String,
    /// The name.
    pub name: String,
    /// Its properties.
    pub properties: DatastoreProperties,
}

/// What blob datastores have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DatastoreProperties {
    /// `AzureBlob` and others.
    pub datastore_type: String,
    /// The storage account.
    pub account_name: Option<String>,
    /// The container.
    pub container_name: Option<String>,
    /// The workspace's own.
    pub is_default: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Secrets {
    #[serde(default)]
    secrets_type: String,
    #[serde(default, deserialize_with = "crate::secrets::optional")]
    sas_token: Option<SecretString>,
}

impl Workspace {
    /// The workspace's own datastore.
    ///
    /// # Errors
    /// Azure's answer, or that there is none.
    pub async fn default_datastore(&self) -> Result<Datastore, Error> {
        self.find_default_datastore().await?.ok_or_else(|| Error::Malformed {
            operation: "GET datastores".to_owned(),
            message: "the workspace has no default datastore".to_owned(),
        })
    }

    /// The workspace's own datastore; `None` where no datastore is the default.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn find_default_datastore(&self) -> Result<Option<Datastore>, Error> {
        let all: Vec<Datastore> = self.read_list("datastores", "datastores", &[("isDefault", "true")]).await?;
        Ok(all.into_iter().find(|datastore| datastore.properties.is_default))
    }

    /// A datastore.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn datastore(&self, name: &str) -> Result<Option<Datastore>, Error> {
        self.read("datastores", &format!("datastores/{name}"), &[]).await
    }

    /// A shared access signature for an hour; `None` where access is by identity.
    ///
    /// # Errors
    /// Azure's answer, or that the datastore gives only its account's key.
    pub async fn datastore_signature(&self, name: &str) -> Result<Option<SecretString>, Error> {
        let body = json!({"expirableSecret": true, "expireAfterHours": 1});
        let answer = self.post("datastores", &format!("datastores/{name}/listSecrets"), Some(body), true).await?;
        let secrets: Secrets = answer.json()?;
        match secrets.secrets_type.as_str() {
            "AccountKey" => Err(Error::Malformed {
                operation: answer.operation,
                message: format!("datastore {name:?} gives its account's key and no shared access signature"),
            }),
            _ => Ok(secrets.sas_token),
        }
    }
}
