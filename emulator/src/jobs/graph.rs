//! A pipeline job's steps and the order in which they can run.

use super::placeholder::{self, Expression, UnknownExpression};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NodeKind {
    /// An AutoML experiment.
    AutoMl,
    /// A command, inline or of a component.
    Command,
    /// A pipeline of its own, by a component.
    Pipeline,
}

/// A step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) kind: NodeKind,
    /// The steps whose outputs it reads.
    pub(crate) needs: BTreeSet<String>,
    /// As it was submitted.
    pub(crate) body: Map<String, Value>,
}

/// The steps of a pipeline, in an order in which they can run.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Node>,
}

/// Why steps are no pipeline.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum GraphError {
    #[error("the pipeline has no steps: give at least one in `jobs`")]
    Empty,
    #[error("step {0} is not an object")]
    NotAStep(String),
    #[error(
        "step {node} has the type {kind}, which this emulator does not run: known are automl, command and pipeline"
    )]
    UnknownType { node: String, kind: String },
    #[error("step {node} reads the output of step {needs}, which the pipeline does not have")]
    Dangling { node: String, needs: String },
    #[error("step {node} reads the pipeline's {what} {name}, which the pipeline does not declare")]
    Undeclared { node: String, what: &'static str, name: String },
    #[error("the steps {0} wait for each other")]
    Cycle(String),
    #[error("step {node}: {source}")]
    Expression { node: String, source: UnknownExpression },
}

impl Graph {
    /// From the `properties` of a pipeline job, or of a pipeline component's spec.
    pub(crate) fn parse(properties: &Map<String, Value>) -> Result<Self, GraphError> {
        let jobs = properties.get("jobs").and_then(Value::as_object).filter(|jobs| !jobs.is_empty());
        let jobs = jobs.ok_or(GraphError::Empty)?;
        let names = |key: &str| -> BTreeSet<String> {
            properties.get(key).and_then(Value::as_object).into_iter().flat_map(|map| map.keys().cloned()).collect()
        };
        let (inputs, outputs) = (names("inputs"), names("outputs"));
        let mut nodes = BTreeMap::new();
        for (name, body) in jobs {
            let node = node(name, body)?;
            check_declared(&node, &inputs, &outputs)?;
            if let Some(needs) = node.needs.iter().find(|needs| !jobs.contains_key(*needs)) {
                return Err(GraphError::Dangling { node: name.clone(), needs: needs.clone() });
            }
            nodes.insert(name.clone(), node);
        }
        ordered(nodes)
    }
}

fn node(name: &str, body: &Value) -> Result<Node, GraphError> {
    let body = body.as_object().ok_or_else(|| GraphError::NotAStep(name.to_owned()))?;
    let kind = body.get("type").and_then(Value::as_str).unwrap_or("command");
    let kind = match kind.to_ascii_lowercase().as_str() {
        "automl" => NodeKind::AutoMl,
        "command" => NodeKind::Command,
        "pipeline" => NodeKind::Pipeline,
        _ => return Err(GraphError::UnknownType { node: name.to_owned(), kind: kind.to_owned() }),
    };
    let needs = expressions(name, body)?.into_iter().filter_map(|expression| match expression {
        Expression::NodeOutput { node, .. } => Some(node),
        _ => None,
    });
    Ok(Node { name: name.to_owned(), kind, needs: needs.collect(), body: body.clone() })
}

fn expressions(name: &str, body: &Map<String, Value>) -> Result<Vec<Expression>, GraphError> {
    let mut found = Vec::new();
    for field in body.values() {
        placeholder::find(field, &mut found)
            .map_err(|source| GraphError::Expression { node: name.to_owned(), source })?;
    }
    Ok(found)
}

fn check_declared(node: &Node, inputs: &BTreeSet<String>, outputs: &BTreeSet<String>) -> Result<(), GraphError> {
    for expression in expressions(&node.name, &node.body)? {
        let (what, name) = match expression {
            Expression::ParentInput(name) if !inputs.contains(&name) => ("input", name),
            Expression::ParentOutput(name) if !outputs.contains(&name) => ("output", name),
            _ => continue,
        };
        return Err(GraphError::Undeclared { node: node.name.clone(), what, name });
    }
    Ok(())
}

fn ordered(mut waiting: BTreeMap<String, Node>) -> Result<Graph, GraphError> {
    let mut nodes: Vec<Node> = Vec::new();
    while !waiting.is_empty() {
        let ready: Vec<String> = waiting
            .values()
            .filter(|node| node.needs.iter().all(|needs| !waiting.contains_key(needs)))
            .map(|node| node.name.clone())
            .collect();
        if ready.is_empty() {
            return Err(GraphError::Cycle(waiting.into_keys().collect::<Vec<_>>().join(", ")));
        }
        nodes.extend(ready.iter().filter_map(|name| waiting.remove(name)));
    }
    Ok(Graph { nodes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[expect(clippy::needless_pass_by_value, reason = "takes a literal")]
    fn parse(value: Value) -> Result<Graph, GraphError> {
        Graph::parse(value.as_object().unwrap())
    }

    #[test]
    fn steps_run_after_what_they_read() {
        let graph = parse(json!({
            "inputs": {"train": {}},
            "jobs": {
                "a": {"type": "command", "inputs": {"m": {"value": "${{parent.jobs.n.outputs.best_model}}"}}},
                "n": {"type": "automl", "training_data": "${{parent.inputs.train}}"},
            }
        }))
        .unwrap();
        let names: Vec<_> = graph.nodes.iter().map(|n| n.name.as_str()).collect();
        assert_eq!(names, ["n", "a"]);
        assert_eq!(graph.nodes[0].kind, NodeKind::AutoMl);
    }

    #[test]
    fn what_cannot_run_is_refused() {
        let step = |text: &str| json!({"type": "command", "inputs": {"x": text}});
        let cycle =
            json!({"jobs": {"a": step("${{parent.jobs.b.outputs.o}}"), "b": step("${{parent.jobs.a.outputs.o}}")}});
        assert_eq!(parse(cycle), Err(GraphError::Cycle("a, b".into())));
        let dangling = parse(json!({"jobs": {"a": step("${{parent.jobs.z.outputs.o}}")}}));
        assert_eq!(dangling, Err(GraphError::Dangling { node: "a".into(), needs: "z".into() }));
        let undeclared = parse(json!({"jobs": {"a": step("${{parent.inputs.train}}")}}));
        assert!(matches!(undeclared, Err(GraphError::Undeclared { .. })));
        assert_eq!(parse(json!({"jobs": {}})), Err(GraphError::Empty));
        assert!(matches!(parse(json!({"jobs": {"a": {"type": "spark"}}})), Err(GraphError::UnknownType { .. })));
    }
}
