//! Reads: the model, the operation in flight, the endpoint with its deployments, the smoke request, the outputs.

use azureml::resources::online::{OnlineDeployment, OnlineEndpoint};
use azureml::{Operation, OperationState};
use azureml_crds::endpoint::{Revision, RolloutPhase};
use azureml_crds::{AmlEndpoint, AmlResource, reasons};
use serde_json::Value;

use super::outputs::{self, OutputsSeen};
use super::{desired, smoke};
use crate::context::{Context, Workspace};
use crate::error::{Error, Halt};
use crate::inventory::Look;
use crate::inventory::lists::Endpoints;
use crate::ownership::Owner;
use crate::rollout::{Outcome, Proof, Provisioning, Retry, State, operations};
use crate::stores::find;

/// Lines of a failed container that are told.
const LOG_LINES: u32 = 20;
/// Characters of them.
const LOG_LENGTH: usize = 600;

/// What was read.
pub struct Observed {
    /// Azure.
    pub workspace: Workspace,
    /// What the decision is made of.
    pub facts: Facts,
    /// The smoke request.
    pub smoke: Option<Value>,
}

/// What the decision is made of: values alone.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The endpoint's ARM id, recorded or to be.
    pub id: String,
    /// The endpoint's name in Azure.
    pub name: String,
    /// Who we are to Azure.
    pub owner: Owner,
    /// The revision that is wanted, or why it is not known.
    pub wanted: Result<Revision, Halt>,
    /// The endpoint.
    pub endpoint: Option<OnlineEndpoint>,
    /// Its deployments.
    pub deployments: Vec<OnlineDeployment>,
    /// What is recorded.
    pub state: State,
    /// How the recorded operation stands.
    pub outcome: Option<Outcome>,
    /// What the proof made in this pass said.
    pub proof: Option<Proof>,
    /// Why the smoke request can't be sent.
    pub request: Result<(), Halt>,
    /// The last lines of the failed candidate's container.
    pub log: Option<String>,
    /// How soon, and how late, what failed is tried again.
    pub retry: Retry,
    /// What is written into the cluster.
    pub outputs: OutputsSeen,
}

pub async fn observe(context: &Context, object: &AmlEndpoint, look: Look) -> Result<Observed, Error> {
    let workspace = context.workspace(object, &object.spec.workspace_ref.name).await?;
    let status = object.status.clone().unwrap_or_default();
    let state = State::read(&status);
    let name = object.azure_name();
    let azure = &workspace.azure;
    let id =
        status.azure.as_ref().map_or_else(|| azure.id_of(&format!("onlineEndpoints/{name}")), |azure| azure.id.clone());
    let wanted = wanted(context, object, &workspace, &name, &state).await?;

    let mut outcome = match &state.operation {
        Some(operation) => Some(poll(&workspace, &operation.url, &operation.style).await?),
        None => None,
    };
    let (endpoint, deployments) = read(context, object, &workspace, &name, look).await?;

    let log = failed_log(&workspace, &name, &state, outcome.as_ref(), &deployments).await;
    if let (Some(Outcome::Failed { message }), Some(log), Some(operation)) = (&mut outcome, &log, &state.operation)
        && operation.kind == operations::PUT_DEPLOYMENT
    {
        message.push_str(&format!(" The container's last lines: {log}"));
    }
    let (smoke, request) = if proof_ahead(&state, wanted.as_ref().ok()) {
        match smoke::request(context, object).await? {
            Ok(body) => (body, Ok(())),
            Err(halt) => (None, Err(halt)),
        }
    } else {
        (None, Ok(()))
    };
    let mut outputs = outputs::observe(context, object).await?;
    if let Some(endpoint) = &endpoint
        && state.stable.is_some()
        && state.candidate.is_none()
        && state.operation.is_none()
    {
        keys(context, object, &workspace, endpoint, look, &mut outputs).await?;
    }
    let facts = Facts {
        id,
        name,
        owner: context.owner(object),
        wanted,
        endpoint,
        deployments,
        state,
        outcome,
        proof: None,
        request,
        log,
        retry: Retry { soon: context.settings.poll, late: context.settings.stalled_retry },
        outputs,
    };
    Ok(Observed { workspace, facts, smoke })
}

/// The endpoint and its deployments.
async fn read(
    context: &Context,
    object: &AmlEndpoint,
    workspace: &Workspace,
    name: &str,
    look: Look,
) -> Result<(Option<OnlineEndpoint>, Vec<OnlineDeployment>), Error> {
    let inventory = &context.inventory;
    let endpoint = inventory.look::<Endpoints>(context, workspace, object, name, look).await?;
    let deployments = match endpoint {
        Some(_) => inventory.deployments(workspace, object, name, look).await?,
        None => Vec::new(),
    };
    Ok((endpoint, deployments))
}

