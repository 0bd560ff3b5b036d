//! From one model version to the next: made beside the old one, proved, switched to, proved again; and back.

use std::sync::Arc;

use azureml_operator_tests::api;
use azureml_operator_tests::azure_client::AzureClient;
use azureml_operator_tests::emulator::Answered;
use azureml_operator_tests::failure::{Failure, Result, While};
use azureml_operator_tests::scenario::Scenario;
use azureml_operator_tests::scoring::Scoring;
use azureml_operator_tests::world::World;
use serde_json::{Value, json};

use crate::small;
use crate::suite::Suite;

const API: &str = "2025-12-01";

/// Adds the tests.
pub fn tests(suite: &mut Suite) {
    suite.add("rollout::a_new_version_is_proved_beside_the_old_one_and_no_request_is_lost", forward);
    suite.add("rollout::traffic_moves_in_the_steps_of_the_spec", steps);
    suite.add("rollout::a_deployment_that_fails_leaves_the_traffic_where_it_is", failing_deployment);
    suite.add("rollout::a_smoke_request_that_fails_leaves_the_traffic_where_it_is", failing_smoke);
}

/// The flow with an endpoint of a name of its own, Ready; the first deployment.
async fn served(world: &Arc<World>, name: &str) -> Result<(Scenario, String)> {
    let scenario = Scenario::start(world, name).await?;
    let mut objects = small::objects(&scenario);
    for object in objects.iter_mut().filter(|object| object["kind"] == "AmlEndpoint") {
        object["spec"]["azureName"] = json!(azure_name(&scenario));
    }
    scenario.apply_all(&objects).await?;
    small::all_ready(&scenario).await?;
    let endpoint = scenario.get("AmlEndpoint", "serve").await?.doing("the endpoint")?;
    let stable = endpoint["status"]["stable"]["deployment"].as_str().doing("the stable deployment")?;
    Ok((scenario, stable.to_owned()))
}

/// Faults of a model are told by the endpoint's name alone, so each test has one of its own.
fn azure_name(scenario: &Scenario) -> String {
    format!("e{}", scenario.azure.place.location)
}

/// Changes the pipeline, so that it trains another version.
async fn train_another(scenario: &Scenario) -> Result {
    let mut pipeline = scenario.get("AmlPipeline", "train").await?.doing("the pipeline")?;
    let mut step = pipeline["spec"]["steps"][0].take();
    step["automl"]["validation"] = json!({"crossValidations": 3});
    scenario.change("AmlPipeline", "train", json!({"steps": [step]})).await.map(|_| ())
}

/// The endpoint serves another deployment than this, and is Ready.
fn moved(from: &str) -> impl Fn(&Value) -> bool {
    move |endpoint| {
        let stable = endpoint["status"]["stable"]["deployment"].as_str();
        api::ready(endpoint) && stable.is_some_and(|stable| stable != from)
    }
}

async fn forward(world: Arc<World>) -> Result {
    let (scenario, old) = served(&world, "forward").await?;
    let scoring = Scoring::by(&scenario, "serve-out").await?;
    let since = scenario.emulator.position().await?;
    train_another(&scenario).await?;
    let moving = scenario.wait("AmlEndpoint", "serve", "waiting for the next version", moved(&old));
    let (endpoint, answers) = asked_meanwhile(&scoring, moving).await?;
    let new = endpoint["status"]["stable"]["deployment"].as_str().doing("the stable deployment")?.to_owned();
    let strangers: Vec<&String> = answers.iter().filter(|answer| ![&old, &new].contains(answer)).collect();
    if !strangers.is_empty() || !answers.contains(&old) {
        return Err(Failure::new(format!("answered by {strangers:?}, of {} answers", answers.len())));
    }
    let last = scoring.ask(&small::request()).await?;
    if last.deployment != new {
        return Err(Failure::new(format!("{} answers, not {new}", last.deployment)));
    }
    in_order(&scenario, since, &old, &new).await?;
    let approved = scenario.ready("AmlModel", "model").await?["status"]["approved"]["version"].clone();
    if endpoint["status"]["stable"]["modelVersion"] != approved {
        let served = &endpoint["status"]["stable"];
        return Err(Failure::new(format!("version {approved} is approved, and {served} serves")));
    }
    let mut expected = small::one_of_each();
    expected.extend([("jobs", 2), ("model versions", 2)]);
    let census = small::census(&scenario).await?;
    if census == expected { Ok(()) } else { Err(Failure::new(format!("in Azure there are {census:?}"))) }
}

