//! Schedules: Azure starts runs whether a cluster is there or not, and each is shown once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use azureml_operator_tests::failure::{Failure, Result, While};
use azureml_operator_tests::scenario::{LIMIT, Scenario};
use azureml_operator_tests::world::World;
use serde_json::{Value, json};

use crate::small;
use crate::suite::Suite;

/// Seconds of a day.
const DAY: f64 = 86_400.0;
const LOOK: Duration = Duration::from_millis(100);

/// Adds the test.
pub fn tests(suite: &mut Suite) {
    suite.add("schedules::what_fires_while_the_operator_is_stopped_is_found_once", found_once);
}

async fn found_once(world: Arc<World>) -> Result {
    let scenario = Scenario::apart(&world, "fires").await?;
    let outcome = story(&scenario).await;
    let stopped = scenario.emulator.stop().await;
    outcome.and(stopped)
}

/// The small flow up to its pipeline, which has a schedule and no triggers.
async fn story(scenario: &Scenario) -> Result {
    let mut operator = scenario.operator().await?;
    for mut object in small::objects(scenario) {
        match object["kind"].as_str().unwrap_or_default() {
            "AmlModel" | "AmlEndpoint" | "ConfigMap" => continue,
            "AmlPipeline" => {
                // Far from now, so that no time of it passes by itself.
                let hour =
                    (SystemTime::now().duration_since(UNIX_EPOCH).doing("the clock")?.as_secs() / 3600 + 12) % 24;
                let cron = format!("30 {hour} * * *");
                object["spec"]["run"] = json!({"schedule": {"cron": cron, "timeZone": "Europe/Berlin"}});
            }
            _ => {}
        }
        scenario.apply(&object).await?;
    }
    let pipeline = operator.explained(scenario.ready("AmlPipeline", "train").await)?;
    let schedule = pipeline["status"]["schedule"].clone();
    if schedule["windowsTimeZone"] != "W. Europe Standard Time" || !schedule["next"].is_string() {
        return Err(Failure::new(format!("the schedule is told as {schedule}")));
    }
    baked(scenario, &schedule["name"], "1").await?;

    // Three nights without an operator.
    operator.stop().await?;
    for night in 1..=3 {
        pass_a_day(scenario, night).await?;
    }
    if !runs(scenario).await?.is_empty() {
        return Err(Failure::new("runs appeared while no operator ran"));
    }
    operator.restart().await?;
    operator.explained(shown(scenario, 3).await)?;
    // The next night there are four: none of the three is there twice.
    pass_a_day(scenario, 4).await?;
    operator.explained(shown(scenario, 4).await)?;

    // What the history drops here stays in Azure, and does not come back.
    scenario.change("AmlPipeline", "train", json!({"run": {"history": {"succeeded": 1}}})).await?;
    operator.explained(shown(scenario, 1).await)?;
    operator.restart().await?;
    pass_a_day(scenario, 5).await?;
    let newest = operator.explained(shown(scenario, 1).await)?;
    let last = jobs(scenario).await?.into_iter().max().doing("jobs")?;
    let newest = match newest.contains(&last) {
        true => newest,
        // Shown before the oldest went.
        false => operator.explained(shown_is(scenario, &last).await)?,
    };
    if newest.len() != 1 {
        return Err(Failure::new(format!("shown are {newest:?}")));
    }

    // Other data: the job in the schedule is another one.
    scenario.site.set(&format!("{}/rows.csv", scenario.namespace), small::rows().replace("red", "pink"));
    scenario.annotate("AmlDataset", "rows", "azureml.dev/reconcile-at", "now").await?;
    let hash = schedule["jobHash"].clone();
    let other =
        |object: &Value| object["status"]["schedule"]["jobHash"] != hash && azureml_operator_tests::api::ready(object);
    operator
        .explained(scenario.wait("AmlPipeline", "train", "waiting for another job in the schedule", other).await)?;
    baked(scenario, &schedule["name"], "2").await?;

    // Suspended it starts none, and deleted it is gone; the jobs stay.
    scenario.change("AmlPipeline", "train", json!({"run": {"schedule": {"suspend": true}}})).await?;
    let suspended = |object: &Value| {
        object["status"]["schedule"]["suspended"] == true && object["status"]["schedule"]["next"].is_null()
    };
    operator.explained(scenario.wait("AmlPipeline", "train", "waiting for it to be suspended", suspended).await)?;
    scenario.emulator.clock(&json!({"advanceSeconds": DAY})).await?;
    operator.explained(scenario.delete("AmlPipeline", "train").await)?;
    let state = scenario.azure_state().await?;
    let left = state["resources"]
        .as_object()
        .doing("resources")?
        .keys()
        .filter(|id| id.to_lowercase().contains("/schedules/"));
    let (left, jobs) = (left.count(), jobs(scenario).await?.len());
    if (left, jobs) != (0, 5) {
        return Err(Failure::new(format!("{left} schedules and {jobs} jobs are left in Azure")));
    }
    operator.stop().await
}

