//! Runs a pipeline's steps, each as soon as what it reads is there.

use super::graph::{Graph, Node, NodeKind};
use super::log::Log;
use super::placeholder::{self, Expression};
use super::{Ended, Outputs, Underway, command, submit};
use crate::run_history::run::{RunKind, Status};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use tokio::task::JoinSet;

/// URIs and literals by the name of the input.
pub(super) type Inputs = BTreeMap<String, String>;

type Done = (Node, Result<Outputs, Ended>);

/// The inputs of a job's body.
pub(super) fn job_inputs(properties: &Map<String, Value>) -> Inputs {
    let inputs = properties.get("inputs").and_then(Value::as_object).into_iter().flatten();
    inputs.filter_map(|(name, input)| Some((name.clone(), text_of(input)?))).collect()
}

/// The URI or the value of an input.
pub(super) fn text_of(input: &Value) -> Option<String> {
    let inner = ["uri", "value", "path", "default"].iter().find_map(|key| input.get(key));
    match inner.unwrap_or(input) {
        Value::String(text) => Some(text.clone()),
        Value::Null | Value::Object(_) | Value::Array(_) => None,
        other => Some(other.to_string()),
    }
}

/// Runs the steps of a definition (`jobs`, `inputs`, `outputs`) below a run; gives the pipeline's outputs.
///
/// Boxed, for a step can be a pipeline.
pub(super) fn run<'a>(
    under: &'a Underway,
    definition: &'a Map<String, Value>,
    inputs: &'a Inputs,
) -> Pin<Box<dyn Future<Output = Result<Outputs, Ended>> + Send + 'a>> {
    Box::pin(async move {
        let graph = Graph::parse(definition).map_err(Ended::user_error)?;
        let persevere = definition
            .get("settings")
            .and_then(|s| s.get("continue_on_step_failure").or_else(|| s.get("continueOnStepFailure")))
            .is_some_and(|flag| flag.as_bool() == Some(true) || flag.as_str() == Some("true"));
        under.turn(Status::Running);
        let mut steps = Steps {
            under,
            inputs,
            log: Log::of(under, "logs/azureml/executionlogs.txt"),
            done: BTreeMap::new(),
            outputs: Outputs::new(),
            failed: BTreeMap::new(),
        };
        steps.run(graph, persevere).await?;
        under.turn(Status::Finalizing);
        let outputs = steps.outputs;
        under.change(|run| run.outputs.extend(outputs.clone()));
        Ok(outputs)
    })
}

struct Steps<'a> {
    under: &'a Underway,
    /// What was submitted, and what became of it.
    log: Log,
    inputs: &'a Inputs,
    /// Run ids of the steps that completed.
    done: BTreeMap<String, String>,
    /// The pipeline's own outputs.
    outputs: Outputs,
    failed: BTreeMap<String, Ended>,
}

