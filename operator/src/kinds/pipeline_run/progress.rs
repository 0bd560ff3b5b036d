//! How far a job has come: its steps, the models that were tried, the best one. Read from run history.

use std::collections::BTreeMap;

use azureml::automl::{self, Direction};
use azureml::error::Class;
use azureml::resources::jobs::JobState;
use azureml::resources::run_history::{History, Run};
use azureml_crds::pipeline::{AmlPipelineSpec, AutoMl};
use azureml_crds::pipeline_run::{Best, Metrics, StepStatus, Trial};
use azureml_crds::status::clip;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::error::Error;

/// Trials that are shown.
const TRIALS: usize = 20;
/// Metrics that are shown, of each kind.
const METRICS: usize = 50;
/// Letters of a step's error.
const ERROR_LIMIT: usize = 2048;
/// Bytes of a log that are read.
const LOG_BYTES: u64 = 16 * 1024;
/// Letters and lines of a log's end that are told.
const LOG_LIMIT: usize = 2048;
const LOG_LINES: usize = 40;
/// Azure's word for a step that failed.
const FAILED: &str = "Failed";

/// How far a job has come.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// When it started.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Why it failed, as the pipeline says it.
    pub error: Option<String>,
    /// Its steps.
    pub steps: Vec<StepStatus>,
    /// The models that were tried, best first.
    pub trials: Vec<Trial>,
    /// The best one.
    pub best: Option<Best>,
    /// Why some of this could not be read.
    pub unread: Option<String>,
}

/// Reads how far a job has come. What the identity may not read is left out of a job that has ended, and said; of one
/// that runs, every trouble is the caller's.
///
/// # Errors
/// What passes by itself.
pub async fn read(
    history: &History,
    job: &str,
    spec: &AmlPipelineSpec,
    state: JobState,
    before: &Progress,
) -> Result<Progress, Error> {
    match gather(history, job, spec, state, before).await {
        Ok(progress) => Ok(progress),
        Err(error) if is_final(state) && is_permanent(&error) => {
            Ok(Progress { unread: Some(error.to_string()), ..Progress::default() })
        }
        Err(error) => Err(error.into()),
    }
}

fn is_final(state: JobState) -> bool {
    matches!(state, JobState::Completed | JobState::Failed | JobState::Canceled)
}

fn is_permanent(error: &azureml::Error) -> bool {
    matches!(error.class(), Class::Forbidden | Class::NotFound | Class::Person)
}

async fn gather(
    history: &History,
    job: &str,
    spec: &AmlPipelineSpec,
    state: JobState,
    before: &Progress,
) -> Result<Progress, azureml::Error> {
    let run = history.run(job).await?.unwrap_or_default();
    let children = history.children(job).await?;
    let mut steps = Vec::new();
    for step in &spec.steps {
        let child = children.iter().find(|child| child.step() == Some(step.name.as_str()));
        steps.push(step_status(history, &step.name, child, &before.steps).await?);
    }
    let mut progress = Progress {
        started: run.start_time_utc,
        ended: run.end_time_utc,
        error: run.error_text(),
        steps,
        ..Progress::default()
    };
    // The last AutoML step is the one whose model the pipeline is for.
    let experiments = spec.steps.iter().filter_map(|step| Some((step.name.as_str(), step.automl.as_ref()?)));
    for (name, automl) in experiments {
        let Some(parent) = children.iter().find(|child| child.step() == Some(name)) else { continue };
        let runs = history.children(&parent.run_id).await?;
        let direction = direction(automl);
        progress.trials = trials(parent, &runs, direction);
        let known = before.best.as_ref();
        progress.best = best(history, parent, &runs, direction, is_final(state), known).await?.or(progress.best);
    }
    Ok(progress)
}

fn direction(automl: &AutoMl) -> Direction {
    let metric = automl.primary_metric.unwrap_or_else(|| automl.task.default_metric());
    if metric.higher_is_better() { Direction::HigherIsBetter } else { Direction::LowerIsBetter }
}

