//! Steps other than AutoML: commands and components, wired to it and to each other; how they fail, and how a run that is
//! under way is stopped.

use std::sync::Arc;
use std::time::Duration;

use azureml_operator_tests::api::{self, is};
use azureml_operator_tests::azure_client::AzureClient;
use azureml_operator_tests::failure::{Failure, Result};
use azureml_operator_tests::scenario::{LIMIT, Scenario};
use azureml_operator_tests::world::World;
use serde_json::{Value, json};

use crate::small;
use crate::suite::Suite;

/// Adds the tests.
pub fn tests(suite: &mut Suite) {
    suite.add("steps::automl_trains_on_what_a_command_made_and_another_command_judges_the_model", wired);
    suite.add("steps::a_command_that_fails_is_told_with_the_end_of_its_log", failing);
    suite.add("steps::a_component_runs_as_soon_as_it_is_registered", component);
    suite.add("steps::a_run_under_way_is_stopped_on_demand_by_its_time_limit_and_by_hand", stopped);
}

const RUN: &str = "AmlPipelineRun";
/// An environment that nobody has to register.
const CURATED: &str = "azureml://registries/azureml/environments/sklearn-1.5/labels/latest";
const API: &str = "2025-12-01";

const PREPARE: &str = r#"
mkdir -p "$2"
head -n "$3" "$1/rows.csv" > "$2/kept.csv"
printf 'paths:\n- file: ./kept.csv\ntransformations:\n- read_delimited: {delimiter: ",", header: all_files_same_headers}\n' > "$2/MLTable"
echo "kept $3 lines for $WHO"
"#;

/// Ends well only where the model is there and the parameter came through.
const JUDGE: &str = r#"
test -f "$1/MLmodel" && test "$2" = 100 && cp "$1/MLmodel" "$3/report.txt"
"#;

fn claim(holds: bool, otherwise: impl FnOnce() -> String) -> Result {
    if holds { Ok(()) } else { Err(Failure::new(otherwise())) }
}

fn map(name: &str, data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
}

/// The objects of the small flow that stand before the pipeline.
async fn ground(scenario: &Scenario) -> Result {
    let kinds = ["AmlCompute", "AmlDataset"];
    for object in small::objects(scenario).iter().filter(|object| kinds.iter().any(|kind| object["kind"] == *kind)) {
        scenario.apply(object).await?;
    }
    Ok(())
}

/// A pipeline of commands without data.
fn commands(steps: Value, run: Value) -> Value {
    json!({"compute": {"ref": "cpu"}, "steps": steps, "run": run})
}

fn finished(run: &Value) -> bool {
    is(run, "Finished", "True")
}

fn step<'a>(run: &'a Value, name: &str) -> &'a Value {
    let steps = run["status"]["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
    steps.iter().find(|step| step["name"] == name).unwrap_or(&Value::Null)
}

/// Puts by the operator into a collection of the workspace.
async fn puts(scenario: &Scenario, of: &str) -> Result<usize> {
    let writes = scenario.azure_writes().await?;
    Ok(writes.iter().filter(|write| write.method == "PUT" && write.path.contains(&format!("/{of}/"))).count())
}

