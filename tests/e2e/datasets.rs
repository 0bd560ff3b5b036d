//! Other data through unchanged code, labels that mean nothing, and data that changes.

use std::collections::BTreeSet;
use std::sync::Arc;

use azureml_operator_tests::api;
use azureml_operator_tests::failure::{Failure, Result, While};
use azureml_operator_tests::scenario::Scenario;
use azureml_operator_tests::scoring::Scoring;
use azureml_operator_tests::site;
use azureml_operator_tests::world::World;
use serde_json::{Value, json};

use crate::small;
use crate::suite::Suite;

/// Adds the tests.
pub fn tests(suite: &mut Suite) {
    suite.add("datasets::penguins_flow_through_unchanged_code_to_predictions", penguins);
    suite.add("datasets::nothing_is_learnt_from_shuffled_labels", shuffled);
    suite.add("datasets::a_file_that_changes_becomes_a_deployment_and_one_of_shuffled_labels_does_not", changed);
}

/// A table: its columns, and its rows.
#[derive(Clone, Debug)]
pub struct Table {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    pub fn read(text: &[u8]) -> Result<Self> {
        let mut reader = csv::Reader::from_reader(text);
        let columns = reader.headers()?.iter().map(str::to_owned).collect();
        let records = reader.records().collect::<std::result::Result<Vec<_>, _>>()?;
        let rows = records.iter().map(|record| record.iter().map(str::to_owned).collect()).collect();
        Ok(Self { columns, rows })
    }

    pub fn column(&self, name: &str) -> Result<usize> {
        self.columns.iter().position(|column| column == name).doing(format_args!("column {name}"))
    }

    fn csv(&self) -> Result<Vec<u8>> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&self.columns)?;
        for row in &self.rows {
            writer.write_record(row)?;
        }
        writer.into_inner().doing("CSV")
    }
}

pub fn dataset(url: &str) -> Value {
    json!({"type": "Table", "source": {"web": {"url": url, "refreshInterval": "1s"}}})
}

/// A pipeline that trains by these algorithms.
fn pipeline(dataset: &str, target: &str, algorithms: &[&str]) -> Value {
    json!({
        "experiment": "data",
        "compute": {"ref": "cpu"},
        "inputs": [{"name": "training", "dataset": dataset}],
        "steps": [{"name": "train", "automl": {
            "task": "Classification", "targetColumn": target, "trainingData": "training", "primaryMetric": "AUCWeighted",
            "limits": {"maxTrials": algorithms.len(), "maxConcurrentTrials": 2, "timeout": "10m", "trialTimeout": "5m"},
            "training": {"allowedAlgorithms": algorithms, "enableVoteEnsemble": false, "enableStackEnsemble": false},
            "validation": {"crossValidations": 3}}}],
        "run": {"triggers": ["SpecChange", "DatasetChange"]}})
}

pub fn cluster() -> Value {
    json!({"size": "Standard_DS3_v2", "scale": {"minNodes": 0, "maxNodes": 1}})
}

async fn penguins(world: Arc<World>) -> Result {
    let scenario = Scenario::start(&world, "penguins").await?;
    let bytes = site::data("penguins.csv")?;
    let table = Table::read(&bytes)?;
    let url = scenario.site.set(&format!("{}/penguins.csv", scenario.namespace), bytes);
    scenario.put("AmlCompute", "cpu", cluster()).await?;
    scenario.put("AmlDataset", "penguins", dataset(&url)).await?;
    let training = pipeline("penguins", "species", &["LogisticRegression", "RandomForest"]);
    scenario.put("AmlPipeline", "train", training).await?;
    let sources = json!([{"pipeline": "train", "output": "train_best_model"}]);
    let gate = json!({"metrics": [{"name": "AUC_weighted", "min": "0.97"}]});
    scenario.put("AmlModel", "species", json!({"sources": sources, "gate": gate})).await?;
    let endpoint = json!({
        "model": {"ref": "species"},
        "deployment": {"instanceType": "Standard_DS3_v2", "instanceCount": 1},
        "outputs": {"secret": {"name": "species-out"}}});
    scenario.put("AmlEndpoint", "species", endpoint).await?;
    scenario.ready("AmlEndpoint", "species").await?;
    let scored = Scoring::by(&scenario, "species-out").await?.ask(&request(&table, "species")?).await?;
    let target = table.column("species")?;
    let right = (table.rows.iter().zip(&scored.predictions)).filter(|(row, said)| said.as_str() == Some(&row[target]));
    let classes: BTreeSet<&str> = scored.predictions.iter().filter_map(Value::as_str).collect();
    // It has seen these rows, so nearly all are right; those with missing values are among them.
    let (right, all) = (right.count(), table.rows.len());
    if scored.predictions.len() == all && right * 100 >= all * 95 && classes.len() == 3 {
        return Ok(());
    }
    Err(Failure::new(format!("{right} of {all} predictions are right, of the classes {classes:?}")))
}

