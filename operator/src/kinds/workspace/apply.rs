//! Does one thing.

use azureml_crds::{AmlResource, AmlWorkspace, reasons};
use serde_json::json;

use super::observe::Observed;
use super::plan::{Action, soft_deleted};
use super::{access, template};
use crate::context::Context;
use crate::error::{Error, Halt};
use crate::events::Note;
use crate::kinds::operation;
use crate::shell::holds;

pub(super) async fn apply(
    context: &Context,
    object: &AmlWorkspace,
    observed: &mut Observed,
    action: Action,
) -> Result<Vec<Note>, Error> {
    let name = object.azure_name();
    let (Some(azure), Some(owner)) = (observed.azure.clone(), observed.owner.clone()) else { return Ok(Vec::new()) };
    match action {
        Action::Hold(key) => {
            holds::hold(context, &key).await?;
            Ok(Vec::new())
        }
        Action::LetGo(key) => {
            holds::let_go(context, &key).await?;
            Ok(Vec::new())
        }
        Action::Create => {
            let Some(spec) = &object.spec.template else { return Ok(Vec::new()) };
            let made = azure.put_workspace(&template::body(spec, &name, &owner)).await;
            let started =
                made.map_err(
                    |error| if is_soft_deleted(&error) { soft_deleted(&name).into() } else { Error::from(error) },
                )?;
            observed.started = started
                .operation
                .map(|operation| operation::remember(&operation, "CreateWorkspace", &name, context.now()));
            Ok(vec![Note::normal(reasons::CREATED, format!("Workspace {name:?} is being made in Azure."))])
        }
        Action::Tag(origin, reason) => {
            let Some(found) = &mut observed.found else { return Ok(Vec::new()) };
            let tags = owner.tagged(&found.tags, origin);
            let started = azure.patch_workspace(json!({"tags": tags})).await?;
            found.tags = tags;
            observed.started = started
                .operation
                .map(|operation| operation::remember(&operation, "TagWorkspace", &name, context.now()));
            let what = if reason == reasons::ADOPTED { "taken over" } else { "found again" };
            Ok(vec![Note::normal(reason, format!("Workspace {name:?} was {what}."))])
        }
        Action::Update(fields) => {
            let (Some(spec), Some(found)) = (&object.spec.template, &observed.found) else { return Ok(Vec::new()) };
            let started = azure.patch_workspace(template::change(spec, found, &fields)).await?;
            observed.started = started
                .operation
                .map(|operation| operation::remember(&operation, "UpdateWorkspace", &name, context.now()));
            let fields = fields.join(", ");
            Ok(vec![if object.is_ready() {
                let message = format!("Workspace {name:?} differed from spec.template in {fields} and was put right.");
                Note::normal(reasons::DRIFT_CORRECTED, message)
            } else {
                Note::normal(reasons::UPDATED, format!("Workspace {name:?} was changed in {fields}."))
            }])
        }
        Action::Tell(missing) => Ok(missing.into_iter().map(|one| Note::warning(one.reason, one.message)).collect()),
        Action::Grant(wanted) => grant(&azure, observed, &wanted).await,
        Action::Revoke(entry) => {
            azure.remove_role_assignment(&entry.id).await?;
            let message = format!("The role {:?} was taken back from {}.", entry.role, entry.principal_id);
            observed.revoked.push(entry.id);
            Ok(vec![Note::normal(reasons::ACCESS_REVOKED, message)])
        }
    }
}

async fn grant(
    azure: &azureml::Workspace,
    observed: &mut Observed,
    wanted: &access::Wanted,
) -> Result<Vec<Note>, Error> {
    let made = azure.assign_role(wanted.name, &wanted.role_guid, &wanted.principal_id, wanted.principal_type).await;
    match made {
        Ok(assignment) => {
            observed.assignments.push(assignment);
            let message = format!("{} {} got the role {:?}.", wanted.principal_type, wanted.principal_id, wanted.role);
            Ok(vec![Note::normal(reasons::ACCESS_GRANTED, message)])
        }
        Err(error) if error.has_code("RoleAssignmentExists") => {
            // Somebody gave it in the meantime: theirs counts.
            observed.assignments.extend(azure.role_assignments(&wanted.principal_id).await?);
            if access::given(wanted, &observed.arm_id, &observed.assignments).is_some() {
                return Ok(Vec::new());
            }
            Err(Halt::retry(reasons::AZURE_BUSY, format!("{error} It is not listed yet; looked at again soon.")).into())
        }
        Err(error) if error.has_code("PrincipalNotFound") => Err(Halt::retry(
            reasons::PRINCIPAL_NOT_FOUND,
            format!(
                "spec.access names {} {}, which Entra ID does not know. Write its object id (az ad sp show --id <client id> --query id), not the client id; one that was just made is known after some minutes, and it is tried again until then. {error}",
                wanted.principal_type, wanted.principal_id
            ),
        )
        .into()),
        Err(error) => Err(error.into()),
    }
}

/// Azure does not make a workspace under the name of one that was deleted and can be recovered.
fn is_soft_deleted(error: &azureml::Error) -> bool {
    let text = error.to_string().to_ascii_lowercase().replace([' ', '-'], "");
    error.status().is_some_and(|status| status == 400 || status == 409) && text.contains("softdelete")
}
