//! Published pipelines: a stable address that any HTTP client with a token starts.

use std::path::Path;
use std::sync::Arc;

use azureml_operator_tests::api;
use azureml_operator_tests::azure_client::AzureClient;
use azureml_operator_tests::failure::{Failure, Result, While};
use azureml_operator_tests::places;
use azureml_operator_tests::scenario::{LIMIT, Scenario};
use azureml_operator_tests::world::World;
use serde_json::{Value, json};

use crate::small;
use crate::suite::Suite;

/// Adds the test.
pub fn tests(suite: &mut Suite) {
    suite.add("published::a_ci_job_starts_it_and_a_new_version_takes_its_place", published);
    suite.add("published::two_hundred_runs_leave_what_history_keeps_and_all_jobs", two_hundred);
    suite.add("published::what_the_pages_show_is_accepted", pages);
}

/// The small flow up to its pipeline, which is published and started by nothing else.
async fn start(scenario: &Scenario, run: &Value) -> Result<Value> {
    for mut object in small::objects(scenario) {
        match object["kind"].as_str().unwrap_or_default() {
            "AmlModel" | "AmlEndpoint" | "ConfigMap" => continue,
            "AmlPipeline" => {
                object["spec"]["run"] = run.clone();
                object["spec"]["parameters"] = json!([{"name": "reason", "value": "by hand"}]);
                object["spec"]["publish"] = json!({"endpointName": "rows-train"});
            }
            _ => {}
        }
        scenario.apply(&object).await?;
    }
    Ok(scenario.ready("AmlPipeline", "train").await?["status"]["published"].clone())
}

/// The page's and the example's YAML, by the API server's own rules.
async fn pages(world: Arc<World>) -> Result {
    let scenario = Scenario::bare(&world, "pages").await?;
    let page = std::fs::read_to_string(places::root().join("docs/schedules-and-publishing.md"))?;
    let fenced: Vec<&str> = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    if fenced.len() < 2 {
        return Err(Failure::new(format!("the page has {} pieces of YAML", fenced.len())));
    }
    let folder = tempfile::tempdir()?;
    for (index, text) in fenced.iter().enumerate() {
        std::fs::write(folder.path().join(format!("{index}.yaml")), text)?;
    }
    let example = places::root().join("examples/schedules-and-publishing/pipeline.yaml");
    std::fs::copy(&example, folder.path().join("example.yaml")).doing(example.display())?;
    let path = folder.path().display().to_string();
    scenario
        .cluster
        .kubectl()
        .run(&["apply", "--dry-run=server", "-n", &scenario.namespace, "-f", &path])
        .await
        .map(drop)
}

/// So many runs of one pipeline: as many are shown as the history keeps, its status stays small, and Azure keeps all.
async fn two_hundred(world: Arc<World>) -> Result {
    let scenario = Scenario::bare(&world, "two-hundred").await?;
    let published = start(&scenario, &json!({"history": {"failed": 100}})).await?;
    let address = published["invokeUri"].as_str().doing("the address")?;
    // Jobs that end as soon as they begin.
    let region = &scenario.azure.place.location;
    let fault = json!({"method": "POST", "path": format!("/endpoints/{region}/rows-train/jobs$"),
        "effect": {"jobFails": {"code": "UserError", "message": "On purpose."}}});
    let fault = scenario.emulator.fault(&fault).await?;
    let token = AzureClient::new(&scenario.emulator, &scenario.azure.principal).await?.token("mlAudience").await?;
    for wave in 1..=2 {
        for _ in 0..100 {
            let answer = scenario.emulator.http().post(address).bearer_auth(&token).json(&json!({})).send().await?;
            if !answer.status().is_success() {
                return Err(Failure::new(format!("{}: {}", answer.status(), answer.text().await?)));
            }
        }
        let events = format!("wave {wave}");
        counted(&scenario, &events, 100, 100 * wave).await?;
    }
    scenario.emulator.clear_fault(&fault).await?;
    scenario.change("AmlPipeline", "train", json!({"run": {"history": {"failed": 3}}})).await?;
    counted(&scenario, "a shorter history", 3, 200).await?;
    let object = scenario.get("AmlPipeline", "train").await?.doing("the pipeline")?;
    let size = object["status"].to_string().len();
    let jobs = resources(&scenario, "/jobs/batchjob-").await?;
    println!("two hundred runs: a status of {size} bytes, {} jobs in Azure", jobs.len());
    if size < 32_000 && jobs.len() == 200 {
        return Ok(());
    }
    Err(Failure::new(format!("a status of {size} bytes, {} jobs in Azure", jobs.len())))
}

