//! Azure's roles: what a principal with a role may do, and how a refusal reads.

/// Resolves a built-in role's name or GUID to its GUID; another GUID is kept as a custom role.
pub fn role_id(role: &str) -> &str {
    match role.to_ascii_lowercase().as_str() {
        "owner" => OWNER,
        "contributor" => CONTRIBUTOR,
        "reader" => READER,
        "azureml data scientist" => DATA_SCIENTIST,
        "azureml compute operator" => COMPUTE_OPERATOR,
        "user access administrator" => USER_ACCESS_ADMINISTRATOR,
        "storage blob data contributor" => BLOB_CONTRIBUTOR,
        _ => role,
    }
}

/// The name of a built-in role by its GUID; another GUID as it is.
pub fn role_name(id: &str) -> &str {
    let known = ["Owner", "Contributor", "Reader", "AzureML Data Scientist"];
    known.into_iter().find(|name| role_id(name).eq_ignore_ascii_case(id)).unwrap_or(id)
}

const OWNER: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";
const CONTRIBUTOR: &str = "b24988ac-6180-42a0-ab88-20f7382dd24c";
const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";
const DATA_SCIENTIST: &str = "f6c7c914-8db3-469d-8ca1-694a8f32e121";
const COMPUTE_OPERATOR: &str = "e503ece1-11d0-4e8e-8e2c-7a6c3bf38815";
const USER_ACCESS_ADMINISTRATOR: &str = "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9";
const BLOB_CONTRIBUTOR: &str = "ba92f5b4-2d11-453d-a403-e96b0029c9fe";

/// What blobs are read and written by; no role for the control plane includes it, Owner neither.
pub const BLOB_ACTION: &str = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/";

/// Whether a role allows an action, such as `Microsoft.MachineLearningServices/workspaces/jobs/write`.
pub fn allows(role: &str, action: &str) -> bool {
    let action = action.to_ascii_lowercase();
    let reads = action.ends_with("/read");
    let changes = ["/write", "/delete"].iter().any(|verb| action.ends_with(verb));
    if action.starts_with(&BLOB_ACTION.to_ascii_lowercase()) {
        return role == BLOB_CONTRIBUTOR;
    }
    match role {
        OWNER => true,
        CONTRIBUTOR => !(action.starts_with("microsoft.authorization/") && changes),
        READER => reads,
        DATA_SCIENTIST => {
            let workspace = "microsoft.machinelearningservices/workspaces/";
            let Some(rest) = action.strip_prefix(workspace) else { return reads };
            let of_computes = rest.starts_with("computes/");
            let of_workspace = !rest.contains('/');
            reads || !(changes && (of_computes || of_workspace) || rest.ends_with("listkeys/action") && of_computes)
        }
        COMPUTE_OPERATOR => reads || action.starts_with("microsoft.machinelearningservices/workspaces/computes/"),
        USER_ACCESS_ADMINISTRATOR => reads || action.starts_with("microsoft.authorization/"),
        _ => false,
    }
}

/// Whether a scope covers a resource: it is the resource, or one of its parents. Case does not count.
pub fn covers(scope: &str, resource: &str) -> bool {
    let (scope, resource) = (scope.trim_end_matches('/').to_ascii_lowercase(), resource.to_ascii_lowercase());
    resource.strip_prefix(&scope).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The words of `AuthorizationFailed`.
pub fn refusal(client_id: &str, object_id: &str, action: &str, scope: &str) -> String {
    format!(
        "The client '{client_id}' with object id '{object_id}' does not have authorization to perform action '{action}' \
         over scope '{scope}' or the scope is invalid. If access was recently granted, please refresh your credentials."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_allow_what_azure_says() {
        let computes = "Microsoft.MachineLearningServices/workspaces/computes/write";
        let jobs = "Microsoft.MachineLearningServices/workspaces/jobs/write";
        let share = "Microsoft.Authorization/roleAssignments/write";
        let rows = [
            ("Owner", [true, true, true]),
            ("Contributor", [true, true, false]),
            ("AzureML Data Scientist", [false, true, false]),
            ("Reader", [false, false, false]),
            ("11111111-1111-1111-1111-111111111111", [false, false, false]),
        ];
        for (role, expected) in rows {
            assert_eq!([computes, jobs, share].map(|action| allows(role_id(role), action)), expected, "{role}");
        }
        assert!(allows(role_id("reader"), "Microsoft.MachineLearningServices/workspaces/read"));
    }

    #[test]
    fn a_scope_covers_what_is_below_it_and_nothing_beside_it() {
        assert!(covers("/subscriptions/s", "/subscriptions/S/resourceGroups/rg"));
        assert!(covers("/subscriptions/s/", "/subscriptions/s"));
        assert!(!covers("/subscriptions/s", "/subscriptions/s2"));
        assert!(!covers("/subscriptions/s/resourceGroups/rg", "/subscriptions/s"));
    }
}
