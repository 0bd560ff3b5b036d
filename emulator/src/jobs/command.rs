//! Runs a command in a scratch folder.
//!
//! Inputs are copied into it, outputs out of it. The environment is this machine's own: images are not pulled. What it
//! writes is the run's artifact `user_logs/std_log.txt`, while it runs and afterwards, as in Azure.

use super::log::Log;
use super::pipeline::{Inputs, output_names, text_of};
use super::placeholder::{self, Expression, UnknownExpression};
use super::{Ended, Outputs, Underway};
use crate::automl::request::iso_duration;
use crate::run_history::run::{Location, RunError, Status};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// Azure has no bound of its own below the job's life; a command that never ends would keep a core here.
const LONGEST: Duration = Duration::from_secs(3600);

/// The inputs of a command job.
pub(super) fn job_inputs(properties: &Map<String, Value>) -> Inputs {
    step_inputs(properties)
}

/// The inputs of a step.
pub(super) fn step_inputs(body: &Map<String, Value>) -> Inputs {
    let inputs = body.get("inputs").and_then(Value::as_object).into_iter().flatten();
    inputs.filter_map(|(name, input)| Some((name.clone(), text_of(input)?))).collect()
}

impl From<UnknownExpression> for Ended {
    fn from(error: UnknownExpression) -> Self {
        Self::user_error(error)
    }
}

/// Runs a command's definition (`command`, `environmentVariables`, `outputs`).
pub(super) async fn run(under: &Underway, definition: &Map<String, Value>, inputs: &Inputs) -> Result<Outputs, Ended> {
    let (definition, inputs) = (definition.clone(), inputs.clone());
    let prepared = under.computing(move |under| prepare(&under, &definition, &inputs)).await?;
    under.turn(Status::Running);
    let result = execute(under, &prepared).await;
    let (under, folder) = (under.clone(), prepared.folder.clone());
    let outputs = tokio::task::spawn_blocking(move || {
        let outputs = result.and_then(|()| collect(&under, &prepared));
        let _ = std::fs::remove_dir_all(&folder);
        outputs
    });
    outputs.await.map_err(|error| Ended::user_error(format!("the command's task ended early: {error}")))?
}

struct Prepared {
    folder: PathBuf,
    command: String,
    environment: Vec<(String, String)>,
    outputs: Vec<String>,
    limit: Duration,
}

fn prepare(under: &Underway, definition: &Map<String, Value>, inputs: &Inputs) -> Result<Prepared, Ended> {
    environment(under, definition)?;
    let folder = std::env::temp_dir().join(format!("azureml-emulator-{}", uuid::Uuid::new_v4()));
    let io = |error: std::io::Error| Ended::user_error(format!("The scratch folder could not be made: {error}"));
    std::fs::create_dir_all(folder.join("inputs")).map_err(io)?;
    std::fs::create_dir_all(folder.join("wd")).map_err(io)?;
    let outputs: Vec<String> = output_names(definition).into_iter().collect();
    for name in &outputs {
        std::fs::create_dir_all(folder.join("outputs").join(name)).map_err(io)?;
    }
    let command = definition.get("command").and_then(Value::as_str).unwrap_or_default();
    let command = placeholder::replace(command, |expression| match expression {
        Expression::Input(name) => {
            let given =
                inputs.get(&name).ok_or_else(|| Ended::user_error(format!("The input {name} has no value.")))?;
            materialise(under, given, &folder.join("inputs").join(&name))
        }
        Expression::Output(name) => Ok(folder.join("outputs").join(name).display().to_string()),
        _ => Err(Ended::user_error("A command refers to inputs and outputs of its own only.")),
    })?;
    if let Some(code) = definition.get("codeId").or_else(|| definition.get("code")).and_then(Value::as_str) {
        // Code that was registered is a folder in the blob store.
        let code = under.jobs.resolve(&under.workspace, code).map_err(Ended::user_error)?;
        copy_in(under, &code.place, &folder.join("wd"))?;
    }
    let variables = definition.get("environmentVariables").or_else(|| definition.get("environment_variables"));
    let limit = definition.get("limits").and_then(|limits| limits.get("timeout")).and_then(Value::as_str);
    Ok(Prepared {
        folder,
        command,
        environment: super::submit::strings(variables).into_iter().collect(),
        outputs,
        limit: limit.and_then(iso_duration).unwrap_or(LONGEST).min(LONGEST),
    })
}

/// A command's environment has to be there, though it is not built here; what a registry holds is not known.
fn environment(under: &Underway, definition: &Map<String, Value>) -> Result<(), Ended> {
    let given = definition.get("environmentId").or_else(|| definition.get("environment")).and_then(Value::as_str);
    let Some(given) = given.filter(|given| !given.starts_with("azureml://")) else { return Ok(()) };
    let name = given.trim_start_matches("azureml:");
    let parts: Vec<&str> = name.split('/').collect();
    let after = |key: &str| {
        let at = parts.iter().position(|part| part.eq_ignore_ascii_case(key));
        at.and_then(|at| parts.get(at + 1)).copied()
    };
    let found = match (after("environments"), after("versions")) {
        (Some(name), Some(version)) => Some((name, version)),
        _ => name.split_once(':').or_else(|| name.split_once('@')),
    };
    match found {
        Some((name, version)) if under.jobs.ground().has_environment(&under.workspace, name, version) => Ok(()),
        _ => Err(Ended::Failed(RunError {
            code: "UserError".to_owned(),
            message: format!("The environment {given} was not found in the workspace."),
        })),
    }
}

