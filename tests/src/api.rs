//! The Kubernetes API as JSON: cheaper than a kubectl process each time a test looks.

use std::path::Path;
use std::time::{Duration, Instant};

use http::{Method, Request};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config, Error};
use serde_json::{Value, json};

use crate::failure::{Failure, Result, While};

/// How often a test looks whether what it waits for has come.
const POLL: Duration = Duration::from_millis(100);

/// Who wrote a field, in server-side apply.
const FIELD_MANAGER: &str = "azureml-operator-tests";

/// Kinds whose plural or group is not what their name says: (kind, API path, plural, lies in a namespace).
const KINDS: [(&str, &str, &str, bool); 16] = [
    ("AmlWorkspace", "apis/azureml.dev/v1alpha1", "amlworkspaces", true),
    ("AmlCompute", "apis/azureml.dev/v1alpha1", "amlcomputes", true),
    ("AmlDataset", "apis/azureml.dev/v1alpha1", "amldatasets", true),
    ("AmlPipeline", "apis/azureml.dev/v1alpha1", "amlpipelines", true),
    ("AmlPipelineRun", "apis/azureml.dev/v1alpha1", "amlpipelineruns", true),
    ("AmlModel", "apis/azureml.dev/v1alpha1", "amlmodels", true),
    ("AmlEndpoint", "apis/azureml.dev/v1alpha1", "amlendpoints", true),
    ("Namespace", "api/v1", "namespaces", false),
    ("Secret", "api/v1", "secrets", true),
    ("ConfigMap", "api/v1", "configmaps", true),
    ("ServiceAccount", "api/v1", "serviceaccounts", true),
    ("Event", "apis/events.k8s.io/v1", "events", true),
    ("Lease", "apis/coordination.k8s.io/v1", "leases", true),
    ("ClusterRole", "apis/rbac.authorization.k8s.io/v1", "clusterroles", false),
    ("ClusterRoleBinding", "apis/rbac.authorization.k8s.io/v1", "clusterrolebindings", false),
    ("Deployment", "apis/apps/v1", "deployments", true),
];

/// The seven kinds.
pub const OURS: [&str; 7] =
    ["AmlWorkspace", "AmlCompute", "AmlDataset", "AmlPipeline", "AmlPipelineRun", "AmlModel", "AmlEndpoint"];

/// The API, as whom a kubeconfig says.
#[derive(Clone)]
pub struct Api {
    client: Client,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Api")
    }
}

impl Api {
    /// By a kubeconfig file.
    ///
    /// # Errors
    /// When it can't be read.
    pub async fn new(kubeconfig: &Path) -> Result<Self> {
        let file = Kubeconfig::read_from(kubeconfig).doing(kubeconfig.display())?;
        let mut config =
            Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.doing(kubeconfig.display())?;
        config.read_timeout = Some(Duration::from_secs(60));
        Ok(Self { client: Client::try_from(config)? })
    }