/// All rows without the target; numbers as numbers, what is missing as null.
pub fn request(table: &Table, target: &str) -> Result<Value> {
    let target = table.column(target)?;
    let numbers: BTreeSet<usize> = (0..table.columns.len())
        .filter(|column| table.rows.iter().all(|row| row[*column] == "NA" || row[*column].parse::<f64>().is_ok()))
        .collect();
    let value = |column: usize, text: &str| match text {
        "NA" => Value::Null,
        text if numbers.contains(&column) => serde_json::from_str(text).unwrap_or(Value::Null),
        text => json!(text),
    };
    let kept = |column: &usize| *column != target;
    let columns: Vec<&String> = (0..table.columns.len()).filter(kept).map(|column| &table.columns[column]).collect();
    let rows: Vec<Vec<Value>> = table
        .rows
        .iter()
        .map(|row| (0..row.len()).filter(kept).map(|column| value(column, &row[column])).collect())
        .collect();
    let index: Vec<usize> = (0..rows.len()).collect();
    Ok(json!({"input_data": {"columns": columns, "index": index, "data": rows}}))
}

/// So many rows are enough to tell 0.5 from anything learnt: with one in nine of the smaller class the standard error
/// of an AUC of 0.5 is 0.01.
const SAMPLE: usize = 8000;

async fn shuffled(world: Arc<World>) -> Result {
    let scenario = Scenario::start(&world, "shuffled").await?;
    let mut table = Table::read(&site::data("bankmarketing_train.csv.gz")?)?;
    let each = table.rows.len() / SAMPLE;
    table.rows = table.rows.into_iter().step_by(each).take(SAMPLE).collect();
    let mut mixed = table.clone();
    shuffle(&mut mixed, "y")?;
    scenario.put("AmlCompute", "cpu", cluster()).await?;
    for (name, table) in [("right", &table), ("mixed", &mixed)] {
        let url = scenario.site.set(&format!("{}/{name}.csv", scenario.namespace), table.csv()?);
        scenario.put("AmlDataset", name, dataset(&url)).await?;
        let training = pipeline(name, "y", &["LogisticRegression", "LightGBM"]);
        scenario.put("AmlPipeline", name, training).await?;
    }
    let (right, mixed) = (best(&scenario, "right").await?, best(&scenario, "mixed").await?);
    if (0.47..=0.53).contains(&mixed) && right > 0.85 {
        return Ok(());
    }
    Err(Failure::new(format!("AUC_weighted is {right} by the true labels and {mixed} by shuffled ones")))
}

/// Deals a column's values out anew, the same way each time.
fn shuffle(table: &mut Table, column: &str) -> Result {
    let column = table.column(column)?;
    let mut state: u64 = 20_260_517;
    for last in (1..table.rows.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let other = usize::try_from((state >> 33) % (last as u64 + 1)).unwrap_or_default();
        let value = table.rows[other][column].clone();
        table.rows[other][column] = std::mem::replace(&mut table.rows[last][column], value);
    }
    Ok(())
}

/// The best model's AUC_weighted in the first run of a pipeline.
async fn best(scenario: &Scenario, pipeline: &str) -> Result<f64> {
    let finished = |run: &Value| {
        run["spec"]["pipelineRef"]["name"] == pipeline
            && api::condition(run, "Finished").is_some_and(|c| c["status"] == "True")
    };
    let run = scenario.wait_any("AmlPipelineRun", &format!("a finished run of {pipeline}"), finished).await?;
    let score = run["status"]["best"]["metrics"]["validation"]["AUC_weighted"].as_str();
    score.and_then(|score| score.parse().ok()).doing(format_args!("AUC_weighted in {}", run["status"]))
}

/// The wished version of the dataset.
fn version(object: &Value) -> String {
    object["status"]["version"].as_str().unwrap_or_default().to_owned()
}

