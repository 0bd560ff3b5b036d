//! Tables of other shapes through unchanged code, at the same time: numbers to predict, a time series to go on with, and
//! a wide table with text, dates and what is missing.

use std::sync::Arc;

use azureml_operator_tests::failure::{Failure, Result, While};
use azureml_operator_tests::scenario::Scenario;
use azureml_operator_tests::scoring::Scoring;
use azureml_operator_tests::site;
use azureml_operator_tests::world::World;
use serde_json::{Value, json};

use crate::datasets::{Table, cluster, dataset, request};
use crate::suite::Suite;

/// Adds the tests.
pub fn tests(suite: &mut Suite) {
    suite.add("shapes::cars_carbon_dioxide_and_penguins_as_they_were_noted_flow_to_predictions", shapes);
}

/// Weeks that are forecast.
const HORIZON: usize = 26;

async fn shapes(world: Arc<World>) -> Result {
    let scenario = Scenario::start(&world, "shapes").await?;
    scenario.put("AmlCompute", "cpu", cluster()).await?;
    let regression = json!({"task": "Regression", "targetColumn": "mpg", "primaryMetric": "R2Score",
        "training": {"allowedAlgorithms": ["ElasticNet", "RandomForest"]}});
    let forecasting = json!({"task": "Forecasting", "targetColumn": "co2",
        "forecasting": {"timeColumn": "date", "horizon": HORIZON, "frequency": "W"},
        "training": {"allowedAlgorithms": ["SeasonalNaive", "ElasticNet"]}});
    let classification = json!({"task": "Classification", "targetColumn": "Sex", "primaryMetric": "AUCWeighted",
        "training": {"allowedAlgorithms": ["LogisticRegression", "RandomForest"]}});
    let flows = [
        ("cars", "autompg.csv", regression),
        ("air", "co2.csv", forecasting),
        ("sexes", "penguins_raw.csv", classification),
    ];
    let mut tables = Vec::new();
    for (name, file, automl) in flows {
        tables.push(flow(&scenario, name, file, automl).await?);
    }
    for (name, check) in [("cars", cars as fn(&Table, &[Value]) -> Result), ("air", air), ("sexes", sexes)] {
        scenario.ready("AmlEndpoint", name).await?;
        let table = tables.iter().find(|(of, _)| *of == name).map(|(_, table)| table).doing(name)?;
        let asked = if name == "air" { weeks() } else { request(table, if name == "cars" { "mpg" } else { "Sex" })? };
        let scored = Scoring::by(&scenario, &format!("{name}-out")).await?.ask(&asked).await?;
        check(table, &scored.predictions)?;
    }
    Ok(())
}

/// Makes all objects of one flow; a step has what the flows have in common.
async fn flow(scenario: &Scenario, name: &'static str, file: &str, mut automl: Value) -> Result<(&'static str, Table)> {
    let bytes = site::data(file)?;
    let table = Table::read(&bytes)?;
    let url = scenario.site.set(&format!("{}/{file}", scenario.namespace), bytes);
    automl["trainingData"] = json!("training");
    automl["limits"] = json!({"maxTrials": 2, "maxConcurrentTrials": 2, "timeout": "10m", "trialTimeout": "5m"});
    automl["training"]["enableVoteEnsemble"] = json!(false);
    automl["training"]["enableStackEnsemble"] = json!(false);
    automl["validation"] = json!({"crossValidations": 3});
    scenario.put("AmlDataset", name, dataset(&url)).await?;
    let pipeline = json!({
        "experiment": "shapes", "compute": {"ref": "cpu"}, "inputs": [{"name": "training", "dataset": name}],
        "steps": [{"name": "train", "automl": automl}], "run": {"triggers": ["SpecChange"]}});
    scenario.put("AmlPipeline", name, pipeline).await?;
    let sources = json!([{"pipeline": name, "output": "train_best_model"}]);
    scenario.put("AmlModel", name, json!({"sources": sources})).await?;
    let endpoint = json!({
        "model": {"ref": name},
        "deployment": {"instanceType": "Standard_DS3_v2", "instanceCount": 1},
        "outputs": {"secret": {"name": format!("{name}-out")}}});
    scenario.put("AmlEndpoint", name, endpoint).await?;
    Ok((name, table))
}

/// The weeks after the last one of the data, 29 December 2001.
fn weeks() -> Value {
    let rows: Vec<Value> = (0..HORIZON)
        .map(|week| {
            // Every seventh day from 5 January 2002.
            let (mut month, mut day) = (1, 5 + 7 * week);
            for days in [31, 28, 31, 30, 31, 30] {
                if day > days {
                    day -= days;
                    month += 1;
                } else {
                    break;
                }
            }
            json!([20_020_000 + month * 100 + day])
        })
        .collect();
    json!({"input_data": {"columns": ["date"], "index": (0..HORIZON).collect::<Vec<_>>(), "data": rows}})
}

fn numbers(predictions: &[Value]) -> Vec<f64> {
    predictions.iter().filter_map(Value::as_f64).collect()
}

fn cars(table: &Table, predictions: &[Value]) -> Result {
    let target = table.column("mpg")?;
    let said = numbers(predictions);
    let off =
        table.rows.iter().zip(&said).filter_map(|(row, said)| Some((row[target].parse::<f64>().ok()? - said).abs()));
    let mean = off.sum::<f64>() / table.rows.len() as f64;
    if said.len() == table.rows.len() && mean < 2.5 {
        return Ok(());
    }
    Err(Failure::new(format!("{} of {} cars are predicted, {mean} off in the mean", said.len(), table.rows.len())))
}

fn air(_: &Table, predictions: &[Value]) -> Result {
    let said = numbers(predictions);
    // At Mauna Loa there were 372.5 ppm in January 2002 and 375.7 in May.
    let near = |week: usize, ppm: f64| said.get(week).is_some_and(|said| (said - ppm).abs() < 1.5);
    if said.len() == HORIZON && near(1, 372.5) && near(19, 375.7) {
        return Ok(());
    }
    Err(Failure::new(format!("the weeks are forecast as {said:?}")))
}

fn sexes(table: &Table, predictions: &[Value]) -> Result {
    let target = table.column("Sex")?;
    let known = table.rows.iter().zip(predictions).filter(|(row, _)| row[target] != "NA");
    let (known, right) = known.fold((0, 0), |(known, right), (row, said)| {
        (known + 1, right + usize::from(said.as_str() == Some(&row[target])))
    });
    if predictions.len() == table.rows.len() && known == 333 && right * 100 >= known * 93 {
        return Ok(());
    }
    Err(Failure::new(format!("{right} of {known} penguins are told apart, {} predicted", predictions.len())))
}
