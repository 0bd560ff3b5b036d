//! What the demo tells at its end, for people and for machines.

use azureml_operator_tests::failure::{Failure, Result, While};
use azureml_operator_tests::places;
use serde_json::{Value, json};

use crate::consumer::Prediction;
use crate::flow::{Snapshot, TITLES, columns, trials};
use crate::view::Finished;

/// The best AUC that this data must give at least, and how many families of algorithms must have been tried.
const FLOOR: (f64, usize) = (0.940, 4);

/// Everything that was seen.
pub struct Report {
    pub seconds: f64,
    pub rows: usize,
    pub steps: Vec<Finished>,
    pub seen: Snapshot,
    pub predictions: Vec<Prediction>,
    pub logs: Vec<Value>,
}

impl Report {
    /// Prints it.
    pub fn print(&self) {
        println!("\nTrials of job {}, best first\n", text(&self.seen.run, "/status/job/name"));
        for trial in trials(&self.seen.run) {
            println!("  {:<10} {:<40} {}", score(&trial), text(&trial, "/algorithm"), text(&trial, "/status"));
        }
        println!("\nColumns of the endpoint, from its swagger.json\n");
        for line in columns(&self.seen.swagger).chunks(4) {
            let cells = line.iter().map(|(name, kind)| format!("{:<28}", format!("{name} ({kind})")));
            println!("  {}", cells.collect::<String>().trim_end());
        }
        println!("\nFive predictions by HTTP, beside the truth\n");
        println!("  {:<7} {:<5} {:<14} {:<10} {:<6} {:<6}", "line", "age", "job", "duration", "truth", "model");
        for prediction in &self.predictions {
            let value = |name: &str| {
                prediction.row.values.iter().find(|(column, _)| column == name).map_or("", |found| &found.1)
            };
            println!(
                "  {:<7} {:<5} {:<14} {:<10} {:<6} {:<6}",
                prediction.row.line,
                value("age"),
                value("job"),
                value("duration"),
                prediction.row.label,
                prediction.predicted
            );
        }
        println!("\nTheir lines in Application Insights\n");
        for line in &self.logs {
            println!("  {}  {}", text(line, "/timestamp"), text(line, "/message"));
        }
        println!();
    }

    /// Writes `target/demo/summary.json`.
    pub fn write(&self) -> Result {
        let path = places::root().join("target/demo/summary.json");
        let text = serde_json::to_string_pretty(&self.summary())?;
        std::fs::write(&path, text + "\n").doing(path.display())
    }

    fn summary(&self) -> Value {
        let steps = self.steps.iter().map(|step| {
            json!({"number": step.number, "title": TITLES[step.number - 1], "at": rounded(step.at), "detail": step.detail})
        });
        let predictions = self.predictions.iter().map(|prediction| {
            json!({
                "line": prediction.row.line,
                "truth": prediction.row.label,
                "predicted": prediction.predicted,
                "deployment": prediction.deployment,
                "request": prediction.request,
            })
        });
        let columns = columns(&self.seen.swagger);
        json!({
            "seconds": rounded(self.seconds),
            "dataset": {
                "rows": self.rows,
                "version": self.seen.dataset["status"]["version"],
                "sizeBytes": self.seen.dataset["status"]["sizeBytes"],
            },
            "steps": steps.collect::<Vec<_>>(),
            "job": self.seen.run["status"]["job"]["name"],
            "trials": trials(&self.seen.run),
            "best": self.seen.run["status"]["best"],
            "model": self.seen.model["status"]["approved"],
            "endpoint": self.seen.endpoint["status"]["stable"],
            "columns": columns.iter().map(|(name, kind)| json!({"name": name, "type": kind})).collect::<Vec<_>>(),
            "predictions": predictions.collect::<Vec<_>>(),
            "logs": self.logs,
        })
    }

    /// What is less than it must be.
    ///
    /// # Errors
    /// Each of it.
    pub fn judge(&self) -> Result {
        let mut short = Vec::new();
        let missing = (1..=TITLES.len()).filter(|number| !self.steps.iter().any(|step| step.number == *number));
        short.extend(missing.map(|number| format!("step {number} did not happen: {}", TITLES[number - 1])));
        let best: f64 = text(&self.seen.run, "/status/best/score").parse().unwrap_or_default();
        let (auc, families) = FLOOR;
        if best < auc {
            short.push(format!("the best AUC_weighted is {best}, which should be {auc} at least"));
        }
        let tried = tried(&trials(&self.seen.run));
        if tried.len() < families {
            short.push(format!("only {} families of algorithms were tried: {}", tried.len(), tried.join(", ")));
        }
        let size = self.seen.dataset["status"]["sizeBytes"].as_u64().unwrap_or_default();
        if self.rows == 0 || size == 0 {
            short.push("the dataset is empty".to_owned());
        }
        if short.is_empty() { Ok(()) } else { Err(Failure::new(short.join("\n"))) }
    }
}

/// The algorithms that were tried, each once; ensembles are made of them.
fn tried(trials: &[Value]) -> Vec<String> {
    let mut names: Vec<String> = trials.iter().map(|trial| text(trial, "/algorithm").to_owned()).collect();
    names.retain(|name| !name.is_empty() && !name.ends_with("Ensemble"));
    names.sort();
    names.dedup();
    names
}

fn score(trial: &Value) -> String {
    text(trial, "/score").parse::<f64>().map_or_else(|_| "-".to_owned(), |score| format!("{score:.4}"))
}

fn text<'a>(object: &'a Value, path: &str) -> &'a str {
    object.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

fn rounded(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_counted_once_and_without_ensembles() {
        let trial = |name: &str| json!({"algorithm": name});
        let trials = [trial("LightGBM"), trial("VotingEnsemble"), trial("LightGBM"), trial("RandomForest")];
        assert_eq!(tried(&trials), ["LightGBM", "RandomForest"]);
    }
}
