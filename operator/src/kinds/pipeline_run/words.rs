//! What a person reads of a run that did not end well.

use azureml_crds::pipeline_run::StepStatus;
use azureml_crds::status::clip;

use super::Known;

/// Letters of an error, and of a log's end, in a message: an event has room for 1024.
const TOLD: usize = 350;

/// Why a job failed, and what to do about it.
pub fn failure(known: &Known) -> String {
    let failed: Vec<&StepStatus> = known.progress.steps.iter().filter(|step| step.status == "Failed").collect();
    let why = match failed.first() {
        Some(step) => {
            let text = step.error.as_deref().or(known.progress.error.as_deref());
            let more = if failed.len() > 1 { format!(" (and {} more steps)", failed.len() - 1) } else { String::new() };
            let text = clip(text.unwrap_or("Azure ML gives no reason"), TOLD);
            let log = step.log.as_deref().map(log).unwrap_or_default();
            format!("Step {:?} failed{more}: {}{log}", step.name, sentence(&text))
        }
        None => format!(
            "Job {:?} failed: {}",
            known.job_name,
            sentence(known.progress.error.as_deref().unwrap_or("Azure ML gives no reason"))
        ),
    };
    let unread = known
        .progress
        .unread
        .as_ref()
        .map(|error| format!(" The details could not be read: {}", sentence(error)))
        .unwrap_or_default();
    format!(
        "{why}{unread} Put right what it names in the pipeline or its data, and run again: a changed AmlPipeline runs by its triggers, else set its annotation azureml.dev/run to anything new."
    )
}

/// The last lines of a log, as far as they fit into a message.
fn log(text: &str) -> String {
    let from = text.char_indices().rev().nth(TOLD).map_or(0, |(at, _)| at);
    let end = text.get(from..).unwrap_or_default();
    // A line that is cut is left out, unless it is the only one.
    let whole = if from == 0 { end } else { end.split_once('\n').map_or(end, |(_, rest)| rest) };
    format!(" Its log ends:\n{whole}\n")
}

fn sentence(text: &str) -> String {
    format!("{}.", text.trim().trim_end_matches('.'))
}
