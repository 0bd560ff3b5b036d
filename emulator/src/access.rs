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

/// What a role gives: patterns of actions, what is left out of them, and patterns of actions on data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Permissions {
    /// `*` stands for any text.
    pub actions: &'static [&'static str],
    /// Left out of them.
    pub not_actions: &'static [&'static str],
    /// On data.
    pub data_actions: &'static [&'static str],
}

/// What a role gives, by its GUID ("Azure built-in roles", learn.microsoft.com); nothing is known of others.
pub fn permissions(role: &str) -> Permissions {
    let only = |actions: &'static [&'static str]| Permissions { actions, ..Permissions::default() };
    match role {
        OWNER => only(&["*"]),
        CONTRIBUTOR => Permissions {
            actions: &["*"],
            not_actions: &[
                "Microsoft.Authorization/*/Delete",
                "Microsoft.Authorization/*/Write",
                "Microsoft.Authorization/elevateAccess/Action",
            ],
            data_actions: &[],
        },
        READER => only(&["*/read"]),
        DATA_SCIENTIST => Permissions {
            actions: &[
                "Microsoft.MachineLearningServices/workspaces/read",
                "Microsoft.MachineLearningServices/workspaces/*/read",
                "Microsoft.MachineLearningServices/workspaces/*/action",
                "Microsoft.MachineLearningServices/workspaces/*/delete",
                "Microsoft.MachineLearningServices/workspaces/*/write",
            ],
            not_actions: &[
                "Microsoft.MachineLearningServices/workspaces/delete",
                "Microsoft.MachineLearningServices/workspaces/write",
                "Microsoft.MachineLearningServices/workspaces/computes/write",
                "Microsoft.MachineLearningServices/workspaces/computes/delete",
                "Microsoft.MachineLearningServices/workspaces/computes/*/write",
                "Microsoft.MachineLearningServices/workspaces/computes/*/delete",
                "Microsoft.MachineLearningServices/workspaces/computes/listKeys/action",
                "Microsoft.MachineLearningServices/workspaces/listKeys/action",
            ],
            data_actions: &[],
        },
        COMPUTE_OPERATOR => only(&["Microsoft.MachineLearningServices/workspaces/computes/*"]),
        USER_ACCESS_ADMINISTRATOR => only(&["*/read", "Microsoft.Authorization/*"]),
        BLOB_CONTRIBUTOR => Permissions {
            actions: &["Microsoft.Storage/storageAccounts/blobServices/containers/*"],
            not_actions: &[],
            data_actions: &["Microsoft.Storage/storageAccounts/blobServices/containers/blobs/*"],
        },
        _ => Permissions::default(),
    }
}

/// Whether a role allows an action, such as `Microsoft.MachineLearningServices/workspaces/jobs/write`.
pub fn allows(role: &str, action: &str) -> bool {
    let given = permissions(role);
    let any = |patterns: &[&str]| patterns.iter().any(|pattern| fits(pattern, action));
    // An action on data is none that a role for the control plane gives, however wide it is.
    if fits(&format!("{BLOB_ACTION}*"), action) {
        return any(given.data_actions);
    }
    any(given.actions) && !any(given.not_actions)
}

/// Whether a pattern fits an action; case does not count.
fn fits(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_ascii_lowercase(), action.to_ascii_lowercase());
    let mut parts = pattern.split('*');
    let Some(mut left) = parts.next().and_then(|first| action.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, between)) = parts.split_last() else { return left.is_empty() };
    for part in between {
        let Some(at) = left.find(part) else { return false };
        left = left.get(at + part.len()..).unwrap_or_default();
    }
    left.ends_with(last)
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
        assert!(allows(role_id("azureml data scientist"), "Microsoft.MachineLearningServices/workspaces/read"));
        assert!(!allows(role_id("azureml data scientist"), "Microsoft.Insights/components/query/read"));
        for (role, expected) in [("Owner", false), ("Storage Blob Data Contributor", true)] {
            assert_eq!(allows(role_id(role), &format!("{BLOB_ACTION}write")), expected, "{role}");
        }
    }

    #[test]
    fn a_scope_covers_what_is_below_it_and_nothing_beside_it() {
        assert!(covers("/subscriptions/s", "/subscriptions/S/resourceGroups/rg"));
        assert!(covers("/subscriptions/s/", "/subscriptions/s"));
        assert!(!covers("/subscriptions/s", "/subscriptions/s2"));
        assert!(!covers("/subscriptions/s/resourceGroups/rg", "/subscriptions/s"));
    }
}
