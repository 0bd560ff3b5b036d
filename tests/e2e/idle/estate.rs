//! Many datasets and endpoints, in several subscriptions: Azure counts requests by subscription, and a day of a minute
//! or two asks for more in a second than a real one.

use std::collections::BTreeMap;
use std::time::Duration;

use azureml_operator_tests::api;
use azureml_operator_tests::azure::{Azure, Place};
use azureml_operator_tests::failure::{Failure, Result, While};
use azureml_operator_tests::scenario::{LIMIT, Scenario};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::small;

/// The name of all its workspaces in Azure, which no other test's has.
pub const NAME: &str = "idle-day";

/// How many there are.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Workspaces beside the one with the endpoints.
    pub workspaces: usize,
    /// Datasets in each of them.
    pub datasets: usize,
    /// Endpoints, all of one workspace.
    pub endpoints: usize,
    /// An hour.
    pub hour: &'static str,
    /// A day.
    pub day: &'static str,
}

impl Size {
    /// A small one; the whole where the environment says `IDLE=full`.
    #[must_use]
    pub fn wanted() -> Self {
        if std::env::var("IDLE").is_ok_and(|size| size == "full") {
            Self { workspaces: 5, datasets: 200, endpoints: 100, hour: "5s", day: "2m" }
        } else {
            Self { workspaces: 2, datasets: 110, endpoints: 10, hour: "2s", day: "48s" }
        }
    }

    /// All datasets, the one of the flow that trains the endpoints' model too.
    #[must_use]
    pub fn all_datasets(&self) -> usize {
        self.workspaces * self.datasets + 1
    }

    /// An hour in milliseconds.
    #[must_use]
    pub fn hour_millis(&self) -> i64 {
        self.hour.trim_end_matches('s').parse::<i64>().unwrap_or(1) * 1000
    }
}

/// Applies all of it, and waits until it is Ready.
///
/// # Errors
/// When nothing goes on for a while.
pub async fn make(scenario: &Scenario, size: Size) -> Result<Vec<Place>> {
    let mut places = vec![scenario.azure.place.clone()];
    let mut objects = small::objects(scenario);
    let rows = scenario.site.set(&format!("{}/few.csv", scenario.namespace), "a,b\n1,2\n3,4\n");
    for workspace in 0..size.workspaces {
        let azure = another(scenario).await?;
        let name = format!("ws-{workspace}");
        objects.push(azure.workspace(&name));
        objects.extend((0..size.datasets).map(|at| dataset(&name, at, &rows)));
        places.push(azure.place);
    }
    let serve = objects.iter().find(|object| object["kind"] == "AmlEndpoint").doing("an endpoint")?.clone();
    objects.extend((1..size.endpoints).map(|at| endpoint(&serve, at)));
    let applied = stream::iter(objects).map(|object| async move { scenario.apply(&object).await });
    applied.buffer_unordered(8).try_collect::<Vec<_>>().await?;
    all_ready(scenario, size).await?;
    small::cluster_rests(scenario).await?;
    Ok(places)
}

/// Another workspace of the same principal, in a subscription of its own.
async fn another(scenario: &Scenario) -> Result<Azure> {
    let (place, emulator) = (Place::unique(NAME), &scenario.emulator);
    emulator.workspace(&place.subscription, &place.group, &place.name, &place.location).await?;
    let principal = scenario.azure.principal.clone();
    let assignment = emulator.assign(&place.group_id(), &principal.object_id, "Owner").await?;
    Ok(Azure { place, principal, assignment })
}

fn dataset(workspace: &str, at: usize, url: &str) -> Value {
    json!({
        "apiVersion": "azureml.dev/v1alpha1", "kind": "AmlDataset",
        "metadata": {"name": format!("{workspace}-d{at}")},
        "spec": {"workspaceRef": {"name": workspace}, "type": "Table",
                 // The web is no part of what is counted.
                 "source": {"web": {"url": url, "refreshInterval": "24h"}}},
    })
}

fn endpoint(like: &Value, at: usize) -> Value {
    let mut endpoint = like.clone();
    endpoint["metadata"]["name"] = json!(format!("serve-{at}"));
    for field in ["rollout", "outputs"] {
        endpoint["spec"].as_object_mut().map(|spec| spec.remove(field));
    }
    endpoint
}

/// Waits until each is Ready, as long as any becomes Ready.
async fn all_ready(scenario: &Scenario, size: Size) -> Result {
    let wanted = BTreeMap::from([
        ("AmlDataset", size.all_datasets()),
        ("AmlEndpoint", size.endpoints),
        ("AmlWorkspace", size.workspaces + 1),
    ]);
    let (mut best, mut since) = (0, Instant::now());
    loop {
        let mut ready = BTreeMap::new();
        for kind in wanted.keys() {
            let all = scenario.api().list(kind, &scenario.namespace).await?;
            let is_done = |object: &&Value| api::ready(object) && api::condition(object, "Reconciling").is_none();
            ready.insert(*kind, all.iter().filter(is_done).count());
        }
        if ready == wanted {
            return Ok(());
        }
        let sum: usize = ready.values().sum();
        if sum > best {
            (best, since) = (sum, Instant::now());
        }
        if since.elapsed() > LIMIT {
            let failure = Failure::new(format!("of {wanted:?}, {ready:?} are Ready, and no more for {LIMIT:?}"));
            return scenario.explained(Err(failure)).await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
