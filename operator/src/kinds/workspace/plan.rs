//! Decides. Pure.

use azureml::OperationState;
use azureml::resources::workspaces::WorkspaceResource;
use azureml_crds::policies::AdoptionPolicy;
use azureml_crds::workspace::AccessStatus;
use azureml_crds::{AmlResource, AmlWorkspace, reasons};
use jiff::Timestamp;

use super::access::{self, Wanted};
use super::diagnosis::findings::unregistered;
use super::observe::{Observed, is_managed};
use super::{status, template};
use crate::error::Halt;
use crate::kinds::operation::{failed_for, may_retry, told};
use crate::ownership::{Origin, Ownership};
use crate::shell::references::Key;
use crate::shell::{After, Claim, Extra, Next, Plan, Standing};

/// What can be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Keep the Secret or ServiceAccount from being deleted.
    Hold(Key),
    /// Let one go that is needed no more.
    LetGo(Key),
    /// Make the workspace from the template.
    Create,
    /// Mark it as ours, found again or taken over.
    Tag(Origin, &'static str),
    /// Change what differs; by field.
    Update(Vec<&'static str>),
    /// Tell of what is missing since the last look.
    Tell(Vec<Extra>),
    /// Give a role.
    Grant(Wanted),
    /// Take a role back.
    Revoke(AccessStatus),
}

pub(super) fn plan(object: &AmlWorkspace, observed: &Observed, now: Timestamp) -> Plan<Action> {
    let mut plan = decide(object, observed, now);
    let findings = &observed.diagnosis.findings;
    plan.extras.extend(findings.iter().cloned());
    let seen = object.status.as_ref().and_then(|status| status.observed_generation) == object.metadata.generation;
    // A change of the spec is made first: once the spec counts as seen, what differs from it would pass for drift.
    let changes = matches!(plan.next, Next::Act(Action::Update(_))) && !seen;
    if !changes && findings.iter().any(|one| !is_told(object, one)) {
        // Told before anything else is done, for what is done may fail for just that.
        let missing = findings.iter().filter(|one| one.status == Some(false) && !is_told(object, one));
        plan.next = Next::Act(Action::Tell(missing.cloned().collect()));
    } else if plan.next == Next::Rest && observed.undiagnosed {
        plan.next = Next::Wait(After::Until(now));
    } else if let (Next::Rest, Some(again)) = (&plan.next, observed.diagnosis.again) {
        plan.next = Next::Wait(After::Until(again));
    }
    plan
}

/// The object's conditions say just this.
fn is_told(object: &AmlWorkspace, finding: &Extra) -> bool {
    let status = finding.status.map_or("Unknown", |status| if status { "True" } else { "False" });
    object.condition(finding.kind).is_some_and(|told| {
        (told.status.as_str(), told.reason.as_str(), told.message.as_str())
            == (status, finding.reason, finding.message.as_str())
    })
}

fn decide(object: &AmlWorkspace, observed: &Observed, now: Timestamp) -> Plan<Action> {
    if let Some(key) = &observed.to_hold {
        let message = format!("{} {:?} is held while the workspace acts by it.", key.kind, key.name);
        return act(Action::Hold(key.clone()), message);
    }
    if let Some(plan) = workspace(object, observed, now) {
        return plan;
    }
    if let Some(key) = &observed.to_let_go {
        let message = format!("{} {:?} is needed no more.", key.kind, key.name);
        return act(Action::LetGo(key.clone()), message);
    }
    let (Some(owner), Some(found)) = (&observed.owner, &observed.found) else {
        return Plan::wait(After::Poll, reasons::PROGRESSING, "The workspace was not read yet.");
    };
    let wanted = match access::wanted(owner, &observed.arm_id, &object.spec.access) {
        Ok(wanted) => wanted,
        Err(halt) => return Plan::stalled(halt.reason, halt.message),
    };
    sharing(object, observed, &wanted).unwrap_or_else(|| {
        let (name, location) = (object.azure_name(), &found.location);
        Plan::ready(if is_managed(object) {
            format!("Workspace {name} in {location} is as spec.template says.")
        } else {
            format!("Connected to workspace {name} in {location}.")
        })
    })
}

/// Work that leaves a workspace that serves as it is.
fn act(action: Action, message: String) -> Plan<Action> {
    Plan::act(action, reasons::PROGRESSING, message.clone())
        .standing(Standing::Holding { reason: reasons::PROGRESSING, message })
}

/// What the workspace itself needs; `None` where it is as it should be.
fn workspace(object: &AmlWorkspace, observed: &Observed, now: Timestamp) -> Option<Plan<Action>> {
    match &observed.operation {
        Some(OperationState::Running { retry_after }) => {
            let after = retry_after.map_or(After::Poll, After::Asked);
            return Some(Plan::wait(after, reasons::PROGRESSING, "Azure is at work on the workspace."));
        }
        Some(OperationState::Failed { code, message }) => {
            let message = message.trim_end_matches('.');
            return Some(Plan::stalled(
                failed_for(code),
                format!(
                    "Azure could not make or change the workspace: {code}: {message}. Correct spec.template, or what it names in Azure; it is tried again by and by."
                ),
            ));
        }
        Some(OperationState::Succeeded | OperationState::Lost) | None => {}
    }
    let Some(found) = &observed.found else { return Some(absent(object, observed, now)) };
    if is_managed(object)
        && let Some(plan) = ownership(object, observed, found)
    {
        return Some(plan);
    }
    match found.properties.provisioning_state.as_str() {
        "Creating" | "Updating" | "Unknown" => Some(Plan::wait(
            After::Poll,
            reasons::PROGRESSING,
            format!("The workspace is {} in Azure.", found.properties.provisioning_state),
        )),
        "Deleting" => Some(Plan::wait(
            After::Poll,
            reasons::AZURE_WORKSPACE_NOT_FOUND,
            "The workspace is being deleted in Azure.",
        )),
        "SoftDeleted" => Some(Plan::halted(&soft_deleted(&object.azure_name()))),
        "Failed" | "Canceled" if is_managed(object) && may_retry(object, observed.retry, now) => {
            Some(Plan::act(Action::Create, reasons::PROGRESSING, "The workspace is made again."))
        }
        "Failed" | "Canceled" => {
            let (reason, message) = told(object).unwrap_or_else(|| {
                let state = &found.properties.provisioning_state;
                let help = "Look at it in the portal, and repair it or make it anew.";
                (reasons::OPERATION_FAILED, format!("The workspace is {state} in Azure. {help}"))
            });
            Some(Plan::stalled(reason, message))
        }
        _ if is_managed(object) => fixed(object, found).or_else(|| drift(object, found)),
        _ => None,
    }
}

fn absent(object: &AmlWorkspace, observed: &Observed, now: Timestamp) -> Plan<Action> {
    let spec = &object.spec;
    if !is_managed(object) {
        return Plan::stalled(
            reasons::AZURE_WORKSPACE_NOT_FOUND,
            format!(
                "There is no workspace {:?} in resource group {:?} of subscription {}. Correct spec.azureName, spec.resourceGroup or spec.subscriptionId, make the workspace, or let the operator make it (managementPolicy: Manage).",
                object.azure_name(),
                spec.resource_group,
                spec.subscription_id
            ),
        );
    }
    if let Some((reason, message)) = told(object)
        && !may_retry(object, observed.retry, now)
    {
        return Plan::stalled(reason, message);
    }
    if let Some(unregistered) = unregistered(&observed.diagnosis.findings) {
        return Plan::stalled(unregistered.reason, unregistered.message.clone());
    }
    Plan::act(Action::Create, reasons::PROGRESSING, "The workspace is being made in Azure.")
}

fn ownership(object: &AmlWorkspace, observed: &Observed, found: &WorkspaceResource) -> Option<Plan<Action>> {
    let claim = Claim {
        owner: observed.owner.as_ref()?,
        what: &format!("Workspace {:?}", object.azure_name()),
        adopts: object.adoption_policy() == AdoptionPolicy::Adopt,
        help: "Connect to it (managementPolicy: Observe), take it over (adoptionPolicy: Adopt), or choose another azureName.",
    };
    let ownership = claim.owner.judge(&found.tags, object.is_held());
    let differs = object.spec.template.as_ref().map(|template| template::fixed(template, found)).unwrap_or_default();
    if let (Ownership::Foreign { .. }, true, false) = (&ownership, claim.adopts, differs.is_empty()) {
        let message = format!(
            "{} can't be taken over: {}, and Azure can't change that. Correct spec.template, or take the field out of it.",
            claim.what,
            words(&differs)
        );
        return Some(Plan::stalled(reasons::NOT_OWNED, message));
    }
    claim.plan(ownership, Action::Tag)
}

fn words(differs: &[(&str, String, String)]) -> String {
    let all = differs.iter().map(|(field, wanted, is)| format!("spec.template.{field} is {wanted}, Azure has {is}"));
    all.collect::<Vec<_>>().join("; ")
}

/// What Azure can't change is refused before it is asked.
fn fixed(object: &AmlWorkspace, found: &WorkspaceResource) -> Option<Plan<Action>> {
    let differs = template::fixed(object.spec.template.as_ref()?, found);
    (!differs.is_empty()).then(|| {
        let message = format!(
            "Workspace {:?} can't be brought to spec.template: {}. Azure can't change that of a workspace: take the field out of spec.template, or make a new AmlWorkspace.",
            object.azure_name(),
            words(&differs)
        );
        Plan::stalled(reasons::INVALID_SPEC, message)
    })
}

/// For a name that a deleted workspace still has.
pub(super) fn soft_deleted(name: &str) -> Halt {
    Halt::person(
        reasons::SOFT_DELETED,
        format!(
            "A workspace {name:?} was deleted and can still be recovered, so that Azure makes no other one of this name. Recover it (the portal's page Azure Machine Learning, Recently deleted), or purge it there to have a new one made; the operator never purges. It is looked at again."
        ),
    )
}

fn drift(object: &AmlWorkspace, found: &WorkspaceResource) -> Option<Plan<Action>> {
    let template = object.spec.template.as_ref()?;
    let fields = template::differs(template, found);
    (!fields.is_empty()).then(|| {
        let message = format!("Azure differs from spec.template in {}; it is put right.", fields.join(", "));
        act(Action::Update(fields), message)
    })
}

/// What the sharing needs; `None` where it is as it should be.
fn sharing(object: &AmlWorkspace, observed: &Observed, wanted: &[Wanted]) -> Option<Plan<Action>> {
    let recorded = object.status.as_ref().map(|status| status.access.as_slice()).unwrap_or_default();
    let missing = wanted.iter().find(|wanted| access::given(wanted, &observed.arm_id, &observed.assignments).is_none());
    if missing.is_some() && recorded != status::access(object, observed).as_slice() {
        // Recorded under the name that it will have, before it is made.
        let message = "Roles are about to be given.".to_owned();
        let standing = Standing::Holding { reason: reasons::PROGRESSING, message };
        return Some(Plan { next: Next::Record, standing, extras: Vec::new() });
    }
    if let Some(missing) = missing {
        let message = format!("{} gets the role {:?}.", missing.principal_id, missing.role);
        return Some(act(Action::Grant(missing.clone()), message));
    }
    let surplus = access::surplus(wanted, recorded).into_iter().next()?;
    let message = format!("The role {:?} is taken back from {}.", surplus.role, surplus.principal_id);
    Some(act(Action::Revoke(surplus), message))
}

#[cfg(test)]
mod tests {
    use azureml::resources::workspaces::WorkspaceProperties;
    use serde_json::{Value, json};

    use super::*;
    use crate::ownership::Owner;

    const ARM: &str = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws";

    fn object(spec: &Value) -> AmlWorkspace {
        let mut whole = json!({
            "subscriptionId": "11111111-1111-1111-1111-111111111111", "resourceGroup": "rg", "azureName": "ws",
            "credentials": {"managedIdentity": {}},
        });
        for (name, value) in spec.as_object().unwrap() {
            whole[name] = value.clone();
        }
        serde_json::from_value(json!({
            "apiVersion": "azureml.dev/v1alpha1", "kind": "AmlWorkspace", "spec": whole,
            "metadata": {"name": "ml-ops", "namespace": "team-a", "uid": "uid-1", "generation": 1},
        }))
        .unwrap()
    }

    fn observed(state: Option<&str>) -> Observed {
        Observed {
            arm_id: ARM.into(),
            owner: Some(Owner::new("prod", "team-a", "AmlWorkspace", "ml-ops", "uid-1")),
            found: state.map(|state| WorkspaceResource {
                location: "westeurope".into(),
                properties: WorkspaceProperties { provisioning_state: state.into(), ..Default::default() },
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    fn now() -> Timestamp {
        Timestamp::from_second(1_700_000_000).unwrap()
    }

    fn reason(plan: &Plan<Action>) -> (&'static str, &'static str) {
        match &plan.standing {
            Standing::Ready { reason, .. } => ("ready", reason),
            Standing::Progressing { reason, .. } => ("progressing", reason),
            Standing::Stalled { reason, .. } => ("stalled", reason),
            Standing::Holding { reason, .. } => ("holding", reason),
        }
    }

    #[test]
    fn a_workspace_that_is_observed_is_never_made_or_marked() {
        for (state, wanted) in [
            (None, ("stalled", reasons::AZURE_WORKSPACE_NOT_FOUND)),
            (Some("Succeeded"), ("ready", reasons::SUCCEEDED)),
            (Some("Creating"), ("progressing", reasons::PROGRESSING)),
            (Some("Failed"), ("stalled", reasons::OPERATION_FAILED)),
        ] {
            let plan = plan(&object(&json!({})), &observed(state), now());
            assert_eq!(reason(&plan), wanted, "{state:?}");
            assert!(!matches!(plan.next, Next::Act(_)), "{state:?}");
        }
    }

    #[test]
    fn a_managed_workspace_is_made_and_a_foreign_one_left_alone() {
        let managed = object(&json!({"managementPolicy": "Manage", "template": {"location": "westeurope"}}));
        assert_eq!(plan(&managed, &observed(None), now()).next, Next::Act(Action::Create));
        assert_eq!(reason(&plan(&managed, &observed(Some("Succeeded")), now())), ("stalled", reasons::NOT_OWNED));
        let adopting = object(
            &json!({"managementPolicy": "Manage", "template": {"location": "westeurope"}, "adoptionPolicy": "Adopt"}),
        );
        assert_eq!(
            plan(&adopting, &observed(Some("Succeeded")), now()).next,
            Next::Act(Action::Tag(Origin::Adopted, reasons::ADOPTED))
        );
    }

    #[test]
    fn a_role_is_recorded_then_given_then_taken_back_with_its_entry() {
        let entry =
            json!({"principalId": "44444444-4444-4444-4444-444444444444", "principalType": "User", "role": "Owner"});
        let mut shared = object(&json!({"access": [entry]}));
        let seen = observed(Some("Succeeded"));
        assert_eq!(plan(&shared, &seen, now()).next, Next::Record);
        shared.set_status(status::status(&shared, &seen));
        let Next::Act(Action::Grant(grant)) = plan(&shared, &seen, now()).next else { panic!("no grant") };
        assert_eq!(grant.role, "Owner");
        let mut unshared = object(&json!({}));
        unshared.set_status(shared.status().unwrap().clone());
        let Next::Act(Action::Revoke(revoked)) = plan(&unshared, &seen, now()).next else { panic!("no revoke") };
        assert_eq!(revoked.id, grant.id);
    }

    #[test]
    fn sharing_leaves_ready_as_it_was() {
        let entry =
            json!({"principalId": "44444444-4444-4444-4444-444444444444", "principalType": "User", "role": "Owner"});
        let plan = plan(&object(&json!({"access": [entry]})), &observed(Some("Succeeded")), now());
        assert_eq!(reason(&plan).0, "holding");
    }
}