/// What stands in the command for an input: the path of a copy, or the literal itself.
fn materialise(under: &Underway, given: &str, to: &Path) -> Result<String, Ended> {
    let address = given.contains("://") || given.starts_with("azureml:") || given.starts_with("/subscriptions/");
    if !address {
        return Ok(given.to_owned());
    }
    let place = under.jobs.resolve(&under.workspace, given).map_err(Ended::user_error)?.place;
    copy_in(under, &place, to)?;
    Ok(to.display().to_string())
}

fn copy_in(under: &Underway, place: &Location, to: &Path) -> Result<(), Ended> {
    let io = |error: std::io::Error| Ended::user_error(format!("An input could not be copied: {error}"));
    let ground = under.jobs.ground();
    if let Some(bytes) = ground.read(place) {
        return std::fs::write(to, bytes).map_err(io);
    }
    let mut found = false;
    for name in ground.list(place) {
        let Some(rest) = name.strip_prefix(&place.path).and_then(|rest| rest.strip_prefix('/')) else { continue };
        if rest.split('/').any(|part| part == "..") {
            continue;
        }
        let file = to.join(rest);
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent).map_err(io)?;
        }
        let bytes = ground.read(&Location { path: name.clone(), ..place.clone() }).unwrap_or_default();
        std::fs::write(file, bytes).map_err(io)?;
        found = true;
    }
    match found {
        true => Ok(()),
        false => Err(Ended::user_error(format!("The input at {} is empty.", place.path))),
    }
}

async fn execute(under: &Underway, prepared: &Prepared) -> Result<(), Ended> {
    let io = |error: std::io::Error| Ended::user_error(format!("The command could not be started: {error}"));
    let path = prepared.folder.join("std_log.txt");
    let written = std::fs::File::create(&path).map_err(io)?;
    let mut command = tokio::process::Command::new("sh");
    command.arg("-c").arg(&prepared.command).current_dir(prepared.folder.join("wd")).stdin(Stdio::null());
    // One file for both, so that lines stand in the order in which they were written.
    command.stdout(written.try_clone().map_err(io)?).stderr(written);
    command.envs(prepared.environment.iter().cloned()).process_group(0).kill_on_drop(true);
    let mut child = command.spawn().map_err(io)?;
    let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let log = Log::of(under, "user_logs/std_log.txt");
    let ended = tokio::select! {
        status = child.wait() => status.map_err(io),
        () = tokio::time::sleep(prepared.limit) => {
            Err(Ended::user_error(format!("The command ran longer than {} seconds.", prepared.limit.as_secs())))
        }
        () = under.cancelled() => Err(Ended::Canceled),
        () = log.follow(&path) => Err(Ended::Canceled),
    };
    if ended.is_err() {
        // With all that it started.
        let _ = group.map(|group| kill_process_group(group, Signal::KILL));
        let _ = child.wait().await;
    }
    log.copy(&path);
    let status = ended?;
    match status.success() {
        true => Ok(()),
        false => Err(Ended::user_error(format!(
            "Execution failed. User process 'sh' exited with status code {}. Please check log file 'user_logs/std_log.txt' for error details. {}",
            status.code().unwrap_or(-1),
            log.tail()
        ))),
    }
}

fn collect(under: &Underway, prepared: &Prepared) -> Result<Outputs, Ended> {
    under.turn(Status::Finalizing);
    let store = under.jobs.ground().datastore(&under.workspace, "workspaceblobstore");
    let store = store.ok_or_else(|| Ended::user_error("The workspace has no datastore workspaceblobstore."))?;
    let mut outputs = Outputs::new();
    for name in &prepared.outputs {
        let place = store.join(&format!("azureml/{}/{name}", under.run));
        copy_out(under, &prepared.folder.join("outputs").join(name), &place)?;
        outputs.insert(name.clone(), place);
    }
    under.change(|run| run.outputs.extend(outputs.clone()));
    Ok(outputs)
}

fn copy_out(under: &Underway, from: &Path, to: &Location) -> Result<(), Ended> {
    let io = |error: std::io::Error| Ended::user_error(format!("An output could not be read: {error}"));
    for entry in std::fs::read_dir(from).map_err(io)? {
        let entry = entry.map_err(io)?;
        let place = to.join(&entry.file_name().to_string_lossy());
        if entry.file_type().map_err(io)?.is_dir() {
            copy_out(under, &entry.path(), &place)?;
        } else {
            under.jobs.ground().write(&place, std::fs::read(entry.path()).map_err(io)?);
        }
    }
    Ok(())
}