async fn steps(world: Arc<World>) -> Result {
    let (scenario, old) = served(&world, "steps").await?;
    let steps = json!([{"weight": 20, "hold": "1s"}, {"weight": 60, "hold": "1s"}]);
    scenario.change("AmlEndpoint", "serve", json!({"rollout": {"steps": steps}})).await?;
    scenario.ready("AmlEndpoint", "serve").await?;
    let scoring = Scoring::by(&scenario, "serve-out").await?;
    let since = scenario.emulator.position().await?;
    train_another(&scenario).await?;
    let moving = scenario.wait("AmlEndpoint", "serve", "waiting for the next version", moved(&old));
    let (endpoint, answers) = asked_meanwhile(&scoring, moving).await?;
    let new = endpoint["status"]["stable"]["deployment"].as_str().doing("the stable deployment")?.to_owned();
    let of_endpoint = format!("/onlineEndpoints/{}", azure_name(&scenario));
    let writes = scenario.azure_writes_since(since).await?;
    let shares: Vec<i64> = writes
        .iter()
        .filter(|write| write.method == "PUT" && write.path.ends_with(&of_endpoint))
        .filter_map(|write| write.body["properties"]["traffic"][&new].as_i64())
        .collect();
    let both = [&old, &new].iter().all(|name| answers.contains(name));
    if shares == [20, 60, 100] && both {
        return Ok(());
    }
    Err(Failure::new(format!(
        "the new deployment's shares were {shares:?}; {} answers, of both: {both}",
        answers.len()
    )))
}

/// Asks without pause until something has come; the deployments that answered. Each request must be answered.
async fn asked_meanwhile<T>(scoring: &Scoring, something: impl Future<Output = Result<T>>) -> Result<(T, Vec<String>)> {
    let mut request = small::request();
    request["input_data"]["data"] = json!([[7, 8, "blue"]]);
    let mut answers = Vec::new();
    let mut something = std::pin::pin!(something);
    loop {
        let ask = async {
            let scored = scoring.ask(&request).await;
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            scored
        };
        tokio::select! {
            came = &mut something => return Ok((came?, answers)),
            scored = ask => answers.push(scored?.deployment),
        }
    }
}

/// The new deployment is made, proved, gets the traffic, is proved again, and the old one goes: in this order.
async fn in_order(scenario: &Scenario, since: u64, old: &str, new: &str) -> Result {
    let name = azure_name(scenario);
    let writes = scenario.azure_writes_since(since).await?;
    let at = |what: &str, wanted: &dyn Fn(&Answered) -> bool| {
        let found = writes.iter().find(|write| wanted(write)).map(|write| write.seq);
        found.doing(what)
    };
    let made = at("the new deployment", &|write| {
        write.method == "PUT" && write.path.ends_with(&format!("/deployments/{new}"))
    })?;
    let switched = at("the switch", &|write| {
        let all = &write.body["properties"]["traffic"][new];
        write.method == "PUT" && write.path.ends_with(&format!("/onlineEndpoints/{name}")) && *all == 100
    })?;
    let removed = at("the removal of the old deployment", &|write| {
        write.method == "DELETE" && write.path.ends_with(&format!("/deployments/{old}"))
    })?;
    let smoke = format!("/endpoints/{}/{name}/score", scenario.azure.place.location);
    let scored = scenario.emulator.requests(since, &smoke, false).await?.requests;
    // The user's requests are of another row.
    let smokes: Vec<u64> =
        scored.iter().filter(|request| request.body == small::request()).map(|request| request.seq).collect();
    let proved = |from: u64, to: u64| smokes.iter().any(|smoke| (from..to).contains(smoke));
    if made < switched && switched < removed && proved(made, switched) && proved(switched, removed) {
        return Ok(());
    }
    Err(Failure::new(format!("made #{made}, switched #{switched}, removed #{removed}, smoke requests {smokes:?}")))
}

/// Rolled back: the spec's revision was given up, and the old one serves.
async fn rolled_back(scenario: &Scenario, old: &str, why: &str) -> Result<String> {
    let endpoint = scenario.stalled("AmlEndpoint", "serve", "RolledBack").await?;
    let message = api::condition(&endpoint, "Stalled").and_then(|stalled| stalled["message"].as_str());
    let message = message.unwrap_or_default();
    let hash = endpoint["status"]["rejected"][0].as_str().doing("the revision that was rejected")?.to_owned();
    if !message.contains(why) || !message.contains("azureml.dev/retry") || !message.contains(&hash) {
        return Err(Failure::new(format!("does not say why and how to go on: {message}")));
    }
    if !api::is(&endpoint, "Ready", "False") || !api::is(&endpoint, "Available", "True") {
        return Err(Failure::new(format!("conditions: {}", endpoint["status"]["conditions"])));
    }
    let state = scenario.azure_state().await?;
    let deployments: Vec<&String> =
        state["resources"].as_object().doing("resources")?.keys().filter(|id| id.contains("/deployments/")).collect();
    if deployments.len() != 1 || !deployments[0].ends_with(old) {
        return Err(Failure::new(format!("the deployments are {deployments:?}, not {old} alone")));
    }
    scenario.event("AmlEndpoint", "RolledBack").await?;
    Ok(hash)
}

