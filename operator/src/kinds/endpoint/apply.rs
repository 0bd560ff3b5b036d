//! Does one thing, and folds the answer into what was observed.

use azureml::Started;
use azureml::error::Class;
use azureml_crds::endpoint::RolloutPhase;
use azureml_crds::status::OperationStatus;
use azureml_crds::{AmlEndpoint, reasons, tags};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::observe::Observed;
use super::plan::{Action, operations as own};
use super::{desired, outputs, smoke};
use crate::context::Context;
use crate::error::{Error, Halt};
use crate::events::Note;
use crate::ownership::{Origin, Ownership};
use crate::rollout::{Outcome, operations, traffic};

pub async fn apply(
    context: &Context,
    object: &AmlEndpoint,
    observed: &mut Observed,
    action: Action,
) -> Result<Vec<Note>, Error> {
    context.check_leads()?;
    match action {
        Action::CreateEndpoint => create(context, object, observed).await,
        Action::Claim { origin } => claim(context, observed, origin).await,
        Action::UpdateEndpoint { fields } => update(context, object, observed, &fields).await,
        Action::PutDeployment { deployment } => put_deployment(context, object, observed, deployment).await,
        Action::Scale { deployment, capacity } => scale(context, observed, deployment, capacity).await,
        Action::SetTraffic(shares) => set_traffic(context, observed, shares).await,
        Action::Prove { deployment } => {
            observed.facts.proof = Some(smoke::prove(object, observed, deployment.as_deref()).await?);
            Ok(Vec::new())
        }
        Action::DeleteDeployment { deployment } => delete_deployment(context, observed, deployment).await,
        Action::WriteOutputs { stable } => {
            outputs::write(context, object, observed, &stable).await?;
            Ok(Vec::new())
        }
        Action::RefuseRotation { token } => {
            observed.facts.state.handled.insert("rotate-keys".to_owned(), token);
            let message =
                "This release of the operator does not rotate keys: regenerate one in Azure, and the Secret follows.";
            Ok(vec![Note::warning(reasons::UNSUPPORTED, message)])
        }
    }
}

/// Notes an operation that was started; one that ended at once is seen by the next pass.
fn started<T>(context: &Context, observed: &mut Observed, kind: &str, target: &str, started: Started<T>) {
    let Some(operation) = started.operation else { return };
    observed.facts.state.operation = Some(OperationStatus {
        kind: kind.to_owned(),
        target: target.to_owned(),
        url: operation.url,
        style: operation.style.as_str().to_owned(),
        started_at: Time(context.now()),
    });
    observed.facts.outcome = Some(Outcome::Running { after: operation.retry_after });
}

/// An operation that ended with the answer itself.
fn ended(context: &Context, observed: &mut Observed, kind: &str, target: &str, outcome: Outcome) {
    observed.facts.state.operation = Some(OperationStatus {
        kind: kind.to_owned(),
        target: target.to_owned(),
        url: String::new(),
        style: String::new(),
        started_at: Time(context.now()),
    });
    observed.facts.outcome = Some(outcome);
}

fn is_candidate(observed: &Observed, deployment: &str) -> bool {
    let state = &observed.facts.state;
    state.rollout.phase == RolloutPhase::Deploying
        && state.candidate.as_ref().is_some_and(|candidate| candidate.deployment == deployment)
}

async fn create(context: &Context, object: &AmlEndpoint, observed: &mut Observed) -> Result<Vec<Note>, Error> {
    let name = observed.facts.name.clone();
    let tags = observed.facts.owner.tags(Origin::Created);
    let body = desired::endpoint(object, &observed.workspace.location(), tags);
    let answer = match observed.workspace.azure.put_online_endpoint(&name, &body).await {
        Ok(answer) => answer,
        Err(error) => return Err(not_made(&name, &observed.workspace.location(), error)),
    };
    started(context, observed, own::CREATE_ENDPOINT, &name, answer);
    Ok(vec![Note::normal(reasons::CREATED, format!("Endpoint {name:?} was made in Azure."))])
}

/// There is none of this name in the workspace: what is in the way is somebody else's in the region.
fn not_made(name: &str, location: &str, error: azureml::Error) -> Error {
    let (conflict, words) = (error.has_code("Conflict"), error.to_string());
    let is_409 = error.status() == Some(409);
    let error = Error::from(error);
    if !is_409 || !(conflict || error.halt().reason == reasons::AZURE_REJECTED) {
        return error;
    }
    let message = format!(
        "The name {name:?} is taken in the region {location:?}: {words} Make a new AmlEndpoint with another spec.azureName."
    );
    Halt::person(reasons::NAME_TAKEN, message).into()
}

/// GET, modify, PUT: the endpoint as it is now, with our tags.
async fn claim(context: &Context, observed: &mut Observed, origin: Origin) -> Result<Vec<Note>, Error> {
    let Some(live) = observed.facts.endpoint.clone() else { return Ok(Vec::new()) };
    let name = observed.facts.name.clone();
    let mut body = live.writable();
    body.tags = observed.facts.owner.tagged(&live.tags, origin);
    let answer = observed.workspace.azure.put_online_endpoint(&name, &body).await?;
    started(context, observed, own::UPDATE_ENDPOINT, &name, answer);
    let again = observed.facts.owner.judge(&live.tags, false);
    let note = if matches!(again, Ownership::Reattach(_)) {
        Note::normal(reasons::REATTACHED, format!("Endpoint {name:?} was found again."))
    } else {
        Note::normal(reasons::ADOPTED, format!("Endpoint {name:?} was taken over."))
    };
    Ok(vec![note])
}

