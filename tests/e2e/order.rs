//! Files may be applied in any order: the end is the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use azureml_operator_tests::api::condition;
use azureml_operator_tests::examples;
use azureml_operator_tests::failure::{Failure, Result, While};
use azureml_operator_tests::scenario::Scenario;
use azureml_operator_tests::world::World;
use serde_json::{Value, json};

use crate::small;
use crate::suite::Suite;

/// Adds the tests.
pub fn tests(suite: &mut Suite) {
    suite.add("order::in_order_in_reverse_and_all_at_once_end_the_same", any_order);
}

async fn any_order(world: Arc<World>) -> Result {
    let (forward, reverse, at_once) =
        tokio::try_join!(in_order(&world, "forward"), in_reverse(&world, "reverse"), all_at_once(&world, "at-once"))?;
    for (name, end) in [("in reverse", &reverse), ("all at once", &at_once)] {
        if *end != forward {
            return Err(Failure::new(format!("{name} ended as {end:#?}, in order as {forward:#?}")));
        }
    }
    Ok(())
}

async fn in_order(world: &Arc<World>, name: &str) -> Result<Value> {
    let scenario = Scenario::bare(world, name).await?;
    one_by_one(&scenario, small::objects(&scenario)).await?;
    end(&scenario).await
}

async fn in_reverse(world: &Arc<World>, name: &str) -> Result<Value> {
    let scenario = Scenario::bare(world, name).await?;
    one_by_one(&scenario, small::objects(&scenario).into_iter().rev().collect()).await?;
    end(&scenario).await
}

/// Each object is looked at by the operator before the next one is applied.
async fn one_by_one(scenario: &Scenario, objects: Vec<Value>) -> Result {
    for object in objects {
        scenario.apply(&object).await?;
        let (kind, name) = (object["kind"].as_str().doing("kind")?, object["metadata"]["name"].as_str().doing("name")?);
        if kind != "ConfigMap" {
            let judged =
                |object: &Value| condition(object, "Ready").is_some_and(|ready| ready["reason"] != "Progressing");
            let seen = |object: &Value| judged(object) || object["status"]["azure"].is_object();
            scenario.wait(kind, name, "waiting until it was looked at", seen).await?;
        }
    }
    Ok(())
}

/// One `kubectl apply` of a folder with a file an object, whose names are in no order of the flow.
async fn all_at_once(world: &Arc<World>, name: &str) -> Result<Value> {
    let scenario = Scenario::bare(world, name).await?;
    let folder = tempfile::tempdir()?;
    for object in small::objects(&scenario) {
        let file = format!("{}.yaml", object["metadata"]["name"].as_str().doing("name")?);
        std::fs::write(folder.path().join(file), examples::yaml(&[object])?)?;
    }
    let path = folder.path().display().to_string();
    scenario.cluster.kubectl().run(&["apply", "-n", &scenario.namespace, "-f", &path]).await?;
    end(&scenario).await
}

/// What is there in the end, without names that differ from namespace to namespace.
async fn end(scenario: &Scenario) -> Result<Value> {
    small::all_ready(scenario).await?;
    let census = small::census(scenario).await?;
    if census != small::one_of_each() {
        return Err(Failure::new(format!("in Azure of {} there are {census:?}", scenario.namespace)));
    }
    let mut objects = BTreeMap::new();
    for (kind, name) in small::OBJECTS {
        objects.insert(kind, key_fields(&scenario.ready(kind, name).await?, kind));
    }
    let runs = scenario.api().list("AmlPipelineRun", &scenario.namespace).await?;
    let runs: Vec<Value> = runs.iter().map(|run| key_fields(run, "AmlPipelineRun")).collect();
    let outputs = [("Secret", "serve-out"), ("ConfigMap", "serve-swagger")];
    let mut keys = Vec::new();
    for (kind, name) in outputs {
        let output = scenario.get(kind, name).await?.doing(format_args!("{kind} {name}"))?;
        keys.extend(output["data"].as_object().into_iter().flatten().map(|(key, _)| format!("{name}/{key}")));
    }
    Ok(json!({"census": census, "objects": objects, "runs": runs, "outputs": keys}))
}

fn key_fields(object: &Value, kind: &str) -> Value {
    let status = &object["status"];
    let conditions: BTreeMap<&str, (&Value, &Value)> = status["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|condition| Some((condition["type"].as_str()?, (&condition["status"], &condition["reason"]))))
        .collect();
    let own = match kind {
        "AmlWorkspace" => json!({"roles": status["access"].as_array().map(Vec::len), "objects": status["objects"]}),
        "AmlCompute" => json!({"state": status["provisioningState"]}),
        "AmlDataset" => json!({"version": status["version"], "digest": status["contentDigest"],
            "versions": status["versions"].as_array().map(Vec::len)}),
        "AmlPipeline" => json!({"spec": status["specHash"], "best": status["best"], "active": status["activeRuns"]}),
        "AmlPipelineRun" => json!({"phase": status["phase"], "best": status["bestSummary"], "cause": status["cause"],
            "trials": status["trials"].as_array().map(Vec::len), "outputs": status["outputs"].as_object().map(|all| all.keys().collect::<Vec<_>>())}),
        "AmlModel" => json!({"approved": status["approved"]["version"], "latest": status["latest"],
            "metrics": status["approved"]["metrics"], "verdict": status["latestVerdict"]}),
        "AmlEndpoint" => json!({"model": status["stable"]["modelVersion"], "phase": status["rollout"]["phase"],
            "swagger": status["swaggerUri"].is_string(), "rejected": status["rejected"], "operation": status["operation"]}),
        _ => Value::Null,
    };
    json!({"conditions": conditions, "own": own})
}
