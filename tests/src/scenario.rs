//! A test's own corner of the shared world: a namespace, a workspace in the emulator, and a principal with its Secret.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::api::{self, Api};
use crate::azure::{Azure, Place};
use crate::cluster::{Cluster, OPERATOR};
use crate::diagnosis;
use crate::emulator::{Answered, Emulator};
use crate::failure::{Failure, Result, While};
use crate::operator::{Operator, Options};
use crate::site::Site;
use crate::world::World;

/// How long a test waits for something before it fails: far longer than it takes, as many tests share two cores.
pub const LIMIT: Duration = Duration::from_secs(180);

/// A test's own corner of the shared world.
#[derive(Debug)]
pub struct Scenario {
    /// What all tests share.
    pub world: Arc<World>,
    /// The cluster.
    pub cluster: Arc<Cluster>,
    /// The emulator.
    pub emulator: Arc<Emulator>,
    /// The web site.
    pub site: Arc<Site>,
    /// The namespace.
    pub namespace: String,
    /// The workspace in the emulator.
    pub azure: Azure,
    /// The number of the emulator's first request of this test.
    since: u64,
    /// The position in the audit log where this test began.
    audited: u64,
}

impl Scenario {
    /// On the cluster that tests share, watched by the operator that they share. The namespace holds the Secret and the
    /// AmlWorkspace `ml-ops`.
    ///
    /// # Errors
    /// When something does not come up.
    pub async fn start(world: &Arc<World>, name: &str) -> Result<Self> {
        let scenario = Self::prepare(world, world.cluster().await?, name).await?;
        world.operator().await?;
        scenario.apply(&scenario.azure.workspace("ml-ops")).await?;
        Ok(scenario)
    }

    /// The same without an AmlWorkspace.
    ///
    /// # Errors
    /// When something does not come up.
    pub async fn bare(world: &Arc<World>, name: &str) -> Result<Self> {
        let scenario = Self::prepare(world, world.cluster().await?, name).await?;
        world.operator().await?;
        Ok(scenario)
    }

    /// On the cluster where no operator runs but those that tests start; without an AmlWorkspace.
    ///
    /// # Errors
    /// When something does not come up.
    pub async fn lone(world: &Arc<World>, name: &str) -> Result<Self> {
        Self::prepare(world, world.lone_cluster().await?, name).await
    }

    /// On a cluster that the test starts itself; no operator runs there, and there is no AmlWorkspace.
    ///
    /// # Errors
    /// When something does not come up.
    pub async fn on(world: &Arc<World>, cluster: Arc<Cluster>, name: &str) -> Result<Self> {
        Self::prepare(world, cluster, name).await
    }

    /// As [`Scenario::lone`], with an emulator of its own, whose clock the test may step; the test stops it.
    ///
    /// # Errors
    /// When something does not come up.
    pub async fn apart(world: &Arc<World>, name: &str) -> Result<Self> {
        let (cluster, emulator) = (world.lone_cluster().await?, Arc::new(Emulator::start().await?));
        let place = Place::unique(name);
        let namespace = format!("{name}-{}", &place.location["region".len()..]);
        let azure = Azure::new(&emulator, place).await?;
        Self::with_emulator(world, cluster, emulator, namespace, azure).await
    }

    async fn prepare(world: &Arc<World>, cluster: Arc<Cluster>, name: &str) -> Result<Self> {
        let place = Place::unique(name);
        let namespace = format!("{name}-{}", &place.location["region".len()..]);
        let azure = Azure::new(&*world.emulator().await?, place).await?;
        Self::in_namespace(world, cluster, namespace, azure).await
    }