/// The job in Azure's schedule reads this version, and the trigger has a start.
async fn baked(scenario: &Scenario, name: &Value, version: &str) -> Result {
    let state = scenario.azure_state().await?;
    let id = format!("{}/schedules/{}", scenario.azure.place.workspace_id(), name.as_str().unwrap_or_default());
    let found = state["resources"].as_object().into_iter().flatten().find(|(known, _)| known.eq_ignore_ascii_case(&id));
    let properties = &found.doing("the schedule in Azure")?.1["properties"];
    let job = &properties["action"]["jobDefinition"];
    let uri = job["inputs"]["training"]["uri"].as_str().unwrap_or_default();
    let count = uri.rsplit('/').next().map(|found| version == "1" || found != "1").unwrap_or_default();
    if count && uri.contains("/data/rows/versions/") && properties["trigger"]["startTime"].is_string() {
        return Ok(());
    }
    Err(Failure::new(format!("the schedule holds {properties:#}")))
}

/// Steps the clock by a day, and waits for the job that Azure starts in it and for its end.
async fn pass_a_day(scenario: &Scenario, jobs: usize) -> Result {
    scenario.emulator.clock(&json!({"advanceSeconds": DAY})).await?;
    let deadline = tokio::time::Instant::now() + LIMIT;
    loop {
        let state = scenario.azure_state().await?;
        let ended = pipelines(&state).filter(|job| job["properties"]["status"] == "Completed").count();
        if ended == jobs {
            return Ok(());
        }
        if tokio::time::Instant::now() > deadline {
            return Err(Failure::new(format!("{ended} of {jobs} jobs have ended")));
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn pipelines(state: &Value) -> impl Iterator<Item = &Value> {
    let all = state["resources"].as_object().into_iter().flatten();
    all.filter(|(id, job)| id.to_lowercase().contains("/jobs/") && job["properties"]["jobType"] == "Pipeline")
        .map(|(_, job)| job)
}

/// The names of the jobs that Azure started.
async fn jobs(scenario: &Scenario) -> Result<BTreeSet<String>> {
    let state = scenario.azure_state().await?;
    Ok(pipelines(&state).filter_map(|job| job["name"].as_str().map(str::to_owned)).collect())
}

async fn runs(scenario: &Scenario) -> Result<Vec<Value>> {
    scenario.api().list("AmlPipelineRun", &scenario.namespace).await
}

/// Waits until as many runs are shown, each of a job of its own, with its cause and its end; the jobs.
async fn shown(scenario: &Scenario, count: usize) -> Result<BTreeSet<String>> {
    waited(scenario, &format!("{count} runs"), |jobs| jobs.len() == count).await
}

async fn shown_is(scenario: &Scenario, job: &str) -> Result<BTreeSet<String>> {
    waited(scenario, job, |jobs| jobs.len() == 1 && jobs.contains(job)).await
}

async fn waited(
    scenario: &Scenario,
    what: &str,
    wanted: impl Fn(&BTreeSet<String>) -> bool,
) -> Result<BTreeSet<String>> {
    let deadline = tokio::time::Instant::now() + LIMIT;
    loop {
        let runs = runs(scenario).await?;
        let jobs: BTreeSet<String> =
            runs.iter().filter_map(|run| run["spec"]["importJob"].as_str().map(str::to_owned)).collect();
        if jobs.len() != runs.len() {
            return Err(Failure::new(format!("{} runs show {} jobs", runs.len(), jobs.len())));
        }
        let told = runs.iter().all(|run| run["status"]["cause"] == "Schedule" && run["status"]["phase"] == "Succeeded");
        if wanted(&jobs) && told {
            return Ok(jobs);
        }
        if tokio::time::Instant::now() > deadline {
            let states: Vec<&Value> = runs.iter().map(|run| &run["status"]["phase"]).collect();
            return scenario.explained(Err(Failure::new(format!("waiting for {what}: {jobs:?} {states:?}")))).await;
        }
        tokio::time::sleep(LOOK).await;
    }
}
