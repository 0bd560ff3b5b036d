//! What a rule in the CRD can't say of a definition: circles of steps, names that lead nowhere.

use std::collections::{BTreeMap, BTreeSet};

use azureml_crds::pipeline::{AmlPipelineSpec, OutputType, Step, StepInput};
use azureml_crds::reasons;

use super::schedule;
use super::steps::output_type;
use crate::error::Halt;

/// The output of an AutoML step.
pub const BEST_MODEL: &str = "best_model";

/// What can't work in a definition, with the field and what to do.
///
/// # Errors
/// A halt that only a person can end.
pub fn validate(spec: &AmlPipelineSpec) -> Result<(), Halt> {
    supported(spec)?;
    let outputs: BTreeMap<&str, BTreeSet<&str>> =
        spec.steps.iter().map(|step| (step.name.as_str(), step_outputs(step))).collect();
    for step in &spec.steps {
        for (field, from) in reads(step) {
            resolves(spec, &outputs, step, &field, &from)?;
        }
    }
    if let Some(schedule) = spec.run.as_ref().and_then(|run| run.schedule.as_ref()) {
        schedule::times(schedule)?;
    }
    acyclic(spec)?;
    for step in &spec.steps {
        algorithms(step)?;
        tables(spec, step)?;
        parameters(spec, step)?;
        command_line(step)?;
    }
    distinct(spec)
}

/// The names of a step's outputs.
#[must_use]
pub fn step_outputs(step: &Step) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    if step.automl.is_some() {
        names.insert(BEST_MODEL);
    }
    let declared = step
        .command
        .iter()
        .flat_map(|command| &command.outputs)
        .chain(step.component.iter().flat_map(|component| &component.outputs));
    names.extend(declared.map(|output| output.name.as_str()));
    names
}

/// What a step reads: the field, and an input or `<step>.<output>`.
fn reads(step: &Step) -> Vec<(String, String)> {
    let mut all = Vec::new();
    if let Some(automl) = &step.automl {
        all.push(("automl.trainingData".to_owned(), automl.training_data.clone()));
        all.extend(automl.validation_data.iter().map(|from| ("automl.validationData".to_owned(), from.clone())));
        all.extend(automl.test_data.iter().map(|from| ("automl.testData".to_owned(), from.clone())));
    }
    all.extend(
        step_inputs(step)
            .filter_map(|(kind, input)| Some((format!("{kind}.inputs[{}].from", input.name), input.from.clone()?))),
    );
    all
}

fn supported(spec: &AmlPipelineSpec) -> Result<(), Halt> {
    let unsupported = |field: &str, instead: &str| {
        Err(Halt::person(
            reasons::UNSUPPORTED,
            format!("{field} is not supported by this release of the operator. Remove it{instead}."),
        ))
    };
    let launched = spec.publish.is_some() || spec.run.as_ref().is_some_and(|run| run.schedule.is_some());
    match spec.steps.iter().find(|step| step.automl.is_none()) {
        Some(step) if launched => unsupported(
            &format!("spec.run.schedule or spec.publish with the step {:?}, which is no automl step,", step.name),
            ", and let spec.run.triggers or the annotation azureml.dev/run start runs",
        ),
        _ => Ok(()),
    }
}

/// AutoML reads tables: another step's output has to be one.
fn tables(spec: &AmlPipelineSpec, step: &Step) -> Result<(), Halt> {
    if step.automl.is_none() {
        return Ok(());
    }
    for (field, from) in reads(step) {
        let Some((other, output)) = from.split_once('.') else { continue };
        let kind = output_type(spec, other, output);
        if kind != OutputType::MlTable {
            return Err(Halt::person(
                reasons::INVALID_SPEC,
                format!(
                    "spec.steps[{}].{field} reads {from:?}, which is of type {}. AutoML reads tables alone: give the output the type mltable, and write a file MLTable into its folder.",
                    step.name,
                    kind.as_str()
                ),
            ));
        }
    }
    Ok(())
}

/// The inputs of a step that are no AutoML's, with the kind of step they are of.
fn step_inputs(step: &Step) -> impl Iterator<Item = (&'static str, &StepInput)> {
    let command = step.command.iter().flat_map(|command| &command.inputs).map(|input| ("command", input));
    command.chain(step.component.iter().flat_map(|component| &component.inputs).map(|input| ("component", input)))
}

fn parameters(spec: &AmlPipelineSpec, step: &Step) -> Result<(), Halt> {
    for (kind, input) in step_inputs(step) {
        let Some(wanted) = &input.parameter else { continue };
        if !spec.parameters.iter().any(|known| known.name == *wanted) {
            let known: Vec<&str> = spec.parameters.iter().map(|known| known.name.as_str()).collect();
            return Err(Halt::person(
                reasons::DANGLING_REFERENCE,
                format!(
                    "spec.steps[{}].{kind}.inputs[{}].parameter names {wanted:?}, but spec.parameters has no such parameter. Known parameters: {}.",
                    step.name,
                    input.name,
                    list(&known)
                ),
            ));
        }
    }
    Ok(())
}