async fn update(
    context: &Context,
    object: &AmlEndpoint,
    observed: &mut Observed,
    fields: &[&'static str],
) -> Result<Vec<Note>, Error> {
    let Some(live) = observed.facts.endpoint.clone() else { return Ok(Vec::new()) };
    let name = observed.facts.name.clone();
    let (body, _) = desired::corrected(&object.spec, &live);
    let answer = observed.workspace.azure.put_online_endpoint(&name, &body).await?;
    started(context, observed, own::UPDATE_ENDPOINT, &name, answer);
    let message = format!("Endpoint {name:?} differed in {} and is put right.", fields.join(", "));
    Ok(vec![Note::normal(reasons::UPDATED, message)])
}

async fn put_deployment(
    context: &Context,
    object: &AmlEndpoint,
    observed: &mut Observed,
    deployment: String,
) -> Result<Vec<Note>, Error> {
    let revision = observed.facts.wanted.clone()?;
    if revision.deployment != deployment {
        // Another revision is wanted since; the next pass decides anew.
        return Ok(Vec::new());
    }
    let endpoint = observed.facts.name.clone();
    let mut marks = observed.facts.owner.tags(Origin::Created);
    marks.insert(tags::HASH.to_owned(), revision.spec_hash.clone());
    let azure = observed.workspace.azure.clone();
    let location = observed.workspace.location();
    let workspace = azure.arm_id().to_string();
    let body = desired::deployment(&object.spec, &revision.model_id, &location, &workspace, marks);
    match azure.put_online_deployment(&endpoint, &deployment, &body).await {
        Ok(answer) => started(context, observed, operations::PUT_DEPLOYMENT, &deployment, answer),
        // What Azure refuses at once failed as much as what fails later.
        Err(error) if error.class() == Class::Person && is_candidate(observed, &deployment) => {
            let outcome = Outcome::Failed { message: error.to_string() };
            ended(context, observed, operations::PUT_DEPLOYMENT, &deployment, outcome);
            return Ok(Vec::new());
        }
        Err(error) => return Err(error.into()),
    }
    let message =
        format!("Deployment {deployment:?} with model version {} was begun in Azure.", revision.model_version);
    Ok(vec![Note::normal(reasons::ROLLING_OUT, message)])
}

async fn scale(
    context: &Context,
    observed: &mut Observed,
    deployment: String,
    capacity: i32,
) -> Result<Vec<Note>, Error> {
    let endpoint = observed.facts.name.clone();
    let answer = observed.workspace.azure.scale_online_deployment(&endpoint, &deployment, capacity).await?;
    started(context, observed, own::SCALE, &deployment, answer);
    Ok(vec![Note::normal(reasons::UPDATED, format!("Deployment {deployment:?} gets {capacity} machines."))])
}

async fn set_traffic(context: &Context, observed: &mut Observed, shares: traffic::Traffic) -> Result<Vec<Note>, Error> {
    let Some(live) = observed.facts.endpoint.clone() else { return Ok(Vec::new()) };
    let name = observed.facts.name.clone();
    let mut body = live.writable();
    body.properties.traffic = shares;
    // Live and mirrored traffic exclude each other, and no step mirrors.
    body.properties.mirror_traffic.clear();
    let message = format!(
        "Traffic goes from {} to {}.",
        traffic::summary(&live.properties.traffic),
        traffic::summary(&body.properties.traffic)
    );
    let answer = observed.workspace.azure.put_online_endpoint(&name, &body).await?;
    match answer {
        Started { body: Some(body), operation: None } => {
            observed.facts.endpoint = Some(body);
            ended(context, observed, operations::SET_TRAFFIC, &name, Outcome::Ended);
        }
        answer => started(context, observed, operations::SET_TRAFFIC, &name, answer),
    }
    Ok(vec![Note::normal(reasons::ROLLING_OUT, message)])
}

async fn delete_deployment(context: &Context, observed: &mut Observed, deployment: String) -> Result<Vec<Note>, Error> {
    let endpoint = observed.facts.name.clone();
    let answer = observed.workspace.azure.delete_online_deployment(&endpoint, &deployment).await?;
    started(context, observed, own::DELETE_DEPLOYMENT, &deployment, answer);
    Ok(vec![Note::normal(reasons::DELETED, format!("Deployment {deployment:?} is removed."))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_conflict_says_that_the_name_is_taken() {
        let table = [
            (409, "Conflict", reasons::NAME_TAKEN),
            (409, "", reasons::NAME_TAKEN),
            (409, "OperationInProgress", reasons::AZURE_BUSY),
            (409, "MissingSubscriptionRegistration", reasons::PROVIDER_NOT_REGISTERED),
            (400, "OutOfQuota", reasons::QUOTA_EXCEEDED),
            (400, "BadArgument", reasons::AZURE_REJECTED),
            (429, "", reasons::THROTTLED),
            (503, "", reasons::AZURE_UNAVAILABLE),
        ];
        for (status, code, reason) in table {
            let error = azureml::Error::Answer {
                operation: "PUT onlineEndpoints/bank".to_owned(),
                status,
                code: code.to_owned(),
                message: "No".to_owned(),
                request_id: None,
                retry_after: None,
            };
            let halt = not_made("bank", "westeurope", error).halt();
            assert_eq!(halt.reason, reason, "{status} {code}");
            assert_eq!(halt.message.contains("spec.azureName"), reason == reasons::NAME_TAKEN, "{}", halt.message);
        }
    }
}
