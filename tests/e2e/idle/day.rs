//! A day at rest, and the first look after a start, by the log of requests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use azureml_operator_tests::azure::Place;
use azureml_operator_tests::cluster::OPERATOR;
use azureml_operator_tests::emulator::Answered;
use azureml_operator_tests::failure::{Failure, Result, While};
use azureml_operator_tests::operator::{Operator, Options};
use azureml_operator_tests::scenario::{LIMIT, Scenario};
use azureml_operator_tests::world::World;
use jiff::Timestamp;
use tokio::time::Instant;

use super::estate::{self, NAME, Size};
use super::routes::{Route, counts, of};

/// A list is made new at this part of an hour at the earliest.
const LIST_AGE: f64 = 0.95;
/// Data assets on a page.
const PAGE: usize = 100;
/// Looks at versions are counted by this part of a day.
const PARTS: usize = 8;

pub async fn at_rest(world: Arc<World>) -> Result {
    let size = Size::wanted();
    let scenario = Scenario::lone(&world, NAME).await?;
    let options = Options {
        resync: size.hour,
        full_look: size.day,
        arguments: ["--concurrency", "32", "--diagnose-interval", size.hour].map(str::to_owned).to_vec(),
        ..Options::only(&scenario.namespace)
    };
    let mut operator = scenario.operator_with(options).await?;
    let began = Instant::now();
    let places = operator.explained(estate::make(&scenario, size).await)?;
    println!("{} datasets and {} endpoints were made in {:.0?}", size.all_datasets(), size.endpoints, began.elapsed());
    // What came last is told to those who count it, the first lists are read, and the looks that had to wait while the
    // estate was made are made up for.
    looked_at(&scenario, &operator, size, 8).await?;
    let day = Window::open(&scenario).await?;
    let requests = operator.explained(day.a_day(&scenario, size).await)?;
    print(&requests, size);
    judge(&scenario, &requests, size)?;
    day.nothing_written(&scenario, &places).await?;

    let start = Window::open(&scenario).await?;
    operator.restart().await?;
    looked_at(&scenario, &operator, size, 1).await?;
    let requests = start.requests(&scenario).await?;
    println!("the first look after a start: {:?}", counts(&requests));
    judge_start(&scenario, &requests, size)?;
    start.nothing_written(&scenario, &places).await?;
    operator.stop().await
}

