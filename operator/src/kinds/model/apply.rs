//! The actions of a model.

use azureml::automl::mlflow_metric;
use azureml::resources::data::{AssetContainer, AssetContainerProperties};
use azureml::resources::models::ModelVersion;
use azureml_crds::model::Verdict;
use azureml_crds::{AmlModel, AmlResource, reasons};

use super::version::{body, mark, read};
use super::{Action, Candidate, Observed};
use crate::context::{Context, Workspace};
use crate::error::{Error, Halt};
use crate::events::Note;
use crate::ownership::{Origin, Ownership};

pub async fn apply(
    context: &Context,
    object: &AmlModel,
    observed: &mut Observed,
    action: Action,
) -> Result<Vec<Note>, Error> {
    let workspace = context.workspace(object, &object.spec.workspace_ref.name).await?;
    let name = object.azure_name();
    match action {
        Action::CreateContainer => {
            let container = AssetContainer {
                properties: AssetContainerProperties {
                    tags: observed.owner.tags(Origin::Created),
                    ..AssetContainerProperties::default()
                },
                ..AssetContainer::default()
            };
            workspace.azure.put_model_container(&name, &container).await?;
            observed.container = workspace.azure.model_container(&name).await?;
            Ok(vec![Note::normal(reasons::CREATED, format!("The model {name:?} was made."))])
        }
        Action::TagContainer { adopt } => tag_container(&workspace, &name, observed, adopt).await,
        Action::Register { candidate, verdict, gate_hash, reason } => {
            register(&workspace, object, observed, &candidate, (verdict, &gate_hash, &reason)).await
        }
        Action::Mark { version, verdict, gate_hash, reason } => {
            change(&workspace, &name, observed, &version, |found| {
                mark(&mut found.properties.tags, verdict, &gate_hash, &reason);
            })
            .await?;
            Ok(vec![verdict_note(&version, verdict, &reason)])
        }
        Action::Restore(version) => {
            change(&workspace, &name, observed, &version, |found| found.properties.is_archived = false).await?;
            Ok(vec![Note::normal(reasons::UPDATED, format!("Version {version} is shown again."))])
        }
        Action::Archive(version) => {
            change(&workspace, &name, observed, &version, |found| found.properties.is_archived = true).await?;
            Ok(vec![Note::normal(reasons::ARCHIVED, format!("Version {version} was archived."))])
        }
    }
}

async fn tag_container(
    workspace: &Workspace,
    name: &str,
    observed: &mut Observed,
    adopt: bool,
) -> Result<Vec<Note>, Error> {
    let origin = match observed.ownership() {
        Some(Ownership::Reattach(origin)) if !adopt => origin,
        _ => Origin::Adopted,
    };
    let Some(container) = &mut observed.container else { return Ok(Vec::new()) };
    container.properties.tags = observed.owner.tagged(&container.properties.tags, origin);
    let mut written = container.clone();
    // Azure's own to say.
    written.properties.latest_version = None;
    written.properties.next_version = None;
    workspace.azure.put_model_container(name, &written).await?;
    Ok(vec![if adopt {
        Note::normal(reasons::ADOPTED, format!("The model {name:?} was taken over; its versions stay as they are."))
    } else {
        Note::normal(reasons::REATTACHED, format!("The model {name:?} and its versions were found again."))
    }])
}

async fn register(
    workspace: &Workspace,
    object: &AmlModel,
    observed: &mut Observed,
    candidate: &Candidate,
    (verdict, gate_hash, reason): (Verdict, &str, &str),
) -> Result<Vec<Note>, Error> {
    let name = object.azure_name();
    let number = next_number(observed);
    if workspace.azure.model_version(&name, &number).await?.is_some() {
        return Err(Halt::retry(
            reasons::AZURE_BUSY,
            format!(
                "Version {number} of {name:?} was registered by somebody at the same time; the next number is taken."
            ),
        )
        .into());
    }
    let gate = object.spec.gate.iter().flat_map(|gate| &gate.metrics);
    let first: Vec<String> = gate.map(|bound| mlflow_metric(&bound.name)).chain(candidate.primary.clone()).collect();
    let wanted = body(candidate, &observed.owner, verdict, gate_hash, reason, &first);
    let answer = workspace.azure.put_model_version(&name, &number, &wanted).await?;
    let mut made = answer.unwrap_or(wanted);
    made.name.clone_from(&number);
    if made.id.is_empty() {
        made.id = format!("{}/versions/{number}", observed.id);
    }
    observed.versions.push(read(&made, &observed.owner));
    let from = candidate.run.as_ref().map_or_else(|| candidate.uri.clone(), |run| format!("AmlPipelineRun {run}"));
    Ok(vec![
        Note::normal(reasons::VERSION_REGISTERED, format!("Version {number} was registered from {from}.")),
        verdict_note(&number, verdict, reason),
    ])
}

/// What Azure would call the next version, and never one that is there.
fn next_number(observed: &Observed) -> String {
    let said = observed.container.as_ref().and_then(|container| container.properties.next_version.clone());
    let newest = observed.versions.iter().map(super::version::Version::number).max().unwrap_or_default();
    match said.as_deref().map(str::parse::<u64>) {
        Some(Ok(number)) => number.max(newest + 1).to_string(),
        _ => (newest + 1).to_string(),
    }
}

fn verdict_note(version: &str, verdict: Verdict, why: &str) -> Note {
    match verdict {
        Verdict::Approved => Note::normal(reasons::GATE_PASSED, format!("Version {version} is approved: {why}")),
        Verdict::Pending => Note::normal(reasons::WAITING_FOR_APPROVAL, format!("Version {version}: {why}")),
        Verdict::Rejected => Note::warning(reasons::GATE_FAILED, format!("Version {version} is rejected: {why}")),
        Verdict::Inconclusive | Verdict::Foreign => {
            Note::warning(reasons::GATE_INCONCLUSIVE, format!("Version {version} can't be judged: {why}"))
        }
    }
}

/// Reads a version, changes it and puts the whole back: that is how Azure ML changes what can be changed.
async fn change(
    workspace: &Workspace,
    name: &str,
    observed: &mut Observed,
    version: &str,
    change: impl FnOnce(&mut ModelVersion),
) -> Result<(), Error> {
    let Some(mut found) = workspace.azure.model_version(name, version).await? else { return Ok(()) };
    change(&mut found);
    workspace.azure.put_model_version(name, version, &found).await?;
    let id = format!("{}/versions/{version}", observed.id);
    if let Some(known) = observed.versions.iter_mut().find(|known| known.version == version) {
        *known = read(&found, &observed.owner);
        known.version = version.to_owned();
        if known.id.is_empty() {
            known.id = id;
        }
    }
    Ok(())
}
