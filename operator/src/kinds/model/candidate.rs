//! What can become a version: the outputs of a pipeline's runs, and paths.

use std::sync::Arc;

use azureml_crds::model::ModelType;
use azureml_crds::pipeline::{AmlPipelineSpec, AutoMl, OutputType};
use azureml_crds::pipeline_run::{AmlPipelineRunStatus, Metrics, Phase};
use azureml_crds::{AmlModel, AmlPipeline, AmlPipelineRun, AmlResource, reasons};
use jiff::Timestamp;

use super::version::{MeasuredData, Version};
use crate::context::Context;
use crate::error::Halt;
use crate::kinds::pipeline::cause::{short_hash, value_hash};
use crate::kinds::pipeline::validate::BEST_MODEL;
use crate::kinds::pipeline_run::job::{output_address, output_name};
use crate::stores::find;

/// What can be registered.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// `<job>/<output>`: told apart by it.
    pub source: String,
    /// Where the files are.
    pub uri: String,
    /// What the files are.
    pub model_type: &'static str,
    /// The job.
    pub job: Option<String>,
    /// The AmlPipelineRun.
    pub run: Option<String>,
    /// What was measured.
    pub metrics: Metrics,
    /// On which data.
    pub data: MeasuredData,
    /// The metric the best was chosen by.
    pub primary: Option<String>,
}

/// What the sources have to offer, in the order it is to be registered in, and why others have nothing.
pub fn candidates(context: &Context, object: &AmlModel, versions: &[Version]) -> (Vec<Candidate>, Vec<Halt>) {
    let (mut candidates, mut waits) = (Vec::new(), Vec::new());
    for source in &object.spec.sources {
        if let (Some(path), Some(kind)) = (&source.path, source.type_) {
            candidates.push(of_path(path, kind));
        }
        if let (Some(pipeline), Some(output)) = (&source.pipeline, &source.output) {
            match of_pipeline(context, object.namespace(), pipeline, output, versions) {
                Ok(found) => candidates.extend(found),
                Err(halt) => waits.push(halt),
            }
        }
    }
    (candidates, waits)
}

fn of_path(path: &str, kind: ModelType) -> Candidate {
    Candidate {
        source: format!("path/{}", short_hash(&[path], 32)),
        uri: path.to_owned(),
        model_type: kind.as_str(),
        job: None,
        run: None,
        metrics: Metrics::default(),
        data: MeasuredData::default(),
        primary: None,
    }
}

fn of_pipeline(
    context: &Context,
    namespace: &str,
    pipeline: &str,
    output: &str,
    versions: &[Version],
) -> Result<Vec<Candidate>, Halt> {
    let runs =
        context.stores.runs.state_filter(|run| run.namespace() == namespace && run.spec.pipeline_ref.name == pipeline);
    let definition = find(&context.stores.pipelines, namespace, pipeline);
    let offered: Vec<Arc<AmlPipelineRun>> = runs.into_iter().filter(|run| offers(run, output)).collect();
    let ended: Vec<Ended> = offered.iter().filter_map(|run| ended(run, output)).collect();
    let due = due(&ended, versions, output);
    if due.is_empty() {
        return Err(nothing(definition.is_some(), namespace, pipeline, output));
    }
    let named = |name: &str| offered.iter().find(|run| run.name() == name);
    due.into_iter().filter_map(named).map(|run| of_run(run, definition.as_ref(), output)).collect()
}

fn nothing(defined: bool, namespace: &str, pipeline: &str, output: &str) -> Halt {
    if defined {
        return Halt::wait(
            reasons::WAITING_FOR_RUN,
            format!("No run of AmlPipeline {pipeline:?} has succeeded yet with the output {output:?}."),
        );
    }
    Halt::wait(
        reasons::PIPELINE_NOT_FOUND,
        format!(
            "spec.sources names AmlPipeline {pipeline:?}, which does not exist in namespace {namespace:?}. Apply it, or correct the name."
        ),
    )
}

/// A run that succeeded.
#[derive(Clone, Debug)]
struct Ended {
    name: String,
    at: Option<Timestamp>,
    source: String,
}

