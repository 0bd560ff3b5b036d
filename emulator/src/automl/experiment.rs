//! Runs an AutoML experiment: its data, its trials as child runs, its best model.
//!
//! The metrics of the best model on test data are not mixed with those of validation: they are the metrics of a run of
//! their own, `{best child}_test`, a child of the best child, which `properties.ModelTestRunId` of the parent names.

use super::mlflow_model;
use super::request::AutoMlRequest;
use crate::jobs::{Ended, Outputs, Underway};
use crate::run_history::run::{Location, Run, RunError, RunKind, Status};
use azureml_emulator_learn::{
    AutoMl, AutoMlError, Data, Event, Metrics, Outcome, TrialReport, TrialResult, TrialStart,
};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Below this many rows one thread trains a model before a second would have begun.
const ROWS_FOR_THREADS: usize = 2000;

/// Entries of each `;`-list that one tag holds: a tag's value has at most 1000 characters.
const LIST_LENGTH: usize = 40;

/// Runs an experiment to its end, on this thread.
pub(crate) fn conduct(under: &Underway, request: AutoMlRequest) -> Result<Outputs, Ended> {
    let rows = |uri: &Option<String>| uri.as_ref().map(|uri| under.jobs.rows(&under.workspace, uri)).transpose();
    describe(under, &request);
    let training = under.jobs.rows(&under.workspace, &request.training)?;
    let (validation, test) = (rows(&request.validation)?, rows(&request.test)?);
    let mut settings = request.settings;
    if training.rows() < ROWS_FOR_THREADS {
        settings.threads = 1;
    }
    under.turn(Status::Running);
    let diary = Diary { under, finished: Mutex::default() };
    let data = Data { training, validation, test };
    let outcome = AutoMl::new(settings).run(&data, &under.cancel, |event| diary.note(event)).map_err(ended)?;
    if under.cancel.is_cancelled() {
        return Err(Ended::Canceled);
    }
    under.turn(Status::Finalizing);
    conclude(under, &outcome)
}

fn ended(error: AutoMlError) -> Ended {
    match error {
        AutoMlError::Cancelled => Ended::Canceled,
        other => Ended::user_error(other),
    }
}

fn describe(under: &Underway, request: &AutoMlRequest) {
    let properties = [
        ("runTemplate", "AutoML".to_owned()),
        ("azureml.runsource", "automl".to_owned()),
        ("Orchestrator", "AutoML".to_owned()),
        ("PlatformVersion", "DPV2".to_owned()),
        ("primary_metric", request.settings.primary_metric.metric_name().to_owned()),
        ("task_type", format!("{:?}", request.settings.task).to_lowercase()),
        ("num_iterations", request.settings.limits.max_trials.to_string()),
        ("SetupRunId", format!("{}_setup", under.run)),
        ("FeaturizationRunId", format!("{}_featurize", under.run)),
    ];
    under.change(|run| {
        for (key, value) in properties {
            // A step's own facts (its module's name and source) stay.
            run.properties.entry(key.to_owned()).or_insert(value);
        }
        let inputs = [
            ("training_data", Some(&request.training)),
            ("validation_data", request.validation.as_ref()),
            ("test_data", request.test.as_ref()),
        ];
        run.inputs.extend(inputs.into_iter().filter_map(|(name, uri)| Some((name.to_owned(), uri?.clone()))));
    });
}

/// Writes down what happens while an experiment runs: children and the parent's tags.
struct Diary<'a> {
    under: &'a Underway,
    finished: Mutex<BTreeMap<usize, TrialReport>>,
}

