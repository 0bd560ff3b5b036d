//! A Kubernetes control plane of one's own: etcd, kube-apiserver and kube-controller-manager on loopback, with RBAC on.

mod binaries;
mod control_plane;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::api::Api;
use crate::audit::Audit;
use crate::failure::{Result, While};
use crate::kubectl::Kubectl;
use crate::{places, tls};
use binaries::Binaries;
use control_plane::ControlPlane;

/// The operator's namespace and ServiceAccount, as `deploy/base` names them.
pub const OPERATOR: &str = "azureml-operator";

/// Builds the programs of the control plane where they are not built.
///
/// # Errors
/// When Go is missing or the build fails.
pub fn build() -> Result {
    Binaries::find().map(|_| ())
}

/// A cluster with the custom resources and the operator's RBAC in it.
#[derive(Debug)]
pub struct Cluster {
    // First in the order of ends: it writes to the folder.
    control_plane: Option<ControlPlane>,
    kubectl: Kubectl,
    api: Api,
    folder: TempDir,
}

impl Cluster {
    /// A new cluster, ready for an operator; or the one that `AZUREML_TEST_KUBECONFIG` names.
    ///
    /// # Errors
    /// When a part does not come up; its log is in the message.
    pub async fn start() -> Result<Self> {
        tls::install_provider();
        let folder = places::scratch("cluster")?;
        if let Some(kubeconfig) = std::env::var_os("AZUREML_TEST_KUBECONFIG") {
            return Self::existing(folder, PathBuf::from(kubeconfig)).await;
        }
        // The build blocks for minutes where it is not cached.
        let binaries = tokio::task::spawn_blocking(Binaries::find).await.doing("building the control plane")??;
        let mut control_plane = ControlPlane::start(&binaries, folder.path()).await?;
        let kubeconfig = folder.path().join("admin.kubeconfig");
        let kubectl = Kubectl::new(binaries.path("kubectl"), kubeconfig);
        let api = Api::new(kubectl.kubeconfig()).await?;
        install(&kubectl, &api).await?;
        // Only now: the garbage collector learns of new kinds no more often than each half minute.
        control_plane.start_controllers(&binaries)?;
        crate::record::follow(api.client());
        Ok(Self { folder, control_plane: Some(control_plane), kubectl, api })
    }

    async fn existing(folder: TempDir, kubeconfig: PathBuf) -> Result<Self> {
        let kubectl = Kubectl::new(PathBuf::from("kubectl"), kubeconfig);
        let api = Api::new(kubectl.kubeconfig()).await?;
        install(&kubectl, &api).await?;
        Ok(Self { folder, control_plane: None, kubectl, api })
    }

    /// kubectl as its administrator.
    #[must_use]
    pub fn kubectl(&self) -> &Kubectl {
        &self.kubectl
    }

    /// Its API as its administrator.
    #[must_use]
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// Where its files and logs are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it wrote down of each write; none for a cluster that was not started here.
    #[must_use]
    pub fn audit(&self) -> Option<Audit> {
        self.control_plane.as_ref().map(|plane| Audit::new(plane.audit_log()))
    }

    /// A kubeconfig by which a program acts as a ServiceAccount, with a token as a Pod would have.
    ///
    /// # Errors
    /// When the API server refuses the token.
    pub async fn kubeconfig_as(&self, namespace: &str, account: &str) -> Result<PathBuf> {
        let token = self.kubectl.run(&["create", "token", account, "-n", namespace, "--duration=24h"]).await?;
        crate::secrets::note("ServiceAccount token", token.trim());
        let mut config =
            self.kubectl.run_json(&["config", "view", "--raw", "--minify", "--flatten", "-o", "json"]).await?;
        config["users"] = json!([{"name": account, "user": {"token": token.trim()}}]);
        config["contexts"] = json!([{"name": "default", "context": {
            "cluster": config["clusters"][0]["name"], "user": account, "namespace": namespace}}]);
        config["current-context"] = json!("default");
        let path = self.folder.path().join(format!("{namespace}-{account}.kubeconfig"));
        tls::write(&path, &config.to_string())?;
        Ok(path)
    }

    /// The issuer of its service accounts' tokens and the keys that verify them.
    ///
    /// # Errors
    /// When it does not publish them.
    pub async fn issuer(&self) -> Result<(String, Value)> {
        let configuration = self.kubectl.run_json(&["get", "--raw", "/.well-known/openid-configuration"]).await?;
        let issuer = configuration["issuer"].as_str().doing("the issuer of service account tokens")?;
        let keys = self.kubectl.run_json(&["get", "--raw", "/openid/v1/jwks"]).await?;
        Ok((issuer.to_owned(), keys))
    }

    /// Ends its processes and removes their files.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn stop(&self) -> Result {
        if let Some(plane) = &self.control_plane {
            plane.stop()?;
        }
        places::remove(self.folder.path())
    }
}

/// What an administrator applies before the operator: the custom resources, its namespace and its rights.
async fn install(kubectl: &Kubectl, api: &Api) -> Result {
    let root = places::root();
    kubectl.run(&["apply", "--server-side", "-f", &root.join("crds").to_string_lossy()]).await?;
    kubectl.run(&["wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"]).await?;
    let rights = rights(kubectl, &root.join("deploy/base")).await?;
    kubectl.run_with(&["apply", "--server-side", "-f", "-"], &rights).await?;
    api.wait_for("ServiceAccount", OPERATOR, OPERATOR, Duration::from_secs(30), |_| true).await.map(|_| ())
}

/// What `deploy/base` makes, less the Deployment: there is no node here to run its Pod on.
async fn rights(kubectl: &Kubectl, base: &Path) -> Result<String> {
    let rendered = kubectl.run(&["kustomize", &base.to_string_lossy()]).await?;
    let documents = rendered.split("\n---\n").filter(|document| !document.contains("\nkind: Deployment"));
    Ok(documents.collect::<Vec<_>>().join("\n---\n"))
}