fn ended(run: &AmlPipelineRun, output: &str) -> Option<Ended> {
    let status = run.status.as_ref()?;
    Some(Ended {
        name: run.name().to_owned(),
        at: status.completion_time.as_ref().map(|at| at.0),
        source: source(&status.job.as_ref()?.name, output),
    })
}

/// `<job>/<output>`: what a version is told by.
fn source(job: &str, output: &str) -> String {
    format!("{job}/{output}")
}

/// The runs that are to be versions, oldest first: the newest, and those since the last that is one. What ended before
/// that is history: registered now, it would be the newest version of an old model.
fn due<'a>(runs: &'a [Ended], versions: &[Version], output: &str) -> Vec<&'a str> {
    let is_version = |run: &Ended| versions.iter().any(|version| version.ours && version.source == run.source);
    let mut runs: Vec<&Ended> = runs.iter().collect();
    // Times are whole seconds: of two runs in one, that which is a version was the first.
    runs.sort_by_key(|run| (run.at, !is_version(run), &run.name));
    let Some((newest, older)) = runs.split_last() else { return Vec::new() };
    let by_run = runs.iter().filter(|run| is_version(run)).filter_map(|run| run.at).max();
    // The last run that is a version may be gone from the cluster: it ended before it was registered.
    let of_output = |version: &&Version| version.ours && version.source.rsplit('/').next() == Some(output);
    let since = by_run.or_else(|| versions.iter().filter(of_output).filter_map(|version| version.created).max());
    let later = |run: &&&Ended| since.is_some_and(|since| run.at.is_some_and(|at| at >= since));
    older
        .iter()
        .filter(later)
        .filter(|run| !is_version(run))
        .chain(std::iter::once(newest))
        .map(|run| run.name.as_str())
        .collect()
}

fn offers(run: &AmlPipelineRun, output: &str) -> bool {
    run.status.as_ref().is_some_and(|status| status.phase == Phase::Succeeded && status.outputs.contains_key(output))
}

fn of_run(run: &AmlPipelineRun, pipeline: Option<&Arc<AmlPipeline>>, output: &str) -> Result<Candidate, Halt> {
    let missing =
        || Halt::wait(reasons::WAITING_FOR_RUN, format!("AmlPipelineRun {:?} does not tell its job yet.", run.name()));
    let status = run.status.as_ref().ok_or_else(missing)?;
    let job = status.job.as_ref().ok_or_else(missing)?;
    let recorded = run.recorded_spec().ok().flatten();
    let spec = recorded.or_else(|| pipeline.map(|pipeline| pipeline.spec.clone()));
    let uri = status.outputs.get(output).cloned().unwrap_or_else(|| output_address(&job.name, output));
    Ok(Candidate {
        source: source(&job.name, output),
        uri,
        model_type: spec.as_ref().map_or(ModelType::MlflowModel.as_str(), |spec| model_type(spec, output)),
        job: Some(job.name.clone()),
        run: Some(run.name().to_owned()),
        // What was measured is of AutoML's best model, not of what another step made.
        metrics: spec
            .as_ref()
            .filter(|spec| is_last(spec, output))
            .and_then(|_| Some(status.best.as_ref()?.metrics.clone()))
            .unwrap_or_default(),
        data: spec.as_ref().map(|spec| measured_on(spec, status, output)).unwrap_or_default(),
        primary: spec.as_ref().and_then(|spec| primary(spec, output)),
    })
}

/// Figures can be compared when they were taken of the same rows in the same way: for validation that is the training
/// data, what validates, and how it is split; for test the test data alone.
fn measured_on(spec: &AmlPipelineSpec, status: &AmlPipelineRunStatus, output: &str) -> MeasuredData {
    let Some(automl) = step_of(spec, output) else { return MeasuredData::default() };
    let job = status.job.as_ref().map(|job| job.name.as_str()).unwrap_or_default();
    let asset = |from: &str| {
        let input = status.inputs.iter().find(|input| input.name == from);
        // Of what a step made nobody can tell whether another run's step made the same.
        input.map_or_else(|| format!("{job}/{from}"), |input| input.asset_id.to_lowercase())
    };
    let validation = (
        asset(&automl.training_data),
        automl.validation_data.as_deref().map(asset),
        &automl.validation,
        &automl.target_column,
    );
    let test = match (&automl.test_data, &automl.test_data_size) {
        (Some(from), _) => value_hash(&(asset(from), &automl.target_column)),
        (None, Some(share)) => value_hash(&(asset(&automl.training_data), &automl.target_column, share)),
        (None, None) => String::new(),
    };
    MeasuredData { validation: value_hash(&validation), test }
}