async fn changed(world: Arc<World>) -> Result {
    let scenario = Scenario::start(&world, "changes").await?;
    let mut objects = small::objects(&scenario);
    for object in objects.iter_mut().filter(|object| object["kind"] == "AmlDataset") {
        object["spec"]["source"]["web"]["refreshInterval"] = json!("1s");
    }
    for object in objects.iter_mut().filter(|object| object["kind"] == "AmlModel") {
        object["spec"]["gate"] = json!({"metrics": [{"name": "AUC_weighted", "min": "0.75"}]});
    }
    scenario.apply_all(&objects).await?;
    small::all_ready(&scenario).await?;
    let before = scenario.ready("AmlDataset", "rows").await?;
    let old = version(&before);
    let served = scenario.get("AmlEndpoint", "serve").await?.doing("the endpoint")?["status"]["stable"].clone();

    let file = format!("{}/rows.csv", scenario.namespace);
    scenario.site.set(&file, format!("{}9,9,red,no\n41,33,green,yes\n", small::rows()));
    let newer = |object: &Value| api::ready(object) && version(object) != old;
    let new = version(&scenario.wait("AmlDataset", "rows", "waiting for a new version", newer).await?);
    let caused = |run: &Value| run["status"]["cause"] == "DatasetChange" && api::ready(run);
    let run = scenario.wait_any("AmlPipelineRun", "a run for the change", caused).await?;
    if run["status"]["inputs"][0]["version"] != json!(new) {
        return Err(Failure::new(format!("the run read {}, not version {new}", run["status"]["inputs"])));
    }
    let name = run["metadata"]["name"].clone();
    let of_run = |model: &Value| api::ready(model) && model["status"]["approved"]["run"] == name;
    let model = scenario.wait("AmlModel", "model", "waiting for the run's version", of_run).await?;
    let approved = model["status"]["approved"]["version"].clone();
    let moved = |endpoint: &Value| {
        let stable = &endpoint["status"]["stable"];
        api::ready(endpoint) && stable["modelVersion"] == approved && stable["deployment"] != served["deployment"]
    };
    scenario.wait("AmlEndpoint", "serve", "waiting for the new version to serve", moved).await?;
    all_of(&scenario, 2).await?;

    // The old content comes back: it is the old version, and what was trained of it is not trained again.
    scenario.site.set(&file, small::rows());
    let reverted = |object: &Value| api::ready(object) && version(object) == old;
    scenario.wait("AmlDataset", "rows", "waiting for the old version", reverted).await?;
    scenario.event("AmlDataset", "Reverted").await?;
    small::all_ready(&scenario).await?;
    all_of(&scenario, 2).await?;

    let mut mixed = Table::read(small::rows().as_bytes())?;
    shuffle(&mut mixed, "y")?;
    scenario.site.set(&file, mixed.csv()?);
    refused(&scenario, &approved).await?;
    all_of(&scenario, 3).await
}

/// The newest version is rejected, which the model and an event say; the endpoint serves what it served.
async fn refused(scenario: &Scenario, approved: &Value) -> Result {
    let rejected = |model: &Value| {
        api::condition(model, "LatestAccepted").is_some_and(|told| told["reason"] == "GateFailed")
            && model["status"]["latestVerdict"] == "Rejected"
    };
    let model = scenario.wait("AmlModel", "model", "waiting for the version to be rejected", rejected).await?;
    let told = api::condition(&model, "LatestAccepted").and_then(|told| told["message"].as_str()).unwrap_or_default();
    if !told.contains("AUC_weighted on validation is") || !told.contains("below the minimum 0.75") {
        return Err(Failure::new(format!("does not say why: {told}")));
    }
    if !api::ready(&model) || model["status"]["approved"]["version"] != *approved {
        return Err(Failure::new(format!("version {approved} is approved no more: {}", model["status"])));
    }
    scenario.event("AmlModel", "GateFailed").await?;
    let endpoint = scenario.ready("AmlEndpoint", "serve").await?;
    if endpoint["status"]["stable"]["modelVersion"] != *approved {
        return Err(Failure::new(format!("the endpoint moved: {}", endpoint["status"]["stable"])));
    }
    Ok(())
}

/// So many versions and runs, one endpoint with one deployment.
async fn all_of(scenario: &Scenario, times: usize) -> Result {
    let census = small::census(scenario).await?;
    let mut expected = small::one_of_each();
    expected.extend([("data versions", times), ("jobs", times), ("model versions", times)]);
    if census == expected { Ok(()) } else { Err(Failure::new(format!("in Azure there are {census:?}"))) }
}
