//! Many objects of one subscription against the buckets that Azure documents: what the bucket allows is used, Azure hardly
//! ever has to refuse, and what a person changes goes before what only keeps watch.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use azureml_operator_tests::api::ready;
use azureml_operator_tests::emulator::Answered;
use azureml_operator_tests::failure::{Failure, Result, While};
use azureml_operator_tests::operator::Options;
use azureml_operator_tests::scenario::Scenario;
use azureml_operator_tests::world::World;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::suite::Suite;

/// So many objects.
const OBJECTS: usize = 200;
/// The share of what the bucket allows that has to be used; a twentieth stays in reserve for those who go first.
const SHARE: f64 = 0.9;
/// How long all of it may take.
const LIMIT: Duration = Duration::from_secs(420);
/// How often the test looks at all objects.
const LOOK: Duration = Duration::from_secs(1);

/// The documented buckets (size, refill a second) of a subscription and principal.
const READS: (f64, f64) = (250.0, 25.0);
const WRITES: (f64, f64) = (200.0, 10.0);

/// Adds the test.
pub fn tests(suite: &mut Suite) {
    suite.add_alone("storm::two_hundred_objects_use_what_the_buckets_allow_and_a_person_goes_first", storm);
}

async fn storm(world: Arc<World>) -> Result {
    let scenario = Scenario::lone(&world, "storm").await?;
    let options = Options { resync: "10s", ..Options::only(&scenario.namespace) };
    let _operator = scenario.operator_with(options).await?;
    scenario.apply(&scenario.azure.workspace("ml-ops")).await?;
    scenario.ready("AmlWorkspace", "ml-ops").await?;
    let subscription = scenario.azure.place.subscription.clone();
    let throttled = json!({"throttling": {"subscriptions": {&subscription: {}}}});
    scenario.emulator.manners(&throttled).await?;
    let from = scenario.emulator.position().await?;
    for index in 0..OBJECTS {
        scenario.put("AmlDataset", &name(index), dataset(&scenario, &name(index), "one")).await?;
    }
    all_ready(&scenario).await?;
    let made = scenario.emulator.requests(from, &subscription, false).await?;
    fully_used(&made.requests)?;
    a_person_overtakes(&scenario, made.next).await?;
    all_ready(&scenario).await
}

fn name(index: usize) -> String {
    format!("tiny-{index:03}")
}

fn dataset(scenario: &Scenario, name: &str, content: &str) -> Value {
    let path = format!("{}/{name}-{content}.csv", scenario.namespace);
    let url = scenario.site.set(&path, format!("a,b\n{name},{content}\n"));
    json!({"type": "File", "source": {"web": {"url": url, "refreshInterval": "24h"}}})
}

async fn all_ready(scenario: &Scenario) -> Result {
    let deadline = Instant::now() + LIMIT;
    loop {
        let all = scenario.api().list("AmlDataset", &scenario.namespace).await?;
        let waiting: Vec<&Value> = all.iter().filter(|object| !ready(object)).collect();
        if all.len() == OBJECTS && waiting.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            let first = waiting.first().map(|object| object["status"]["conditions"].to_string());
            return Err(Failure::new(format!("{} are not Ready, such as {first:?}", waiting.len())));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// From the first write to the last, the bucket that has least room was used as far as it refilled.
fn fully_used(requests: &[Answered]) -> Result {
    let writes: Vec<&Answered> = requests.iter().filter(|request| request.method == "PUT").collect();
    let (first, last) = (time(writes.first().copied())?, time(writes.last().copied())?);
    let seconds = last.duration_since(first).as_secs_f64();
    let of = |reads: bool| {
        requests.iter().filter(move |request| {
            (request.method == "GET") == reads && request.status.is_some_and(|status| status != 429)
        })
    };
    let within = |request: &&Answered| time(Some(request)).is_ok_and(|at| at >= first && at <= last);
    let share =
        |reads: bool, (size, refill): (f64, f64)| of(reads).filter(within).count() as f64 / (size + refill * seconds);
    let (reads, writes) = (share(true, READS), share(false, WRITES));
    let refused = requests.iter().filter(|request| request.status == Some(429)).count();
    println!(
        "storm: {OBJECTS} objects in {seconds:.1} s of the log: {:.0} % of the reads and {:.0} % of the writes that the buckets allow, {refused} of {} refused",
        reads * 100.0,
        writes * 100.0,
        requests.len()
    );
    if reads.max(writes) < SHARE {
        return Err(Failure::new(format!(
            "the buckets allow more: {reads:.2} of reads, {writes:.2} of writes were used"
        )));
    }
    if refused * 50 > requests.len() {
        return Err(Failure::new(format!("{refused} of {} requests were refused", requests.len())));
    }
    Ok(())
}

fn time(request: Option<&Answered>) -> Result<Timestamp> {
    request.doing("a request in the log")?.time.parse().doing("the time of a request")
}

/// A new spec of one object is registered before a quarter of the others was looked at again.
async fn a_person_overtakes(scenario: &Scenario, since: u64) -> Result {
    let subscription = &scenario.azure.place.subscription;
    // All of them are looked at all the time by now.
    looked_at(scenario, since, OBJECTS / 4).await?;
    let chosen = name(OBJECTS / 2);
    let from = scenario.emulator.position().await?;
    scenario.change("AmlDataset", &chosen, dataset(scenario, &chosen, "two")).await?;
    let registered =
        |request: &&Answered| request.method == "PUT" && request.path.contains(&format!("/data/{chosen}/versions/"));
    let deadline = Instant::now() + LIMIT;
    let (requests, at) = loop {
        let requests = scenario.emulator.requests(from, subscription, false).await?.requests;
        if let Some(at) = requests.iter().find(registered).map(|request| request.seq) {
            break (requests, at);
        }
        if Instant::now() > deadline {
            return Err(Failure::new("the new content was never registered"));
        }
        tokio::time::sleep(LOOK).await;
    };
    let before = others(requests.iter().filter(|request| request.seq < at), &chosen);
    println!(
        "storm: {} of {} others were looked at before the changed object was registered",
        before.len(),
        OBJECTS - 1
    );
    if before.len() * 4 > OBJECTS {
        return Err(Failure::new(format!("{} of the others went before a person's change", before.len())));
    }
    looked_at(scenario, from, OBJECTS / 2).await
}

/// Waits until so many objects were looked at: a test that sees no looks would be content with any order.
async fn looked_at(scenario: &Scenario, since: u64, number: usize) -> Result {
    let deadline = Instant::now() + LIMIT;
    loop {
        let requests = scenario.emulator.requests(since, &scenario.azure.place.subscription, false).await?.requests;
        let looked = others(requests.iter(), "");
        if looked.len() >= number {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(Failure::new(format!("only {} objects were looked at", looked.len())));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The data assets but one that these requests read.
fn others<'a>(requests: impl Iterator<Item = &'a Answered>, chosen: &str) -> BTreeSet<String> {
    let named = requests.filter(|request| request.method == "GET").filter_map(|request| {
        let (_, below) = request.path.split_once("/data/")?;
        Some(below.split('/').next().unwrap_or_default().to_owned())
    });
    named.filter(|name| name != chosen).collect()
}
