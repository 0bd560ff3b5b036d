//! What a person reads of a run that did not end well.

use azureml_crds::pipeline_run::StepStatus;

use super::Known;

/// Why a job failed, and what to do about it.
pub fn failure(known: &Known) -> String {
    let failed: Vec<&StepStatus> = known.progress.steps.iter().filter(|step| step.status == "Failed").collect();
    let why = match failed.first() {
        Some(step) => {
            let text = step.error.as_deref().or(known.progress.error.as_deref());
            let more = if failed.len() > 1 { format!(" (and {} more steps)", failed.len() - 1) } else { String::new() };
            format!("Step {:?} failed{more}: {}", step.name, sentence(text.unwrap_or("Azure ML gives no reason")))
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

fn sentence(text: &str) -> String {
    format!("{}.", text.trim().trim_end_matches('.'))
}
