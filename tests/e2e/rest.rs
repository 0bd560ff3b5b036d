//! At rest nothing is written: not to Azure, and not to Kubernetes but the bookkeeping of Leases and Events.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use azureml_operator_tests::api::OURS;
use azureml_operator_tests::cluster::OPERATOR;
use azureml_operator_tests::emulator::Answered;
use azureml_operator_tests::failure::{Failure, Result, While};
use azureml_operator_tests::operator::{Operator, Options};
use azureml_operator_tests::scenario::{LIMIT, Scenario};
use azureml_operator_tests::world::World;
use tokio::time::Instant;

use crate::small;
use crate::suite::Suite;

/// How often each object has to have been looked at.
const LOOKS: u64 = 10;
/// How often the test counts the looks.
const POLL: Duration = Duration::from_millis(200);

/// Adds the tests.
pub fn tests(suite: &mut Suite) {
    suite.add("rest::nothing_is_written_while_each_object_is_looked_at_ten_times", at_rest);
}

async fn at_rest(world: Arc<World>) -> Result {
    let scenario = Scenario::lone(&world, "rest").await?;
    let options = Options { resync: "1s", full_look: "4s", ..Options::only(&scenario.namespace) };
    let operator = scenario.operator_with(options).await?;
    scenario.apply_all(&small::objects(&scenario)).await?;
    small::all_ready(&scenario).await?;
    // A test that can't see writes would be content with any number of them.
    let (azure, kubernetes) = (scenario.azure_writes().await?, scenario.kubernetes_writes()?);
    if azure.is_empty() || kubernetes.is_empty() {
        return Err(Failure::new(format!("{azure:?} and {kubernetes:?} were seen of the whole flow")));
    }
    // What came last to Ready is told to those who count it: two looks at each are enough for that.
    Window::open(&scenario, &operator).await?.wait(2).await?;
    let window = Window::open(&scenario, &operator).await?;
    window.wait(LOOKS).await?;
    let written = window.written().await?;
    let asked = window.asked_by_themselves().await?;
    small::all_ready(&scenario).await?;
    if !asked.is_empty() {
        let failure = Failure::new(format!("lists tell of these, and they were asked for at rest: {asked:?}"));
        return scenario.explained(Err(failure)).await;
    }
    if written.is_empty() {
        return Ok(());
    }
    scenario.explained(Err(Failure::new(format!("written at rest:\n{}", written.join("\n"))))).await
}

/// From a moment on.
struct Window<'a> {
    scenario: &'a Scenario,
    operator: &'a Operator,
    request: u64,
    audited: u64,
    reconciles: BTreeMap<&'static str, u64>,
}

impl<'a> Window<'a> {
    async fn open(scenario: &'a Scenario, operator: &'a Operator) -> Result<Self> {
        Ok(Self {
            scenario,
            operator,
            request: scenario.emulator.position().await?,
            audited: scenario.cluster.audit().doing("the cluster's audit log")?.position(),
            reconciles: reconciles(operator).await?,
        })
    }