/// Waits until each object was looked at so often, by the operator's own count: at rest each look is one reconcile.
async fn looked_at(scenario: &Scenario, operator: &Operator, size: Size, looks: u64) -> Result {
    let wanted = [
        ("AmlDataset", size.all_datasets() as u64),
        ("AmlEndpoint", size.endpoints as u64),
        ("AmlModel", 1),
        ("AmlCompute", 1),
    ];
    let before = if looks > 1 { Some(reconciles(operator).await?) } else { None };
    let mut since = Instant::now();
    let mut best = 0;
    loop {
        let now = reconciles(operator).await?;
        let count = |kind: &str| {
            let of = |all: &BTreeMap<String, u64>| all.get(kind).copied().unwrap_or_default();
            of(&now) - before.as_ref().map_or(0, of)
        };
        if wanted.iter().all(|(kind, number)| count(kind) >= number * looks) {
            return Ok(());
        }
        let sum = wanted.iter().map(|(kind, _)| count(kind)).sum();
        if sum > best {
            (best, since) = (sum, Instant::now());
        }
        if since.elapsed() > LIMIT {
            return scenario
                .explained(Err(Failure::new(format!("not each was looked at {looks} times: {now:?}"))))
                .await;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// How many reconciles went well, by kind.
async fn reconciles(operator: &Operator) -> Result<BTreeMap<String, u64>> {
    let metrics = operator.metrics().await?;
    let lines = metrics
        .lines()
        .filter(|line| line.starts_with("azureml_operator_reconciles_total{") && line.contains("result=\"success\""));
    let parsed = lines.filter_map(|line| {
        let kind = line.split_once("kind=\"")?.1.split_once('"')?.0.to_owned();
        Some((kind, line.rsplit(' ').next()?.parse().ok()?))
    });
    Ok(parsed.collect())
}

/// From a moment on.
struct Window {
    request: u64,
    audited: u64,
}

impl Window {
    async fn open(scenario: &Scenario) -> Result<Self> {
        let audited = scenario.cluster.audit().doing("the cluster's audit log")?.position();
        Ok(Self { request: scenario.emulator.position().await?, audited })
    }

    /// All requests about the estate since.
    async fn requests(&self, scenario: &Scenario) -> Result<Vec<Answered>> {
        let contains = format!("/workspaces/ws-{NAME}");
        Ok(scenario.emulator.requests(self.request, &contains, false).await?.requests)
    }

    /// The requests until a whole day has passed and each version was looked at.
    async fn a_day(&self, scenario: &Scenario, size: Size) -> Result<Vec<Answered>> {
        let (mut best, mut since) = (0, Instant::now());
        loop {
            tokio::time::sleep(Duration::from_secs(2)).await;
            let requests = self.requests(scenario).await?;
            let looked: BTreeSet<&str> =
                of(&requests, Route::DataVersion).map(|request| request.path.as_str()).collect();
            if looked.len() >= size.all_datasets() && hours(&requests, size)? >= 24.0 {
                return Ok(requests);
            }
            if requests.len() > best {
                (best, since) = (requests.len(), Instant::now());
            }
            if since.elapsed() > LIMIT || hours(&requests, size)? > 24.0 * 4.0 {
                let failure = format!("{} of {} versions were looked at", looked.len(), size.all_datasets());
                return scenario.explained(Err(Failure::new(failure))).await;
            }
        }
    }

    /// Nothing was written since: not to Azure, and not to Kubernetes but Events and Leases.
    async fn nothing_written(&self, scenario: &Scenario, places: &[Place]) -> Result {
        let emulator = &scenario.emulator;
        let mut azure = emulator.requests(self.request, &format!("/workspaces/ws-{NAME}"), true).await?.requests;
        for place in places {
            let state = emulator.state(&place.workspace_id()).await?;
            let id = state["resources"][place.workspace_id()]["properties"]["storageAccount"].as_str();
            let account = id.and_then(|id| id.rsplit('/').next()).doing("the workspace's storage account")?;
            let contains = format!("/blob/{}/", account.to_lowercase());
            azure.extend(emulator.requests(self.request, &contains, true).await?.requests);
        }
        // A POST that asks for a signature writes nothing.
        azure.retain(|request| !request.path.to_lowercase().ends_with("/listsecrets"));
        let mut all: Vec<String> = azure.iter().map(|of| format!("Azure: {} {}", of.method, of.path)).collect();
        let audit = scenario.cluster.audit().doing("the cluster's audit log")?;
        let kubernetes = audit.writes(self.audited, OPERATOR, OPERATOR)?.into_iter();
        let counts = kubernetes.filter(|write| {
            write.namespace == scenario.namespace && !["events", "leases"].contains(&write.resource.as_str())
        });
        all.extend(counts.map(|write| format!("Kubernetes: {} {} {}", write.verb, write.resource, write.name)));
        if all.is_empty() {
            return Ok(());
        }
        scenario.explained(Err(Failure::new(format!("written at rest:\n{}", all.join("\n"))))).await
    }
}

fn at(request: &Answered) -> Result<i64> {
    Ok(request.time.parse::<Timestamp>().doing("the time of a request")?.as_millisecond())
}

/// How many hours a log tells of.
fn hours(requests: &[Answered], size: Size) -> Result<f64> {
    let (Some(first), Some(last)) = (requests.first(), requests.last()) else { return Ok(0.0) };
    Ok((at(last)? - at(first)?) as f64 / size.hour_millis() as f64)
}

fn print(requests: &[Answered], size: Size) {
    let hours = hours(requests, size).unwrap_or(1.0);
    println!(
        "{} datasets in {} workspaces and {} endpoints at rest for {hours:.1} hours of {}: {:.1} reads an hour",
        size.all_datasets(),
        size.workspaces + 1,
        size.endpoints,
        size.hour,
        requests.len() as f64 / hours
    );
    for (route, count) in counts(requests) {
        println!("  {:<14} {:>8.1} an hour {:>8} in all", format!("{route:?}"), count as f64 / hours, count);
    }
}

/// The most that may be read in so many hours: each list once an hour, each version and key once a day.
fn most(size: Size, hours: f64) -> BTreeMap<Route, f64> {
    let lists = hours / LIST_AGE + 1.0;
    let days = (hours / 24.0).floor() + 1.0;
    let pages = size.datasets.div_ceil(PAGE) * size.workspaces + 1;
    BTreeMap::from([
        (Route::Workspace, lists * (size.workspaces + 1) as f64),
        // The flow's workspace is shared with one principal.
        (Route::Roles, lists),
        (Route::DataPage, lists * pages as f64),
        (Route::ModelPage, lists),
        (Route::EndpointPage, lists * size.endpoints.div_ceil(PAGE) as f64),
        (Route::ComputePage, lists),
        (Route::Deployments, lists * size.endpoints as f64),
        (Route::DataVersion, days * size.all_datasets() as f64),
        (Route::ModelVersions, days),
        // One endpoint writes its keys into a Secret.
        (Route::Keys, days),
        // Its rights, its stores and the signature by which one is tried.
        (Route::Diagnosis, 3.0 * lists * (size.workspaces + 1) as f64),
    ])
}

fn judge(scenario: &Scenario, requests: &[Answered], size: Size) -> Result {
    let most = most(size, hours(requests, size)?);
    let mut wrong: Vec<String> = of(requests, Route::Other).map(|of| format!("{} {}", of.method, of.path)).collect();
    for (route, count) in counts(requests) {
        if most.get(&route).is_some_and(|most| count as f64 > *most) {
            wrong.push(format!("{count} of {route:?}, more than {:.0}", most[&route]));
        }
    }
    // A count that is too low would be content with an operator that sees nothing.
    let lists: BTreeSet<&str> = of(requests, Route::Deployments).map(|request| request.path.as_str()).collect();
    if lists.len() < size.endpoints {
        wrong.push(format!("the deployments of {} endpoints of {} were listed", lists.len(), size.endpoints));
    }
    wrong.extend(crowded(requests, size)?);
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("at rest in {}:\n{}", scenario.namespace, wrong.join("\n"))))
}

/// Parts of the day with more than three times their share of the looks at versions.
fn crowded(requests: &[Answered], size: Size) -> Result<Vec<String>> {
    let first = requests.first().map_or(Ok(0), at)?;
    let mut parts: BTreeMap<i64, usize> = BTreeMap::new();
    for look in of(requests, Route::DataVersion) {
        *parts.entry((at(look)? - first) * PARTS as i64 / (24 * size.hour_millis())).or_default() += 1;
    }
    let share = size.all_datasets() / PARTS;
    let crowded = parts.into_iter().filter(|(_, looks)| *looks > 3 * share);
    Ok(crowded
        .map(|(part, looks)| format!("{looks} versions were looked at in part {part} of the day, not {share}"))
        .collect())
}

/// A start reads the lists once, and of what they don't tell only what has its moment.
fn judge_start(scenario: &Scenario, requests: &[Answered], size: Size) -> Result {
    let hours = hours(requests, size)?;
    // The process that is stopped may have made each list new just before.
    let mut most = most(size, hours + 1.0);
    // The moments of the time since, of the hour before the start, and as much again for chance.
    let share = ((hours + 2.0) / 24.0).min(1.0) * size.all_datasets() as f64;
    most.insert(Route::DataVersion, 2.0 * share + 10.0);
    let mut wrong: Vec<String> = of(requests, Route::Other).map(|of| format!("{} {}", of.method, of.path)).collect();
    for (route, count) in counts(requests) {
        if most.get(&route).is_some_and(|most| count as f64 > *most) {
            wrong.push(format!("{count} of {route:?}, more than {:.0}", most[&route]));
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("after a start in {}:\n{}", scenario.namespace, wrong.join("\n"))))
}