impl Diary<'_> {
    fn note(&self, event: Event) {
        match event {
            Event::Featurized { folds, features } => self.under.change(|run| {
                run.properties.insert("num_cross_validation".to_owned(), folds.to_string());
                run.properties.insert("num_features".to_owned(), features.to_string());
            }),
            Event::TrialStarted(trial) => self.begin(&trial),
            Event::TrialFinished(report) => self.end(report),
            Event::BestChanged { number, .. } => self.under.change(|run| {
                run.tags.insert("automl_best_child_run_id".to_owned(), child(&run.id, number));
            }),
        }
    }

    fn begin(&self, trial: &TrialStart) {
        let (jobs, workspace) = (&self.under.jobs, &self.under.workspace);
        let id = child(&self.under.run, trial.number);
        let mut run = below(self.under, &id, RunKind::Trial, &self.under.run);
        run.display_name = Some(id);
        run.properties = [
            ("runTemplate", "automl_child".to_owned()),
            ("iteration", trial.number.to_string()),
            ("run_algorithm", trial.algorithm.clone()),
            ("run_preprocessor", trial.preprocessor.clone()),
            ("azureml.runsource", "automl".to_owned()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into();
        run.params =
            [("algorithm".to_owned(), trial.algorithm.clone()), ("parameters".to_owned(), trial.parameters.clone())]
                .into();
        if let Some(stands_for) = trial.stands_for {
            run.properties.insert("stands_for".to_owned(), stands_for.azure_name().to_owned());
        }
        run.turn(Status::Running, jobs.ground().now());
        jobs.runs().add(workspace, run);
    }

    fn end(&self, report: TrialReport) {
        let (jobs, workspace) = (&self.under.jobs, &self.under.workspace);
        let now = jobs.ground().now();
        jobs.runs().change(workspace, &child(&self.under.run, report.trial.number), |run| match &report.result {
            TrialResult::Completed(metrics) => {
                run.metrics = metrics.scalars.clone();
                run.turn(Status::Completed, now);
            }
            TrialResult::Failed(message) => {
                run.fail(RunError { code: "UserError".to_owned(), message: message.clone() }, now);
            }
            TrialResult::Cancelled => run.turn(Status::Canceled, now),
        });
        let mut finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        finished.insert(report.trial.number, report);
        self.under.change(|run| write_lists(run, &finished));
    }
}

/// Writes the parallel `;`-lists over all trials that ended, as AutoML keeps them in the parent's tags.
fn write_lists(run: &mut Run, finished: &BTreeMap<usize, TrialReport>) {
    let metric = run.properties.get("primary_metric").cloned().unwrap_or_default();
    let reports: Vec<&TrialReport> = finished.values().collect();
    for (part, reports) in reports.chunks(LIST_LENGTH).enumerate() {
        let mut put = |name: &str, of: &dyn Fn(&TrialReport) -> String| {
            let list: Vec<String> = reports.iter().map(|report| of(report)).collect();
            run.tags.insert(format!("{name}_{part:03}"), list.join(";"));
        };
        put("iteration", &|report| report.trial.number.to_string());
        put("score", &|report| {
            report
                .metrics()
                .and_then(|metrics| metrics.get(&metric))
                .map_or_else(|| "NaN".to_owned(), |score| score.to_string())
        });
        put("run_algorithm", &|report| report.trial.algorithm.clone());
        put("run_preprocessor", &|report| report.trial.preprocessor.clone());
        put("fit_time", &|report| format!("{:.3}", report.duration.as_secs_f64()));
        put("training_percent", &|_| "100".to_owned());
        put("pipeline_id", &|report| pipeline_id(&report.trial));
    }
}

fn pipeline_id(trial: &TrialStart) -> String {
    match trial.algorithm.as_str() {
        "VotingEnsemble" => "__AutoML_Ensemble__".to_owned(),
        "StackEnsemble" => "__AutoML_Stack_Ensemble__".to_owned(),
        algorithm => {
            let content = format!("{algorithm} {} {}", trial.preprocessor, trial.parameters);
            uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, content.as_bytes()).simple().to_string()
        }
    }
}

fn child(parent: &str, number: usize) -> String {
    format!("{parent}_{number}")
}

fn below(under: &Underway, id: &str, kind: RunKind, parent: &str) -> Run {
    let (jobs, workspace) = (&under.jobs, &under.workspace);
    let above = jobs.runs().get(workspace, &under.run);
    let mut run = jobs.blank(workspace, id, kind, above.as_ref().map_or("", |above| &above.created_by));
    run.parent = Some(parent.to_owned());
    if let Some(above) = above {
        run.root = above.root;
        run.experiment = above.experiment;
    }
    run
}

/// Stores the best model and its test.
fn conclude(under: &Underway, outcome: &Outcome) -> Result<Outputs, Ended> {
    let (jobs, workspace) = (&under.jobs, &under.workspace);
    let best = child(&under.run, outcome.best);
    let folder = jobs.runs().get(workspace, &best).map(|run| run.artifacts.join("outputs/mlflow-model"));
    let lost = || {
        Ended::Failed(RunError { code: "ServiceError".to_owned(), message: "The best trial has no run.".to_owned() })
    };
    let folder: Location = folder.ok_or_else(lost)?;
    mlflow_model::write(jobs.ground(), &folder, &best, &outcome.model)
        .map_err(|error| Ended::Failed(RunError { code: "ServiceError".to_owned(), message: error.to_string() }))?;
    let outputs = Outputs::from([("best_model".to_owned(), folder.clone())]);
    jobs.runs().change(workspace, &best, |run| run.outputs.insert("mlflow_log_model".to_owned(), folder.clone()));
    let test = outcome.test_metrics.as_ref().map(|metrics| test_run(under, &best, metrics));
    under.change(|run| {
        run.tags.insert("automl_best_child_run_id".to_owned(), best.clone());
        run.tags.insert("model_explain_run".to_owned(), "best_run".to_owned());
        run.outputs.extend(outputs.clone());
        run.properties.insert("end_reason".to_owned(), format!("{:?}", outcome.end));
        if let Some(test) = test {
            run.properties.insert("ModelTestRunId".to_owned(), test);
        }
        // The parent shows its best child's metrics.
        if let Some(metrics) = outcome.best_trial().and_then(TrialReport::metrics) {
            run.metrics = metrics.scalars.clone();
        }
    });
    Ok(outputs)
}

fn test_run(under: &Underway, best: &str, metrics: &Metrics) -> String {
    let (jobs, workspace) = (&under.jobs, &under.workspace);
    let id = format!("{best}_test");
    let mut run = below(under, &id, RunKind::ModelTest, best);
    run.display_name = Some("model_test".to_owned());
    run.properties.insert("runTemplate".to_owned(), "automl_model_test".to_owned());
    run.properties.insert("azureml.runsource".to_owned(), "automl".to_owned());
    run.metrics = metrics.scalars.clone();
    let now = jobs.ground().now();
    run.turn(Status::Running, now);
    run.turn(Status::Completed, now);
    jobs.runs().add(workspace, run);
    id
}