/// After the cause is removed, the annotation tries it again.
async fn tried_again(scenario: &Scenario, old: &str, hash: &str) -> Result {
    scenario.annotate("AmlEndpoint", "serve", "azureml.dev/retry", hash).await?;
    scenario.wait("AmlEndpoint", "serve", "waiting for what is tried again", moved(old)).await.map(|_| ())
}

async fn failing_deployment(world: Arc<World>) -> Result {
    let (scenario, old) = served(&world, "bad-deploy").await?;
    let scoring = Scoring::by(&scenario, "serve-out").await?;
    let path = format!("/subscriptions/{}/.*/deployments/[^/]+$", scenario.azure.place.subscription);
    let why = json!({"code": "OutOfCapacity", "message": "No machines of this size are left in the region."});
    let fault = json!({"method": "PUT", "path": path, "effect": {"operationFails": why}});
    let fault = scenario.emulator.fault(&fault).await?;
    train_another(&scenario).await?;
    let (hash, answers) = asked_meanwhile(&scoring, rolled_back(&scenario, &old, "No machines of this size")).await?;
    if answers.iter().any(|answer| *answer != old) {
        return Err(Failure::new(format!("the revision that failed answered: {answers:?}")));
    }
    scenario.emulator.clear_fault(&fault).await?;
    tried_again(&scenario, &old, &hash).await?;
    failing_later(&scenario).await
}

/// The deployment that takes all traffic fails: nothing is Available until it is put right.
async fn failing_later(scenario: &Scenario) -> Result {
    let endpoint = scenario.get("AmlEndpoint", "serve").await?.doing("the endpoint")?;
    let stable = endpoint["status"]["stable"]["deployment"].as_str().doing("the stable deployment")?;
    let path = format!("/onlineEndpoints/{}/deployments/{stable}", azure_name(scenario));
    let why = json!({"code": "ImagePullFailed", "message": "The image can't be pulled any more."});
    let fault = json!({"method": "PUT", "path": format!("{path}$"), "effect": {"operationFails": why}});
    let fault = scenario.emulator.fault(&fault).await?;
    let hand = AzureClient::new(&scenario.emulator, &scenario.azure.principal).await?;
    let id = format!("{}{path}", scenario.azure.place.workspace_id());
    let live = hand.resource(&id, API).await?;
    hand.put(&id, API, &live).await?;
    scenario.annotate("AmlEndpoint", "serve", "azureml.dev/reconcile-at", "failed").await?;
    let failed = ["Available", "False", "DeploymentFailed"];
    scenario.condition("AmlEndpoint", "serve", failed).await?;
    let told = |endpoint: &Value| {
        let ready = api::condition(endpoint, "Ready").filter(|ready| ready["status"] == "False");
        ready.and_then(|ready| ready["message"].as_str()).is_some_and(|message| message.contains("ImagePullFailed"))
    };
    scenario.wait("AmlEndpoint", "serve", "waiting for why it can't be put right", told).await?;
    scenario.emulator.clear_fault(&fault).await?;
    scenario.ready("AmlEndpoint", "serve").await?;
    scenario.condition("AmlEndpoint", "serve", ["Available", "True", "Succeeded"]).await.map(|_| ())
}

async fn failing_smoke(world: Arc<World>) -> Result {
    let (scenario, old) = served(&world, "bad-model").await?;
    let scoring = Scoring::by(&scenario, "serve-out").await?;
    // The candidate's name is known when its deployment is asked for: that is held until its model is spoilt.
    let path = format!("/subscriptions/{}/.*/deployments/[^/]+$", scenario.azure.place.subscription);
    let gate = scenario.emulator.fault(&json!({"method": "PUT", "path": path, "effect": {"hold": "before"}})).await?;
    train_another(&scenario).await?;
    let candidate = |endpoint: &Value| endpoint["status"]["candidate"]["deployment"].is_string();
    let endpoint = scenario.wait("AmlEndpoint", "serve", "waiting for a candidate", candidate).await?;
    let candidate = endpoint["status"]["candidate"]["deployment"].as_str().doing("the candidate")?;
    let path = format!("/onlineEndpoints/{}/deployments/{candidate}$", azure_name(&scenario));
    let fault = scenario.emulator.fault(&json!({"path": path, "effect": {"model": {"status": 500}}})).await?;
    scenario.emulator.clear_fault(&gate).await?;
    let (hash, answers) = asked_meanwhile(&scoring, rolled_back(&scenario, &old, "smoke")).await?;
    if answers.iter().any(|answer| *answer != old) {
        return Err(Failure::new(format!("the revision that failed answered: {answers:?}")));
    }
    scenario.emulator.clear_fault(&fault).await?;
    tried_again(&scenario, &old, &hash).await
}
