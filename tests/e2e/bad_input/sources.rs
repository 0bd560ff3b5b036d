//! Files on the web that are no data.

use std::sync::Arc;

use azureml_operator_tests::api::{condition, is, ready};
use azureml_operator_tests::failure::Result;
use azureml_operator_tests::scenario::Scenario;
use azureml_operator_tests::site::Site;
use azureml_operator_tests::world::World;
use serde_json::{Value, json};

use super::{Trouble, claim, holds_in_azure, part, told};
use crate::small;
use crate::suite::Suite;

pub(super) fn tests(suite: &mut Suite) {
    for spoilt in SPOILT {
        suite.add(format!("bad_input::{}", spoilt.test), move |world| source(world, spoilt));
    }
    suite.add("bad_input::a_file_without_the_target_column_fails_the_run_and_a_mended_file_runs_again", no_target);
}

/// A file that is no data.
struct Spoilt {
    /// What the test is called.
    test: &'static str,
    namespace: &'static str,
    spoil: fn(&Site, &str),
    reason: &'static str,
    words: &'static [&'static str],
}

static SPOILT: [&Spoilt; 3] = [
    &Spoilt {
        test: "a_web_file_that_is_not_there_is_said_and_heals_when_it_comes",
        namespace: "web-404",
        spoil: |site, path| site.remove(path),
        reason: "SourceNotFound",
        words: &["spec.source.web.url", "404", "Correct the address"],
    },
    &Spoilt {
        test: "an_empty_web_file_is_said_and_heals_when_it_is_mended",
        namespace: "web-empty",
        spoil: |site, path| {
            site.set(path, "");
        },
        reason: "SourceInvalid",
        words: &["spec.source.web.url", "is empty", "Mend the source"],
    },
    &Spoilt {
        test: "a_web_page_in_place_of_a_table_is_said_and_heals_when_it_is_mended",
        namespace: "web-page",
        spoil: |site, path| {
            site.set(path, "<!DOCTYPE html>\n<html><body>Sign in, please, to see rows.csv</body></html>\n");
        },
        reason: "SourceInvalid",
        words: &["spec.source.web.url", "web page", "Mend the source"],
    },
];

/// The dataset of the small flow, which looks at its source each second.
fn dataset(scenario: &Scenario) -> Vec<Value> {
    let mut objects = part(scenario, &["AmlDataset"]);
    for object in &mut objects {
        object["spec"]["source"]["web"]["refreshInterval"] = json!("1s");
    }
    objects
}

fn path(scenario: &Scenario) -> String {
    format!("{}/rows.csv", scenario.namespace)
}

/// The version, as soon as the dataset is Ready with another one than that.
async fn version(scenario: &Scenario, before: &str) -> Result<String> {
    let differs = |object: &Value| ready(object) && object["status"]["version"] != before;
    let object = scenario.wait("AmlDataset", "rows", "waiting for a new version", differs).await?;
    Ok(object["status"]["version"].as_str().unwrap_or_default().to_owned())
}

async fn source(world: Arc<World>, spoilt: &'static Spoilt) -> Result {
    let scenario = Scenario::start(&world, spoilt.namespace).await?;
    let objects = dataset(&scenario);
    let (path, trouble) =
        (path(&scenario), Trouble { kind: "AmlDataset", name: "rows", reason: spoilt.reason, words: spoilt.words });
    // From the beginning.
    (spoilt.spoil)(&scenario.site, &path);
    scenario.apply_all(&objects).await?;
    told(&scenario, &trouble).await?;
    scenario.site.set(&path, small::rows());
    let first = version(&scenario, "").await?;
    // And to what is registered already: that stays.
    (spoilt.spoil)(&scenario.site, &path);
    let object = told(&scenario, &trouble).await?;
    claim(object["status"]["version"] == first.as_str(), || format!("version {first} is lost: {}", object["status"]))?;
    let below = format!("data/rows/versions/{first}");
    claim(holds_in_azure(&scenario, &below).await?, || format!("{below} is gone from Azure"))?;
    scenario.site.set(&path, small::rows() + "3,4,red,no\n");
    version(&scenario, &first).await?;
    claim(holds_in_azure(&scenario, &below).await?, || format!("{below} is gone from Azure"))
}

async fn no_target(world: Arc<World>) -> Result {
    let scenario = Scenario::start(&world, "no-target").await?;
    let objects = [part(&scenario, &["AmlCompute", "AmlPipeline"]), dataset(&scenario)].concat();
    let path = path(&scenario);
    scenario.site.set(&path, small::rows().replacen(",y\n", ",answer\n", 1));
    scenario.apply_all(&objects).await?;
    let failed = |run: &Value| is(run, "Finished", "True") && is(run, "Succeeded", "False");
    let first = scenario.wait_any("AmlPipelineRun", "waiting for the failed run", failed).await?;
    let name = first["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let words = ["Step \"train\" failed", "no column y", "target", "answer", "Put right", "run again"];
    told(&scenario, &Trouble { kind: "AmlPipelineRun", name: &name, reason: "RunFailed", words: &words }).await?;
    // The pipeline itself is in place and tells of its last run.
    let pipeline = scenario.condition("AmlPipeline", "train", ["LastRunSucceeded", "False", "RunFailed"]).await?;
    let said = condition(&pipeline, "LastRunSucceeded").and_then(|said| said["message"].as_str()).unwrap_or_default();
    claim(said.contains(&name) && said.contains("kubectl describe"), || format!("LastRunSucceeded says {said:?}"))?;
    scenario.site.set(&path, small::rows());
    let again = |run: &Value| run["status"]["cause"] == "DatasetChange" && ready(run);
    scenario.wait_any("AmlPipelineRun", "waiting for the run on the mended file", again).await?;
    scenario.condition("AmlPipeline", "train", ["LastRunSucceeded", "True", "RunSucceeded"]).await?;
    let kept = scenario.get("AmlPipelineRun", &name).await?;
    claim(kept.is_some(), || format!("the failed run {name} is lost"))
}
