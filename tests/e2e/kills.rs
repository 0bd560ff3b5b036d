//! The operator is killed at each write that it makes, to Azure and to Kubernetes: before the write is done, after it is
//! done and before its answer arrives, and after the answer. Each time it goes on where it was, and nothing is there twice.
//!
//! One undisturbed flow tells which writes there are; then each is met again in a flow of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use azureml_operator_tests::cluster::OPERATOR;
use azureml_operator_tests::door::{Door, Moment, Write};
use azureml_operator_tests::emulator::Answered;
use azureml_operator_tests::failure::{Failure, Result};
use azureml_operator_tests::operator::{Operator, Options};
use azureml_operator_tests::scenario::{LIMIT, Scenario};
use azureml_operator_tests::world::World;
use futures::StreamExt;
use serde_json::json;

use crate::small;
use crate::suite::Suite;

/// So many flows at a time: each waits more than it computes.
const AT_ONCE: usize = 5;
/// At least so many kills must have struck.
const AT_LEAST: usize = 60;
/// How often the test looks whether a request is there.
const POLL: Duration = Duration::from_millis(50);

const MOMENTS: [Moment; 3] = [Moment::Before, Moment::Done, Moment::Answered];

/// Adds the test.
pub fn tests(suite: &mut Suite) {
    suite.add("kills::at_every_write_it_goes_on_and_nothing_is_there_twice", every_write);
}

/// A write that the operator made.
#[derive(Clone, Debug)]
enum Target {
    Kubernetes(Write),
    Azure(AzureWrite),
}

/// A write to Azure by what it is on: the method, a pattern for its path, and which one of these it was, from 0.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct AzureWrite {
    method: String,
    /// For people.
    shape: String,
    nth: usize,
}

impl std::fmt::Display for Target {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Kubernetes(write) => write!(out, "kubernetes {write}"),
            Self::Azure(write) => write!(out, "azure {} {} #{}", write.method, write.shape, write.nth),
        }
    }
}