/// Waits until so many runs are there, all ended, and so many jobs of Azure are known here: by a run, or by the mark.
async fn counted(scenario: &Scenario, what: &str, runs: usize, jobs: usize) -> Result {
    // Two hundred take their time beside other tests: what counts is that it goes on.
    let (mut seen, mut since) = ((0, 0, false), tokio::time::Instant::now());
    loop {
        let all = scenario.api().list("AmlPipelineRun", &scenario.namespace).await?;
        let ended = all.iter().filter(|run| run["status"]["phase"] == "Failed").count();
        let state = scenario.azure_state().await?;
        let found = state["resources"].as_object().doing("resources")?.iter();
        let found: Vec<&Value> = found.filter(|(id, _)| id.contains("/jobs/batchjob-")).map(|(_, job)| job).collect();
        let newest =
            found.iter().max_by_key(|job| job["systemData"]["createdAt"].as_str()).map(|job| job["name"].clone());
        let object = scenario.get("AmlPipeline", "train").await?.unwrap_or_default();
        let known = object["status"]["discovery"]["jobs"].as_array().cloned().unwrap_or_default();
        let all_known = newest.is_some_and(|newest| known.contains(&newest));
        if all.len() == runs && ended == runs && found.len() == jobs && all_known {
            return Ok(());
        }
        if seen != (all.len(), ended, all_known) {
            (seen, since) = ((all.len(), ended, all_known), tokio::time::Instant::now());
        }
        if since.elapsed() > LIMIT {
            let told =
                format!("{what}: {} runs, {ended} ended, {} jobs, all known: {all_known}", all.len(), found.len());
            return scenario.explained(Err(Failure::new(told))).await;
        }
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
}

async fn published(world: Arc<World>) -> Result {
    let scenario = Scenario::bare(&world, "published").await?;
    let first = start(&scenario, &json!({})).await?;
    let address =
        first["invokeUri"].as_str().filter(|uri| uri.ends_with("/rows-train/jobs")).doing(first.to_string())?;
    if first["inputs"] != json!(["reason"]) {
        return Err(Failure::new(format!("it is told as {first}")));
    }
    triggered(&scenario, address).await?;
    let run = scenario
        .wait_any("AmlPipelineRun", "the run that CI started", |run| run["status"]["phase"] == "Succeeded")
        .await?;
    if run["status"]["cause"] != "Published" || run["spec"]["importJob"].is_null() || run["status"]["best"].is_null() {
        return Err(Failure::new(format!("it is shown as {run:#}")));
    }
    refused(&scenario, address).await?;

    // Other data: another version behind the same address.
    scenario.site.set(&format!("{}/rows.csv", scenario.namespace), small::rows().replace("red", "pink"));
    scenario.annotate("AmlDataset", "rows", "azureml.dev/reconcile-at", "now").await?;
    // It is Ready all the time: what it ran before it runs until then.
    let moved = |object: &Value| {
        let done = object["status"]["published"]["version"] != first["version"] && api::ready(object);
        done && api::condition(object, "Reconciling").is_none()
    };
    let second = scenario.wait("AmlPipeline", "train", "waiting for the next version", moved).await?;
    let second = second["status"]["published"].clone();
    let deployments = resources(&scenario, "/batchendpoints/rows-train/deployments/").await?;
    let kept = deployments.iter().all(|id| id.ends_with(second["deployment"].as_str().unwrap_or("none")));
    if second["invokeUri"] != first["invokeUri"] || deployments.len() != 1 || !kept {
        return Err(Failure::new(format!("{second} stands on {deployments:?}")));
    }
    in_order(&scenario, &first["deployment"], &second["deployment"]).await?;

    // What it has in Azure goes with it, but for the job.
    scenario.delete("AmlPipeline", "train").await?;
    let left = resources(&scenario, "/batchendpoints/").await?;
    let jobs = resources(&scenario, "/jobs/batchjob-").await?;
    match (left.is_empty(), jobs.is_empty()) {
        (true, false) => Ok(()),
        _ => Err(Failure::new(format!("left in Azure: {left:?}, {jobs:?}"))),
    }
}

/// The example's script, as a CI job runs it, and with the body that it is told.
async fn triggered(scenario: &Scenario, address: &str) -> Result {
    let script = places::root().join("examples/schedules-and-publishing/trigger.sh");
    let body = json!({"properties": {"inputData": {"reason": {"jobInputType": "Literal", "value": "ci"}}}});
    let done = run(scenario, &script, address, &body).await?;
    if !done.contains("Completed") {
        return Err(Failure::new(format!("the script says {done}")));
    }
    let jobs = scenario.azure_state().await?;
    let jobs = jobs["resources"].as_object().into_iter().flatten();
    let said = jobs
        .filter(|(id, _)| id.contains("/jobs/batchjob-"))
        .any(|(_, job)| job["properties"]["inputs"]["reason"]["value"] == "ci");
    if said { Ok(()) } else { Err(Failure::new("the job did not get what the request set")) }
}

async fn run(scenario: &Scenario, script: &Path, address: &str, body: &Value) -> Result<String> {
    let cloud: Value = serde_json::from_str(&scenario.emulator.cloud().await?)?;
    let text = |name: &str| cloud[name].as_str().unwrap_or_default().trim_end_matches('/').to_owned();
    let principal = &scenario.azure.principal;
    let output = tokio::process::Command::new(script)
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap_or_default())
        .env("CURL_CA_BUNDLE", scenario.emulator.ca_file())
        .env("INVOKE_URI", address)
        .env("BODY", body.to_string())
        .env("TENANT_ID", &principal.tenant)
        .env("CLIENT_ID", &principal.client_id)
        .env("CLIENT_SECRET", &principal.secret)
        .env("AUTHORITY", text("authority"))
        .env("ML_AUDIENCE", text("mlAudience"))
        .env("SECONDS_BETWEEN", "0.2")
        .output()
        .await?;
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(told) } else { Err(Failure::new(format!("{}: {told}", script.display()))) }
}

