//! The processes of a control plane.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use super::binaries::Binaries;
use crate::failure::{Failure, Result, While};
use crate::places::free_port;
use crate::process::Daemon;
use crate::tls::{Authority, service_account_keys, write};

/// How long a part may take to come up: on a machine busy with a build it takes a while.
const LIMIT: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(50);

/// Each write is written down, with who made it; secrets' contents are not.
const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - {level: None, verbs: [get, list, watch]}
  - {level: Metadata}
";

/// The processes of a control plane.
#[derive(Debug)]
pub struct ControlPlane {
    folder: PathBuf,
    // In the order in which they are ended.
    controllers: Option<Daemon>,
    api_server: Daemon,
    etcd: Daemon,
}

impl ControlPlane {
    /// Starts etcd and the API server; `admin.kubeconfig` in the folder is the administrator's.
    pub async fn start(binaries: &Binaries, folder: &Path) -> Result<Self> {
        let (client, peer) = (free_port()?, free_port()?);
        let etcd = Daemon::start("etcd", &etcd(binaries, folder, client, peer), &folder.join("etcd.log"))?;
        let port = free_port()?;
        let token = uuid::Uuid::new_v4().to_string();
        prepare(folder, port, &token)?;
        let command = api_server(binaries, folder, port, client)?;
        let api_server = Daemon::start("kube-apiserver", &command, &folder.join("kube-apiserver.log"))?;
        let plane = Self { folder: folder.to_owned(), controllers: None, api_server, etcd };
        plane.wait_until_ready(port, &token).await?;
        Ok(plane)
    }

    /// Starts the controllers: namespaces, garbage, service accounts.
    pub fn start_controllers(&mut self, binaries: &Binaries) -> Result {
        let command = controller_manager(binaries, &self.folder)?;
        let log = self.folder.join("kube-controller-manager.log");
        self.controllers = Some(Daemon::start("kube-controller-manager", &command, &log)?);
        Ok(())
    }

    /// Where the API server writes down each write.
    pub fn audit_log(&self) -> PathBuf {
        self.folder.join("audit.log")
    }

    /// Ends the processes. The state is thrown away: none has anything to finish that is worth a wait.
    pub fn stop(&self) -> Result {
        self.controllers.iter().chain([&self.api_server, &self.etcd]).try_for_each(Daemon::kill)
    }

    async fn wait_until_ready(&self, port: u16, token: &str) -> Result {
        let ca = std::fs::read(self.folder.join("ca.pem"))?;
        let client = reqwest::Client::builder().tls_certs_only([reqwest::Certificate::from_pem(&ca)?]).build()?;
        let url = format!("https://127.0.0.1:{port}/readyz");
        let deadline = Instant::now() + LIMIT;
        loop {
            self.etcd.check_runs()?;
            self.api_server.check_runs()?;
            let last = match client.get(&url).bearer_auth(token).send().await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) => answer.text().await.unwrap_or_default(),
                Err(error) => error.to_string(),
            };
            if Instant::now() > deadline {
                let log = self.api_server.tail(25);
                return Err(Failure::new(format!("kube-apiserver is not ready after {LIMIT:?}: {last}\n{log}")));
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

/// Certificates, tokens, the audit policy and the administrator's kubeconfig.
fn prepare(folder: &Path, port: u16, token: &str) -> Result {
    let authority = Authority::new("azureml-operator-tests")?;
    let leaf = authority.loopback()?;
    write(&folder.join("ca.pem"), authority.certificate())?;
    write(&folder.join("server.pem"), &leaf.certificate)?;
    write(&folder.join("server.key"), &leaf.key)?;
    write(&folder.join("tokens.csv"), &format!("{token},admin,admin,system:masters\n"))?;
    write(&folder.join("audit-policy.yaml"), AUDIT_POLICY)?;
    let kubeconfig = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {
            "server": format!("https://127.0.0.1:{port}"), "certificate-authority": folder.join("ca.pem")}}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": "admin", "context": {"cluster": "test", "user": "admin"}}],
        "current-context": "admin",
    });
    write(&folder.join("admin.kubeconfig"), &kubeconfig.to_string())
}

fn etcd(binaries: &Binaries, folder: &Path, client: u16, peer: u16) -> Command {
    let mut command = Command::new(binaries.path("etcd"));
    command.args([
        "--unsafe-no-fsync".to_owned(),
        format!("--data-dir={}", folder.join("etcd").display()),
        format!("--listen-client-urls=http://127.0.0.1:{client}"),
        format!("--advertise-client-urls=http://127.0.0.1:{client}"),
        format!("--listen-peer-urls=http://127.0.0.1:{peer}"),
        format!("--initial-advertise-peer-urls=http://127.0.0.1:{peer}"),
        format!("--initial-cluster=default=http://127.0.0.1:{peer}"),
        "--log-level=warn".to_owned(),
    ]);
    command
}

fn api_server(binaries: &Binaries, folder: &Path, port: u16, etcd: u16) -> Result<Command> {
    let (private, public) = service_account_keys(folder)?;
    let file = |name: &str| folder.join(name).display().to_string();
    let mut command = Command::new(binaries.path("kube-apiserver"));
    command.args([
        format!("--etcd-servers=http://127.0.0.1:{etcd}"),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={port}"),
        format!("--cert-dir={}", file("certificates")),
        format!("--tls-cert-file={}", file("server.pem")),
        format!("--tls-private-key-file={}", file("server.key")),
        format!("--token-auth-file={}", file("tokens.csv")),
        "--authorization-mode=RBAC".to_owned(),
        // Each cluster has an issuer of its own, so that two at once are told apart.
        format!("--service-account-issuer=https://127.0.0.1:{port}"),
        format!("--service-account-key-file={}", public.display()),
        format!("--service-account-signing-key-file={}", private.display()),
        "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
        format!("--audit-policy-file={}", file("audit-policy.yaml")),
        format!("--audit-log-path={}", file("audit.log")),
        "--profiling=false".to_owned(),
    ]);
    Ok(command)
}

fn controller_manager(binaries: &Binaries, folder: &Path) -> Result<Command> {
    let file = |name: &str| folder.join(name).display().to_string();
    let private = folder.join("service-account.key");
    private.is_file().then_some(()).doing(private.display())?;
    let mut command = Command::new(binaries.path("kube-controller-manager"));
    command.args([
        format!("--kubeconfig={}", file("admin.kubeconfig")),
        format!("--authentication-kubeconfig={}", file("admin.kubeconfig")),
        format!("--authorization-kubeconfig={}", file("admin.kubeconfig")),
        "--controllers=namespace-controller,garbage-collector-controller,serviceaccount-controller,serviceaccount-token-controller,root-ca-certificate-publisher-controller".to_owned(),
        "--use-service-account-credentials".to_owned(),
        format!("--service-account-private-key-file={}", private.display()),
        format!("--root-ca-file={}", file("ca.pem")),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={}", free_port()?),
        format!("--cert-dir={}", file("certificates")),
        "--leader-elect=false".to_owned(),
        "--concurrent-namespace-syncs=10".to_owned(),
        "--kube-api-qps=200".to_owned(),
        "--kube-api-burst=400".to_owned(),
    ]);
    Ok(command)
}
