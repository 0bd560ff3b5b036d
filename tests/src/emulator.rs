//! The emulator as a process, and its control surface.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::{Certificate, Client, Method};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::contract::collector::{Collector, Page};
use crate::contract::ledger::Ledger;
use crate::failure::{Failure, Result, While};
use crate::places;
use crate::process::Daemon;
use crate::programs::programs;
use crate::tls;

/// How long it may take to come up.
const LIMIT: Duration = Duration::from_secs(180);
const POLL: Duration = Duration::from_millis(30);

/// A running emulator.
#[derive(Debug)]
pub struct Emulator {
    daemon: Daemon,
    folder: TempDir,
    control: Control,
    cloud_file: PathBuf,
    /// Where what goes over the wire is checked.
    collector: Option<Collector>,
}

/// What the emulator tells when it serves.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Served {
    url: String,
    ca_file: PathBuf,
}

impl Emulator {
    /// A new one, in memory.
    ///
    /// # Errors
    /// When it does not come up; its log is in the message.
    pub async fn start() -> Result<Self> {
        tls::install_provider();
        let program = tokio::task::spawn_blocking(programs).await.doing("building the programs")??.emulator;
        let folder = places::scratch("emulator")?;
        let ready_file = folder.path().join("ready.json");
        let mut command = Command::new(program);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--tls-dir"])
            .arg(folder.path().join("tls"))
            .arg("--ready-file")
            .arg(&ready_file);
        let daemon = Daemon::start("azureml-emulator", &command, &folder.path().join("emulator.log"))?;
        let served = served(&daemon, &ready_file).await?;
        let control = Control::new(&served)?;
        let cloud_file = folder.path().join("cloud.yaml");
        tls::write(&cloud_file, &control.cloud().await?)?;
        let collector = match Ledger::current() {
            Some(ledger) => Some(Collector::start(&control, ledger).await?),
            None => None,
        };
        Ok(Self { daemon, folder, control, cloud_file, collector })
    }

    /// What the operator's `--cloud-file` reads to take this emulator for Azure.
    #[must_use]
    pub fn cloud_file(&self) -> &Path {
        &self.cloud_file
    }

    /// Where its log and its certificates are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The last lines of its log.
    #[must_use]
    pub fn tail(&self, lines: usize) -> String {
        self.daemon.tail(lines)
    }

    /// Waits until all that went over the wire so far is checked; what comes later is not.
    ///
    /// # Errors
    /// When something could not be fetched.
    pub async fn all_is_checked(&self) -> Result {
        match &self.collector {
            Some(collector) => collector.finish().await,
            None => Ok(()),
        }
    }

    /// Ends it and removes its files.
    ///
    /// # Errors
    /// When it has to be killed.
    pub async fn stop(&self) -> Result {
        self.all_is_checked().await?;
        self.daemon.stop(Duration::from_secs(5)).await?;
        places::remove(self.folder.path())
    }
}

/// The control surface is the emulator's own.
impl std::ops::Deref for Emulator {
    type Target = Control;

    fn deref(&self) -> &Control {
        &self.control
    }
}

