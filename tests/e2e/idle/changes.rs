//! What happens to an estate at rest, and who sees it how soon.

use std::sync::Arc;
use std::time::Duration;

use azureml_operator_tests::api;
use azureml_operator_tests::azure_client::AzureClient;
use azureml_operator_tests::emulator::{Answered, Principal};
use azureml_operator_tests::failure::{Failure, Result, While};
use azureml_operator_tests::operator::{Operator, Options};
use azureml_operator_tests::scenario::{LIMIT, Scenario};
use azureml_operator_tests::world::World;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::small;

const API: &str = "2025-12-01";
const DIGEST: &str = "azureml-operator-digest";

/// The small flow at rest, and somebody who does things by hand.
struct Stage {
    scenario: Scenario,
    operator: Operator,
    hand: AzureClient,
    by: Principal,
}

impl Stage {
    async fn new(world: &Arc<World>, name: &str, hour: &'static str, day: &'static str) -> Result<Self> {
        let scenario = Scenario::lone(world, name).await?;
        let options = Options { resync: hour, full_look: day, ..Options::only(&scenario.namespace) };
        let operator = scenario.operator_with(options).await?;
        scenario.apply_all(&small::objects(&scenario)).await?;
        small::all_ready(&scenario).await?;
        let by = scenario.emulator.principal(&scenario.azure.principal.tenant).await?;
        scenario.emulator.assign(&scenario.azure.place.group_id(), &by.object_id, "Owner").await?;
        let hand = AzureClient::new(&scenario.emulator, &by).await?;
        let stage = Self { scenario, operator, hand, by };
        stage.rests().await?;
        Ok(stage)
    }

    /// Waits until nothing is under way: each object is looked at in lists alone.
    async fn rests(&self) -> Result {
        for (kind, name) in small::OBJECTS {
            let is_done = |object: &Value| api::ready(object) && api::condition(object, "Reconciling").is_none();
            self.scenario.wait(kind, name, "waiting for rest", is_done).await?;
        }
        Ok(())
    }

    fn id(&self, below: &str) -> String {
        format!("{}{below}", self.scenario.azure.place.workspace_id())
    }

    /// The operator's requests after the last change by hand, if there was one since: method and path below the
    /// workspace. A look that was under way when the change came saw nothing of it.
    async fn requests(&self, since: u64) -> Result<Vec<(String, String)>> {
        let place = &self.scenario.azure.place;
        let all = self.scenario.emulator.requests(since, &place.subscription, false).await?.requests;
        let length = place.workspace_id().len();
        let by_hand = |request: &Answered| request.principal.as_ref() == Some(&self.by.object_id);
        let changed = all.iter().rposition(|request| by_hand(request) && request.method != "GET");
        let of = all.into_iter().skip(changed.map_or(0, |at| at + 1)).filter(|request| !by_hand(request));
        Ok(of.filter_map(|request| Some((request.method, request.path.get(length..)?.to_owned()))).collect())
    }

