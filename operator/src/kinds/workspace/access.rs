//! Who else may use the workspace: role assignments under names that follow from who gets what. Pure.

use azureml::resources::role_assignments::{RoleAssignment, role_guid};
use azureml_crds::reasons;
use azureml_crds::workspace::{AccessEntry, AccessStatus, PrincipalType};
use uuid::Uuid;

use crate::error::Halt;
use crate::ownership::Owner;

/// An assignment that the spec asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The principal's object id.
    pub principal_id: String,
    /// `User`, `Group` or `ServicePrincipal`.
    pub principal_type: &'static str,
    /// The role, as the spec names it.
    pub role: String,
    /// The role's GUID.
    pub role_guid: String,
    /// The assignment's name if we make it.
    pub name: Uuid,
    /// Its ARM id if we make it.
    pub id: String,
}

/// The assignments that the spec asks for, each pair of principal and role once.
///
/// # Errors
/// A role that is neither known by name nor a definition's id.
pub fn wanted(owner: &Owner, workspace: &str, entries: &[AccessEntry]) -> Result<Vec<Wanted>, Halt> {
    let mut all: Vec<Wanted> = Vec::new();
    for entry in entries {
        let role_guid = role_guid(&entry.role).ok_or_else(|| {
            Halt::person(
                reasons::INVALID_SPEC,
                format!("spec.access names the role {:?}, which is not known. Write Owner, Contributor, Reader, AzureML Data Scientist, AzureML Compute Operator, User Access Administrator, or a role definition's id (az role definition list --name ...).", entry.role),
            )
        })?;
        let principal_id = entry.principal_id.to_lowercase();
        if all.iter().any(|other| other.principal_id == principal_id && other.role_guid == role_guid) {
            continue;
        }
        let words = format!("{}|{principal_id}|{role_guid}", workspace.to_lowercase());
        let name = Uuid::new_v5(&owner.id, words.as_bytes());
        all.push(Wanted {
            principal_id,
            principal_type: match entry.principal_type {
                PrincipalType::User => "User",
                PrincipalType::Group => "Group",
                PrincipalType::ServicePrincipal => "ServicePrincipal",
            },
            role: entry.role.clone(),
            role_guid,
            name,
            id: format!("{workspace}/providers/Microsoft.Authorization/roleAssignments/{name}"),
        });
    }
    Ok(all)
}

/// The assignment on the workspace itself that gives what is wanted, whoever made it.
#[must_use]
pub fn given<'a>(wanted: &Wanted, workspace: &str, existing: &'a [RoleAssignment]) -> Option<&'a RoleAssignment> {
    existing.iter().find(|assignment| {
        let properties = &assignment.properties;
        properties.scope.eq_ignore_ascii_case(workspace)
            && properties.principal_id.eq_ignore_ascii_case(&wanted.principal_id)
            && assignment.role_guid().is_some_and(|guid| guid.eq_ignore_ascii_case(&wanted.role_guid))
    })
}

/// What status says of an entry. Before it is made it is recorded under the name that it will have, so that it is
/// found and taken back whatever happens in between.
#[must_use]
pub fn recorded(wanted: &Wanted, workspace: &str, existing: &[RoleAssignment]) -> AccessStatus {
    let id = given(wanted, workspace, existing).map_or_else(|| wanted.id.clone(), |found| found.id.clone());
    AccessStatus {
        principal_id: wanted.principal_id.clone(),
        role: wanted.role.clone(),
        owned: same_id(&id, &wanted.id),
        id,
    }
}

/// Assignments that we made and that the spec asks for no more.
#[must_use]
pub fn surplus(wanted: &[Wanted], recorded: &[AccessStatus]) -> Vec<AccessStatus> {
    let asked = |entry: &AccessStatus| wanted.iter().any(|wanted| same_id(&wanted.id, &entry.id));
    recorded.iter().filter(|entry| entry.owned && !asked(entry)).cloned().collect()
}

fn same_id(one: &str, other: &str) -> bool {
    one.trim_start_matches('/').eq_ignore_ascii_case(other.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use azureml::resources::role_assignments::RoleAssignmentProperties;

    use super::*;

    const WORKSPACE: &str =
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w";
    const OWNER: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";

    fn entry(role: &str) -> AccessEntry {
        AccessEntry {
            principal_id: "44444444-4444-4444-4444-444444444444".into(),
            principal_type: PrincipalType::ServicePrincipal,
            role: role.into(),
        }
    }

    fn all(roles: &[&str]) -> Vec<Wanted> {
        let owner = Owner::new("prod", "team-a", "AmlWorkspace", "ml-ops", "uid-1");
        wanted(&owner, WORKSPACE, &roles.iter().map(|role| entry(role)).collect::<Vec<_>>()).unwrap()
    }

    fn assignment(id: &str, scope: &str) -> RoleAssignment {
        RoleAssignment {
            id: id.into(),
            properties: RoleAssignmentProperties {
                role_definition_id: format!(
                    "/subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/{OWNER}"
                ),
                principal_id: "44444444-4444-4444-4444-444444444444".into(),
                scope: scope.into(),
                ..Default::default()
            },
            ..Default::default()
        }
    }

    #[test]
    fn a_role_by_name_and_by_id_is_one_assignment_with_one_name() {
        let both = all(&["Owner", OWNER]);
        assert_eq!(both.len(), 1);
        assert_eq!(both, all(&["Owner"]), "the name is the same each time");
        assert_ne!(both[0].name, all(&["Reader"])[0].name);
    }

    #[test]
    fn an_unknown_role_is_said_with_what_to_write() {
        let owner = Owner::new("prod", "team-a", "AmlWorkspace", "ml-ops", "uid-1");
        let halt = wanted(&owner, WORKSPACE, &[entry("Boss")]).unwrap_err();
        assert!(halt.message.contains("spec.access") && halt.message.contains("Contributor"), "{halt}");
    }

    #[test]
    fn an_assignment_of_others_counts_and_is_not_ours() {
        let wanted = &all(&["Owner"])[0];
        let theirs = assignment("/x/1", WORKSPACE);
        let entry = recorded(wanted, WORKSPACE, &[theirs]);
        assert_eq!((entry.id.as_str(), entry.owned), ("/x/1", false));
        let ours = assignment(&wanted.id.to_uppercase(), &WORKSPACE.to_uppercase());
        assert!(recorded(wanted, WORKSPACE, &[ours]).owned);
        let above = assignment("/x/2", "/subscriptions/s");
        assert!(given(wanted, WORKSPACE, &[above]).is_none(), "an inherited role is not this one");
    }

    #[test]
    fn only_what_we_made_is_taken_back_with_its_entry() {
        let owner = recorded(&all(&["Owner"])[0], WORKSPACE, &[]);
        let reader = recorded(&all(&["Reader"])[0], WORKSPACE, &[]);
        let theirs = AccessStatus { id: "/x/1".into(), owned: false, ..owner.clone() };
        assert_eq!(surplus(&all(&["Owner"]), &[owner.clone(), reader.clone(), theirs]), [reader]);
        assert_eq!(surplus(&[], std::slice::from_ref(&owner)), [owner]);
    }
}