async fn wired(world: Arc<World>) -> Result {
    let scenario = Scenario::start(&world, "wired").await?;
    ground(&scenario).await?;
    scenario.apply(&map("prepare", json!({"prepare.sh": PREPARE, "judge.sh": JUDGE}))).await?;
    scenario.apply(&map("conda", json!({"conda.yaml": "name: x\ndependencies: [python=3.11]\n"}))).await?;
    let inline = json!({"image": "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04", "conda": {"name": "conda", "key": "conda.yaml"}});
    let code = json!({"configMapRef": {"name": "prepare"}});
    let spec = json!({
        "compute": {"ref": "cpu"},
        "parameters": [{"name": "lines", "value": "100"}],
        "inputs": [{"name": "training", "dataset": "rows"}],
        "steps": [
            {"name": "prepare", "command": {
                "command": "sh prepare.sh ${{inputs.rows}} ${{outputs.kept}} ${{inputs.lines}}",
                "code": code, "inlineEnvironment": inline,
                "inputs": [{"name": "rows", "from": "training"}, {"name": "lines", "parameter": "lines"}],
                "outputs": [{"name": "kept", "type": "mltable"}],
                "environmentVariables": [{"name": "WHO", "value": "training"}]}},
            {"name": "train", "automl": {
                "task": "Classification", "targetColumn": "y", "trainingData": "prepare.kept", "testData": "training",
                "primaryMetric": "AUCWeighted",
                "limits": {"maxTrials": 1, "timeout": "10m", "trialTimeout": "5m"},
                "training": {"allowedAlgorithms": ["LogisticRegression"], "enableVoteEnsemble": false, "enableStackEnsemble": false},
                "validation": {"crossValidations": 2}}},
            {"name": "judge", "command": {
                "command": "sh judge.sh ${{inputs.model}} ${{inputs.lines}} ${{outputs.report}}",
                "code": code, "environment": CURATED,
                "inputs": [{"name": "model", "from": "train.best_model"}, {"name": "lines", "parameter": "lines"}],
                "outputs": [{"name": "report", "type": "uri_folder"}]}},
        ],
        "run": {"triggers": ["SpecChange"]},
    });
    scenario.put("AmlPipeline", "wired", spec).await?;
    let run = scenario.wait_any(RUN, "waiting for the run", finished).await?;
    claim(api::ready(&run), || format!("it did not end well: {}", run["status"]))?;
    let outputs: Vec<&String> = run["status"]["outputs"].as_object().into_iter().flat_map(|all| all.keys()).collect();
    claim(outputs == ["judge_report", "prepare_kept", "train_best_model"], || format!("outputs {outputs:?}"))?;
    for name in ["prepare", "train", "judge"] {
        let step = step(&run, name);
        let told = step["status"] == "Completed" && step["startTime"].is_string() && step["endTime"].is_string();
        claim(told, || format!("step {name}: {step}"))?;
    }
    let begins = |name: &str| step(&run, name)["startTime"].as_str().unwrap_or_default().to_owned();
    claim(begins("prepare") <= begins("train") && begins("train") <= begins("judge"), || run["status"].to_string())?;
    let metrics = &run["status"]["best"]["metrics"];
    let both = metrics["test"]["AUC_weighted"].is_string() && metrics["validation"]["AUC_weighted"].is_string();
    claim(both && metrics["test"] != metrics["validation"], || format!("metrics {metrics}"))?;
    let job = &run["status"]["job"];
    claim(job["studioUrl"].as_str().is_some_and(|url| url.contains("/runs/")), || format!("job {job}"))?;
    claim(run["status"]["inputs"][0]["dataset"] == "rows", || run["status"]["inputs"].to_string())?;
    // One snapshot for both steps, one environment, a component for each.
    for (of, expected) in [("codes", 1), ("environments", 1), ("components", 2)] {
        let count = puts(&scenario, of).await?;
        claim(count == expected, || format!("{count} of {of} were registered, not {expected}"))?;
    }
    // Other code is another definition; what did not change is not registered again.
    let first = run["metadata"]["name"].clone();
    scenario.apply(&map("prepare", json!({"prepare.sh": format!("{PREPARE}\n# again"), "judge.sh": JUDGE}))).await?;
    let second = |run: &Value| finished(run) && run["metadata"]["name"] != first;
    let run = scenario.wait_any(RUN, "waiting for the run of the new code", second).await?;
    claim(api::ready(&run) && run["status"]["cause"] == "SpecChange", || run["status"].to_string())?;
    let (codes, environments) = (puts(&scenario, "codes").await?, puts(&scenario, "environments").await?);
    claim((codes, environments) == (2, 1), || format!("{codes} snapshots and {environments} environments"))
}