/// Who has no token for it, or sends what it does not take, is told so.
async fn refused(scenario: &Scenario, address: &str) -> Result {
    let client = AzureClient::new(&scenario.emulator, &scenario.azure.principal).await?;
    let (token, other) = (client.token("mlAudience").await?, client.token("resourceManagerAudience").await?);
    let input = |kind: &str| json!({"properties": {"inputData": {"reason": {"jobInputType": kind, "uri": "azureml://datastores/x/paths/y"}}}});
    let rows = [
        ("a table", &token, input("MLTable"), 400),
        ("a folder for a literal", &token, input("UriFolder"), 400),
        (
            "an input that there is not",
            &token,
            json!({"properties": {"inputData": {"x": {"jobInputType": "Literal", "value": "1"}}}}),
            400,
        ),
        ("a token for Resource Manager", &other, json!({}), 401),
        ("no token", &String::new(), json!({}), 401),
    ];
    for (case, token, body, expected) in rows {
        let answer = scenario.emulator.http().post(address).bearer_auth(token).json(&body).send().await?;
        if answer.status().as_u16() != expected {
            return Err(Failure::new(format!("{case}: {} {}", answer.status(), answer.text().await?)));
        }
    }
    Ok(())
}

/// The new deployment is made, then requests go to it, then the old one is deleted.
async fn in_order(scenario: &Scenario, old: &Value, new: &Value) -> Result {
    let (old, new) = (old.as_str().unwrap_or_default(), new.as_str().unwrap_or_default());
    let writes = scenario.azure_writes().await?;
    let at = |wanted: &dyn Fn(&azureml_operator_tests::emulator::Answered) -> bool| writes.iter().position(wanted);
    let made = at(&|write| write.method == "PUT" && write.path.ends_with(&format!("/deployments/{new}")));
    let default = at(&|write| write.method == "PUT" && write.body["properties"]["defaults"]["deploymentName"] == new);
    let deleted = at(&|write| write.method == "DELETE" && write.path.ends_with(&format!("/deployments/{old}")));
    let ordered = made.is_some() && made < default && default < deleted;
    if ordered { Ok(()) } else { Err(Failure::new(format!("made {made:?}, default {default:?}, deleted {deleted:?}"))) }
}

async fn resources(scenario: &Scenario, part: &str) -> Result<Vec<String>> {
    let state = scenario.azure_state().await?;
    let all = state["resources"].as_object().doing("resources")?.keys().map(|id| id.to_lowercase());
    Ok(all.filter(|id| id.contains(part)).collect())
}
