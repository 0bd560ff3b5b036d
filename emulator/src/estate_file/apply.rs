//! Makes what the file says, by the requests that a client of Azure would send.

use super::schema::{Compute, Data, Datastore, Registry, SharedData, Workspace};
use super::{EstateFile, client_id};
use crate::run_history::run::Location;
use crate::server::App;
use crate::surface::http::Incoming;
use crate::world::{FederatedCredential, Principal};
use axum::body::to_bytes;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Longest answer that is read.
const LONGEST: usize = 1024 * 1024;
/// How long something that is made may take until it is ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why something of the file isn't made.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// It was refused.
    #[error("{file}, {field}: {words}")]
    Refused {
        /// The estate's file.
        file: PathBuf,
        /// Such as `subscriptions[0].resourceGroups[0].workspaces[0].computes[0]`.
        field: String,
        /// What was answered.
        words: String,
    },
    /// A file that it names can't be read.
    #[error("{path} can't be read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No token could be made.
    #[error(transparent)]
    Token(#[from] crate::tokens::TokenError),
}

impl EstateFile {
    /// Makes what is not there yet.
    ///
    /// # Errors
    /// When something is refused, or a file can't be read.
    pub async fn apply(&self, app: &Arc<App>) -> Result<(), ApplyError> {
        self.put_principals(app)?;
        for (_, scope, assignment) in self.assignments() {
            // Both were checked when the file was read.
            let Some(principal) = self.object_id(&assignment.principal.value) else { continue };
            let role = &assignment.role.value;
            let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("{scope} {principal} {role}").as_bytes());
            app.estate.world().assign(&id.to_string(), &scope, &principal.to_string(), role);
        }
        for (field, id, workspace) in self.workspaces() {
            let maker = Maker { file: self, app, token: app.estate.own_token()?, field, id };
            maker.make(workspace).await?;
        }
        for (field, id, registry) in self.registries() {
            let maker = Maker { file: self, app, token: app.estate.own_token()?, field, id };
            maker.make_registry(registry).await?;
        }
        Ok(())
    }

    fn put_principals(&self, app: &App) -> Result<(), ApplyError> {
        for tenant in &self.estate.tenants {
            for principal in &tenant.principals {
                let certificates = principal.certificate_files.iter().map(|file| read(&self.beside(&file.value)));
                let federated = principal.federated_credentials.iter().map(|known| FederatedCredential {
                    issuer: known.issuer.clone(),
                    subject: known.subject.clone(),
                    audience: known.audience.clone(),
                });
                let made = Principal {
                    tenant: tenant.id.clone(),
                    client_id: client_id(tenant, principal),
                    object_id: self.object_id(&principal.name.value).unwrap_or_default().to_string(),
                    secret: principal.client_secret.clone(),
                    federated: federated.collect(),
                    certificates: certificates.collect::<Result<_, _>>()?,
                    managed: principal.managed_identity,
                };
                app.estate.world().put_principal(made);
            }
        }
        for (n, issuer) in self.estate.issuers.iter().enumerate() {
            let text = read(&self.beside(&issuer.jwks_file.value))?;
            let keys: Value = serde_json::from_str(&text).map_err(|error| ApplyError::Refused {
                file: self.path.clone(),
                field: format!("issuers[{n}].jwksFile"),
                words: format!("it is no JSON Web Key Set: {error}"),
            })?;
            app.estate.world().put_issuer(&issuer.issuer, keys);
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<String, ApplyError> {
    std::fs::read_to_string(path).map_err(|source| ApplyError::Read { path: path.to_owned(), source })
}

/// Makes one workspace and what is in it.
struct Maker<'a> {
    file: &'a EstateFile,
    app: &'a Arc<App>,
    token: String,
    field: String,
    id: String,
}

impl Maker<'_> {
    async fn make(&self, workspace: &Workspace) -> Result<(), ApplyError> {
        let mut properties = json!({});
        if let Some(account) = &workspace.storage_account {
            properties["storageAccount"] = Value::from(self.account_id(account));
        }
        let body = json!({"location": workspace.location, "tags": workspace.tags, "properties": properties});
        self.put("", "", &body).await?;
        for (n, compute) in workspace.computes.iter().enumerate() {
            let path = format!("/computes/{}", compute.name.value);
            self.put(&format!(".computes[{n}]"), &path, &cluster(compute, &workspace.location)).await?;
        }
        for (n, store) in workspace.datastores.iter().enumerate() {
            let path = format!("/datastores/{}", store.name.value);
            self.put(&format!(".datastores[{n}]"), &path, &self.datastore(store)).await?;
        }
        for (n, data) in workspace.data.iter().enumerate() {
            let path = format!("/data/{}/versions/{}", data.name.value, data.version);
            if !self.is_there(&path).await {
                let body = self.data(data)?;
                self.put(&format!(".data[{n}]"), &path, &body).await?;
            }
        }
        Ok(())
    }

    async fn make_registry(&self, registry: &Registry) -> Result<(), ApplyError> {
        let body = json!({"location": registry.location, "properties": {}});
        self.put("", "", &body).await?;
        for (n, data) in registry.data.iter().enumerate() {
            let path = format!("/data/{}/versions/{}", data.name.value, data.version);
            if !self.is_there(&path).await {
                let uri = self.share(&registry.name.value, data)?;
                let body = json!({"properties": {"dataType": data.kind.name(), "dataUri": uri, "tags": data.tags}});
                self.put(&format!(".data[{n}]"), &path, &body).await?;
            }
        }
        Ok(())
    }

    /// Writes a registry's data into a storage account of its own; gives the address.
    fn share(&self, registry: &str, data: &SharedData) -> Result<String, ApplyError> {
        let path = self.file.beside(&data.path.value);
        let ground: &dyn crate::jobs::ground::Ground = &*self.app.estate;
        let account = format!("reg{}", registry.to_ascii_lowercase().replace(['-', '_'], ""));
        let folder = format!("{}/{}", data.name.value, data.version);
        let place = Location { account: account.clone(), container: "data".to_owned(), path: folder.clone() };
        let address = format!("https://{account}.blob.core.windows.net/data/{folder}/");
        if path.is_file() {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            write(ground, &path, &place.join(&name))?;
            return Ok(address + &name);
        }
        write_folder(ground, &path, &place)?;
        Ok(address)
    }

    /// A storage account beside the workspace by its name, or by its ARM id.
    fn account_id(&self, account: &str) -> String {
        match account.starts_with('/') {
            true => account.to_owned(),
            false => {
                let group = self.id.split("/providers/").next().unwrap_or_default();
                format!("{group}/providers/Microsoft.Storage/storageAccounts/{account}")
            }
        }
    }

    fn datastore(&self, store: &Datastore) -> Value {
        let facts = crate::jobs::ground::Ground::workspace(&*self.app.estate, &self.id.to_ascii_lowercase());
        let own = facts.map(|facts| facts.account).unwrap_or_default();
        let account = store.storage_account.as_deref().map_or(own, str::to_owned);
        json!({"properties": {
            "datastoreType": "AzureBlob", "accountName": account.rsplit('/').next(), "containerName": store.container,
            "credentials": {"credentialsType": "Sas"},
        }})
    }

    /// The body of a data version, after its files were written.
    fn data(&self, data: &Data) -> Result<Value, ApplyError> {
        let uri = match (&data.path, &data.uri) {
            (Some(path), _) => self.upload(data, &self.file.beside(&path.value))?,
            (None, uri) => uri.clone().unwrap_or_default(),
        };
        Ok(json!({"properties": {"dataType": data.kind.name(), "dataUri": uri, "tags": data.tags}}))
    }

    /// Writes a file or all files of a folder; gives the address.
    fn upload(&self, data: &Data, path: &Path) -> Result<String, ApplyError> {
        let store = &data.datastore.value;
        let ground: &dyn crate::jobs::ground::Ground = &*self.app.estate;
        let container = ground.datastore(&self.id.to_ascii_lowercase(), store);
        let container = container.ok_or_else(|| self.refused(".data", format!("there is no datastore {store}")))?;
        let folder = format!("estate/{}/{}", data.name.value, data.version);
        let place = container.join(&folder);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let address = format!("azureml://datastores/{store}/paths/{folder}/");
        if path.is_file() {
            write(ground, path, &place.join(&name))?;
            return Ok(address + &name);
        }
        write_folder(ground, path, &place)?;
        Ok(address)
    }

    fn refused(&self, field: &str, words: String) -> ApplyError {
        ApplyError::Refused { file: self.file.path.clone(), field: format!("{}{field}", self.field), words }
    }

    async fn is_there(&self, path: &str) -> bool {
        self.send("GET", path, &Value::Null).await.0 == 200
    }

    /// Puts what is not there, and waits until it is ready.
    async fn put(&self, field: &str, path: &str, body: &Value) -> Result<(), ApplyError> {
        if self.is_there(path).await {
            return Ok(());
        }
        let (status, answer) = self.send("PUT", path, body).await;
        if status >= 300 {
            let told = answer.pointer("/error/message").and_then(Value::as_str).unwrap_or("it was refused");
            return Err(self.refused(field, told.to_owned()));
        }
        let limit = Instant::now() + PATIENCE;
        loop {
            let (_, known) = self.send("GET", path, &Value::Null).await;
            match known.pointer("/properties/provisioningState").and_then(Value::as_str) {
                None | Some("Succeeded") => return Ok(()),
                Some("Failed" | "Canceled") => return Err(self.refused(field, "making it failed".to_owned())),
                Some(_) if Instant::now() > limit => return Err(self.refused(field, "it never got ready".to_owned())),
                Some(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }

    async fn send(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let mut headers = axum::http::HeaderMap::new();
        if let Ok(value) = format!("Bearer {}", self.token).parse() {
            headers.insert("authorization", value);
        }
        let incoming = Incoming {
            method: method.to_owned(),
            path: format!("{}{path}", self.id),
            query: "api-version=2025-12-01".to_owned(),
            headers,
            body: if body.is_null() { Vec::new() } else { body.to_string().into_bytes() },
            base: "https://localhost".to_owned(),
            ..Incoming::default()
        };
        let response = Arc::clone(self.app).route(&incoming).await;
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), LONGEST).await.unwrap_or_default();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }
}

fn cluster(compute: &Compute, location: &str) -> Value {
    json!({"location": location, "properties": {"computeType": "AmlCompute", "properties": {
        "vmSize": compute.vm_size, "vmPriority": if compute.low_priority { "LowPriority" } else { "Dedicated" },
        "scaleSettings": {
            "minNodeCount": compute.min_nodes, "maxNodeCount": compute.max_nodes, "nodeIdleTimeBeforeScaleDown": "PT2M",
        },
    }}})
}

fn write(ground: &dyn crate::jobs::ground::Ground, file: &Path, place: &Location) -> Result<(), ApplyError> {
    let content = std::fs::read(file).map_err(|source| ApplyError::Read { path: file.to_owned(), source })?;
    ground.write(place, content);
    Ok(())
}

fn write_folder(ground: &dyn crate::jobs::ground::Ground, folder: &Path, place: &Location) -> Result<(), ApplyError> {
    let failed = |source| ApplyError::Read { path: folder.to_owned(), source };
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    let entries: BTreeMap<_, _> = entries
        .map(|entry| entry.map(|entry| (entry.file_name(), entry.path())))
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    for (name, path) in entries {
        let place = place.join(&name.to_string_lossy());
        match path.is_dir() {
            true => write_folder(ground, &path, &place)?,
            false => write(ground, &path, &place)?,
        }
    }
    Ok(())
}