    /// Waits for a write of the operator, and gives its requests up to that one.
    async fn until_written(&self, since: u64, method: &str, path: &str) -> Result<Vec<(String, String)>> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let mut requests = self.requests(since).await?;
            let at = requests.iter().position(|(by, of)| by == method && of.eq_ignore_ascii_case(path));
            if let Some(at) = at {
                requests.truncate(at + 1);
                return Ok(requests);
            }
            if Instant::now() > deadline {
                let failure = Failure::new(format!("no {method} {path} came; there were {requests:?}"));
                return self.operator.explained(self.scenario.explained(Err(failure)).await);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The hand's change is done again until Azure takes it: it may be busy with the resource.
    async fn delete(&self, id: &str, query: &str) -> Result {
        let deadline = Instant::now() + LIMIT;
        while let Err(failure) = self.hand.delete(id, API, query).await {
            if Instant::now() > deadline {
                return Err(failure);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    async fn is_gone(&self, id: &str) -> bool {
        self.hand.resource(id, API).await.is_err()
    }
}

fn count(requests: &[(String, String)], method: &str, path: &str) -> usize {
    requests.iter().filter(|(by, of)| by == method && of.eq_ignore_ascii_case(path)).count()
}

/// What is deleted is missing in the first list that comes afterwards, and that is the hour.
pub async fn deleted(world: Arc<World>) -> Result {
    let stage = Stage::new(&world, "idle-gone", "4s", "1h").await?;
    let table = [
        ("/computes/cpu", "&underlyingResourceAction=Delete", "/computes"),
        ("/data/rows", "", "/data"),
        ("/onlineEndpoints/serve", "", "/onlineEndpoints"),
    ];
    for (path, query, list) in table {
        let since = stage.scenario.emulator.position().await?;
        stage.delete(&stage.id(path), query).await?;
        let requests = stage.until_written(since, "PUT", path).await?;
        within_the_hour(&requests, list, path)?;
        stage.rests().await?;
        if stage.is_gone(&stage.id(path)).await {
            return Err(Failure::new(format!("{path} is not there again")));
        }
    }
    deployment(&stage).await
}

/// A deployment that takes no traffic any more and is deleted: made again, with its traffic.
async fn deployment(stage: &Stage) -> Result {
    let endpoint = stage.scenario.get("AmlEndpoint", "serve").await?.doing("the endpoint")?;
    let name = endpoint["status"]["stable"]["deployment"].as_str().doing("the stable deployment")?.to_owned();
    let path = format!("/onlineEndpoints/serve/deployments/{name}");
    let (id, serve) = (stage.id(&path), stage.id("/onlineEndpoints/serve"));
    let deadline = Instant::now() + LIMIT;
    let since = loop {
        let mut body = stage.hand.resource(&serve, API).await?;
        body["properties"]["traffic"] = json!({});
        // The operator puts the traffic right meanwhile, where it is quicker.
        let since = stage.scenario.emulator.position().await?;
        if stage.hand.put(&serve, API, &body).await.is_ok() && stage.hand.delete(&id, API, "").await.is_ok() {
            break since;
        }
        if Instant::now() > deadline {
            return Err(Failure::new(format!("{path} could not be deleted by hand")));
        }
    };
    let requests = stage.until_written(since, "PUT", &path).await?;
    within_the_hour(&requests, "/onlineEndpoints/serve/deployments", "/onlineEndpoints/serve")?;
    stage.rests().await?;
    let traffic = stage.hand.resource(&serve, API).await?["properties"]["traffic"].clone();
    if traffic == json!({name: 100}) { Ok(()) } else { Err(Failure::new(format!("the traffic is {traffic}"))) }
}

/// The list that shows it is the last one before the object is looked at itself.
fn within_the_hour(requests: &[(String, String)], list: &str, itself: &str) -> Result {
    let looked = requests.iter().position(|(by, of)| by == "GET" && of.eq_ignore_ascii_case(itself));
    let lists = count(requests.get(..looked.unwrap_or(requests.len())).unwrap_or_default(), "GET", list);
    // None, where the list was under way when it was deleted.
    if lists <= 2 {
        return Ok(());
    }
    Err(Failure::new(format!("{lists} lists of {list} came before it was put right: {requests:?}")))
}

/// No list tells of a version's tags: the day's full look sees it.
pub async fn tagged(world: Arc<World>) -> Result {
    let stage = Stage::new(&world, "idle-tags", "1s", "24s").await?;
    let dataset = stage.scenario.get("AmlDataset", "rows").await?.doing("the dataset")?;
    let version = dataset["status"]["version"].as_str().doing("status.version")?;
    let path = format!("/data/rows/versions/{version}");
    let since = stage.scenario.emulator.position().await?;
    let right = change_tag(&stage, &path, DIGEST, "changed").await?;
    let requests = stage.until_written(since, "PUT", &path).await?;
    // The look of the day, the look at the object itself, and the one that the write begins with.
    let looks = count(&requests, "GET", &path);
    if looks > 3 {
        return Err(Failure::new(format!("{looks} looks at {path} came before it was put right: {requests:?}")));
    }
    stage.scenario.event("AmlDataset", "DriftCorrected").await?;
    stage.rests().await?;
    let now = tags(&stage, &path).await?;
    if now[DIGEST] != right {
        return Err(Failure::new(format!("the tags are {now}")));
    }
    model(&stage).await
}

/// By which gate a model's version was judged stands in its tags: by another one it is judged again.
async fn model(stage: &Stage) -> Result {
    let gate = "azureml-operator-hash";
    let path = "/models/model/versions/1";
    let since = stage.scenario.emulator.position().await?;
    let right = change_tag(stage, path, gate, "changed").await?;
    let requests = stage.until_written(since, "PUT", path).await?;
    let looks = count(&requests, "GET", "/models/model/versions");
    if looks > 2 {
        return Err(Failure::new(format!("{looks} looks at the versions came before it was put right: {requests:?}")));
    }
    stage.rests().await?;
    let now = tags(stage, path).await?;
    if now[gate] == right { Ok(()) } else { Err(Failure::new(format!("the tags are {now}"))) }
}

async fn tags(stage: &Stage, path: &str) -> Result<Value> {
    Ok(stage.hand.resource(&stage.id(path), API).await?["properties"]["tags"].clone())
}

/// Changes a tag by hand; its value before.
async fn change_tag(stage: &Stage, path: &str, tag: &str, value: &str) -> Result<Value> {
    let id = stage.id(path);
    let mut body = stage.hand.resource(&id, API).await?;
    let before = body["properties"]["tags"][tag].take();
    if before.is_null() {
        return Err(Failure::new(format!("{path} has no tag {tag}")));
    }
    body["properties"]["tags"][tag] = json!(value);
    stage.hand.put(&id, API, &body).await?;
    Ok(before)
}

/// An hour and a day are real ones here: what a person asks for comes all the same, and by fresh looks.
pub async fn asked(world: Arc<World>) -> Result {
    let stage = Stage::new(&world, "idle-asked", "1h", "24h").await?;
    let scenario = &stage.scenario;
    let dataset = scenario.get("AmlDataset", "rows").await?.doing("the dataset")?;
    let version = dataset["status"]["version"].as_str().doing("status.version")?;
    let path = format!("/data/rows/versions/{version}");
    change_tag(&stage, &path, DIGEST, "changed").await?;
    let since = scenario.emulator.position().await?;
    scenario.api().annotate("AmlDataset", &scenario.namespace, "rows", "azureml.dev/reconcile-at", "now").await?;
    let requests = stage.until_written(since, "PUT", &path).await?;
    by_itself(&requests, "/data/rows")?;

    let serve = stage.id("/onlineEndpoints/serve");
    let mut body = stage.hand.resource(&serve, API).await?;
    body["properties"]["traffic"] = json!({});
    stage.hand.put(&serve, API, &body).await?;
    let since = scenario.emulator.position().await?;
    scenario.api().annotate("AmlEndpoint", &scenario.namespace, "serve", "azureml.dev/reconcile-at", "now").await?;
    let requests = stage.until_written(since, "PUT", "/onlineEndpoints/serve").await?;
    by_itself(&requests, "/onlineEndpoints/serve")?;

    let since = scenario.emulator.position().await?;
    scenario.change("AmlCompute", "cpu", json!({"scale": {"minNodes": 0, "maxNodes": 2}})).await?;
    let requests = stage.until_written(since, "PATCH", "/computes/cpu").await?;
    by_itself(&requests, "/computes/cpu")?;
    stage.rests().await
}

/// It was looked at itself.
fn by_itself(requests: &[(String, String)], path: &str) -> Result {
    if count(requests, "GET", path) > 0 {
        return Ok(());
    }
    Err(Failure::new(format!("{path} was not looked at before it was changed: {requests:?}")))
}
