//! What happens when a job is put.

use super::graph::Graph;
use super::view::Addresses;
use super::{JobOrders, Jobs, kind_of};
use crate::automl::request::AutoMlRequest;
use crate::run_history::run::{Location, Run, RunKind, Status};
use crate::tags;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Why a job is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SubmitError {
    #[error("{0}")]
    Invalid(String),
    #[error("The compute target {0} was not found in the workspace.")]
    NoCompute(String),
    #[error(
        "A job with the name {name} exists, and {field} can't be changed: tags, properties to be added, displayName, description and isArchived can."
    )]
    Immutable { name: String, field: String },
}

/// Fields of a job that can be changed, and those that are Azure's own.
const MUTABLE: [&str; 7] = ["tags", "properties", "displayName", "description", "isArchived", "status", "services"];

/// A job that was accepted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Accepted {
    /// Whether it is new.
    pub(crate) created: bool,
    /// Its run as it was before anything of it ran.
    pub(crate) run: Run,
}

impl Jobs {
    /// Accepts a job, or an update of one. Whatever it is, what becomes of it may be ordered.
    pub(crate) fn put(
        &self,
        workspace: &str,
        name: &str,
        mut properties: Map<String, Value>,
        by: &str,
        orders: JobOrders,
    ) -> Result<Accepted, SubmitError> {
        tags::own(&properties).map_err(SubmitError::Invalid)?;
        if let Some(known) = self.runs().get(workspace, name) {
            // What a client read it may put back: its body is compared with what it was shown.
            let shown = self.show("", &known, &Addresses::default());
            check_immutable(&known, shown.get("properties").unwrap_or(&Value::Null), &properties)?;
            let changed = self.runs().change(workspace, name, |run| {
                update(run, &properties);
                run.clone()
            });
            return Ok(Accepted { created: false, run: changed.unwrap_or(known) });
        }
        self.expand(workspace, &mut properties)?;
        let kind = check(&properties)?;
        self.check_computes(workspace, &properties)?;
        let run = self.new_run(workspace, name, kind, &properties, by);
        let accepted = Accepted { created: true, run: run.clone() };
        if self.runs().add(workspace, run) {
            self.start(workspace, name, properties, orders);
        }
        Ok(accepted)
    }

    /// A pipeline job may be no more than a pipeline component and its inputs.
    fn expand(&self, workspace: &str, properties: &mut Map<String, Value>) -> Result<(), SubmitError> {
        let Some(id) = properties.get("componentId").and_then(Value::as_str).map(str::to_owned) else { return Ok(()) };
        if properties.contains_key("jobs") {
            return Ok(());
        }
        let spec = component(self, workspace, &id)
            .ok_or_else(|| SubmitError::Invalid(format!("The component {id} was not found in the workspace.")))?;
        for field in ["jobs", "outputs"] {
            if let Some(value) = spec.get(field) {
                properties.entry(field).or_insert_with(|| value.clone());
            }
        }
        Ok(())
    }

    fn check_computes(&self, workspace: &str, properties: &Map<String, Value>) -> Result<(), SubmitError> {
        let mut named: Vec<&str> = Vec::new();
        named.extend(properties.get("computeId").and_then(Value::as_str));
        let settings = properties.get("settings");
        for key in ["default_compute", "defaultCompute"] {
            named.extend(settings.and_then(|settings| settings.get(key)).and_then(Value::as_str));
        }
        let steps = properties.get("jobs").and_then(Value::as_object).into_iter().flat_map(Map::values);
        named.extend(steps.filter_map(|step| step.get("computeId").or_else(|| step.get("compute"))?.as_str()));
        for compute in named {
            let name = compute.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or(compute);
            let serverless = name.is_empty() || name.eq_ignore_ascii_case("serverless") || name.starts_with("${{");
            if !serverless && !self.ground().has_compute(workspace, name) {
                return Err(SubmitError::NoCompute(name.to_owned()));
            }
        }
        Ok(())
    }

    /// A run for a job's body that was checked.
    fn new_run(&self, workspace: &str, name: &str, kind: RunKind, properties: &Map<String, Value>, by: &str) -> Run {
        let text = |key: &str| properties.get(key).and_then(Value::as_str).map(str::to_owned);
        let mut run = Run {
            display_name: text("displayName").or_else(|| Some(name.to_owned())),
            description: text("description"),
            experiment: text("experimentName").unwrap_or_else(|| "Default".to_owned()),
            tags: strings(properties.get("tags")),
            properties: strings(properties.get("properties")),
            job: Some(properties.clone()),
            archived: properties.get("isArchived").and_then(Value::as_bool).unwrap_or(false),
            ..self.blank(workspace, name, kind, by)
        };
        if kind == RunKind::Pipeline {
            run.properties.insert("azureml.runsource".to_owned(), "azureml.PipelineRun".to_owned());
        }
        run
    }

    /// A run that has nothing but a name.
    pub(crate) fn blank(&self, workspace: &str, name: &str, kind: RunKind, by: &str) -> Run {
        Run {
            id: name.to_owned(),
            kind,
            display_name: None,
            description: None,
            experiment: "Default".to_owned(),
            parent: None,
            root: name.to_owned(),
            number: 0,
            status: Status::NotStarted,
            created: self.ground().now(),
            started: None,
            ended: None,
            created_by: by.to_owned(),
            tags: BTreeMap::new(),
            properties: BTreeMap::new(),
            metrics: BTreeMap::new(),
            params: BTreeMap::new(),
            error: None,
            inputs: BTreeMap::new(),
            outputs: BTreeMap::new(),
            artifacts: self.artifacts(workspace, name),
            job: None,
            archived: false,
        }
    }