    /// Waits until each object was looked at so often: by the operator's own count, one object a kind, and by what Azure
    /// was asked: the workspace itself, the lists that the others are in, and now and then what no list tells.
    async fn wait(&self, looks: u64) -> Result {
        let deadline = Instant::now() + LIMIT;
        loop {
            let counts = self.counts().await?;
            if counts.values().all(|count| *count >= looks) {
                return Ok(());
            }
            if Instant::now() > deadline {
                let failure = Failure::new(format!("not each object was looked at {looks} times: {counts:?}"));
                return self.scenario.explained(Err(failure)).await;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn counts(&self) -> Result<BTreeMap<String, u64>> {
        let now = reconciles(self.operator).await?;
        let mut counts: BTreeMap<String, u64> = OURS
            .iter()
            .map(|kind| {
                let count = |all: &BTreeMap<&'static str, u64>| all.get(kind).copied().unwrap_or_default();
                ((*kind).to_owned(), count(&now) - count(&self.reconciles))
            })
            .collect();
        let requests = self.requests().await?;
        for below in ["", "/computes", "/data", "/models", "/onlineEndpoints", "/onlineEndpoints/serve/deployments"] {
            counts.insert(format!("GET workspace{below}"), count(&requests, "GET", |path| path == below));
        }
        // A full look is due four times less often.
        let in_full = |method: &str, path: &str| (count(&requests, method, |of| of.starts_with(path)) * 4).min(LOOKS);
        counts.insert("full looks at the dataset".to_owned(), in_full("GET", "/data/rows/versions/"));
        counts.insert("full looks at the model".to_owned(), in_full("GET", "/models/model/versions"));
        counts.insert("full looks at the keys".to_owned(), in_full("POST", "/onlineEndpoints/serve/listKeys"));
        Ok(counts)
    }

    /// The requests about the workspace: method and path below its id.
    async fn requests(&self) -> Result<Vec<(String, String)>> {
        let place = &self.scenario.azure.place;
        let all = self.scenario.emulator.requests(self.request, &place.subscription, false).await?.requests;
        let id = place.workspace_id();
        let below = |request: Answered| {
            let path = request.path.get(id.len()..)?.to_owned();
            request.path.get(..id.len())?.eq_ignore_ascii_case(&id).then_some((request.method, path))
        };
        Ok(all.into_iter().filter_map(below).collect())
    }

    /// What is in a list and was asked for by itself all the same.
    async fn asked_by_themselves(&self) -> Result<Vec<String>> {
        let listed = ["/computes/cpu", "/data/rows", "/models/model", "/onlineEndpoints/serve"];
        let requests = self.requests().await?.into_iter();
        Ok(requests.filter(|(_, path)| listed.contains(&path.as_str())).map(|(_, path)| path).collect())
    }

    /// All that was written since.
    async fn written(&self) -> Result<Vec<String>> {
        let azure = &self.scenario.emulator;
        let arm = azure.requests(self.request, &self.scenario.azure.place.subscription, true).await?.requests;
        let blob =
            azure.requests(self.request, &format!("/blob/{}/", account(self.scenario).await?), true).await?.requests;
        let azure = arm.iter().chain(&blob).filter(|request| changes(request));
        let mut all: Vec<String> = azure.map(|request| format!("Azure: {} {}", request.method, request.path)).collect();
        let audit = self.scenario.cluster.audit().doing("the cluster's audit log")?;
        let kubernetes = audit.writes(self.audited, OPERATOR, OPERATOR)?.into_iter();
        let own = kubernetes.filter(|write| write.namespace == self.scenario.namespace);
        let counts = own.filter(|write| !["events", "leases"].contains(&write.resource.as_str()));
        all.extend(counts.map(|write| format!("Kubernetes: {} {} {}", write.verb, write.resource, write.name)));
        Ok(all)
    }
}

/// How many requests of a method have such a path.
fn count(requests: &[(String, String)], method: &str, path: impl Fn(&str) -> bool) -> u64 {
    requests.iter().filter(|(by, of)| by == method && path(of)).count() as u64
}

/// A POST that asks for keys writes nothing.
fn changes(request: &Answered) -> bool {
    request.method != "POST" || !request.path.to_lowercase().ends_with("/listkeys")
}

/// The workspace's storage account.
async fn account(scenario: &Scenario) -> Result<String> {
    let state = scenario.azure_state().await?;
    let id = &state["resources"][scenario.azure.place.workspace_id()]["properties"]["storageAccount"];
    let name = id.as_str().and_then(|id| id.rsplit('/').next()).doing("the workspace's storage account")?;
    Ok(name.to_lowercase())
}

/// How many reconciles went well, by kind.
async fn reconciles(operator: &Operator) -> Result<BTreeMap<&'static str, u64>> {
    let metrics = operator.metrics().await?;
    let mut all = BTreeMap::new();
    for kind in OURS {
        let label = format!("kind=\"{kind}\"");
        let line = metrics.lines().find(|line| {
            line.starts_with("azureml_operator_reconciles_total{")
                && line.contains(&label)
                && line.contains("result=\"success\"")
        });
        let count = line.and_then(|line| line.rsplit(' ').next()).and_then(|count| count.parse().ok());
        all.insert(kind, count.unwrap_or_default());
    }
    Ok(all)
}