    /// The typed client beneath.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// An object, or none.
    ///
    /// # Errors
    /// When the API server can't be asked.
    pub async fn get(&self, kind: &str, namespace: &str, name: &str) -> Result<Option<Value>> {
        match self.call(Method::GET, &path(kind, namespace, name)?, None, "").await {
            Ok(object) => Ok(Some(object)),
            Err(Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// All objects of a kind in a namespace.
    ///
    /// # Errors
    /// When the API server can't be asked.
    pub async fn list(&self, kind: &str, namespace: &str) -> Result<Vec<Value>> {
        let list = self.call(Method::GET, &path(kind, namespace, "")?, None, "").await?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    /// Creates an object, or brings the fields of it that tests own to what is given (server-side apply).
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn apply(&self, namespace: &str, object: &Value) -> Result<Value> {
        let (kind, name) = identity(object)?;
        let query = format!("?fieldManager={FIELD_MANAGER}&force=true");
        let path = path(kind, namespace, name)? + &query;
        Ok(self.call(Method::PATCH, &path, Some(object), "application/apply-patch+yaml").await?)
    }

    /// Creates an object, whose name the server may choose.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn create(&self, namespace: &str, object: &Value) -> Result<Value> {
        let kind = object["kind"].as_str().doing("kind")?;
        Ok(self.call(Method::POST, &path(kind, namespace, "")?, Some(object), "application/json").await?)
    }

    /// Changes an object by a JSON merge patch.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn patch(&self, kind: &str, namespace: &str, name: &str, change: &Value) -> Result<Value> {
        let path = path(kind, namespace, name)?;
        Ok(self.call(Method::PATCH, &path, Some(change), "application/merge-patch+json").await?)
    }

    /// Sets an annotation: how a person commands the operator.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn annotate(&self, kind: &str, namespace: &str, name: &str, key: &str, value: &str) -> Result<Value> {
        self.patch(kind, namespace, name, &json!({"metadata": {"annotations": {key: value}}})).await
    }

    /// Asks for an object's deletion; one that is gone is no failure.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn delete(&self, kind: &str, namespace: &str, name: &str) -> Result {
        match self.call(Method::DELETE, &path(kind, namespace, name)?, None, "").await {
            Ok(_) => Ok(()),
            Err(Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The object, as soon as it is there and as wanted.
    ///
    /// # Errors
    /// When it is not within the limit; as it is then is in the message.
    pub async fn wait_for(
        &self,
        kind: &str,
        namespace: &str,
        name: &str,
        limit: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let deadline = Instant::now() + limit;
        loop {
            let object = self.get(kind, namespace, name).await?;
            if let Some(object) = object.as_ref().filter(|object| wanted(object)) {
                return Ok(object.clone());
            }
            if Instant::now() > deadline {
                let last = object.map_or_else(|| "it is not there".to_owned(), |object| readable(&object));
                return Err(Failure::new(format!(
                    "{kind} {namespace}/{name} is not as wanted after {limit:?}: {last}"
                )));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until an object is gone.
    ///
    /// # Errors
    /// When it is still there at the limit.
    pub async fn wait_gone(&self, kind: &str, namespace: &str, name: &str, limit: Duration) -> Result {
        let deadline = Instant::now() + limit;
        while let Some(object) = self.get(kind, namespace, name).await? {
            if Instant::now() > deadline {
                let last = readable(&object);
                return Err(Failure::new(format!("{kind} {namespace}/{name} is still there after {limit:?}: {last}")));
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        content: &str,
    ) -> std::result::Result<Value, Error> {
        let mut request = Request::builder().method(method).uri(path);
        if body.is_some() {
            request = request.header(http::header::CONTENT_TYPE, content);
        }
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        self.client.request(request.body(body).map_err(Error::HttpError)?).await
    }
}

/// Kind and name of an object.
fn identity(object: &Value) -> Result<(&str, &str)> {
    let kind = object["kind"].as_str().doing("kind")?;
    Ok((kind, object["metadata"]["name"].as_str().doing("metadata.name")?))
}

fn path(kind: &str, namespace: &str, name: &str) -> Result<String> {
    let known = KINDS.iter().find(|known| known.0 == kind);
    let (_, group, plural, namespaced) = known.doing(format_args!("the path of kind {kind:?} in tests/src/api.rs"))?;
    let name = if name.is_empty() { String::new() } else { format!("/{name}") };
    Ok(if *namespaced {
        format!("/{group}/namespaces/{namespace}/{plural}{name}")
    } else {
        format!("/{group}/{plural}{name}")
    })
}

/// An object as YAML, without what nobody reads.
#[must_use]
pub fn readable(object: &Value) -> String {
    let mut object = object.clone();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    serde_saphyr::to_string(&object).unwrap_or_else(|_| object.to_string())
}

/// A condition of an object.
#[must_use]
pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
}

/// The condition is there, with this status, and speaks of the object as it is now.
#[must_use]
pub fn is(object: &Value, kind: &str, status: &str) -> bool {
    condition(object, kind).is_some_and(|condition| {
        condition["status"] == status && condition["observedGeneration"] == object["metadata"]["generation"]
    })
}

/// Ready, as it is now.
#[must_use]
pub fn ready(object: &Value) -> bool {
    is(object, "Ready", "True")
}

/// Stalled for this reason.
#[must_use]
pub fn stalled(object: &Value, reason: &str) -> bool {
    is(object, "Stalled", "True") && condition(object, "Stalled").is_some_and(|stalled| stalled["reason"] == reason)
}
