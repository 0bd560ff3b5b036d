//! Of several replicas the holder of the Lease acts, and nobody else.

use std::path::PathBuf;
use std::sync::Arc;

use azureml_operator_tests::cluster::OPERATOR;
use azureml_operator_tests::door::{Door, Moment, Write};
use azureml_operator_tests::failure::{Failure, Result, While};
use azureml_operator_tests::operator::{Operator, Options};
use azureml_operator_tests::places;
use azureml_operator_tests::scenario::{LIMIT, Scenario};
use azureml_operator_tests::world::World;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::small;
use crate::suite::Suite;

/// Short for a Lease, and long beside what an API server takes on a machine that runs many tests.
const LEASE: &str = "15s";

/// Adds the tests.
pub fn tests(suite: &mut Suite) {
    suite.add("leader::the_other_replica_goes_on_with_what_the_killed_leader_began", killed);
    suite.add("leader::a_leader_that_was_frozen_longer_than_its_lease_writes_nothing_more", frozen);
    suite.add("leader::a_leader_that_cannot_renew_its_lease_ends_before_another_begins", cut_off);
    suite.add("leader::a_leader_that_is_told_to_stop_hands_over_before_its_lease_runs_out", told_to_stop);
}

/// Replicas of one operator, by a Lease of their own.
struct Replicas {
    scenario: Scenario,
    duration: &'static str,
}

impl Replicas {
    async fn prepare(world: &Arc<World>, name: &str, duration: &'static str) -> Result<Self> {
        let scenario = Scenario::lone(world, name).await?;
        Ok(Self { scenario, duration })
    }

    async fn start(&self, kubeconfig: Option<PathBuf>) -> Result<Operator> {
        let name = self.scenario.namespace.as_str();
        let arguments = ["--leader-elect", "--lease-namespace", OPERATOR, "--lease-name", name];
        let arguments = arguments.into_iter().chain(["--lease-duration", self.duration]).map(str::to_owned).collect();
        self.scenario.operator_with(Options { arguments, kubeconfig, ..Options::only(name) }).await
    }

    /// The Lease, once somebody else than `not` holds it.
    async fn held(&self, not: Option<&str>) -> Result<Value> {
        let wanted = |lease: &Value| holder(lease).is_some_and(|holder| Some(holder) != not);
        let name = self.scenario.namespace.as_str();
        let found = self.scenario.api().wait_for("Lease", OPERATOR, name, LIMIT, wanted).await;
        self.scenario.explained(found.doing("waiting for a holder of the Lease")).await
    }

    /// A leader, and one that waits for the Lease.
    async fn two(&self) -> Result<(Operator, String, Operator)> {
        let leader = self.start(None).await?;
        let name = holder(&self.held(None).await?).unwrap_or_default().to_owned();
        Ok((leader, name, self.start(None).await?))
    }

    async fn compute(&self, name: &str) -> Result<Value> {
        let spec = json!({"size": "Standard_DS3_v2", "scale": {"minNodes": 0, "maxNodes": 1}});
        self.scenario.put("AmlCompute", name, spec).await
    }

    async fn begin(&self) -> Result {
        self.scenario.apply(&self.scenario.azure.workspace("ml-ops")).await?;
        self.scenario.ready("AmlWorkspace", "ml-ops").await.map(drop)
    }

    /// The writes to something below the workspace in Azure.
    async fn writes_to(&self, below: &str) -> Result<Vec<String>> {
        let id = format!("{}/{below}", self.scenario.azure.place.workspace_id());
        let all = self.scenario.azure_writes().await?.into_iter();
        let own = all.filter(|write| write.path.eq_ignore_ascii_case(&id));
        Ok(own.map(|write| format!("{} {}", write.method, write.status.unwrap_or_default())).collect())
    }
}

fn holder(lease: &Value) -> Option<&str> {
    lease["spec"]["holderIdentity"].as_str().filter(|name| !name.is_empty())
}

async fn killed(world: Arc<World>) -> Result {
    let replicas = Replicas::prepare(&world, "replica-killed", LEASE).await?;
    let scenario = &replicas.scenario;
    let (mut leader, name, other) = replicas.two().await?;
    for slow in ["computes/late", "onlineEndpoints/serve/deployments/[^/]+"] {
        let path = format!("(?i)^{}/{slow}$", scenario.azure.place.workspace_id());
        let slow = json!({"method": "PUT", "path": path, "effect": {"operationTakesMilliseconds": 40000}});
        scenario.emulator.fault(&slow).await?;
    }
    scenario.apply_all(&small::objects(scenario)).await?;
    let under_way = |object: &Value| object["status"]["operation"]["kind"] == "PutDeployment";
    let endpoint =
        leader.explained(scenario.wait("AmlEndpoint", "serve", "waiting for a deployment", under_way).await)?;
    let operation = operation_path(&endpoint)?;
    replicas.compute("late").await?;
    let under_way = |object: &Value| object["status"]["provisioningState"] == "Creating";
    scenario.wait("AmlCompute", "late", "waiting for the operation to be under way", under_way).await?;
    leader.kill()?;
    let since = scenario.emulator.position().await?;
    replicas.held(Some(&name)).await?;
    for (kind, name) in [("AmlCompute", "late"), ("AmlEndpoint", "serve")] {
        other.explained(scenario.ready(kind, name).await)?;
    }
    let deployment = format!("onlineEndpoints/serve/deployments/{}", stable(scenario).await?);
    for below in ["computes/late", &deployment] {
        let writes = replicas.writes_to(below).await?;
        if writes != ["PUT 201"] {
            return Err(Failure::new(format!("one PUT of {below} was expected: {writes:?}")));
        }
    }
    // It is the recorded operation that the other one asks about.
    let polls = scenario.emulator.requests(since, &operation, false).await?.requests.len();
    if polls > 0 { Ok(()) } else { Err(Failure::new(format!("nobody asked for {operation} any more"))) }
}