fn primary(spec: &AmlPipelineSpec, output: &str) -> Option<String> {
    let automl = step_of(spec, output)?;
    Some(automl.primary_metric.unwrap_or_else(|| automl.task.default_metric()).mlflow().to_owned())
}

/// The AutoML step that made an output.
fn step_of<'a>(spec: &'a AmlPipelineSpec, output: &str) -> Option<&'a AutoMl> {
    spec.steps.iter().find(|step| output_name(&step.name, BEST_MODEL) == output)?.automl.as_ref()
}

/// The run's best model is that of the last AutoML step.
fn is_last(spec: &AmlPipelineSpec, output: &str) -> bool {
    let last = spec.steps.iter().rfind(|step| step.automl.is_some());
    last.is_some_and(|step| output_name(&step.name, BEST_MODEL) == output)
}

/// What the files are: as the step declares them, and an MLflow model where AutoML made it.
fn model_type(spec: &AmlPipelineSpec, output: &str) -> &'static str {
    let declared = spec.steps.iter().flat_map(|step| {
        let command = step.command.iter().flat_map(|command| &command.outputs);
        let component = step.component.iter().flat_map(|component| &component.outputs);
        command.chain(component).map(|output| (output_name(&step.name, &output.name), output.type_))
    });
    let found = declared.into_iter().find(|(name, _)| name == output).map(|(_, kind)| kind);
    match found {
        Some(OutputType::MlflowModel) | None => ModelType::MlflowModel.as_str(),
        Some(_) => ModelType::CustomModel.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn run(name: &str, second: i64) -> Ended {
        Ended { name: name.to_owned(), at: Some(at(second)), source: source(name, "train_best_model") }
    }

    fn version_of(job: &str, created: i64) -> Version {
        Version {
            ours: true,
            source: source(job, "train_best_model"),
            created: Some(at(created)),
            ..Version::default()
        }
    }

    #[test]
    fn each_run_is_a_version_from_the_first_on_and_the_history_before_it_is_not() {
        let runs = [run("c", 30), run("a", 10), run("b", 20)];
        for (versions, expected) in [
            (vec![], vec!["c"]),
            (vec![version_of("a", 11)], vec!["b", "c"]),
            (vec![version_of("b", 21)], vec!["c"]),
            (vec![version_of("a", 11), version_of("b", 21)], vec!["c"]),
            (vec![version_of("c", 31)], vec!["c"]),
            // The run of the last version is gone.
            (vec![version_of("gone", 15)], vec!["b", "c"]),
            (vec![version_of("gone", 25)], vec!["c"]),
        ] {
            assert_eq!(due(&runs, &versions, "train_best_model"), expected, "{versions:?}");
        }
        assert!(due(&[], &[], "train_best_model").is_empty());
    }

    #[test]
    fn of_runs_that_ended_in_the_same_second_each_is_a_version() {
        let runs = [run("b", 10), run("a", 10), run("c", 10)];
        assert_eq!(due(&runs, &[version_of("c", 10)], "train_best_model"), ["a", "b"]);
        assert_eq!(due(&runs, &[version_of("a", 10), version_of("c", 10)], "train_best_model"), ["b"]);
    }

    #[test]
    fn versions_of_others_and_of_other_outputs_are_no_mark() {
        let runs = [run("a", 10), run("b", 20)];
        let foreign = Version { ours: false, ..version_of("gone", 5) };
        let other = Version { source: source("gone", "prep_model"), ..version_of("gone", 5) };
        assert_eq!(due(&runs, &[foreign, other], "train_best_model"), ["b"]);
    }
}