/// Notes the endpoint's keys. No list tells of them: at rest they are asked for when the endpoint was changed since, or
/// when it is time for a look.
async fn keys(
    context: &Context,
    object: &AmlEndpoint,
    workspace: &Workspace,
    endpoint: &OnlineEndpoint,
    look: Look,
    outputs: &mut OutputsSeen,
) -> Result<(), Error> {
    if !endpoint.properties.auth_mode.eq_ignore_ascii_case("Key") || !outputs::holds_keys(outputs) {
        return Ok(());
    }
    let (looks, uid, now) = (&context.inventory.keys, object.uid(), context.now());
    let modified = endpoint.last_modified_at();
    if look == Look::Lists && !looks.is_due(uid, modified, None, now) {
        return Ok(());
    }
    outputs::observe_keys(workspace, &object.azure_name(), outputs).await?;
    looks.looked(uid, modified, (), now);
    Ok(())
}

/// A proof may be next.
fn proof_ahead(state: &State, wanted: Option<&Revision>) -> bool {
    let stable = state.stable.as_ref().map(|stable| &stable.spec_hash);
    let settled = state.candidate.is_none()
        && state.rollout.phase != RolloutPhase::Confirming
        && stable.is_some()
        && stable == wanted.map(|wanted| &wanted.spec_hash);
    !settled
}

async fn wanted(
    context: &Context,
    object: &AmlEndpoint,
    workspace: &Workspace,
    name: &str,
    state: &State,
) -> Result<Result<Revision, Halt>, Error> {
    let spec = &object.spec;
    if let Some(text) = &spec.model.id {
        let Some((model, version)) = desired::asset(text) else {
            let message = format!("spec.model.id {text:?} is not azureml:<name>:<version>. Correct it.");
            return Ok(Err(Halt::person(reasons::INVALID_SPEC, message)));
        };
        let id = workspace.azure.id_of(&format!("models/{model}/versions/{version}"));
        let known = [&state.stable, &state.candidate]
            .into_iter()
            .any(|revision| revision.as_ref().is_some_and(|revision| revision.model_id.eq_ignore_ascii_case(&id)));
        if !known && workspace.azure.model_version(model, version).await?.is_none() {
            let message = format!(
                "spec.model.id names version {version:?} of model {model:?}, which does not exist in the Azure workspace. Register it, or correct the id."
            );
            return Ok(Err(Halt::wait(reasons::MODEL_VERSION_NOT_FOUND, message)));
        }
        return Ok(Ok(desired::revision(name, spec, &id, version)));
    }
    let reference = spec.model.ref_.as_deref().unwrap_or_default();
    let waits = |message: String| Ok(Err(Halt::wait(reasons::WAITING_FOR_MODEL, message)));
    let Some(model) = find(&context.stores.models, object.namespace(), reference) else {
        return waits(format!(
            "spec.model.ref names AmlModel {reference:?}, which does not exist in namespace {:?}. Apply it, or correct the name.",
            object.namespace()
        ));
    };
    if model.spec.workspace_ref != spec.workspace_ref {
        let message = format!(
            "spec.model.ref names AmlModel {reference:?} of workspace {:?}, and the endpoint is in workspace {:?}. Name a model of the same workspace.",
            model.spec.workspace_ref.name, spec.workspace_ref.name
        );
        return Ok(Err(Halt::person(reasons::INVALID_SPEC, message)));
    }
    match model.status.as_ref().and_then(|status| status.approved.as_ref()) {
        Some(approved) => Ok(Ok(desired::revision(name, spec, &approved.id, &approved.version))),
        None => waits(format!("AmlModel {reference:?} has no approved version yet.")),
    }
}

async fn poll(workspace: &Workspace, url: &str, style: &str) -> Result<Outcome, Error> {
    let state = workspace.azure.client().poll(&Operation::resume(url, style)).await?;
    Ok(match state {
        OperationState::Running { retry_after } => Outcome::Running { after: retry_after },
        OperationState::Succeeded | OperationState::Lost => Outcome::Ended,
        OperationState::Failed { code, message } => Outcome::Failed { message: format!("{code}: {message}") },
    })
}

/// The last lines of the candidate's container, where it failed. They explain; without them the failure stands as well.
async fn failed_log(
    workspace: &Workspace,
    endpoint: &str,
    state: &State,
    outcome: Option<&Outcome>,
    deployments: &[OnlineDeployment],
) -> Option<String> {
    let candidate = state.candidate.as_ref().filter(|_| state.rollout.phase == RolloutPhase::Deploying)?;
    let live = deployments.iter().find(|live| live.name.eq_ignore_ascii_case(&candidate.deployment))?;
    let failed = matches!(outcome, Some(Outcome::Failed { .. }))
        || Provisioning::parse(live.properties.provisioning_state.as_deref()) == Provisioning::Failed;
    if !failed {
        return None;
    }
    match workspace.azure.online_deployment_logs(endpoint, &candidate.deployment, LOG_LINES).await {
        Ok(log) => {
            let log = log.trim();
            let skip = log.chars().count().saturating_sub(LOG_LENGTH);
            Some(log.chars().skip(skip).collect::<String>()).filter(|log| !log.is_empty())
        }
        Err(error) => {
            tracing::info!(%error, endpoint, "the container's log could not be read");
            None
        }
    }
}