async fn step_status(
    history: &History,
    name: &str,
    child: Option<&Run>,
    before: &[StepStatus],
) -> Result<StepStatus, azureml::Error> {
    let Some(child) = child else {
        return Ok(StepStatus { name: name.to_owned(), status: "NotStarted".to_owned(), ..StepStatus::default() });
    };
    let told = before.iter().find(|step| step.job_name.as_ref() == Some(&child.run_id) && step.status == FAILED);
    let (mut error, mut log) = (child.error_text(), told.and_then(|step| step.log.clone()));
    if child.status == FAILED {
        if error.is_none() {
            error = history.run(&child.run_id).await?.and_then(|run| run.error_text());
        }
        if told.is_none() {
            log = log_of(history, &child.run_id).await;
        }
    }
    Ok(StepStatus {
        name: name.to_owned(),
        status: child.status.clone(),
        job_name: Some(child.run_id.clone()),
        start_time: child.start_time_utc.map(Time),
        end_time: child.end_time_utc.map(Time),
        error: error.map(|text| clip(&text, ERROR_LIMIT)),
        log,
    })
}

/// The end of a run's log. It explains, and nothing depends on it: where it can't be read, the rest is told without it.
async fn log_of(history: &History, run: &str) -> Option<String> {
    match history.log_tail(run, LOG_BYTES).await {
        Ok(found) => found.and_then(|(_, text)| log_end(&text)),
        Err(error) => {
            tracing::info!(run, %error, "its log can't be read");
            None
        }
    }
}

/// The last lines of a log, whole ones as far as they fit.
fn log_end(text: &str) -> Option<String> {
    let mut lines = Vec::new();
    let mut room = LOG_LIMIT;
    for line in text.trim_end().lines().rev().take(LOG_LINES) {
        let length = line.chars().count() + 1;
        if length > room {
            if lines.is_empty() {
                lines.push(clip(line, LOG_LIMIT));
            }
            break;
        }
        room -= length;
        lines.push(line.to_owned());
    }
    lines.reverse();
    let end = lines.join("\n");
    (!end.trim().is_empty()).then_some(end)
}

/// The trials of an AutoML run, best first: scores from its tags, states from its children.
fn trials(parent: &Run, children: &[Run], direction: Direction) -> Vec<Trial> {
    let mut scored = scored(parent, children);
    scored.sort_by(|left, right| match (left.score, right.score) {
        (Some(left), Some(right)) => direction.compare(left, right),
        (left, right) => right.is_some().cmp(&left.is_some()),
    });
    scored
        .into_iter()
        .take(TRIALS)
        .map(|trial| {
            let status = children.iter().find(|child| child.run_id == trial.run_id).map(|child| child.status.clone());
            Trial {
                status: status.unwrap_or_else(|| "Completed".to_owned()),
                id: trial.run_id,
                algorithm: trial.algorithm,
                score: trial.score.map(score_text),
            }
        })
        .collect()
}

/// The trials that the tags tell of, and those that have only just begun.
fn scored(parent: &Run, children: &[Run]) -> Vec<automl::Trial> {
    let mut all = automl::trials(&parent.run_id, &parent.tags);
    for child in children {
        let algorithm = child.properties.get("run_algorithm");
        if let Some(algorithm) = algorithm
            && !all.iter().any(|trial| trial.run_id == child.run_id)
        {
            all.push(automl::Trial { run_id: child.run_id.clone(), algorithm: algorithm.clone(), score: None });
        }
    }
    all
}

/// The best child of an AutoML run with its metrics. While the job runs they are read once for each best child.
async fn best(
    history: &History,
    parent: &Run,
    children: &[Run],
    direction: Direction,
    is_final: bool,
    before: Option<&Best>,
) -> Result<Option<Best>, azureml::Error> {
    let all = scored(parent, children);
    let Some(trial) = best_trial(parent, &all, direction) else { return Ok(None) };
    let score = trial.score.map(score_text).unwrap_or_default();
    if let Some(before) = before
        && !is_final
        && before.run_id == trial.run_id
        && before.score == score
    {
        return Ok(Some(before.clone()));
    }
    let validation = texts(history.metrics(&trial.run_id).await?);
    let test = match parent.properties.get("ModelTestRunId").filter(|id| !id.is_empty()) {
        Some(id) => texts(history.metrics(id).await?),
        None => BTreeMap::new(),
    };
    Ok(Some(Best {
        run_id: trial.run_id.clone(),
        algorithm: trial.algorithm.clone(),
        score,
        metrics: Metrics { validation, test },
        model: parent.output("best_model").map(str::to_owned),
    }))
}