async fn every_write(world: Arc<World>) -> Result<Vec<String>> {
    let targets = recorded(&world).await?;
    let cases: Vec<(Target, Moment)> =
        targets.iter().flat_map(|target| MOMENTS.map(|moment| (target.clone(), moment))).collect();
    println!("{} writes, {} kills", targets.len(), cases.len());
    let outcomes: Vec<(String, Result<bool>)> = futures::stream::iter(cases.into_iter().enumerate())
        .map(|(index, (target, moment))| {
            let world = world.clone();
            async move {
                let name = format!("{target}, {moment:?}");
                let outcome = kill(&world, index, &target, moment).await;
                if let Err(failure) = &outcome {
                    println!("{name} (kill-{index}): {failure}");
                }
                (name, outcome)
            }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let struck = outcomes.iter().filter(|(_, outcome)| matches!(outcome, Ok(true))).count();
    for (name, outcome) in &outcomes {
        if matches!(outcome, Ok(false)) {
            println!("{name}: this write did not come a second time; the flow ended well without it");
        }
    }
    println!("{struck} of {} kills struck", outcomes.len());
    let mut failures: Vec<String> = outcomes
        .into_iter()
        .filter_map(|(name, outcome)| outcome.err().map(|failure| format!("{name}: {failure}")))
        .collect();
    if struck < AT_LEAST {
        failures.push(format!("only {struck} kills struck, {AT_LEAST} must"));
    }
    Ok(failures)
}

/// An operator behind a door, and the flow applied in front of it.
struct Flow {
    scenario: Scenario,
    operator: Operator,
    door: Door,
    /// The number of the emulator's first request of this flow.
    since: u64,
    // The kubeconfig that leads through the door lies in it.
    _folder: tempfile::TempDir,
}

impl Flow {
    async fn prepare(world: &Arc<World>, name: &str) -> Result<(Scenario, Door, tempfile::TempDir)> {
        let scenario = Scenario::lone(world, name).await?;
        let folder = tempfile::tempdir()?;
        let straight = scenario.cluster.kubeconfig_as(OPERATOR, OPERATOR).await?;
        let door = Door::open(&straight, folder.path()).await?;
        Ok((scenario, door, folder))
    }

    async fn start(scenario: Scenario, door: Door, folder: tempfile::TempDir) -> Result<Self> {
        let options = Options { kubeconfig: Some(door.kubeconfig().to_owned()), ..Options::only(&scenario.namespace) };
        let since = scenario.emulator.position().await?;
        let operator = scenario.operator_with(options).await?;
        let objects = small::objects(&scenario);
        scenario.apply_all(&objects).await?;
        Ok(Self { scenario, operator, door, since, _folder: folder })
    }

    /// Everything is Ready and there is one of each, and the endpoint answers.
    async fn ends_well(&self) -> Result {
        small::all_ready(&self.scenario).await?;
        let census = small::census(&self.scenario).await?;
        if census != small::one_of_each() {
            return Err(Failure::new(format!("in Azure there are {census:?}")));
        }
        let runs = self.scenario.api().list("AmlPipelineRun", &self.scenario.namespace).await?;
        if runs.len() == 1 { Ok(()) } else { Err(Failure::new(format!("{} runs", runs.len()))) }
    }
}

/// The writes of an undisturbed flow.
async fn recorded(world: &Arc<World>) -> Result<Vec<Target>> {
    let (scenario, door, folder) = Flow::prepare(world, "kill-none").await?;
    let mut flow = Flow::start(scenario, door, folder).await?;
    flow.ends_well().await?;
    let kubernetes = flow.door.writes().into_iter().map(Target::Kubernetes);
    let azure = azure_writes(&flow).await?;
    let mut targets: Vec<Target> = azure.into_iter().map(Target::Azure).chain(kubernetes).collect();
    flow.operator.stop().await?;
    // A token is asked for, not made; it leaves nothing behind.
    targets.retain(|target| !matches!(target, Target::Kubernetes(write) if write.resource == "serviceaccounts/token"));
    Ok(targets)
}

/// The writes of the scenario's operator to Azure, ARM's and the blob store's.
async fn azure_writes(flow: &Flow) -> Result<Vec<AzureWrite>> {
    let (scenario, since) = (&flow.scenario, flow.since);
    let arm = scenario.azure_writes().await?;
    let account = account(scenario).await?;
    let blob = scenario.emulator.requests(since, &format!("/blob/{account}/"), true).await?.requests;
    let mut all: Vec<Answered> = arm.into_iter().chain(blob).filter(changes_something).collect();
    all.sort_by_key(|request| request.seq);
    let mut seen: BTreeMap<(String, String), usize> = BTreeMap::new();
    Ok(all
        .iter()
        .map(|request| {
            let shape = shape(&request.path);
            let count = seen.entry((request.method.clone(), shape.clone())).or_default();
            *count += 1;
            AzureWrite { method: request.method.clone(), shape, nth: *count - 1 }
        })
        .collect())
}

/// POSTs that only ask are no writes.
fn changes_something(request: &Answered) -> bool {
    let asks = ["/listkeys", "/listsecrets", "/token", "/query", "/runs/search", "/getlogs", "/score"];
    let path = request.path.to_lowercase();
    request.method != "POST" || !asks.iter().any(|ask| path.ends_with(ask))
}

/// What a path is on, in lower case and without names, which differ from flow to flow.
fn shape(path: &str) -> String {
    let lower = path.to_lowercase();
    if lower.starts_with("/blob/") {
        let file = lower.rsplit('/').next().unwrap_or_default();
        return if file == "mltable" { "blob/mltable".to_owned() } else { "blob".to_owned() };
    }
    let below = lower.rsplit_once("/providers/").map_or(lower.as_str(), |(_, below)| below);
    let kinds: Vec<&str> = below.split('/').skip(1).step_by(2).collect();
    kinds.join("/")
}

/// A pattern for the path of this write in this scenario's Azure.
fn pattern(scenario: &Scenario, account: &str, write: &AzureWrite) -> String {
    match write.shape.as_str() {
        "blob/mltable" => format!("(?i)^/blob/{account}/.*/mltable$"),
        "blob" => format!("(?i)^/blob/{account}/.*/(?:[^m/]|m[^l/]|ml[^t/])[^/]*$"),
        shape => {
            let below: Vec<String> = shape.split('/').map(|kind| format!("/{kind}(?:/[^/]+)?")).collect();
            format!("(?i)^/subscriptions/{}/.*/providers/[^/]+{}$", scenario.azure.place.subscription, below.concat())
        }
    }
}

/// The workspace's storage account.
async fn account(scenario: &Scenario) -> Result<String> {
    let state = scenario.azure_state().await?;
    let workspace = state["resources"].as_object().and_then(|all| {
        all.values().find_map(|resource| resource["properties"]["storageAccount"].as_str().map(str::to_owned))
    });
    let id = workspace.ok_or_else(|| Failure::new("the workspace has no storage account"))?;
    Ok(id.rsplit('/').next().unwrap_or_default().to_lowercase())
}

/// Kills the operator at a write of a new flow; whether the write came.
async fn kill(world: &Arc<World>, index: usize, target: &Target, moment: Moment) -> Result<bool> {
    let (scenario, door, folder) = Flow::prepare(world, &format!("kill-{index}")).await?;
    let fault = match target {
        Target::Kubernetes(write) => {
            door.hold(write.clone(), moment);
            None
        }
        Target::Azure(write) => arm(&scenario, write, moment).await?,
    };
    let mut flow = Flow::start(scenario, door, folder).await?;
    let struck = tokio::select! {
        met = met(&flow, target, fault.as_deref()) => met.map(|()| true),
        ended = flow.ends_well() => ended.map(|()| false),
    }?;
    if struck {
        flow.operator.kill()?;
        flow.door.release();
        if let Some(fault) = &fault {
            let_go(&flow, fault).await?;
        }
        flow.operator.launch()?;
        flow.operator.wait_until_ready().await?;
        flow.ends_well().await?;
    }
    flow.operator.kill()?;
    Ok(struck)
}

/// Holds a write in the emulator; after its answer there is nothing to hold.
async fn arm(scenario: &Scenario, write: &AzureWrite, moment: Moment) -> Result<Option<String>> {
    let effect = match moment {
        Moment::Before => json!({"hold": "before"}),
        Moment::Done => json!({"hold": "after"}),
        Moment::Answered => return Ok(None),
    };
    let account = account(scenario).await?;
    let fault = json!({"method": write.method, "path": pattern(scenario, &account, write), "skip": write.nth, "count": 1, "effect": effect});
    Ok(Some(scenario.emulator.fault(&fault).await?))
}

/// Takes the fault away once the emulator has seen that who sent the held request is gone: let go before, a request that
/// was to be held before it is done would be done after all.
async fn let_go(flow: &Flow, fault: &str) -> Result {
    let deadline = tokio::time::Instant::now() + LIMIT;
    while flow.scenario.emulator.fault_state(fault).await?.holds() {
        if tokio::time::Instant::now() > deadline {
            return Err(Failure::new("the emulator holds a request of a process that is gone"));
        }
        tokio::time::sleep(POLL).await;
    }
    flow.scenario.emulator.clear_fault(fault).await
}

/// Waits until the write is held, or answered.
async fn met(flow: &Flow, target: &Target, fault: Option<&str>) -> Result {
    let deadline = tokio::time::Instant::now() + LIMIT;
    loop {
        let met = match (target, fault) {
            (Target::Kubernetes(_), _) => return flow.door.caught(LIMIT).await,
            (Target::Azure(_), Some(fault)) => flow.scenario.emulator.fault_state(fault).await?.holds(),
            (Target::Azure(write), None) => azure_writes(flow).await?.contains(write),
        };
        if met {
            return Ok(());
        }
        if tokio::time::Instant::now() > deadline {
            return flow.scenario.explained(Err(Failure::new("neither did the write come nor did the flow end"))).await;
        }
        tokio::time::sleep(POLL).await;
    }
}