/// The path of the operation that the status remembers.
fn operation_path(object: &Value) -> Result<String> {
    let text = object["status"]["operation"]["url"].as_str().unwrap_or_default();
    Ok(url::Url::parse(text).doing(format!("status.operation.url {text:?}"))?.path().to_owned())
}

async fn stable(scenario: &Scenario) -> Result<String> {
    let endpoint = scenario.get("AmlEndpoint", "serve").await?.doing("the endpoint")?;
    endpoint["status"]["stable"]["deployment"].as_str().map(str::to_owned).doing("the stable deployment")
}

async fn frozen(world: Arc<World>) -> Result {
    let replicas = Replicas::prepare(&world, "replica-frozen", LEASE).await?;
    let scenario = &replicas.scenario;
    let (mut leader, name, mut other) = replicas.two().await?;
    replicas.begin().await?;
    leader.signal(Signal::STOP)?;
    replicas.held(Some(&name)).await?;
    replicas.compute("cpu").await?;
    other.explained(scenario.ready("AmlCompute", "cpu").await)?;
    other.kill()?;
    // There is work now that nobody does, and the first thing that the one who wakes up sees is that.
    replicas.compute("more").await?;
    let (azure, kubernetes) = (scenario.azure_writes().await?.len(), scenario.kubernetes_writes()?.len());
    leader.signal(Signal::CONT)?;
    let log = leader.log();
    let status = leader.ended(LIMIT).await?;
    let (after, written) = (scenario.azure_writes().await?, scenario.kubernetes_writes()?);
    if status.success() || after.len() > azure || written.len() > kubernetes {
        return Err(Failure::new(format!(
            "the frozen leader ended with {status} and wrote {:?} and {:?}\n{}",
            &after[azure..],
            &written[kubernetes..],
            azureml_operator_tests::process::tail(&log, 40)
        )));
    }
    leader.launch()?;
    leader.explained(scenario.ready("AmlCompute", "more").await).map(drop)
}

async fn cut_off(world: Arc<World>) -> Result {
    let replicas = Replicas::prepare(&world, "replica-cut-off", LEASE).await?;
    let scenario = &replicas.scenario;
    let folder = places::scratch("door")?;
    let straight = scenario.cluster.kubeconfig_as(OPERATOR, OPERATOR).await?;
    let door = Door::open(&straight, folder.path()).await?;
    let mut leader = replicas.start(Some(door.kubeconfig().to_owned())).await?;
    let name = holder(&replicas.held(None).await?).unwrap_or_default().to_owned();
    let other = replicas.start(None).await?;
    // The renewal after some more is its last: its answer and all that follows is kept back.
    let renewals = door.writes().iter().filter(|write| write.method == "PUT" && write.resource == "leases").count();
    door.hold(Write { method: "PUT".to_owned(), resource: "leases".to_owned(), nth: renewals + 2 }, Moment::Answered);
    door.caught(LIMIT).await?;
    let log = leader.log();
    let status = leader.ended(LIMIT).await?;
    let taken = replicas.held(Some(&name)).await?;
    let lost = lost_at(&log)?;
    let acquired = taken["spec"]["acquireTime"].as_str().unwrap_or_default();
    let acquired: jiff::Timestamp = acquired.parse().doing("the Lease's acquireTime")?;
    if status.success() || lost >= acquired {
        return Err(Failure::new(format!("it lost the Lease at {lost}, taken at {acquired}, and ended with {status}")));
    }
    replicas.begin().await?;
    other.check_runs()
}

/// When a replica's log says that it leads no more.
fn lost_at(log: &std::path::Path) -> Result<jiff::Timestamp> {
    let text = std::fs::read_to_string(log).doing(log.display())?;
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut lost = lines.filter(|line| line["fields"]["leads"] == false || line["leads"] == false);
    let line = lost.next().ok_or_else(|| Failure::new(format!("it does not say that it lost the Lease:\n{text}")))?;
    line["timestamp"].as_str().unwrap_or_default().parse().doing("the log's timestamp")
}

async fn told_to_stop(world: Arc<World>) -> Result {
    let replicas = Replicas::prepare(&world, "replica-stopped", "60s").await?;
    let (mut leader, name, other) = replicas.two().await?;
    let before = replicas.held(None).await?;
    leader.stop().await?;
    let taken = other.explained(replicas.held(Some(&name)).await)?;
    let time = |lease: &Value, field: &str| -> Result<jiff::Timestamp> {
        lease["spec"][field].as_str().unwrap_or_default().parse().doing(field.to_owned())
    };
    let between = time(&taken, "acquireTime")?.duration_since(time(&before, "renewTime")?);
    // By the Lease's own times: it was not waited for.
    if between.as_secs() < 60 { Ok(()) } else { Err(Failure::new(format!("taken after {between:?}"))) }
}