/// The child that AutoML names; where it names none, the one with the best score.
fn best_trial<'a>(parent: &Run, all: &'a [automl::Trial], direction: Direction) -> Option<&'a automl::Trial> {
    if let Some(named) = automl::best_child(&parent.tags)
        && let Some(trial) = all.iter().find(|trial| trial.run_id == named)
    {
        return Some(trial);
    }
    let scored = all.iter().filter_map(|trial| Some((trial.score?, trial)));
    scored.min_by(|left, right| direction.compare(left.0, right.0)).map(|(_, trial)| trial)
}

fn texts(metrics: BTreeMap<String, f64>) -> BTreeMap<String, String> {
    metrics
        .into_iter()
        .filter(|(_, value)| value.is_finite())
        .take(METRICS)
        .map(|(name, value)| (name, value.to_string()))
        .collect()
}

/// A score as it is shown.
fn score_text(score: f64) -> String {
    format!("{score:.5}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parent() -> Run {
        serde_json::from_value(json!({"runId": "j_train", "tags": {
            "iteration_000": "0;1;2", "score_000": "0.93;NaN;0.95", "run_algorithm_000": "LightGBM;KNN;VotingEnsemble",
        }}))
        .unwrap()
    }

    fn child(id: &str, status: &str, algorithm: &str) -> Run {
        serde_json::from_value(json!({"runId": id, "status": status, "properties": {"run_algorithm": algorithm}}))
            .unwrap()
    }

    #[test]
    fn trials_come_best_first_and_those_without_a_score_last() {
        let children = [child("j_train_1", "Failed", "KNN"), child("j_train_3", "Running", "SGD")];
        let all = trials(&parent(), &children, Direction::HigherIsBetter);
        let told: Vec<_> =
            all.iter().map(|trial| (trial.algorithm.as_str(), trial.score.as_deref(), trial.status.as_str())).collect();
        assert_eq!(
            told,
            [
                ("VotingEnsemble", Some("0.95000"), "Completed"),
                ("LightGBM", Some("0.93000"), "Completed"),
                ("KNN", None, "Failed"),
                ("SGD", None, "Running"),
            ]
        );
        assert_eq!(trials(&parent(), &[], Direction::LowerIsBetter)[0].algorithm, "LightGBM");
    }

    #[test]
    fn a_log_s_end_is_its_last_whole_lines() {
        let long: String = (0..100).map(|line| format!("line {line} {}\n", "x".repeat(90))).collect();
        let end = log_end(&long).unwrap();
        assert!(end.starts_with("line ") && end.ends_with(&format!("line 99 {}", "x".repeat(90))), "{end}");
        assert!(end.chars().count() <= LOG_LIMIT && end.lines().count() > 10);
        assert_eq!(log_end(&"y".repeat(5000)).unwrap().chars().count(), LOG_LIMIT);
        assert_eq!(log_end("one\ntwo\n\n").as_deref(), Some("one\ntwo"));
        assert_eq!(log_end("\n\n"), None);
    }

    #[test]
    fn the_best_is_whom_automl_names_and_else_who_has_the_best_score() {
        let mut run = parent();
        let all = scored(&run, &[]);
        assert_eq!(best_trial(&run, &all, Direction::HigherIsBetter).unwrap().run_id, "j_train_2");
        run.tags.insert("automl_best_child_run_id".into(), "j_train_0".into());
        assert_eq!(best_trial(&run, &all, Direction::HigherIsBetter).unwrap().run_id, "j_train_0");
    }
}