impl Steps<'_> {
    async fn run(&mut self, graph: Graph, persevere: bool) -> Result<(), Ended> {
        let mut waiting = graph.nodes;
        let mut running = JoinSet::new();
        loop {
            let stop = self.under.cancel.is_cancelled() || (!self.failed.is_empty() && !persevere);
            if !stop {
                let (ready, rest): (Vec<Node>, Vec<Node>) =
                    waiting.into_iter().partition(|node| node.needs.iter().all(|name| self.done.contains_key(name)));
                waiting = rest;
                for node in ready {
                    self.start(&mut running, node)?;
                }
            }
            let Some(ended) = running.join_next().await else { break };
            let (node, result): Done =
                ended.map_err(|error| Ended::user_error(format!("a step's task ended early: {error}")))?;
            self.note(node, result);
        }
        if self.under.cancel.is_cancelled() {
            return Err(Ended::Canceled);
        }
        match self.failed.iter().next() {
            None => Ok(()),
            Some((name, Ended::Failed(error))) => Err(Ended::user_error(format!(
                "Pipeline has failed child jobs. Failed node: /{name}. {}",
                error.message
            ))),
            Some((_, Ended::Canceled)) => Err(Ended::Canceled),
        }
    }

    fn note(&mut self, node: Node, result: Result<Outputs, Ended>) {
        let word = match &result {
            Ok(_) => "completed",
            Err(Ended::Canceled) => "was canceled",
            Err(Ended::Failed(_)) => "failed",
        };
        self.log.say(&format!("Node {} {word}.", node.name));
        match result {
            Ok(outputs) => {
                for (name, bound) in bindings(&node.body) {
                    if let Some(place) = outputs.get(&name) {
                        self.outputs.insert(bound, place.clone());
                    }
                }
                self.done.insert(node.name.clone(), child_id(self.under, &node.name));
            }
            Err(ended) => {
                self.failed.insert(node.name, ended);
            }
        }
    }

    fn start(&self, running: &mut JoinSet<Done>, node: Node) -> Result<(), Ended> {
        let child = self.add_child(&node);
        self.log.say(&format!("Submitting 1 runs, first five are: {}:{}", node.name, child.run));
        let body = match self.filled(&Value::Object(node.body.clone()))? {
            Value::Object(body) => body,
            _ => Map::new(),
        };
        running.spawn(async move {
            let result = step(&child, &node, &body).await;
            child.finish(result.clone().map(drop));
            (node, result)
        });
        Ok(())
    }

    fn add_child(&self, node: &Node) -> Underway {
        let (jobs, workspace) = (&self.under.jobs, &self.under.workspace);
        let id = child_id(self.under, &node.name);
        let kind = match node.kind {
            NodeKind::AutoMl => RunKind::AutoMl,
            NodeKind::Command => RunKind::Command,
            NodeKind::Pipeline => RunKind::Pipeline,
        };
        let parent = jobs.runs().get(workspace, &self.under.run);
        let mut run = jobs.blank(workspace, &id, kind, parent.as_ref().map_or("", |parent| &parent.created_by));
        run.display_name =
            node.body.get("display_name").and_then(Value::as_str).map(str::to_owned).or(Some(node.name.clone()));
        run.parent = Some(self.under.run.clone());
        run.root = parent.as_ref().map_or_else(|| self.under.run.clone(), |parent| parent.root.clone());
        run.experiment = parent.map_or_else(|| "Default".to_owned(), |parent| parent.experiment);
        run.tags = submit::strings(node.body.get("tags"));
        run.properties = submit::strings(node.body.get("properties"));
        for (key, value) in [
            ("azureml.moduleName", node.name.as_str()),
            ("azureml.nodeid", id.as_str()),
            ("azureml.pipelinerunid", self.under.run.as_str()),
            ("azureml.runsource", "azureml.StepRun"),
        ] {
            run.properties.insert(key.to_owned(), value.to_owned());
        }
        jobs.runs().add(workspace, run);
        self.under.below(&id)
    }

    /// A step's body with every reference to the pipeline or another step filled in.
    fn filled(&self, value: &Value) -> Result<Value, Ended> {
        Ok(match value {
            Value::String(text) => match placeholder::whole(text).map_err(Ended::user_error)? {
                Some(Expression::ParentInput(name)) => {
                    let given = self.inputs.get(&name).cloned();
                    Value::from(
                        given.ok_or_else(|| Ended::user_error(format!("The pipeline input {name} has no value.")))?,
                    )
                }
                Some(Expression::NodeOutput { node, output }) => {
                    let run = self.done.get(&node).cloned().unwrap_or_default();
                    Value::from(format!("azureml://jobs/{run}/outputs/{output}"))
                }
                _ => value.clone(),
            },
            Value::Array(items) => Value::Array(items.iter().map(|item| self.filled(item)).collect::<Result<_, _>>()?),
            Value::Object(map) => {
                let filled = map.iter().map(|(key, item)| Ok::<_, Ended>((key.clone(), self.filled(item)?)));
                Value::Object(filled.collect::<Result<_, _>>()?)
            }
            other => other.clone(),
        })
    }
}

async fn step(child: &Underway, node: &Node, body: &Map<String, Value>) -> Result<Outputs, Ended> {
    match node.kind {
        NodeKind::AutoMl => child.automl(body).await,
        NodeKind::Command => command::run(child, &with_component(child, body)?, &command::step_inputs(body)).await,
        NodeKind::Pipeline => {
            let definition = with_component(child, body)?;
            let mut inputs = job_inputs(&definition);
            inputs.extend(command::step_inputs(body));
            run(child, &definition, &inputs).await
        }
    }
}

/// A step's body over the spec of its component.
fn with_component(child: &Underway, body: &Map<String, Value>) -> Result<Map<String, Value>, Ended> {
    let id = body.get("componentId").or_else(|| body.get("component")).and_then(Value::as_str);
    let Some(id) = id else { return Ok(body.clone()) };
    let spec = submit::component(&child.jobs, &child.workspace, id);
    let mut spec =
        spec.ok_or_else(|| Ended::user_error(format!("The component {id} was not found in the workspace.")))?;
    for (key, value) in body.iter().filter(|(key, _)| !["inputs", "outputs", "type"].contains(&key.as_str())) {
        spec.insert(key.clone(), value.clone());
    }
    Ok(spec)
}

/// Outputs of a step that are the pipeline's: the step's name for it, and the pipeline's.
fn bindings(body: &Map<String, Value>) -> Vec<(String, String)> {
    let outputs = body.get("outputs").and_then(Value::as_object).into_iter().flatten();
    outputs
        .filter_map(|(name, output)| match placeholder::whole(&text_of(output)?).ok()?? {
            Expression::ParentOutput(bound) => Some((name.clone(), bound)),
            _ => None,
        })
        .collect()
}

/// A step's run id: always the same for a pipeline and a step.
fn child_id(under: &Underway, node: &str) -> String {
    let name = format!("{}/{}/{node}", under.workspace, under.run);
    uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, name.as_bytes()).to_string()
}

/// Names a step's outputs have.
pub(super) fn output_names(body: &Map<String, Value>) -> BTreeSet<String> {
    body.get("outputs").and_then(Value::as_object).into_iter().flat_map(|map| map.keys().cloned()).collect()
}