    /// A run's artifacts lie in the container `azureml` of the workspace's storage account, as in Azure.
    fn artifacts(&self, workspace: &str, run: &str) -> Location {
        let account = self.ground().workspace(workspace).map(|facts| facts.account).unwrap_or_default();
        Location { account, container: "azureml".to_owned(), path: format!("ExperimentRun/dcid.{run}") }
    }
}

/// The spec of a component by its id.
pub(crate) fn component(jobs: &Jobs, workspace: &str, id: &str) -> Option<Map<String, Value>> {
    let parts: Vec<&str> = id.trim_start_matches("azureml:").split('/').collect();
    let after = |key: &str| {
        parts.iter().position(|part| part.eq_ignore_ascii_case(key)).and_then(|at| parts.get(at + 1)).copied()
    };
    let (name, version) = match (after("components"), after("versions")) {
        (Some(name), Some(version)) => (name, version),
        _ => id.trim_start_matches("azureml:").split_once(':')?,
    };
    jobs.ground().component(workspace, name, version)?.as_object().cloned()
}

fn check(properties: &Map<String, Value>) -> Result<RunKind, SubmitError> {
    let name = properties.get("jobType").and_then(Value::as_str).unwrap_or_default();
    let kind = kind_of(name).ok_or_else(|| {
        SubmitError::Invalid(format!("The jobType '{name}' is not run here: known are AutoML, Command and Pipeline."))
    })?;
    let invalid = |error: &dyn std::fmt::Display| SubmitError::Invalid(error.to_string());
    match kind {
        RunKind::AutoMl => {
            let details = properties.get("taskDetails").and_then(Value::as_object);
            let details = details.ok_or_else(|| SubmitError::Invalid("taskDetails is missing".to_owned()))?;
            AutoMlRequest::parse(details).map_err(|error| invalid(&error))?;
        }
        RunKind::Pipeline => {
            let graph = Graph::parse(properties).map_err(|error| invalid(&error))?;
            for node in graph.nodes.iter().filter(|node| node.kind == super::graph::NodeKind::AutoMl) {
                AutoMlRequest::parse(&node.body)
                    .map_err(|error| SubmitError::Invalid(format!("step {}: {error}", node.name)))?;
            }
        }
        _ => {
            if !properties.get("command").is_some_and(Value::is_string) {
                return Err(SubmitError::Invalid("command is missing".to_owned()));
            }
        }
    }
    Ok(kind)
}

fn check_immutable(known: &Run, shown: &Value, given: &Map<String, Value>) -> Result<(), SubmitError> {
    if known.job.is_none() {
        return Err(SubmitError::Immutable { name: known.id.clone(), field: "a child run".to_owned() });
    }
    let changed = given
        .iter()
        .filter(|(field, value)| !MUTABLE.contains(&field.as_str()) && !value.is_null())
        .find(|(field, value)| !includes(shown.get(field.as_str()).unwrap_or(&Value::Null), value));
    match changed {
        Some((field, _)) => Err(SubmitError::Immutable { name: known.id.clone(), field: field.clone() }),
        None => Ok(()),
    }
}

/// Whether a known value says all that a given one says: nulls and empty collections say nothing.
fn includes(known: &Value, given: &Value) -> bool {
    match (known, given) {
        (_, Value::Null) => true,
        (Value::Null, Value::Object(map)) => map.values().all(|value| includes(&Value::Null, value)),
        (Value::Null, Value::Array(items)) => items.is_empty(),
        (Value::Object(known), Value::Object(given)) => {
            given.iter().all(|(key, value)| includes(known.get(key).unwrap_or(&Value::Null), value))
        }
        (Value::String(known), Value::String(given)) => known.eq_ignore_ascii_case(given),
        (known, given) => known == given,
    }
}

fn update(run: &mut Run, given: &Map<String, Value>) {
    let text = |key: &str| given.get(key).and_then(Value::as_str).map(str::to_owned);
    if let Some(tags) = given.get("tags") {
        // What the service itself wrote into the tags stays: it is not the client's to forget.
        run.tags.retain(|key, _| is_own(key));
        run.tags.extend(strings(Some(tags)));
    }
    for (key, value) in strings(given.get("properties")) {
        run.properties.entry(key).or_insert(value);
    }
    run.display_name = text("displayName").or_else(|| run.display_name.take());
    run.description = text("description").or_else(|| run.description.take());
    run.archived = given.get("isArchived").and_then(Value::as_bool).unwrap_or(run.archived);
}

/// Whether a tag is the service's own.
pub(super) fn is_own(tag: &str) -> bool {
    tag.starts_with("automl_") || tag.ends_with("_000") || tag.starts_with("_aml_system")
}

/// A map of texts; other values as JSON.
pub(crate) fn strings(value: Option<&Value>) -> BTreeMap<String, String> {
    let fields = value.and_then(Value::as_object).into_iter().flatten();
    fields
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| (key.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        .collect()
}