async fn served(daemon: &Daemon, file: &Path) -> Result<Served> {
    let deadline = Instant::now() + LIMIT;
    loop {
        daemon.check_runs()?;
        if let Ok(text) = std::fs::read_to_string(file) {
            return serde_json::from_str(&text).doing(file.display());
        }
        if Instant::now() > deadline {
            let log = daemon.tail(25);
            return Err(Failure::new(format!("azureml-emulator does not serve after {LIMIT:?}:\n{log}")));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The control surface `/_emulator/`.
#[derive(Clone, Debug)]
pub struct Control {
    url: String,
    ca_file: PathBuf,
    client: Client,
}

/// A principal of a tenant.
#[derive(Clone, Debug)]
pub struct Principal {
    /// Its tenant.
    pub tenant: String,
    /// The application's id.
    pub client_id: String,
    /// The object id, which roles are given to.
    pub object_id: String,
    /// Its secret.
    pub secret: String,
}

/// A request that the emulator got.
#[derive(Clone, Debug, Deserialize)]
pub struct Answered {
    /// Its number.
    pub seq: u64,
    /// When.
    pub time: String,
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The query.
    #[serde(default)]
    pub query: Option<String>,
    /// Who asked.
    #[serde(default)]
    pub principal: Option<String>,
    /// The status code of the answer; none while it is held, or when the client went away before.
    pub status: Option<u16>,
    /// What was sent.
    #[serde(default)]
    pub body: Value,
}

/// Requests since a number, and the number to go on from.
#[derive(Clone, Debug, Deserialize)]
pub struct Requests {
    /// The number to go on from.
    pub next: u64,
    /// The requests.
    pub requests: Vec<Answered>,
}

/// How often a fault struck, and whether it holds a request at the moment.
#[derive(Clone, Debug, Deserialize)]
pub struct FaultState {
    /// How often it struck.
    pub hits: u64,
    /// How many requests it holds.
    #[serde(default)]
    pub holding: Value,
}

impl FaultState {
    /// It holds a request at the moment.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.holding.as_bool().unwrap_or_else(|| self.holding.as_u64().is_some_and(|count| count > 0))
    }
}

impl Control {
    fn new(served: &Served) -> Result<Self> {
        let ca = std::fs::read(&served.ca_file).doing(served.ca_file.display())?;
        let client =
            Client::builder().tls_certs_only([Certificate::from_pem(&ca)?]).timeout(Duration::from_secs(60)).build()?;
        Ok(Self { url: served.url.clone(), ca_file: served.ca_file.clone(), client })
    }

    /// Where it serves.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The certificate authority to trust.
    #[must_use]
    pub fn ca_file(&self) -> &Path {
        &self.ca_file
    }

    /// An HTTP client that trusts its authority and knows nothing else.
    #[must_use]
    pub fn http(&self) -> &Client {
        &self.client
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let url = format!("{}/_emulator/{path}", self.url);
        let mut request = self.client.request(method.clone(), &url);
        if let Some(body) = &body {
            request = request.json(body);
        }
        let answer = request.send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        if !status.is_success() {
            return Err(Failure::new(format!("{method} {url}: {status}: {text}")));
        }
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// The cloud, as the operator's `--cloud-file` takes it.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn cloud(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(&self.call(Method::GET, "cloud", None).await?)?)
    }

    /// A new principal with a secret, in a tenant.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn principal(&self, tenant: &str) -> Result<Principal> {
        let id = || uuid::Uuid::new_v4().to_string();
        let principal = Principal { tenant: tenant.to_owned(), client_id: id(), object_id: id(), secret: id() };
        self.put_principal(&principal, &json!([])).await?;
        Ok(principal)
    }

    /// Puts a principal, its secret and whose tokens stand for it (`[{issuer, subject, audience}]`).
    ///
    /// # Errors
    /// When it is refused.
    pub async fn put_principal(&self, principal: &Principal, federated: &Value) -> Result {
        let body = json!({
            "clientId": principal.client_id,
            "objectId": principal.object_id,
            "clientSecret": principal.secret,
            "federatedCredentials": federated,
        });
        self.call(Method::POST, &format!("tenants/{}/principals", principal.tenant), Some(body)).await.map(|_| ())
    }

    /// Lets a principal sign in by a certificate beside its secret.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn certify(&self, principal: &Principal, certificate: &str) -> Result {
        let body = json!({
            "clientId": principal.client_id,
            "objectId": principal.object_id,
            "clientSecret": principal.secret,
            "certificates": [certificate],
        });
        self.call(Method::POST, &format!("tenants/{}/principals", principal.tenant), Some(body)).await.map(|_| ())
    }

    /// A new principal that is the managed identity of the machine, in a tenant.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn managed_identity(&self, tenant: &str) -> Result<Principal> {
        let id = || uuid::Uuid::new_v4().to_string();
        let principal =
            Principal { tenant: tenant.to_owned(), client_id: id(), object_id: id(), secret: String::new() };
        let body = json!({"clientId": principal.client_id, "objectId": principal.object_id, "managedIdentity": true});
        self.call(Method::POST, &format!("tenants/{tenant}/principals"), Some(body)).await?;
        Ok(principal)
    }

    /// Lets it verify tokens of an issuer, such as a cluster.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn trust(&self, issuer: &str, jwks: &Value) -> Result {
        self.call(Method::POST, "issuers", Some(json!({"issuer": issuer, "jwks": jwks}))).await.map(|_| ())
    }

    /// Makes a workspace.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn workspace(&self, subscription: &str, group: &str, name: &str, location: &str) -> Result {
        let body = json!({"subscriptionId": subscription, "resourceGroup": group, "name": name, "location": location});
        self.call(Method::POST, "workspaces", Some(body)).await.map(|_| ())
    }

    /// Gives a role; the assignment's id.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn assign(&self, scope: &str, principal: &str, role: &str) -> Result<String> {
        let body = json!({"scope": scope, "principalId": principal, "role": role});
        let answer = self.call(Method::POST, "roleassignments", Some(body)).await?;
        answer["id"].as_str().map(str::to_owned).doing("the id of a role assignment")
    }

    /// Says whether a subscription is registered for Azure ML: `Registered`, `NotRegistered`.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn provider(&self, subscription: &str, state: &str) -> Result {
        let body = json!({"subscriptionId": subscription, "state": state});
        self.call(Method::POST, "providers", Some(body)).await.map(|_| ())
    }

    /// Says how many cores of a size's family a subscription may have in a region; none: plenty.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn quota(&self, subscription: &str, location: &str, size: &str, limit: Option<i64>) -> Result {
        let body = json!({"subscriptionId": subscription, "location": location, "vmSize": size, "limit": limit});
        self.call(Method::POST, "quotas", Some(body)).await.map(|_| ())
    }

    /// Takes a role away.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn unassign(&self, assignment: &str) -> Result {
        self.call(Method::DELETE, &format!("roleassignments/{assignment}"), None).await.map(|_| ())
    }

    /// The secrets that it got and gave: (what it is, the secret).
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn secrets(&self) -> Result<Vec<(String, String)>> {
        let answer = self.call(Method::GET, "secrets", None).await?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let all = answer["secrets"].as_array().doing("the emulator's secrets")?.iter();
        Ok(all.map(|secret| (text(&secret["what"]), text(&secret["value"]))).collect())
    }

    /// The requests since a number whose path or query contains a text.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn requests(&self, since: u64, contains: &str, writes: bool) -> Result<Requests> {
        let contains: String = url::form_urlencoded::byte_serialize(contains.as_bytes()).collect();
        let path = format!("requests?since={since}&contains={contains}&writes={writes}");
        Ok(serde_json::from_value(self.call(Method::GET, &path, None).await?)?)
    }

    /// From now on exchanges are kept until they are fetched, as many as fit.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn keep_exchanges(&self, bytes: usize) -> Result {
        self.call(Method::POST, "exchanges", Some(json!({"keepBytes": bytes}))).await.map(|_| ())
    }

    /// The exchanges since a number; it forgets those before.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn exchanges(&self, since: u64) -> Result<Page> {
        Ok(serde_json::from_value(self.call(Method::GET, &format!("exchanges?since={since}"), None).await?)?)
    }

    /// The number of the next request.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn position(&self) -> Result<u64> {
        Ok(self.requests(u64::MAX, "", false).await?.next)
    }

    /// Arms a fault; its id.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn fault(&self, fault: &Value) -> Result<String> {
        let answer = self.call(Method::POST, "faults", Some(fault.clone())).await?;
        answer["id"].as_str().map(str::to_owned).doing("the id of a fault")
    }

    /// How a fault stands.
    ///
    /// # Errors
    /// When there is none with this id.
    pub async fn fault_state(&self, fault: &str) -> Result<FaultState> {
        Ok(serde_json::from_value(self.call(Method::GET, &format!("faults/{fault}"), None).await?)?)
    }

    /// Takes a fault away, and lets go what it holds.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn clear_fault(&self, fault: &str) -> Result {
        self.call(Method::DELETE, &format!("faults/{fault}"), None).await.map(|_| ())
    }

    /// Changes its manners: what is throttled, late or slow.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn manners(&self, change: &Value) -> Result {
        self.call(Method::POST, "manners", Some(change.clone())).await.map(|_| ())
    }

    /// Moves its clock.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn clock(&self, change: &Value) -> Result {
        self.call(Method::POST, "clock", Some(change.clone())).await.map(|_| ())
    }

    /// What a workspace holds.
    ///
    /// # Errors
    /// When there is none with this id.
    pub async fn state(&self, workspace: &str) -> Result<Value> {
        let workspace: String = url::form_urlencoded::byte_serialize(workspace.as_bytes()).collect();
        self.call(Method::GET, &format!("state?workspace={workspace}"), None).await
    }
}