    /// The same workspace in Azure and the same namespace on another cluster, with what an administrator puts there.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn again(&self, cluster: Arc<Cluster>) -> Result<Self> {
        Self::in_namespace(&self.world, cluster, self.namespace.clone(), self.azure.clone()).await
    }

    /// The same workspace in Azure from another namespace of the same cluster.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn beside(&self) -> Result<Self> {
        let namespace = format!("{}-beside", self.namespace);
        Self::in_namespace(&self.world, self.cluster.clone(), namespace, self.azure.clone()).await
    }

    async fn in_namespace(world: &Arc<World>, cluster: Arc<Cluster>, namespace: String, azure: Azure) -> Result<Self> {
        let emulator = world.emulator().await?;
        Self::with_emulator(world, cluster, emulator, namespace, azure).await
    }

    async fn with_emulator(
        world: &Arc<World>,
        cluster: Arc<Cluster>,
        emulator: Arc<Emulator>,
        namespace: String,
        azure: Azure,
    ) -> Result<Self> {
        let site = world.site().await?;
        let since = emulator.position().await?;
        let audited = cluster.audit().map_or(0, |audit| audit.position());
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        cluster.api().apply("", &object).await?;
        let world = world.clone();
        let scenario = Self { world, cluster, emulator, site, namespace, azure, since, audited };
        scenario.apply(&scenario.azure.secret()).await?;
        Ok(scenario)
    }

    /// An operator of this namespace alone, for [`Scenario::lone`].
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn operator(&self) -> Result<Operator> {
        self.operator_with(Options::only(&self.namespace)).await
    }

    /// The same by other options.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn operator_with(&self, options: Options) -> Result<Operator> {
        Operator::start(&self.cluster, &self.emulator, &self.site, options).await
    }

    /// The API.
    #[must_use]
    pub fn api(&self) -> &Api {
        self.cluster.api()
    }

    /// Applies an object in the namespace.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn apply(&self, object: &Value) -> Result<Value> {
        self.api().apply(&self.namespace, object).await
    }

    /// Applies objects in this order.
    ///
    /// # Errors
    /// When the API server refuses one.
    pub async fn apply_all(&self, objects: &[Value]) -> Result {
        for object in objects {
            self.apply(object).await?;
        }
        Ok(())
    }

    /// Applies an object of one of the seven kinds, whose spec gets `workspaceRef` where the kind has one.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn put(&self, kind: &str, name: &str, spec: Value) -> Result<Value> {
        let mut spec = spec;
        if !matches!(kind, "AmlWorkspace" | "AmlPipelineRun") && spec.get("workspaceRef").is_none() {
            spec["workspaceRef"] = json!({"name": "ml-ops"});
        }
        let object =
            json!({"apiVersion": "azureml.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec});
        self.apply(&object).await
    }

    /// An object, or none.
    ///
    /// # Errors
    /// When the API server can't be asked.
    pub async fn get(&self, kind: &str, name: &str) -> Result<Option<Value>> {
        self.api().get(kind, &self.namespace, name).await
    }

    /// Changes the spec of an object by a merge patch.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn change(&self, kind: &str, name: &str, spec: Value) -> Result<Value> {
        self.api().patch(kind, &self.namespace, name, &json!({"spec": spec})).await
    }

    /// Sets an annotation.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn annotate(&self, kind: &str, name: &str, key: &str, value: &str) -> Result<Value> {
        self.api().annotate(kind, &self.namespace, name, key, value).await
    }

    /// Deletes an object and waits until it is gone.
    ///
    /// # Errors
    /// When it is not gone within the limit; the namespace as it is then is in the message.
    pub async fn delete(&self, kind: &str, name: &str) -> Result {
        self.api().delete(kind, &self.namespace, name).await?;
        let gone = self.api().wait_gone(kind, &self.namespace, name, LIMIT).await;
        self.explained(gone).await
    }

    /// The object, as soon as it is as wanted.
    ///
    /// # Errors
    /// When it is not within the limit; the namespace as it is then is in the message.
    pub async fn wait(&self, kind: &str, name: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let found = self.api().wait_for(kind, &self.namespace, name, LIMIT, wanted).await;
        self.explained(found.doing(what)).await
    }

    /// The object, as soon as it is Ready.
    ///
    /// # Errors
    /// As [`Scenario::wait`].
    pub async fn ready(&self, kind: &str, name: &str) -> Result<Value> {
        self.wait(kind, name, "waiting for Ready", api::ready).await
    }

    /// The object, as soon as it is Stalled for this reason; the message must be there and lead somewhere.
    ///
    /// # Errors
    /// As [`Scenario::wait`].
    pub async fn stalled(&self, kind: &str, name: &str, reason: &str) -> Result<Value> {
        self.wait(kind, name, &format!("waiting for Stalled, {reason}"), |object| api::stalled(object, reason)).await
    }

    /// The object, as soon as a condition of it has this status and reason.
    ///
    /// # Errors
    /// As [`Scenario::wait`].
    pub async fn condition(&self, kind: &str, name: &str, of: [&str; 3]) -> Result<Value> {
        let [condition, status, reason] = of;
        let wanted = |object: &Value| {
            api::is(object, condition, status)
                && api::condition(object, condition).is_some_and(|found| found["reason"] == reason)
        };
        self.wait(kind, name, &format!("waiting for {condition}={status}, {reason}"), wanted).await
    }

    /// Waits until an object is not Ready for this reason, and checks that `kubectl get` and `kubectl describe` tell a
    /// person the reason and these words.
    ///
    /// # Errors
    /// As [`Scenario::wait`].
    pub async fn tells(&self, kind: &str, name: &str, reason: &str, words: &[&str]) -> Result<Value> {
        let object = self.condition(kind, name, ["Ready", "False", reason]).await?;
        let kubectl = self.cluster.kubectl();
        let row = kubectl.run(&["get", "-n", &self.namespace, kind, name]).await?;
        let text = kubectl.describe(&self.namespace, kind, name).await?;
        // Describe breaks lines where it likes.
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let missing: Vec<&str> = words.iter().copied().filter(|word| !flat.contains(word)).collect();
        if row.contains(reason) && missing.is_empty() {
            return Ok(object);
        }
        self.explained(Err(Failure::new(format!(
            "{kind} {name} does not tell {reason} and {missing:?}:\n{row}\n{text}"
        ))))
        .await
    }

    /// The first object of a kind that is as wanted: for those whose name the operator chooses.
    ///
    /// # Errors
    /// As [`Scenario::wait`].
    pub async fn wait_any(&self, kind: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let found = self.find(kind, what, wanted).await;
        self.explained(found).await
    }

    async fn find(&self, kind: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let deadline = tokio::time::Instant::now() + LIMIT;
        loop {
            let all = self.api().list(kind, &self.namespace).await?;
            if let Some(found) = all.iter().find(|object| wanted(object)) {
                return Ok(found.clone());
            }
            if tokio::time::Instant::now() > deadline {
                return Err(Failure::new(format!("{what}: none of {} {kind} is as wanted after {LIMIT:?}", all.len())));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The writes to this workspace's Azure since the test began.
    ///
    /// # Errors
    /// When the emulator does not answer.
    pub async fn azure_writes(&self) -> Result<Vec<Answered>> {
        Ok(self.emulator.requests(self.since, &self.azure.place.subscription, true).await?.requests)
    }

    /// The same since a later position of the emulator.
    ///
    /// # Errors
    /// When the emulator does not answer.
    pub async fn azure_writes_since(&self, position: u64) -> Result<Vec<Answered>> {
        Ok(self.emulator.requests(position, &self.azure.place.subscription, true).await?.requests)
    }

    /// All requests about this workspace since the test began.
    ///
    /// # Errors
    /// When the emulator does not answer.
    pub async fn azure_requests(&self) -> Result<Vec<Answered>> {
        Ok(self.emulator.requests(self.since, &self.azure.place.subscription, false).await?.requests)
    }

    /// The reasons of the events about objects of a kind.
    ///
    /// # Errors
    /// When the API server can't be asked.
    pub async fn reasons(&self, kind: &str) -> Result<Vec<String>> {
        let events = self.api().list("Event", &self.namespace).await?;
        let about = events.iter().filter(|event| event["regarding"]["kind"] == kind);
        Ok(about.filter_map(|event| event["reason"].as_str().map(str::to_owned)).collect())
    }

    /// Waits for an event about an object of a kind: events are written beside the status, not before it.
    ///
    /// # Errors
    /// When it does not come within the limit.
    pub async fn event(&self, kind: &str, reason: &str) -> Result {
        let wanted = |event: &Value| event["regarding"]["kind"] == kind && event["reason"] == reason;
        self.wait_any("Event", &format!("an event {reason} of {kind}"), wanted).await.map(|_| ())
    }

    /// The operator's writes to this namespace since the test began.
    ///
    /// # Errors
    /// When the audit log can't be read, or there is none.
    pub fn kubernetes_writes(&self) -> Result<Vec<crate::audit::Write>> {
        let audit = self.cluster.audit().doing("the audit log of a cluster that was not started here")?;
        let all = audit.writes(self.audited, OPERATOR, OPERATOR)?;
        Ok(all.into_iter().filter(|write| write.namespace == self.namespace).collect())
    }

    /// What the workspace holds in Azure.
    ///
    /// # Errors
    /// When the emulator does not answer.
    pub async fn azure_state(&self) -> Result<Value> {
        self.emulator.state(&self.azure.place.workspace_id()).await
    }

    /// A failure with the state of the test's corner of the world behind it.
    ///
    /// # Errors
    /// The failure.
    pub async fn explained<T>(&self, result: Result<T>) -> Result<T> {
        match result {
            Ok(value) => Ok(value),
            Err(failure) => Err(Failure::new(format!("{failure}\n{}", diagnosis::of(self).await))),
        }
    }
}