fn list(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// What a command line stands in for is declared.
fn command_line(step: &Step) -> Result<(), Halt> {
    let Some(command) = &step.command else { return Ok(()) };
    for inner in command.command.split("${{").skip(1) {
        let Some((expression, _)) = inner.split_once("}}") else { continue };
        let inputs: Vec<&str> = command.inputs.iter().map(|input| input.name.as_str()).collect();
        let outputs: Vec<&str> = command.outputs.iter().map(|output| output.name.as_str()).collect();
        let known = match expression.trim().split_once('.') {
            Some(("inputs", name)) => inputs.contains(&name),
            Some(("outputs", name)) => outputs.contains(&name),
            _ => false,
        };
        if !known {
            return Err(Halt::person(
                reasons::DANGLING_REFERENCE,
                format!(
                    "spec.steps[{}].command.command holds ${{{{{expression}}}}}, which stands for nothing. It may hold inputs.<name> ({}) and outputs.<name> ({}).",
                    step.name,
                    list(&inputs),
                    list(&outputs)
                ),
            ));
        }
    }
    Ok(())
}

/// Names that the job has in one list: `a` with the output `b_c`, and `a_b` with the output `c`, would be one.
fn distinct(spec: &AmlPipelineSpec) -> Result<(), Halt> {
    let twice = |field: &str, name: &str| {
        Err(Halt::person(reasons::INVALID_SPEC, format!("{field} gives the job the name {name:?} twice. Rename one.")))
    };
    let mut outputs = BTreeSet::new();
    for step in &spec.steps {
        for output in step_outputs(step) {
            let name = format!("{}_{output}", step.name);
            if !outputs.insert(name.clone()) {
                return twice(&format!("The output {output:?} of spec.steps[{}]", step.name), &name);
            }
        }
    }
    match spec.parameters.iter().find(|parameter| spec.inputs.iter().any(|input| input.name == parameter.name)) {
        Some(parameter) => {
            twice(&format!("spec.parameters[{}], beside the input of this name,", parameter.name), &parameter.name)
        }
        None => Ok(()),
    }
}

fn resolves(
    spec: &AmlPipelineSpec,
    outputs: &BTreeMap<&str, BTreeSet<&str>>,
    step: &Step,
    field: &str,
    from: &str,
) -> Result<(), Halt> {
    let dangling = |what: String| {
        Err(Halt::person(
            reasons::DANGLING_REFERENCE,
            format!("spec.steps[{}].{field} names {from:?}, {what}", step.name),
        ))
    };
    match from.split_once('.') {
        None if spec.inputs.iter().any(|input| input.name == from) => Ok(()),
        None => {
            let known = list(&spec.inputs.iter().map(|input| input.name.as_str()).collect::<Vec<_>>());
            dangling(format!("but spec.inputs has no such input. Known inputs: {known}."))
        }
        Some((other, output)) => match outputs.get(other) {
            None => {
                let known = list(&outputs.keys().copied().collect::<Vec<_>>());
                dangling(format!("but there is no step {other:?}. Known steps: {known}."))
            }
            Some(names) if !names.contains(output) => {
                let known = list(&names.iter().copied().collect::<Vec<_>>());
                dangling(format!("but step {other:?} has no output {output:?}. Its outputs: {known}."))
            }
            Some(_) => Ok(()),
        },
    }
}

fn algorithms(step: &Step) -> Result<(), Halt> {
    let Some(automl) = &step.automl else { return Ok(()) };
    let Some(training) = &automl.training else { return Ok(()) };
    let listed = training.allowed_algorithms.iter().chain(&training.blocked_algorithms);
    match listed.into_iter().find(|algorithm| !algorithm.fits(automl.task)) {
        None => Ok(()),
        Some(algorithm) => Err(Halt::person(
            reasons::INVALID_SPEC,
            format!(
                "spec.steps[{}].automl.training names {algorithm:?}, which is no algorithm of task {:?}. Remove it.",
                step.name, automl.task
            ),
        )),
    }
}

/// Takes away steps that wait for nothing, until none is left; what can't be taken away waits in a circle.
fn acyclic(spec: &AmlPipelineSpec) -> Result<(), Halt> {
    let mut waiting: BTreeMap<&str, BTreeSet<String>> = spec
        .steps
        .iter()
        .map(|step| {
            let needs = reads(step).into_iter().filter_map(|(_, from)| Some(from.split_once('.')?.0.to_owned()));
            (step.name.as_str(), needs.collect())
        })
        .collect();
    loop {
        let free: Vec<&str> = waiting.iter().filter(|(_, needs)| needs.is_empty()).map(|(name, _)| *name).collect();
        if free.is_empty() {
            break;
        }
        for name in &free {
            waiting.remove(name);
        }
        for needs in waiting.values_mut() {
            needs.retain(|need| !free.contains(&need.as_str()));
        }
    }
    if waiting.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = waiting.keys().copied().collect();
    Err(Halt::person(
        reasons::STEP_CYCLE,
        format!(
            "The steps {} read each other's outputs in a circle, so none can start. Let one of them read an input of the pipeline instead.",
            names.join(", ")
        ),
    ))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    /// A pipeline with an input `training` and AutoML steps, each with what it trains on.
    pub(crate) fn spec(steps: &[(&str, &str)]) -> AmlPipelineSpec {
        let steps: Vec<_> = steps
            .iter()
            .map(|(name, from)| {
                json!({"name": name, "automl": {"task": "Classification", "targetColumn": "y", "trainingData": from}})
            })
            .collect();
        serde_json::from_value(json!({
            "workspaceRef": {"name": "ws"}, "compute": {"azureName": "cpu"},
            "inputs": [{"name": "training", "dataset": "bank"}], "steps": steps,
        }))
        .unwrap()
    }

    #[test]
    fn what_can_t_work_is_said_with_its_field() {
        for (steps, reason, words) in [
            (vec![("a", "b.best_model"), ("b", "a.best_model")], reasons::STEP_CYCLE, "a, b"),
            (vec![("a", "a.best_model")], reasons::STEP_CYCLE, "circle"),
            (vec![("a", "rows")], reasons::DANGLING_REFERENCE, "Known inputs: training"),
            (vec![("a", "training"), ("b", "c.best_model")], reasons::DANGLING_REFERENCE, "no step \"c\""),
            (vec![("a", "training"), ("b", "a.model")], reasons::DANGLING_REFERENCE, "Its outputs: best_model"),
        ] {
            let halt = validate(&spec(&steps)).unwrap_err();
            assert_eq!(halt.reason, reason, "{steps:?}");
            assert!(halt.message.contains(words), "{}", halt.message);
        }
        assert_eq!(validate(&spec(&[("a", "training"), ("b", "training")])), Ok(()));
    }

    /// A pipeline with the parameter `rate` and these steps.
    fn with_steps(steps: &serde_json::Value) -> AmlPipelineSpec {
        serde_json::from_value(json!({
            "workspaceRef": {"name": "ws"}, "compute": {"azureName": "cpu"},
            "parameters": [{"name": "rate", "value": "1"}],
            "inputs": [{"name": "training", "dataset": "bank"}], "steps": steps,
        }))
        .unwrap()
    }

    fn command(name: &str, line: &str, kind: &str) -> serde_json::Value {
        json!({"name": name, "command": {
            "command": line, "environment": "azureml:e:1",
            "inputs": [{"name": "rows", "from": "training"}, {"name": "rate", "parameter": "rate"}],
            "outputs": [{"name": "clean", "type": kind}],
        }})
    }

    #[test]
    fn commands_are_wired_by_what_they_declare() {
        let train = |from: &str| json!({"name": "train", "automl": {"task": "Classification", "targetColumn": "y", "trainingData": from}});
        let line = "cat ${{inputs.rows}} > ${{ outputs.clean }}/x ${{inputs.rate}}";
        assert_eq!(validate(&with_steps(&json!([command("prep", line, "mltable"), train("prep.clean")]))), Ok(()));
        let mut unknown = command("prep", line, "mltable");
        unknown["command"]["inputs"][1]["parameter"] = json!("speed");
        let mut same = command("prep_clean", "true", "uri_file");
        same["command"]["outputs"][0]["name"] = json!("x");
        let mut other = command("prep", "true", "uri_file");
        other["command"]["outputs"][0]["name"] = json!("clean_x");
        for (steps, reason, words) in [
            (
                json!([command("prep", line, "uri_folder"), train("prep.clean")]),
                reasons::INVALID_SPEC,
                "of type uri_folder",
            ),
            (
                json!([train("training"), {"name": "b", "automl": {"task": "Classification", "targetColumn": "y", "trainingData": "train.best_model"}}]),
                reasons::INVALID_SPEC,
                "of type mlflow_model",
            ),
            (
                json!([command("prep", "cat ${{inputs.row}}", "mltable")]),
                reasons::DANGLING_REFERENCE,
                "${{inputs.row}}, which stands for nothing. It may hold inputs.<name> (rows, rate)",
            ),
            (json!([unknown]), reasons::DANGLING_REFERENCE, "Known parameters: rate"),
            (json!([same, other]), reasons::INVALID_SPEC, "\"prep_clean_x\" twice"),
        ] {
            let halt = validate(&with_steps(&steps)).unwrap_err();
            assert_eq!(halt.reason, reason, "{}", halt.message);
            assert!(halt.message.contains(words), "{}", halt.message);
        }
    }

    #[test]
    fn a_schedule_that_azure_can_t_express_is_said_with_its_field() {
        for (schedule, words) in [
            (json!({"cron": "0 3 1 * *"}), "spec.run.schedule.cron"),
            (json!({"cron": "0 3 * * 1", "timeZone": "Europe/Springfield"}), "spec.run.schedule.timeZone"),
        ] {
            let mut scheduled = spec(&[("a", "training")]);
            scheduled.run = serde_json::from_value(json!({"schedule": schedule})).unwrap();
            let halt = validate(&scheduled).unwrap_err();
            assert_eq!(halt.reason, reasons::INVALID_SPEC);
            assert!(halt.message.contains(words), "{}", halt.message);
        }
    }
}