async fn failing(world: Arc<World>) -> Result {
    let scenario = Scenario::start(&world, "step-fails").await?;
    ground(&scenario).await?;
    let script = "for n in $(seq 1 100); do echo row $n; done\necho 'no such column: width' >&2\nexit 7\n";
    let url = scenario.site.set(&format!("{}/fails.sh", scenario.namespace), script);
    let steps =
        json!([{"name": "prep", "command": {"command": "sh fails.sh", "code": {"url": url}, "environment": CURATED}}]);
    let run = json!({"triggers": ["SpecChange"], "retry": {"limit": 1}});
    scenario.put("AmlPipeline", "fails", commands(steps, run)).await?;
    let run = scenario.wait_any(RUN, "waiting for the failed run", finished).await?;
    let name = run["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    claim(run["status"]["attempt"] == 2, || format!("attempt {}", run["status"]["attempt"]))?;
    let step = step(&run, "prep");
    let log = step["log"].as_str().unwrap_or_default();
    claim(log.contains("row 99\nrow 100\nno such column: width") && !log.contains("row 1\n"), || format!("log {log}"))?;
    claim(step["error"].as_str().is_some_and(|error| error.contains("status code 7")), || format!("step {step}"))?;
    let words = ["Step \"prep\" failed", "status code 7", "Its log ends", "no such column: width", "azureml.dev/run"];
    scenario.tells(RUN, &name, "RunFailed", &words).await?;
    let told = |event: &Value| {
        event["regarding"]["kind"] == RUN
            && event["reason"] == "RunFailed"
            && event["note"].as_str().is_some_and(|note| note.contains("no such column: width"))
    };
    scenario.wait_any("Event", "an event with the end of the log", told).await.map(|_| ())
}

async fn component(world: Arc<World>) -> Result {
    let scenario = Scenario::start(&world, "component").await?;
    ground(&scenario).await?;
    let azure = AzureClient::new(&scenario.emulator, &scenario.azure.principal).await?;
    let id = |below: &str| format!("{}/{below}", scenario.azure.place.workspace_id());
    let environment = json!({"properties": {"image": "python:3.11", "isAnonymous": false, "isArchived": false}});
    azure.put(&id("environments/tools/versions/1"), API, &environment).await?;
    let steps = json!([
        {"name": "count", "component": {"id": "azureml:count:1",
            "inputs": [{"name": "table", "from": "training"}], "outputs": [{"name": "lines", "type": "uri_folder"}]}},
        {"name": "check", "command": {"command": "test \"$(cat ${{inputs.lines}}/n)\" -eq 121", "environment": "azureml:tools@latest",
            "inputs": [{"name": "lines", "from": "count.lines"}]}},
    ]);
    let mut spec = commands(steps, json!({"triggers": ["SpecChange"]}));
    spec["inputs"] = json!([{"name": "training", "dataset": "rows"}]);
    scenario.put("AmlPipeline", "counts", spec).await?;
    let waits = |run: &Value| api::condition(run, "Ready").is_some_and(|ready| ready["reason"] == "ComponentNotFound");
    let run = scenario.wait_any(RUN, "waiting for a component that is not there", waits).await?;
    let name = run["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let words = ["spec.steps[count].component.id names azureml:count:1", "Register it"];
    scenario.tells(RUN, &name, "ComponentNotFound", &words).await?;
    let specification = json!({"type": "command", "name": "count", "version": "1", "is_deterministic": true,
        "command": "wc -l < ${{inputs.table}}/rows.csv > ${{outputs.lines}}/n",
        "environment": format!("azureml:{}", id("environments/tools/versions/1")),
        "inputs": {"table": {"type": "mltable"}}, "outputs": {"lines": {"type": "uri_folder"}}});
    let body = json!({"properties": {"componentSpec": specification, "isAnonymous": false, "isArchived": false}});
    azure.put(&id("components/count/versions/1"), API, &body).await?;
    scenario.annotate(RUN, &name, "azureml.dev/reconcile-at", "now").await?;
    let run = scenario.wait(RUN, &name, "waiting for the run", finished).await?;
    claim(api::ready(&run), || run["status"].to_string())?;
    let outputs = &run["status"]["outputs"];
    claim(outputs["count_lines"].as_str().is_some_and(|at| at.starts_with("azureml://jobs/")), || outputs.to_string())
}

async fn stopped(world: Arc<World>) -> Result {
    let scenario = Scenario::start(&world, "stopped").await?;
    ground(&scenario).await?;
    let steps = json!([{"name": "waits", "command": {"command": "sleep 600", "environment": CURATED}}]);
    scenario.put("AmlPipeline", "long", commands(steps.clone(), json!({}))).await?;
    scenario.put("AmlPipeline", "short", commands(steps, json!({"timeout": "3s", "retry": {"limit": 2}}))).await?;
    // The time that a run may take is not to go by while it waits.
    scenario.ready("AmlPipeline", "long").await?;
    scenario.ready("AmlPipeline", "short").await?;
    for (name, pipeline) in [("by-demand", "long"), ("by-hand", "long"), ("by-time", "short"), ("never", "none")] {
        scenario.put(RUN, name, json!({"pipelineRef": {"name": pipeline}})).await?;
    }
    let runs = |run: &Value| step(run, "waits")["status"] == "Running";
    scenario.wait(RUN, "by-demand", "waiting for its step", runs).await?;
    scenario.change(RUN, "by-demand", json!({"state": "Cancelled"})).await?;
    // What happens while the operator does not look: the job is cancelled and deleted.
    let deleted = scenario.wait(RUN, "by-hand", "waiting for its step", runs).await?;
    scenario.annotate(RUN, "by-hand", "azureml.dev/paused", "true").await?;
    scenario.wait(RUN, "by-hand", "waiting for its pause", |run| is(run, "Paused", "True")).await?;
    let azure = AzureClient::new(&scenario.emulator, &scenario.azure.principal).await?;
    let job = deleted["status"]["job"]["id"].as_str().unwrap_or_default();
    azure.post(job, "cancel", API, &json!({})).await?;
    let gone = async {
        while azure.delete(job, API, "").await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(LIMIT, gone).await.map_err(|_| Failure::new("the job is not deleted"))?;
    scenario.annotate(RUN, "by-hand", "azureml.dev/paused", "false").await?;
    scenario.change(RUN, "never", json!({"state": "Cancelled"})).await?;
    for (name, word, reason) in [
        ("by-demand", "Cancelled", "RunCancelled"),
        ("by-hand", "Failed", "JobLost"),
        ("by-time", "TimedOut", "RunTimedOut"),
        ("never", "Cancelled", "RunCancelled"),
    ] {
        let run = scenario.wait(RUN, name, "waiting for its end", finished).await?;
        let ended = api::condition(&run, "Finished").is_some_and(|found| found["reason"] == word);
        let verdict = api::condition(&run, "Succeeded")
            .is_some_and(|found| found["status"] == "False" && found["reason"] == reason);
        claim(ended && verdict && run["status"]["completionTime"].is_string(), || {
            format!("{name}: {}", run["status"])
        })?;
    }
    Ok(())
}
